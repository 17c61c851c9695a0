mod negotiation;
mod reach;

use super::*;
use crate::ws::{self, Decoder, Error, Event, Limits, Message, Role};

fn inflated(payload: &[u8]) -> Result<Vec<u8>, Error> {
    Inflater::new(WindowBits::MAX, false)
        .inflate(payload, 1 << 20)
        .map(<[u8]>::to_vec)
}

fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(Deflater::new(LEVEL, WindowBits::MAX, false).deflate(message, &mut out));
    out
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

// RFC 7692 7.2.3: the examples

#[test]
fn hello_in_one_block() {
    // 7.2.3.1
    let payload = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    assert_eq!(inflated(&payload), Ok(b"Hello".to_vec()));
    let mut frames = [&[0xC1, 0x07], &payload[..]].concat();
    assert_eq!(decoded(&mut frames), Ok(vec![text("Hello")]));
    let mut frames = [&[0x41, 0x03], &payload[..3], &[0x80, 0x04], &payload[3..]].concat();
    assert_eq!(decoded(&mut frames), Ok(vec![text("Hello")]));
}

#[test]
fn hello_twice_with_the_window_kept() {
    // 7.2.3.2
    let first = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let second = [0xF2, 0x00, 0x11, 0x00, 0x00];
    let mut inflater = Inflater::new(WindowBits::MAX, true);
    assert_eq!(inflater.inflate(&first, 5), Ok(&b"Hello"[..]));
    assert_eq!(inflater.inflate(&second, 5), Ok(&b"Hello"[..]));
    // Who keeps nothing can't know what is meant.
    assert_eq!(inflated(&second), Err(Error::Deflate));
}

#[test]
fn hello_in_a_block_without_compression() {
    // 7.2.3.3
    let payload = [
        0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00,
    ];
    assert_eq!(inflated(&payload), Ok(b"Hello".to_vec()));
}

#[test]
fn hello_in_a_block_with_bfinal_set() {
    // 7.2.3.4
    let payload = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    assert_eq!(inflated(&payload), Ok(b"Hello".to_vec()));
    // Also without the byte that is appended there, and also when more messages follow.
    assert_eq!(inflated(&payload[..7]), Ok(b"Hello".to_vec()));
    let mut inflater = Inflater::new(WindowBits::MAX, true);
    for _ in 0..3 {
        assert_eq!(inflater.inflate(&payload, 5), Ok(&b"Hello"[..]));
        assert_eq!(inflater.inflate(&payload[..7], 5), Ok(&b"Hello"[..]));
    }
    assert_eq!(
        inflater.inflate(&[0xF2, 0x00, 0x11, 0x00, 0x00], 5),
        Ok(&b"Hello"[..])
    );
}

#[test]
fn hello_in_two_blocks() {
    // 7.2.3.5
    let payload = [
        0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00,
    ];
    assert_eq!(inflated(&payload), Ok(b"Hello".to_vec()));
}

#[test]
fn an_empty_message() {
    // 7.2.3.6
    assert_eq!(inflated(&[0x00]), Ok(Vec::new()));
    assert_eq!(inflated(&[]), Ok(Vec::new()));
    assert_eq!(decoded(&mut [0xC1, 0x01, 0x00]), Ok(vec![text("")]));
    assert_eq!(
        decoded(&mut [0xC2, 0x00]),
        Ok(vec![Seen::Binary(Vec::new())])
    );
    // Of nothing, nothing smaller can be made.
    let mut out = b"before".to_vec();
    assert!(!Deflater::new(LEVEL, WindowBits::MAX, false).deflate(b"", &mut out));
    assert_eq!(out, b"before");
}

// RFC 7692 7.2.1

#[test]
fn what_does_not_become_smaller_is_not_compressed_and_is_not_referred_to() {
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(2_000)
    .collect();
    let words = b"some words, some more words, some other words".repeat(10);
    let mut deflater = Deflater::new(LEVEL, WindowBits::MAX, true);
    let mut inflater = Inflater::new(WindowBits::MAX, true);
    for message in [
        &words[..],
        &noise[..],
        &words[..],
        &noise[..],
        b"x",
        &words[..],
    ] {
        let mut payload = Vec::new();
        let deflated = deflater.deflate(message, &mut payload);
        assert_eq!(deflated, message == words);
        if deflated {
            assert!(payload.len() < message.len());
            assert_eq!(inflater.inflate(&payload, 10_000), Ok(message));
        }
    }
}

