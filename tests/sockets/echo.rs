//! A WebSocket echo, with another implementation as the client.

use std::net::TcpStream;

use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{Bytes, Error, Message, WebSocket};

use crate::support::{Running, await_end, websocket};

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 7 + at) as u8).collect()
}

fn echoed(socket: &mut WebSocket<TcpStream>, message: Message) {
    socket.send(message.clone()).unwrap();
    // Not assert_eq: it would print megabytes.
    assert!(socket.read().unwrap() == message);
}

#[test]
fn text_and_binary_of_any_size_come_back() {
    let server = Running::usual();
    let mut socket = websocket(server.address, "/echo");
    const MIB: usize = 1024 * 1024;
    for len in [
        0,
        1,
        125,
        126,
        4095,
        4096,
        65_535,
        65_536,
        256 * 1024,
        MIB,
        16 * MIB,
    ] {
        echoed(&mut socket, Message::binary(pattern(len)));
        echoed(&mut socket, Message::text("é".repeat(len / 2)));
    }
}

#[test]
fn a_message_in_fragments_comes_back_whole() {
    let server = Running::usual();
    let mut socket = websocket(server.address, "/echo");
    let whole = pattern(300_000);
    let mut opcode = OpCode::Data(Data::Binary);
    for part in whole.chunks(7_001) {
        let frame = Frame::message(Bytes::copy_from_slice(part), opcode, false);
        socket.send(Message::Frame(frame)).unwrap();
        socket
            .send(Message::Ping(Bytes::from_static(b"between")))
            .unwrap();
        opcode = OpCode::Data(Data::Continue);
    }
    let last = Frame::message(Bytes::new(), opcode, true);
    socket.send(Message::Frame(last)).unwrap();
    let mut pongs = 0;
    loop {
        match socket.read().unwrap() {
            Message::Pong(payload) => {
                assert_eq!(&payload[..], b"between");
                pongs += 1;
            }
            message => {
                assert!(message == Message::binary(whole));
                break;
            }
        }
    }
    assert!(pongs > 0);
}

#[test]
fn messages_sent_ahead_come_back_in_order() {
    let server = Running::usual();
    let mut socket = websocket(server.address, "/echo");
    for number in 0..1_000 {
        socket.write(Message::text(number.to_string())).unwrap();
    }
    socket.flush().unwrap();
    for number in 0..1_000 {
        assert_eq!(socket.read().unwrap(), Message::text(number.to_string()));
    }
}

#[test]
fn two_hundred_sockets_at_once() {
    let server = Running::usual();
    let mut sockets: Vec<_> = (0..200)
        .map(|_| websocket(server.address, "/echo"))
        .collect();
    for round in 0..3 {
        for (index, socket) in sockets.iter_mut().enumerate() {
            let text = format!("{round} {index}").repeat(1 + index);
            socket.send(Message::text(text)).unwrap();
        }
        for (index, socket) in sockets.iter_mut().enumerate() {
            let text = format!("{round} {index}").repeat(1 + index);
            assert_eq!(socket.read().unwrap(), Message::text(text));
        }
    }
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let server = Running::usual();
    let mut socket = websocket(server.address, "/echo");
    for payload in [&b""[..], &[7; 125]] {
        socket
            .send(Message::Ping(Bytes::copy_from_slice(payload)))
            .unwrap();
        assert_eq!(
            socket.read().unwrap(),
            Message::Pong(Bytes::copy_from_slice(payload))
        );
    }
}

#[test]
fn the_client_closes_and_the_server_ends_the_connection() {
    let server = Running::usual();
    let mut socket = websocket(server.address, "/echo");
    echoed(&mut socket, Message::text("last words"));
    let close = CloseFrame {
        code: CloseCode::Library(4_001),
        reason: "bye".into(),
    };
    socket.close(Some(close)).unwrap();
    match socket.read().unwrap() {
        Message::Close(Some(close)) => assert_eq!(u16::from(close.code), 4_001),
        other => panic!("{other}"),
    }
    await_end(socket.get_mut());
}

#[test]
fn the_server_closes_and_takes_the_answer() {
    let server = Running::start(|server| {
        server.websocket("/", |socket, _| {
            socket.send("before");
            socket.close(barewire::ws::CloseCode::NORMAL, "enough");
            socket.send("behind");
        });
    });
    let mut socket = websocket(server.address, "/");
    socket.send(Message::text("go")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("before"));
    match socket.read().unwrap() {
        Message::Close(Some(close)) => {
            assert_eq!(
                (u16::from(close.code), close.reason.as_str()),
                (1_000, "enough")
            );
        }
        other => panic!("{other}"),
    }
    // Reading sends the answer and then finds the end, which the server brings about.
    let ended = socket.read().unwrap_err();
    assert!(matches!(ended, Error::ConnectionClosed), "{ended}");
    await_end(socket.get_mut());
}
