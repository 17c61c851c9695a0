//! What a channel takes has to be what its readers take: the same limit for both, and messages of every kind around it.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::world::World;
use crate::channel::{self, Data};
use crate::client::{Error, Oversized, Subscribe, Transport, Update};
use crate::{Limits, Server};

/// Bytes in the largest encoding, for the server and for its readers.
const LIMIT: usize = 1_000;

fn limited(server: &mut Server, encoded: usize) {
    let channels = channel::Limits {
        encoded,
        ..channel::Limits::default()
    };
    server.limits(Limits {
        channels,
        ..Limits::default()
    });
    server.channels("/channels/{name}");
}

fn subscription(transport: Option<Transport>) -> Subscribe {
    let subscribe = Subscribe::to("http://127.0.0.1:9/channels/a").max_message(LIMIT);
    match transport {
        Some(transport) => subscribe.transport(transport),
        None => subscribe,
    }
}

/// What a subscription is told of these messages, and how many of them the server refused.
fn follow(subscribe: Subscribe, encoded: usize, messages: &[Data]) -> (Vec<Update>, usize) {
    let (told, refused) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
    let (into, counter) = (Arc::clone(&told), Arc::clone(&refused));
    let mut world = World::new(|server| {
        limited(server, encoded);
        server.on_error(move |_| *counter.lock().unwrap() += 1);
        let handler = move |update| into.lock().unwrap().push(update);
        server.subscribe(subscribe, handler).unwrap();
    });
    for data in messages {
        world.publish_data("a", data.clone());
    }
    for _ in 0..12 {
        world.settle();
        world.pass_to_next();
    }
    let told = told.lock().unwrap().clone();
    let refused = *refused.lock().unwrap();
    (told, refused)
}

fn events(told: &[Update]) -> Vec<Vec<u8>> {
    let event = |update: &Update| match update {
        Update::Event(event) if event.is_gap() => Some(b"gap".to_vec()),
        Update::Event(event) => Some(event.bytes().to_vec()),
        _ => None,
    };
    told.iter().filter_map(event).collect()
}

/// Of some kind that grows by some factor, about as long as the limit allows.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"a"[..],
        b"\n",
        b"\r\n",
        b"\x01",
        b"\"",
        b"\xff",
        b"abc\xfe\n",
        "\u{1F331}".as_bytes(),
    ]);
    let growth = [1, 7, 7, 6, 2, 2, 2, 1];
    (piece, prop::sample::select(growth.to_vec()), 0..120_usize).prop_map(
        |(piece, growth, percent)| piece.repeat(LIMIT * percent / 100 / growth / piece.len()),
    )
}

/// An event stream does not keep which of the three ends a line has (WHATWG HTML 9.2.6).
fn lines(bytes: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace("\r\n", "\n").into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(48)
    })]

    #[test]
    fn what_a_channel_takes_its_readers_take_in_every_way(
        messages in prop::collection::vec(message(), 1..5),
    ) {
        let messages: Vec<Data> = messages.iter().map(|bytes| Data::new(bytes)).collect();
        for &transport in Transport::ALL {
            let (told, refused) = follow(subscription(Some(transport)), LIMIT, &messages);
            let events = events(&told);
            prop_assert_eq!(events.len() + refused, messages.len(), "{} {:?}", transport, told);
            let mut published = messages.iter().map(|data| lines(data.as_bytes()));
            prop_assert!(events.iter().all(|event| published.any(|bytes| bytes == lines(event))));
        }
    }
}

/// A message that a reader takes, one that it never takes, and one behind it.
fn around(large: &[u8]) -> [Data; 3] {
    [Data::new(b"before"), Data::new(large), Data::new(b"after")]
}

#[test]
fn a_message_that_is_too_large_one_way_is_read_another() {
    // As JSON it has six bytes for each, in an event stream one.
    let controls = [1; 600];
    let (told, _) = follow(subscription(None), 1 << 20, &around(&controls));
    assert_eq!(
        events(&told),
        [b"before".to_vec(), controls.to_vec(), b"after".to_vec()]
    );
    let fell = Update::FellBack {
        transport: Transport::WebSocket,
        error: Error::TooLarge,
    };
    assert_eq!(told.iter().filter(|update| **update == fell).count(), 1);
    // As lines of an event stream seven, as JSON two.
    let lines = [b'\n'; 400];
    let (told, _) = follow(subscription(None), 1 << 20, &around(&lines));
    assert_eq!(events(&told).len(), 3);
}

#[test]
fn behind_a_message_that_only_a_poll_brings_the_first_way_is_gone_again() {
    let (told, _) = follow(subscription(None), 1 << 20, &around(&[b'x'; 2_000]));
    assert_eq!(events(&told).len(), 3);
    let ways: Vec<Transport> = told
        .iter()
        .filter_map(|update| match update {
            Update::Connected(transport) => Some(*transport),
            _ => None,
        })
        .collect();
    use Transport::{EventStream, LongPoll, WebSocket};
    assert_eq!(ways, [WebSocket, EventStream, LongPoll, WebSocket]);
}

#[test]
fn a_message_that_no_way_brings_ends_the_subscription_or_is_skipped_by_choice() {
    let large = [b'x'; 2_000];
    // A poll takes more than one message, but not of a reader that takes none: these know no other way.
    for transport in [Transport::WebSocket, Transport::EventStream] {
        let subscribe = subscription(Some(transport));
        let (told, _) = follow(subscribe.clone(), 1 << 20, &around(&large));
        assert_eq!(events(&told), [b"before".to_vec()], "{transport}");
        assert_eq!(told.last(), Some(&Update::Ended(Some(Error::TooLarge))));
        let (told, _) = follow(
            subscribe.oversized(Oversized::Skip),
            1 << 20,
            &around(&large),
        );
        assert_eq!(
            events(&told),
            [&b"before"[..], b"gap", b"after"],
            "{transport}: {told:?}"
        );
        assert!(
            !told
                .iter()
                .any(|update| matches!(update, Update::Ended(_) | Update::Lost { .. }))
        );
    }
}
