//! Request heads: RFC 9112 2.2, 3 and 5, and what RFC 9110 says of methods, versions and expectations.

use crate::case::Seen::{Answer, End, Open, Status};
use crate::case::Step::{Bytes, Times};
use crate::case::{Case, play, usual};

#[test]
fn heads() {
    play(&[LINES, REQUEST_LINES, FIELDS], 1 << 20, usual);
}

/// RFC 9112 2.2: lines, and what stands before the first.
const LINES: &[Case] = &[
    Case {
        name: "lines that end with LF alone are refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\nHost: a\nContent-Length: 5\n\n\
            hello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a request line that ends with LF alone is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "one field that ends with LF alone is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a head that ends with LF alone is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            \nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a bare CR in the request line is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\rHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a bare CR in a value is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            X: a\rContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a bare CR in front of the line end is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a bare CR in a name is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX\rY: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a NUL in the target is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled\0 HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a NUL in a name is refused",
        section: "RFC 9110 5.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a NUL in a value is refused",
        section: "RFC 9110 5.5",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "white space between the request line and the fields is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\n Host: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a tab between the request line and the fields is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a few empty lines before a request are ignored",
        section: "RFC 9112 2.2",
        sends: &[Bytes(b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Answer(200, "home"), Open],
    },
    Case {
        name: "many empty lines before a request are refused",
        section: "RFC 9112 2.2",
        sends: &[
            Times(5, b"\r\n"),
            Bytes(
                b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
            ),
        ],
        gets: &[Status(400), End],
    },
    Case {
        name: "an endless row of empty lines is refused",
        section: "RFC 9112 2.2",
        sends: &[Times(100_000, b"\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "an empty line of LF alone before a request is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"\nPOST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an empty line of CR alone before a request is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"\rPOST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an empty line between two requests is ignored",
        section: "RFC 9112 2.2",
        sends: &[Bytes(
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\
            \r\n",
        )],
        gets: &[Answer(200, "home"), Answer(200, "home"), Open],
    },
    Case {
        name: "the beginning of a TLS connection is refused",
        section: "RFC 9112 2.2",
        sends: &[Bytes(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03")],
        gets: &[Status(400), End],
    },
    Case {
        name: "the greeting of another protocol is refused",
        section: "RFC 9112 3",
        sends: &[Bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")],
        gets: &[Status(400), End],
    },
];

/// RFC 9112 3: the request line, its method and its version.
const REQUEST_LINES: &[Case] = &[
    Case {
        name: "two spaces behind the method are refused",
        section: "RFC 9112 3",
        sends: &[Bytes(
            b"POST  /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "two spaces before the version are refused",
        section: "RFC 9112 3",
        sends: &[Bytes(
            b"POST /channels/smuggled  HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a space before the method is refused",
        section: "RFC 9112 3",
        sends: &[Bytes(
            b" POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a space behind the version is refused",
        section: "RFC 9112 3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1 \r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a tab instead of a space is refused",
        section: "RFC 9112 3",
        sends: &[Bytes(
            b"POST\t/channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a request without a version is refused",
        section: "RFC 9112 3",
        sends: &[Bytes(
            b"POST /channels/smuggled\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a request of one word is refused",
        section: "RFC 9112 3",
        sends: &[Bytes(b"POST\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")],
        gets: &[Status(400), End],
    },
    Case {
        name: "a request of four words is refused",
        section: "RFC 9112 3",
        sends: &[Bytes(
            b"POST /channels/smuggled /x HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a method that is no token is refused",
        section: "RFC 9110 9.1",
        sends: &[Bytes(
            b"PO(ST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a version in lower case is refused",
        section: "RFC 9112 2.3",
        sends: &[Bytes(
            b"POST /channels/smuggled http/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a version of one number is refused",
        section: "RFC 9112 2.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a version without its last digit is refused",
        section: "RFC 9112 2.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a version of two digits behind the dot is refused",
        section: "RFC 9112 2.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.10\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a version that is no number is refused",
        section: "RFC 9112 2.3",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/x.1\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "HTTP/2.0 is another protocol",
        section: "RFC 9110 15.6.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/2.0\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(505), End],
    },
    Case {
        name: "HTTP/3.0 is another protocol",
        section: "RFC 9110 15.6.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/3.0\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(505), End],
    },
    Case {
        name: "HTTP/0.9 is another protocol",
        section: "RFC 9110 15.6.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/0.9\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(505), End],
    },
    Case {
        name: "HTTP/1.2 does not exist",
        section: "RFC 9110 15.6.6",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.2\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(505), End],
    },
    Case {
        name: "the preface of HTTP/2 is told the version",
        section: "RFC 9113 3.4",
        sends: &[Bytes(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        )],
        gets: &[Status(505), End],
    },
    Case {
        name: "an unknown method is not implemented",
        section: "RFC 9110 9.1",
        sends: &[Bytes(b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Status(501), Open],
    },
    Case {
        name: "an unknown method with a body ends the connection",
        section: "RFC 9112 9.6",
        sends: &[Bytes(
            b"BREW /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(501), End],
    },
    Case {
        name: "a method in lower case is another method",
        section: "RFC 9110 9.1",
        sends: &[Bytes(b"get / HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Status(501), Open],
    },
    Case {
        name: "a method that the resource does not have is told those it has",
        section: "RFC 9110 15.5.6",
        sends: &[Bytes(b"DELETE /channels/x HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Answer(405, "Allow: GET, HEAD, POST, OPTIONS"), Open],
    },
    Case {
        name: "a body is not read for a method that the resource does not have",
        section: "RFC 9112 9.6",
        sends: &[Bytes(
            b"PUT /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Answer(405, "Allow: "), End],
    },
    Case {
        name: "TRACE does not echo what was sent",
        section: "RFC 9110 9.3.8",
        sends: &[Bytes(
            b"TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n",
        )],
        gets: &[Answer(405, "Allow: "), Open],
    },
];

/// RFC 9112 5, RFC 9110 5 and 10.1: fields.
const FIELDS: &[Case] = &[
    Case {
        name: "a space before a colon is refused",
        section: "RFC 9112 5.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length : 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a tab before a colon is refused",
        section: "RFC 9112 5.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding\t: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a field folded with a space is refused",
        section: "RFC 9112 5.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a field folded with a tab is refused",
        section: "RFC 9112 5.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a folded Transfer-Encoding is refused",
        section: "RFC 9112 5.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Transfer-Encoding:\r\n chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a line without a colon is refused",
        section: "RFC 9112 5",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nNoColon\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a line without a name is refused",
        section: "RFC 9110 5.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n: x\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a name with a space inside is refused",
        section: "RFC 9110 5.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nA B: x\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a name with a delimiter is refused",
        section: "RFC 9110 5.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n(X): y\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a quoted name is refused",
        section: "RFC 9110 5.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\"X\": y\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a name that is not ASCII is refused",
        section: "RFC 9110 5.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\xc3\xa4: y\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a control character in a name is refused",
        section: "RFC 9110 5.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX\x01: y\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a control character in a value is refused",
        section: "RFC 9110 5.5",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a vertical tab in a value is refused",
        section: "RFC 9110 5.5",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: a\x0bb\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a DEL in a value is refused",
        section: "RFC 9110 5.5",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an escape in a value is refused",
        section: "RFC 9110 5.5",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: a\x1b[2J\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "bytes above ASCII in a value are opaque",
        section: "RFC 9110 5.5",
        sends: &[Bytes(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\n\r\n")],
        gets: &[Answer(200, "home"), Open],
    },
    Case {
        name: "an expectation that nobody knows fails",
        section: "RFC 9110 10.1.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(417), End],
    },
    Case {
        name: "a known expectation does not hide an unknown one",
        section: "RFC 9110 10.1.1",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Expect: 100-continue, more\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(417), End],
    },
    Case {
        name: "no body is asked for that nobody wants",
        section: "RFC 9110 10.1.1",
        sends: &[Bytes(
            b"POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
            Content-Length: 5\r\n\r\n",
        )],
        gets: &[Status(404), End],
    },
    Case {
        name: "close is believed behind anything else",
        section: "RFC 9112 9.6",
        sends: &[Bytes(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x,\tCLOSE\r\n\
            \r\nPOST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Answer(200, "home"), End],
    },
    Case {
        name: "a method that does not end is longer than any",
        section: "RFC 9112 3",
        sends: &[Times(100_000, b"X")],
        gets: &[Status(501), End],
    },
    Case {
        name: "a unit separator in a value is refused",
        section: "RFC 9110 5.5",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nX: a\x1fb\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
];
