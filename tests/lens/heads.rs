//! Heads and what follows from them: RFC 9112 2 to 5 and 9, RFC 6455 4.

use barewire::lens::{Answer, Kind, Side};

use super::{converse, kinds, read, rules};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPT: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

// RFC 9112 3 and 5

#[test]
fn a_request_is_its_words_and_its_fields() {
    let seen = read(
        Side::Client,
        b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nX:  y \r\n\r\n",
    );
    let Kind::Request(head) = &seen[0].kind else {
        panic!("{seen:?}")
    };
    assert_eq!(head.start, ["POST", "/a?b=c", "HTTP/1.1"]);
    assert_eq!(
        head.fields,
        [("Host".into(), "a".into()), ("X".into(), "y".into())]
    );
    let span = seen[0].explain();
    let names: Vec<_> = span.leaves().iter().map(|leaf| leaf.name).collect();
    assert_eq!(
        names,
        [
            "method",
            "space",
            "target",
            "space",
            "version",
            "line end", // POST
            "name",
            "colon",
            "space",
            "value",
            "line end", // Host
            "name",
            "colon",
            "space",
            "value",
            "space",
            "line end", // X
            "empty line"
        ]
    );
}

#[test]
fn what_is_wrong_with_a_head_is_said_with_its_section_and_status() {
    for (bytes, rule, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "RFC 9112 3.2", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", "RFC 9112 2.2", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "RFC 9110 15.6.6", 505),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "RFC 9112 5.1", 400),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "RFC 9112 6.3",
            400,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "RFC 9112 6.1",
            501,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n",
            "RFC 9110 10.1.1",
            417,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
            "RFC 6455 4.2.1",
            405,
        ),
        (b"GET / HTTP/1.1\r\nHost: a", "RFC 9112 2.2", 400),
    ] {
        let seen = read(Side::Client, bytes);
        let problem = seen[0].problem.as_ref().expect("a problem");
        assert_eq!(
            (problem.rule, problem.answer),
            (rule, Answer::Status(status))
        );
        assert_eq!(kinds(&seen[..1]), ["request"]);
        assert_eq!(rules(&seen).len(), 1);
    }
}

#[test]
fn behind_a_head_that_is_refused_nothing_is_known() {
    let seen = read(
        Side::Client,
        b"GET / HTTP/1.1\nHost: a\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(kinds(&seen)[..3], ["request", "unknown", "unknown"]);
    assert!(kinds(&seen)[1..].iter().all(|kind| *kind == "unknown"));
}

#[test]
fn what_is_no_http_at_all_is_shown_as_it_comes() {
    let seen = read(Side::Client, b"hello\nyou");
    assert_eq!(kinds(&seen), ["unknown", "unknown"]);
    let seen = read(Side::Server, b"Hello from server!");
    assert_eq!((kinds(&seen), seen[0].bytes.len()), (vec!["unknown"], 18));
}

// Secrets

#[test]
fn secrets_are_masked_wherever_they_are_looked_at() {
    let seen = read(
        Side::Client,
        b"GET /a?access_token=abc HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer abc\r\nCookie: id=abc\r\n\r\n",
    );
    assert!(!format!("{seen:?} {:?}", seen[0].explain()).contains("abc"));
    assert!(!String::from_utf8_lossy(&seen[0].bytes).contains("abc"));
    let seen = read(
        Side::Client,
        b"\0\r\nAuthorization: Bearer abc\r\nCookie: id=abc\r\n",
    );
    assert!(
        seen.iter()
            .all(|thing| !String::from_utf8_lossy(&thing.bytes).contains("abc"))
    );
}

// Both directions

#[test]
fn an_answer_to_head_has_no_body() {
    let seen = converse(&[
        (Side::Client, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (Side::Client, GET),
        (
            Side::Server,
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        ),
    ]);
    assert_eq!(kinds(&seen), ["request", "request", "response", "response"]);
    assert_eq!(rules(&seen), [""; 0]);
}

#[test]
fn an_interim_answer_is_followed_by_the_answer() {
    let seen = converse(&[
        (Side::Client, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            Side::Server,
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        ),
    ]);
    assert_eq!(
        (kinds(&seen), rules(&seen)),
        (vec!["request", "response", "response"], vec![])
    );
}

// RFC 6455 4

#[test]
fn frames_come_behind_an_answer_of_101() {
    let seen = converse(&[
        (Side::Client, UPGRADE),
        (Side::Client, b"\x81\x80\0\0\0\0"), // before the answer, which is bold
        (Side::Server, ACCEPT),
        (Side::Server, b"\x81\x00"),
    ]);
    assert_eq!(kinds(&seen), ["request", "response", "frame", "frame"]);
    assert_eq!(rules(&seen), [""; 0]);
}

#[test]
fn requests_go_on_where_an_upgrade_is_refused() {
    let seen = converse(&[
        (Side::Client, UPGRADE),
        (Side::Client, GET),
        (
            Side::Server,
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        ),
    ]);
    assert_eq!(kinds(&seen), ["request", "response", "request", "response"]);
    assert_eq!(rules(&seen), [""; 0]);
}

#[test]
fn an_answer_that_does_not_fit_the_key_is_refused() {
    let answer = String::from_utf8_lossy(ACCEPT).replace("s3pP", "s3pQ");
    let seen = converse(&[(Side::Client, UPGRADE), (Side::Server, answer.as_bytes())]);
    assert_eq!(rules(&seen), ["RFC 6455 4.1"]);
}

#[test]
fn a_tunnel_and_other_protocols_are_not_read() {
    let seen = converse(&[
        (
            Side::Client,
            b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nabc\n",
        ),
        (Side::Server, b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01"),
    ]);
    assert_eq!(kinds(&seen), ["request", "response", "unknown", "unknown"]);
    assert_eq!(rules(&seen), [""; 0]);
}
