//! How handlers answer: with fields of their own, later, and piece by piece. Simulated: no sockets, no clock.
#![cfg(feature = "server")]

use std::sync::mpsc;
use std::time::Duration;

use barewire::net::{ConnectionId, SendError};
use barewire::sse::Event;
use barewire::{EventStream, Later, Reply, Response, Server, Simulation};

const WAIT: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_millis(1);

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn get(server: &mut Simulation, client: ConnectionId, path: &str) {
    server.send(
        client,
        format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
    );
}

/// A server with one handler at `/`, and where its handles arrive.
fn serving<H: Send + 'static>(
    mut handler: impl FnMut(Reply<'_>) -> H + Send + 'static,
) -> (Simulation, mpsc::Receiver<H>) {
    let (give, handles) = mpsc::channel();
    let mut server = Server::unbound().unwrap();
    server.get("/", move |_request, reply| {
        give.send(handler(reply)).unwrap()
    });
    (server.simulate(), handles)
}

// Fields

#[test]
fn a_field_of_a_reply_goes_onto_every_kind_of_answer() {
    let mut server = Server::unbound().unwrap();
    server.get("/now", |_, reply| reply.header("X-A", "b").text("x"));
    server.get("/later", |_, reply| {
        let later = reply.header("X-A", "b").later();
        later.send(Response::text("x")).unwrap();
    });
    server.get("/broken", |_, reply| drop(reply.header("X-A", "b").later()));
    server.get("/stream", |_, reply| {
        drop(reply.header("X-A", "b").events())
    });
    let mut server = server.simulate();
    let client = server.connect();
    for path in ["/now", "/later", "/broken", "/stream"] {
        get(&mut server, client, path);
        let answer = text(server.take(client));
        assert_eq!(answer.matches("\r\nX-A: b\r\n").count(), 1, "{answer}");
    }
}

#[test]
fn a_field_that_could_inject_a_line_becomes_a_500() {
    let (mut server, streams) = serving(|reply| reply.header("X-A", "b\r\nX-C: d").events());
    let client = server.connect();
    get(&mut server, client, "/");
    let answer = text(server.take(client));
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(!answer.contains("X-C"), "{answer}");
    let stream: EventStream = streams.recv().unwrap();
    let event = Event::message("x");
    assert!(stream.send(&event).is_err());
}

// Promises

/// A server whose `/` is a long poll, a client that waits in it, and the promise that was made to it.
fn parked() -> (Simulation, ConnectionId, Later) {
    let (mut server, promises) =
        serving(|reply| reply.later_within(WAIT, || Response::text("nothing")));
    let client = server.connect();
    get(&mut server, client, "/");
    (server, client, promises.recv().unwrap())
}

