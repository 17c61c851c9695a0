//! Chunks, their extensions and the trailers: RFC 9112 7.1.

use crate::case::Seen::{Answer, End, Open, Status};
use crate::case::Step::{Bytes, HalfClose};
use crate::case::{Case, Step, play, usual};

#[test]
fn chunks() {
    play(&[SIZES, LINES], 1 << 20, usual);
}

/// A publish whose chunks are the case.
const CHUNKED: Step =
    Bytes(b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");

/// RFC 9112 7.1: sizes.
const SIZES: &[Case] = &[
    Case {
        name: "a chunk size with 0x is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"0x5\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size with a plus is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"+5\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size with a minus is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"-5\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size with an underscore behind it is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5_\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size with an underscore inside is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"0_5\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size with an underscore in front is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"_5\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size that is not hexadecimal is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5h\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "an empty chunk size is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size behind a space is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b" 5\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size behind a tab is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"\t5\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size in words is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"five\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size with a comma is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5,5\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size of 65 bits is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"10000000000000005\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size of 68 bits is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size of seventeen digits is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"00000000000000005\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size with a space and nothing behind it is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5 \r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a chunk size of 64 bits is too large",
        section: "RFC 9110 15.5.14",
        sends: &[CHUNKED, Bytes(b"ffffffffffffffff\r\nhello")],
        gets: &[Status(413), End],
    },
    Case {
        name: "a second chunk that makes the sum overflow is too large",
        section: "RFC 9110 15.5.14",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\nfffffffffffffffb\r\n")],
        gets: &[Status(413), End],
    },
];

/// RFC 9112 7.1, 7.1.1 and 7.1.2: lines, extensions and trailers.
const LINES: &[Case] = &[
    Case {
        name: "LF alone behind a chunk size is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "CR alone behind a chunk size is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5\rhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "LF alone behind an extension is refused",
        section: "RFC 9112 7.1.1",
        sends: &[CHUNKED, Bytes(b"5;a=b\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "LF alone inside an extension is refused",
        section: "RFC 9112 7.1.1",
        sends: &[CHUNKED, Bytes(b"5;a\n=b\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "CR alone inside an extension is refused",
        section: "RFC 9112 7.1.1",
        sends: &[CHUNKED, Bytes(b"5;a\r=b\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "NUL inside an extension is refused",
        section: "RFC 9112 7.1.1",
        sends: &[CHUNKED, Bytes(b"5;\0\r\nhello\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "LF alone behind the data is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "other bytes than CRLF behind the data are refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5\r\nhelloXX0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "data longer than its size is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5\r\nhello world\r\n0\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "LF alone behind the last chunk is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "LF alone at the end of the body is refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\n\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "CR and another byte at the end of the body are refused",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\n\rX")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a trailer whose name has a space is refused",
        section: "RFC 9110 5.1",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\nBad Name: x\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a trailer without a colon is refused",
        section: "RFC 9112 7.1.2",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\nNoColon\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a trailer without a name is refused",
        section: "RFC 9112 7.1.2",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\n: x\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a trailer with a space before its colon is refused",
        section: "RFC 9112 5.1",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\nX : y\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a folded trailer is refused",
        section: "RFC 9112 5.2",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a trailer that begins with a space is refused",
        section: "RFC 9112 5.2",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\n X: y\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a NUL in a trailer is refused",
        section: "RFC 9110 5.5",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "LF alone behind a trailer is refused",
        section: "RFC 9112 2.2",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a trailer does not change how the message is framed",
        section: "RFC 9110 6.5.1",
        sends: &[
            Bytes(
                b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
            \r\n",
            ),
            Bytes(
                b"5;ext=\"a;b\"\r\nhello\r\n00\r\nContent-Length: 100\r\nHost: b\r\n\
            \r\n",
            ),
        ],
        gets: &[Answer(200, "5"), Open],
    },
    Case {
        name: "chunks that are cut by the end are no body",
        section: "RFC 9112 8",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n"), HalfClose],
        gets: &[End],
    },
    Case {
        name: "a last chunk without its empty line is no end",
        section: "RFC 9112 7.1",
        sends: &[CHUNKED, Bytes(b"5\r\nhello\r\n0\r\n"), HalfClose],
        gets: &[End],
    },
];
