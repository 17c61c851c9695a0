//! Peers that reset, hang up halfway, or do not listen while they speak.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;

use barewire::Response;
use tungstenite::Message;

use crate::support::{
    PATIENCE, Random, Running, connect, get, open_events, open_websocket, post, read_answer,
    read_to_end, upgrade_request, usual, websocket,
};

/// Drops a connection with bytes on it that nobody has read, which resets it.
fn reset(stream: TcpStream) {
    // The bytes have to be here already, or it would be a polite end.
    assert!(stream.peek(&mut [0]).unwrap() > 0);
}

type Rudeness = fn(SocketAddr);

/// In the middle of a large echo.
fn echo_and_go(address: SocketAddr) {
    let mut stream = connect(address);
    open_websocket(&mut stream, "/echo", "");
    let mut message = vec![0x82, 0xff, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0];
    message.resize(message.len() + 256 * 1024, 7);
    stream.write_all(&message).unwrap();
    stream.write_all(&message[..100_000]).unwrap();
    reset(stream);
}

/// While an event stream runs.
fn subscribe_and_go(address: SocketAddr) {
    let mut stream = connect(address);
    open_events(&mut stream, "/channels/busy", "");
    reset(stream);
}

/// While a WebSocket of a channel runs, in the middle of a frame that it sends.
fn publish_and_go(address: SocketAddr) {
    let mut stream = connect(address);
    open_websocket(&mut stream, "/channels/busy", "");
    stream.write_all(&[0x81, 0xfe, 1]).unwrap();
    reset(stream);
}

/// In the middle of a request's body.
fn post_and_go(address: SocketAddr) {
    let mut stream = connect(address);
    stream
        .write_all(
            b"GET /channels/busy HTTP/1.1\r\nHost: localhost\r\n\r\n\
              POST /channels/busy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
        )
        .unwrap();
    reset(stream);
}

/// While a long poll waits, and with another request behind it.
fn poll_and_go(address: SocketAddr) {
    let mut stream = connect(address);
    stream
        .write_all(
            b"GET /channels/busy HTTP/1.1\r\nHost: localhost\r\n\r\n\
              GET /channels/silent?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n\
              GET /channels/busy HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        .unwrap();
    reset(stream);
}

/// Before it has said anything.
fn connect_and_go(address: SocketAddr) {
    drop(connect(address));
}

/// Before its handshake is answered.
fn upgrade_and_go(address: SocketAddr) {
    let mut stream = connect(address);
    let request = upgrade_request("/channels/busy", "");
    stream.write_all(request.as_bytes()).unwrap();
}

#[test]
fn resets_in_the_middle_of_things_do_not_disturb_others() {
    let mut random = Random::seeded();
    let server = Running::usual();
    let address = server.address;
    let mut steady = websocket(address, "/echo");
    let mut reader = websocket(address, "/channels/busy");
    server
        .publisher
        .publish("busy", "something to read")
        .unwrap();
    assert!(reader.read().unwrap().is_text());
    let rudenesses: [Rudeness; 7] = [
        echo_and_go,
        subscribe_and_go,
        publish_and_go,
        post_and_go,
        poll_and_go,
        connect_and_go,
        upgrade_and_go,
    ];
    for number in 0..200 {
        rudenesses[random.below(7) as usize](address);
        server
            .publisher
            .publish("busy", format!("number {number}"))
            .unwrap();
        let message = Message::text(format!("still here {number}"));
        steady.send(message.clone()).unwrap();
        assert_eq!(steady.read().unwrap(), message);
        let message = reader.read().unwrap();
        let expected = format!("\"data\":\"number {number}\"");
        assert!(message.to_text().unwrap().contains(&expected), "{message}");
    }
}

#[test]
fn who_has_asked_may_close_its_half() {
    let (promised, promises) = mpsc::channel();
    let server = Running::start(move |server| {
        usual(server);
        server.get("/now", |_, reply| reply.text("now"));
        server.get("/later", move |_, reply| {
            promised.send(reply.later()).unwrap()
        });
    });
    for path in ["/now", "/later"] {
        let mut client = connect(server.address);
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        if path == "/later" {
            let later = promises.recv_timeout(PATIENCE).unwrap();
            // Another connection's whole life lies between the half-close and the answer.
            get(&mut connect(server.address), "/now", "").unwrap();
            later.send(Response::text("later")).unwrap();
        }
        assert_eq!(read_answer(&mut client).unwrap().body, path[1..]);
        assert_eq!(read_to_end(&mut client).unwrap(), b"");
    }
}

#[test]
fn who_sends_too_large_a_body_sees_the_refusal_and_not_a_reset() {
    let server = Running::usual();
    for _ in 0..20 {
        let mut client = connect(server.address);
        let length = 8 * 1024 * 1024;
        client
            .write_all(
                format!(
                    "POST /channels/c HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
                )
                .as_bytes(),
            )
            .unwrap();
        // All of it is sent before anything is read, as simple clients do.
        client.write_all(&vec![b'x'; length]).unwrap();
        let answer = read_answer(&mut client).unwrap();
        assert_eq!(answer.status, 413);
        assert_eq!(read_to_end(&mut client).unwrap(), b"");
    }
}

#[test]
fn who_breaks_the_protocol_sees_why_and_not_a_reset() {
    let server = Running::usual();
    for _ in 0..20 {
        let mut client = connect(server.address);
        open_websocket(&mut client, "/echo", "");
        // A frame that is not masked (RFC 6455 5.1), and a lot behind it.
        client.write_all(&[0x01; 1024 * 1024]).unwrap();
        let mut frame = [0; 4];
        client.read_exact(&mut frame).unwrap();
        assert_eq!((frame[0], &frame[2..]), (0x88, &[0x03, 0xea][..]));
        read_to_end(&mut client).unwrap();
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_is_understood() {
    let server = Running::usual();
    let mut client = connect(server.address);
    for &byte in b"GET /channels/c HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        client.write_all(&[byte]).unwrap();
    }
    assert_eq!(read_answer(&mut client).unwrap().status, 200);
    assert_eq!(post(&mut client, "/channels/c", "x").unwrap().status, 201);
}
