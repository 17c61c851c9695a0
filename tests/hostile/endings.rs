//! How WebSockets end, RFC 6455 5.5.1 and 7, and text that is none, which is one of the reasons, RFC 6455 8.1. The frames
//! are masked with zeros. What ends with a close code is played at a channel too.

use crate::case::Seen::{BareClose, Close, End, Frame, Later, Open};
use crate::case::Step::{Bytes, HalfClose, Pause, Socket, Times};
use crate::case::{Case, play, usual};

#[test]
fn endings() {
    play(&[CLOSES, TEXTS], 1 << 20, usual);
}

/// RFC 6455 5.5.1 and 7: how it ends, and that nothing follows.
const CLOSES: &[Case] = &[
    Case {
        name: "a close of one byte is a violation",
        section: "RFC 6455 5.5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x81\0\0\0\0\x03")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 0 is none",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\0\0")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 999 is none",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\x03\xe7")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 1004 is reserved",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\x03\xec")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 1005 is never sent",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\x03\xed")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 1006 is never sent",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\x03\xee")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 1015 is never sent",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\x03\xf7")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 1016 is not assigned",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\x03\xf8")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 2999 is not assigned",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\x0b\xb7")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 5000 is none",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\x13\x88")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 65535 is none",
        section: "RFC 6455 7.4",
        sends: &[Socket("/echo"), Bytes(b"\x88\x82\0\0\0\0\xff\xff")],
        gets: &[Close(1002), End],
    },
    Case {
        name: "the close code 1000 is answered with itself",
        section: "RFC 6455 5.5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x85\0\0\0\0\x03\xe8why")],
        gets: &[Close(1000), End],
    },
    Case {
        name: "the close code 1003 is answered with itself",
        section: "RFC 6455 5.5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x85\0\0\0\0\x03\xebwhy")],
        gets: &[Close(1003), End],
    },
    Case {
        name: "the close code 1011 is answered with itself",
        section: "RFC 6455 5.5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x85\0\0\0\0\x03\xf3why")],
        gets: &[Close(1011), End],
    },
    Case {
        name: "the close code 3000 is answered with itself",
        section: "RFC 6455 5.5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x85\0\0\0\0\x0b\xb8why")],
        gets: &[Close(3000), End],
    },
    Case {
        name: "the close code 4999 is answered with itself",
        section: "RFC 6455 5.5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x85\0\0\0\0\x13\x87why")],
        gets: &[Close(4999), End],
    },
    Case {
        name: "a reason that is not UTF-8 is a violation",
        section: "RFC 6455 5.5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x83\0\0\0\0\x03\xe8\xff")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a reason that ends inside a character is a violation",
        section: "RFC 6455 5.5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x84\0\0\0\0\x03\xe8s\xc3")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a close without a code is answered without one",
        section: "RFC 6455 5.5.1",
        sends: &[Socket("/echo"), Bytes(b"\x88\x80\0\0\0\0")],
        gets: &[BareClose, End],
    },
    Case {
        name: "a message behind a close is not answered",
        section: "RFC 6455 5.5.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x88\x82\0\0\0\0\x03\xe8"),
            Bytes(b"\x81\x84\0\0\0\0more"),
        ],
        gets: &[Close(1000), End],
    },
    Case {
        name: "a ping behind a close is not answered",
        section: "RFC 6455 5.5.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x88\x82\0\0\0\0\x03\xe8"),
            Bytes(b"\x89\x84\0\0\0\0more"),
        ],
        gets: &[Close(1000), End],
    },
    Case {
        name: "a second close is not answered",
        section: "RFC 6455 5.5.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x88\x82\0\0\0\0\x03\xe8"),
            Bytes(b"\x88\x82\0\0\0\0\x03\xe9"),
        ],
        gets: &[Close(1000), End],
    },
    Case {
        name: "a violation behind a close is not answered",
        section: "RFC 6455 5.5.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x88\x82\0\0\0\0\x03\xe8"),
            Bytes(b"\xff\xff\xff\xff"),
        ],
        gets: &[Close(1000), End],
    },
    Case {
        name: "a flood behind a close is thrown away",
        section: "RFC 6455 7.1.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x88\x82\0\0\0\0\x03\xe8"),
            Times(100_000, b"\x81\x81\0\0\0\0x"),
        ],
        gets: &[Later, Close(1000), End],
    },
    Case {
        name: "a flood behind a violation is thrown away",
        section: "RFC 6455 7.1.7",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x81\0"),
            Times(100_000, b"\x81\x81\0\0\0\0x"),
        ],
        gets: &[Later, Close(1002), End],
    },
    Case {
        name: "a violation is told once",
        section: "RFC 6455 7.1.7",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x83\x80\0\0\0\0"),
            Bytes(b"\x81\x00\x88\x81\0\0\0\0\x03\x81\x81\0\0\0\0\xff"),
        ],
        gets: &[Close(1002), End],
    },
    Case {
        name: "what came before a violation is answered",
        section: "RFC 6455 7.1.7",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x81\x84\0\0\0\0fine"),
            Bytes(b"\x89\x81\0\0\0\0p"),
            Bytes(b"\x83\x80\0\0\0\0"),
        ],
        gets: &[Frame(0x81, b"fine"), Frame(0x8a, b"p"), Close(1002), End],
    },
    Case {
        name: "who ends without a close is not told one",
        section: "RFC 6455 7.1.5",
        sends: &[Socket("/echo"), Bytes(b"\x81\x81\0\0\0\0x"), HalfClose],
        gets: &[Frame(0x81, b"x"), End],
    },
];

