//! What a program's WebSocket handlers see and can do.

use std::sync::mpsc;

use barewire::ws::CloseCode;
use barewire::{Sender, Socket};

use crate::support::*;

/// A server whose `/` is a WebSocket of this handler.
fn socket(on_message: impl FnMut(&mut Socket<'_>, Message<'_>) + Send + 'static) -> Simulation {
    server(|server| {
        server.websocket("/", on_message);
    })
}

// RFC 6455 1.9 and 11.3.4: subprotocols

#[test]
fn the_first_subprotocol_that_both_speak_is_chosen() {
    let seen = Shared::default();
    let (opened, spoken) = (seen.clone(), seen.clone());
    let mut server = server(|server| {
        let route = server.websocket("/", move |socket, _| {
            spoken.push(socket.protocol().map(str::to_owned))
        });
        route.protocols(&["v2", "v1"]).on_open(move |socket, _| {
            opened.push(socket.protocol().map(str::to_owned));
        });
    });
    for (offered, chosen) in [
        ("", None),
        ("Sec-WebSocket-Protocol: v1\r\n", Some("v1")),
        ("Sec-WebSocket-Protocol: v1, v2\r\n", Some("v2")),
        (
            "Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v3\r\n",
            Some("v1"),
        ),
        ("Sec-WebSocket-Protocol: v3, V1\r\n", None),
    ] {
        let client = server.connect();
        server.send(client, upgrade("/", offered).as_bytes());
        let answer = answer(&server.take(client), false).0;
        assert_eq!(answer.field("Sec-WebSocket-Protocol").as_deref(), chosen);
        server.send(client, &frame(TEXT, ""));
        assert_eq!(
            seen.take(),
            [chosen.map(str::to_owned), chosen.map(str::to_owned)]
        );
    }
}

// Opening, sending and failing

#[test]
fn on_open_sees_the_request_and_may_speak_first() {
    let mut server = server(|server| {
        let route = server.websocket("/rooms/{room}", |socket, message| socket.send(message));
        route.on_open(|socket, request| {
            let (room, user) = (request.param("room"), request.query("user"));
            socket.send(&format!(
                "{} {}",
                room.unwrap_or_default(),
                user.unwrap_or_default()
            ));
        });
    });
    let (_, first) = open_with(&mut server, "/rooms/a%20b?user=me", "");
    assert_eq!(first, [text("a b me")]);
}

#[test]
fn on_open_may_close_at_once_and_the_peer_has_its_five_seconds() {
    let mut server = server(|server| {
        let route = server.websocket("/", |socket, message| socket.send(message));
        route.on_open(|socket, _| socket.close(CloseCode::TRY_AGAIN_LATER, "full"));
    });
    let (client, first) = open_with(&mut server, "/", "");
    assert_eq!(closed(&first), (1013, "full".into()));
    assert_eq!(server.deadline(client), Some(seconds(5)));
    assert_eq!(converse(&mut server, client, &frame(TEXT, "x")), []);
}

#[test]
fn a_handler_that_panics_ends_its_connection_with_1011_and_no_other() {
    quiet_panics();
    let errors = Shared::default();
    let hook = errors.clone();
    let mut server = server(|server| {
        server.websocket("/", |socket, message| match message {
            Message::Text("panic") => panic!("on purpose"),
            message => socket.send(message),
        });
        let route = server.websocket("/open", |_, _| {});
        route.on_open(|_, _| panic!("on purpose"));
        let route = server.websocket("/close", |_, _| {});
        route.on_close(|_, _| panic!("on purpose"));
        server.on_error(move |error| hook.push(error.to_string()));
    });
    let (client, other) = (open(&mut server, "/"), open(&mut server, "/"));
    let sent = [frame(TEXT, "a"), frame(TEXT, "panic"), frame(TEXT, "b")].concat();
    let got = converse(&mut server, client, &sent);
    assert_eq!(got[0], text("a"));
    assert_eq!(closed(&got[1..]).0, 1011);
    assert!(!server.is_open(client));
    assert_eq!(converse(&mut server, other, &frame(TEXT, "c")), [text("c")]);

    let (client, first) = open_with(&mut server, "/open", "");
    assert_eq!(closed(&first).0, 1011);
    assert!(!server.is_open(client));

    let client = open(&mut server, "/close");
    server.send(client, &close_frame(1000, ""));
    assert!(!server.is_open(client));
    assert_eq!(errors.take(), ["a handler panicked"; 3]);
}

