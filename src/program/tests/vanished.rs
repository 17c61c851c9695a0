//! Half-open connections: peers that are gone without a word, as behind a router that forgot them or a cable that was
//! pulled. The system takes what is written to them, for a while, and says nothing. Every way to be served ends all the
//! same, and gives back what it held.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::world::World;
use crate::limits::{HEARTBEAT, KEEP_ALIVE, MAX_WAIT, PING_INTERVAL};
use crate::net::STALL_TIMEOUT;
use crate::net::fault::{Faults, How};
use crate::server::Server;
use crate::service::EventStream;
use crate::{Limits, channel};

const STREAM: &str = "Accept: text/event-stream\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

type Streams = Arc<Mutex<Vec<EventStream>>>;

/// A world in which a channel has room for one reader.
fn world() -> (World, Streams) {
    let streams = Streams::default();
    let kept = Arc::clone(&streams);
    let world = World::new(|server: &mut Server| {
        server.limits(Limits {
            channels: channel::Limits {
                subscribers: 1,
                ..channel::Limits::default()
            },
            ..Limits::default()
        });
        server.get("/events", move |_, reply| {
            kept.lock().unwrap().push(reply.events())
        });
        server.websocket("/echo", |socket, message| socket.send(message));
        server.channels("/channels/{name}");
    });
    (world, streams)
}

/// Sends a request on a new connection. Says its number and how its answer begins.
fn ask(world: &mut World, path: &str, fields: &str) -> (usize, String) {
    let peer = world.connect(Faults::default());
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    world.send(peer, request.as_bytes());
    world.settle();
    let start: Vec<u8> = world.received(peer).iter().copied().take(12).collect();
    (peer, String::from_utf8(start).unwrap())
}

/// A connection with this request open, whose peer then vanishes.
fn vanished(world: &mut World, path: &str, fields: &str) -> usize {
    let (peer, _) = ask(world, path, fields);
    world.cut(peer, How::Vanishes);
    world.settle();
    assert!(world.is_open(peer));
    peer
}

/// It is there until about this time has passed.
fn assert_gone_after(world: &mut World, peer: usize, time: Duration) {
    let second = Duration::from_secs(1);
    world.pass(time - second);
    assert!(world.is_open(peer), "sooner than in {time:?}");
    world.pass(2 * second);
    assert!(!world.is_open(peer), "later than in {time:?}");
}

fn assert_place_is_free(world: &mut World) {
    let (_, answer) = ask(world, "/channels/a", STREAM);
    assert_eq!(answer, "HTTP/1.1 200");
}

#[test]
fn a_websocket_is_found_by_pings_that_nobody_answers() {
    for path in ["/echo", "/channels/a"] {
        let (mut world, _) = world();
        let peer = vanished(&mut world, path, UPGRADE);
        assert_gone_after(&mut world, peer, 3 * PING_INTERVAL);
        assert_place_is_free(&mut world);
    }
}

/// Nothing of an event stream is answered, so it is for the system to find out that heartbeats don't arrive; but they
/// have to be sent for that.
#[test]
fn an_event_stream_is_found_by_heartbeats_that_do_not_arrive() {
    for path in ["/channels/a", "/events"] {
        let (mut world, streams) = world();
        let peer = vanished(&mut world, path, STREAM);
        for _ in 0..60 {
            let before = world.count(peer).written;
            world.pass(HEARTBEAT + Duration::from_secs(1));
            assert!(world.count(peer).written > before, "no heartbeat");
        }
        world.cut(peer, How::Fails(ErrorKind::TimedOut));
        world.settle();
        assert!(!world.is_open(peer));
        assert!(
            streams
                .lock()
                .unwrap()
                .iter()
                .all(|stream| !stream.is_open())
        );
        assert_place_is_free(&mut world);
    }
}

/// Even a system that never says so has no room for ever.
#[test]
fn an_event_stream_of_which_nothing_is_taken_is_let_go() {
    let (mut world, streams) = world();
    let channel = vanished(&mut world, "/channels/a", STREAM);
    let handler = vanished(&mut world, "/events", STREAM);
    for _ in 0..20 {
        world.publish("a", &"x".repeat(1_000));
        streams.lock().unwrap()[0]
            .send_event("x", &"y".repeat(1_000))
            .unwrap();
    }
    world.settle();
    assert_gone_after(&mut world, channel, STALL_TIMEOUT);
    assert!(!world.is_open(handler));
    assert!(!streams.lock().unwrap()[0].is_open());
    assert_eq!(world.connections.backlog(), 0);
    assert_place_is_free(&mut world);
}

#[test]
fn a_long_poll_ends_at_its_deadline_and_its_connection_when_nothing_follows() {
    let (mut world, _) = world();
    let peer = vanished(&mut world, "/channels/a?wait=60", "");
    world.pass(MAX_WAIT);
    assert_place_is_free(&mut world);
    // What is left then is what closing waits for.
    assert_gone_after(&mut world, peer, KEEP_ALIVE + Duration::from_secs(2));
}

#[test]
fn a_request_that_is_never_finished_ends() {
    let (mut world, _) = world();
    let peer = world.connect(Faults::default());
    world.send(peer, b"GET / HTTP/1.1\r\nHost");
    world.settle();
    world.cut(peer, How::Vanishes);
    assert_gone_after(
        &mut world,
        peer,
        crate::limits::HEADER_TIMEOUT + Duration::from_secs(2),
    );
}
