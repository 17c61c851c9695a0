//! Readers that are slower than what they read.

use std::io::Write;
use std::time::Duration;

use barewire::{Limits, channel};
use tungstenite::Message;

use crate::support::{
    Running, await_end, connect, is_patience, json_field, open_events, open_websocket, post,
    read_chunk, usual, websocket,
};

pub const PAYLOAD: usize = 8 * 1024;

/// A message of [`PAYLOAD`] bytes that says its number.
pub fn payload(number: usize) -> String {
    format!("{number} {:.<1$}", "", PAYLOAD - 10)
}

/// The number in a JSON object with a [`payload`]; `None` for a gap.
pub fn number_of(object: &str) -> Option<usize> {
    match json_field(object, "event").unwrap() {
        "gap" => None,
        _ => {
            let data = json_field(object, "data").unwrap();
            Some(data.split(' ').next().unwrap().parse().unwrap())
        }
    }
}

/// Retention for all of `messages`, so that there can be no gap.
fn retaining(messages: usize) -> Running {
    Running::start(|server| {
        usual(server);
        server.limits(Limits {
            channels: channel::Limits {
                retention: channel::Retention {
                    bytes: 2 * messages * PAYLOAD,
                    messages,
                    age: Duration::from_secs(3_600),
                },
                ..channel::Limits::default()
            },
            ..Limits::default()
        });
    })
}

#[test]
fn who_reads_late_gets_everything_in_order_while_it_is_retained() {
    // More than the buffers of the system hold for one connection.
    let messages = 3_000;
    let server = retaining(messages);
    let mut socket = websocket(server.address, "/channels/all");
    let mut events = connect(server.address);
    open_events(&mut events, "/channels/all", "");
    let mut publisher = connect(server.address);
    for number in 0..messages {
        post(&mut publisher, "/channels/all", &payload(number)).unwrap();
    }
    for number in 0..messages {
        let message = socket.read().unwrap().into_text().unwrap();
        assert_eq!(number_of(message.as_str()), Some(number));
    }
    for number in 0..messages {
        let block = String::from_utf8(read_chunk(&mut events).unwrap().unwrap()).unwrap();
        assert!(block.contains(&format!("data: {number} ")), "{number}");
    }
}

#[test]
fn a_ping_in_the_middle_of_a_flood_is_answered_between_two_messages() {
    let messages = 2_000;
    let server = retaining(messages);
    let mut socket = websocket(server.address, "/channels/flood");
    let mut publisher = connect(server.address);
    for number in 0..messages {
        post(&mut publisher, "/channels/flood", &payload(number)).unwrap();
        if number % 100 == 0 {
            socket.send(Message::Ping("now".into())).unwrap();
        }
    }
    let (mut next, mut pongs) = (0, 0);
    while next < messages || pongs == 0 {
        match socket.read().unwrap() {
            Message::Pong(payload) => {
                assert_eq!(&payload[..], b"now");
                pongs += 1;
            }
            message => {
                let message = message.into_text().unwrap();
                assert_eq!(number_of(message.as_str()), Some(next));
                next += 1;
            }
        }
    }
}

#[test]
fn who_takes_nothing_for_too_long_is_dropped() {
    let server = Running::start(|server| {
        usual(server);
        server.limits(Limits {
            stall_timeout: Duration::from_millis(300),
            ..Limits::default()
        });
    });
    let mut stream = connect(server.address);
    open_websocket(&mut stream, "/echo", "");
    // A binary message of 15 MiB, masked with zeros: its echo does not fit into the buffers of the system.
    let len = 15 * 1024 * 1024_u64;
    let mut message = vec![0x82, 0xff];
    message.extend_from_slice(&len.to_be_bytes());
    message.resize(message.len() + 4 + len as usize, 0);
    stream.write_all(&message).unwrap();
    // The peer hangs up while nothing is read: writing fails at last.
    let ping = [0x89, 0x80, 0, 0, 0, 0];
    let hung_up = loop {
        if let Err(error) = stream.write_all(&ping) {
            break error;
        }
        std::thread::yield_now();
    };
    assert!(!is_patience(&hung_up), "{hung_up}");
    await_end(&mut stream);
}