#[test]
fn a_message_may_be_sent_in_parts() {
    let mut server = socket(|socket, message| {
        socket.send_fragment("Gr\u{fc}", false);
        socket.send_fragment("", false);
        socket.send_fragment("n", true);
        socket.send_fragment(message, true);
    });
    let client = open(&mut server, "/");
    let got = converse(&mut server, client, &frame(BINARY, b"\xff"));
    assert_eq!(
        got,
        [
            (0x01, "Gr\u{fc}".into()),
            (0x00, vec![]),
            (0x80, b"n".to_vec()),
            (BINARY, b"\xff".to_vec())
        ]
    );
}

#[test]
fn parts_go_on_from_one_call_to_the_next_and_a_whole_message_ends_them() {
    let mut server = socket(|socket, message| match message {
        Message::Text("whole") => socket.send(message),
        part => socket.send_fragment(part, false),
    });
    let client = open(&mut server, "/");
    assert_eq!(
        converse(&mut server, client, &frame(TEXT, "a")),
        [(0x01, b"a".to_vec())]
    );
    assert_eq!(
        converse(&mut server, client, &frame(TEXT, "b")),
        [(0x00, b"b".to_vec())]
    );
    let got = converse(&mut server, client, &frame(TEXT, "whole"));
    assert_eq!(got, [(0x80, vec![]), text("whole")]);
    // A text that is continued with bytes could never be UTF-8 again.
    converse(&mut server, client, &frame(TEXT, "c"));
    let got = converse(&mut server, client, &frame(BINARY, b"\xff"));
    assert_eq!(closed(&got).0, 1011);
}

#[test]
fn a_sender_sends_and_closes_from_another_thread() {
    let (give, take) = mpsc::channel::<Sender>();
    let mut server = socket(move |socket, _| give.send(socket.sender()).unwrap());
    let client = open(&mut server, "/");
    server.send(client, &frame(TEXT, ""));
    let sender = take.recv().unwrap();
    assert_eq!(sender.id(), client);
    let clone = sender.clone();
    let thread = std::thread::spawn(move || {
        clone.send("text").unwrap();
        clone.send(b"bytes").unwrap();
        clone.close(CloseCode::NORMAL, "done").unwrap();
        clone.send("too late").unwrap();
    });
    thread.join().unwrap();
    server.wait(ONE_MS);
    let got = frames(&server.take(client));
    assert_eq!(got[..2], [text("text"), (BINARY, b"bytes".to_vec())]);
    assert_eq!(closed(&got[2..]), (1000, "done".into()));
    server.send(client, &close_frame(1000, ""));
    assert!(!server.is_open(client));
    // Whom it was for is gone.
    sender.send("nobody").unwrap();
    server.wait(ONE_MS);
    assert_eq!(server.take(client), b"");
}

#[test]
fn closing_again_gives_the_peer_no_more_time() {
    let (give, take) = mpsc::channel::<Sender>();
    let mut server = socket(move |socket, _| give.send(socket.sender()).unwrap());
    let client = open(&mut server, "/");
    server.send(client, &frame(TEXT, ""));
    let sender = take.recv().unwrap();
    for _ in 0..5 {
        sender.close(CloseCode::NORMAL, "").unwrap();
        server.wait(seconds(1));
    }
    server.stop();
    assert_eq!(frames(&server.take(client)).len(), 1);
    // The first close went out after one second.
    server.wait(seconds(1) - ONE_MS);
    assert!(server.is_open(client));
    server.wait(ONE_MS);
    assert!(!server.is_open(client));
}

#[test]
fn a_socket_knows_its_name_and_its_peer() {
    let seen = Shared::default();
    let hook = seen.clone();
    let mut server = socket(move |socket, _| hook.push((socket.id(), socket.peer())));
    let client = open(&mut server, "/");
    server.send(client, &frame(TEXT, ""));
    assert_eq!(seen.take(), [(client, ([127, 0, 0, 1], 1).into())]);
}
