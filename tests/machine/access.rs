//! Who may come in: the authorisation hook, and the rule about pages of other origins.

use std::time::Duration;

use barewire::{Access, channel};

use crate::support::*;

/// A hub with this hook.
fn guarded(hook: impl FnMut(&barewire::Request<'_>) -> Access + Send + 'static) -> Simulation {
    server(|server| {
        routes(server);
        server.authorize(hook);
    })
}

/// One request for each thing that a server can do.
fn everything() -> [String; 8] {
    [
        get("/"),
        post("/", "x"),
        post("/channels/a", "x"),
        get("/channels/a"),
        get("/channels/a?wait=1&from=now"),
        request("GET /channels/a", "Accept: text/event-stream\r\n"),
        upgrade("/channels/a", ""),
        upgrade("/echo", ""),
    ]
}

#[test]
fn what_the_hook_forbids_is_403_and_never_happens() {
    let mut server = guarded(|_| Access::Forbid);
    for asked in everything() {
        let answer = ask(&mut server, &asked);
        assert_eq!(answer.status, 403, "{asked}");
    }
}

#[test]
fn what_the_hook_challenges_is_401_with_the_challenge() {
    let mut server = guarded(|request| match request.header("Authorization") {
        Some("Bearer secret") => Access::Allow,
        _ => Access::challenge("Bearer realm=\"hub\""),
    });
    for asked in everything() {
        let answer = ask(&mut server, &asked);
        let challenge = answer.field("WWW-Authenticate");
        assert_eq!(
            (answer.status, challenge.as_deref()),
            (401, Some("Bearer realm=\"hub\""))
        );
    }
    let allowed = request("GET /", "Authorization: Bearer secret\r\n");
    assert_eq!(ask(&mut server, &allowed).text(), "home");
}

#[test]
fn the_hook_may_look_for_a_token_where_browsers_can_put_it() {
    let mut server = guarded(|request| {
        let token = request.cookie("token").map(Into::into);
        (token.or_else(|| request.query("access_token")).as_deref() == Some("s e")).into()
    });
    for (target, fields, status) in [
        ("/", "", 403),
        ("/", "Cookie: a=b; token=s e; token=x\r\n", 200),
        ("/", "Cookie: a=b\r\nCookie: token=s e\r\n", 200),
        ("/", "Cookie: Token=s e\r\n", 403),
        ("/?access_token=s%20e", "", 200),
        ("/?access_token=s%20e", "Cookie: token=x\r\n", 403),
    ] {
        let answer = ask(&mut server, &request(&format!("GET {target}"), fields));
        assert_eq!(answer.status, status, "{target} {fields}");
    }
}

#[test]
fn the_hook_is_asked_once_and_before_the_body() {
    let asked = Shared::default();
    let seen = asked.clone();
    let mut server = guarded(move |request| {
        seen.push(format!("{} {}", request.path(), request.body().len()));
        Access::Allow
    });
    let client = server.connect();
    let head = request("POST /channels/a", "Content-Length: 5\r\n");
    server.send(client, head.as_bytes());
    assert_eq!(asked.take(), ["/channels/a 0"]);
    assert_eq!(talk(&mut server, client, b"hello")[0].status, 201);
    assert_eq!(asked.take(), [""; 0]);
}

#[test]
fn the_hook_is_asked_before_a_100_and_before_a_404() {
    let mut server = guarded(|_| Access::Forbid);
    let client = server.connect();
    let head = request(
        "POST /channels/a",
        "Expect: 100-continue\r\nContent-Length: 5\r\n",
    );
    let answer = ask_on(&mut server, client, &head);
    assert_eq!((answer.status, answer.closes()), (403, true));
    assert!(!server.is_open(client));
    assert_eq!(ask(&mut server, &get("/nowhere")).status, 403);
}

#[test]
fn a_refusal_keeps_the_connection_where_no_body_follows() {
    let mut server = guarded(|request| Access::from(request.path() != "/"));
    let client = server.connect();
    assert_eq!(ask_on(&mut server, client, &get("/")).status, 403);
    assert_eq!(ask_on(&mut server, client, &get("/nowhere")).status, 404);
    let answers = talk(
        &mut server,
        client,
        (post("/", "x") + &get("/nowhere")).as_bytes(),
    );
    assert_eq!(
        (answers.len(), answers[0].status, answers[0].closes()),
        (1, 403, true)
    );
}

#[test]
fn the_hook_sees_the_parameters_of_the_route() {
    let mut server = guarded(|request| match request.param("name").as_deref() {
        Some("open space") => Access::Allow,
        _ => Access::Forbid,
    });
    for asked in
        ["/channels/open%20space", "/channels/a"].map(|path| (post(path, "x"), upgrade(path, "")))
    {
        let allowed = asked.0.contains("open");
        let status = |answer: Answer| answer.status;
        assert_eq!(
            status(ask(&mut server, &asked.0)),
            if allowed { 201 } else { 403 }
        );
        let client = server.connect();
        server.send(client, asked.1.as_bytes());
        let bytes = server.take(client);
        assert_eq!(
            answer(&bytes, false).0.status,
            if allowed { 101 } else { 403 }
        );
    }
}

#[test]
fn a_hook_that_panics_lets_nobody_in() {
    quiet_panics();
    let mut server = guarded(|_| panic!("on purpose"));
    for asked in everything() {
        assert_eq!(ask(&mut server, &asked).status, 500, "{asked}");
    }
}

// Pages of other origins: RFC 6455 10.2, RFC 6454

const FOREIGN: [&str; 8] = [
    "http://evil.example",
    "https://a",
    "http://a:81",
    "http://a.evil.example",
    "http://evil.example/a",
    "null",
    "",
    "a",
];

fn from(origin: &str) -> String {
    format!("Origin: {origin}\r\n")
}

fn post_from(origin: &str) -> String {
    let fields = from(origin) + "Content-Length: 1\r\n";
    request("POST /channels/a", &fields) + "x"
}

/// The status of an upgrade, whatever follows its head.
fn upgrade_status(server: &mut Simulation, path: &str, origin: &str) -> u16 {
    let client = server.connect();
    server.send(client, upgrade(path, &from(origin)).as_bytes());
    answer(&server.take(client), false).0.status
}

#[test]
fn pages_of_other_origins_may_not_publish_or_open_sockets() {
    let mut server = hub();
    for origin in FOREIGN {
        assert_eq!(ask(&mut server, &post_from(origin)).status, 403, "{origin}");
        for path in ["/channels/a", "/echo"] {
            assert_eq!(upgrade_status(&mut server, path, origin), 403, "{origin}");
        }
    }
    let seen = ask(&mut server, &get("/channels/a"));
    assert!(seen.text().contains("\"events\":[]"));
}

#[test]
fn a_foreign_publish_is_refused_before_its_body() {
    let mut server = hub();
    let client = server.connect();
    let fields = from("null") + "Expect: 100-continue\r\nContent-Length: 5\r\n";
    let answer = ask_on(&mut server, client, &request("POST /channels/a", &fields));
    assert_eq!((answer.status, answer.closes()), (403, true));
}

#[test]
fn pages_of_the_servers_own_origin_and_programs_without_one_may() {
    let mut server = hub();
    for origin in ["http://a", "HTTP://A:80"] {
        assert_eq!(ask(&mut server, &post_from(origin)).status, 201, "{origin}");
        for path in ["/channels/b", "/echo"] {
            assert_eq!(upgrade_status(&mut server, path, origin), 101, "{origin}");
        }
    }
    publish(&mut server, "a", "x");
    open(&mut server, "/echo");
}

#[test]
fn pages_of_other_origins_may_read_without_a_socket_as_the_browser_allows() {
    let mut server = hub();
    for path in ["/", "/channels/a", "/channels/a?wait=0"] {
        let asked = request(&format!("GET {path}"), &from("http://evil.example"));
        assert!(ask(&mut server, &asked).status < 300, "{path}");
    }
}

#[test]
fn an_origin_that_is_allowed_by_name_may() {
    let mut server = server(|server| {
        routes(server);
        server.allow_origin("https://friend.example");
    });
    assert_eq!(
        ask(&mut server, &post_from("https://friend.example")).status,
        201
    );
    assert_eq!(
        ask(&mut server, &post_from("https://FRIEND.example:443")).status,
        201
    );
    for origin in FOREIGN
        .iter()
        .chain(&["http://friend.example", "https://friend.example.evil"])
    {
        assert_eq!(ask(&mut server, &post_from(origin)).status, 403, "{origin}");
    }
    assert_eq!(
        upgrade_status(&mut server, "/echo", "https://friend.example"),
        101
    );
}

#[test]
fn a_page_of_an_allowed_origin_may_read_every_way_without_a_socket() {
    let mut server = server(|server| {
        routes(server);
        server.allow_origin(FRIEND);
        server.authorize(|request| request.method() != "OPTIONS");
    });
    let readable = [
        ("Access-Control-Allow-Origin", FRIEND),
        (
            "Access-Control-Expose-Headers",
            "Last-Event-ID, Retry-After",
        ),
        ("Vary", "Origin"),
    ];
    let published = ask(&mut server, &post_from(FRIEND));
    let poll = ask(&mut server, &request("GET /channels/a", &from(FRIEND)));
    let parked = ask(
        &mut server,
        &request("GET /channels/a?from=now&wait=0", &from(FRIEND)),
    );
    let refused = ask(
        &mut server,
        &request("GET /channels/a?from=then", &from(FRIEND)),
    );
    // A page of the server's own, and one that is not allowed, are told nothing.
    for origin in ["http://a", "https://evil.example"] {
        let answer = ask(&mut server, &request("GET /channels/a", &from(origin)));
        assert_eq!(answer.field("Access-Control-Allow-Origin"), None);
    }
    let client = server.connect();
    let asked = request("GET /channels/a?from=now&wait=5", &from(FRIEND));
    server.send(client, asked.as_bytes());
    server.wait(Duration::from_secs(5));
    let waited = answer(&server.take(client), false).0;
    let events = from(FRIEND) + "Accept: text/event-stream\r\n";
    server.send(client, request("GET /channels/a", &events).as_bytes());
    server.stop();
    let stream = answer(&server.take(client), false).0;
    for answer in [published, poll, parked, refused, waited, stream] {
        for (name, value) in readable {
            assert_eq!(answer.field(name).as_deref(), Some(value), "{answer:?}");
        }
    }
}

/// Requests that the server refuses, with `Origin` where `{}` stands, and the status.
const REFUSED: [(&str, u16); 22] = [
    ("GET /secret HTTP/1.1\r\nHost: a\r\n{}\r\n", 401),
    ("GET /channels/secret HTTP/1.1\r\nHost: a\r\n{}\r\n", 401),
    ("GET /channels/hidden HTTP/1.1\r\nHost: a\r\n{}\r\n", 403),
    ("GET /channels/panic HTTP/1.1\r\nHost: a\r\n{}\r\n", 500),
    (
        "POST /channels/a HTTP/1.1\r\nHost: a\r\n{}Content-Length: 99\r\n\r\n",
        413,
    ),
    (
        "POST /channels/a HTTP/1.1\r\nHost: a\r\n{}Transfer-Encoding: chunked\r\n\r\n63\r\n",
        413,
    ),
    (
        "POST /channels/a HTTP/1.1\r\nHost: a\r\n{}Transfer-Encoding: chunked\r\n\r\nz\r\n",
        400,
    ),
    (
        "POST /channels/a HTTP/1.1\r\nHost: a\r\n{}Content-Length: x\r\n\r\n",
        400,
    ),
    (
        "POST /channels/a HTTP/1.1\r\nHost: a\r\n{}Expect: more\r\n\r\n",
        417,
    ),
    ("DELETE /channels/a HTTP/1.1\r\nHost: a\r\n{}\r\n", 405),
    ("BREW /channels/a HTTP/1.1\r\nHost: a\r\n{}\r\n", 501),
    ("GET /nowhere HTTP/1.1\r\nHost: a\r\n{}\r\n", 404),
    ("GET /channels/ HTTP/1.1\r\nHost: a\r\n{}\r\n", 404),
    ("GET /channels/%ff HTTP/1.1\r\nHost: a\r\n{}\r\n", 400),
    ("GET /channels/many HTTP/1.1\r\nHost: a\r\n{}\r\n", 503),
    (
        "GET https://a/channels/a HTTP/1.1\r\nHost: a\r\n{}\r\n",
        421,
    ),
    ("GET /echo HTTP/1.1\r\nHost: a\r\n{}\r\n", 426),
    ("GET /channels/a HTTP/1.1\r\n{}\r\n", 400),
    ("GET /channels/a HTTP/1.1\r\nHost: a\r\n{}X\r\n\r\n", 400),
    ("GET /channels/a HTTP/1.1\r\n{}Host : a\r\n\r\n", 400),
    ("GET /channels/a HTTP/3.0\r\nHost: a\r\n{}\r\n", 505),
    ("GET  /channels/a HTTP/1.1\r\nHost: a\r\n{}\r\n", 400),
];

const FRIEND: &str = "https://friend.example";

/// A hub for pages of these origins, in which everything can be refused.
fn refusing(origins: &[&str]) -> Simulation {
    quiet_panics();
    let mut server = server(|server| {
        routes(server);
        server.limits(Limits {
            body: 50,
            channels: channel::Limits {
                channels: 1,
                ..channel::Limits::default()
            },
            ..Limits::default()
        });
        for origin in origins {
            server.allow_origin(origin);
        }
        server.authorize(|request| match request.path() {
            path if path.ends_with("secret") => Access::challenge("Bearer"),
            "/channels/hidden" => Access::Forbid,
            "/channels/panic" => panic!("on purpose"),
            _ => Access::Allow,
        });
    });
    publish(&mut server, "a", "x");
    // The one channel that there may be is read.
    listen(&mut server, "/channels/a", "");
    server
}

#[test]
fn a_page_of_an_allowed_origin_may_read_every_refusal() {
    let mut server = refusing(&[FRIEND, "https://other.example"]);
    for (asked, status) in REFUSED {
        let asked = match asked.contains("many") {
            true => asked.replace("{}", "Accept: text/event-stream\r\n{}"),
            false => asked.to_owned(),
        };
        for (origin, readable) in [(FRIEND, Some(FRIEND)), ("https://evil.example", None)] {
            let asked = asked.replace("{}", &from(origin));
            let refused = match status {
                403 if readable.is_none() => continue,
                _ => ask(&mut server, &asked),
            };
            let shown = refused.field("Access-Control-Allow-Origin");
            // A page that may not publish is refused for that first.
            let status = match readable {
                None if refused.status == 403 => 403,
                _ => status,
            };
            assert_eq!(
                (refused.status, shown.as_deref()),
                (status, readable),
                "{asked}"
            );
            assert_eq!(refused.field("Vary").as_deref(), Some("Origin"), "{asked}");
            let exposed = refused.field("Access-Control-Expose-Headers");
            assert_eq!(exposed.is_some(), readable.is_some());
        }
    }
}

#[test]
fn a_page_of_an_allowed_origin_may_read_that_it_was_too_large_or_too_slow() {
    let mut server = refusing(&[FRIEND, "https://other.example"]);
    let shown = |server: &mut Simulation, asked: &str, status| {
        let client = server.connect();
        server.send(client, asked.as_bytes());
        server.wait(Duration::from_secs(60));
        let refused = answer(&server.take(client), false).0;
        assert_eq!(refused.status, status, "{asked}");
        refused.field("Access-Control-Allow-Origin")
    };
    let long = "x".repeat(20_000);
    let origin = from(FRIEND);
    for (asked, status) in [
        (
            format!("GET /channels/a HTTP/1.1\r\n{origin}X: {long}"),
            431,
        ),
        (
            request(
                "GET /channels/a",
                &(origin.clone() + &"X: y\r\n".repeat(200)),
            ),
            431,
        ),
        (format!("GET /channels/a HTTP/1.1\r\n{origin}"), 408),
        (
            request(
                "POST /channels/a",
                &(origin.clone() + "Content-Length: 5\r\n"),
            ),
            408,
        ),
    ] {
        assert_eq!(shown(&mut server, &asked, status).as_deref(), Some(FRIEND));
    }
    // Whose it is can't be seen: in a cut line, behind what is read, twice. None is named by mistake.
    for (asked, status) in [
        (
            format!("GET /channels/a HTTP/1.1\r\n{}", origin.trim_end()),
            408,
        ),
        (format!("GET /channels/a HTTP/1.1\r\nX: {long}"), 431),
        (
            format!("GET /channels/{long} HTTP/1.1\r\n{origin}\r\n"),
            414,
        ),
        (
            format!("GET /channels/a HTTP/1.1\r\n{origin}{origin}X\r\n\r\n"),
            400,
        ),
        (
            format!("GET /channels/a HTTP/1.1\r\nX\r\n\r\n{origin}"),
            400,
        ),
    ] {
        let named = shown(&mut server, &asked, status);
        assert!(named.is_none() || status == 414, "{asked}: {named:?}");
    }
}

#[test]
fn where_only_one_origin_or_every_one_may_read_it_is_named_unseen() {
    let long = "x".repeat(20_000);
    for (allowed, named) in [(FRIEND, FRIEND), ("*", "*")] {
        let mut server = refusing(&[allowed]);
        for asked in [
            format!("GET /channels/a HTTP/1.1\r\nX: {long}"),
            format!("GET /channels/{long} HTTP/1.1\r\n"),
            "nonsense\r\n\r\n".to_owned(),
        ] {
            let refused = ask(&mut server, &asked);
            let shown = refused.field("Access-Control-Allow-Origin");
            assert_eq!(shown.as_deref(), Some(named));
        }
    }
    let mut server = refusing(&[]);
    let refused = ask(&mut server, &format!("nonsense\r\n{}\r\n", from(FRIEND)));
    assert_eq!(refused.field("Access-Control-Allow-Origin"), None);
    assert_eq!(refused.field("Vary"), None);
}

#[test]
fn what_a_handler_answers_is_shown_to_whom_the_handler_says() {
    let mut server = refusing(&[FRIEND]);
    let answered = ask(&mut server, &request("GET /", &from(FRIEND)));
    assert_eq!(answered.field("Access-Control-Allow-Origin"), None);
}

#[test]
fn an_origin_that_no_page_can_have_is_an_error_when_the_server_is_to_run() {
    for origin in [
        "app.example",
        "https://*.example",
        "null",
        "wss://app.example",
    ] {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        server.allow_origin(FRIEND).allow_origin(origin);
        let refused = server.turn(Some(Duration::ZERO)).unwrap_err();
        assert!(matches!(refused, barewire::Error::Origin(_)), "{refused:?}");
        let why = refused.to_string();
        assert!(
            why.starts_with(&format!("invalid origin: {origin:?}: ")),
            "{why}"
        );
        assert!(server.turn(Some(Duration::ZERO)).is_err());
        assert!(server.run().is_err());
    }
}

#[test]
fn a_preflight_of_an_allowed_origin_is_answered_before_the_hook_is_asked() {
    let mut server = server(|server| {
        routes(server);
        server.allow_origin(FRIEND);
        server.authorize(|_| false);
    });
    let preflight = |origin: &str, path: &str| {
        let fields = from(origin)
            + "Access-Control-Request-Method: POST\r\n\
               Access-Control-Request-Headers: last-event-id,prefer\r\n";
        request(&format!("OPTIONS {path}"), &fields)
    };
    let answer = ask(&mut server, &preflight(FRIEND, "/channels/a"));
    assert_eq!(answer.status, 204);
    for (name, value) in [
        ("Access-Control-Allow-Origin", FRIEND),
        ("Access-Control-Allow-Methods", "GET, POST"),
        ("Access-Control-Allow-Headers", "last-event-id,prefer"),
    ] {
        assert_eq!(answer.field(name).as_deref(), Some(value));
    }
    for (origin, path) in [("https://evil.example", "/channels/a"), (FRIEND, "/")] {
        assert_eq!(
            ask(&mut server, &preflight(origin, path)).status,
            403,
            "{origin} {path}"
        );
    }
}

#[test]
fn a_star_allows_every_origin() {
    let mut server = server(|server| {
        routes(server);
        server.allow_origin("*");
    });
    for origin in FOREIGN {
        assert_eq!(ask(&mut server, &post_from(origin)).status, 201, "{origin}");
    }
}

#[test]
fn a_handlers_own_post_is_the_handlers_to_judge() {
    let mut server = hub();
    let fields = from("http://evil.example") + "Content-Length: 1\r\n";
    let asked = request("POST /", &fields) + "x";
    assert_eq!(ask(&mut server, &asked).status, 200);
}
