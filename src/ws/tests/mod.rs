//! The decoder and the writers against RFC 6455, section by section, with the bytes written out.
//!
//! Every case is decoded three times: whole, byte by byte, and in pieces of three, which must not
//! make a difference.

use super::*;

mod limits;
mod utf8;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// An event that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Seen {
        match event {
            Event::Message(Message::Text(text)) => Seen::Text(text.into()),
            Event::Message(Message::Binary(bytes)) => Seen::Binary(bytes.into()),
            Event::Ping(payload) => Seen::Ping(payload.into()),
            Event::Pong(payload) => Seen::Pong(payload.into()),
            Event::Close(close) => {
                Seen::Close(close.map(|close| (close.code.as_u16(), close.reason.into())))
            }
        }
    }
}

fn text(text: &str) -> Seen {
    Seen::Text(text.into())
}

/// Feeds the bytes in pieces of `size`: the events, and the error at the end of them.
fn feed(
    decoder: &mut Decoder,
    bytes: &[u8],
    size: usize,
    limits: &Limits,
) -> (Vec<Seen>, Option<Error>) {
    let mut bytes = bytes.to_vec();
    let mut seen = Vec::new();
    for piece in bytes.chunks_mut(size) {
        let mut used = 0;
        loop {
            match decoder.decode(&mut piece[used..], limits) {
                Err(error) => return (seen, Some(error)),
                Ok(Decoded { used: more, event }) => {
                    used += more;
                    match event {
                        Some(event) => seen.push(event.into()),
                        None => break,
                    }
                }
            }
        }
        assert_eq!(
            used,
            piece.len(),
            "without an event, all of the input is used"
        );
    }
    (seen, None)
}

fn decode(role: Role, limits: &Limits, bytes: &[u8]) -> (Vec<Seen>, Option<Error>) {
    let whole = feed(&mut Decoder::new(role), bytes, usize::MAX, limits);
    for size in [1, 3] {
        let cut = feed(&mut Decoder::new(role), bytes, size, limits);
        assert_eq!(cut, whole, "in pieces of {size}");
    }
    whole
}

/// What a client sees of these bytes from a server.
fn client_sees(bytes: &[u8]) -> (Vec<Seen>, Option<Error>) {
    decode(Role::Client, &Limits::default(), bytes)
}

/// What a server sees of these bytes from a client.
fn server_sees(bytes: &[u8]) -> (Vec<Seen>, Option<Error>) {
    decode(Role::Server, &Limits::default(), bytes)
}

fn fails(error: Error, code: CloseCode) -> (Vec<Seen>, Option<Error>) {
    assert_eq!(error.close_code(), code);
    (vec![], Some(error))
}

fn protocol_error(error: Error) -> (Vec<Seen>, Option<Error>) {
    fails(error, CloseCode::PROTOCOL_ERROR)
}

// 5.1 Overview

#[test]
fn a_server_must_close_upon_a_frame_that_is_not_masked() {
    assert_eq!(
        server_sees(b"\x81\x05Hello"),
        protocol_error(Error::NotMasked)
    );
    assert_eq!(server_sees(b"\x89\x00"), protocol_error(Error::NotMasked));
}

#[test]
fn a_client_must_close_upon_a_frame_that_is_masked() {
    let hello = [
        0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ];
    assert_eq!(client_sees(&hello), protocol_error(Error::Masked));
    assert_eq!(
        client_sees(b"\x81\x80\0\0\0\0"),
        protocol_error(Error::Masked)
    );
}

// 5.2 Base framing protocol

#[test]
fn reserved_bits_must_be_zero_without_an_extension() {
    for first in [0xC1, 0xA1, 0x91, 0xF1, 0xC9, 0xC0] {
        assert_eq!(
            client_sees(&[first, 0]),
            protocol_error(Error::ReservedBits)
        );
    }
}

#[test]
fn an_unknown_opcode_must_fail_the_connection() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_eq!(
            client_sees(&[0x80 | opcode, 0]),
            protocol_error(Error::ReservedOpcode(opcode))
        );
    }
}

#[test]
fn the_minimal_number_of_bytes_must_be_used_for_the_length() {
    assert_eq!(
        client_sees(b"\x82\x7E\x00\x01x"),
        protocol_error(Error::LengthNotMinimal)
    );
    assert_eq!(
        client_sees(b"\x82\x7F\x00\x00\x00\x00\x00\x00\x00\x01x"),
        protocol_error(Error::LengthNotMinimal)
    );
}

