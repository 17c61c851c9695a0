//! Those who are served: one conversation of every kind at once, under every fault.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::world::{World, delays};
use crate::net::fault::{Cut, Fault, Faults, How};
use crate::response::Response;
use crate::server::Server;
use crate::service::Later;
use crate::{Limits, channel, ws};

/// Who is served.
const PAGES: usize = 0;
const ECHO: usize = 1;
const STREAM: usize = 2;
const POLLS: usize = 3;
const POSTS: usize = 4;
const READER: usize = 5;
const TALKER: usize = 6;
const LATER: usize = 7;
const KINDS: usize = 8;
/// How many of them read the shared channel.
const SUBSCRIBERS: usize = 3;
const STEPS: usize = 4;

/// What the program is told by its connections.
#[derive(Clone, Default)]
struct Told {
    opened: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    laters: Arc<Mutex<Vec<Later>>>,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn set_up(server: &mut Server, told: &Told, large: usize) {
    let (opened, closed) = (Arc::clone(&told.opened), Arc::clone(&told.closed));
    let laters = Arc::clone(&told.laters);
    server.limits(Limits {
        channels: channel::Limits {
            subscribers: SUBSCRIBERS,
            ..channel::Limits::default()
        },
        ..Limits::default()
    });
    server.get("/", |_, reply| reply.text("home"));
    server.get("/large", move |_, reply| reply.text("l".repeat(large)));
    server.post("/", |request, reply| {
        reply.send(Response::bytes("text/plain", request.body().to_vec()))
    });
    server.get("/later", move |_, reply| {
        laters.lock().unwrap().push(reply.later())
    });
    server
        .websocket("/echo", |socket, message| socket.send(message))
        .on_open(move |_, _| count(&opened))
        .on_close(move |_, _| count(&closed));
    server.channels("/channels/{name}");
}

fn request(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = format!("Content-Length: {}\r\n", body.len());
    request(&format!("POST {path}"), &length) + body
}

fn upgrade(path: &str) -> String {
    request(
        &format!("GET {path}"),
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    )
}

const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

fn message(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ws::write_message(&mut out, ws::Message::Text(text), KEY);
    out
}

/// A text in two fragments, with a ping between them.
fn fragments() -> Vec<u8> {
    let mut out = Vec::new();
    let mut parts = ws::Fragmenter::start(ws::Kind::Text);
    parts.write(&mut out, "in two ".as_bytes(), KEY).unwrap();
    ws::write_ping(&mut out, b"between", KEY).unwrap();
    parts.finish(&mut out, b"parts", KEY).unwrap();
    out
}

fn close() -> Vec<u8> {
    let mut out = Vec::new();
    let close = ws::Close::new(ws::CloseCode::NORMAL, "bye").unwrap();
    ws::write_close(&mut out, Some(close), KEY);
    out
}

/// What a client of this kind sends in this step. `large` is the size of what is large.
fn says(kind: usize, step: usize, large: usize) -> Vec<u8> {
    let wait = request("GET /channels/a?wait=60", "");
    let then = request("GET /channels/a?wait=60&from=now", "");
    match (kind, step) {
        (PAGES, 0) => [
            request("GET /", ""),
            request("GET /large", ""),
            request("HEAD /large", ""),
        ]
        .concat(),
        (PAGES, 1) => {
            let chunked = "Transfer-Encoding: chunked\r\n";
            post("/", &"p".repeat(large)) + &request("POST /", chunked) + "3\r\nabc\r\n0\r\n\r\n"
        }
        (PAGES, 2) => request("GET /missing", "") + &request("OPTIONS /", ""),
        (PAGES, _) => request("GET /", "Connection: close\r\n"),
        (ECHO, 0) => return [upgrade("/echo").into_bytes(), message("glued")].concat(),
        (ECHO, 1) => return fragments(),
        (ECHO, 2) => return [message(&"e".repeat(large)), message("small")].concat(),
        (ECHO, _) => return close(),
        (STREAM, 0) => request("GET /channels/a", "Accept: text/event-stream\r\n"),
        (POLLS, 0) => wait + &then,
        (POLLS, 3) => request("GET /channels/a", ""),
        (POSTS, 0) => post("/channels/mine", "1") + &request("GET /channels/mine", ""),
        (POSTS, 1) => post("/channels/mine?event=large", &"p".repeat(large)),
        (POSTS, 2) => request("GET /channels/mine", ""),
        (POSTS, _) => "no request\r\n\r\n".to_owned(),
        (READER, 0) => upgrade("/channels/a"),
        (TALKER, 0) => return [upgrade("/channels/own").into_bytes(), message("1")].concat(),
        (TALKER, 1) => return message(&"t".repeat(large)),
        (LATER, 0) => request("GET /later", "") + &request("GET /", ""),
        _ => String::new(),
    }
    .into_bytes()
}

/// What came of a conversation.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    received: Vec<Vec<u8>>,
    open: Vec<bool>,
    /// Bytes that were read and written on each connection.
    moved: Vec<(usize, usize)>,
}

