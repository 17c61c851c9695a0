//! Sizes and floods: every limit that bytes can reach, from both sides. The sections are of the RFCs where they speak of
//! it; the sizes are those of `barewire::Limits`.

use barewire::{Limits, channel};

use crate::case::Seen::{All, Answer, Close, End, Frame, Later, Long, Open, Pongs, Status};
use crate::case::Step::{Bytes, HalfClose, Pause, Socket, Times};
use crate::case::{Case, Step, play, usual};

/// The beginning of a publish in chunks.
const PUBLISH: Step =
    Bytes(b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
/// The beginning of a request in chunks that is answered with the length of its body.
const LENGTH: Step =
    Bytes(b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");

#[test]
fn sizes() {
    play(&[HEADS, BODIES], 4 << 20, usual);
}

#[test]
fn floods() {
    play(&[FLOODS], 2 << 20, usual);
}

#[test]
fn limits_of_a_programs_own() {
    play(&[MESSAGES], 1 << 20, |server| {
        usual(server);
        server.limits(Limits {
            message: 1000,
            frame: 600,
            fragments: 3,
            ..Limits::default()
        });
    });
    play(&[CHANNELS], 1 << 20, |server| {
        usual(server);
        server.limits(Limits {
            channels: channel::Limits {
                channels: 3,
                ..channel::Limits::default()
            },
            ..Limits::default()
        });
    });
}

/// RFC 9112 3, RFC 6585 5: targets and heads.
const HEADS: &[Case] = &[
    Case {
        name: "a target of 8 KiB is taken",
        section: "RFC 9112 3",
        sends: &[
            Bytes(b"GET /"),
            Times(8191, b"x"),
            Bytes(b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
        gets: &[Status(404), Open],
    },
    Case {
        name: "a target of one byte more is too long",
        section: "RFC 9110 15.5.15",
        sends: &[
            Bytes(b"GET /"),
            Times(8192, b"x"),
            Bytes(b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
        gets: &[Status(414), End],
    },
    Case {
        name: "a target of one byte more is too long in two reads",
        section: "RFC 9110 15.5.15",
        sends: &[
            Bytes(b"GET /"),
            Times(4000, b"x"),
            Pause,
            Times(4192, b"x"),
            Bytes(b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
        gets: &[Status(414), End],
    },
    Case {
        name: "a target that does not end is too long",
        section: "RFC 9110 15.5.15",
        sends: &[Bytes(b"GET /"), Times(100_000, b"x")],
        gets: &[Status(414), End],
    },
    Case {
        name: "a query that does not end is too long",
        section: "RFC 9110 15.5.15",
        sends: &[Bytes(b"GET /?"), Times(100_000, b"a=b&")],
        gets: &[Status(414), End],
    },
    Case {
        name: "a head of 16 KiB is taken",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\nX: "),
            Times(16352, b"x"),
            Bytes(b"\r\n\r\n"),
        ],
        gets: &[Answer(200, "home"), Open],
    },
    Case {
        name: "a head of one byte more is too large",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\nX: "),
            Times(16353, b"x"),
            Bytes(b"\r\n\r\n"),
        ],
        gets: &[Status(431), End],
    },
    Case {
        name: "a head of one byte more is too large in two reads",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\nX: "),
            Times(8000, b"x"),
            Pause,
            Times(8353, b"x"),
            Bytes(b"\r\n\r\n"),
        ],
        gets: &[Status(431), End],
    },
    Case {
        name: "a head of one byte more is too large when its last byte comes alone",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\nX: "),
            Times(16353, b"x"),
            Bytes(b"\r\n\r"),
            Pause,
            Bytes(b"\n"),
        ],
        gets: &[Status(431), End],
    },
    Case {
        name: "a field that does not end is too large",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\nX: "),
            Times(1_000_000, b"x"),
        ],
        gets: &[Later, Status(431), End],
    },
    Case {
        name: "a name that does not end is too large",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\n"),
            Times(100_000, b"x"),
        ],
        gets: &[Status(431), End],
    },
    Case {
        name: "fields that do not end are too large",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\n"),
            Times(100_000, b"X: y\r\n"),
        ],
        gets: &[Later, Status(431), End],
    },
    Case {
        name: "a hundred fields are taken",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\n"),
            Times(99, b"X: y\r\n"),
            Bytes(b"\r\n"),
        ],
        gets: &[Answer(200, "home"), Open],
    },
    Case {
        name: "one field more is too many, and none is dropped instead",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\n"),
            Times(100, b"X: y\r\n"),
            Bytes(b"\r\n"),
        ],
        gets: &[Status(431), End],
    },
    Case {
        name: "two thousand fields are too many",
        section: "RFC 6585 5",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\n"),
            Times(2000, b"X:\r\n"),
            Bytes(b"\r\n"),
        ],
        gets: &[Status(431), End],
    },
    Case {
        name: "a list of very many members is read",
        section: "RFC 9110 5.6.1",
        sends: &[
            Bytes(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: "),
            Times(5000, b"a, "),
            Bytes(b"close\r\n\r\n"),
        ],
        gets: &[Answer(200, "home"), End],
    },
];