#[test]
fn the_most_significant_bit_of_a_64_bit_length_must_be_0() {
    let refused = client_sees(b"\x82\x7F\x80\x00\x00\x00\x00\x01\x00\x00");
    assert_eq!(refused, protocol_error(Error::LengthTopBit));
}

// 5.3 Client-to-server masking

#[test]
fn the_payload_length_and_the_key_are_those_of_each_frame() {
    let mut bytes = Vec::new();
    write_message(&mut bytes, "one".into(), Some([1, 2, 3, 4]));
    write_message(&mut bytes, "three".into(), Some([0, 0, 0, 0]));
    write_message(&mut bytes, b"\xFF\x00".into(), Some(KEY));
    assert_eq!(
        server_sees(&bytes),
        (
            vec![text("one"), text("three"), Seen::Binary(vec![0xFF, 0])],
            None
        )
    );
}

#[test]
fn the_mask_is_taken_off_in_the_callers_buffer_and_lent_from_there() {
    let mut bytes = [
        0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ];
    let start = bytes.as_ptr() as usize + 6;
    let mut decoder = Decoder::new(Role::Server);
    let decoded = decoder.decode(&mut bytes, &Limits::default()).unwrap();
    assert_eq!(decoded.used, 11);
    let Some(Event::Message(Message::Text(hello))) = decoded.event else {
        panic!("not text: {decoded:?}");
    };
    assert_eq!((hello, hello.as_ptr() as usize), ("Hello", start));
    assert!(decoder.is_idle());
}

#[test]
fn what_follows_the_first_frame_is_not_touched() {
    let mut bytes = *b"\x81\x02hi\x82\x01x";
    let decoded = Decoder::new(Role::Client)
        .decode(&mut bytes, &Limits::default())
        .unwrap()
        .used;
    assert_eq!((decoded, &bytes[decoded..]), (4, &b"\x82\x01x"[..]));
}

// 5.4 Fragmentation

#[test]
fn fragments_are_joined_in_the_order_they_were_sent() {
    assert_eq!(
        client_sees(b"\x01\x03Hel\x00\x01l\x80\x01o"),
        (vec![text("Hello")], None)
    );
    assert_eq!(
        client_sees(b"\x02\x01\xFF\x80\x01\xFE"),
        (vec![Seen::Binary(vec![0xFF, 0xFE])], None)
    );
}

#[test]
fn a_message_that_came_in_pieces_may_be_taken_and_the_next_one_is_whole() {
    let mut decoder = Decoder::new(Role::Client);
    let limits = Limits::default();
    let mut bytes = *b"\x02\x01a\x80\x01b\x01\x01c\x80\x01d\x82\x01e";
    let decoded = decoder.decode(&mut bytes, &limits).unwrap();
    assert_eq!(decoded.event, Some(Event::Message(Message::Binary(b"ab"))));
    let used = decoded.used;
    assert_eq!(decoder.take_message().as_deref(), Some(&b"ab"[..]));
    assert_eq!(decoder.take_message(), None);
    let decoded = decoder.decode(&mut bytes[used..], &limits).unwrap();
    assert_eq!(decoded.event, Some(Event::Message(Message::Text("cd"))));
    let used = used + decoded.used;
    let decoded = decoder.decode(&mut bytes[used..], &limits).unwrap();
    assert_eq!(decoded.event, Some(Event::Message(Message::Binary(b"e"))));
    // That one lay in the input.
    assert_eq!(decoder.take_message(), None);
}

#[test]
fn fragments_may_be_empty() {
    assert_eq!(
        client_sees(b"\x01\x00\x00\x00\x80\x00"),
        (vec![text("")], None)
    );
    assert_eq!(
        client_sees(b"\x02\x00\x00\x01x\x80\x00"),
        (vec![Seen::Binary(b"x".to_vec())], None)
    );
}

#[test]
fn control_frames_may_be_injected_in_the_middle_of_a_fragmented_message() {
    let seen = client_sees(b"\x01\x03Hel\x89\x02hi\x00\x01l\x8A\x00\x80\x01o");
    let expected = vec![
        Seen::Ping(b"hi".to_vec()),
        Seen::Pong(vec![]),
        text("Hello"),
    ];
    assert_eq!(seen, (expected, None));
}

