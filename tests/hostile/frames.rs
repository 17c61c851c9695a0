//! Frames: RFC 6455 5. All are masked with zeros, so that their payloads can be read here; whether a mask is taken off
//! at all has a case of its own. What ends with a close code is played at a channel too.

use crate::case::Seen::{Close, End, Frame, Long, Open};
use crate::case::Step::{Bytes, HalfClose, Socket, Times};
use crate::case::{Case, play, usual};

#[test]
fn frames() {
    play(&[FRAMES, FRAGMENTS, CONTROLS], 1 << 20, usual);
}

/// RFC 6455 5.1 to 5.3: masks, reserved bits, opcodes and lengths.
const FRAMES: &[Case] = &[
    Case {
        name: "a text frame that is not masked is a violation",
        section: "RFC 6455 5.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\x05hello")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "an empty frame that is not masked is a violation",
        section: "RFC 6455 5.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\x00")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a ping that is not masked is a violation",
        section: "RFC 6455 5.1",
        sends: &[Socket("/echo"), Bytes(b"\x89\x00")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a close that is not masked is a violation",
        section: "RFC 6455 5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x02\x03\xe8")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a continuation that is not masked is a violation",
        section: "RFC 6455 5.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0a"),
            Bytes(b"\x80\x01b"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the first reserved bit means nothing without an extension",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\xc1\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the second reserved bit means nothing without an extension",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\xa1\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the third reserved bit means nothing without an extension",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x91\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "every reserved bit means nothing without an extension",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\xf1\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a reserved bit of a ping means nothing without an extension",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\xc9\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a reserved bit of a close means nothing without an extension",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\xc8\x82\0\0\0\0\x03\xe8")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a reserved bit of a continuation means nothing without an extension",
        section: "RFC 6455 5.2",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0x"),
            Bytes(b"\xc0\x81\0\0\0\0y"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 3 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x83\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 4 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x84\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 5 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x85\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 6 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x86\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 7 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x87\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 11 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x8b\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 12 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x8c\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 13 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x8d\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 14 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x8e\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the opcode 15 is reserved",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x8f\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a length of 125 in two bytes is not the shortest",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x82\xfe\x00\x7d\0\0\0\0xxx")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a length of 0 in two bytes is not the shortest",
        section: "RFC 6455 5.2",
        sends: &[Socket("/echo"), Bytes(b"\x81\xfe\x00\x00\0\0\0\0")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a length of 65535 in eight bytes is not the shortest",
        section: "RFC 6455 5.2",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\0\0\0\0"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a length of 1 in eight bytes is not the shortest",
        section: "RFC 6455 5.2",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x82\xff\x00\x00\x00\x00\x00\x00\x00\x01\0\0\0\0x"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a length of 2^63 has its top bit set",
        section: "RFC 6455 5.2",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\0\0\0\0"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a length of 2^64 - 1 has its top bit set",
        section: "RFC 6455 5.2",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a length of 2^63 - 1 is too big",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"),
        ],
        gets: &[Close(1009), End],
    },
    Case {
        name: "a length of 2^62 is too big, before anything has come",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x82\xff\x40\x00\x00\x00\x00\x00\x00\x00\0\0\0\0"),
        ],
        gets: &[Close(1009), End],
    },
    Case {
        name: "a length of 2^32 is too big",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00\0\0\0\0"),
        ],
        gets: &[Close(1009), End],
    },
    Case {
        name: "a length of 16 MiB and a byte is too big",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x82\xff\x00\x00\x00\x00\x01\x00\x00\x01\0\0\0\0"),
        ],
        gets: &[Close(1009), End],
    },
    Case {
        name: "a continuation of 2^62 is too big",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x02\x81\0\0\0\0x"),
            Bytes(b"\x80\xff\x40\x00\x00\x00\x00\x00\x00\x00\0\0\0\0"),
        ],
        gets: &[Close(1009), End],
    },
    Case {
        name: "continuations whose sum overflows are too big",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x02\x89\0\0\0\0xxxxxxxxx"),
            Bytes(b"\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xf7\0\0\0\0"),
        ],
        gets: &[Close(1009), End],
    },
    Case {
        name: "a header that is cut by the end is no message",
        section: "RFC 6455 7.1.5",
        sends: &[Socket("/echo"), Bytes(b"\x82\xff\0\0\0"), HalfClose],
        gets: &[End],
    },
    Case {
        name: "a frame that is cut by the end is no message",
        section: "RFC 6455 7.1.5",
        sends: &[
            Socket("/channels/smuggled"),
            Bytes(b"\x81\x85\0\0\0\0hell"),
            HalfClose,
        ],
        gets: &[End],
    },
    Case {
        name: "the mask is taken off",
        section: "RFC 6455 5.7",
        sends: &[Socket("/echo"), Bytes(b"\x81\x857\xfa!=\x7f\x9fMQX")],
        gets: &[Frame(0x81, b"Hello"), Open],
    },
];

