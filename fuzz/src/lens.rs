//! The lens, on a connection. Input: choices, then pieces: which side has sent each, and how long it is.
//!
//! ```text
//!   [ options ][ cut ]  [ length, and in its top bit the side ][ bytes ]  [ ... ][ ... ]
//! ```
//!
//! Laws:
//! - things of the wire lie one behind the other, from the first byte to the last; readings lie within;
//! - the leaves of each are its bytes, once and in order, and the bits of a byte are eight;
//! - how the bytes are cut changes nothing;
//! - the first problem of a direction of frames is the one that the decoder has, at the frame in which it fails;
//! - a head, or a chunk, is a problem exactly if the codec refuses it.

use barewire::http::{self, BodyDecoder, BodyLength, HeadFinder, HeadLimits, Piece};
use barewire::lens::{
    Answer, Conversation, Direction, Kind, Layer, Options, Place, Side, Span, Thing,
};
use barewire::ws::{self, Decoder, Event, Role};

use super::choice::{Choices, cuts, uncut};

/// Small enough that what is larger occurs.
fn options(choice: u8) -> Options {
    let (shown, event, message) = match choice & 2 {
        0 => (64 * 1024, 256 * 1024, 1024 * 1024),
        _ => (16, 24, 32),
    };
    Options {
        shown,
        event,
        message,
        secrets: choice & 1 != 0,
        ..Options::default()
    }
}

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let (choice, cut) = (choices.byte(), choices.byte());
    let options = options(choice);
    let mut pieces = Vec::new();
    while !choices.is_empty() {
        let head = choices.byte();
        let side = if head & 0x80 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        // The largest length is all that is left.
        let length = match head & 0x7F {
            0x7F => choices.rest().len(),
            length => usize::from(length),
        };
        let rest = choices.rest();
        let (bytes, rest) = rest.split_at(length.min(rest.len()));
        pieces.push((side, bytes));
        choices = Choices::of(rest);
    }
    let closed = choice & 4 == 0;
    check_conversation(&pieces, options, cut, closed);
    for side in [Side::Client, Side::Server] {
        let bytes: Vec<u8> = pieces
            .iter()
            .filter(|(from, _)| *from == side)
            .flat_map(|(_, bytes)| bytes.iter().copied())
            .collect();
        check_direction(side, &bytes, options, cut, closed);
        check_frames(side, &bytes, options, cut, closed);
        check_head(side, &bytes, options);
        check_body(&bytes, options);
    }
}

/// Both sides, each piece of them cut further.
pub fn check_conversation(pieces: &[(Side, &[u8])], options: Options, cut: u8, closed: bool) {
    let whole = converse(pieces, options, None, closed);
    let cut = converse(pieces, options, Some(cut), closed);
    assert_eq!(whole, cut, "how the bytes are cut changes what they mean");
    for side in [Side::Client, Side::Server] {
        let sent = pieces.iter().filter(|(from, _)| *from == side);
        let length = sent.map(|(_, bytes)| bytes.len() as u64).sum();
        let seen: Vec<&Thing> = whole.iter().filter(|thing| thing.from == side).collect();
        check_things(&seen, length);
    }
}

fn converse(
    pieces: &[(Side, &[u8])],
    options: Options,
    cut: Option<u8>,
    closed: bool,
) -> Vec<Thing> {
    let mut seen = Vec::new();
    let mut conversation = Conversation::new(options);
    for (side, bytes) in pieces {
        let ranges = cut.map_or_else(|| uncut(bytes.len()), |cut| cuts(bytes.len(), cut));
        for range in ranges {
            conversation.feed(*side, &bytes[range], &mut |thing| seen.push(thing));
        }
    }
    for side in [Side::Client, Side::Server] {
        conversation.end(side, closed, &mut |thing| seen.push(thing));
    }
    seen
}

/// One direction alone.
fn check_direction(side: Side, bytes: &[u8], options: Options, cut: u8, closed: bool) {
    let read = |ranges: Vec<std::ops::Range<usize>>| {
        let mut seen = Vec::new();
        let mut direction = Direction::new(side, options);
        for range in ranges {
            direction.feed(&bytes[range], &mut |thing| seen.push(thing));
        }
        direction.end(closed, &mut |thing| seen.push(thing));
        seen
    };
    let whole = read(uncut(bytes.len()));
    assert_eq!(whole, read(cuts(bytes.len(), cut)), "the cuts can be seen");
    check_things(&whole.iter().collect::<Vec<_>>(), bytes.len() as u64);
}

/// What holds for all things of one direction with so many bytes.
fn check_things(things: &[&Thing], length: u64) {
    let mut at = 0;
    for thing in things {
        let span = thing.explain();
        assert_eq!((span.offset, span.length), (thing.offset, thing.length));
        match thing.layer() {
            Layer::Wire => {
                assert_eq!(thing.offset, at, "there is a gap before {thing:?}");
                at += thing.length;
                // Of what is cut, there may be nothing.
                if thing.length > 0 || !thing.is_cut {
                    check_leaves(&span);
                }
                assert!(thing.bytes.len() as u64 <= thing.length);
            }
            _ => {
                assert!(thing.length > 0 || matches!(thing.kind, Kind::Message(_)));
                assert!(thing.offset + thing.length <= length);
            }
        }
    }
    assert_eq!(at, length, "not every byte belongs to something");
}

