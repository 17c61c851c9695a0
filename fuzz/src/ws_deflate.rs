//! permessage-deflate (RFC 7692). Input: what is done, then how, then bytes.
//!
//! Laws:
//! - what is inflated is never larger than the limit, nor the memory that it takes; a message beyond the limit is told,
//!   and everything else is the same as without one;
//! - what is compressed is smaller, and inflated it is what it was, by every receiver with this window or a larger one;
//! - frames, compressed or not, give the same events and the same error however they are cut;
//! - an offer and an answer, whatever they hold, allow no sender more than both sides have said.

use barewire::ws::deflate::{Deflater, Direction, Inflater, Settings, WindowBits};
use barewire::ws::{Decoder, Error, Limits, Role};

use super::choice::{Choices, cuts, uncut};
use super::ws_decoder::Seen;

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    match choices.byte() % 4 {
        0 => check_payloads(choices),
        1 => check_messages(choices),
        2 => check_frames(choices),
        _ => check_terms(choices),
    }
}

fn window(choice: u8) -> WindowBits {
    WindowBits::new(8 + choice % 8).expect("8 to 15")
}

/// Payloads of anything, one after the other.
fn check_payloads(mut choices: Choices<'_>) {
    let (limit, setting) = (usize::from(choices.number()), choices.byte());
    let takeover = setting & 8 != 0;
    let mut limited = Inflater::new(window(setting), takeover);
    let mut free = Inflater::new(window(setting), takeover);
    loop {
        let payload = match setting & 16 {
            0 => choices.rest(),
            _ => choices.bytes(),
        };
        let expected = free.inflate(payload, 1 << 20).map(<[u8]>::to_vec);
        let result = limited.inflate(payload, limit).map(<[u8]>::to_vec);
        match &expected {
            Ok(message) if message.len() > limit => assert_eq!(result, Err(Error::MessageTooBig)),
            Ok(_) => assert_eq!(result, expected),
            // It may be too large before it is wrong.
            Err(error) => {
                assert!(result == Err(*error) || result == Err(Error::MessageTooBig));
            }
        }
        let buffer = limited.replace_buffer(Vec::new());
        assert!(buffer.capacity() <= limit + 1, "{}", buffer.capacity());
        if (takeover && result.is_err()) || setting & 16 == 0 || choices.is_empty() {
            return;
        }
    }
}

/// Messages that are compressed and inflated.
fn check_messages(mut choices: Choices<'_>) {
    let (level, bits, setting) = (choices.byte(), window(choices.byte()), choices.byte());
    let takeover = setting & 1 != 0;
    let mut deflater = Deflater::new(level, bits, takeover);
    let mut exact = Inflater::new(bits, takeover);
    let mut larger = Inflater::new(WindowBits::MAX, true);
    while !choices.is_empty() {
        let message = choices.bytes().repeat(usize::from(choices.byte() % 64) + 1);
        let mut payload = b"before".to_vec();
        if !deflater.deflate(&message, &mut payload) {
            assert_eq!(payload, b"before");
            continue;
        }
        let payload = &payload[6..];
        assert!(!payload.is_empty() && payload.len() < message.len());
        assert_eq!(exact.inflate(payload, message.len()), Ok(&message[..]));
        assert_eq!(larger.inflate(payload, message.len()), Ok(&message[..]));
    }
}

/// Frames of anything.
fn check_frames(mut choices: Choices<'_>) {
    let (cut, setting) = (choices.byte(), choices.byte());
    let bytes = choices.rest();
    let role = match setting & 1 {
        0 => Role::Server,
        _ => Role::Client,
    };
    let takeover = setting & 2 != 0;
    let limits = Limits {
        message: usize::from(setting >> 2) * 64,
        ..Limits::default()
    };
    let whole = decode(role, &limits, takeover, bytes, &uncut(bytes.len()));
    let in_pieces = decode(role, &limits, takeover, bytes, &cuts(bytes.len(), cut));
    assert_eq!(in_pieces, whole);
}

/// Offers and answers of anything.
fn check_terms(mut choices: Choices<'_>) {
    let mut settings = || {
        let (takeovers, windows) = (choices.byte(), choices.byte());
        Settings {
            takeover: takeovers & 1 != 0,
            window_bits: window(windows),
            peer_takeover: takeovers & 2 != 0,
            peer_window_bits: window(windows >> 3),
            ..Settings::default()
        }
    };
    let (client, server) = (settings(), settings());
    let fits = |sender: Direction, receiver: Direction| {
        assert!(sender.window_bits <= receiver.window_bits);
        assert!(!sender.takeover || receiver.takeover);
    };

    let offer = client.offer();
    let accepted = server.accept([offer.as_bytes()].into_iter());
    let accepted = accepted.expect("what is offered by the one is taken by the other");
    let answer = [accepted.answer.as_bytes()].into_iter();
    let terms = client.check(answer).expect("an answer to the offer");
    let terms = terms.expect("an answer");
    fits(terms.send, accepted.terms.receive);
    fits(accepted.terms.send, terms.receive);

    let members = || choices.rest().split(|&byte| byte == b',');
    if let Some(accepted) = server.accept(members()) {
        let Direction {
            takeover,
            window_bits,
            ..
        } = accepted.terms.send;
        assert!(window_bits <= server.window_bits && (!takeover || server.takeover));
        assert!(!accepted.terms.receive.takeover || server.peer_takeover);
    }
    if let Ok(Some(terms)) = client.check(members()) {
        let Direction {
            takeover,
            window_bits,
            ..
        } = terms.send;
        assert!(window_bits <= client.window_bits && (!takeover || client.takeover));
        assert!(!terms.receive.takeover || client.peer_takeover);
    }
}

/// Decodes pieces of frames, some of them compressed.
pub fn decode(
    role: Role,
    limits: &Limits,
    takeover: bool,
    bytes: &[u8],
    pieces: &[std::ops::Range<usize>],
) -> (Vec<Seen>, Option<Error>) {
    let mut bytes = bytes.to_vec();
    let mut decoder = Decoder::new(role);
    let mut inflater = Inflater::new(WindowBits::MAX, takeover);
    let mut seen = Vec::new();
    for piece in pieces {
        let mut at = piece.start;
        loop {
            match decoder.decode_inflating(&mut bytes[at..piece.end], limits, &mut inflater) {
                Err(error) => {
                    assert!(decoder.is_idle());
                    return (seen, Some(error));
                }
                Ok(decoded) => {
                    at += decoded.used;
                    let Some(event) = decoded.event else { break };
                    seen.push(event.into());
                }
            }
        }
        assert_eq!(at, piece.end, "no event, and input is left");
        assert!(decoder.buffered() <= limits.message + 128);
    }
    (seen, None)
}
