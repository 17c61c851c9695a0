//! A WebSocket from the end of a channel that only the backend knows.

use std::time::Duration;

use super::*;

const FROM_NOW: &str = "GET /channels/a?from=now HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// A text frame that says x, masked with zeros.
const FRAME: &[u8] = &[0x81, 0x81, 0, 0, 0, 0, b'x'];

fn id_of(answer: &str) -> &str {
    let (_, id) = answer.split_once("{\"id\":\"").unwrap();
    id.split('"').next().unwrap()
}

#[test]
fn the_101_says_where_a_cold_channel_ends() {
    let (mut server, model) = server();
    let last = publish(&mut server, "before");
    // Another loop, or a life before: this hub knows nothing of the channel.
    let (mut server, _) = again(model);
    let client = server.connect();
    let answer = ask(&mut server, client, FROM_NOW);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let field = format!("\r\nLast-Event-ID: {}\r\n\r\n", id_of(&last));
    assert!(answer.ends_with(&field), "{answer}");
    publish(&mut server, "after");
    let frame = text(&mut server, client);
    assert!(frame.contains("\"data\":\"after\""), "{frame}");
}

#[test]
fn what_is_published_and_sent_while_the_end_is_asked_for_is_not_lost() {
    let (mut server, model) = server();
    model.hold();
    let client = server.connect();
    assert_eq!(ask(&mut server, client, FROM_NOW), "");
    server.send(client, FRAME);
    publish(&mut server, "meanwhile");
    assert_eq!(text(&mut server, client), "");
    model.release();
    server.wait(Duration::ZERO);
    let answer = text(&mut server, client);
    let id = answer.split_once("Last-Event-ID: ").unwrap().1;
    let id = id.split_once("\r\n\r\n").unwrap();
    // The page was made behind it, and says so. What the client has sent comes behind both.
    assert_ne!(id.0, "1000-0");
    assert!(!id.1.contains("meanwhile"), "{answer}");
    assert!(id.1.contains("\"data\":\"x\""), "{answer}");
}

#[test]
fn an_end_that_nobody_says_is_a_503_and_the_next_request_is_answered() {
    let (mut server, model) = server();
    model.hold();
    let client = server.connect();
    assert_eq!(ask(&mut server, client, FROM_NOW), "");
    server.wait(Duration::from_secs(10));
    let answer = text(&mut server, client);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    let health = ask(
        &mut server,
        client,
        "GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert!(health.ends_with("{\"status\":\"ok\"}"), "{health}");
    // The page comes late, for nobody.
    model.release();
    server.wait(Duration::ZERO);
    assert_eq!(text(&mut server, client), "");
}

#[test]
fn a_socket_that_has_not_begun_when_the_server_stops_begins_and_ends() {
    let (mut server, model) = server();
    model.hold();
    let client = server.connect();
    assert_eq!(ask(&mut server, client, FROM_NOW), "");
    server.stop();
    assert!(server.is_open(client));
    model.release();
    server.wait(Duration::ZERO);
    let answer = server.take(client);
    let close = [0x88, 23, 0x03, 0xE9];
    assert!(answer.windows(4).any(|bytes| bytes == close), "{answer:?}");
}

#[test]
fn a_client_that_leaves_while_it_waits_leaves_no_reader() {
    let (mut server, model) = server();
    model.hold();
    let client = server.connect();
    assert_eq!(ask(&mut server, client, FROM_NOW), "");
    server.end(client);
    assert!(!server.is_open(client));
    model.release();
    server.wait(Duration::ZERO);
    assert_eq!(server.service().channels.hub().subscribers("a"), 0);
}