#[test]
fn with_takeover_a_message_refers_to_the_one_before() {
    let message = b"{\"id\":\"1763709279000-0\",\"event\":\"message\",\"data\":\"hello, hello, hello, hello\"}";
    let mut deflater = Deflater::new(LEVEL, WindowBits::MAX, true);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    assert!(deflater.deflate(message, &mut first));
    assert!(deflater.deflate(message, &mut second));
    assert!(
        second.len() < 10 && first.len() > 40,
        "{} {}",
        first.len(),
        second.len()
    );
}

#[test]
fn what_was_compressed_without_a_window_is_inflated_by_everybody() {
    let one = b"one two three four five six seven eight nine ten".repeat(3);
    let mut own = Deflater::new(LEVEL, WindowBits::MAX, true);
    let mut inflater = Inflater::new(WindowBits::MAX, true);
    let mut payload = Vec::new();
    assert!(own.deflate(&one, &mut payload));
    assert_eq!(inflater.inflate(&payload, 1_000), Ok(&one[..]));
    assert_eq!(inflater.inflate(&deflated(&one), 1_000), Ok(&one[..]));
}

// RFC 7692 7.2.2

#[test]
fn what_is_no_deflate_fails() {
    for payload in [
        &[0xFF][..],
        &[0x06],
        // A stored block whose length and its complement don't fit.
        &[0x00, 0x05, 0x00, 0x00, 0x00],
        // A reference to what is not there.
        &[0x03, 0x13, 0x00],
        // Cut off.
        &[0xF2, 0x48, 0xCD],
        &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48],
    ] {
        assert_eq!(inflated(payload), Err(Error::Deflate), "{payload:?}");
    }
}

#[test]
fn a_message_that_never_stops_ending_fails() {
    // An empty last block, 100,000 times.
    assert_eq!(inflated(&[0x03, 0x00].repeat(100_000)), Err(Error::Deflate));
    assert_eq!(inflated(&[0x03, 0x00].repeat(10)), Ok(Vec::new()));
}

#[test]
fn a_bomb_costs_the_limit_and_no_more() {
    let bomb = deflated(&vec![0; 8 << 20]);
    assert!(bomb.len() < 10_000);
    for limit in [0, 1, 1_000, 65_536, 1 << 20] {
        let mut inflater = Inflater::new(WindowBits::MAX, false);
        assert_eq!(inflater.inflate(&bomb, limit), Err(Error::MessageTooBig));
        let taken = inflater.replace_buffer(Vec::new()).capacity();
        assert!(taken <= limit + 1, "{taken} for a limit of {limit}");
    }
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_fails() {
    for limit in [1, 5, 300, 4_096, 10_000] {
        let mut inflater = Inflater::new(WindowBits::MAX, false);
        let message = vec![b'x'; limit];
        let mut payload = Vec::new();
        if !Deflater::new(LEVEL, WindowBits::MAX, false).deflate(&message, &mut payload) {
            continue;
        }
        assert_eq!(inflater.inflate(&payload, limit), Ok(&message[..]));
        assert_eq!(
            inflater.inflate(&payload, limit - 1),
            Err(Error::MessageTooBig)
        );
    }
}

// RFC 7692 6 and 6.1: RSV1

#[derive(Debug, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Control,
}

fn text(text: &str) -> Seen {
    Seen::Text(text.into())
}

/// What a client that has agreed on compression makes of these frames.
fn decoded(input: &mut [u8]) -> Result<Vec<Seen>, Error> {
    let whole = decode_in(&mut input.to_vec(), usize::MAX);
    for size in 1..input.len() {
        assert_eq!(
            decode_in(&mut input.to_vec(), size),
            whole,
            "in pieces of {size}"
        );
    }
    whole
}

fn decode_in(input: &mut [u8], size: usize) -> Result<Vec<Seen>, Error> {
    let limits = Limits {
        message: 1_000,
        ..Limits::default()
    };
    let mut decoder = Decoder::new(Role::Client);
    let mut inflater = Inflater::new(WindowBits::MAX, false);
    let mut seen = Vec::new();
    for piece in input.chunks_mut(size.min(1 << 20)) {
        let mut used = 0;
        loop {
            let decoded = decoder.decode_inflating(&mut piece[used..], &limits, &mut inflater)?;
            used += decoded.used;
            match decoded.event {
                None => break,
                Some(Event::Message(Message::Text(text))) => seen.push(Seen::Text(text.into())),
                Some(Event::Message(Message::Binary(bytes))) => {
                    seen.push(Seen::Binary(bytes.into()))
                }
                Some(_) => seen.push(Seen::Control),
            }
        }
        assert_eq!(used, piece.len());
    }
    Ok(seen)
}

