//! Peers that say nothing, or not enough: what they get when their time is up, from a loop with a real clock. Nothing is
//! expected of that time but that it passes; how long it is, and what gives a peer more of it, is tested without a clock
//! in `tests/machine`.

use std::thread;
use std::time::Duration;

use barewire::Limits;
use barewire::ws::CloseCode;

use crate::case::Seen::{Answer, Close, End, Frame, Later, Status};
use crate::case::Step::{Bytes, Socket};
use crate::case::{Case, assert_well, usual};
use crate::memory::Watch;
use crate::support::Running;

#[test]
fn deadlines() {
    let watch = Watch::begin();
    let server = Running::start(|server| {
        usual(server);
        server.websocket("/farewell", |socket, _| socket.close(CloseCode::NORMAL, ""));
        server.limits(Limits {
            header_timeout: Duration::from_secs(2),
            body_timeout: Duration::from_secs(1),
            keep_alive: Duration::from_secs(2),
            ping_interval: Duration::from_millis(400),
            close_timeout: Duration::from_secs(1),
            ..Limits::default()
        });
    });
    let address = server.address;
    // All at once, or it would take the sum of their times.
    thread::scope(|scope| {
        for case in CASES {
            scope.spawn(move || {
                let played = case.play_once(address);
                let (name, section) = (case.name, case.section);
                assert!(!section.is_empty());
                played.unwrap_or_else(|why| panic!("{name} ({section}): {why}"));
            });
        }
    });
    assert_well(address);
    let peak = watch.peak();
    assert!(peak < 2 << 20, "{peak} bytes were in use");
}

const CASES: &[Case] = &[
    Case {
        name: "who says nothing is dropped without a word",
        section: "RFC 9112 9.5",
        sends: &[],
        gets: &[End],
    },
    Case {
        name: "a head that does not end is given up",
        section: "RFC 9110 15.5.9",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: y\r\n",
        )],
        gets: &[Status(408), End],
    },
    Case {
        name: "empty lines are no head",
        section: "RFC 9110 15.5.9",
        sends: &[Bytes(b"\r\n\r\n")],
        gets: &[Status(408), End],
    },
    Case {
        name: "a body that does not come is given up",
        section: "RFC 9110 15.5.9",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsmuggled",
        )],
        gets: &[Status(408), End],
    },
    Case {
        name: "chunks that do not end are given up",
        section: "RFC 9110 15.5.9",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
            8\r\nsmuggled\r\n0\r\n",
        )],
        gets: &[Status(408), End],
    },
    Case {
        name: "who has its answer and asks no more is dropped without a word",
        section: "RFC 9112 9.5",
        sends: &[Bytes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Answer(200, "home"), Later, End],
    },
    Case {
        name: "a silent WebSocket is pinged and dropped",
        section: "RFC 6455 5.5.2",
        sends: &[Socket("/echo")],
        gets: &[Frame(0x89, b""), Frame(0x89, b""), End],
    },
    Case {
        name: "a frame that does not end is no sign of life for ever",
        section: "RFC 6455 5.5.2",
        sends: &[
            Socket("/channels/smuggled"),
            Bytes(b"\x81\x89\0\0\0\0smuggled"),
        ],
        gets: &[Frame(0x89, b""), Frame(0x89, b""), End],
    },
    Case {
        name: "who does not answer a close is dropped",
        section: "RFC 6455 7.1.1",
        sends: &[Socket("/farewell"), Bytes(b"\x81\x80\0\0\0\0")],
        gets: &[Close(1000), End],
    },
    Case {
        name: "who goes on talking behind a close is dropped as well, and not answered",
        section: "RFC 6455 7.1.1",
        sends: &[
            Socket("/farewell"),
            Bytes(b"\x81\x80\0\0\0\0"),
            Bytes(b"\x81\x84\0\0\0\0more"),
            Bytes(b"\x89\x80\0\0\0\0"),
        ],
        gets: &[Close(1000), End],
    },
];
