//! Messages that are larger than they may be, whole and byte by byte. Each gets its status once, `Connection: close`, and
//! nothing of what it carried is done. What else can be wrong with a message is in the tables of `tests/hostile`.

use crate::support::*;

/// Sends bytes whose body or tail would publish, and expects that status, an end, and nothing published.
#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, status: u16) {
    let bytes = bytes.as_ref();
    let shown = String::from_utf8_lossy(bytes).into_owned();
    for step in [bytes.len(), 1] {
        let mut server = hub();
        let client = server.connect();
        for piece in bytes.chunks(step) {
            server.send(client, piece);
        }
        let smuggled = post("/channels/a", "smuggled");
        server.send(client, smuggled.as_bytes());
        let got = answers(&server.take(client));
        assert_eq!(got.len(), 1, "{shown:?} got {got:?}");
        assert_eq!(
            (got[0].status, got[0].closes()),
            (status, true),
            "{shown:?}"
        );
        assert!(!server.is_open(client), "{shown:?}");
        let seen = ask(&mut server, &get("/channels/a"));
        assert!(
            seen.text().starts_with("{\"events\":[],"),
            "{shown:?} was published"
        );
    }
}

// RFC 6585 5 and RFC 9110 15.5.15: sizes

#[test]
fn a_target_of_8_kib_is_taken_and_one_byte_more_is_414() {
    let path = |length: usize| format!("/{}", "x".repeat(length - 1));
    let mut server = hub();
    assert_eq!(ask(&mut server, &get(&path(8192))).status, 404);
    refused(get(&path(8193)), 414);
    // It is refused when it is sure to be too long, not when it has come.
    refused(format!("GET {}", path(9000)), 414);
}

#[test]
fn a_head_of_16_kib_is_taken_and_one_byte_more_is_431() {
    let with = |length: usize| {
        let rest = get("/").len() + "X: \r\n".len();
        request("GET /", &format!("X: {}\r\n", "x".repeat(length - rest)))
    };
    assert_eq!(with(16384).len(), 16384);
    let mut server = hub();
    assert_eq!(ask(&mut server, &with(16384)).status, 200);
    refused(with(16385), 431);
    refused(&with(20000)[..16385], 431);
}

#[test]
fn a_hundred_fields_are_taken_and_one_more_is_431() {
    let with = |fields: usize| request("GET /", &"X: y\r\n".repeat(fields - 1));
    let mut server = hub();
    assert_eq!(ask(&mut server, &with(100)).status, 200);
    refused(with(101), 431);
}

/// A publish whose body is in these chunks.
fn chunked(chunks: &str) -> String {
    request("POST /channels/a", "Transfer-Encoding: chunked\r\n") + chunks
}

#[test]
fn extensions_and_trailers_are_limited_together() {
    let extensions = format!("1;{}\r\nx\r\n", "e".repeat(1000)).repeat(17);
    refused(chunked(&(extensions + "0\r\n\r\n")), 413);
    let trailers = format!("X: {}\r\n", "t".repeat(1000)).repeat(17);
    refused(chunked(&format!("5\r\nhello\r\n0\r\n{trailers}\r\n")), 413);
}

// RFC 9110 5.6.1: lists

#[test]
fn chunked_counts_in_any_case_and_among_empty_members() {
    let mut server = hub();
    for value in [
        "Chunked",
        "CHUNKED",
        ", chunked",
        "chunked ,",
        "\tchunked\t",
    ] {
        let field = format!("Transfer-Encoding: {value}\r\n");
        let asked = request("POST /channels/a", &field) + "5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(ask(&mut server, &asked).status, 201, "{value}");
    }
}

// What nobody else notices

#[test]
fn other_connections_go_on_beside_a_refused_one() {
    let mut server = hub();
    let (good, bad) = (server.connect(), server.connect());
    server.send(
        good,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
    );
    server.send(bad, b"\0\0\0\0");
    assert_eq!(statuses(&server.take(bad)), [400]);
    server.send(good, b"lo");
    assert_eq!(answers(&server.take(good))[0].text(), "hello");
}
