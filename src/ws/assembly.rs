//! A message that comes in pieces, put together in one flat buffer (RFC 6455 5.4).
//!
//! Text is judged as it arrives and kept as what it is known to be, a `String` and the code point that is cut at its end, so that
//! no byte is judged twice and "not UTF-8" is said at the first byte that makes it certain (8.1). What is compressed can't be
//! judged before it is inflated (RFC 7692 6.2).
//!
//! The invariant: **memory follows what has arrived**. A buffer grows to twice its size, for linear time, but never past what the
//! message can still become, and nothing is reserved for what a header announces. The decoder calls it, and has checked the limits
//! before.

use super::utf8::Utf8;
use super::{Error, Header, Message, Opcode};

/// A message in pieces, in one flat buffer.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) content: Content,
    /// How many frames it came in so far.
    pub(super) fragments: u32,
}

#[derive(Debug)]
pub(super) enum Content {
    /// What is known to be UTF-8, and the code point that is cut at its end.
    Text(String, Utf8),
    Binary(Vec<u8>),
    /// What is to be inflated when it is complete.
    Compressed {
        #[cfg_attr(not(feature = "deflate"), expect(dead_code))]
        text: bool,
        payload: Vec<u8>,
    },
}

impl Assembly {
    pub(super) fn new(first: Header, buffer: Vec<u8>) -> Assembly {
        let content = match first.opcode {
            opcode if first.rsv != 0 => Content::Compressed {
                text: opcode == Opcode::Text,
                payload: buffer,
            },
            // The buffer is empty, and thereby UTF-8.
            Opcode::Text => Content::Text(
                String::from_utf8(buffer).unwrap_or_default(),
                Utf8::default(),
            ),
            _ => Content::Binary(buffer),
        };
        Assembly {
            content,
            fragments: 0,
        }
    }

    /// How many bytes have arrived.
    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Text(text, cut) => text.len() + cut.kept(),
            Content::Binary(bytes) | Content::Compressed { payload: bytes, .. } => bytes.len(),
        }
    }

    /// How many bytes of memory they take.
    pub(super) fn held(&self) -> usize {
        match &self.content {
            Content::Text(text, cut) => text.capacity() + cut.kept(),
            Content::Binary(bytes) | Content::Compressed { payload: bytes, .. } => bytes.capacity(),
        }
    }

    pub(super) fn append(&mut self, payload: &[u8], most: usize) -> Result<(), Error> {
        match &mut self.content {
            Content::Text(text, cut) => {
                let (joined, rest) = cut.take(payload)?;
                let added = joined.map_or(0, char::len_utf8) + rest.len();
                text.reserve_exact(room(text.len(), text.capacity(), added, most));
                text.extend(joined);
                text.push_str(rest);
            }
            Content::Binary(bytes) | Content::Compressed { payload: bytes, .. } => {
                bytes.reserve_exact(room(bytes.len(), bytes.capacity(), payload.len(), most));
                bytes.extend_from_slice(payload);
            }
        }
        Ok(())
    }

    /// Whether it may end here: not inside a code point.
    pub(super) fn finish(&self) -> Result<(), Error> {
        match &self.content {
            Content::Text(_, cut) if cut.kept() > 0 => Err(Error::InvalidUtf8),
            _ => Ok(()),
        }
    }

    pub(super) fn lend(&self) -> Message<'_> {
        match &self.content {
            Content::Text(text, _) => Message::Text(text),
            Content::Binary(bytes) | Content::Compressed { payload: bytes, .. } => {
                Message::Binary(bytes)
            }
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self.content {
            Content::Text(text, _) => text.into_bytes(),
            Content::Binary(bytes) | Content::Compressed { payload: bytes, .. } => bytes,
        }
    }
}

/// How much room to ask for, so that `added` bytes fit: twice what there was, for linear time, but
/// not past `most`, the size that the message can have. Nothing is reserved for what is only
/// declared.
fn room(len: usize, capacity: usize, added: usize, most: usize) -> usize {
    let needed = len + added;
    if needed <= capacity {
        return 0;
    }
    needed.max(capacity.saturating_mul(2).min(most)) - len
}
