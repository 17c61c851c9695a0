//! What a program says in its answers besides the body: RFC 9110 5.3, 6 and 15. It is sent, or reported.

use barewire::Access;

use crate::support::*;

/// A server whose handlers each answer in their own kind, and what is reported.
fn reporting(set_up: impl FnOnce(&mut barewire::Server)) -> (Simulation, Shared<Vec<String>>) {
    let errors: Shared<Vec<String>> = Shared::default();
    let hook = errors.clone();
    let server = server(|server| {
        set_up(server);
        server.on_error(move |error| hook.push(error.to_string()));
    });
    (server, errors)
}

#[test]
fn a_field_that_a_message_has_once_is_there_once() {
    const OWN: &str = "application/problem+json";
    let (mut server, errors) = reporting(|server| {
        server.get("/response", |_, reply| {
            reply.send(Response::json("{}").header("content-type", OWN));
        });
        server.get("/reply", |_, reply| {
            reply.header("Content-Type", OWN).json("{}")
        });
        server.get("/both", |_, reply| {
            let response = Response::bytes("text/csv", b"x").header("Content-Type", "text/html");
            reply.header("Content-Type", OWN).send(response);
        });
        server.get("/later", |_, reply| {
            let later = reply.header("Content-Type", OWN).later();
            later.send(Response::html("")).unwrap();
        });
        server.get("/stream", |_, reply| {
            let reply = reply
                .header("Cache-Control", "no-cache")
                .header("X-Accel-Buffering", "yes");
            drop(reply.header("CONTENT-TYPE", OWN).stream("text/plain"));
        });
    });
    for path in ["/response", "/reply", "/both", "/later", "/stream"] {
        let answer = ask(&mut server, &get(path));
        let field = |name| answer.field(name);
        assert_eq!(field("Content-Type").as_deref(), Some(OWN), "{path}");
        if path == "/stream" {
            assert_eq!(field("Cache-Control").as_deref(), Some("no-cache"));
            assert_eq!(field("X-Accel-Buffering").as_deref(), Some("yes"));
        }
    }
    assert_eq!(errors.take(), [""; 0]);
}

#[test]
fn what_cannot_be_sent_is_500_and_the_error_names_route_field_and_rule() {
    for (name, rule) in [
        (
            "Content-Length",
            "Content-Length is written by the server itself",
        ),
        (
            "transfer-encoding",
            "transfer-encoding is written by the server itself",
        ),
        ("Date", "Date is written by the server itself"),
        (
            "Connection",
            "Connection is about the connection, which is the server's",
        ),
        (
            "Host",
            "Host is a field of requests, and means nothing in a response",
        ),
        ("X A", "\"X A\" is not a field's name, which is a token"),
    ] {
        let (mut server, errors) = reporting(|server| {
            server.get("/now/{a}", move |_, reply| reply.header(name, "1").text(""));
            server.post("/now/{a}", move |_, reply| {
                reply.send(Response::text("").header(name, "1"));
            });
            server.get("/later/{*a}", move |_, reply| {
                let later = reply.later();
                later.send(Response::text("").header(name, "1")).unwrap();
            });
            server.get("/fallback", move |_, reply| {
                let otherwise = move || Response::text("").header(name, "1");
                std::mem::forget(reply.later_within(ONE_MS, otherwise));
            });
            server.get("/stream", move |_, reply| {
                drop(reply.header(name, "1").events())
            });
        });
        for (method, path, route) in [
            ("GET", "/now/x", "GET /now/{a}"),
            ("POST", "/now/x", "POST /now/{a}"),
            ("GET", "/later/x", "GET /later/{*a}"),
            ("GET", "/fallback", "GET /fallback"),
            ("GET", "/stream", "GET /stream"),
        ] {
            let client = server.connect();
            server.send(client, request(&format!("{method} {path}"), "").as_bytes());
            server.wait(ONE_MS);
            let answers = answers(&server.take(client));
            assert_eq!((answers.len(), answers[0].status), (1, 500), "{path}");
            let why = format!("what {route} answered can't be sent: {rule}");
            assert_eq!(errors.take(), [why]);
        }
    }
}

#[test]
fn a_status_that_is_no_answer_and_a_challenge_that_is_no_field_are_reported() {
    let (mut server, errors) = reporting(|server| {
        server.get("/status", |_, reply| reply.status(101));
        server.get("/response", |_, reply| {
            reply.send(Response::text("").status(600));
        });
        server.get("/stream", |_, reply| drop(reply.stream("text/plain\r\n")));
        server.authorize(|request| match request.path() {
            "/secret" => Access::challenge(format!("Basic realm=\"{}\"", "a\nb")),
            _ => Access::Allow,
        });
    });
    for (path, why) in [
        (
            "/status",
            "what GET /status answered can't be sent: 101 is not the status of a final answer, which is 200 to 599",
        ),
        (
            "/response",
            "what GET /response answered can't be sent: 600 is not the status of a final answer, which is 200 to 599",
        ),
        (
            "/stream",
            "what GET /stream answered can't be sent: the value of Content-Type holds a line break or another control character, or has white space around it",
        ),
        (
            "/secret",
            "what the authorization hook answered can't be sent: the value of WWW-Authenticate holds a line break or another control character, or has white space around it",
        ),
    ] {
        assert_eq!(ask(&mut server, &get(path)).status, 500, "{path}");
        assert_eq!(errors.take(), [why]);
    }
}

#[test]
fn a_status_without_content_has_none() {
    let mut server = server(|server| {
        server.get("/{code}", |request, reply| {
            let code = request.param("code").unwrap_or_default();
            reply.status(code.parse().unwrap_or(500));
        });
    });
    for (code, body) in [(204, ""), (205, ""), (304, ""), (404, "404 Not Found\n")] {
        let answer = ask(&mut server, &get(&format!("/{code}")));
        assert_eq!((answer.status, answer.text()), (code, body));
    }
}
