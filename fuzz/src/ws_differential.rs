//! The receiving half of a WebSocket beside another implementation, tungstenite. Input: role and limits, frames as
//! they are sent.
//!
//! Law: of any bytes both see the same events, and where tungstenite fails the connection barewire does.
//!
//! barewire is stricter in two rules, and nowhere else. A length that is not in its shortest form is refused
//! (RFC 6455 5.2; in a control frame, which has only the shortest, as one that is too long), where tungstenite takes it;
//! so is a close code that may not be on the wire (7.4), where tungstenite reports another code in its place. It is also
//! earlier: what is wrong with a header or with text is said before the rest of the frame has come. tungstenite in turn
//! refuses one close code that is registered.

use std::io::{self, Read, Write};

use barewire::ws::{Decoder, Error, Event, Limits, MAX_CONTROL_PAYLOAD, Message, Role};
use tungstenite::protocol::{
    Message as TheirMessage, Role as TheirRole, WebSocket, WebSocketConfig,
};

use super::choice::Choices;

/// What either implementation sees.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

/// 1014, Bad Gateway, is in IANA's registry of close codes: barewire takes it, tungstenite fails it.
const REGISTERED_BUT_REFUSED_BY_THEM: u16 = 1014;

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let setting = choices.byte();
    let role = match setting & 1 {
        0 => Role::Server,
        _ => Role::Client,
    };
    // Never so much that what is only announced costs more time than what is there. Never so little that it concerns
    // control frames, whose own limit is another one (5.5): tungstenite applies both.
    let limit = match setting >> 1 {
        0 => 64 * 1024,
        small => MAX_CONTROL_PAYLOAD + usize::from(small),
    };
    let limits = Limits {
        message: limit,
        frame: limit,
        ..Limits::default()
    };
    agree(role, &limits, choices.rest());
}

/// The law.
pub fn agree(role: Role, limits: &Limits, bytes: &[u8]) {
    let (theirs, they_fail) = they_read(role, limits, bytes);
    let (ours, we_fail) = we_read(role, limits, bytes);
    match we_fail {
        None if matches!(
            ours.last(),
            Some(Seen::Close(Some((REGISTERED_BUT_REFUSED_BY_THEM, _))))
        ) =>
        {
            let before = ours.len() - 1;
            assert_eq!(&ours[..before], &theirs[..before]);
            assert!(matches!(theirs[before..], [Seen::Close(Some((1002, _)))]));
        }
        Some(Error::LengthNotMinimal | Error::ControlTooLong | Error::InvalidCloseCode(_)) => {
            assert!(
                theirs.starts_with(&ours),
                "{ours:?} is not how {theirs:?} starts"
            );
        }
        _ => {
            assert_eq!(ours, theirs, "we: {we_fail:?}, they: {they_fail:?}");
            assert!(
                they_fail.is_none() || we_fail.is_some(),
                "only they fail: {they_fail:?}"
            );
        }
    }
}

/// A connection in memory. Reading past the end would block.
#[derive(Debug, Default)]
pub struct Wire {
    pub incoming: io::Cursor<Vec<u8>>,
    pub outgoing: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn their(role: Role) -> TheirRole {
    match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    }
}

/// What tungstenite reads: the events, and whether it fails.
pub fn they_read(role: Role, limits: &Limits, bytes: &[u8]) -> (Vec<Seen>, Option<String>) {
    let wire = Wire {
        incoming: io::Cursor::new(bytes.to_vec()),
        outgoing: Vec::new(),
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits.message))
        .max_frame_size(Some(limits.frame));
    let mut socket = WebSocket::from_raw_socket(wire, their(role), Some(config));
    let mut seen = Vec::new();
    loop {
        match socket.read() {
            Ok(TheirMessage::Text(text)) => seen.push(Seen::Text(text.to_string())),
            Ok(TheirMessage::Binary(bytes)) => seen.push(Seen::Binary(bytes.to_vec())),
            Ok(TheirMessage::Ping(payload)) => seen.push(Seen::Ping(payload.to_vec())),
            Ok(TheirMessage::Pong(payload)) => seen.push(Seen::Pong(payload.to_vec())),
            Ok(TheirMessage::Close(close)) => {
                seen.push(Seen::Close(
                    close.map(|close| (close.code.into(), close.reason.to_string())),
                ));
                return (seen, None);
            }
            Ok(TheirMessage::Frame(frame)) => unreachable!("never read: {frame}"),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (seen, None);
            }
            Err(error) => return (seen, Some(error.to_string())),
        }
    }
}

/// What barewire reads.
pub fn we_read(role: Role, limits: &Limits, bytes: &[u8]) -> (Vec<Seen>, Option<Error>) {
    let mut decoder = Decoder::new(role);
    let mut bytes = bytes.to_vec();
    let mut seen = Vec::new();
    let mut used = 0;
    loop {
        match decoder.decode(&mut bytes[used..], limits) {
            Err(error) => return (seen, Some(error)),
            Ok(decoded) => {
                used += decoded.used;
                seen.push(match decoded.event {
                    None => return (seen, None),
                    Some(Event::Message(Message::Text(text))) => Seen::Text(text.into()),
                    Some(Event::Message(Message::Binary(bytes))) => Seen::Binary(bytes.into()),
                    Some(Event::Ping(payload)) => Seen::Ping(payload.into()),
                    Some(Event::Pong(payload)) => Seen::Pong(payload.into()),
                    Some(Event::Close(close)) => {
                        Seen::Close(close.map(|close| (close.code.as_u16(), close.reason.into())))
                    }
                });
            }
        }
    }
}
