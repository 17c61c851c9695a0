//! A frame: the bits of its header, its key, its payload (RFC 6455 5.2); and the frames of a message (5.4).

use super::{Parts, bytes, leaf, span};
use crate::lens::problem::close_code_means;
use crate::lens::span::{Bits, Span};
use crate::lens::thing::{Frame, Message, Place, Thing};
use crate::ws::Kind;

const HEADER: &str = "RFC 6455 5.2";

pub(super) fn frame(thing: &Thing, seen: &Frame) -> Span {
    let mut frame = Parts::of("frame", thing, what(seen), rule(seen));
    let mut header = frame.inner(
        "header",
        seen.header_len as u64,
        "What the frame is, and how long",
        HEADER,
    );
    let first = "The last frame of its message or not, extensions, and what it is";
    header.byte("first byte", first_byte(seen), first.to_owned(), HEADER);
    let second = "Masked or not, and how long the payload is or how that is written";
    header.byte("second byte", second_byte(seen), second.to_owned(), HEADER);
    let extended: u64 = match seen.header.short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let length = bytes(seen.header.length);
    header.part(
        "extended length",
        extended,
        format!("The payload has {length}, in network byte order"),
        HEADER,
    );
    if let Some(key) = seen.header.mask {
        let key = u32::from_be_bytes(key);
        let means = format!(
            "Each byte of the payload was combined by XOR with one of {key:08x}, in turn, so that what a page sends \
             can't look like a request to a proxy on the way"
        );
        header.part("masking key", 4, means, "RFC 6455 5.3");
    }
    let header = header.done("header", "Not all of a header", HEADER);
    frame.push(header);
    if seen.close.is_some() {
        close(&mut frame, seen);
    }
    let payload = match (seen.header.mask, seen.compressed) {
        (_, true) => "The payload, compressed",
        (Some(_), false) => "The payload, masked",
        (None, false) => "The payload",
    };
    frame.done(
        "payload",
        payload,
        if seen.compressed {
            "RFC 7692 6"
        } else {
            HEADER
        },
    )
}

fn rule(frame: &Frame) -> &'static str {
    match frame.header.opcode {
        0..=2 => "RFC 6455 5.6",
        8 => "RFC 6455 5.5.1",
        9 => "RFC 6455 5.5.2",
        10 => "RFC 6455 5.5.3",
        _ => HEADER,
    }
}

fn what(frame: &Frame) -> String {
    if frame.place == Place::Ignored {
        return "A frame that nobody listens to".to_owned();
    }
    let kind = match frame.header.opcode {
        1 => "text",
        2 => "bytes",
        _ => "a message",
    };
    match (frame.header.opcode, frame.place) {
        (0..=2, Place::Alone) => format!("A message of {kind}, in one frame"),
        (0..=2, Place::First) => format!("The first frame of a message of {kind}"),
        (0..=2, Place::Middle) => "A frame of a message, neither the first nor the last".to_owned(),
        (0..=2, _) => "The last frame of a message".to_owned(),
        (8, _) => match &frame.close {
            Some((code, _)) => {
                format!(
                    "The connection is to be closed: {code}, {}",
                    close_code_means(*code)
                )
            }
            None => "The connection is to be closed, without a reason".to_owned(),
        },
        (9, _) => "A question whether the peer is there, to be answered with a pong".to_owned(),
        (10, _) => "The answer to a ping, or a sign of life".to_owned(),
        _ => "A frame of a kind that is reserved".to_owned(),
    }
}

fn bits(name: &'static str, width: u8, value: u8, meaning: impl Into<String>) -> Bits {
    Bits {
        name,
        width,
        value,
        meaning: meaning.into(),
    }
}

fn first_byte(frame: &Frame) -> Vec<Bits> {
    let header = &frame.header;
    let reserved = |bit: u8| {
        let value = header.rsv >> bit & 1;
        let means = match (bit, value) {
            (_, 0) => "not in use",
            (2, _) if frame.compressed => "the message is compressed (RFC 7692 6)",
            _ => "reserved for extensions",
        };
        (value, means)
    };
    let ((one, means_one), (two, means_two), (three, means_three)) =
        (reserved(2), reserved(1), reserved(0));
    let fin = match header.fin {
        true => "the last frame of its message",
        false => "more frames of this message follow",
    };
    vec![
        bits("FIN", 1, header.fin.into(), fin),
        bits("RSV1", 1, one, means_one),
        bits("RSV2", 1, two, means_two),
        bits("RSV3", 1, three, means_three),
        bits("opcode", 4, header.opcode, frame.opcode()),
    ]
}

fn second_byte(frame: &Frame) -> Vec<Bits> {
    let header = &frame.header;
    let mask = match header.mask {
        Some(_) => "the payload is masked, as a client's has to be",
        None => "the payload is not masked, as a server's has to be",
    };
    let length = match header.short {
        126 => "the length follows, in 16 bits".to_owned(),
        127 => "the length follows, in 64 bits".to_owned(),
        short => format!("the payload has {}", bytes(short.into())),
    };
    vec![
        bits("MASK", 1, header.mask.is_some().into(), mask),
        bits("length", 7, header.short, length),
    ]
}

fn close(frame: &mut Parts<'_>, seen: &Frame) {
    let Some((code, reason)) = &seen.close else {
        return;
    };
    let means = format!("{code}: {}", close_code_means(*code));
    let length = frame.left();
    let mut payload = frame.inner("payload", length, "Why it is closed", "RFC 6455 5.5.1");
    payload.part("code", 2, means, "RFC 6455 7.4.1");
    let payload = payload.done(
        "reason",
        &format!("For people: {reason:?}"),
        "RFC 6455 7.1.6",
    );
    frame.push(payload);
}

pub(super) fn message(thing: &Thing, seen: &Message) -> Span {
    let kind = match seen.kind {
        Kind::Text => "text",
        Kind::Binary => "bytes",
    };
    let (frames, length) = (seen.frames, bytes(seen.length));
    let means = format!("A message of {kind}, {length} in {frames} frames");
    let mut whole = leaf("message", thing, means, "RFC 6455 5.4");
    let part = |&(offset, length)| span("frame", offset, length, "A part of it", "RFC 6455 5.4");
    whole.parts = seen.parts.iter().map(part).collect();
    whole
}
