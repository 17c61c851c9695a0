//! How long a body is: RFC 9112 6. Where two servers in a row could read the same bytes differently, there is no reading
//! at all.

use crate::case::Seen::{Answer, End, Open, Status};
use crate::case::Step::{Bytes, HalfClose};
use crate::case::{Case, play, usual};

#[test]
fn bodies() {
    play(&[LENGTHS, CODINGS], 1 << 20, usual);
}

/// RFC 9110 8.6 and RFC 9112 6.3: Content-Length, and how long a body is.
const LENGTHS: &[Case] = &[
    Case {
        name: "an empty Content-Length is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length with a plus is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: +5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length with a minus is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: -5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length in hexadecimal is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 0x5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length of two words is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length that is a list of equal ones is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5, 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length that is a list is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5,6\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length with a fraction is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5.0\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length with an exponent is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 1e1\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length with an underscore is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 1_0\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length with a parameter is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5;\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a quoted Content-Length is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: \"5\"\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length in the digits of another script is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: \xd9\xa5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length in words is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: five\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length that overflows 64 bits is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 18446744073709551616\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length that overflows 64 bits to 5 is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 18446744073709551621\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length of a hundred digits is refused",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 10000000000000000000000000000000000000000000000000\
            00000000000000000000000000000000000000000000000000\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Content-Length of 64 bits is a number, too large a one",
        section: "RFC 9110 15.5.14",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 18446744073709551615\r\n\r\nhello",
        )],
        gets: &[Status(413), End],
    },
    Case {
        name: "a Content-Length of 63 bits and one is a number, too large a one",
        section: "RFC 9110 15.5.14",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 9223372036854775808\r\n\r\nhello",
        )],
        gets: &[Status(413), End],
    },
    Case {
        name: "a Content-Length with zeros in front is the same number",
        section: "RFC 9110 8.6",
        sends: &[Bytes(
            b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\n\
            hello",
        )],
        gets: &[Answer(200, "5"), Open],
    },
    Case {
        name: "two equal lengths are refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "two different lengths are refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            content-length: 6\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a length behind a transfer coding is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked\r\nContent-Length: 15\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a length before a transfer coding is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a length of nothing beside a transfer coding is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\
            Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an invalid length beside a transfer coding is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a length beside a coding that nobody knows is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            Transfer-Encoding: identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a body is as long as it says, and what follows is a request",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nhel\0",
        )],
        gets: &[Status(200), Status(400), End],
    },
    Case {
        name: "the body of a GET is not the next request",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 69\r\n\r\n\
            POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Answer(200, "home"), Open],
    },
    Case {
        name: "the body that nobody wants is not the next request",
        section: "RFC 9112 9.6",
        sends: &[Bytes(
            b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 69\r\n\r\n\
            POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(404), End],
    },
    Case {
        name: "a body that is too large is not asked for",
        section: "RFC 9110 10.1.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n",
        )],
        gets: &[Status(413), End],
    },
    Case {
        name: "a body that is cut by the end is none",
        section: "RFC 9112 8",
        sends: &[
            Bytes(
                b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 50\r\n\r\nhello",
            ),
            HalfClose,
        ],
        gets: &[End],
    },
    Case {
        name: "a head that is cut by the end is none",
        section: "RFC 9112 8",
        sends: &[
            Bytes(b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"),
            HalfClose,
        ],
        gets: &[End],
    },
];

/// RFC 9112 6.1 and 6.3: Transfer-Encoding.
const CODINGS: &[Case] = &[
    Case {
        name: "an empty transfer coding is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: \r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a transfer coding without chunked is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "the coding identity is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked before another coding is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked twice is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked behind its own prefix is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked with more behind it is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunkedx\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "quoted chunked is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: \"chunked\"\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked with a weight is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked;q=1\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked with a parameter behind a space is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked ;a=b\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked twice without a comma is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked behind a vertical tab is refused",
        section: "RFC 9110 5.5",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: \x0bchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a list in a quoted string is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: \"gzip, chunked\"\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked behind a quoted string that does not end is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: \"gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked before identity is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a coding before chunked is not implemented",
        section: "RFC 9112 6.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(501), End],
    },
    Case {
        name: "a coding in a field before that of chunked is not implemented",
        section: "RFC 9112 6.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(501), End],
    },
    Case {
        name: "chunked in two fields is refused",
        section: "RFC 9112 6.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\
            \r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "another coding in a field behind that of chunked is refused",
        section: "RFC 9112 6.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "HTTP/1.0 has no transfer codings",
        section: "RFC 9112 6.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\
            \r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "chunked counts in any case and among empty members",
        section: "RFC 9110 5.6.1",
        sends: &[Bytes(
            b"POST /length HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding: ,, CHUNKED ,\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Answer(200, "5"), Open],
    },
];
