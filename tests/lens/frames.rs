//! Frames: RFC 6455 5 and 7.4, RFC 7692.

use barewire::lens::{Answer, Direction, Frame, Kind, Options, Place, Side, Thing};

use super::{converse, kinds, rules};

fn frames(side: Side, bytes: &[u8]) -> Vec<Thing> {
    let mut direction = Direction::frames(side, Options::default());
    let mut seen = Vec::new();
    direction.feed(bytes, &mut |thing| seen.push(thing));
    direction.end(true, &mut |thing| seen.push(thing));
    seen
}

fn frame(thing: &Thing) -> &Frame {
    match &thing.kind {
        Kind::Frame(frame) => frame,
        other => panic!("not a frame: {other:?}"),
    }
}

fn refused(side: Side, bytes: &[u8]) -> (&'static str, u16) {
    let seen = frames(side, bytes);
    let problem = seen.into_iter().find_map(|thing| thing.problem);
    let problem = problem.expect("a problem");
    match problem.answer {
        Answer::Close(code) => (problem.rule, code),
        Answer::Status(status) => panic!("a frame is not answered with {status}"),
    }
}

// 5.2 and 5.7

#[test]
fn each_bit_of_a_masked_hello_has_its_meaning() {
    let seen = frames(
        Side::Client,
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    );
    assert_eq!((seen[0].offset, seen[0].length), (0, 11));
    assert_eq!(&*seen[0].payload(), b"Hello");
    let span = seen[0].explain();
    let leaves: Vec<_> = span
        .leaves()
        .iter()
        .map(|leaf| (leaf.name, leaf.offset, leaf.length))
        .collect();
    assert_eq!(
        leaves,
        [
            ("first byte", 0, 1),
            ("second byte", 1, 1),
            ("masking key", 2, 4),
            ("payload", 6, 5)
        ]
    );
    let bits: Vec<_> = span
        .leaves()
        .iter()
        .flat_map(|leaf| &leaf.bits)
        .map(|bits| (bits.name, bits.width, bits.value))
        .collect();
    assert_eq!(
        bits,
        [
            ("FIN", 1, 1),
            ("RSV1", 1, 0),
            ("RSV2", 1, 0),
            ("RSV3", 1, 0),
            ("opcode", 4, 1),
            ("MASK", 1, 1),
            ("length", 7, 5)
        ]
    );
}

#[test]
fn a_longer_length_is_a_leaf_of_its_own() {
    let mut bytes = b"\x82\x7e\x01\x00".to_vec();
    bytes.resize(4 + 256, 7);
    let seen = frames(Side::Server, &bytes);
    let span = seen[0].explain();
    let names: Vec<_> = span.leaves().iter().map(|leaf| leaf.name).collect();
    assert_eq!(
        names,
        ["first byte", "second byte", "extended length", "payload"]
    );
}

#[test]
fn what_is_wrong_with_a_header_is_said_with_its_section_and_code() {
    for (bytes, rule) in [
        (&b"\x83\x00"[..], "RFC 6455 5.2"),
        (b"\xc1\x00", "RFC 6455 5.2"),
        (b"\x82\x7e\x00\x05abcde", "RFC 6455 5.2"),
        (b"\x82\x7f\x80\0\0\0\0\0\0\0", "RFC 6455 5.2"),
        (b"\x81\x80\0\0\0\0", "RFC 6455 5.1"),
        (b"\x80\x00", "RFC 6455 5.4"),
        (b"\x01\x00\x81\x00", "RFC 6455 5.4"),
        (b"\x09\x00", "RFC 6455 5.5"),
        (b"\x89\x7e\x00\x7e", "RFC 6455 5.5"),
        (b"\x88\x01\x03", "RFC 6455 5.5.1"),
        (b"\x88\x02\x03\xed", "RFC 6455 7.4.1"),
        (b"\x88\x02\x07\xd0", "RFC 6455 7.4.2"),
    ] {
        assert_eq!(refused(Side::Server, bytes), (rule, 1002), "{bytes:?}");
    }
    assert_eq!(refused(Side::Client, b"\x81\x00"), ("RFC 6455 5.1", 1002));
}

