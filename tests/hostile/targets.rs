//! What a request is for: RFC 9112 3.2.

use crate::case::Seen::{Answer, End, Open, Status};
use crate::case::Step::Bytes;
use crate::case::{Case, play, usual};

#[test]
fn targets() {
    play(&[TARGETS, HOSTS], 1 << 20, usual);
}

/// RFC 9112 3.2.1 to 3.2.4: the four forms of a target.
const TARGETS: &[Case] = &[
    Case {
        name: "a target with a fragment is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled#x HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a target without a slash is refused",
        section: "RFC 9112 3.2.1",
        sends: &[Bytes(
            b"POST channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a target that is not ASCII is refused",
        section: "RFC 3986 2",
        sends: &[Bytes(
            b"POST /channels/sm\xc3\xbcggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a target with a DEL is refused",
        section: "RFC 3986 2",
        sends: &[Bytes(
            b"POST /channels/smuggled\x7f HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "the asterisk is for OPTIONS only",
        section: "RFC 9112 3.2.4",
        sends: &[Bytes(
            b"POST * HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "OPTIONS of the asterisk is about the server",
        section: "RFC 9110 9.3.7",
        sends: &[Bytes(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Answer(204, "Allow: GET, HEAD, POST"), Open],
    },
    Case {
        name: "an asterisk with more behind it is refused",
        section: "RFC 9112 3.2.4",
        sends: &[Bytes(
            b"OPTIONS */channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "the authority form is for CONNECT only",
        section: "RFC 9112 3.2.3",
        sends: &[Bytes(
            b"POST a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an absolute target of another scheme is refused",
        section: "RFC 9112 3.2.2",
        sends: &[Bytes(
            b"POST ftp://a/channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an absolute target with user information is refused",
        section: "RFC 9110 4.2.4",
        sends: &[Bytes(
            b"POST http://user@a/channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an absolute target without a host is refused",
        section: "RFC 9110 4.2.1",
        sends: &[Bytes(
            b"POST http:///channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an absolute target with a port that is none is refused",
        section: "RFC 3986 3.2.3",
        sends: &[Bytes(
            b"POST http://a:99999/channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an absolute target is read as any other",
        section: "RFC 9112 3.2.2",
        sends: &[Bytes(b"GET http://b.example/ HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Answer(200, "home"), Open],
    },
    Case {
        name: "a target of https is misdirected to a port in plaintext",
        section: "RFC 9110 7.4",
        sends: &[Bytes(b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n")],
        gets: &[Status(421), Open],
    },
    Case {
        name: "a publish to https is misdirected to a port in plaintext",
        section: "RFC 9110 7.4",
        sends: &[Bytes(
            b"POST https://a/channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(421), End],
    },
    Case {
        name: "an absolute target does not make up for a missing Host",
        section: "RFC 9112 3.2",
        sends: &[Bytes(b"GET http://a/ HTTP/1.1\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "an absolute target does not make up for an invalid Host",
        section: "RFC 9112 3.2",
        sends: &[Bytes(b"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "CONNECT asks for a proxy, and what follows is not read as requests",
        section: "RFC 9110 9.3.6",
        sends: &[Bytes(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")],
        gets: &[Status(501), End],
    },
    Case {
        name: "CONNECT without a port is refused",
        section: "RFC 9112 3.2.3",
        sends: &[Bytes(
            b"CONNECT a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "CONNECT of a path is refused",
        section: "RFC 9112 3.2.3",
        sends: &[Bytes(
            b"CONNECT /channels/smuggled HTTP/1.1\r\nHost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
];

/// RFC 9112 3.2: exactly one valid Host. The parser below does not look at it.
const HOSTS: &[Case] = &[
    Case {
        name: "a request without Host is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a request with two hosts is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nHost: b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a request with the same host twice is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nhost: a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "an empty Host is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: \r\nContent-Length: 5\r\n\
            \r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host with a space is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host with user information is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: user@a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host with a path is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a/b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host with a query is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a?b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host with a fragment is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a#b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host with a backslash is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a\\b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host that is a list is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a, b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host whose port is no number is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a:b\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host whose port is too large is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a:65536\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host whose port has a sign is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a:+80\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host with two ports is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: a:80:80\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host of an IPv6 address without brackets is refused",
        section: "RFC 3986 3.2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: ::1\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host whose bracket does not close is refused",
        section: "RFC 3986 3.2.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: [::1\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host that is not ASCII is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: \xc3\xa4\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host in angle brackets is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: <a>\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "a Host that is a whole URI is refused",
        section: "RFC 9112 3.2",
        sends: &[Bytes(
            b"POST /channels/smuggled HTTP/1.1\r\nHost: http://a\r\n\
            Content-Length: 5\r\n\r\nhello",
        )],
        gets: &[Status(400), End],
    },
    Case {
        name: "HTTP/1.0 may do without Host",
        section: "RFC 9112 3.2",
        sends: &[Bytes(b"GET / HTTP/1.0\r\n\r\n")],
        gets: &[Answer(200, "home"), End],
    },
    Case {
        name: "HTTP/1.0 may not have two",
        section: "RFC 9112 3.2",
        sends: &[Bytes(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")],
        gets: &[Status(400), End],
    },
    Case {
        name: "HTTP/1.0 may not have an invalid Host",
        section: "RFC 9112 3.2",
        sends: &[Bytes(b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n")],
        gets: &[Status(400), End],
    },
];