#[test]
fn compressed_and_plain_messages_may_follow_one_another() {
    let payload = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let mut frames = [
        &[0xC1, 0x07][..],
        &payload,
        b"\x81\x05plain",
        &[0x42, 0x02],
        &payload[..2],
        // Control frames between.
        b"\x89\x01p",
        &[0x00, 0x00, 0x80, 0x05],
        &payload[2..],
        b"\x02\x02ra\x80\x01w",
    ]
    .concat();
    let seen = vec![
        text("Hello"),
        text("plain"),
        Seen::Control,
        Seen::Binary(b"Hello".to_vec()),
        Seen::Binary(b"raw".to_vec()),
    ];
    assert_eq!(decoded(&mut frames), Ok(seen));
}

#[test]
fn rsv1_anywhere_but_on_the_first_frame_of_a_message_fails() {
    for frames in [
        &mut [0xC9, 0x00][..],
        &mut [0xCA, 0x00],
        &mut [0xC8, 0x00],
        &mut [0x41, 0x01, 0xF2, 0xC0, 0x00],
        &mut [0x01, 0x00, 0xC0, 0x00],
        // RSV2 and RSV3 mean nothing, with RSV1 or without.
        &mut [0xA1, 0x00],
        &mut [0x91, 0x00],
        &mut [0xE1, 0x00],
        &mut [0xD1, 0x00],
    ] {
        assert_eq!(decoded(frames), Err(Error::ReservedBits), "{frames:02X?}");
    }
}

#[test]
fn rsv1_where_nothing_was_agreed_on_fails() {
    let mut input = [0xC1, 0x07, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let mut decoder = Decoder::new(Role::Client);
    let error = decoder.decode(&mut input, &Limits::default());
    assert_eq!(error, Err(Error::ReservedBits));
}

#[test]
fn text_is_utf8_when_it_is_inflated() {
    let payload = deflated(&b"\xC3\xA5".repeat(20));
    let head = |first: u8, payload: &[u8]| [&[first, payload.len() as u8], payload].concat();
    let all = "\u{e5}".repeat(20);
    assert_eq!(decoded(&mut head(0xC1, &payload)), Ok(vec![text(&all)]));
    let payload = deflated(&b"\xC3\xA5".repeat(20)[..39]);
    assert_eq!(decoded(&mut head(0xC1, &payload)), Err(Error::InvalidUtf8));
    assert!(decoded(&mut head(0xC2, &payload)).is_ok());
}

#[test]
fn a_bomb_in_a_frame_is_a_message_too_big_and_bad_data_is_invalid() {
    let bomb = deflated(&[0; 1_001]);
    let mut frame = [&[0xC2, bomb.len() as u8], &bomb[..]].concat();
    let error = decoded(&mut frame).unwrap_err();
    assert_eq!(
        (error, error.close_code()),
        (Error::MessageTooBig, ws::CloseCode::MESSAGE_TOO_BIG)
    );
    let error = decoded(&mut [0xC2, 0x01, 0xFF]).unwrap_err();
    assert_eq!(
        (error, error.close_code()),
        (Error::Deflate, ws::CloseCode::INVALID_PAYLOAD)
    );
}

#[test]
fn the_decoder_fails_for_good() {
    let limits = Limits::default();
    let mut decoder = Decoder::new(Role::Client);
    let mut inflater = Inflater::new(WindowBits::MAX, false);
    for _ in 0..2 {
        let input = &mut [0xC2, 0x01, 0xFF];
        let error = decoder.decode_inflating(input, &limits, &mut inflater);
        assert_eq!(error, Err(Error::Deflate));
        assert!(decoder.is_idle());
    }
}

#[test]
fn what_is_written_compressed_is_read() {
    let message = "the same, the same, the same, the same";
    let payload = deflated(message.as_bytes());
    let mut out = Vec::new();
    ws::write_compressed(&mut out, ws::Kind::Text, &payload, None);
    assert_eq!(out[0], 0xC1);
    assert_eq!(decoded(&mut out), Ok(vec![text(message)]));
}
