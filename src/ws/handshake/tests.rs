//! By section of RFC 6455.

use super::*;
use crate::http::HeadLimits;

/// RFC 6455 1.2: the RFC's own request, in lines that a test can replace.
const REQUEST: [&str; 8] = [
    "GET /chat HTTP/1.1",
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Origin: http://example.com",
    "Sec-WebSocket-Protocol: chat, superchat",
    "Sec-WebSocket-Version: 13",
];
const KEY: &[u8; 16] = b"the sample nonce";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn date() -> HttpDate {
    HttpDate::from_unix(784_111_777)
}

/// The RFC's request with the line that starts like `line` replaced by it.
fn with(name: &str, line: &str) -> String {
    let lines = REQUEST.map(|old| if old.starts_with(name) { line } else { old });
    format!("{}\r\n\r\n", lines.join("\r\n"))
}

fn upgrade<T>(head: &str, check: impl FnOnce(Result<Upgrade<'_>, HandshakeError>) -> T) -> T {
    let head = RequestHead::parse(head.as_bytes(), &HeadLimits::default());
    check(Upgrade::from_request(&head.expect("a valid head")))
}

fn answer(lines: &[&str], protocols: &[&str]) -> Result<Option<String>, HandshakeError> {
    let head = format!("{}\r\n\r\n", lines.join("\r\n"));
    let head = ResponseHead::parse(head.as_bytes(), &HeadLimits::default());
    let chosen = check_response(&head.expect("a valid head"), KEY, protocols);
    chosen.map(|protocol| protocol.map(str::to_owned))
}

// 1.3 Opening Handshake

#[test]
fn the_accept_of_the_rfcs_key_is_the_rfcs() {
    assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), ACCEPT.as_bytes());
}

#[test]
fn the_rfcs_request_is_accepted_with_the_rfcs_answer() {
    upgrade(&with("-", ""), |upgrade| {
        let upgrade = upgrade.expect("a valid handshake");
        assert_eq!(
            upgrade.protocols().collect::<Vec<_>>(),
            ["chat", "superchat"]
        );
        assert_eq!(upgrade.extensions().count(), 0);
        let mut out = Vec::new();
        upgrade
            .write_response(&mut out, Some("chat"), &date())
            .unwrap();
        let expected = "HTTP/1.1 101 Switching Protocols\r\n\
            Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
            Sec-WebSocket-Protocol: chat\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    });
}

// 4.2.1 Reading the Client's Opening Handshake

#[test]
fn a_request_that_lacks_something_is_told_what() {
    use HandshakeError::*;
    for (name, line, error, status) in [
        ("GET", "POST /chat HTTP/1.1", Method, 405),
        ("GET", "GET /chat HTTP/1.0", HttpVersion, 400),
        ("Upgrade", "X: y", Upgrade, 426),
        ("Upgrade", "Upgrade: websockets, h2c", Upgrade, 426),
        ("Connection", "X: y", Connection, 400),
        ("Connection", "Connection: keep-alive", Connection, 400),
        ("Sec-WebSocket-Version", "X: y", WebSocketVersion, 426),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 8",
            WebSocketVersion,
            426,
        ),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 13, 8",
            WebSocketVersion,
            426,
        ),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 013",
            WebSocketVersion,
            426,
        ),
        ("Origin", "Sec-WebSocket-Version: 13", WebSocketVersion, 426),
        ("Sec-WebSocket-Key", "X: y", Key, 400),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Key:", Key, 400),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ",
            Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j==",
            Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=",
            Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j*Q==",
            Key,
            400,
        ),
        (
            "Origin",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            Key,
            400,
        ),
        ("Origin", "Sec-WebSocket-Protocol: chat", Protocols, 400),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Protocol: a, a",
            Protocols,
            400,
        ),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Protocol: a b",
            Protocols,
            400,
        ),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Protocol: \"a\"",
            Protocols,
            400,
        ),
        ("Origin", "Content-Length: 5", Body, 400),
        ("Origin", "Transfer-Encoding: chunked", Body, 400),
    ] {
        upgrade(&with(name, line), |upgrade| {
            assert_eq!(upgrade.err(), Some(error), "{line}");
            assert_eq!(error.status().code(), status, "{line}");
        });
    }
}

#[test]
fn names_and_options_are_lists_in_any_case() {
    for (name, line) in [
        ("Upgrade", "upgrade: h2c, WebSocket"),
        ("Connection", "Connection: keep-alive, UPGRADE"),
        ("Origin", "Content-Length: 0"),
        ("Origin", "Connection: x"),
        (
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Protocol: a,b,\r\nSec-WebSocket-Protocol: c",
        ),
    ] {
        upgrade(&with(name, line), |upgrade| {
            assert!(upgrade.is_ok(), "{line}")
        });
    }
}

#[test]
fn a_list_of_subprotocols_has_an_end() {
    let line = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("p{n}")).collect();
        format!("Sec-WebSocket-Protocol: {}", names.join(","))
    };
    let result = |count| {
        let head = with("Sec-WebSocket-Protocol", &line(count));
        upgrade(&head, |upgrade| upgrade.map(|u| u.protocols().count()))
    };
    assert_eq!(result(MAX_PROTOCOLS), Ok(MAX_PROTOCOLS));
    assert_eq!(result(MAX_PROTOCOLS + 1), Err(HandshakeError::Protocols));
}

