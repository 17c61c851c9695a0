//! The WebSocket client against another implementation's server, and against our own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;

use barewire::client::{Closed, Connect};
use barewire::ws::CloseCode;
use barewire::ws::OwnedMessage;
use barewire::{ClientError, WebSocket};
use tungstenite::Message;
use tungstenite::protocol::frame::{CloseFrame, coding::CloseCode as TheirCode};
use tungstenite::protocol::{Role, WebSocket as Theirs};

use crate::following::quick;
use crate::support::{PATIENCE, Running, field, read_head};
use std::io::Write;

/// A server that lets one client in after another, and does with each what it is told.
fn serving(
    clients: usize,
    mut serve: impl FnMut(usize, &str, Theirs<TcpStream>) + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        for number in 0..clients {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let head = read_head(&mut stream).unwrap();
            let key = field(&head, "Sec-WebSocket-Key").unwrap();
            let accept = barewire::ws::handshake::accept_key(key.as_bytes());
            let accept = std::str::from_utf8(&accept).unwrap();
            let protocol = match field(&head, "Sec-WebSocket-Protocol") {
                Some(_) => "Sec-WebSocket-Protocol: raw\r\n",
                None => "",
            };
            let answer = format!(
                "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
            );
            stream.write_all(answer.as_bytes()).unwrap();
            serve(
                number,
                &head,
                Theirs::from_raw_socket(stream, Role::Server, None),
            );
        }
    });
    (address, thread)
}

/// Reads until the client is gone; returns the code of its close.
fn drain(socket: &mut Theirs<TcpStream>) -> Option<u16> {
    let mut code = None;
    while let Ok(message) = socket.read() {
        if let Message::Close(frame) = message {
            code = frame.map(|frame| frame.code.into());
        }
    }
    code
}

#[test]
fn messages_of_every_size_go_both_ways() {
    let (address, server) = serving(1, |_, head, mut socket| {
        assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"));
        assert_eq!(field(head, "Sec-WebSocket-Protocol"), Some("chat, raw"));
        assert_eq!(field(head, "Authorization"), Some("Bearer abc"));
        while let Ok(message) = socket.read() {
            if message.is_text() || message.is_binary() {
                socket.send(message).unwrap();
            }
        }
    });
    let mut socket = Connect::to(&format!("ws://{address}/a?b"))
        .protocol("chat")
        .protocol("raw")
        .header("Authorization", "Bearer abc")
        .open()
        .unwrap();
    assert_eq!(socket.protocol(), Some("raw"));
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        let text = "x".repeat(size);
        socket.send(text.as_str()).unwrap();
        assert!(socket.receive().unwrap() == Some(OwnedMessage::Text(text.clone())));
        socket.send(text.as_bytes()).unwrap();
        assert!(socket.receive().unwrap() == Some(OwnedMessage::Binary(text.into_bytes())));
    }
    socket.close(CloseCode::NORMAL, "enough").unwrap();
    server.join().unwrap();
}

#[test]
fn the_code_of_either_sides_close_arrives_at_the_other() {
    let (codes, came) = mpsc::channel();
    let (address, server) = serving(2, move |number, _, mut socket| {
        if number == 0 {
            codes.send(drain(&mut socket)).unwrap();
        } else {
            let code = TheirCode::from(4000);
            let reason = "moved".into();
            socket.close(Some(CloseFrame { code, reason })).unwrap();
            codes.send(drain(&mut socket)).unwrap();
        }
    });
    let url = format!("ws://{address}/");
    let socket = WebSocket::connect(&url).unwrap();
    socket.close(CloseCode::new(4001).unwrap(), "").unwrap();
    assert_eq!(came.recv().unwrap(), Some(4001));
    let mut socket = WebSocket::connect(&url).unwrap();
    assert_eq!(socket.receive(), Ok(None));
    assert_eq!(
        (socket.is_closed(), socket.close_code()),
        (true, CloseCode::new(4000))
    );
    assert_eq!(socket.send("late"), Err(ClientError::Ended));
    assert_eq!(came.recv().unwrap(), Some(4000));
    server.join().unwrap();
}

#[test]
fn a_websocket_is_an_iterator_of_its_messages_and_of_the_error_that_ends_it() {
    let (address, server) = serving(2, |number, _, mut socket| {
        for text in ["one", "two"] {
            socket.send(Message::text(text)).unwrap();
        }
        if number == 0 {
            socket.close(None).unwrap();
            drain(&mut socket);
        }
    });
    let text = |text: &str| Ok(OwnedMessage::Text(text.to_owned()));
    let mut closed = WebSocket::connect(&format!("ws://{address}/")).unwrap();
    let all: Vec<_> = closed.by_ref().collect();
    assert_eq!(all, [text("one"), text("two")]);
    let mut cut = WebSocket::connect(&format!("ws://{address}/")).unwrap();
    let mut all: Vec<_> = cut.by_ref().collect();
    // However the system says that the other end has gone.
    assert!(all.pop().is_some_and(|end| end.is_err()));
    assert_eq!(all, [text("one"), text("two")]);
    assert_eq!(cut.next(), None);
    server.join().unwrap();
}

#[test]
fn a_connection_that_is_lost_is_made_again_and_that_is_told() {
    let (address, server) = serving(3, |number, _, mut socket| {
        socket.send(Message::text(number.to_string())).unwrap();
        if number == 2 {
            assert_eq!(socket.read().unwrap(), Message::text("back"));
            drain(&mut socket);
        }
    });
    let (sender, overs) = mpsc::channel::<Closed>();
    let (opens, opened) = mpsc::channel();
    let mut socket = Connect::to(&format!("ws://{address}/"))
        .reconnect(quick())
        .on_open(move |_| opens.send(()).unwrap())
        .on_close(move |over| sender.send(over).unwrap())
        .open()
        .unwrap();
    for number in 0..3 {
        let text = OwnedMessage::Text(number.to_string());
        assert_eq!(socket.receive(), Ok(Some(text)));
    }
    socket.send("back").unwrap();
    // What the program closes is not made again.
    socket.close(CloseCode::NORMAL, "").unwrap();
    server.join().unwrap();
    let overs: Vec<Closed> = overs.try_iter().collect();
    assert_eq!(overs.len(), 3);
    assert!(overs[..2].iter().all(|over| over.retry_in.is_some()));
    assert!(overs[..2].iter().all(|over| over.error.is_some()));
    assert_eq!((overs[2].retry_in, &overs[2].error), (None, &None));
    assert_eq!(opened.try_iter().count(), 3);
}

#[test]
fn a_server_that_is_not_there_is_an_error_or_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("ws://{address}/");
    let refused = ClientError::Connection(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(WebSocket::connect(&url).unwrap_err(), refused);
}

#[test]
fn a_wrong_accept_key_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream).unwrap();
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let answer = format!(
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let error = WebSocket::connect(&format!("ws://{address}/")).unwrap_err();
    let accept = barewire::ws::handshake::HandshakeError::Accept;
    assert_eq!(error, ClientError::Handshake(accept));
    server.join().unwrap();
}

#[test]
fn sending_waits_for_a_server_that_reads_slowly_and_keeps_what_comes() {
    let running = Running::usual();
    let mut socket = WebSocket::connect(&format!("ws://{}/echo", running.address)).unwrap();
    let text = "x".repeat(100_000);
    for _ in 0..100 {
        socket.send(text.as_str()).unwrap();
    }
    for _ in 0..100 {
        assert!(socket.receive().unwrap() == Some(OwnedMessage::Text(text.clone())));
    }
    socket.close(CloseCode::NORMAL, "").unwrap();
}
