//! By section of RFC 9112.

use super::*;
use crate::http::HeadLimits;

fn request_length(fields: &str) -> Result<BodyLength, Error> {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    let head = RequestHead::parse(head.as_bytes(), &HeadLimits::default())?;
    request_body_length(&head)
}

fn response_length(method: &str, head: &str) -> Result<BodyLength, Error> {
    let head = format!("HTTP/1.{head}\r\n\r\n");
    let head = ResponseHead::parse(head.as_bytes(), &HeadLimits::default())?;
    response_body_length(&head, method)
}

/// The body in `input`, how many bytes of it are not used, and how it went.
fn decode(length: BodyLength, limit: u64, input: &[u8]) -> (Vec<u8>, Result<usize, Error>) {
    let mut body = Vec::new();
    let mut rest = input;
    let mut decoder = match BodyDecoder::new(length, limit) {
        Ok(decoder) => decoder,
        Err(error) => return (body, Err(error)),
    };
    loop {
        match decoder.decode(rest) {
            Ok((used, Piece::Data(data))) => {
                assert!(!data.is_empty());
                body.extend_from_slice(data);
                rest = &rest[used..];
            }
            Ok((used, Piece::More)) => {
                assert_eq!(used, rest.len());
                return (body, decoder.eof().map(|()| 0));
            }
            Ok((used, Piece::End)) => {
                assert!(decoder.is_complete());
                assert_eq!(decoder.decode(b"x"), Ok((0, Piece::End)));
                return (body, Ok(rest.len() - used));
            }
            Err(error) => {
                assert_eq!(decoder.decode(b"x"), Err(error));
                return (body, Err(error));
            }
        }
    }
}

fn chunked(input: &str) -> Result<(String, usize), Error> {
    let (body, left) = decode(BodyLength::Chunked, 100, input.as_bytes());
    Ok((String::from_utf8_lossy(&body).into_owned(), left?))
}

// 6.3 Message Body Length

#[test]
fn a_request_has_the_body_that_it_announces() {
    use BodyLength::*;
    assert_eq!(request_length("X: y"), Ok(None));
    assert_eq!(request_length("Content-Length: 0"), Ok(Exactly(0)));
    assert_eq!(request_length("Content-Length: 005"), Ok(Exactly(5)));
    let most = "Content-Length: 18446744073709551615";
    assert_eq!(request_length(most), Ok(Exactly(u64::MAX)));
    assert_eq!(request_length("Transfer-Encoding: chunked"), Ok(Chunked));
    assert_eq!(request_length("transfer-encoding:\tCHUNKED ,"), Ok(Chunked));
}

#[test]
fn a_content_length_that_is_no_number_is_refused() {
    for bad in [
        "",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "5,5",
        "5, 5",
        "5;a",
        "5.",
        "1e1",
        "\"5\"",
        "\u{665}",
        "5\u{a0}",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        let length = request_length(&format!("Content-Length: {bad}"));
        assert_eq!(length, Err(Error::ContentLength), "{bad:?}");
    }
    for twice in ["5", "6", ""] {
        let length = request_length(&format!("Content-Length: 5\r\ncontent-length: {twice}"));
        assert_eq!(length, Err(Error::RepeatedContentLength), "{twice:?}");
    }
}

#[test]
fn two_ways_to_tell_the_length_are_none() {
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked";
    let error = Error::TransferEncodingWithContentLength;
    assert_eq!(request_length(both), Err(error));
    assert_eq!(
        response_length("GET", &format!("1 200 OK\r\n{both}")),
        Err(error)
    );
    let other = "Content-Length: 5\r\nTransfer-Encoding: identity";
    assert_eq!(request_length(other), Err(error));
}

