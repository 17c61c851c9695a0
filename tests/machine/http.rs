//! HTTP/1.1 as a client meets it: RFC 9110 and RFC 9112.

use proptest::prelude::*;

use crate::support::*;

// RFC 9112 2.2 and 9110 6.6.1: what an answer looks like

#[test]
fn an_answer_is_a_status_line_a_date_its_fields_and_its_body() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = server.take(client);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\nDate: "));
    assert_eq!(
        dateless(&answer),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\nhome"
    );
}

#[test]
fn every_answer_but_a_100_has_one_date() {
    let mut server = hub();
    for asked in [
        get("/"),
        get("/nowhere"),
        request("PUT /", ""),
        "nonsense\r\n\r\n".into(),
        post("/channels/a", "x"),
        get("/channels/a?wait=0&from=now"),
        upgrade("/echo", ""),
        get("/echo"),
    ] {
        let client = server.connect();
        server.send(client, asked.as_bytes());
        let answer = String::from_utf8(server.take(client)).unwrap();
        assert_eq!(answer.matches("\r\nDate: ").count(), 1, "{answer}");
    }
}

#[test]
fn an_empty_line_before_a_request_is_ignored() {
    let mut server = hub();
    let client = server.connect();
    assert_eq!(
        statuses_of(&mut server, client, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        [200]
    );
    let again = post("/", "abc") + "\r\n" + &get("/");
    assert_eq!(statuses_of(&mut server, client, &again), [200, 200]);
}

fn statuses_of(server: &mut Simulation, client: Client, asked: &str) -> Vec<u16> {
    let answers = talk(server, client, asked.as_bytes());
    answers.iter().map(|answer| answer.status).collect()
}

// RFC 9112 9.3: persistence

#[test]
fn a_connection_stays_open_in_http_1_1_until_close_is_asked_for() {
    let mut server = hub();
    let client = server.connect();
    for _ in 0..3 {
        let answer = ask_on(&mut server, client, &get("/"));
        assert_eq!(answer.field("Connection"), None);
    }
    let answer = ask_on(
        &mut server,
        client,
        &request("GET /", "Connection: close\r\n"),
    );
    assert_eq!((answer.text(), answer.closes()), ("home", true));
    assert!(!server.is_open(client));
}

#[test]
fn close_counts_in_any_case_and_among_other_options() {
    let mut server = hub();
    for fields in [
        "Connection: CLOSE\r\n",
        "Connection: foo, close\r\n",
        "connection: keep-alive\r\nConnection:close\r\n",
    ] {
        let client = server.connect();
        assert!(ask_on(&mut server, client, &request("GET /", fields)).closes());
        assert!(!server.is_open(client), "{fields}");
    }
}

#[test]
fn http_1_0_closes_unless_keep_alive_is_asked_for_and_then_it_is_said() {
    let mut server = hub();
    let client = server.connect();
    let answer = ask_on(&mut server, client, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!((answer.text(), answer.closes()), ("home", true));
    assert!(!server.is_open(client));

    let client = server.connect();
    for _ in 0..2 {
        let asked = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        let answer = ask_on(&mut server, client, asked);
        assert_eq!(answer.field("Connection").as_deref(), Some("keep-alive"));
        assert!(server.is_open(client));
    }
}

// RFC 9110 9.3.2: HEAD

#[test]
fn head_gets_the_head_of_get_and_no_body() {
    let mut server = hub();
    publish(&mut server, "a", "x");
    for path in ["/", "/channels/a", "/nowhere"] {
        let whole = ask(&mut server, &get(path));
        let client = server.connect();
        server.send(client, request(&format!("HEAD {path}"), "").as_bytes());
        let bytes = server.take(client);
        let (head, rest) = answer(&bytes, true);
        assert_eq!((head.head, rest), (whole.head, &b""[..]));
        assert_eq!(ask_on(&mut server, client, &get("/")).text(), "home");
    }
}

#[test]
fn head_gets_no_body_either_where_its_head_is_refused() {
    for (asked, status) in [
        ("HEAD / HTTP/1.1\r\nHost: a", 408),
        ("\r\nHEAD / HT", 408),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("HEAD / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        ("HEAD /\0", 400),
    ] {
        let mut server = hub();
        let client = server.connect();
        server.send(client, asked.as_bytes());
        server.wait(seconds(11));
        let bytes = server.take(client);
        let (head, rest) = answer(&bytes, true);
        assert_eq!((head.status, rest), (status, &b""[..]), "{asked}");
    }
}

#[test]
fn what_may_still_become_head_gets_no_body_and_no_announcement_of_one() {
    for asked in ["H", "\r\nHE", "HEA", "HEAD"] {
        let mut server = hub();
        let client = server.connect();
        server.send(client, asked.as_bytes());
        server.wait(seconds(11));
        let bytes = server.take(client);
        // It reads the same whatever the client meant.
        for head_only in [true, false] {
            let (head, rest) = answer(&bytes, head_only);
            assert_eq!((head.status, rest), (408, &b""[..]), "{asked}");
            assert_eq!(head.field("Content-Length").as_deref(), Some("0"));
        }
    }
}

#[test]
fn head_gets_no_body_either_where_its_own_body_is_refused() {
    for (fields, status) in [
        ("Content-Length: x\r\n", 400),
        ("Content-Length: 99999999\r\n", 413),
        ("Content-Length: 1\r\n", 408),
        ("Transfer-Encoding: chunked\r\n", 408),
        ("Expect: more\r\n", 417),
    ] {
        let mut server = hub();
        let client = server.connect();
        server.send(client, request("HEAD /", fields).as_bytes());
        server.wait(seconds(31));
        let bytes = server.take(client);
        let (head, rest) = answer(&bytes, true);
        assert_eq!((head.status, rest), (status, &b""[..]), "{fields}");
        assert!(!server.is_open(client));
    }
}

// RFC 9110 9.1 and 15.5.6: methods

#[test]
fn nothing_at_a_path_is_404_and_the_connection_stays() {
    let mut server = hub();
    let client = server.connect();
    for path in [
        "/nowhere",
        "/channels",
        "/channels/",
        "/channels/a/b",
        "//",
        "/%zz",
    ] {
        let answer = ask_on(&mut server, client, &get(path));
        assert_eq!((answer.status, answer.closes()), (404, false), "{path}");
    }
    assert!(server.is_open(client));
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_right() {
    let mut server = hub();
    for (line, allowed) in [
        ("PUT /", "GET, HEAD, POST, OPTIONS"),
        ("DELETE /channels/a", "GET, HEAD, POST, OPTIONS"),
        ("POST /echo", "GET, HEAD, OPTIONS"),
        ("TRACE /", "GET, HEAD, POST, OPTIONS"),
    ] {
        let answer = ask(&mut server, &request(line, ""));
        assert_eq!(answer.status, 405, "{line}");
        assert_eq!(answer.field("Allow").as_deref(), Some(allowed), "{line}");
    }
}

#[test]
fn options_is_204_and_says_the_methods() {
    let mut server = hub();
    let client = server.connect();
    for (line, allowed) in [
        ("OPTIONS /", "GET, HEAD, POST, OPTIONS"),
        ("OPTIONS /channels/a", "GET, HEAD, POST, OPTIONS"),
        ("OPTIONS /echo", "GET, HEAD, OPTIONS"),
        ("OPTIONS *", "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"),
    ] {
        let answer = ask_on(&mut server, client, &request(line, ""));
        assert_eq!(answer.status, 204, "{line}");
        assert_eq!(answer.field("Allow").as_deref(), Some(allowed), "{line}");
    }
    assert_eq!(
        ask(&mut server, &request("OPTIONS /nowhere", "")).status,
        404
    );
}

#[test]
fn an_unknown_method_is_501_and_methods_have_a_case() {
    let mut server = hub();
    for line in ["BREW /", "get /", "M-SEARCH /nowhere"] {
        assert_eq!(ask(&mut server, &request(line, "")).status, 501, "{line}");
    }
}

#[test]
fn a_method_that_a_route_was_made_for_is_known() {
    let mut server = server(|server| {
        server.route("PROPFIND", "/", |_, reply| reply.text("found"));
    });
    assert_eq!(ask(&mut server, &request("PROPFIND /", "")).text(), "found");
    assert_eq!(
        ask(&mut server, &request("PROPFIND /other", "")).status,
        404
    );
    let answer = ask(&mut server, &request("GET /", ""));
    assert_eq!(answer.field("Allow").as_deref(), Some("OPTIONS, PROPFIND"));
    assert_eq!(ask(&mut server, &request("BREW /", "")).status, 501);
}

#[test]
fn connect_is_for_proxies_and_what_follows_it_is_no_request() {
    let mut server = hub();
    let client = server.connect();
    let asked = format!(
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n{}",
        post("/channels/a", "for somebody else")
    );
    server.send(client, asked.as_bytes());
    let got = answers(&server.take(client));
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].status, got[0].closes()), (501, true));
    assert!(!server.is_open(client));
    let seen = ask(&mut server, &get("/channels/a"));
    assert!(seen.text().starts_with("{\"events\":[]"));
}

// RFC 9112 3.2: targets

#[test]
fn the_absolute_form_is_read_and_its_authority_counts() {
    let mut server = hub();
    for line in [
        "GET http://b.example/",
        "GET http://b.example",
        "GET HTTP://b.example/?q",
    ] {
        assert_eq!(
            ask(&mut server, &request(line, "")).text(),
            "home",
            "{line}"
        );
    }
    // The target's authority goes before Host (3.2.2), also where an Origin is compared with it.
    let line = "POST http://b.example/channels/a";
    let fields = "Origin: http://b.example\r\nContent-Length: 0\r\n";
    assert_eq!(ask(&mut server, &request(line, fields)).status, 201);
}

#[test]
fn a_path_is_compared_decoded_and_split_before_that() {
    let mut server = server(|server| {
        server.get("/a b/{name}", |request, reply| {
            reply.text(request.param("name").unwrap_or_default())
        });
    });
    assert_eq!(ask(&mut server, &get("/a%20b/c%2Fd")).text(), "c/d");
    assert_eq!(ask(&mut server, &get("/a%20b%2Fc")).status, 404);
}

// RFC 9110 10.1.1: Expect

const EXPECTING: &str = "Expect: 100-continue\r\nContent-Length: 3\r\n";

#[test]
fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, request("POST /", EXPECTING).as_bytes());
    assert_eq!(server.take(client), b"HTTP/1.1 100 Continue\r\n\r\n");
    server.send(client, b"abc");
    let answers = answers(&server.take(client));
    assert_eq!((answers.len(), answers[0].text()), (1, "abc"));
    assert!(server.is_open(client));
}