// 4.2.2 Sending the Server's Opening Handshake

#[test]
fn a_subprotocol_that_was_not_offered_cannot_be_chosen() {
    upgrade(&with("-", ""), |upgrade| {
        let upgrade = upgrade.expect("a valid handshake");
        let mut out = Vec::new();
        for protocol in ["other", "Chat", "", "chat, superchat"] {
            let result = upgrade.write_response(&mut out, Some(protocol), &date());
            assert_eq!(result, Err(HandshakeError::ProtocolNotOffered));
        }
        assert!(out.is_empty());
    });
}

// 4.4 Supporting Multiple Versions

#[test]
fn another_version_is_told_which_one_there_is() {
    let fields = HandshakeError::WebSocketVersion.fields();
    assert!(fields.contains(&(FieldName::SEC_WEBSOCKET_VERSION, VERSION)));
    assert!(fields.contains(&(FieldName::UPGRADE, WEBSOCKET)));
}

// 4.1 Client Requirements

#[test]
fn what_a_client_writes_a_server_accepts_and_back() {
    let mut out = Vec::new();
    let origin = (
        FieldName::ORIGIN,
        FieldValue::from_static("http://example.com"),
    );
    write_request(
        &mut out,
        "a.example:81",
        "/chat?x",
        KEY,
        &["b", "a"],
        &[origin],
    )
    .unwrap();
    let request = RequestHead::parse(&out, &HeadLimits::default()).unwrap();
    assert_eq!(request.host(), Some("a.example:81"));
    assert_eq!(
        request.fields().get_str("origin"),
        Some("http://example.com")
    );
    let upgrade = Upgrade::from_request(&request).unwrap();
    assert_eq!(upgrade.protocols().collect::<Vec<_>>(), ["b", "a"]);

    for protocol in [None, Some("a")] {
        let mut out = Vec::new();
        upgrade.write_response(&mut out, protocol, &date()).unwrap();
        let response = ResponseHead::parse(&out, &HeadLimits::default()).unwrap();
        assert_eq!(check_response(&response, KEY, &["b", "a"]), Ok(protocol));
        let other_key = check_response(&response, &[0; 16], &["b", "a"]);
        assert_eq!(other_key, Err(HandshakeError::Accept));
    }
}

#[test]
fn a_request_that_cannot_be_sent_is_not_begun() {
    let mut out = Vec::new();
    for (host, target, protocols) in [
        ("", "/", &[][..]),
        ("a\r\nX: y", "/", &[]),
        ("user@a", "/", &[]),
        ("a", "/ b", &[]),
        ("a", "", &[]),
        ("a", "/", &["a b"]),
        ("a", "/", &["a", "a"]),
        ("a", "/", &["a\r\nX: y"]),
    ] {
        assert!(write_request(&mut out, host, target, KEY, protocols, &[]).is_err());
        assert!(out.is_empty());
    }
}

#[test]
fn an_answer_that_does_not_fit_the_request_is_refused() {
    use HandshakeError::*;
    const LINES: [&str; 4] = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ];
    assert_eq!(answer(&LINES, &["chat"]), Ok(None));
    for (at, line, error) in [
        (0, "HTTP/1.1 200 OK", Refused(200)),
        (0, "HTTP/1.0 101 X", HttpVersion),
        (1, "X: y", Upgrade),
        (1, "Upgrade: h2c", Upgrade),
        (2, "X: y", Connection),
        (2, "Connection: close", Connection),
        (3, "X: y", Accept),
        (
            3,
            "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            Accept,
        ),
        (
            3,
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
            Accept,
        ),
    ] {
        let mut lines = LINES;
        lines[at] = line;
        assert_eq!(answer(&lines, &["chat"]), Err(error), "{line}");
    }
    for (line, error) in [
        ("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", Accept),
        ("Sec-WebSocket-Protocol: other", ProtocolNotOffered),
        ("Sec-WebSocket-Protocol: Chat", ProtocolNotOffered),
        ("Sec-WebSocket-Protocol:", ProtocolNotOffered),
        (
            "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat",
            ProtocolNotOffered,
        ),
        (
            "Sec-WebSocket-Extensions: permessage-deflate",
            ExtensionNotOffered,
        ),
    ] {
        let lines = [LINES[0], LINES[1], LINES[2], LINES[3], line];
        assert_eq!(answer(&lines, &["chat"]), Err(error), "{line}");
    }
}

// 9.1 Negotiating Extensions

#[test]
fn an_extension_that_was_offered_may_be_used() {
    let head = format!(
        "HTTP/1.1 101 X\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\
         Sec-WebSocket-Extensions: permessage-deflate ; server_max_window_bits=10\r\n\r\n"
    );
    let head = ResponseHead::parse(head.as_bytes(), &HeadLimits::default()).unwrap();
    let check = |names| check_response_with(&head, KEY, &[], names);
    assert_eq!(check(&["permessage-deflate"]), Ok(None));
    assert_eq!(
        check(&["x-other"]),
        Err(HandshakeError::ExtensionNotOffered)
    );
}