/// RFC 6455 5.4: fragments.
const FRAGMENTS: &[Case] = &[
    Case {
        name: "a last fragment of nothing is a violation",
        section: "RFC 6455 5.4",
        sends: &[Socket("/echo"), Bytes(b"\x80\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a fragment of nothing is a violation",
        section: "RFC 6455 5.4",
        sends: &[Socket("/echo"), Bytes(b"\x00\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "an empty fragment of nothing is a violation",
        section: "RFC 6455 5.4",
        sends: &[Socket("/echo"), Bytes(b"\x80\x80\0\0\0\0")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a fragment behind the last one is a violation",
        section: "RFC 6455 5.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x02\x81\0\0\0\0a"),
            Bytes(b"\x80\x81\0\0\0\0b"),
            Bytes(b"\x80\x81\0\0\0\0c"),
        ],
        gets: &[Frame(0x82, b"ab"), Close(1002), End],
    },
    Case {
        name: "a text inside a message is a violation",
        section: "RFC 6455 5.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0a"),
            Bytes(b"\x81\x81\0\0\0\0b"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a binary inside a text is a violation",
        section: "RFC 6455 5.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0a"),
            Bytes(b"\x82\x81\0\0\0\0b"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a second beginning is a violation",
        section: "RFC 6455 5.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0a"),
            Bytes(b"\x01\x81\0\0\0\0b"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a beginning inside an empty message is a violation",
        section: "RFC 6455 5.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x80\0\0\0\0"),
            Bytes(b"\x81\x81\0\0\0\0b"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "control frames may come between fragments, and are answered at once",
        section: "RFC 6455 5.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0a"),
            Bytes(b"\x89\x81\0\0\0\0p"),
            Bytes(b"\x00\x81\0\0\0\0b"),
            Bytes(b"\x8a\x81\0\0\0\0q"),
            Bytes(b"\x80\x81\0\0\0\0c"),
        ],
        gets: &[Frame(0x8a, b"p"), Frame(0x81, b"abc"), Open],
    },
    Case {
        name: "a message of empty fragments is an empty message",
        section: "RFC 6455 5.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x80\0\0\0\0"),
            Bytes(b"\x00\x80\0\0\0\0"),
            Bytes(b"\x80\x80\0\0\0\0"),
        ],
        gets: &[Frame(0x81, b""), Open],
    },
    Case {
        name: "a close between fragments ends the message unread",
        section: "RFC 6455 5.5.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0a"),
            Bytes(b"\x88\x82\0\0\0\0\x03\xe8"),
            Bytes(b"\x80\x81\0\0\0\0b"),
        ],
        gets: &[Close(1000), End],
    },
];

/// RFC 6455 5.5: control frames.
const CONTROLS: &[Case] = &[
    Case {
        name: "a ping in fragments is a violation",
        section: "RFC 6455 5.5",
        sends: &[Socket("/echo"), Bytes(b"\x09\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a pong in fragments is a violation",
        section: "RFC 6455 5.5",
        sends: &[Socket("/echo"), Bytes(b"\x0a\x81\0\0\0\0x")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a close in fragments is a violation",
        section: "RFC 6455 5.5",
        sends: &[Socket("/echo"), Bytes(b"\x08\x82\0\0\0\0\x03\xe8")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a ping of 126 bytes is a violation",
        section: "RFC 6455 5.5",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x89\xfe\x00\x7e\0\0\0\0"),
            Times(126, b"x"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a pong of 126 bytes is a violation",
        section: "RFC 6455 5.5",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x8a\xfe\x00\x7e\0\0\0\0"),
            Times(126, b"x"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a close of 126 bytes is a violation",
        section: "RFC 6455 5.5",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x88\xfe\x00\x7e\0\0\0\0\x03\xe8"),
            Times(124, b"x"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a ping of 2^62 bytes is a violation",
        section: "RFC 6455 5.5",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x89\xff\x40\x00\x00\x00\x00\x00\x00\x00\0\0\0\0"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a ping whose short length takes two bytes is a violation",
        section: "RFC 6455 5.5",
        sends: &[Socket("/echo"), Bytes(b"\x89\xfe\x00\x05\0\0\0\0hello")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "a ping of 125 bytes is answered with all of them",
        section: "RFC 6455 5.5.2",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x89\xfd\0\0\0\0"),
            Times(125, b"p"),
        ],
        gets: &[Long(0x8a, 125), Open],
    },
    Case {
        name: "a ping may hold any bytes",
        section: "RFC 6455 5.5.2",
        sends: &[Socket("/echo"), Bytes(b"\x89\x83\0\0\0\0\xff\xfe\0")],
        gets: &[Frame(0x8a, b"\xff\xfe\0"), Open],
    },
    Case {
        name: "a pong that nobody asked for is ignored",
        section: "RFC 6455 5.5.3",
        sends: &[Socket("/echo"), Bytes(b"\x8a\x81\0\0\0\0x")],
        gets: &[Open],
    },
];
