//! The codecs alone: bytes in, events out, in memory.

use std::hint::black_box;

use barewire::{http, sse, ws};

use crate::client::{KEY, frame, letters};
use crate::{Meter, Round, Scenario};

/// A browser's request for a WebSocket.
const HEAD: &[u8] = b"GET /channels/demo?from=now HTTP/1.1\r\n\
    Host: example.org:9000\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: */*\r\n\
    Accept-Language: en-GB,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Origin: http://example.org:9000\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Connection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\n\r\n";

pub const SCENARIOS: &[Scenario] = &[
    codec("decode-20", || decode(20)),
    codec("decode-20-in-two", || decode_in_two(20)),
    codec("encode-20", || encode(20, None)),
    codec("decode-125", || decode(125)),
    codec("decode-125-in-two", || decode_in_two(125)),
    codec("encode-125", || encode(125, None)),
    codec("decode-1k", || decode(1024)),
    codec("decode-1k-in-two", || decode_in_two(1024)),
    codec("encode-1k", || encode(1024, None)),
    codec("decode-16k", || decode(16 * 1024)),
    codec("decode-16k-in-two", || decode_in_two(16 * 1024)),
    codec("encode-16k", || encode(16 * 1024, None)),
    codec("decode-256k", || decode(256 * 1024)),
    codec("decode-256k-in-two", || decode_in_two(256 * 1024)),
    codec("encode-256k", || encode(256 * 1024, None)),
    codec("encode-1k-masked", || encode(1024, Some(KEY))),
    codec("decode-text-1k", || decode_text(1024)),
    codec("decode-text-1k-in-two", || decode_text_in_two(1024)),
    codec("head-parse", head_parse),
    codec("head-upgrade", head_upgrade),
    codec("sse-encode-125", || sse_encode(125)),
    codec("sse-decode-125", || sse_decode(125, 0)),
    codec("sse-decode-125-in-two", || sse_decode(125, 125 / 2)),
    codec("sse-encode-16k", || sse_encode(16 * 1024)),
    codec("sse-decode-16k", || sse_decode(16 * 1024, 0)),
    codec("sse-decode-16k-in-two", || {
        sse_decode(16 * 1024, 16 * 1024 / 2)
    }),
];

/// A codec has nothing that would differ from round to round, once it is warm.
const fn codec(name: &'static str, prepare: fn() -> Round) -> Scenario {
    Scenario {
        name,
        warm_up: 10,
        rounds: 20,
        prepare,
    }
}

fn binary(size: usize) -> Vec<u8> {
    frame(ws::Message::Binary(letters(size).as_bytes()))
}

/// Text with a letter in sixteen bytes that is not ASCII.
fn text(size: usize) -> String {
    "plain und grün ".repeat(size / 16)
}

/// Where the mask of its header leaves `text` cut inside a character.
fn inside_a_character(frame: &[u8], text: &str) -> usize {
    let header = frame.len() - text.len();
    let middle = text.len() / 2;
    let cut = (middle..).find(|&at| !text.is_char_boundary(at));
    header + cut.expect("there is one in each sixteen bytes")
}

fn decode(size: usize) -> Round {
    decode_cut(binary(size), None)
}

fn decode_in_two(size: usize) -> Round {
    decode_cut(binary(size), Some(size / 2))
}

fn decode_text(size: usize) -> Round {
    decode_cut(frame(ws::Message::Text(&text(size))), None)
}

fn decode_text_in_two(size: usize) -> Round {
    let text = text(size);
    let frame = frame(ws::Message::Text(&text));
    let cut = inside_a_character(&frame, &text);
    decode_cut(frame, Some(cut))
}

/// How many connections a frame that is cut arrives on at the same time: what is kept of it lies between others, as on
/// a server, and what the allocator does for one depends on its neighbours.
const CONNECTIONS: usize = 16;

