//! Laws of the HTTP codec, for bytes that nobody thought of.

use barewire::http::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What heads and chunks are made of, and what breaks them.
const ATOMS: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b"/",
    b"a",
    b"*",
    b"http://",
    b":80",
    b"?b=%41",
    b" ",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\t",
    b":",
    b",",
    b"\"",
    b"\\",
    b";",
    b"\xff",
    b"Host: a\r\n",
    b"Host",
    b"Content-Length: ",
    b"Transfer-Encoding: ",
    b"chunked",
    b"Connection: ",
    b"Upgrade: websocket\r\n",
    b"0",
    b"1",
    b"5",
    b"fF",
    b"0\r\n",
    b"1\r\nx\r\n",
    b"HTTP/1.1 200 OK\r\n",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    vec(select(ATOMS), 0..24).prop_map(|atoms| atoms.concat())
}

/// A valid request head, in which some bytes may have been replaced.
fn head() -> impl Strategy<Value = Vec<u8>> {
    let field = ("[A-Za-z-]{1,8}", "[ -~\t\u{e9}]{0,12}");
    let fields = vec(field, 0..6);
    let damage = vec((any::<Index>(), select(&b"\r\n\0 \t:a\x7f\xff,"[..])), 0..3);
    ("(GET|POST|x!)", "/[!-~]{0,8}", "[01]", fields, damage).prop_map(
        |(method, target, minor, fields, damage)| {
            let mut head = format!("{method} {target} HTTP/1.{minor}\r\nHost: a\r\n");
            for (name, value) in fields {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str("\r\n");
            let mut head = head.into_bytes();
            for (at, byte) in damage {
                let at = at.index(head.len());
                head[at] = byte;
            }
            head
        },
    )
}

/// Chunks as a peer may send them, in which some bytes may have been replaced.
fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let chunk = (vec(any::<u8>(), 1..20), "(|;[ -~]{0,8})");
    let damage = vec((any::<Index>(), select(&b"\r\n\0 05f;x"[..])), 0..3);
    (
        vec(chunk, 0..5),
        "([A-Z]{1,5}:[ -~]{0,5}\r\n){0,2}",
        "[A-Z]{0,5}",
        damage,
    )
        .prop_map(|(chunks, trailers, next, damage)| {
            let mut bytes = Vec::new();
            for (data, extension) in chunks {
                bytes.extend_from_slice(format!("{:X}{extension}\r\n", data.len()).as_bytes());
                bytes.extend_from_slice(&data);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(format!("0\r\n{trailers}\r\n{next}").as_bytes());
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

fn any_head() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![head(), soup(), vec(any::<u8>(), 0..64)]
}

fn any_chunks() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![chunks(), soup(), vec(any::<u8>(), 0..64)]
}

/// Where the bytes are cut: positions in order, the last one is the end.
fn ends(cuts: &[Index], length: usize) -> Vec<usize> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    ends.push(length);
    ends.sort_unstable();
    ends
}

fn small_limits() -> impl Strategy<Value = HeadLimits> {
    (0..120usize, 0..6usize, 0..20usize).prop_map(|(head, fields, target)| HeadLimits {
        head,
        fields,
        target,
    })
}

fn find(bytes: &[u8], ends: &[usize], limits: &HeadLimits) -> Result<Option<usize>, Error> {
    let mut finder = HeadFinder::default();
    for &end in ends {
        match finder.find(&bytes[..end], limits) {
            Ok(None) => {}
            decided => return decided,
        }
    }
    Ok(None)
}

/// The body, how many bytes were used, and how it ended (`None` is: more is needed).
type Decoded = (Vec<u8>, usize, Option<Result<(), Error>>);

fn decode(bytes: &[u8], ends: &[usize], length: BodyLength, limit: u64) -> Decoded {
    let (mut body, mut at) = (Vec::new(), 0);
    let mut decoder = match BodyDecoder::new(length, limit) {
        Ok(decoder) => decoder,
        Err(error) => return (body, 0, Some(Err(error))),
    };
    for &end in ends {
        loop {
            match decoder.decode(&bytes[at..end]) {
                Ok((used, piece)) => {
                    at += used;
                    match piece {
                        Piece::Data(data) => body.extend_from_slice(data),
                        Piece::More => break,
                        Piece::End => return (body, at, Some(Ok(()))),
                    }
                }
                // How much was used before an error is of no use to anyone.
                Err(error) => return (body, 0, Some(Err(error))),
            }
        }
        assert_eq!(at, end, "more is asked for only when all is used");
    }
    (body, at, None)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn any_cutting_of_a_head_finds_the_same_end(
        bytes in any_head(),
        cuts in vec(any::<Index>(), 0..6),
        limits in small_limits(),
    ) {
        for limits in [limits, HeadLimits::default()] {
            let whole = find(&bytes, &[bytes.len()], &limits);
            prop_assert_eq!(find(&bytes, &ends(&cuts, bytes.len()), &limits), whole);
            let single: Vec<_> = (0..=bytes.len()).collect();
            prop_assert_eq!(find(&bytes, &single, &limits), whole);
        }
    }

    #[test]
    fn any_cutting_of_a_body_gives_the_same_body(
        bytes in any_chunks(),
        cuts in vec(any::<Index>(), 0..6),
        limit in 0..60u64,
        exactly in 0..80u64,
    ) {
        for length in [BodyLength::Chunked, BodyLength::Exactly(exactly), BodyLength::UntilClose, BodyLength::None] {
            let whole = decode(&bytes, &[bytes.len()], length, limit);
            prop_assert!(whole.0.len() as u64 <= limit, "the limit holds");
            prop_assert_eq!(&decode(&bytes, &ends(&cuts, bytes.len()), length, limit), &whole);
            let single: Vec<_> = (0..=bytes.len()).collect();
            prop_assert_eq!(&decode(&bytes, &single, length, limit), &whole);
        }
    }

    #[test]
    fn what_is_written_as_chunks_decodes_to_itself(
        parts in vec(vec(any::<u8>(), 0..300), 0..6),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let mut bytes = Vec::new();
        for part in &parts {
            write_chunk(&mut bytes, part);
        }
        write_last_chunk(&mut bytes);
        let length = bytes.len();
        bytes.extend_from_slice(b"GET");
        let decoded = decode(&bytes, &ends(&cuts, bytes.len()), BodyLength::Chunked, 10_000);
        prop_assert_eq!(decoded, (parts.concat(), length, Some(Ok(()))));
    }

    #[test]
    fn what_is_accepted_httparse_reads_in_the_same_way(bytes in any_head()) {
        if let Ok(head) = RequestHead::parse(&bytes, &HeadLimits::default()) {
            let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut other = httparse::Request::new(&mut room);
            prop_assert_eq!(other.parse(&bytes), Ok(httparse::Status::Complete(bytes.len())));
            prop_assert_eq!(other.method, Some(head.method()));
            prop_assert_eq!(other.path, Some(head.target()));
            prop_assert_eq!(other.version == Some(1), head.version() == Version::Http11);
            let others: Vec<_> = other.headers.iter().map(|field| (field.name, field.value)).collect();
            prop_assert_eq!(head.fields().iter().collect::<Vec<_>>(), others);
        }
    }

    #[test]
    fn what_is_accepted_the_finder_finds_whole(bytes in any_head()) {
        let limits = HeadLimits::default();
        if RequestHead::parse(&bytes, &limits).is_ok() {
            prop_assert_eq!(HeadFinder::default().find(&bytes, &limits), Ok(Some(bytes.len())));
        }
    }

    #[test]
    fn a_field_is_found_by_its_name_in_any_case(bytes in head()) {
        if let Ok(head) = RequestHead::parse(&bytes, &HeadLimits::default()) {
            for (name, _) in head.fields() {
                let same = |other: &str| other.eq_ignore_ascii_case(name);
                let expected: Vec<_> = head.fields().iter().filter(|(n, _)| same(n)).map(|(_, v)| v).collect();
                let upper = name.to_ascii_uppercase();
                prop_assert_eq!(head.fields().all(&upper).collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn no_head_panics_whatever_it_is_asked(bytes in any_head(), limits in small_limits()) {
        for limits in [limits, HeadLimits::default()] {
            if let Ok(head) = RequestHead::parse(&bytes, &limits) {
                let _ = (request_body_length(&head), head.expectation(), head.keep_alive(), head.host());
                let _ = head.uri().query().map(|query| query_pairs(query).count());
                let _ = percent_decode(head.uri().path());
                let _ = barewire::ws::handshake::Upgrade::from_request(&head);
                let members = head.fields().tokens("a").map(<[u8]>::len).sum::<usize>();
                prop_assert!(members <= bytes.len());
                let _ = format!("{head:?}");
            }
            if let Ok(head) = ResponseHead::parse(&bytes, &limits) {
                let _ = (response_body_length(&head, "GET"), head.keep_alive());
                let _ = barewire::ws::handshake::check_response(&head, &[0; 16], &[]);
            }
        }
    }

    #[test]
    fn what_can_be_built_can_be_sent(name in "\\PC{0,6}", value in vec(any::<u8>(), 0..12), code in 0..700u16) {
        let (Ok(name), Ok(value), Some(status)) =
            (FieldName::new(&name), FieldValue::new(&value), Status::new(code))
        else {
            return Ok(());
        };
        let mut out = Vec::new();
        HeadWriter::response(&mut out, status).field(name, value).number(FieldName::AGE, 7).finish();
        let head = ResponseHead::parse(&out, &HeadLimits::default()).expect("what was built");
        prop_assert_eq!(head.status(), status.code());
        let fields: Vec<_> = head.fields().iter().collect();
        prop_assert_eq!(fields, [(name.as_str(), value.as_bytes()), ("Age", b"7")]);
    }

    #[test]
    fn no_text_panics_when_it_is_decoded(text in "[a%+&=0-9A-F\u{e9}]{0,20}", name in "[a+&= ]{0,3}") {
        let _ = percent_decode(&text);
        let _ = query_value(&text, &name);
        let _ = Target::parse(&text);
        if let Ok(decoded) = percent_decode(&text) {
            prop_assert!(decoded.len() <= text.len());
        }
    }
}