/// The whole conversation, on connections with these faults.
fn converse(faults: &[Faults], large: usize) -> Outcome {
    converse_with(&[true; KINDS], faults, large)
}

/// The conversation of some of them. The others are there, and say nothing.
fn converse_with(talking: &[bool; KINDS], faults: &[Faults], large: usize) -> Outcome {
    let told = Told::default();
    let mut world = World::new(|server| set_up(server, &told, large));
    for kind in 0..KINDS {
        world.connect(faults.get(kind).cloned().unwrap_or_default());
    }
    for step in 0..STEPS {
        for (kind, _) in talking.iter().enumerate().filter(|(_, talks)| **talks) {
            world.send(kind, &says(kind, step, large));
        }
        match step {
            1 => world.publish("a", "one"),
            2 => {
                world.publish("a", &"two ".repeat(large / 4));
                for later in told.laters.lock().unwrap().drain(..) {
                    // Who waited for it may have gone.
                    let _ = later.send(Response::text("at last"));
                }
            }
            _ => {}
        }
        world.settle();
    }
    let outcome = Outcome {
        received: (0..KINDS)
            .map(|kind| timeless(world.received(kind)))
            .collect(),
        open: (0..KINDS).map(|kind| world.is_open(kind)).collect(),
        moved: (0..KINDS)
            .map(|kind| (world.count(kind).read, world.count(kind).written))
            .collect(),
    };
    let open = outcome.open.iter().filter(|open| **open).count();
    assert_eq!(world.connections.len(), open);
    leave(&mut world, &told);
    outcome
}

/// Without the place at which a channel begins, which is the time when the server did.
fn timeless(bytes: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"Last-Event-ID: ";
    let mut bytes = bytes.to_vec();
    let heads = bytes.windows(NAME.len()).enumerate();
    let found: Vec<usize> = heads
        .filter(|head| head.1 == NAME)
        .map(|head| head.0)
        .collect();
    for at in found {
        let digits = bytes[at + NAME.len()..].iter_mut();
        digits
            .take_while(|byte| byte.is_ascii_digit())
            .for_each(|byte| *byte = b'0');
    }
    bytes
}

/// As an equation of bytes, but it shows only where they differ.
fn assert_same(got: &[u8], expected: &[u8], what: &str) {
    let same = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let end = bytes.len().min(same + 60);
        String::from_utf8_lossy(&bytes[same.saturating_sub(60)..end]).into_owned()
    };
    assert!(
        got == expected,
        "{what}: byte {same} of {} and {}: {:?} and {:?}",
        got.len(),
        expected.len(),
        around(got),
        around(expected)
    );
}