/// Masked frames, whole or cut. What they are copied from, as from a socket, is not counted.
fn decode_cut(from: Vec<u8>, cut: Option<usize>) -> Round {
    let mut connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| (ws::Decoder::new(ws::Role::Server), from.clone()))
        .collect();
    let cut = cut.unwrap_or(from.len());
    Box::new(move |meter: &mut Meter| {
        let mut seen = 0;
        for (decoder, buffer) in &mut connections {
            buffer.copy_from_slice(&from);
            seen += meter.count(|| decode_all(decoder, black_box(&mut buffer[..cut])));
        }
        if cut < from.len() {
            for (decoder, buffer) in &mut connections {
                seen += meter.count(|| decode_all(decoder, black_box(&mut buffer[cut..])));
            }
        }
        assert_eq!(seen, CONNECTIONS);
        meter.units(CONNECTIONS);
    })
}

/// How many messages were seen.
fn decode_all(decoder: &mut ws::Decoder, input: &mut [u8]) -> usize {
    let limits = ws::Limits::default();
    let (mut at, mut messages) = (0, 0);
    loop {
        match decoder.decode(&mut input[at..], &limits) {
            Ok(ws::Decoded {
                used,
                event: Some(ws::Event::Message(message)),
                ..
            }) => {
                black_box(message);
                messages += 1;
                at += used;
            }
            Ok(_) => return messages,
            Err(error) => panic!("{error}"),
        }
    }
}

/// One message into a buffer that is there already.
fn encode(size: usize, key: Option<[u8; 4]>) -> Round {
    let payload = letters(size);
    let mut out = Vec::with_capacity(size + ws::MAX_HEADER);
    Box::new(move |meter: &mut Meter| {
        out.clear();
        let message = ws::Message::Binary(payload.as_bytes());
        meter.count(|| ws::write_message(&mut out, black_box(message), black_box(key)));
        assert!(out.len() > size);
        meter.units(1);
    })
}

fn head_parse() -> Round {
    let limits = http::HeadLimits::default();
    // On the heap, where its alignment is always the same.
    let head = HEAD.to_vec();
    Box::new(move |meter: &mut Meter| {
        let parsed = meter.count(|| http::RequestHead::parse(black_box(&head), &limits).is_ok());
        assert!(parsed);
        meter.units(1);
    })
}

fn head_upgrade() -> Round {
    let limits = http::HeadLimits::default();
    let head = HEAD.to_vec();
    Box::new(move |meter: &mut Meter| {
        let accepted = meter.count(|| {
            let head = http::RequestHead::parse(black_box(&head), &limits).ok()?;
            let upgrade = ws::handshake::Upgrade::from_request(&head).ok()?;
            Some(upgrade.accept())
        });
        assert!(accepted.is_some());
        meter.units(1);
    })
}

fn stream(size: usize) -> Vec<u8> {
    let data = letters(size);
    format!("id: 1763709279000-0\nevent: price\ndata: {data}\n\n").into_bytes()
}

fn sse_encode(size: usize) -> Round {
    let data = letters(size);
    let mut out = Vec::with_capacity(size + 64);
    Box::new(move |meter: &mut Meter| {
        out.clear();
        meter.count(|| {
            let event = sse::Event {
                id: sse::EventId::new(black_box("1763709279000-0")).ok(),
                name: sse::EventName::new(black_box("price")).ok(),
                ..sse::Event::message(black_box(&data))
            };
            sse::write_event(&mut out, &event);
        });
        assert_eq!(out.len(), stream(size).len());
        meter.units(1);
    })
}

/// One event, whole or cut.
fn sse_decode(size: usize, cut: usize) -> Round {
    let from = stream(size);
    let mut decoder = sse::Decoder::new(sse::MAX_EVENT);
    Box::new(move |meter: &mut Meter| {
        let (one, two) = from.split_at(cut);
        let events: usize = meter.count(|| {
            [one, two]
                .map(|part| {
                    let (_, event) = decoder.decode(black_box(part)).expect("it is no error");
                    usize::from(event.is_some())
                })
                .iter()
                .sum()
        });
        assert_eq!(events, 1);
        meter.units(1);
    })
}