#[test]
fn a_promise_that_is_kept_in_time_is_the_answer() {
    let (mut server, client, later) = parked();
    server.wait(WAIT - MOMENT);
    assert!(server.take(client).is_empty() && later.is_awaited());
    assert_eq!(later.send(Response::text("something")), Ok(()));
    server.wait(WAIT);
    let answer = text(server.take(client));
    assert!(answer.ends_with("\r\n\r\nsomething"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[test]
fn a_promise_that_is_not_kept_in_time_becomes_the_other_answer() {
    let (mut server, client, later) = parked();
    server.wait(WAIT);
    let answer = text(server.take(client));
    assert!(answer.ends_with("\r\n\r\nnothing"), "{answer}");
    assert!(!later.is_awaited());
    assert_eq!(later.send(Response::text("late")), Err(SendError::Gone));
    assert!(server.is_open(client) && server.take(client).is_empty());
}

#[test]
fn an_answer_that_comes_too_late_is_not_taken_for_the_next_requests() {
    let (mut server, client, late) = parked();
    server.wait(WAIT);
    get(&mut server, client, "/");
    assert_eq!(late.send(Response::text("late")), Err(SendError::Gone));
    server.wait(WAIT);
    assert!(!text(server.take(client)).contains("late"));
}

#[test]
fn what_was_sent_ahead_is_answered_behind_the_other_answer() {
    let (mut server, client, _later) = parked();
    get(&mut server, client, "/nowhere");
    assert!(server.take(client).is_empty());
    server.wait(WAIT);
    let answers = text(server.take(client));
    assert!(
        answers.find("nothing") < answers.find("HTTP/1.1 404"),
        "{answers}"
    );
}

#[test]
fn who_hangs_up_in_a_long_poll_gets_no_answer_that_comes_later() {
    let (mut server, client, later) = parked();
    server.end(client);
    assert!(!server.is_open(client));
    assert_eq!(later.send(Response::text("x")), Err(SendError::Gone));
}

#[test]
fn who_ends_only_its_half_still_gets_what_was_promised_without_a_time() {
    let (mut server, promises) = serving(|reply| reply.later());
    let client = server.connect();
    get(&mut server, client, "/");
    server.end(client);
    let later = promises.recv().unwrap();
    assert!(later.is_awaited());
    assert_eq!(later.send(Response::text("x")), Ok(()));
    server.wait(MOMENT);
    assert!(text(server.take(client)).ends_with("\r\n\r\nx"));
    assert!(!server.is_open(client));
}

#[test]
fn a_stop_gives_those_who_wait_the_other_answer() {
    let (mut server, client, later) = parked();
    server.stop();
    let answer = text(server.take(client));
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("nothing"), "{answer}");
    assert!(!server.is_open(client) && !later.is_awaited());
}

#[test]
fn a_promise_made_while_the_server_stops_is_not_waited_for() {
    let mut server = Server::unbound().unwrap();
    server.post("/", |_, reply| {
        let later = reply.later_within(WAIT, || Response::text("nothing"));
        assert!(later.is_awaited());
        std::mem::forget(later);
    });
    let mut server = server.simulate();
    let client = server.connect();
    server.send(
        client,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
    );
    server.stop();
    server.send(client, b"x");
    assert!(text(server.take(client)).ends_with("nothing"));
}

#[test]
fn another_answer_that_panics_or_cannot_be_sent_is_a_500_and_the_server_goes_on() {
    let mut server = Server::unbound().unwrap();
    let mut promises = Vec::new();
    server.get("/panics", move |_, reply| {
        promises.push(reply.later_within(WAIT, || panic!("on purpose")));
    });
    let mut promises = Vec::new();
    server.get("/injects", move |_, reply| {
        promises.push(reply.later_within(WAIT, || Response::empty().header("X-A", "\r\n")));
    });
    let mut server = server.simulate();
    for path in ["/panics", "/injects"] {
        let client = server.connect();
        get(&mut server, client, path);
        server.wait(WAIT);
        let answer = text(server.take(client));
        assert!(answer.starts_with("HTTP/1.1 500 "), "{path}: {answer}");
        get(&mut server, client, "/nowhere");
        assert!(text(server.take(client)).starts_with("HTTP/1.1 404 "));
    }
}

// Streams

#[test]
fn a_stream_knows_when_its_client_has_gone() {
    let (mut server, streams) = serving(|reply| reply.events());
    let clients = [server.connect(), server.connect()];
    for client in clients {
        get(&mut server, client, "/");
    }
    let mut open: Vec<EventStream> = streams.try_iter().collect();
    assert!(open.iter().all(EventStream::is_open));

    server.end(clients[0]);
    assert!(!server.is_open(clients[0]));
    assert!(text(server.take(clients[0])).ends_with("\r\n0\r\n\r\n"));
    open.retain(|stream| stream.send(&Event::message("x")).is_ok());
    assert_eq!(open.len(), 1);
    server.wait(MOMENT);
    assert!(text(server.take(clients[1])).ends_with("9\r\ndata: x\n\n\r\n"));
}

#[test]
fn a_stop_ends_streams_and_nothing_is_written_behind_their_end() {
    let (mut server, streams) = serving(|reply| reply.events());
    let client = server.connect();
    get(&mut server, client, "/");
    let stream = streams.recv().unwrap();
    server.stop();
    assert_eq!(stream.send(&Event::message("x")), Err(SendError::Gone));
    server.wait(MOMENT);
    assert!(text(server.take(client)).ends_with("\r\n\r\n0\r\n\r\n"));
    assert!(!server.is_open(client));
}

#[test]
fn who_asks_only_for_the_head_of_a_stream_gets_no_more() {
    let (mut server, streams) = serving(|reply| reply.events());
    let client = server.connect();
    server.send(client, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream = streams.recv().unwrap();
    assert!(!stream.is_open());
    assert_eq!(stream.send(&Event::message("x")), Err(SendError::Gone));
}
