//! The sending half of a WebSocket (RFC 6455 5.2 to 5.6). Input: a setting, then for each step a choice and a text
//! or bytes.
//!
//! Laws:
//! - whatever the encoders accept, a decoder reads as it was meant, and never finds an error;
//! - what they refuse they write nothing of.

use barewire::ws::{self, Close, CloseCode, Fragmenter, Kind, Limits, Role};

use super::choice::Choices;
use super::ws_decoder::{Seen, decode};

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let setting = choices.byte();
    let (role, key) = match setting & 1 {
        0 => (Role::Client, None),
        _ => (Role::Server, Some([setting, 7, 0, 0xFF])),
    };
    let mut wire = Vec::new();
    let mut expected = Vec::new();
    let mut parts: Option<(Fragmenter, Kind, Vec<u8>)> = None;
    while !choices.is_empty() {
        let step = choices.byte();
        let payload = choices.bytes();
        let before = wire.len();
        match step % 8 {
            0 => {
                let kind = if step & 8 == 0 {
                    Kind::Text
                } else {
                    Kind::Binary
                };
                parts.get_or_insert_with(|| (Fragmenter::start(kind), kind, Vec::new()));
            }
            1 | 2 => {
                if let Some((fragmenter, _, message)) = &mut parts {
                    match fragmenter.write(&mut wire, payload, key) {
                        Ok(()) => message.extend_from_slice(payload),
                        Err(error) => {
                            assert_eq!((error, wire.len()), (ws::Error::InvalidUtf8, before))
                        }
                    }
                }
            }
            3 => {
                let Some((fragmenter, kind, mut message)) = parts.take() else {
                    continue;
                };
                if fragmenter.finish(&mut wire, payload, key).is_err() {
                    // Only closing the connection can end such a message.
                    assert!(kind == Kind::Text && wire.len() == before);
                    break;
                }
                message.extend_from_slice(payload);
                expected.push(match kind {
                    Kind::Text => {
                        Seen::Text(String::from_utf8(message).expect("all of it is UTF-8"))
                    }
                    Kind::Binary => Seen::Binary(message),
                });
            }
            4 if parts.is_none() => match std::str::from_utf8(payload) {
                Ok(text) => {
                    ws::write_message(&mut wire, text.into(), key);
                    expected.push(Seen::Text(text.into()));
                }
                Err(_) => {
                    ws::write_message(&mut wire, payload.into(), key);
                    expected.push(Seen::Binary(payload.into()));
                }
            },
            5 => match ws::write_ping(&mut wire, payload, key) {
                Ok(()) => expected.push(Seen::Ping(payload.into())),
                Err(_) => assert!(payload.len() > 125 && wire.len() == before),
            },
            6 => match ws::write_pong(&mut wire, payload, key) {
                Ok(()) => expected.push(Seen::Pong(payload.into())),
                Err(_) => assert!(payload.len() > 125 && wire.len() == before),
            },
            7 => {
                let reason = String::from_utf8_lossy(payload);
                let close = Close {
                    code: CloseCode::NORMAL,
                    reason: &reason,
                };
                ws::write_close(&mut wire, Some(close), key);
                let end = (0..=reason.len().min(123))
                    .rev()
                    .find(|&end| reason.is_char_boundary(end));
                let cut = &reason[..end.unwrap_or_default()];
                assert_eq!(
                    Close::new(CloseCode::NORMAL, &reason).is_ok(),
                    cut == reason
                );
                expected.push(Seen::Close(Some((CloseCode::NORMAL, cut.into()))));
                break;
            }
            _ => {}
        }
    }
    let seen = decode(role, &Limits::default(), &wire, &[0..wire.len()]);
    assert_eq!(seen, (expected, None));
}