#[test]
fn control_frames_must_not_be_fragmented() {
    for first in [0x08, 0x09, 0x0A] {
        assert_eq!(
            client_sees(&[first, 0]),
            protocol_error(Error::ControlFragmented)
        );
    }
}

#[test]
fn fragments_of_one_message_must_not_be_interleaved_with_another() {
    assert_eq!(
        client_sees(b"\x01\x03Hel\x81\x01x"),
        protocol_error(Error::MessageNotFinished)
    );
    assert_eq!(
        client_sees(b"\x02\x03Hel\x01\x01x"),
        protocol_error(Error::MessageNotFinished)
    );
}

#[test]
fn a_continuation_must_continue_something() {
    assert_eq!(
        client_sees(b"\x80\x01x"),
        protocol_error(Error::NothingToContinue)
    );
    assert_eq!(
        client_sees(b"\x00\x01x"),
        protocol_error(Error::NothingToContinue)
    );
    let (seen, error) = client_sees(b"\x01\x00\x80\x00\x80\x00");
    assert_eq!(
        (seen, error),
        (vec![text("")], Some(Error::NothingToContinue))
    );
}

#[test]
fn a_message_may_be_written_while_its_size_is_unknown() {
    let mut out = Vec::new();
    let mut message = Fragmenter::start(Kind::Text);
    message.write(&mut out, b"sm\xC3", None).unwrap();
    message.write(&mut out, b"", None).unwrap();
    message.write(&mut out, b"\xB8r", None).unwrap();
    message.finish(&mut out, b"", None).unwrap();
    assert_eq!(out, b"\x01\x03sm\xC3\x00\x00\x00\x02\xB8r\x80\x00");
    assert_eq!(client_sees(&out), (vec![text("smør")], None));
}

#[test]
fn a_message_that_is_finished_at_once_is_one_frame() {
    let mut out = Vec::new();
    Fragmenter::start(Kind::Binary)
        .finish(&mut out, b"\xFF", Some(KEY))
        .unwrap();
    assert_eq!(out, b"\x82\x81\x37\xFA\x21\x3D\xC8");
}

#[test]
fn a_fragment_that_makes_text_impossible_is_refused_and_nothing_of_it_written() {
    let mut out = Vec::new();
    let mut message = Fragmenter::start(Kind::Text);
    message.write(&mut out, b"\xC3", None).unwrap();
    let before = out.clone();
    assert_eq!(message.write(&mut out, b"x", None), Err(Error::InvalidUtf8));
    assert_eq!(out, before);
    message.write(&mut out, b"\xA5", None).unwrap();
    assert_eq!(
        message.finish(&mut out, b"\xE2\x82", None),
        Err(Error::InvalidUtf8)
    );
    assert_eq!(out, b"\x01\x01\xC3\x00\x01\xA5");
}

// 5.5 Control frames

#[test]
fn a_control_frame_must_not_carry_more_than_125_bytes() {
    let mut ping = vec![0x89, 125];
    ping.extend([b'p'; 125]);
    assert_eq!(
        client_sees(&ping),
        (vec![Seen::Ping(vec![b'p'; 125])], None)
    );
    assert_eq!(
        client_sees(b"\x89\x7E\x00\x7E"),
        protocol_error(Error::ControlTooLong)
    );

    let mut out = Vec::new();
    assert_eq!(
        write_ping(&mut out, &[b'p'; 126], None),
        Err(Error::ControlTooLong)
    );
    assert_eq!(
        write_pong(&mut out, &[b'p'; 126], None),
        Err(Error::ControlTooLong)
    );
    assert_eq!(out, b"");
    write_ping(&mut out, &[b'p'; 125], None).unwrap();
    assert_eq!(out, ping);
}

// 5.5.1 Close

#[test]
fn a_close_frame_may_have_a_code_and_a_reason() {
    let going = Some((1001, "bye".to_string()));
    assert_eq!(
        client_sees(b"\x88\x05\x03\xE9bye"),
        (vec![Seen::Close(going)], None)
    );
    assert_eq!(client_sees(b"\x88\x00"), (vec![Seen::Close(None)], None));
}

#[test]
fn the_body_of_a_close_frame_must_begin_with_a_2_byte_code() {
    assert_eq!(
        client_sees(b"\x88\x01\x03"),
        protocol_error(Error::CloseTooShort)
    );
}