fn check_leaves(span: &Span) {
    let mut at = span.offset;
    for leaf in span.leaves() {
        assert_eq!(leaf.offset, at, "there is a gap before {leaf:?}");
        assert!(leaf.length > 0, "{leaf:?} is empty");
        at += leaf.length;
        let bits: u32 = leaf.bits.iter().map(|bits| u32::from(bits.width)).sum();
        assert!(leaf.bits.is_empty() || (bits, leaf.length) == (8, 1));
        assert!(!leaf.name.is_empty() && !leaf.rule.is_empty());
    }
    assert_eq!(
        at,
        span.offset + span.length,
        "{span:?} has more bytes than leaves"
    );
}

/// Frames are judged as the decoder judges them.
fn check_frames(side: Side, bytes: &[u8], options: Options, cut: u8, closed: bool) {
    let read = |ranges: Vec<std::ops::Range<usize>>| {
        let mut seen = Vec::new();
        let mut direction = Direction::frames(side, options);
        for range in ranges {
            direction.feed(&bytes[range], &mut |thing| seen.push(thing));
        }
        direction.end(closed, &mut |thing| seen.push(thing));
        seen
    };
    let things = read(uncut(bytes.len()));
    assert_eq!(things, read(cuts(bytes.len(), cut)), "the cuts can be seen");
    check_things(&things.iter().collect::<Vec<_>>(), bytes.len() as u64);

    let role = match side {
        Side::Client => Role::Server,
        Side::Server => Role::Client,
    };
    let limits = ws::Limits {
        message: usize::MAX,
        frame: usize::MAX,
        fragments: u32::MAX,
    };
    let mut decoder = Decoder::new(role);
    let mut input = bytes.to_vec();
    let (mut used, mut events, mut closes) = (0, 0, 0);
    let refused = loop {
        match decoder.decode(&mut input[used..], &limits) {
            Err(error) => break Some(error),
            Ok(decoded) => {
                used += decoded.used;
                match decoded.event {
                    None => break None,
                    Some(Event::Close(_)) => closes += 1,
                    Some(_) => {}
                }
                events += 1;
            }
        }
    };
    let problems: Vec<_> = things
        .iter()
        .filter_map(|thing| thing.problem.as_ref())
        .filter(|problem| problem.answer != Answer::Close(1006))
        .collect();
    assert!(
        problems.len() <= 1,
        "what is behind a failed frame is judged"
    );
    match (refused, problems.first()) {
        (None, None) => {}
        (Some(error), Some(problem)) => {
            assert_eq!(problem.says, error.to_string());
            assert_eq!(problem.answer, Answer::Close(error.close_code().as_u16()));
        }
        // The decoder looks no further than it has to; a frame that is not complete may be wrong all the same.
        (refused, problem) => panic!("the decoder says {refused:?}, the lens {problem:?}"),
    }
    // Whole messages and control frames before that.
    let complete = |thing: &&Thing| match &thing.kind {
        Kind::Frame(frame) => {
            let completes = matches!(frame.place, Place::Alone | Place::Last | Place::None);
            completes && thing.problem.is_none() && !thing.is_cut
        }
        _ => false,
    };
    assert_eq!(things.iter().filter(complete).count(), events);
    assert!(closes <= 1);
}

/// The first head is a problem exactly if the codec refuses it.
fn check_head(side: Side, bytes: &[u8], options: Options) {
    let limits = HeadLimits::default();
    let codec = match HeadFinder::default().find(bytes, &limits) {
        Ok(None) => return,
        Err(error) => Err(error),
        Ok(Some(end)) => match side {
            Side::Client => http::RequestHead::parse(&bytes[..end], &limits)
                .and_then(|head| http::request_body_length(&head).and(head.expectation()))
                .map(|_| ()),
            Side::Server => http::ResponseHead::parse(&bytes[..end], &limits)
                .and_then(|head| http::response_body_length(&head, "GET"))
                .map(|_| ()),
        },
    };
    let mut first = None;
    let mut direction = Direction::new(side, options);
    direction.feed(bytes, &mut |thing| {
        first.get_or_insert(thing);
    });
    direction.end(false, &mut |thing| {
        first.get_or_insert(thing);
    });
    let problem = first.and_then(|thing| thing.problem);
    match (codec, problem) {
        (Err(_), Some(_)) | (Ok(()), None) => {}
        // The handshake of a WebSocket has rules of its own.
        (Ok(()), Some(problem)) => assert!(problem.rule.starts_with("RFC 6455"), "{problem:?}"),
        (Err(error), None) => panic!("the lens does not see that {error}"),
    }
}

/// Chunks are cut where the codec cuts them, and refused where it refuses them.
fn check_body(bytes: &[u8], options: Options) {
    let mut data = 0;
    let mut refused = None;
    if let Ok(mut decoder) = BodyDecoder::new(BodyLength::Chunked, u64::MAX) {
        let mut rest = bytes;
        loop {
            match decoder.decode(rest) {
                Ok((used, Piece::Data(piece))) => {
                    data += piece.len() as u64;
                    rest = &rest[used..];
                }
                Ok(_) => break,
                Err(error) => {
                    refused = Some(error.to_string());
                    break;
                }
            }
        }
    }
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut direction = Direction::new(Side::Server, options);
    let (mut seen, mut problem, mut is_body) = (0, None, true);
    let mut sink = |thing: Thing| match &thing.kind {
        Kind::Chunk(chunk) if is_body => {
            let framing = chunk.line as u64;
            seen += chunk.size.min(thing.length.saturating_sub(framing));
            problem = thing.problem.as_ref().map(|problem| problem.says.clone());
            is_body = chunk.size > 0 && problem.is_none();
        }
        _ => {}
    };
    direction.feed(head, &mut sink);
    direction.feed(bytes, &mut sink);
    direction.end(false, &mut sink);
    assert_eq!(problem, refused);
    if refused.is_none() {
        assert_eq!(seen, data);
    }
}