#[test]
fn a_client_that_does_not_wait_gets_no_100() {
    let mut server = hub();
    for behind in ["a", "abc"] {
        let client = server.connect();
        let asked = request("POST /", EXPECTING) + behind;
        server.send(client, asked.as_bytes());
        server.send(client, &b"abc"[behind.len()..]);
        let answers = answers(&server.take(client));
        assert_eq!((answers.len(), answers[0].text()), (1, "abc"), "{behind}");
    }
}

#[test]
fn no_100_is_sent_for_a_body_that_nobody_wants() {
    let mut server = hub();
    for (line, fields, status) in [
        ("POST /nowhere", EXPECTING, 404),
        ("PUT /", EXPECTING, 405),
        (
            "POST /",
            "Expect: 100-continue\r\nContent-Length: 1048577\r\n",
            413,
        ),
        (
            "POST /",
            "Expect: 100-continue\r\nContent-Length: x\r\n",
            400,
        ),
    ] {
        let client = server.connect();
        let answer = ask_on(&mut server, client, &request(line, fields));
        assert_eq!((answer.status, answer.closes()), (status, true), "{line}");
        assert!(!server.is_open(client));
    }
}

#[test]
fn no_100_is_sent_where_no_body_follows_or_to_http_1_0() {
    let mut server = hub();
    let answer = ask(&mut server, &request("GET /", "Expect: 100-continue\r\n"));
    assert_eq!(answer.text(), "home");
    let client = server.connect();
    let old = format!("POST / HTTP/1.0\r\n{EXPECTING}\r\n");
    server.send(client, old.as_bytes());
    assert_eq!(server.take(client), b"");
    assert_eq!(talk(&mut server, client, b"abc")[0].text(), "abc");
}