/// RFC 9110 15.5.14, RFC 9112 7.1: bodies, and what is in chunks besides them.
const BODIES: &[Case] = &[
    Case {
        name: "a body of 1 MiB is taken",
        section: "barewire::Limits",
        sends: &[
            Bytes(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"),
            Times(65536, b"0123456789abcdef"),
        ],
        gets: &[Answer(200, "1048576"), Open],
    },
    Case {
        name: "a body of one byte more is too large, and is not waited for",
        section: "RFC 9110 15.5.14",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 1048577\r\n\r\n",
        )],
        gets: &[Status(413), End],
    },
    Case {
        name: "who sends all of a large body sees the refusal and not a reset",
        section: "RFC 9112 9.6",
        sends: &[
            Bytes(
                b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 8388608\r\n\r\n",
            ),
            Times(524_288, b"0123456789abcdef"),
        ],
        gets: &[Later, Status(413), End],
    },
    Case {
        name: "who sends a large body that nobody wants sees why",
        section: "RFC 9112 9.6",
        sends: &[
            Bytes(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n"),
            Times(524_288, b"0123456789abcdef"),
        ],
        gets: &[Later, Status(404), End],
    },
    Case {
        name: "chunks of 1 MiB together are taken",
        section: "barewire::Limits",
        sends: &[
            LENGTH,
            Times(65536, b"10\r\n0123456789abcdef\r\n"),
            Bytes(b"0\r\n\r\n"),
        ],
        gets: &[Answer(200, "1048576"), Open],
    },
    Case {
        name: "chunks of one byte more are too large",
        section: "RFC 9110 15.5.14",
        sends: &[
            PUBLISH,
            Times(65536, b"10\r\n0123456789abcdef\r\n"),
            Bytes(b"1\r\nx\r\n0\r\n\r\n"),
        ],
        gets: &[Status(413), End],
    },
    Case {
        name: "chunks that do not end are too large",
        section: "RFC 9110 15.5.14",
        sends: &[PUBLISH, Times(200_000, b"10\r\n0123456789abcdef\r\n")],
        gets: &[Later, Status(413), End],
    },
    Case {
        name: "a body of chunks of one byte is a body",
        section: "barewire::Limits",
        sends: &[LENGTH, Times(100_000, b"1\r\nx\r\n"), Bytes(b"0\r\n\r\n")],
        gets: &[Answer(200, "100000"), Open],
    },
    Case {
        name: "an extension of 16 KiB is taken",
        section: "RFC 9112 7.1.1",
        sends: &[
            LENGTH,
            Bytes(b"1;"),
            Times(16383, b"e"),
            Bytes(b"\r\nx\r\n0\r\n\r\n"),
        ],
        gets: &[Answer(200, "1"), Open],
    },
    Case {
        name: "an extension of one byte more is too large",
        section: "RFC 9112 7.1.1",
        sends: &[
            PUBLISH,
            Bytes(b"1;"),
            Times(16384, b"e"),
            Bytes(b"\r\nx\r\n0\r\n\r\n"),
        ],
        gets: &[Status(413), End],
    },
    Case {
        name: "an extension that does not end is too large",
        section: "RFC 9112 7.1.1",
        sends: &[PUBLISH, Bytes(b"1;"), Times(1_000_000, b"e")],
        gets: &[Later, Status(413), End],
    },
    Case {
        name: "many small extensions are too large together",
        section: "RFC 9112 7.1.1",
        sends: &[PUBLISH, Times(8193, b"1;e\r\nx\r\n"), Bytes(b"0\r\n\r\n")],
        gets: &[Status(413), End],
    },
    Case {
        name: "spaces behind chunk sizes count too",
        section: "RFC 9112 7.1.1",
        sends: &[PUBLISH, Times(8193, b"1 ;\r\nx\r\n"), Bytes(b"0\r\n\r\n")],
        gets: &[Status(413), End],
    },
    Case {
        name: "trailers are too large with what came before them",
        section: "RFC 9112 7.1.2",
        sends: &[
            PUBLISH,
            Bytes(b"1;"),
            Times(8192, b"e"),
            Bytes(b"\r\nx\r\n0\r\nX: "),
            Times(8192, b"t"),
            Bytes(b"\r\n\r\n"),
        ],
        gets: &[Status(413), End],
    },
    Case {
        name: "trailers that do not end are too large",
        section: "RFC 9112 7.1.2",
        sends: &[PUBLISH, Bytes(b"0\r\n"), Times(100_000, b"X: y\r\n")],
        gets: &[Later, Status(413), End],
    },
    Case {
        name: "a trailer that does not end is too large",
        section: "RFC 9112 7.1.2",
        sends: &[PUBLISH, Bytes(b"0\r\nX: "), Times(100_000, b"t")],
        gets: &[Status(413), End],
    },
];

