//! Connections that have to end: by a shutdown, or because our close frame is out.
#![cfg(feature = "server")]

use std::time::Duration;

use barewire::net::ConnectionId;
use barewire::{Message, Server, Simulation, ws};

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn server() -> Simulation {
    let mut server = Server::unbound().unwrap();
    server.websocket("/ws", |socket, message| match message {
        Message::Text("close") => socket.close(ws::CloseCode::NORMAL, ""),
        message => socket.send(message),
    });
    server.channels("/channels/{name}");
    server.simulate()
}

/// A client that has sent the first line of a request when the server is told to shut down, and then sends the rest.
fn ask_across_a_shutdown(path: &str, rest: &str) -> (Simulation, ConnectionId) {
    let mut server = server();
    let client = server.connect();
    let line = format!("GET {path} HTTP/1.1\r\nHost: a\r\n");
    server.send(client, line.as_bytes());
    server.stop();
    server.send(client, rest.as_bytes());
    (server, client)
}

#[test]
fn an_event_stream_that_opens_while_the_server_shuts_down_ends_at_once() {
    let (mut server, client) =
        ask_across_a_shutdown("/channels/a", "Accept: text/event-stream\r\n\r\n");
    let received = server.take(client);
    assert!(received.starts_with(b"HTTP/1.1 200 "));
    // An EventSource comes again after a 200 that ends; any other status it takes for final.
    assert!(received.ends_with(b"\r\n0\r\n\r\n"));
    assert!(!server.is_open(client));
}

#[test]
fn a_websocket_that_opens_while_the_server_shuts_down_is_told_1001() {
    for path in ["/channels/a", "/ws"] {
        let (mut server, client) = ask_across_a_shutdown(path, UPGRADE);
        let received = server.take(client);
        assert!(received.starts_with(b"HTTP/1.1 101 "));
        let mut close = Vec::new();
        let reason = "the server shuts down";
        let going_away = ws::Close::new(ws::CloseCode::GOING_AWAY, reason).unwrap();
        ws::write_close(&mut close, Some(going_away), None);
        assert!(received.ends_with(&close));
        server.wait(Duration::from_secs(5));
        assert!(!server.is_open(client));
    }
}

// RFC 6455 7.1.1

#[test]
fn a_peer_that_sends_on_behind_our_close_frame_gets_no_more_time_for_it() {
    let mut server = server();
    let client = server.connect();
    let request = format!("GET /ws HTTP/1.1\r\nHost: a\r\n{UPGRADE}");
    server.send(client, request.as_bytes());
    server.send(client, b"\x81\x85\0\0\0\0close");
    for _ in 0..4 {
        server.wait(Duration::from_secs(1));
        server.send(client, b"\x89\x80\0\0\0\0");
        assert!(server.is_open(client));
    }
    server.wait(Duration::from_secs(1));
    assert!(!server.is_open(client));
}
