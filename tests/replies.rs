//! How handlers answer: with fields of their own, later, and piece by piece. Simulated: no sockets, no clock.
#![cfg(feature = "net")]

use std::sync::mpsc;

use barewire::net::ConnectionId;
use barewire::{EventStream, Server, Simulation};

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
    mut handler: impl FnMut(barewire::Reply<'_>) -> H + Send + 'static,
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
        later.send(barewire::Response::text("x")).unwrap();
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
    let event = barewire::sse::Event::message("x");
    assert!(stream.send(&event).is_err());
}
