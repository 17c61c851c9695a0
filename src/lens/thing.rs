//! What was seen in one direction of a connection: heads, bodies, chunks, frames, and what they carry.
//!
//! ```text
//!   the wire     │ head │ chunk        │ chunk        │ frame │ frame │     every byte in exactly one of them
//!   the reading            └── event ──────┘ comment    └─ message ─┘      what an application gets of it
//! ```
//!
//! The invariant: things of the [`Layer::Wire`] lie one behind the other, without a gap; those of the [`Layer::Reading`]
//! lie over them, and come as soon as they are complete, which may be before the chunk that carries them is.
//!
//! A [`Thing`] holds facts and the bytes; [`Thing::explain`] makes the tree of what they mean, for who wants to see it.

use std::borrow::Cow;

use super::Problem;
use crate::ws::{Kind as MessageKind, RawHeader, mask};

/// Who has sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who has opened the connection.
    Client,
    /// Who has accepted it.
    Server,
}

/// Whether a thing is bytes, or what they carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Bytes on the wire: each belongs to exactly one thing.
    Wire,
    /// What an application makes of things on the wire.
    Reading,
}

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thing {
    /// Who has sent it.
    pub from: Side,
    /// How many bytes of this direction came before it.
    pub offset: u64,
    /// How many bytes it takes on the wire. A reading takes all from its first to its last, framing between them
    /// included.
    pub length: u64,
    /// What it is.
    pub kind: Kind,
    /// Which rule it breaks, if any.
    pub problem: Option<Problem>,
    /// The connection, or what is known of it, ends within it.
    pub is_cut: bool,
    /// Its bytes, from the first on as far as they are kept: see [`Options::shown`](super::Options::shown). Secrets are
    /// masked, unless they were asked for. Those of a reading are without the framing between them.
    pub bytes: Vec<u8>,
}

/// What a [`Thing`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The head of a request (RFC 9112 3).
    Request(Head),
    /// The head of a response (RFC 9112 4).
    Response(Head),
    /// A body whose length was announced, or that ends with the connection (RFC 9112 6).
    Body,
    /// A chunk of a body (RFC 9112 7.1); the last one has the size 0, and the trailers.
    Chunk(Chunk),
    /// A frame (RFC 6455 5.2).
    Frame(Frame),
    /// A message that came in several frames (RFC 6455 5.4).
    Message(Message),
    /// What an `EventSource` would dispatch (WHATWG HTML 9.2.6).
    Event(Event),
    /// A block of lines without data, which an `EventSource` takes note of and does not dispatch.
    Fields(Event),
    /// A comment in an event stream, often there to keep the connection alive.
    Comment,
    /// Bytes whose meaning nobody knows, and why.
    Unknown(Unknown),
}

/// What stands in a head, as text: as far as it can be read at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The three words of the first line: method, target and version, or version, status and reason.
    pub start: [String; 3],
    /// Names and values of the fields, in order.
    pub fields: Vec<(String, String)>,
}

/// What a chunk's line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// Bytes of data.
    pub size: u64,
    /// Bytes of the line with the size, its CRLF included.
    pub line: usize,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Its header, as it came. If the header itself is cut, what is missing is zero.
    pub header: RawHeader,
    /// How many bytes the header takes.
    pub header_len: usize,
    /// What it is to its message.
    pub place: Place,
    /// Its message is compressed (RFC 7692 6).
    pub compressed: bool,
    /// What a message becomes that ends with this frame and is compressed, where the feature `deflate` is built.
    pub inflated: Option<Inflated>,
    /// The code and the reason of a close frame, as far as it has them.
    pub close: Option<(u16, String)>,
}

/// What a frame is to its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is all of it.
    Alone,
    /// It begins it.
    First,
    /// It is neither its first frame nor its last.
    Middle,
    /// It ends it.
    Last,
    /// A control frame, or one of a kind that nobody knows: it belongs to none.
    None,
    /// It came when nobody listens any more: behind a close frame, or behind one that has failed the connection.
    Ignored,
}

/// A compressed message, inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inflated {
    /// What it became, as far as it is shown.
    pub bytes: Vec<u8>,
    /// How many bytes it became.
    pub length: usize,
}

/// A message in several frames.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Text or binary.
    pub kind: MessageKind,
    /// Bytes of payload, all frames together.
    pub length: u64,
    /// In how many frames it came.
    pub frames: u64,
    /// Where the first of them lie, and what they take: at most [`MAX_PARTS`].
    pub parts: Vec<(u64, u64)>,
}

/// How many frames or pieces are remembered of what came in several.
pub const MAX_PARTS: usize = 64;

/// An event, or a block without data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The last event ID, as a listener sees it.
    pub id: String,
    /// The type: `message` if the block names none.
    pub name: String,
    /// The data, as far as it is shown.
    pub data: String,
    /// How many bytes of data there are; 0 where that was too much to read.
    pub data_length: usize,
    /// The reconnection time that the block asks for, in milliseconds.
    pub retry: Option<u64>,
    /// Where its bytes lie in the stream, and how many: more than one piece where chunks cut it. At most [`MAX_PARTS`].
    pub pieces: Vec<(u64, u64)>,
}

/// Why bytes have no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// They are no head of HTTP.
    NotHttp,
    /// A rule was broken before them, behind which nobody knows where the next message begins.
    BehindProblem,
    /// The connection has become one of a protocol that is not known here.
    OtherProtocol,
}

impl Thing {
    /// Whether it is bytes or what they carry.
    pub fn layer(&self) -> Layer {
        match self.kind {
            Kind::Message(_) | Kind::Event(_) | Kind::Fields(_) | Kind::Comment => Layer::Reading,
            _ => Layer::Wire,
        }
    }

    /// The payload of a frame, unmasked, the data of a chunk, or all of a body, as far as it is kept. Of anything else
    /// there is none.
    pub fn payload(&self) -> Cow<'_, [u8]> {
        match &self.kind {
            Kind::Frame(frame) => {
                let masked = self.bytes.get(frame.header_len..).unwrap_or_default();
                match frame.header.mask {
                    Some(key) => {
                        let mut payload = masked.to_vec();
                        mask(key, 0, &mut payload);
                        Cow::Owned(payload)
                    }
                    None => Cow::Borrowed(masked),
                }
            }
            Kind::Chunk(chunk) => {
                let data = self.bytes.get(chunk.line..).unwrap_or_default();
                let size = usize::try_from(chunk.size).unwrap_or(usize::MAX);
                Cow::Borrowed(data.get(..size).unwrap_or(data))
            }
            Kind::Body => Cow::Borrowed(&self.bytes),
            _ => Cow::Borrowed(&[]),
        }
    }

    /// The text of a comment, without its colon and the space behind it.
    pub fn comment(&self) -> Cow<'_, str> {
        let text = self.bytes.strip_prefix(b":").unwrap_or_default();
        let text = text.strip_prefix(b" ").unwrap_or(text);
        String::from_utf8_lossy(text.trim_ascii_end())
    }
}

impl Frame {
    /// What the opcode stands for: `text`, or `reserved-3`.
    pub fn opcode(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.header.opcode {
            0 => "continuation",
            1 => "text",
            2 => "binary",
            8 => "close",
            9 => "ping",
            10 => "pong",
            reserved => return Cow::Owned(format!("reserved-{reserved}")),
        })
    }

    /// Close, ping, pong, and the reserved opcodes from 11 on (RFC 6455 5.5).
    pub fn is_control(&self) -> bool {
        self.header.opcode >= 8
    }
}