/// RFC 9112 9.3.2, RFC 6455 5.4, 5.5 and 10.4: many of what is small.
const FLOODS: &[Case] = &[
    Case {
        name: "requests that are sent ahead are answered one by one",
        section: "RFC 9112 9.3.2",
        sends: &[Times(5000, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[All(5000, &Answer(200, "home")), Open],
    },
    Case {
        name: "requests that are sent ahead of a bad one are answered",
        section: "RFC 9112 9.3.2",
        sends: &[
            Times(1000, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            Bytes(b"GET\r\n\r\n"),
        ],
        gets: &[All(1000, &Answer(200, "home")), Status(400), End],
    },
    Case {
        name: "who asks ahead and says no more gets every answer",
        section: "RFC 9112 9.6",
        sends: &[Times(1000, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), HalfClose],
        gets: &[All(1000, &Answer(200, "home")), End],
    },
    Case {
        name: "errors that keep the connection are answered one by one",
        section: "RFC 9112 9.3.2",
        sends: &[Times(1000, b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[All(1000, &Status(501)), Open],
    },
    Case {
        name: "a flood of pings is answered as far as it is read",
        section: "RFC 6455 5.5.3",
        sends: &[
            Socket("/echo"),
            Times(30000, b"\x89\x80\0\0\0\0"),
            Bytes(b"\x81\x83\0\0\0\0end"),
        ],
        gets: &[Pongs, Frame(0x81, b"end"), Open],
    },
    Case {
        name: "a flood of pongs is ignored",
        section: "RFC 6455 5.5.3",
        sends: &[
            Socket("/echo"),
            Times(30000, b"\x8a\x90\0\0\0\0abcdefghijklmnop"),
        ],
        gets: &[Open],
    },
    Case {
        name: "a flood of empty messages is answered",
        section: "RFC 6455 5.6",
        sends: &[Socket("/echo"), Times(20000, b"\x81\x80\0\0\0\0")],
        gets: &[All(20000, &Frame(0x81, b"")), Open],
    },
    Case {
        name: "a flood of small messages is answered",
        section: "RFC 6455 5.6",
        sends: &[Socket("/echo"), Times(20000, b"\x82\x81\0\0\0\0x")],
        gets: &[All(20000, &Frame(0x82, b"x")), Open],
    },
    Case {
        name: "131,072 empty fragments make a message",
        section: "RFC 6455 5.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x02\x80\0\0\0\0"),
            Times(131_070, b"\0\x80\0\0\0\0"),
            Bytes(b"\x80\x80\0\0\0\0"),
        ],
        gets: &[Frame(0x82, b""), Open],
    },
    Case {
        name: "the empty fragment 131,073 is one too many",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x02\x80\0\0\0\0"),
            Times(131_072, b"\0\x80\0\0\0\0"),
        ],
        gets: &[Close(1008), End],
    },
    Case {
        name: "131,072 fragments of one byte make a message",
        section: "RFC 6455 5.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0a"),
            Times(131_070, b"\0\x81\0\0\0\0b"),
            Bytes(b"\x80\x81\0\0\0\0c"),
        ],
        gets: &[Long(0x81, 131_072), Open],
    },
    Case {
        name: "the fragment 131,073 of one byte is one too many",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0a"),
            Times(150_000, b"\0\x81\0\0\0\0b"),
        ],
        gets: &[Later, Close(1008), End],
    },
    Case {
        name: "fragments do not hide among pings",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x02\x80\0\0\0\0"),
            Times(131_072, b"\x89\x80\0\0\0\0\0\x80\0\0\0\0"),
        ],
        gets: &[Pongs, Close(1008), End],
    },
];