#[test]
fn a_transfer_encoding_that_does_not_end_with_one_chunked_is_refused() {
    for bad in [
        "",
        ",",
        "identity",
        "gzip",
        "chunked, gzip",
        "chunked, chunked",
        "chunked;a=b",
        "chunked;",
        "xchunked",
        "chunkedx",
        "\"chunked\"",
        "chunked chunked",
        "gzip;q=\"a, chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked, gzip, chunked",
        "\u{a0}chunked",
    ] {
        let length = request_length(&format!("Transfer-Encoding: {bad}"));
        assert_eq!(length, Err(Error::TransferEncoding), "{bad:?}");
    }
    for unknown in [
        "gzip, chunked",
        "gzip\r\nTransfer-Encoding: chunked",
        "identity, chunked",
    ] {
        let length = request_length(&format!("Transfer-Encoding: {unknown}"));
        assert_eq!(length, Err(Error::UnknownTransferCoding), "{unknown:?}");
    }
}

// 6.1

#[test]
fn http_1_0_has_no_transfer_encoding() {
    let head = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    let head = RequestHead::parse(head, &HeadLimits::default()).unwrap();
    let error = Error::TransferEncodingInHttp10;
    assert_eq!(request_body_length(&head), Err(error));
    let length = response_length("GET", "0 200 OK\r\nTransfer-Encoding: chunked");
    assert_eq!(length, Err(error));
}

#[test]
fn a_response_has_a_body_by_its_status_and_the_method_it_answers() {
    use BodyLength::*;
    let five = "\r\nContent-Length: 5";
    for status in ["100", "101", "204", "304"] {
        assert_eq!(
            response_length("GET", &format!("1 {status} X{five}")),
            Ok(None)
        );
    }
    assert_eq!(
        response_length("HEAD", &format!("1 200 OK{five}")),
        Ok(None)
    );
    assert_eq!(
        response_length("CONNECT", &format!("1 200 OK{five}")),
        Ok(None)
    );
    assert_eq!(
        response_length("CONNECT", &format!("1 404 X{five}")),
        Ok(Exactly(5))
    );
    assert_eq!(
        response_length("GET", &format!("1 200 OK{five}")),
        Ok(Exactly(5))
    );
    assert_eq!(response_length("GET", "1 200 OK"), Ok(UntilClose));
    let chunked = response_length("GET", "1 200 OK\r\nTransfer-Encoding: chunked");
    assert_eq!(chunked, Ok(Chunked));
    let gzip = response_length("GET", "1 200 OK\r\nTransfer-Encoding: gzip");
    assert_eq!(gzip, Err(Error::UnknownTransferCoding));
}

// 6.2 Content-Length

#[test]
fn a_body_of_a_known_length_ends_there() {
    let five = BodyLength::Exactly(5);
    assert_eq!(decode(five, 5, b"helloGET"), (b"hello".to_vec(), Ok(3)));
    assert_eq!(
        decode(five, 5, b"hell"),
        (b"hell".to_vec(), Err(Error::Truncated))
    );
    assert_eq!(decode(five, 4, b""), (vec![], Err(Error::BodyTooLarge)));
    assert_eq!(decode(BodyLength::None, 0, b"GET"), (vec![], Ok(3)));
    assert_eq!(decode(BodyLength::Exactly(0), 0, b"GET"), (vec![], Ok(3)));
}

#[test]
fn a_body_until_the_close_is_complete_then_and_under_the_limit() {
    let close = BodyLength::UntilClose;
    assert_eq!(decode(close, 5, b"hello"), (b"hello".to_vec(), Ok(0)));
    assert_eq!(
        decode(close, 4, b"hello"),
        (b"hell".to_vec(), Err(Error::BodyTooLarge))
    );
    assert_eq!(decode(close, 0, b""), (vec![], Ok(0)));
}

// 7.1 Chunked Transfer Coding

#[test]
fn chunks_become_the_body() {
    let body = chunked("5\r\nhello\r\n00A\r\n, \r\nworld!\r\n0\r\n\r\nGET");
    assert_eq!(body, Ok(("hello, \r\nworld!".into(), 3)));
    assert_eq!(chunked("000\r\n\r\n"), Ok((String::new(), 0)));
    assert_eq!(chunked("5\r\nhello\r\n"), Err(Error::Truncated));
}