#[test]
fn a_frame_that_is_reserved_is_shown_and_those_behind_it_are_not_judged() {
    let seen = frames(Side::Server, b"\xf3\x01a\x81\x81\0\0\0\0b\x81\x01c");
    assert_eq!(kinds(&seen), ["frame"; 3]);
    assert_eq!(rules(&seen), ["RFC 6455 5.2"]);
    assert_eq!(
        (
            frame(&seen[0]).opcode().as_ref(),
            frame(&seen[0]).header.rsv
        ),
        ("reserved-3", 7)
    );
    assert_eq!(frame(&seen[1]).place, Place::Ignored);
    assert_eq!(&*seen[1].payload(), b"b");
}

// 5.4

#[test]
fn a_message_in_fragments_has_its_frames_and_the_ping_between_them_has_not() {
    let seen = frames(Side::Server, b"\x01\x03Hel\x89\x01!\x80\x02lo");
    assert_eq!(kinds(&seen), ["frame", "frame", "frame", "message"]);
    let places: Vec<_> = seen[..3].iter().map(|thing| frame(thing).place).collect();
    assert_eq!(places, [Place::First, Place::None, Place::Last]);
    let Kind::Message(message) = &seen[3].kind else {
        unreachable!()
    };
    assert_eq!((message.length, message.frames), (5, 2));
    assert_eq!(message.parts, [(0, 5), (8, 4)]);
    assert_eq!((seen[3].offset, seen[3].length), (0, 12));
}

// 5.5.1 and 7.4

#[test]
fn a_close_frame_says_why() {
    let seen = frames(Side::Server, b"\x88\x06\x03\xe9gone\x81\x01a");
    assert_eq!(frame(&seen[0]).close, Some((1001, "gone".to_owned())));
    assert_eq!(frame(&seen[1]).place, Place::Ignored);
    assert_eq!(rules(&seen), [""; 0]);
}

// 8.1

#[test]
fn text_that_is_not_utf_8_is_said_of_its_frame() {
    assert_eq!(
        refused(Side::Server, b"\x81\x01\xff"),
        ("RFC 6455 8.1", 1007)
    );
    assert_eq!(
        refused(Side::Server, b"\x88\x03\x03\xe8\xff"),
        ("RFC 6455 5.5.1", 1007)
    );
    let seen = frames(Side::Server, b"\x01\x01\xc3\x80\x01(");
    assert!(seen[0].problem.is_none() && seen[1].problem.is_some());
}

// 7.1.5

#[test]
fn a_frame_that_the_connection_cuts_is_shown_as_far_as_it_came() {
    let seen = frames(Side::Server, b"\x81\x05Hel");
    assert!(seen[0].is_cut);
    assert_eq!((seen[0].length, &*seen[0].payload()), (5, &b"Hel"[..]));
    assert_eq!(
        refused(Side::Server, b"\x81\x05Hel"),
        ("RFC 6455 7.1.5", 1006)
    );
    assert_eq!(refused(Side::Server, b"\x81"), ("RFC 6455 7.1.5", 1006));
}

// RFC 7692

const OFFER: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

#[test]
fn a_compressed_message_is_known_as_one() {
    // 7.2.3.1 and 7.2.3.2: the second refers to the first.
    let messages = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00";
    let seen = converse(&[
        (Side::Client, OFFER),
        (Side::Server, ANSWER),
        (Side::Server, messages),
    ]);
    assert_eq!(rules(&seen), [""; 0]);
    for thing in &seen[2..] {
        assert!(frame(thing).compressed);
        #[cfg(feature = "deflate")]
        assert_eq!(
            frame(thing).inflated.as_ref().map(|text| &*text.bytes),
            Some(&b"Hello"[..])
        );
    }
}

#[cfg(feature = "deflate")]
#[test]
fn what_cannot_be_inflated_is_said() {
    let seen = converse(&[
        (Side::Client, OFFER),
        (Side::Server, ANSWER),
        (Side::Server, b"\xc1\x02\xff\xff"),
    ]);
    assert_eq!(rules(&seen), ["RFC 7692 7.2.2"]);
}
