//! What a program's handlers can do, and what becomes of those that fail.

use std::sync::mpsc;

use barewire::net::SendError;
use barewire::{Error, EventStream, Later, Stream, sse};

use crate::support::*;

fn told(server: &mut Server) -> Shared<Vec<String>> {
    let errors: Shared<Vec<String>> = Shared::default();
    let hook = errors.clone();
    server.on_error(move |error: &Error| hook.push(error.to_string()));
    errors
}

/// A server whose handler of `/` is this one, and what its error hook is told.
fn one(
    handler: impl FnMut(&barewire::Request<'_>, barewire::Reply<'_>) + Send + 'static,
) -> (Simulation, Shared<Vec<String>>) {
    let mut errors = Shared::default();
    let simulation = server(|server| {
        server.get("/", handler);
        server.get("/well", |_, reply| reply.text("well"));
        errors = told(server);
    });
    (simulation, errors)
}

// Answers at once

#[test]
fn each_short_form_of_an_answer_has_its_status_and_type() {
    let mut server = server(|server| {
        server.get("/text", |_, reply| reply.text("a"));
        server.get("/html", |_, reply| reply.html("<p>"));
        server.get("/json", |_, reply| reply.json("{}"));
        server.get("/404", |_, reply| reply.status(404));
        server.get("/204", |_, reply| reply.status(204));
        server.get("/100", |_, reply| reply.status(100));
        server.get("/bytes", |_, reply| {
            reply.send(Response::bytes("image/png", b"\x89PNG".to_vec()))
        });
    });
    let mut seen = |path| {
        let answer = ask(&mut server, &get(path));
        (answer.status, answer.field("Content-Type"), answer.body)
    };
    let plain = || Some("text/plain; charset=utf-8".to_owned());
    assert_eq!(seen("/text"), (200, plain(), b"a".to_vec()));
    assert_eq!(
        seen("/html"),
        (
            200,
            Some("text/html; charset=utf-8".into()),
            b"<p>".to_vec()
        )
    );
    assert_eq!(
        seen("/json"),
        (200, Some("application/json".into()), b"{}".to_vec())
    );
    assert_eq!(seen("/404"), (404, plain(), b"404 Not Found\n".to_vec()));
    assert_eq!(seen("/204"), (204, None, vec![]));
    assert_eq!(seen("/100").0, 500);
    assert_eq!(
        seen("/bytes"),
        (200, Some("image/png".into()), b"\x89PNG".to_vec())
    );
}

#[test]
fn a_handler_sees_the_request_decoded() {
    let seen = Shared::default();
    let hook = seen.clone();
    let mut server = server(|server| {
        server.post("/rooms/{room}/{*rest}", move |request, reply| {
            hook.push(format!(
                "{} {} {:?} {:?} {:?} {:?} {:?} {:?}",
                request.method(),
                request.path(),
                request.param("room").as_deref(),
                request.param("rest").as_deref(),
                request.param("other").as_deref(),
                request.query("q").as_deref(),
                request.header("x-a"),
                std::str::from_utf8(request.body()),
            ));
            reply.status(204);
        });
    });
    let fields = "x-A: b\r\nContent-Length: 2\r\n";
    let asked = request("POST /rooms/a%20b/c/d%2Fe?p=1&q=%26+x", fields) + "hi";
    assert_eq!(ask(&mut server, &asked).status, 204);
    assert_eq!(
        seen.take(),
        [
            r#"POST /rooms/a%20b/c/d%2Fe Some("a b") Some("c/d/e") None Some("& x") Some("b") Ok("hi")"#
        ]
    );
}

#[test]
fn the_more_literal_route_answers() {
    let mut server = server(|server| {
        for path in ["/{*all}", "/a/{b}", "/{a}/b", "/a/b"] {
            server.get(path, move |_, reply| reply.text(path));
        }
    });
    for (path, route) in [
        ("/a/b", "/a/b"),
        ("/a/c", "/a/{b}"),
        ("/c/b", "/{a}/b"),
        ("/x/y/z", "/{*all}"),
    ] {
        assert_eq!(ask(&mut server, &get(path)).text(), route, "{path}");
    }
}

// Answers that can't be sent