/// Everybody goes. Everything that they held is given back, and the program has been told of each once.
fn leave(world: &mut World, told: &Told) {
    for kind in 0..KINDS {
        world.cut(kind, How::Ends);
    }
    world.settle();
    assert_eq!(
        (world.connections.len(), world.connections.backlog()),
        (0, 0)
    );
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    assert_eq!(count(&told.opened), count(&told.closed));
    assert!(
        told.laters
            .lock()
            .unwrap()
            .iter()
            .all(|later| !later.is_awaited())
    );
    for _ in 0..SUBSCRIBERS {
        let peer = world.connect(Faults::default());
        world.send(peer, &says(STREAM, 0, 0));
        world.settle();
        assert!(
            world.received(peer).starts_with(b"HTTP/1.1 200 "),
            "no place was given back"
        );
    }
    let one_more = world.connect(Faults::default());
    world.send(one_more, &says(STREAM, 0, 0));
    world.settle();
    assert!(world.received(one_more).starts_with(b"HTTP/1.1 503 "));
}

/// The law of a line that breaks: its own conversation ends somewhere, its slot is given back, and nobody else sees
/// anything.
fn check_broken(victim: usize, broken: &Outcome, whole: &Outcome, how: How) {
    for kind in 0..KINDS {
        let (got, all) = (&broken.received[kind], &whole.received[kind]);
        if kind == victim {
            if how != How::HalfEnds {
                let begun = &all[..got.len().min(all.len())];
                assert_same(got, begun, "the victim");
            }
            assert!(!broken.open[kind], "kind {kind} is still there");
        } else {
            assert_same(got, all, &format!("{kind} noticed {victim}"));
            assert_eq!(broken.open[kind], whole.open[kind]);
        }
    }
}

const SMALL: usize = 20;
/// More than what is lent in one piece, and less than what fills the read buffer.
const LARGE: usize = 6_000;

#[test]
fn the_conversation_is_one() {
    let outcome = converse(&[], LARGE);
    let texts: Vec<_> = outcome
        .received
        .iter()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    let count = |kind: usize, text: &str| texts[kind].matches(text).count();
    assert_eq!(count(PAGES, "HTTP/1.1 200 OK"), 6);
    assert_eq!(count(PAGES, "HTTP/1.1 404 "), 1);
    for text in ["glued", "in two parts", "between", "small"] {
        assert_eq!(count(ECHO, text), 1, "{text}");
    }
    assert_eq!(count(STREAM, "data: one"), 1);
    assert_eq!(count(STREAM, "data: two two"), 1);
    assert_eq!(
        (count(POLLS, "HTTP/1.1 200 OK"), count(POLLS, "\"one\"")),
        (3, 2)
    );
    assert_eq!(count(POSTS, "HTTP/1.1 201 "), 2);
    assert_eq!(count(POSTS, "HTTP/1.1 400 "), 1);
    assert_eq!(count(READER, "\"event\":\"message\""), 2);
    assert_eq!(count(TALKER, "\"event\":\"message\""), 2);
    assert_eq!((count(LATER, "at last"), count(LATER, "home")), (1, 1));
    let open = [STREAM, POLLS, READER, TALKER, LATER];
    assert!((0..KINDS).all(|kind| outcome.open[kind] == open.contains(&kind)));
}

#[test]
fn a_line_that_breaks_at_any_byte_ends_alone() {
    for victim in 0..KINDS {
        // Beside one that is read, and one that is talked to.
        let mut talking = [false; KINDS];
        for kind in [victim, STREAM, ECHO] {
            talking[kind] = true;
        }
        let whole = converse_with(&talking, &[], SMALL);
        let (read, written) = whole.moved[victim];
        let mut faults = vec![Faults::default(); KINDS];
        let reset = How::Fails(ErrorKind::ConnectionReset);
        let reads = (0..=read).flat_map(|at| [reset, How::Ends].map(|how| Cut::Read(at, how)));
        let broken_pipe = How::Fails(ErrorKind::BrokenPipe);
        let writes = (0..=written).map(|at| Cut::Written(at, broken_pipe));
        for cut in reads.chain(writes) {
            let (Cut::Read(_, how) | Cut::Written(_, how)) = cut;
            faults[victim] = Faults::cut(cut);
            let broken = converse_with(&talking, &faults, SMALL);
            check_broken(victim, &broken, &whole, how);
        }
    }
}