#[test]
fn any_other_expectation_is_417() {
    let mut server = hub();
    let client = server.connect();
    let fields = "Expect: a-pony\r\nContent-Length: 3\r\n";
    let answer = ask_on(&mut server, client, &request("POST /channels/a", fields));
    assert_eq!((answer.status, answer.closes()), (417, true));
    assert!(!server.is_open(client));
}

// RFC 9112 6 and 7: bodies

#[test]
fn a_body_of_a_length_is_as_long_as_it_says() {
    let mut server = hub();
    let client = server.connect();
    for body in ["", "x", "a\r\n\r\nGET / HTTP/1.1\r\n\r\n"] {
        let answer = ask_on(&mut server, client, &post("/", body));
        assert_eq!(answer.text(), body);
    }
}

#[test]
fn a_get_may_have_a_body_and_it_is_not_the_next_request() {
    let mut server = hub();
    let client = server.connect();
    let asked = request("GET /", "Content-Length: 4\r\n") + "PUT " + &get("/");
    let answers = talk(&mut server, client, asked.as_bytes());
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|answer| answer.text() == "home"));
}

#[test]
fn chunks_are_put_together_and_extensions_and_trailers_left_out() {
    let mut server = hub();
    let client = server.connect();
    let asked = request("POST /", "Transfer-Encoding: chunked\r\n")
        + "5;name=value;other=\"a;b\"\r\nhello\r\n"
        + "00006 ; x\r\n world\r\n"
        + "0;last\r\nX-Trailer: yes\r\nContent-Length: 99\r\n\r\n"
        + &get("/");
    let answers = talk(&mut server, client, asked.as_bytes());
    assert_eq!(answers.len(), 2);
    assert_eq!(
        (answers[0].text(), answers[1].text()),
        ("hello world", "home")
    );
}