#[test]
fn a_field_that_would_inject_a_line_is_a_500_and_the_error_hook_is_told() {
    for (name, value) in [
        ("X-A", "b\r\nSet-Cookie: c"),
        ("X-A", "b\nc"),
        ("X-A\r\nX-B", "c"),
        ("X-A", "\0"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
    ] {
        let (mut server, errors) =
            one(move |_, reply| reply.send(Response::text("x").header(name, value)));
        let client = server.connect();
        server.send(client, get("/").as_bytes());
        let bytes = server.take(client);
        assert!(!String::from_utf8_lossy(&bytes).contains("Set-Cookie"));
        assert_eq!(statuses(&bytes), [500]);
        assert_eq!(errors.take().len(), 1, "{name}");
        assert_eq!(ask_on(&mut server, client, &get("/well")).text(), "well");
    }
}

#[test]
fn a_media_type_that_would_inject_a_line_is_a_500_too() {
    let (mut server, errors) = one(|_, reply| {
        let stream = reply.stream("text/plain\r\nX-A: b");
        assert!(stream.write("x").is_err());
    });
    let client = server.connect();
    assert_eq!(ask_on(&mut server, client, &get("/")).status, 500);
    assert_eq!(errors.take().len(), 1);
    let (mut server, errors) = one(|_, reply| reply.send(Response::bytes("a\r\nb: c", &b""[..])));
    assert_eq!(ask(&mut server, &get("/")).status, 500);
    assert_eq!(errors.take().len(), 1);
}

// Handlers that fail

#[test]
fn a_handler_that_does_not_answer_is_a_500_and_the_error_hook_is_told() {
    let (mut server, errors) = one(|_, _| {});
    let client = server.connect();
    let answer = ask_on(&mut server, client, &get("/"));
    assert_eq!((answer.status, answer.closes()), (500, true));
    assert!(!server.is_open(client));
    assert_eq!(errors.take(), ["a handler returned without an answer"]);
}

#[test]
fn a_handler_that_panics_ends_its_connection_with_500_and_no_other() {
    quiet_panics();
    let (mut server, errors) = one(|_, _| panic!("on purpose"));
    let other = server.connect();
    let client = server.connect();
    let answer = ask_on(&mut server, client, &get("/"));
    assert_eq!((answer.status, answer.closes()), (500, true));
    assert!(!server.is_open(client));
    assert_eq!(errors.take(), ["a handler panicked"]);
    assert_eq!(ask_on(&mut server, other, &get("/well")).text(), "well");
}

#[test]
fn what_a_handler_wrote_before_it_panicked_is_not_sent() {
    quiet_panics();
    for kind in 0..4 {
        let (mut server, _) = one(move |_, reply| {
            match kind {
                0 => reply.text("half an answer"),
                1 => drop(reply.later()),
                2 => drop(reply.stream("text/plain")),
                _ => drop(reply.events()),
            }
            panic!("on purpose")
        });
        let client = server.connect();
        let asked = get("/well") + &get("/") + &get("/well");
        server.send(client, asked.as_bytes());
        assert_eq!(statuses(&server.take(client)), [200, 500], "{kind}");
        assert!(!server.is_open(client));
    }
}

#[test]
fn a_handler_that_fails_at_head_gets_no_body_out_either() {
    let (mut server, _) = one(|_, _| {});
    let client = server.connect();
    server.send(client, request("HEAD /", "").as_bytes());
    let bytes = server.take(client);
    let (answer, rest) = answer(&bytes, true);
    assert_eq!((answer.status, rest), (500, &b""[..]));
}

#[test]
fn an_error_hook_that_panics_harms_nobody() {
    quiet_panics();
    let mut server = server(|server| {
        server.get("/", |_, _| {});
        server.on_error(|_| panic!("on purpose"));
    });
    assert_eq!(ask(&mut server, &get("/")).status, 500);
    assert_eq!(ask(&mut server, &get("/")).status, 500);
}

// Reply::later

/// `/` gives its reply's remainder to the test.
fn handing<T: Send + 'static>(
    make: impl Fn(barewire::Reply<'_>) -> T + Send + 'static,
) -> (Simulation, Shared<Vec<T>>) {
    let handed: Shared<Vec<T>> = Shared::default();
    let hook = handed.clone();
    let (server, _) = one(move |_, reply| hook.push(make(reply)));
    (server, handed)
}

#[test]
fn an_answer_may_come_later_from_another_thread() {
    let (sender, receiver) = mpsc::channel::<Later>();
    let (mut server, _) = one(move |_, reply| sender.send(reply.later()).unwrap());
    let client = server.connect();
    server.send(client, get("/").as_bytes());
    assert_eq!(server.take(client), b"");
    let thread = std::thread::spawn(move || {
        let later = receiver.recv().unwrap();
        later.send(Response::text("from afar").status(202)).unwrap();
    });
    thread.join().unwrap();
    server.wait(ONE_MS);
    let answer = &answers(&server.take(client))[0];
    assert_eq!((answer.status, answer.text()), (202, "from afar"));
    assert_eq!(ask_on(&mut server, client, &get("/well")).text(), "well");
}

#[test]
fn a_promise_that_is_dropped_is_a_500() {
    let (mut server, promises) = handing(|reply| reply.later());
    let client = server.connect();
    server.send(client, get("/").as_bytes());
    drop(promises.take());
    server.wait(ONE_MS);
    assert_eq!(statuses(&server.take(client)), [500]);
}

#[test]
fn a_promised_answer_with_a_bad_field_is_a_500_and_the_error_hook_is_told() {
    let promises = Shared::default();
    let hook = promises.clone();
    let (mut server, errors) = one(move |_, reply| hook.push(reply.later()));
    let client = server.connect();
    server.send(client, get("/").as_bytes());
    promises
        .take()
        .remove(0)
        .send(Response::text("x").header("a\r\n", "b"))
        .unwrap();
    server.wait(ONE_MS);
    assert_eq!(statuses(&server.take(client)), [500]);
    assert_eq!(errors.take().len(), 1);
}

#[test]
fn a_promised_answer_to_head_has_no_body() {
    let (mut server, promises) = handing(|reply| reply.later());
    let client = server.connect();
    server.send(client, request("HEAD /", "").as_bytes());
    promises
        .take()
        .remove(0)
        .send(Response::text("body"))
        .unwrap();
    server.wait(ONE_MS);
    let bytes = server.take(client);
    let (answer, rest) = answer(&bytes, true);
    assert_eq!(
        (answer.field("Content-Length").as_deref(), rest),
        (Some("4"), &b""[..])
    );
}

#[test]
fn an_answer_for_a_client_that_has_gone_reaches_nobody_else() {
    let (mut server, promises) = handing(|reply| reply.later());
    let client = server.connect();
    server.send(client, request("GET /", "Connection: close\r\n").as_bytes());
    let other = server.connect();
    server.send(other, get("/").as_bytes());
    let [first, second] = promises.take().try_into().unwrap();
    first.send(Response::text("first")).unwrap();
    server.wait(ONE_MS);
    assert_eq!(
        (server.take(other), server.is_open(client)),
        (vec![], false)
    );
    second.send(Response::text("second")).unwrap();
    server.wait(ONE_MS);
    assert_eq!(answers(&server.take(other))[0].text(), "second");
}

// Reply::stream: RFC 9112 7.1

#[test]
fn a_stream_is_chunked_and_its_connection_stays() {
    let (mut server, streams) = handing(|reply| reply.stream("text/csv"));
    let client = server.connect();
    server.send(client, get("/").as_bytes());
    assert_eq!(
        dateless(&server.take(client)),
        "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nCache-Control: no-store\r\n\
         X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let stream: Stream = streams.take().remove(0);
    for (piece, chunk) in [("a,b\n", "4\r\na,b\n\r\n"), ("", ""), ("c", "1\r\nc\r\n")] {
        stream.write(piece).unwrap();
        server.wait(ONE_MS);
        assert_eq!(server.take(client), chunk.as_bytes());
    }
    drop(stream);
    server.wait(ONE_MS);
    assert_eq!(server.take(client), b"0\r\n\r\n");
    assert_eq!(ask_on(&mut server, client, &get("/well")).text(), "well");
}

#[test]
fn a_stream_in_http_1_0_is_bare_and_ends_with_the_connection() {
    for fields in ["", "Connection: keep-alive\r\n"] {
        let (mut server, streams) = handing(|reply| reply.stream("text/csv"));
        let client = server.connect();
        server.send(client, format!("GET / HTTP/1.0\r\n{fields}\r\n").as_bytes());
        assert_eq!(
            dateless(&server.take(client)),
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/csv\r\nCache-Control: no-store\r\n\
             X-Accel-Buffering: no\r\n\r\n"
        );
        let stream: Stream = streams.take().remove(0);
        stream.write("a,b\n").unwrap();
        drop(stream);
        server.wait(ONE_MS);
        assert_eq!(
            (server.take(client), server.is_open(client)),
            (b"a,b\n".to_vec(), false)
        );
    }
}

#[test]
fn a_stream_asked_for_with_head_is_its_head() {
    let (mut server, streams) = handing(|reply| reply.stream("text/csv"));
    let client = server.connect();
    server.send(client, request("HEAD /", "").as_bytes());
    let head = server.take(client);
    assert!(answer(&head, true).1.is_empty());
    let stream: Stream = streams.take().remove(0);
    assert_eq!(stream.write("piece"), Err(SendError::Gone));
    drop(stream);
    server.wait(ONE_MS);
    assert_eq!(server.take(client), b"");
    assert_eq!(ask_on(&mut server, client, &get("/well")).text(), "well");
}

#[test]
fn requests_behind_a_stream_wait_for_its_end() {
    let (mut server, streams) = handing(|reply| reply.stream("text/csv"));
    let client = server.connect();
    server.send(client, (get("/") + &get("/well")).as_bytes());
    let stream: Stream = streams.take().remove(0);
    stream.write("piece").unwrap();
    server.send(client, get("/well").as_bytes());
    drop(stream);
    server.wait(ONE_MS);
    let got = answers(&server.take(client));
    let bodies: Vec<&str> = got.iter().map(Answer::text).collect();
    assert_eq!(bodies, ["piece", "well", "well"]);
}

#[test]
fn pieces_of_a_stream_that_is_over_are_not_sent_on_a_later_answer() {
    let (mut server, streams) = handing(|reply| reply.stream("text/csv"));
    let client = server.connect();
    // HEAD leaves the first stream without a place to go to.
    server.send(client, (request("HEAD /", "") + &get("/")).as_bytes());
    let [first, second]: [Stream; 2] = streams.take().try_into().unwrap();
    server.take(client);
    assert_eq!(first.write("first"), Err(SendError::Gone));
    drop(first);
    second.write("second").unwrap();
    server.wait(ONE_MS);
    assert_eq!(server.take(client), b"6\r\nsecond\r\n");
}

// Reply::events

#[test]
fn an_event_stream_of_a_handlers_own_carries_events_and_signs_of_life() {
    let (mut server, streams) = handing(|reply| reply.events());
    let (client, first) = listen(&mut server, "/", "");
    assert_eq!(first, "");
    let stream: EventStream = streams.take().remove(0);
    let event = sse::Event {
        name: Some(sse::EventName::new("tick").unwrap()),
        ..sse::Event::message("one\ntwo")
    };
    stream.send(&event).unwrap();
    server.wait(ONE_MS);
    assert_eq!(
        take_streamed(&mut server, client),
        "event: tick\ndata: one\ndata: two\n\n"
    );
    server.wait(seconds(15));
    assert_eq!(take_streamed(&mut server, client), ":\n\n");
    server.wait(seconds(15));
    assert_eq!(take_streamed(&mut server, client), ":\n\n");
    drop(stream);
    server.wait(ONE_MS);
    assert_eq!(server.take(client), b"0\r\n\r\n");
}

#[test]
fn a_stream_that_is_none_of_events_gets_no_comments() {
    let (mut server, streams) = handing(|reply| reply.stream("text/csv"));
    let client = server.connect();
    server.send(client, get("/").as_bytes());
    server.take(client);
    server.wait(seconds(100));
    assert_eq!(
        (server.take(client), server.is_open(client)),
        (vec![], true)
    );
    drop(streams.take());
}