/// RFC 9112 9.6: behind the last answer the server waits for the peer's end, and not for ever.
#[test]
fn who_has_its_last_answer_may_break_or_go_on_and_is_let_go() {
    let ends: [fn(&mut World); 4] = [
        |world| world.cut(0, How::Fails(ErrorKind::ConnectionReset)),
        |world| world.cut(0, How::HalfEnds),
        |world| world.cut(0, How::Ends),
        |world| world.pass(Duration::from_secs(2)),
    ];
    for end in ends {
        let interrupted = vec![Fault::Interrupted, Fault::WouldBlock, Fault::AtMost(3)];
        let faults = Faults {
            reads: interrupted.clone(),
            writes: interrupted,
            cut: None,
        };
        let mut world = World::new(|server| set_up(server, &Told::default(), SMALL));
        world.connect(faults);
        world.linger(0);
        world.send(0, &says(PAGES, STEPS, SMALL));
        world.settle();
        world.send(0, &says(PAGES, 0, SMALL));
        world.settle();
        assert!(world.received(0).ends_with(b"home") && world.is_open(0));
        end(&mut world);
        world.settle();
        assert!(!world.is_open(0));
    }
}

/// Nobody reads from a connection whose answer is to come and which has sent far ahead. That it is broken is seen all
/// the same.
#[test]
fn who_is_not_read_from_and_breaks_is_let_go() {
    let told = Told::default();
    let mut world = World::new(|server| set_up(server, &told, SMALL));
    world.connect(Faults::default());
    world.send(0, &says(LATER, 0, SMALL));
    for _ in 0..40 {
        world.send(0, &says(PAGES, 0, SMALL).repeat(20));
        world.settle();
    }
    let before = world.count(0).read;
    assert!(before < 2 * crate::net::HIGH_WATER && world.is_open(0));
    world.cut(0, How::Fails(ErrorKind::ConnectionReset));
    world.settle();
    assert!(!world.is_open(0));
    assert!(!told.laters.lock().unwrap()[0].is_awaited());
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        Just(How::Fails(ErrorKind::ConnectionReset)),
        Just(How::Fails(ErrorKind::BrokenPipe)),
        Just(How::Fails(ErrorKind::TimedOut)),
        Just(How::Ends),
        Just(How::HalfEnds),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn no_schedule_of_short_and_interrupted_operations_can_be_seen(
        faults in prop::collection::vec(delays(), KINDS),
        large in prop_oneof![1..500_usize, Just(LARGE), Just(30_000)],
    ) {
        let whole = converse(&[], large);
        let delayed = converse(&faults, large);
        for (kind, got) in delayed.received.iter().enumerate() {
            assert_same(got, &whole.received[kind], &kind.to_string());
        }
        prop_assert_eq!(&delayed.open, &whole.open);
    }

    #[test]
    fn a_line_that_breaks_under_any_schedule_ends_alone(
        faults in prop::collection::vec(delays(), KINDS),
        victim in 0..KINDS,
        how in how(),
        at in any::<prop::sample::Index>(),
        reading: bool,
    ) {
        let whole = converse(&[], LARGE);
        let (read, written) = whole.moved[victim];
        let mut faults = faults;
        faults[victim].cut = Some(match reading {
            true => Cut::Read(at.index(read + 1), how),
            false => Cut::Written(at.index(written + 1), how),
        });
        check_broken(victim, &converse(&faults, LARGE), &whole, how);
    }
}
