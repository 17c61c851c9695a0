//! Messages that are not what they should be. Each gets its status once, `Connection: close`, and nothing of what
//! it carried is done: where two servers could read the same bytes differently, there is no reading at all.

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

fn publish_with(fields: &str, body: &str) -> String {
    request("POST /channels/a", fields) + body
}

// RFC 9112 6.3 and RFC 9110 8.6: Content-Length

#[test]
fn a_content_length_that_is_no_number_is_400() {
    for value in [
        "",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "5,5",
        "5, 5",
        "5;",
        "5.0",
        "1e1",
        "\u{664}",
        "five",
        "'5'",
        "5_0",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        refused(
            publish_with(&format!("Content-Length: {value}\r\n"), "hello"),
            400,
        );
    }
}

#[test]
fn a_content_length_that_is_a_number_but_absurd_is_413() {
    for value in ["18446744073709551615", "9223372036854775808", "1048577"] {
        refused(
            publish_with(&format!("Content-Length: {value}\r\n"), "hello"),
            413,
        );
    }
}

#[test]
fn two_content_lengths_are_400_even_if_they_agree() {
    refused(
        publish_with("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        400,
    );
    refused(
        publish_with("Content-Length: 5\r\ncontent-length: 6\r\n", "hello!"),
        400,
    );
}

// RFC 9112 6.1 and 6.3: Transfer-Encoding

const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";

#[test]
fn content_length_beside_transfer_encoding_is_400() {
    refused(
        publish_with(
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            CHUNKS,
        ),
        400,
    );
    refused(
        publish_with(
            "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n",
            CHUNKS,
        ),
        400,
    );
    refused(
        publish_with(
            "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
            CHUNKS,
        ),
        400,
    );
}

#[test]
fn a_transfer_encoding_that_does_not_end_in_one_chunked_is_400() {
    for value in [
        "",
        "gzip",
        "identity",
        "chunked, gzip",
        "chunked, chunked",
        "chunked, identity",
        "xchunked",
        "chunkedx",
        "\"chunked\"",
        "chunked;q=1",
        "chunked chunked",
        "\u{b}chunked",
    ] {
        refused(
            publish_with(&format!("Transfer-Encoding: {value}\r\n"), CHUNKS),
            400,
        );
    }
    refused(
        publish_with(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            CHUNKS,
        ),
        400,
    );
    refused(
        publish_with(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
            CHUNKS,
        ),
        400,
    );
}

#[test]
fn a_coding_before_chunked_that_nobody_here_knows_is_501() {
    refused(
        publish_with("Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
        501,
    );
    refused(
        publish_with(
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            CHUNKS,
        ),
        501,
    );
}

#[test]
fn transfer_encoding_in_http_1_0_is_400() {
    let head = "POST /channels/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused(format!("{head}{CHUNKS}"), 400);
}

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
        let asked = publish_with(&format!("Transfer-Encoding: {value}\r\n"), CHUNKS);
        assert_eq!(ask(&mut server, &asked).status, 201, "{value}");
    }
}

// RFC 9112 7.1: chunks

fn chunked(body: &str) -> String {
    publish_with("Transfer-Encoding: chunked\r\n", body)
}

#[test]
fn a_chunk_size_is_hexadecimal_digits_and_nothing_else() {
    for size in [
        "0x5", "+5", "-5", "5_", "_5", "5h", "", " 5", "five", "5,5", "\t5",
    ] {
        refused(chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")), 400);
    }
    refused(chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), 400);
    refused(chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"), 400);
}

#[test]
fn a_chunk_size_that_overflows_or_is_absurd_is_refused() {
    refused(chunked("ffffffffffffffff\r\nhello"), 413);
    refused(chunked("fffffffffffffffff\r\nhello"), 400);
    refused(chunked("5\r\nhello\r\nffffffffffffffff\r\n"), 413);
}

#[test]
fn every_line_of_a_chunk_ends_with_crlf() {
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a=b\nhello\r\n0\r\n\r\n",
        "5;a\r=b\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello world\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\n\rX",
    ] {
        refused(chunked(body), 400);
    }
}

#[test]
fn trailers_are_checked_like_fields() {
    for trailer in [
        "Bad Name: x",
        "NoColon",
        ": x",
        "X : y",
        " X: y",
        "X: a\0b",
        "X: a\nY: b",
    ] {
        refused(
            chunked(&format!("5\r\nhello\r\n0\r\n{trailer}\r\n\r\n")),
            400,
        );
    }
}

#[test]
fn extensions_and_trailers_are_limited_together() {
    let extensions = format!("1;{}\r\nx\r\n", "e".repeat(1000)).repeat(17);
    refused(chunked(&(extensions + "0\r\n\r\n")), 413);
    let trailers = format!("X: {}\r\n", "t".repeat(1000)).repeat(17);
    refused(chunked(&format!("5\r\nhello\r\n0\r\n{trailers}\r\n")), 413);
}