/// RFC 6455 8.1: text is UTF-8, wherever it is cut.
const TEXTS: &[Case] = &[
    Case {
        name: "a byte that never occurs is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\x84\0\0\0\0ok \xff")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a surrogate is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\x86\0\0\0\0ok \xed\xa0\x80")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "an overlong slash of two bytes is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\x85\0\0\0\0ok \xc0\xaf")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "an overlong slash of three bytes is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\x86\0\0\0\0ok \xe0\x80\xaf")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "an overlong NUL of four bytes is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x81\x87\0\0\0\0ok \xf0\x80\x80\x80"),
        ],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a character above U+10FFFF is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x81\x87\0\0\0\0ok \xf4\x90\x80\x80"),
        ],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a character of five bytes is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x81\x88\0\0\0\0ok \xf8\x88\x80\x80\x80"),
        ],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a continuation byte alone is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\x84\0\0\0\0ok \x80")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a character that is cut is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\x85\0\0\0\0ok \xe2\x82")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a character that another one cuts is not UTF-8",
        section: "RFC 6455 8.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\x86\0\0\0\0ok \xe2\x82A")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "bad text is seen before its frame is complete",
        section: "RFC 6455 8.1",
        sends: &[Socket("/echo"), Bytes(b"\x81\xfe\x03\xe8\0\0\0\0ok \xff")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "bad text is seen at the byte that makes it so",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x81\xfe\x03\xe8\0\0\0\0ok \xf4\x90"),
        ],
        gets: &[Close(1007), End],
    },
    Case {
        name: "bad text is seen in a read of its own",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x81\xfe\x03\xe8\0\0\0\0ok \xe0"),
            Pause,
            Bytes(b"\x80"),
        ],
        gets: &[Close(1007), End],
    },
    Case {
        name: "bad text is seen before its message is complete",
        section: "RFC 6455 8.1",
        sends: &[Socket("/echo"), Bytes(b"\x01\x84\0\0\0\0ok \xff")],
        gets: &[Close(1007), End],
    },
    Case {
        name: "bad text is seen in a later fragment",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x82\0\0\0\0ok"),
            Bytes(b"\x00\x81\0\0\0\0\xc0"),
        ],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a character may be cut by fragments and a ping",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0\xe2"),
            Bytes(b"\x00\x81\0\0\0\0\x82"),
            Bytes(b"\x89\x81\0\0\0\0p"),
            Bytes(b"\x80\x81\0\0\0\0\xac"),
        ],
        gets: &[Frame(0x8a, b"p"), Frame(0x81, b"\xe2\x82\xac"), Open],
    },
    Case {
        name: "a character that was cut has to go on",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0\xe2"),
            Bytes(b"\x80\x81\0\0\0\0x"),
        ],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a character that was cut has to end with its message",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0\xe2"),
            Bytes(b"\x00\x81\0\0\0\0\x82"),
            Bytes(b"\x80\x80\0\0\0\0"),
        ],
        gets: &[Close(1007), End],
    },
    Case {
        name: "a character that was cut is checked together with its rest",
        section: "RFC 6455 8.1",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0\xed"),
            Bytes(b"\x80\x82\0\0\0\0\xa0\x80"),
        ],
        gets: &[Close(1007), End],
    },
    Case {
        name: "binary may hold any bytes",
        section: "RFC 6455 5.6",
        sends: &[Socket("/echo"), Bytes(b"\x82\x84\0\0\0\0\xff\xfe\x80\0")],
        gets: &[Frame(0x82, b"\xff\xfe\x80\0"), Open],
    },
];