#[test]
fn a_body_is_taken_up_to_the_limit_and_not_a_byte_further() {
    let limits = Limits {
        body: 5,
        ..Limits::default()
    };
    let mut server = hub_with(limits);
    assert_eq!(ask(&mut server, &post("/", "12345")).text(), "12345");
    assert_eq!(ask(&mut server, &post("/", "123456")).status, 413);
    let chunked = |chunks: &str| request("POST /", "Transfer-Encoding: chunked\r\n") + chunks;
    let fits = ask(&mut server, &chunked("3\r\n123\r\n2\r\n45\r\n0\r\n\r\n"));
    assert_eq!(fits.text(), "12345");
    // Refused when it is announced: the data has not come.
    let client = server.connect();
    let answer = ask_on(&mut server, client, &chunked("3\r\n123\r\n3\r\n"));
    assert_eq!((answer.status, answer.closes()), (413, true));
    assert!(!server.is_open(client));
}

// RFC 9110 15.5.22: 426

#[test]
fn a_plain_get_of_a_websocket_is_told_to_upgrade() {
    let mut server = hub();
    let client = server.connect();
    server.send(client, get("/echo").as_bytes());
    assert_eq!(
        dateless(&server.take(client)),
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Content-Type: text/plain; charset=utf-8\r\nSec-WebSocket-Version: 13\r\nContent-Length: 51\r\n\r\n\
         426 Upgrade Required: this is a WebSocket endpoint\n"
    );
    assert_eq!(ask_on(&mut server, client, &get("/")).text(), "home");
}

// RFC 9112 2.1: where the bytes are cut means nothing

const CONVERSATION: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: t\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /channels/a?wait=0&from=now HTTP/1.1\r\nHost: a\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\n\r\n",
];

const ENDS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n",
    "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "",
];

/// What a conversation gets that arrives in these pieces, and whether the connection is open afterwards.
fn said(input: &[u8], cuts: &[usize]) -> (String, bool) {
    said_under(Limits::default(), input, cuts)
}

fn said_under(limits: Limits, input: &[u8], cuts: &[usize]) -> (String, bool) {
    let mut server = hub_with(limits);
    let client = server.connect();
    let mut from = 0;
    for &cut in cuts.iter().chain([&input.len()]) {
        server.send(client, &input[from..cut]);
        from = cut;
    }
    let said = mask_ids(&dateless(&server.take(client)));
    (said, server.is_open(client))
}

/// Ids begin with the time of the server's start.
fn mask_ids(text: &str) -> String {
    let mut masked = String::new();
    for line in text.split_inclusive("\r\n") {
        masked.push_str(if line.starts_with("Last-Event-ID: ") {
            "id\r\n"
        } else {
            line
        });
    }
    masked
}

#[test]
fn byte_by_byte_gets_the_same_answers_as_all_at_once() {
    for end in ENDS {
        let input = CONVERSATION.concat() + end;
        let every: Vec<usize> = (1..input.len()).collect();
        let whole = said(input.as_bytes(), &[]);
        assert_eq!(said(input.as_bytes(), &every), whole, "{end:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cutting_of_a_conversation_gets_the_same_answers(
        picks in proptest::collection::vec(0..CONVERSATION.len(), 0..8),
        end in 0..ENDS.len(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        high_water in 1..2_000usize,
    ) {
        let mut input: String = picks.iter().map(|&pick| CONVERSATION[pick]).collect();
        input += ENDS[end];
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = said(input.as_bytes(), &[]);
        prop_assert_eq!(&said(input.as_bytes(), &cuts), &whole);
        // Nor does it matter how many answers are let to pile up.
        let limits = Limits { high_water, ..Limits::default() };
        prop_assert_eq!(&said_under(limits, input.as_bytes(), &cuts), &whole);
    }
}