#[test]
fn the_reason_of_a_close_frame_must_be_utf_8() {
    let refused = client_sees(b"\x88\x04\x03\xE8\xC3\x28");
    assert_eq!(
        refused,
        fails(Error::InvalidUtf8, CloseCode::INVALID_PAYLOAD)
    );
}

#[test]
fn what_follows_a_close_frame_is_ignored() {
    let seen = client_sees(b"\x88\x02\x03\xE8\x81\x01x\xFF\xFF\xFF");
    assert_eq!(seen, (vec![Seen::Close(Some((1000, String::new())))], None));
    let seen = client_sees(b"\x01\x01x\x88\x00\x80\x01x");
    assert_eq!(seen, (vec![Seen::Close(None)], None));
}

#[test]
fn a_close_frame_is_written_with_or_without_a_body() {
    let mut out = Vec::new();
    write_close(&mut out, None, None);
    write_close(
        &mut out,
        Some(Close::new(CloseCode::GOING_AWAY, "bye").unwrap()),
        Some([0; 4]),
    );
    assert_eq!(out, b"\x88\x00\x88\x85\0\0\0\0\x03\xE9bye");
}

#[test]
fn a_reason_that_was_not_checked_is_cut_at_a_character() {
    let reason = "x".repeat(122) + "ø";
    let mut out = Vec::new();
    write_close(
        &mut out,
        Some(Close {
            code: CloseCode::NORMAL,
            reason: &reason,
        }),
        None,
    );
    assert_eq!(out[..2], [0x88, 124]);
    let seen = client_sees(&out);
    assert_eq!(
        seen,
        (vec![Seen::Close(Some((1000, "x".repeat(122))))], None)
    );
}

// 5.5.2 Ping, 5.5.3 Pong

#[test]
fn a_ping_is_answered_with_its_own_payload() {
    let mut out = Vec::new();
    let mut bytes = *b"\x89\x05Hello";
    let mut decoder = Decoder::new(Role::Client);
    if let Some(Event::Ping(payload)) = decoder
        .decode(&mut bytes, &Limits::default())
        .unwrap()
        .event
    {
        write_pong(&mut out, payload, Some(KEY)).unwrap();
    }
    assert_eq!(
        out,
        [
            0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58
        ]
    );
}

#[test]
fn a_pong_may_come_unasked() {
    assert_eq!(
        client_sees(b"\x8A\x02hi"),
        (vec![Seen::Pong(b"hi".to_vec())], None)
    );
}

// 5.6 Data frames

#[test]
fn the_whole_text_must_be_utf_8_though_a_fragment_need_not_be() {
    assert_eq!(
        client_sees(b"\x01\x02x\xE2\x00\x01\x82\x80\x02\xACx"),
        (vec![text("x€x")], None)
    );
    let refused = fails(Error::InvalidUtf8, CloseCode::INVALID_PAYLOAD);
    assert_eq!(client_sees(b"\x81\x02x\xE2"), refused);
    assert_eq!(client_sees(b"\x01\x02x\xE2\x80\x00"), refused);
    assert_eq!(client_sees(b"\x01\x02x\xE2\x80\x01x"), refused);
}

#[test]
fn binary_may_be_any_bytes() {
    assert_eq!(
        client_sees(b"\x82\x03\xFF\xC0\x00"),
        (vec![Seen::Binary(vec![0xFF, 0xC0, 0])], None)
    );
    assert_eq!(client_sees(b"\x82\x00"), (vec![Seen::Binary(vec![])], None));
}

// 5.7 Examples

#[test]
fn a_single_frame_unmasked_text_message() {
    let bytes = [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F];
    assert_eq!(client_sees(&bytes), (vec![text("Hello")], None));
    let mut out = Vec::new();
    write_message(&mut out, "Hello".into(), None);
    assert_eq!(out, bytes);
}

#[test]
fn a_single_frame_masked_text_message() {
    let bytes = [
        0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ];
    assert_eq!(server_sees(&bytes), (vec![text("Hello")], None));
    let mut out = Vec::new();
    write_message(&mut out, "Hello".into(), Some(KEY));
    assert_eq!(out, bytes);
}

