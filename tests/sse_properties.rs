//! Laws of the event stream codec, on inputs that nobody would write by hand.

use barewire::sse::{
    Comment, Decoder, Error, Event, EventId, EventName, HEARTBEAT, MAX_EVENT, write_comment,
    write_event, write_retry,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// `(name, data, last event ID)` as dispatched.
type Dispatched = (String, String, String);

/// All that can be seen of a decoder that was fed `pieces`.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<Dispatched>,
    last_event_id: String,
    retry: Option<u64>,
    error: Option<Error>,
}

fn decode<'a>(limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    let mut error = None;
    'pieces: for mut rest in pieces {
        while !rest.is_empty() {
            match decoder.decode(rest) {
                Ok((used, event)) => {
                    assert!(used > 0 && used <= rest.len());
                    events.extend(event.map(|event| {
                        (
                            event.name.into(),
                            event.data.into(),
                            event.last_event_id.into(),
                        )
                    }));
                    rest = &rest[used..];
                }
                Err(first) => {
                    error = Some(first);
                    break 'pieces;
                }
            }
        }
    }
    Outcome {
        events,
        last_event_id: decoder.last_event_id().into(),
        retry: decoder.retry(),
        error,
    }
}

/// What CR, LF and CRLF become on the way.
fn with_lf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Text that tries to be more than a value.
fn tricky_text() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\0",
        " ",
        ":",
        "data: x",
        "\ndata: x",
        "\rid: 9",
        "event",
        "\r\nevent: x",
        "\nretry: 1",
        "\u{FEFF}",
        "é",
        "\u{2028}",
        "\u{85}",
        "\u{1F600}",
    ]);
    let piece = prop_oneof![
        pieces.prop_map(str::to_owned),
        any::<char>().prop_map(String::from)
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Text for one line.
fn tricky_line() -> impl Strategy<Value = String> {
    tricky_text().prop_map(|text| text.replace(['\r', '\n', '\0'], ""))
}

/// A block to write, owned.
#[derive(Debug, Clone)]
enum Block {
    Event {
        name: Option<String>,
        id: Option<String>,
        data: Option<String>,
        retry: Option<u64>,
    },
    Comment(String),
    Retry(u64),
    Heartbeat,
}

fn any_block() -> impl Strategy<Value = Block> {
    let event = (
        option::of(tricky_line()),
        option::of(tricky_line()),
        option::of(tricky_text()),
        option::of(any::<u64>()),
    );
    prop_oneof![
        6 => event.prop_map(|(name, id, data, retry)| Block::Event { name, id, data, retry }),
        1 => tricky_line().prop_map(Block::Comment),
        1 => any::<u64>().prop_map(Block::Retry),
        1 => Just(Block::Heartbeat),
    ]
}

fn write(out: &mut Vec<u8>, block: &Block) {
    match block {
        Block::Event {
            name,
            id,
            data,
            retry,
        } => {
            let event = Event {
                name: name.as_deref().map(|name| EventName::new(name).unwrap()),
                id: id.as_deref().map(|id| EventId::new(id).unwrap()),
                data: data.as_deref(),
                retry: *retry,
            };
            write_event(out, &event);
        }
        Block::Comment(text) => write_comment(out, &Comment::new(text).unwrap()),
        Block::Retry(milliseconds) => write_retry(out, *milliseconds),
        Block::Heartbeat => out.extend_from_slice(HEARTBEAT),
    }
}

/// What a reader of `blocks` must see.
fn meaning(blocks: &[Block]) -> Outcome {
    let mut seen = Outcome {
        events: vec![],
        last_event_id: String::new(),
        retry: None,
        error: None,
    };
    for block in blocks {
        match block {
            Block::Event {
                name,
                id,
                data,
                retry,
            } => {
                if let Some(id) = id {
                    seen.last_event_id.clone_from(id);
                }
                seen.retry = retry.or(seen.retry);
                if let Some(data) = data {
                    let name = name.as_deref().filter(|name| !name.is_empty());
                    let name = name.unwrap_or("message").to_owned();
                    seen.events
                        .push((name, with_lf(data), seen.last_event_id.clone()));
                }
            }
            Block::Retry(milliseconds) => seen.retry = Some(*milliseconds),
            Block::Comment(_) | Block::Heartbeat => {}
        }
    }
    seen
}

/// Bytes from the pieces of which streams are made, whole and damaged.
fn tricky_stream() -> impl Strategy<Value = Vec<u8>> {
    let pieces = select(vec![
        b"data: ".as_slice(),
        b"data:",
        b"data",
        b"data: text",
        b"event: ",
        b"event",
        b"id: 1",
        b"id",
        b"id: \0",
        b"retry: 12",
        b"retry: x",
        b": comment",
        b":",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\r",
        b"\r\n\r\n",
        b"\n\r",
        b"\xEF\xBB\xBF",
        b"\xEF\xBB",
        b"\xEF",
        b"\xF0\x9F\x98\x80",
        b"\xF0\x9F",
        b"\xE2\x82",
        b"\xFF",
        b"\x80",
        b"\xC0",
        b"x",
    ]);
    let piece = prop_oneof![
        12 => pieces.prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// `bytes` cut after each of `lengths` in turn, over and over.
fn cut<'a>(mut bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        let length = *lengths.next()?;
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_reads_as_what_was_meant(blocks in vec(any_block(), 0..8)) {
        let mut out = Vec::new();
        for block in &blocks {
            write(&mut out, block);
        }
        prop_assert_eq!(decode(MAX_EVENT, [&out[..]]), meaning(&blocks));
    }

    #[test]
    fn any_cut_of_the_bytes_gives_the_same_events_and_the_same_error(
        stream in tricky_stream(),
        lengths in vec(1_usize..9, 1..6),
        limit in prop_oneof![Just(MAX_EVENT), 0_usize..48],
    ) {
        let whole = decode(limit, [&stream[..]]);
        prop_assert_eq!(&decode(limit, cut(&stream, &lengths)), &whole);
        prop_assert_eq!(&decode(limit, stream.chunks(1)), &whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..512), limit in 0_usize..512) {
        decode(limit, [&bytes[..]]);
    }

    #[test]
    fn every_event_stays_within_the_limit(stream in tricky_stream(), limit in 0_usize..48) {
        let outcome = decode(limit, [&stream[..]]);
        for (name, data, id) in &outcome.events {
            let name = if name == "message" { "" } else { name };
            prop_assert!(name.len() + data.len() + id.len() <= limit);
        }
    }

    #[test]
    fn only_text_that_cannot_forge_a_line_is_accepted(text in tricky_text()) {
        let breaks = text.contains(['\r', '\n']);
        let nul = text.contains('\0');
        prop_assert_eq!(EventName::new(&text).is_ok(), !breaks && !nul);
        prop_assert_eq!(EventId::new(&text).is_ok(), !breaks && !nul);
        prop_assert_eq!(Comment::new(&text).is_ok(), !breaks);
    }

    #[test]
    fn a_block_has_the_lines_it_was_given_and_no_other(block in any_block()) {
        let mut out = Vec::new();
        write(&mut out, &block);
        prop_assert!(!out.contains(&b'\r'));
        let text = String::from_utf8(out).unwrap();
        let fields: Vec<&str> = text.strip_suffix('\n').unwrap().lines().collect();
        let count = |prefix: &str| fields.iter().filter(|line| line.starts_with(prefix)).count();
        let expected = match &block {
            Block::Event { name, id, data, retry } => {
                let lines = data.as_ref().map_or(0, |data| with_lf(data).split('\n').count());
                [usize::from(id.is_some()), usize::from(name.is_some()),
                    usize::from(retry.is_some()), lines, 0]
            }
            Block::Comment(_) | Block::Heartbeat => [0, 0, 0, 0, 1],
            Block::Retry(_) => [0, 0, 1, 0, 0],
        };
        prop_assert_eq!(["id: ", "event: ", "retry: ", "data: ", ":"].map(count), expected);
        prop_assert_eq!(fields.len(), expected.iter().sum::<usize>());
    }

    #[test]
    fn the_limit_never_refuses_a_stream_whose_blocks_fit(blocks in vec(any_block(), 0..8)) {
        let mut out = Vec::new();
        let mut largest = 0;
        let mut longest_id = 0;
        for block in &blocks {
            let start = out.len();
            write(&mut out, block);
            largest = largest.max(out.len() - start);
            if let Block::Event { id: Some(id), .. } = block {
                longest_id = longest_id.max(id.len());
            }
        }
        prop_assert_eq!(decode(largest + longest_id, [&out[..]]), meaning(&blocks));
    }
}