#[test]
fn a_chunk_size_is_hexadecimal_digits_that_fit_64_bits() {
    for bad in [
        "\r\n",
        "\n",
        "+5\r\n",
        "-5\r\n",
        "0x5\r\n",
        "5_0\r\n",
        "g\r\n",
        " 5\r\n",
        ";a\r\n",
        "5,\r\n",
        "5\0\r\n",
        "10000000000000000\r\n",
        "00000000000000005\r\n",
        "\u{665}\r\n",
    ] {
        assert_eq!(chunked(bad), Err(Error::ChunkSize), "{bad:?}");
    }
    assert_eq!(chunked("ffffffffffffffff\r\n"), Err(Error::BodyTooLarge));
    assert!(chunked("0000000000000005\r\nhello\r\n0\r\n\r\n").is_ok());
}

#[test]
fn a_chunk_line_ends_with_crlf() {
    assert_eq!(chunked("5\n"), Err(Error::ChunkSize));
    for bad in [
        "5\r\r\n",
        "5\rhello",
        "5 \r\n",
        "5 x\r\n",
        "5;a\n",
        "5;a\rb\r\n",
        "5;a\0",
    ] {
        assert_eq!(chunked(bad), Err(Error::ChunkLine), "{bad:?}");
    }
    for bad in ["1\r\nab", "1\r\na\n", "1\r\na\rb", "1\r\na0\r\n"] {
        assert_eq!(chunked(bad), Err(Error::ChunkEnd), "{bad:?}");
    }
}

#[test]
fn the_chunks_together_stay_under_the_limit() {
    let input = b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    assert_eq!(
        decode(BodyLength::Chunked, 6, input),
        (b"abcdef".to_vec(), Ok(0))
    );
    let (body, result) = decode(BodyLength::Chunked, 5, input);
    assert_eq!((&body[..], result), (&b"abc"[..], Err(Error::BodyTooLarge)));
}

// 7.1.1 Chunk Extensions and 7.1.2 Chunked Trailer Section

#[test]
fn extensions_and_trailers_are_left_out() {
    let input = "1;a=b;c=\"d;\u{e9}\"\r\nx\r\n0 \t; e\r\nTrailer: y\r\nZ:\r\n\r\nGET";
    assert_eq!(chunked(input), Ok(("x".into(), 3)));
}

#[test]
fn a_trailer_is_a_field_line() {
    for bad in [
        "a\r\n",
        ":\r\n",
        " a: b\r\n",
        "a : b\r\n",
        "a: b\n",
        "a: b\rc",
        "a: \0",
        "\n",
        "\r\r",
        "a: b\r\n c\r\n",
        "(: x",
    ] {
        assert_eq!(
            chunked(&format!("0\r\n{bad}")),
            Err(Error::Trailer),
            "{bad:?}"
        );
    }
}

#[test]
fn extensions_and_trailers_together_stay_under_their_limit() {
    let extra = |extension: usize, trailer: usize| {
        let (extension, trailer) = ("e".repeat(extension - 1), "t".repeat(trailer - 1));
        chunked(&format!("1;{extension}\r\nx\r\n0\r\n{trailer}:\r\n\r\n"))
    };
    let half = MAX_CHUNK_EXTRA as usize / 2;
    assert_eq!(extra(half, half), Ok(("x".into(), 0)));
    assert_eq!(extra(half, half + 1), Err(Error::ChunkExtraTooLarge));
    assert_eq!(extra(2 * half + 1, 1), Err(Error::ChunkExtraTooLarge));
}

#[test]
fn what_is_written_as_chunks_is_what_7_1_asks_for() {
    let mut out = Vec::new();
    write_chunk(&mut out, b"");
    write_chunk(&mut out, b"hello");
    write_chunk(&mut out, &[b'x'; 16]);
    write_last_chunk(&mut out);
    assert_eq!(out, b"5\r\nhello\r\n10\r\nxxxxxxxxxxxxxxxx\r\n0\r\n\r\n");
}