#[test]
fn a_fragmented_unmasked_text_message() {
    let bytes = [0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F];
    assert_eq!(client_sees(&bytes), (vec![text("Hello")], None));
    let mut out = Vec::new();
    let mut message = Fragmenter::start(Kind::Text);
    message.write(&mut out, b"Hel", None).unwrap();
    message.finish(&mut out, b"lo", None).unwrap();
    assert_eq!(out, bytes);
}

#[test]
fn an_unmasked_ping_and_its_masked_response() {
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F];
    assert_eq!(
        client_sees(&ping),
        (vec![Seen::Ping(b"Hello".to_vec())], None)
    );
    let mut out = Vec::new();
    write_ping(&mut out, b"Hello", None).unwrap();
    assert_eq!(out, ping);

    let pong = [
        0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ];
    assert_eq!(
        server_sees(&pong),
        (vec![Seen::Pong(b"Hello".to_vec())], None)
    );
}

#[test]
fn a_256_byte_binary_message_in_a_single_unmasked_frame() {
    let payload: Vec<u8> = (0..=255).collect();
    let bytes = [&[0x82, 0x7E, 0x01, 0x00], &payload[..]].concat();
    let mut out = Vec::new();
    write_message(&mut out, (&payload).into(), None);
    assert_eq!(out, bytes);
    assert_eq!(client_sees(&bytes), (vec![Seen::Binary(payload)], None));
}

#[test]
fn a_64_kib_binary_message_in_a_single_unmasked_frame() {
    let payload = vec![0xA5; 65536];
    let bytes = [&[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], &payload[..]].concat();
    let mut out = Vec::new();
    write_message(&mut out, (&payload).into(), None);
    assert_eq!(out, bytes);
    assert_eq!(client_sees(&bytes), (vec![Seen::Binary(payload)], None));
}

// 5.8 Extensibility: nothing is negotiated here, see the reserved bits and opcodes of 5.2

// 7.1.7 Fail the WebSocket connection

#[test]
fn after_an_error_nothing_is_looked_at_and_the_error_stays() {
    let mut decoder = Decoder::new(Role::Client);
    let limits = Limits::default();
    assert_eq!(
        decoder.decode(&mut [0x81, 1, 0xFF], &limits),
        Err(Error::InvalidUtf8)
    );
    assert_eq!(
        decoder.decode(&mut [0x81, 1, b'x'], &limits),
        Err(Error::InvalidUtf8)
    );
    assert_eq!(decoder.decode(&mut [], &limits), Err(Error::InvalidUtf8));
    assert!(decoder.is_idle());
}

#[test]
fn what_came_before_the_error_is_delivered() {
    let (seen, error) = client_sees(b"\x81\x01a\x01\x01b\x89\x01p\x81\x00");
    assert_eq!(seen, [text("a"), Seen::Ping(b"p".to_vec())]);
    assert_eq!(error, Some(Error::MessageNotFinished));
}

// 7.4.1 Defined status codes, 7.4.2 Reserved status code ranges

#[test]
fn a_code_that_must_not_be_in_a_close_frame_fails_the_connection() {
    for code in [
        0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        let [high, low] = code.to_be_bytes();
        let refused = client_sees(&[0x88, 2, high, low]);
        assert_eq!(refused, protocol_error(Error::InvalidCloseCode(code)));
    }
    for code in [
        1000u16, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999,
    ] {
        let [high, low] = code.to_be_bytes();
        let taken = client_sees(&[0x88, 2, high, low]);
        assert_eq!(
            taken,
            (vec![Seen::Close(Some((code, String::new())))], None)
        );
    }
}

#[test]
fn every_error_fits_into_a_close_frame_as_the_reason() {
    let errors = [
        Error::ReservedOpcode(15),
        Error::ReservedBits,
        Error::LengthNotMinimal,
        Error::LengthTopBit,
        Error::NotMasked,
        Error::Masked,
        Error::ControlFragmented,
        Error::ControlTooLong,
        Error::NothingToContinue,
        Error::MessageNotFinished,
        Error::InvalidUtf8,
        Error::CloseTooShort,
        Error::InvalidCloseCode(65535),
        Error::CloseReasonTooLong,
        Error::FrameTooBig,
        Error::MessageTooBig,
        Error::TooManyFragments,
    ];
    for error in errors {
        assert!(
            Close::new(error.close_code(), &error.to_string()).is_ok(),
            "{error}"
        );
    }
}
