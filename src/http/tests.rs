//! Heads as a whole, by section of the RFCs, and what has been used to attack them.

use super::*;

fn request(head: &[u8]) -> Result<RequestHead<'_>, Error> {
    RequestHead::parse(head, &HeadLimits::default())
}

fn response(head: &[u8]) -> Result<ResponseHead<'_>, Error> {
    ResponseHead::parse(head, &HeadLimits::default())
}

/// What a server makes of bytes that arrive at once: find, parse, and how long the body is.
fn serve(bytes: &[u8]) -> Result<BodyLength, Error> {
    let limits = HeadLimits::default();
    let length = HeadFinder::default().find(bytes, &limits)?;
    let head = bytes.get(..length.ok_or(Error::Incomplete)?);
    let head = RequestHead::parse(head.unwrap_or_default(), &limits)?;
    head.expectation()?;
    request_body_length(&head)
}

#[test]
fn what_attackers_send_gets_its_error() {
    use Error::*;
    for (bytes, error, status) in [
        // RFC 9112 3.2: Host.
        ("GET / HTTP/1.1\r\n\r\n", MissingHost, 400),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            RepeatedHost,
            400,
        ),
        (
            "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            RepeatedHost,
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", InvalidHost, 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", InvalidHost, 400),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", InvalidHost, 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", InvalidHost, 400),
        ("GET http://a/ HTTP/1.1\r\n\r\n", MissingHost, 400),
        // RFC 9112 2.2: line ends.
        ("GET / HTTP/1.1\nHost: a\n\n", BareLineFeed, 400),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n",
            BareLineFeed,
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n",
            BareCarriageReturn,
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n", Nul, 400),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\x0bz\r\n\r\n",
            FieldValue,
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\x7f\r\n\r\n",
            FieldValue,
            400,
        ),
        // RFC 9112 5: field lines.
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n",
            SpaceBeforeColon,
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
            FoldedLine,
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n\tX: y\r\n\r\n",
            FoldedLine,
            400,
        ),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", FoldedLine, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", FieldLine, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", FieldName, 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX(: y\r\n\r\n", FieldName, 400),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: y\r\n\r\n",
            FieldName,
            400,
        ),
        // RFC 9112 3: the request line.
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine, 400),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine, 400),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine, 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine, 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", RequestLine, 400),
        ("GET /\r\nHost: a\r\n\r\n", RequestLine, 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", RequestLine, 400),
        ("GET / HTTP/1,1\r\nHost: a\r\n\r\n", RequestLine, 400),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", RequestLine, 400),
        ("GET / HTTP/01.1\r\nHost: a\r\n\r\n", RequestLine, 400),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Method, 400),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", Version, 505),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", Version, 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Version, 505),
        // RFC 9112 3.2: the target.
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", Target, 400),
        ("GET /#b HTTP/1.1\r\nHost: a\r\n\r\n", Target, 400),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", Target, 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Target, 400),
        ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", Target, 400),
        ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", Target, 400),
        ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", Target, 400),
        ("OPTIONS a:80 HTTP/1.1\r\nHost: a\r\n\r\n", Target, 400),
        // RFC 9112 6: framing.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
            ContentLength,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            RepeatedContentLength,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            TransferEncodingWithContentLength,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            TransferEncoding,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
            FieldValue,
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            UnknownTransferCoding,
            501,
        ),
        (
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            TransferEncodingInHttp10,
            400,
        ),
        // RFC 9110 10.1.1.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n",
            Expectation,
            417,
        ),
    ] {
        assert_eq!(serve(bytes.as_bytes()), Err(error), "{bytes:?}");
        assert_eq!(error.status().code(), status, "{bytes:?}");
    }
}

#[test]
fn a_head_is_checked_though_no_finder_has_seen_it() {
    for (head, error) in [
        (&b""[..], Error::Incomplete),
        (b"GET / HTTP/1.0\r\n", Error::Incomplete),
        (b"GET / HTTP/1.0\r\nA: b\r\n", Error::Incomplete),
        (b"GET / HTTP/1.0\r\n\r\nGET", Error::Incomplete),
        (b"GET / HTTP/1.0\n\r\n", Error::BareLineFeed),
        (b"GET / HTTP/1.0\r\n\n", Error::BareLineFeed),
        (b"GET / HTTP/1.0\r\nA: b\n\r\n", Error::BareLineFeed),
        (
            b"GET / HTTP/1.0\r\nA: b\r\r\n\r\n",
            Error::BareCarriageReturn,
        ),
        (b"GET / HTTP/1.0\r\nA: \0\r\n\r\n", Error::Nul),
        (b"\nGET / HTTP/1.0\r\n\r\n", Error::BareLineFeed),
        (
            b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n",
            Error::TooManyEmptyLines,
        ),
    ] {
        assert_eq!(request(head).err(), Some(error), "{}", head.escape_ascii());
    }
}

// RFC 9112 3 and 5

#[test]
fn a_request_head_is_lent_in_its_parts() {
    let head = request(b"\r\nPURGE /a?b HTTP/1.1\r\nHost: a.example:80\r\nX:  y \r\n\r\n").unwrap();
    assert_eq!(head.method(), "PURGE");
    assert_eq!(head.target(), "/a?b");
    assert_eq!((head.uri().path(), head.uri().query()), ("/a", Some("b")));
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.host(), Some("a.example:80"));
    assert_eq!(head.fields().get("x"), Some(&b"y"[..]));
    assert_eq!(head.fields().iter().count(), 2);
}

