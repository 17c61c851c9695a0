//! The receiving half of a WebSocket (RFC 6455 5). Input: how to cut, role and limits, frames as they are sent.
//!
//! Laws:
//! - the same bytes give the same events and the same error after them, however they are cut;
//! - what is held is never more than the limit of a message and 128 bytes, and nothing after an error;
//! - nothing comes after a close; text is UTF-8; messages and frames are within their limits;
//! - events that are written again are read again.

use barewire::ws::{
    self, Close, CloseCode, Decoder, Error, Event, Header, Limits, Message, Opcode, Role,
};

use super::choice::{Choices, cuts, uncut};

/// An event that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(CloseCode, String)>),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Seen {
        match event {
            Event::Message(Message::Text(text)) => Seen::Text(text.into()),
            Event::Message(Message::Binary(bytes)) => Seen::Binary(bytes.into()),
            Event::Ping(payload) => Seen::Ping(payload.into()),
            Event::Pong(payload) => Seen::Pong(payload.into()),
            Event::Close(close) => Seen::Close(close.map(|c| (c.code, c.reason.into()))),
        }
    }
}

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let (cut, setting) = (choices.byte(), choices.byte());
    let bytes = choices.rest();
    let role = match setting & 1 {
        0 => Role::Server,
        _ => Role::Client,
    };
    let limits = match setting >> 1 & 3 {
        3 => Limits {
            message: usize::from(setting >> 3) * 8,
            frame: usize::from(setting >> 4) * 8,
            fragments: u32::from(setting >> 5),
        },
        _ => Limits::default(),
    };

    let (seen, error) = decode(role, &limits, bytes, &uncut(bytes.len()));
    let in_pieces = decode(role, &limits, bytes, &cuts(bytes.len(), cut));
    assert_eq!(in_pieces, (seen.clone(), error));
    if let Some(error) = error {
        assert!(Close::new(error.close_code(), &error.to_string()).is_ok());
    }

    if error.is_none() {
        check_unfinished(bytes);
    }

    let mut wire = Vec::new();
    let key = (role == Role::Server).then_some([cut, 0x5A, setting, 1]);
    for event in &seen {
        match event {
            Seen::Text(text) => ws::write_message(&mut wire, text.into(), key),
            Seen::Binary(bytes) => ws::write_message(&mut wire, bytes.into(), key),
            Seen::Ping(payload) => ws::write_ping(&mut wire, payload, key).expect("short"),
            Seen::Pong(payload) => ws::write_pong(&mut wire, payload, key).expect("short"),
            Seen::Close(close) => {
                let close = close.as_ref().map(|(code, reason)| Close {
                    code: *code,
                    reason,
                });
                ws::write_close(&mut wire, close, key);
            }
        }
    }
    // A message of many frames may be larger than one frame may be.
    let limits = Limits::default();
    assert_eq!(
        decode(role, &limits, &wire, &uncut(wire.len())),
        (seen, None)
    );
}

/// RFC 6455 8.1: text that has no error so far can still become UTF-8, also where its last frame is cut.
fn check_unfinished(mut bytes: &[u8]) {
    let mut text: Option<Vec<u8>> = None;
    while let Ok(Some((header, length))) = Header::decode(bytes) {
        bytes = &bytes[length..];
        let end = bytes
            .len()
            .min(usize::try_from(header.length).unwrap_or(usize::MAX));
        let mut payload = bytes[..end].to_vec();
        bytes = &bytes[end..];
        ws::mask(header.mask.unwrap_or_default(), 0, &mut payload);
        match header.opcode {
            Opcode::Text => text = Some(payload),
            Opcode::Continuation => text.iter_mut().for_each(|text| text.extend(&payload)),
            Opcode::Binary => text = None,
            Opcode::Close => return,
            Opcode::Ping | Opcode::Pong => continue,
        }
        let judged = text.as_deref().map(std::str::from_utf8);
        if let Some(Err(error)) = judged {
            assert_eq!(error.error_len(), None, "text that is no UTF-8 passes");
        }
    }
}

/// Decodes pieces, and checks after each what is held.
pub fn decode(
    role: Role,
    limits: &Limits,
    bytes: &[u8],
    pieces: &[std::ops::Range<usize>],
) -> (Vec<Seen>, Option<Error>) {
    let mut bytes = bytes.to_vec();
    let mut decoder = Decoder::new(role);
    let mut seen = Vec::new();
    for piece in pieces {
        let mut at = piece.start;
        loop {
            match decoder.decode(&mut bytes[at..piece.end], limits) {
                Err(error) => {
                    assert!(decoder.is_idle() && decoder.buffered() == 0);
                    assert_eq!(decoder.decode(&mut [0x8A, 0], limits), Err(error));
                    return (seen, Some(error));
                }
                Ok(decoded) => {
                    at += decoded.used;
                    let Some(event) = decoded.event else { break };
                    assert!(decoded.used > 0, "an event takes at least a byte");
                    if let Event::Message(message) = event {
                        assert!(message.len() <= limits.message);
                    }
                    assert!(!matches!(seen.last(), Some(Seen::Close(_))));
                    seen.push(event.into());
                }
            }
        }
        assert_eq!(at, piece.end, "no event, and input is left");
        assert!(decoder.buffered() <= limits.message + 128);
        assert!(!decoder.is_idle() || decoder.buffered() == 0);
    }
    (seen, None)
}
