//! What is refused before a handler is called, what the refusal says, and what becomes of the connection.

use crate::support::*;

// RFC 9110 7.4

#[test]
fn a_target_of_https_is_misdirected_to_a_port_in_plaintext_in_every_way() {
    let asked = Shared::default();
    let seen = asked.clone();
    let mut server = server(|server| {
        routes(server);
        server.authorize(move |request| {
            seen.push(request.path().to_owned());
            true
        });
    });
    for scheme in ["https", "HTTPS"] {
        let at = |method: &str, path: &str| format!("{method} {scheme}://a{path}");
        for asked in [
            request(&at("GET", ""), ""),
            request(&at("GET", "/nowhere"), ""),
            request(&at("BREW", "/"), ""),
            request(&at("OPTIONS", "/channels/a"), ""),
            request(&at("POST", "/channels/a"), "Content-Length: 1\r\n") + "x",
            request(&at("GET", "/channels/a"), ""),
            request(&at("GET", "/channels/a?wait=9"), ""),
            request(&at("GET", "/channels/a"), "Accept: text/event-stream\r\n"),
            upgrade("/echo", "").replace("/echo", &format!("{scheme}://a/echo")),
            format!("GET {scheme}://a/ HTTP/1.0\r\n\r\n"),
        ] {
            assert_eq!(ask(&mut server, &asked).status, 421, "{asked}");
        }
    }
    assert_eq!(asked.take(), [""; 0]);
    let seen = ask(&mut server, &get("/channels/a"));
    assert!(seen.text().starts_with("{\"events\":[],"));
}

// RFC 9110 7.6.1 and 7.8

#[test]
fn an_answer_says_once_what_it_says_of_the_connection() {
    let mut server = hub();
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let old = format!("Upgrade: websocket\r\nSec-WebSocket-Version: 8\r\n{key}");
    for (version, fields, connection) in [
        ("1.1", "", "Upgrade"),
        ("1.1", "Connection: close\r\n", "Upgrade, close"),
        ("1.0", "", "Upgrade, close"),
        ("1.0", "Connection: keep-alive\r\n", "Upgrade, keep-alive"),
        ("1.1", &(old.clone() + "Connection: Upgrade\r\n"), "Upgrade"),
        (
            "1.1",
            &(old.clone() + "Connection: Upgrade, close\r\n"),
            "Upgrade, close",
        ),
    ] {
        let asked = format!("GET /echo HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let answer = ask(&mut server, &asked);
        assert_eq!(answer.status, 426, "{asked}");
        for (name, value) in [("connection", connection), ("upgrade", "websocket")] {
            let lines = answer.head.lines().map(str::to_lowercase);
            let lines: Vec<String> = lines.filter(|line| line.starts_with(name)).collect();
            assert_eq!(
                lines,
                [format!("{name}: {}", value.to_lowercase())],
                "{asked}"
            );
        }
    }
}

// RFC 9112 9.3

#[test]
fn a_length_of_zero_is_no_body_that_the_connection_would_end_for() {
    let mut server = server(|server| {
        routes(server);
        server.authorize(|request| request.path() != "/forbidden");
    });
    let client = server.connect();
    for (line, status) in [
        ("POST /nowhere", 404),
        ("GET /nowhere", 404),
        ("PUT /", 405),
        ("DELETE /channels/a", 405),
        ("OPTIONS /", 204),
        ("OPTIONS *", 204),
        ("BREW /", 501),
        ("GET /echo", 426),
        ("POST /forbidden", 403),
        ("POST https://a/", 421),
        ("GET /", 200),
    ] {
        let answer = ask_on(&mut server, client, &request(line, "Content-Length: 0\r\n"));
        assert_eq!((answer.status, answer.closes()), (status, false), "{line}");
        assert!(server.is_open(client), "{line}");
    }
    // A body that is there, or may be, still ends it: nobody waits for it.
    for fields in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
        let answer = ask(&mut server, &request("POST /nowhere", fields));
        assert!(answer.closes(), "{fields}");
    }
}

// Routes

#[test]
fn a_route_that_cannot_be_meant_is_an_error_when_the_server_is_to_run() {
    type Add = fn(&mut Server);
    let wrong: [(Add, &str); 6] = [
        (
            |server| _ = server.get("/x/:id", |_, reply| reply.status(204)),
            "{name}",
        ),
        (|server| _ = server.websocket("/x/*", |_, _| {}), "{*name}"),
        (|server| _ = server.channels("/x/<id>"), "{name}"),
        (
            |server| _ = server.channels("/channels/{other}"),
            "\"/channels/{name}\"",
        ),
        (
            |server| _ = server.get("/", |_, reply| reply.text("never")),
            "\"GET /\"",
        ),
        (
            |server| _ = server.route("post", "/x", |_, reply| reply.status(204)),
            "\"POST\"",
        ),
    ];
    for (add, why) in wrong {
        let mut server = Server::unbound().unwrap();
        routes(&mut server);
        assert!(server.turn(Some(std::time::Duration::ZERO)).is_ok());
        add(&mut server);
        let refused = server.turn(Some(std::time::Duration::ZERO)).unwrap_err();
        assert!(
            matches!(&refused, barewire::Error::Route(said) if said.contains(why)),
            "{refused}"
        );
    }
}