// RFC 9112 3.2

#[test]
fn the_host_is_that_of_the_target_if_it_names_one() {
    let host = |head: &'static str| request(head.as_bytes()).unwrap().host();
    assert_eq!(host("GET / HTTP/1.0\r\n\r\n"), None);
    assert_eq!(host("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), Some("a"));
    assert_eq!(host("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), Some("b"));
    assert_eq!(host("CONNECT b:1 HTTP/1.1\r\nHost: a\r\n\r\n"), Some("b:1"));
    assert_eq!(host("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), Some("a"));
}

// RFC 9112 9.3

#[test]
fn a_connection_stays_by_version_and_by_connection_options() {
    for (version, fields, expected) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE, keep-alive\r\n", false),
        (
            "1.1",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(
            request(head.as_bytes()).unwrap().keep_alive(),
            expected,
            "{head}"
        );
        let head = format!("HTTP/{version} 200 OK\r\n{fields}\r\n");
        assert_eq!(
            response(head.as_bytes()).unwrap().keep_alive(),
            expected,
            "{head}"
        );
    }
}

// RFC 9110 10.1.1

#[test]
fn only_100_continue_can_be_expected_and_only_since_1_1() {
    for (version, value, expected) in [
        ("1.1", "100-continue", Ok(true)),
        ("1.1", "100-Continue", Ok(true)),
        ("1.1", "", Ok(false)),
        ("1.1", "100-continue, x", Err(Error::Expectation)),
        ("1.1", "x", Err(Error::Expectation)),
        ("1.0", "100-continue", Ok(false)),
        ("1.0", "x", Ok(false)),
    ] {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\nExpect: {value}\r\n\r\n");
        let head = request(head.as_bytes()).unwrap();
        assert_eq!(head.expectation(), expected, "{version} {value}");
        assert_eq!(head.expects_continue(), expected == Ok(true));
    }
}

// RFC 9112 4

#[test]
fn a_response_head_is_lent_in_its_parts() {
    let head = response(b"HTTP/1.0 404 Not Found\r\nX: y\r\n\r\n").unwrap();
    assert_eq!((head.status(), head.reason()), (404, "Not Found"));
    assert_eq!(head.version(), Version::Http10);
    assert_eq!(head.fields().get("x"), Some(&b"y"[..]));
    assert_eq!(response(b"HTTP/1.1 200 \r\n\r\n").unwrap().reason(), "");
    assert_eq!(response(b"HTTP/1.1 200\r\n\r\n").unwrap().status(), 200);
}

#[test]
fn what_is_no_status_line_is_refused() {
    for (head, error) in [
        ("HTTP/2.0 200 OK\r\n\r\n", Error::Version),
        ("HTTP/1.1 20 OK\r\n\r\n", Error::StatusLine),
        ("HTTP/1.1 099 X\r\n\r\n", Error::StatusLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", Error::StatusLine),
        ("HTTP/1.1  200 OK\r\n\r\n", Error::StatusLine),
        ("ICY 200 OK\r\n\r\n", Error::StatusLine),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", Error::StatusLine),
        ("HTTP/1.1 200 OK\nX: y\r\n\r\n", Error::BareLineFeed),
        (
            "HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n",
            Error::BareCarriageReturn,
        ),
        ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", Error::SpaceBeforeColon),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", Error::FoldedLine),
    ] {
        assert_eq!(response(head.as_bytes()).err(), Some(error), "{head:?}");
    }
}

// Limits

#[test]
fn each_limit_is_met_exactly_and_not_by_one_more() {
    let fields = |count: usize| format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(
        request(fields(MAX_FIELDS).as_bytes())
            .unwrap()
            .fields()
            .iter()
            .count(),
        MAX_FIELDS
    );
    assert_eq!(
        request(fields(MAX_FIELDS + 1).as_bytes()).err(),
        Some(Error::TooManyFields)
    );

    let target = |length: usize| format!("GET {} HTTP/1.0\r\n\r\n", "/".repeat(length));
    assert_eq!(serve(target(MAX_TARGET).as_bytes()), Ok(BodyLength::None));
    assert_eq!(
        serve(target(MAX_TARGET + 1).as_bytes()),
        Err(Error::TargetTooLong)
    );
    assert_eq!(
        serve(target(MAX_HEAD).as_bytes()),
        Err(Error::TargetTooLong)
    );

    let head = |length: usize| format!("GET / HTTP/1.0\r\nA: {}\r\n\r\n", "b".repeat(length - 23));
    assert_eq!(head(MAX_HEAD).len(), MAX_HEAD);
    assert_eq!(serve(head(MAX_HEAD).as_bytes()), Ok(BodyLength::None));
    assert_eq!(
        serve(head(MAX_HEAD + 1).as_bytes()),
        Err(Error::HeadTooLarge)
    );
    assert_eq!(
        request(head(MAX_HEAD + 1).as_bytes()).err(),
        Some(Error::HeadTooLarge)
    );
}