// RFC 9112 2.2, 5.1 and 5.2: lines

#[test]
fn lines_that_end_with_lf_alone_are_400() {
    refused(
        "POST /channels/a HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello",
        400,
    );
    refused(
        "POST /channels/a HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nhello",
        400,
    );
    refused(
        "POST /channels/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\nhello",
        400,
    );
}

#[test]
fn a_bare_cr_is_400() {
    refused(
        "POST /channels/a HTTP/1.1\rHost: a\r\nContent-Length: 5\r\n\r\nhello",
        400,
    );
    refused(
        publish_with("X: a\rb\r\nContent-Length: 5\r\n", "hello"),
        400,
    );
    refused(
        publish_with("X: a\r\r\nContent-Length: 5\r\n", "hello"),
        400,
    );
}

#[test]
fn nul_and_other_controls_are_400() {
    for byte in ["\0", "\u{1}", "\u{b}", "\u{1f}", "\u{7f}"] {
        refused(
            publish_with(&format!("X: a{byte}b\r\nContent-Length: 5\r\n"), "hello"),
            400,
        );
        refused(
            publish_with(&format!("X{byte}: a\r\nContent-Length: 5\r\n"), "hello"),
            400,
        );
    }
}

#[test]
fn a_folded_line_is_400() {
    refused(
        publish_with("X: a\r\n b\r\nContent-Length: 5\r\n", "hello"),
        400,
    );
    refused(
        publish_with("X: a\r\n\tb\r\nContent-Length: 5\r\n", "hello"),
        400,
    );
    refused(
        "POST /channels/a HTTP/1.1\r\n Host: a\r\nContent-Length: 5\r\n\r\nhello",
        400,
    );
}

#[test]
fn space_before_a_colon_is_400() {
    refused(publish_with("Content-Length : 5\r\n", "hello"), 400);
    refused(
        publish_with("Transfer-Encoding\t: chunked\r\n", CHUNKS),
        400,
    );
}

#[test]
fn a_line_without_a_name_or_a_colon_is_400() {
    for line in [
        ": x",
        "NoColon",
        "A B: x",
        "(x): y",
        "\u{e4}: x",
        "\"x\": y",
    ] {
        refused(
            publish_with(&format!("{line}\r\nContent-Length: 5\r\n"), "hello"),
            400,
        );
    }
}

#[test]
fn a_request_line_is_three_words_with_single_spaces() {
    for line in [
        "POST  /channels/a HTTP/1.1",
        "POST /channels/a  HTTP/1.1",
        " POST /channels/a HTTP/1.1",
        "POST /channels/a HTTP/1.1 ",
        "POST\t/channels/a HTTP/1.1",
        "POST /channels/a",
        "POST",
        "POST /channels/a HTTP/1.1 x",
        "PO(ST /channels/a HTTP/1.1",
        "POST /channels/a http/1.1",
        "POST /channels/a HTTP/1",
        "POST /channels/a HTTP/1.",
        "POST /channels/a HTTP/x.1",
        "POST /channels/a#x HTTP/1.1",
        "POST channels/a HTTP/1.1",
        "POST * HTTP/1.1",
        "POST /channels/\u{e4} HTTP/1.1",
        "POST ftp://a/channels/a HTTP/1.1",
        "POST http://u@a/channels/a HTTP/1.1",
        "\u{16}\u{3}\u{1}",
    ] {
        refused(
            format!("{line}\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
            400,
        );
    }
}

#[test]
fn many_empty_lines_before_a_request_are_400() {
    refused("\r\n".repeat(5) + &post("/channels/a", "hello"), 400);
    refused("\n".to_owned() + &post("/channels/a", "hello"), 400);
}

#[test]
fn another_version_is_505() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0", "HTTP/9.9"] {
        let line = format!("POST /channels/a {version}");
        refused(
            format!("{line}\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
            505,
        );
    }
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
}

// RFC 9112 3.2: Host

#[test]
fn a_request_has_exactly_one_valid_host() {
    let with =
        |hosts: &str| format!("POST /channels/a HTTP/1.1\r\n{hosts}Content-Length: 5\r\n\r\nhello");
    refused(with(""), 400);
    refused(with("Host: a\r\nHost: a\r\n"), 400);
    refused(with("Host: a\r\nhost: b\r\n"), 400);
    for host in [
        "", "a b", "user@a", "a/b", "a:b", "a:99999", "a:80:80", "a?b", "[::1", "::1", "a\\b",
        "<a>", "a\u{e4}", "a#",
    ] {
        refused(with(&format!("Host: {host}\r\n")), 400);
    }
    refused("GET http://a/ HTTP/1.1\r\n\r\n", 400);
}

#[test]
fn http_1_0_may_have_no_host_but_no_bad_one() {
    let mut server = hub();
    assert_eq!(ask(&mut server, "GET / HTTP/1.0\r\n\r\n").text(), "home");
    refused("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
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
