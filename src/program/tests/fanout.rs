//! What handlers send on to many others: it arrives, in order, whatever the sockets do, and the loop knows when it is
//! due.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::world::{World, delays};
use crate::net::fault::Faults;
use crate::server::Server;
use crate::session::Sender;
use crate::ws::{self, Decoder, Event, Message, Role};
use crate::{Limits, channel};

/// More letters than make a loop crowded.
const MESSAGES: usize = 1_500;
const SOCKETS: usize = 4;

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// A server whose sockets send everything on to all.
fn sends_on(server: &mut Server) -> Arc<Mutex<Vec<Sender>>> {
    let all: Arc<Mutex<Vec<Sender>>> = Arc::default();
    let (kept, sent_to) = (Arc::clone(&all), Arc::clone(&all));
    let route = server.websocket("/ws", move |_, message| {
        for sender in &*sent_to.lock().unwrap() {
            sender.send(message).unwrap();
        }
    });
    route.on_open(move |socket, _| kept.lock().unwrap().push(socket.sender()));
    all
}

fn burst() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..MESSAGES {
        let text = number.to_string();
        ws::write_message(&mut bytes, Message::Text(&text), Some([1, 2, 3, 4]));
    }
    bytes
}

/// The numbers that came behind the answer to the handshake.
fn numbers(received: &[u8]) -> Vec<usize> {
    let end = received.windows(4).position(|end| end == b"\r\n\r\n");
    let mut bytes = received[end.unwrap() + 4..].to_vec();
    let (mut decoder, mut at, mut numbers) = (Decoder::new(Role::Client), 0, Vec::new());
    loop {
        let decoded = decoder
            .decode(&mut bytes[at..], &ws::Limits::default())
            .unwrap();
        at += decoded.used;
        match decoded.event {
            Some(Event::Message(Message::Text(text))) => numbers.push(text.parse().unwrap()),
            Some(_) => {}
            None => return numbers,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn what_is_sent_on_arrives_in_order(faults in prop::collection::vec(delays(), SOCKETS)) {
        let mut world = World::new(|server| drop(sends_on(server)));
        let sockets: Vec<usize> = faults.into_iter().map(|faults| world.connect(faults)).collect();
        for &socket in &sockets {
            world.send(socket, UPGRADE);
            world.settle();
        }
        world.send(sockets[0], &burst());
        world.settle();
        for socket in sockets {
            prop_assert!(numbers(world.received(socket)).into_iter().eq(0..MESSAGES));
        }
    }
}

#[cfg(feature = "client")]
#[test]
fn what_a_clients_handler_sends_on_arrives_in_order() {
    let mut world = World::new(|server| {
        let all = sends_on(server);
        let route = server.websocket("/burst", |_, _| ());
        route.on_open(|socket, _| {
            for number in 0..MESSAGES {
                socket.send(&number.to_string());
            }
        });
        let connect = crate::Connect::to("ws://127.0.0.1/burst");
        let sent = server.connect(connect, move |_, message| {
            for sender in &*all.lock().unwrap() {
                sender.send(message).unwrap();
            }
        });
        sent.unwrap();
    });
    let sockets = [0; SOCKETS].map(|_| world.connect(Faults::default()));
    for socket in sockets {
        world.send(socket, UPGRADE);
    }
    world.settle();
    for socket in sockets {
        assert!(numbers(world.received(socket)).into_iter().eq(0..MESSAGES));
    }
}

#[test]
fn the_end_of_a_channels_window_is_a_time_at_which_the_loop_is_due() {
    let window = Duration::from_millis(20);
    let mut world = World::new(|server| {
        server.channels("/{name}");
        server.limits(Limits {
            channels: channel::Limits {
                window,
                ..channel::Limits::default()
            },
            ..Limits::default()
        });
    });
    let reader = world.connect(Faults::default());
    world.send(
        reader,
        b"GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
    );
    world.settle();
    for text in ["first", "second"] {
        world.publish("a", text);
    }
    world.settle();
    world.publish("a", "third");
    world.settle();
    assert!(!world.received(reader).ends_with(b"data: third\n\n\r\n"));
    assert!(world.connections.due() <= 20, "{}", world.connections.due());
    world.pass(window);
    assert!(world.received(reader).ends_with(b"data: third\n\n\r\n"));
}