/// RFC 6455 10.4: messages of at most 1,000 bytes in at most three frames of 600.
const MESSAGES: &[Case] = &[
    Case {
        name: "a message too big is refused before it has come",
        section: "RFC 6455 10.4",
        sends: &[Socket("/echo"), Bytes(b"\x81\xfe\x02Y\0\0\0\0")],
        gets: &[Close(1009), End],
    },
    Case {
        name: "fragments too big together are refused before they have come",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\xfe\x02X\0\0\0\0"),
            Times(600, b"x"),
            Bytes(b"\x80\xfe\x01\x91\0\0\0\0"),
        ],
        gets: &[Close(1009), End],
    },
    Case {
        name: "a message of just the size is taken",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\xfe\x02X\0\0\0\0"),
            Times(600, b"x"),
            Bytes(b"\x80\xfe\x01\x90\0\0\0\0"),
            Times(400, b"x"),
        ],
        gets: &[Long(0x81, 1000), Open],
    },
    Case {
        name: "a message in more pieces than allowed is refused",
        section: "RFC 6455 10.4",
        sends: &[
            Socket("/echo"),
            Bytes(b"\x01\x81\0\0\0\0a\0\x81\0\0\0\0b\0\x81\0\0\0\0b\x80\x81\0\0\0\0c"),
        ],
        gets: &[Close(1008), End],
    },
    Case {
        name: "a frame too big for a message that would fit is refused",
        section: "RFC 6455 10.4",
        sends: &[Socket("/echo"), Bytes(b"\x01\xfe\x02Y\0\0\0\0")],
        gets: &[Close(1009), End],
    },
];

/// barewire::Limits: three channels, one of which everybody else uses.
const CHANNELS: &[Case] = &[
    Case {
        name: "a channel too many is not begun by a publish",
        section: "barewire::Limits",
        sends: &[Bytes(
            b"POST /channels/one HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\
            xPOST /channels/two HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\
            xPOST /channels/three HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        )],
        gets: &[Status(201), Status(201), Status(503), Open],
    },
    Case {
        name: "a channel too many is not begun by a reader",
        section: "barewire::Limits",
        sends: &[Bytes(
            b"GET /channels/three HTTP/1.1\r\nHost: a\r\n\
            Accept: text/event-stream\r\n\r\n",
        )],
        gets: &[Status(503), Open],
    },
    Case {
        name: "a channel too many is not waited for",
        section: "barewire::Limits",
        sends: &[Bytes(
            b"GET /channels/three?wait=60 HTTP/1.1\r\nHost: a\r\n\r\n",
        )],
        gets: &[Status(503), Open],
    },
    Case {
        name: "looking for a channel does not begin it",
        section: "barewire::Limits",
        sends: &[Bytes(b"GET /channels/three HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Answer(200, "{\"events\":[]"), Open],
    },
];
