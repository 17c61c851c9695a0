//! What the layer above sees: messages, control frames, and the limits on both. RFC 6455 5.4 to
//! 5.6.
//!
//! What the decoder gives is lent: a message lies in the buffer that was read into, or, when it came
//! in pieces, in the decoder, until the next call. A caller who keeps it makes an [`OwnedMessage`] of
//! it.
//!
//! The invariant: a text message is UTF-8, because only the decoder and `&str` make one. What is sent and
//! what is received are the same type, so that an echo is one call.

use super::{Close, Opcode};

/// The largest message taken by default: 16 MiB.
pub const MAX_MESSAGE: usize = 16 << 20;

/// The largest frame taken by default: 16 MiB, so that a message of the largest size may come in
/// one.
pub const MAX_FRAME: usize = 16 << 20;

/// How many fragments a message may come in by default: 131,072.
pub const MAX_FRAGMENTS: u32 = 131_072;

/// What a decoder takes at most. Each is checked against what a header declares, before any of the
/// payload is taken.
///
/// ```
/// use barewire::ws::Limits;
///
/// let limits = Limits { message: 64 * 1024, ..Limits::default() };
/// assert_eq!((limits.frame, limits.fragments), (16 << 20, 131_072)); // the defaults
/// ```
///
/// Written as `Limits { message, ..Limits::default() }`: a later version may have more fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one message, all its fragments together. Beyond it: 1009. Default: 16 MiB ([`MAX_MESSAGE`]).
    pub message: usize,
    /// Bytes in one frame of a message. Beyond it: 1009. Default: 16 MiB ([`MAX_FRAME`]).
    pub frame: usize,
    /// Fragments of one message, empty ones included. Beyond it: 1008. Default: 131,072
    /// ([`MAX_FRAGMENTS`]).
    pub fragments: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            message: MAX_MESSAGE,
            frame: MAX_FRAME,
            fragments: MAX_FRAGMENTS,
        }
    }
}

/// Which end of the connection decodes. The two differ only in masking (RFC 6455 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Frames come from a client and must be masked.
    Server,
    /// Frames come from a server and must not be masked.
    Client,
}

/// The two kinds of message (RFC 6455 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl From<Kind> for Opcode {
    /// What the first frame of a message says.
    #[inline]
    fn from(kind: Kind) -> Opcode {
        match kind {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        }
    }
}

/// A whole message.
///
/// ```
/// use barewire::ws::Message;
///
/// assert_eq!(Message::from("Hello"), Message::Text("Hello"));
/// assert_eq!(Message::from(b"\xff"), Message::Binary(b"\xff"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// UTF-8.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl AsRef<[u8]> for Message<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<'a> Message<'a> {
    /// The payload, whatever its kind.
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Whether it is text.
    pub const fn is_text(&self) -> bool {
        matches!(self, Message::Text(_))
    }

    /// Text or binary.
    pub const fn kind(&self) -> Kind {
        match self {
            Message::Text(_) => Kind::Text,
            Message::Binary(_) => Kind::Binary,
        }
    }

    /// How many bytes the payload has.
    pub const fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Message::Text(text)
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Message::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Message::Binary(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Message::Binary(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Message::Binary(bytes)
    }
}

/// A whole message that owns its payload, to be kept or handed to another thread.
///
/// ```
/// use barewire::ws::{Message, OwnedMessage};
///
/// let lent = Message::Text("Hello");
/// let kept = OwnedMessage::from(lent);
/// assert_eq!(kept.as_text(), Some("Hello"));
/// assert_eq!(Message::from(&kept), lent); // as everything takes it that sends
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OwnedMessage {
    /// UTF-8.
    Text(String),
    /// Any bytes.
    Binary(Vec<u8>),
}

impl OwnedMessage {
    /// The payload, whatever its kind.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            OwnedMessage::Text(text) => text.as_bytes(),
            OwnedMessage::Binary(bytes) => bytes,
        }
    }

    /// The text, or `None` for a binary message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            OwnedMessage::Text(text) => Some(text),
            OwnedMessage::Binary(_) => None,
        }
    }
}

impl AsRef<[u8]> for OwnedMessage {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<Message<'_>> for OwnedMessage {
    fn from(message: Message<'_>) -> OwnedMessage {
        match message {
            Message::Text(text) => OwnedMessage::Text(text.to_owned()),
            Message::Binary(bytes) => OwnedMessage::Binary(bytes.to_owned()),
        }
    }
}

impl<'a> From<&'a OwnedMessage> for Message<'a> {
    fn from(message: &'a OwnedMessage) -> Message<'a> {
        match message {
            OwnedMessage::Text(text) => Message::Text(text),
            OwnedMessage::Binary(bytes) => Message::Binary(bytes),
        }
    }
}

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message; text is known to be UTF-8.
    Message(Message<'a>),
    /// A ping, to be answered with a pong of the same payload (RFC 6455 5.5.2).
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The peer closes, perhaps saying why. Nothing comes after it.
    Close(Option<Close<'a>>),
}
