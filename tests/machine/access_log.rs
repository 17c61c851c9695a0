//! The access log: every answer is seen once, with what was asked, also where that can't be read.

use barewire::Answered;

use crate::support::*;

/// What a line of a log says: `GET /a?b 200`, and the bytes.
type Lines = Shared<Vec<(String, usize)>>;

/// A hub with a log, and handlers of every kind.
fn logged() -> (Simulation, Lines) {
    quiet_panics();
    let lines: Lines = Shared::default();
    let hook = lines.clone();
    let server = server(|server| {
        routes(server);
        server.get("/panic", |_, _| panic!("on purpose"));
        server.get("/broken", |_, reply| reply.header("Date", "x").text(""));
        server.get("/silent", |_, reply| drop(reply));
        server.get("/stream", |_, reply| drop(reply.stream("text/plain")));
        server.get("/later", |_, reply| {
            reply.later().send(Response::text("late")).unwrap();
        });
        server.get("/within", |_, reply| {
            let none = Response::empty;
            std::mem::forget(reply.later_within(seconds(2), none));
        });
        server.on_answer(move |answered: &Answered<'_>| {
            assert!(answered.peer.ip().is_loopback());
            let part = |part: Option<&str>| part.unwrap_or("-").to_owned();
            let (method, target) = (part(answered.method), part(answered.target));
            hook.push((
                format!("{method} {target} {}", answered.status),
                answered.bytes,
            ));
        });
    });
    (server, lines)
}

#[test]
fn every_answer_is_logged_once_with_what_was_asked_and_its_bytes() {
    let (mut server, lines) = logged();
    let events = "Accept: text/event-stream\r\n";
    for (asked, line) in [
        (get("/?q"), "GET /?q 200"),
        (request("HEAD /", ""), "HEAD / 200"),
        (post("/channels/a", "x"), "POST /channels/a 201"),
        (get("/channels/a"), "GET /channels/a 200"),
        (request("HEAD /channels/a", events), "HEAD /channels/a 200"),
        (get("/channels/%00"), "GET /channels/%00 400"),
        (
            get("/channels/a?wait=1&from=now"),
            "GET /channels/a?wait=1&from=now 204",
        ),
        (
            get("/channels/a?wait=1&last_event_id=x"),
            "GET /channels/a?wait=1&last_event_id=x 400",
        ),
        (get("/nowhere"), "GET /nowhere 404"),
        (request("PUT /", "Content-Length: 5\r\n"), "PUT / 405"),
        (request("OPTIONS *", ""), "OPTIONS * 204"),
        (request("CONNECT a:80", ""), "CONNECT a:80 501"),
        (get("http://a/x"), "GET http://a/x 404"),
        (get("/echo"), "GET /echo 426"),
        (get("/panic"), "GET /panic 500"),
        (get("/broken"), "GET /broken 500"),
        (get("/silent"), "GET /silent 500"),
        (get("/later"), "GET /later 200"),
        (get("/within"), "GET /within 204"),
        (request("POST /", "Expect: x\r\n"), "POST / 417"),
        (
            request("POST /", "Content-Length: 99999999\r\n"),
            "POST / 413",
        ),
        (
            request("POST /", "Transfer-Encoding: chunked\r\n") + "x\r\n",
            "POST / 400",
        ),
        (request("POST /", "Content-Length: 5\r\n"), "POST / 408"),
        (request("GET /", "X\r\n"), "GET / 400"),
        (request("GET /", &"X: y\r\n".repeat(200)), "GET / 431"),
        ("GET / HTTP/1.1\r\n".into(), "GET / 408"),
        ("GET /a".into(), "GET - 408"),
        ("GET / HTTP/4.2\r\n\r\n".into(), "GET / 505"),
        ("GET /\u{e9} HTTP/1.1\r\n\r\n".into(), "GET - 400"),
        ("\x16\x03\x01\r\n\r\n".into(), "- - 400"),
    ] {
        let client = server.connect();
        server.send(client, asked.as_bytes());
        server.wait(seconds(60));
        let sent = server.take(client).len();
        assert_eq!(lines.take(), [(line.to_owned(), sent)], "{asked}");
    }
}

#[test]
fn an_answer_that_goes_on_is_logged_when_it_begins() {
    let (mut server, lines) = logged();
    let head = |bytes: &[u8]| {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        end.unwrap() + 4
    };
    for (asked, line) in [
        (upgrade("/echo", ""), "GET /echo 101"),
        (upgrade("/channels/a", ""), "GET /channels/a 101"),
        (
            request("GET /channels/a", "Accept: text/event-stream\r\n"),
            "GET /channels/a 200",
        ),
        (get("/stream"), "GET /stream 200"),
    ] {
        let client = server.connect();
        server.send(client, asked.as_bytes());
        let bytes = server.take(client);
        assert_eq!(lines.take(), [(line.to_owned(), head(&bytes))]);
    }
    server.stop();
    assert_eq!(lines.take(), []);
}

#[test]
fn pipelined_requests_are_logged_in_order_and_one_without_an_answer_is_not() {
    let (mut server, lines) = logged();
    let client = server.connect();
    let asked = get("/later") + &get("/") + &get("/within") + &get("/nowhere");
    server.send(client, asked.as_bytes());
    server.wait(seconds(3));
    let seen: Vec<String> = lines.take().into_iter().map(|(line, _)| line).collect();
    assert_eq!(
        seen,
        [
            "GET /later 200",
            "GET / 200",
            "GET /within 204",
            "GET /nowhere 404"
        ]
    );
    // A client that goes inside its body has no answer.
    let client = server.connect();
    server.send(
        client,
        request("POST /", "Content-Length: 5\r\n").as_bytes(),
    );
    server.end(client);
    assert_eq!(lines.take(), []);
}

#[test]
fn a_log_that_panics_takes_nobodys_answer() {
    quiet_panics();
    let errors: Shared<Vec<String>> = Shared::default();
    let hook = errors.clone();
    let mut server = server(|server| {
        routes(server);
        server.on_answer(|_| panic!("on purpose"));
        server.on_error(move |error| hook.push(error.to_string()));
    });
    let client = server.connect();
    assert_eq!(ask_on(&mut server, client, &get("/")).text(), "home");
    assert_eq!(ask_on(&mut server, client, &get("/nowhere")).status, 404);
    assert_eq!(errors.take().len(), 2);
}
