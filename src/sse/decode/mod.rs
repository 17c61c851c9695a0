//! Reading an event stream: WHATWG HTML 9.2.6, "Interpreting an event stream".
//!
//! ```text
//!   bytes in any cut ──> lines ──> fields ──> blank line: dispatch
//!                        LF CR     data   ──> data, one LF after each line
//!                        CRLF      event  ──> name
//!                        BOM       id     ──> id buffer ──(each blank line)──> last event ID
//!                                  retry  ──> reconnection time, at once
//!                                  other, and ":..."  ──> nothing
//! ```
//!
//! The invariant: what comes out depends on the bytes alone, never on how they were cut. So a CR
//! ends its line at once, without a wait for the LF that may follow and is then skipped; and the
//! limit counts the same bytes whether a line came whole or in pieces.
//!
//! The format gives every input a meaning: bytes that are not UTF-8 are read as U+FFFD, fields
//! that nobody knows are skipped, and the block that the stream's end leaves unfinished is dropped
//! (with the decoder). The one error is an event above the limit.
//!
//! Bytes are decoded line by line instead of before the split, which gives the same text: CR, LF,
//! colon and space are ASCII, and an ASCII byte always ends a malformed sequence.
//!
//! A line that lies whole in the input is read where it lies; only a cut line is kept.

use super::error::Error;
use super::line::{CR, LF, find_line_end};
use crate::scan::saturating_decimal;

/// The default limit for [`Decoder::new`]: 16 MiB for one event.
pub const MAX_EVENT: usize = 16 << 20;

/// The type of an event that names none (9.2.6, step 6 of the dispatch: `message`).
const DEFAULT_NAME: &str = "message";

/// 9.2.5: a stream may begin with one U+FEFF, which is not part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What malformed UTF-8 is read as (Encoding Standard, "UTF-8 decode").
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// A buffer that grew beyond this for one event is given back after it.
const KEEP: usize = 64 << 10;

const _: () = assert!(size_of::<Decoder>() <= 176);

/// An event as it was dispatched, lent by the decoder until it is given more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Received<'a> {
    /// The event's type: `message` when the block named none, or the empty one.
    pub name: &'a str,
    /// The block's data lines, joined by LF.
    pub data: &'a str,
    /// The ID of this block or, when it had none, of the last one that had; at first empty.
    pub last_event_id: &'a str,
}

/// Reads a stream that arrives in pieces of any size.
///
/// ```
/// use barewire::sse::{Decoder, MAX_EVENT};
///
/// let mut decoder = Decoder::new(MAX_EVENT);
/// let mut seen = Vec::new();
/// for mut piece in [b"id: 1\ndata: a\r".as_slice(), b"\n\r\ndata: b\n\ndata: unfin", b"ished"] {
///     while !piece.is_empty() {
///         let (used, event) = decoder.decode(piece)?;
///         if let Some(event) = event {
///             seen.push((event.last_event_id.to_owned(), event.data.to_owned()));
///         }
///         piece = &piece[used..];
///     }
/// }
/// assert_eq!(seen, [("1".into(), "a".into()), ("1".into(), "b".into())]);
/// # Ok::<(), barewire::sse::Error>(())
/// ```
///
/// Comments leave no trace here. A caller that watches whether the peer is alive counts any bytes at all.
#[derive(Debug, Clone)]
pub struct Decoder {
    limit: usize,
    position: Position,
    /// The line being received, as far as earlier pieces held it.
    line: Vec<u8>,
    block: Block,
    last_event_id: String,
    retry: Option<u64>,
}

/// Where in the stream the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// In the stream's first line, which may begin with a byte order mark.
    FirstLine,
    /// In any later line.
    Line,
    /// Right after a CR: the line has ended, and an LF here belongs to its end.
    AfterCr,
    /// After the error.
    Failed,
}

/// The buffers of 9.2.6, which the fields of one block fill.
#[derive(Debug, Clone, Default)]
struct Block {
    name: String,
    data: String,
    /// Unlike the others, it is kept from block to block.
    id: String,
    /// Whether `id` was set since the last dispatch. Without it each blank line would cost a copy
    /// of an ID that may be long.
    id_is_new: bool,
    /// `name` and `data` belong to an event that was dispatched and is lent.
    is_lent: bool,
}

impl Decoder {
    /// A decoder at the start of a stream.
    ///
    /// `limit` is the most bytes that one event may take: its data, name and ID so far together
    /// with the line that is being received. It also holds for a line that is a comment. Memory
    /// stays within a small multiple of it, and is taken only for bytes that arrived.
    pub fn new(limit: usize) -> Self {
        Decoder {
            limit,
            position: Position::FirstLine,
            line: Vec::new(),
            block: Block::default(),
            last_event_id: String::new(),
            retry: None,
        }
    }

    /// The same for a stream that goes on behind the event with this ID, which another connection has brought: it stays
    /// the last one until the stream gives the next, be it the empty one.
    pub fn resume(limit: usize, last_event_id: &str) -> Self {
        let mut decoder = Decoder::new(limit);
        last_event_id.clone_into(&mut decoder.last_event_id);
        last_event_id.clone_into(&mut decoder.block.id);
        decoder
    }

    /// Reads up to the end of `input` or of the next event, whichever comes first. Returns how
    /// many bytes that took, which is at least one unless `input` is empty, and the event.
    ///
    /// Call it again with the bytes that are left, until none are.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when an event exceeds the limit, and from then on until
    /// [`restart`](Decoder::restart): the stream cannot be read on.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Received<'_>>), Error> {
        self.block.take_back();
        match self.advance(input) {
            Ok(used) if self.block.is_lent => Ok((used, Some(self.lend()))),
            Ok(used) => Ok((used, None)),
            Err(error) => {
                self.position = Position::Failed;
                Err(error)
            }
        }
    }

    /// The reconnection time that the server asked for last, in milliseconds.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// What a client sends as `Last-Event-ID` when it connects again (9.2.4), unless it is empty.
    /// It changes at blank lines only, so an event that was cut off is asked for once more.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The ID of the block that has begun and is not complete, if it has said one: that of an event above the limit, for
    /// who wants to go on behind it.
    pub fn unfinished_id(&self) -> Option<&str> {
        self.block.id_is_new.then_some(&*self.block.id)
    }

    /// Turns to a new connection of the same event source: the unfinished block is dropped, the
    /// last event ID and the reconnection time are kept.
    ///
    /// The text of 9.2.6 would begin the new stream with an empty ID buffer, and so forget the ID
    /// at the first event that has none. This decoder keeps it until a field replaces it.
    pub fn restart(&mut self) {
        self.position = Position::FirstLine;
        empty_bytes(&mut self.line);
        self.block.clear();
        self.block.id.clone_from(&self.last_event_id);
        self.block.id_is_new = false;
    }

    /// Reads line by line until the input is used up or the block is lent.
    fn advance(&mut self, input: &[u8]) -> Result<usize, Error> {
        let mut used = 0;
        while let Some(&next) = input.get(used) {
            match self.position {
                Position::Failed => return Err(Error::TooLarge),
                Position::AfterCr => {
                    self.position = Position::Line;
                    used += usize::from(next == LF);
                    continue;
                }
                Position::FirstLine | Position::Line => {}
            }
            // In bounds: `get` has just found a byte there.
            let rest = &input[used..];
            let Some(at) = find_line_end(rest) else {
                self.check_limit(rest.len())?;
                self.line.extend_from_slice(rest);
                return Ok(input.len());
            };
            self.check_limit(at)?;
            self.end_line(&rest[..at])?;
            self.position = if rest[at] == CR {
                Position::AfterCr
            } else {
                Position::Line
            };
            used += at + 1;
            if self.block.is_lent {
                break;
            }
        }
        Ok(used)
    }

    /// Whether the line may take `more` bytes.
    fn check_limit(&self, more: usize) -> Result<(), Error> {
        // The first sum is of lengths of things in memory; `more` is a slice's length too.
        if more
            > self
                .limit
                .saturating_sub(self.line.len() + self.block.len())
        {
            return Err(Error::TooLarge);
        }
        Ok(())
    }

    /// Interprets the line whose last part is `tail`, and whose others are in `self.line`.
    fn end_line(&mut self, tail: &[u8]) -> Result<(), Error> {
        let whole = if self.line.is_empty() {
            tail
        } else {
            self.line.extend_from_slice(tail);
            &self.line
        };
        let line = match self.position {
            Position::FirstLine => whole.strip_prefix(BYTE_ORDER_MARK).unwrap_or(whole),
            _ => whole,
        };
        if line.is_empty() {
            self.block.dispatch(&mut self.last_event_id);
        } else if let Some(milliseconds) = self.block.take_field(line, self.limit)? {
            self.retry = Some(milliseconds);
        }
        empty_bytes(&mut self.line);
        Ok(())
    }

    fn lend(&self) -> Received<'_> {
        let name = &self.block.name;
        Received {
            name: if name.is_empty() { DEFAULT_NAME } else { name },
            // "If the data buffer's last character is LF, remove it": each line left one.
            data: self
                .block
                .data
                .strip_suffix('\n')
                .unwrap_or(&self.block.data),
            last_event_id: &self.last_event_id,
        }
    }
}

impl Block {
    /// The bytes that the limit counts.
    fn len(&self) -> usize {
        self.name.len() + self.data.len() + self.id.len()
    }

    /// "Process the field". Returns a reconnection time, which is no part of the block.
    fn take_field(&mut self, line: &[u8], limit: usize) -> Result<Option<u64>, Error> {
        let (field, value) = split_field(line);
        match field {
            b"event" => {
                self.name.clear();
                let room = limit.saturating_sub(self.len());
                push_text(&mut self.name, value, room)?;
            }
            b"data" => {
                // One byte of the room is for the LF.
                let room = limit.saturating_sub(self.len() + 1);
                push_text(&mut self.data, value, room)?;
                self.data.push('\n');
            }
            b"id" if !value.contains(&0) => {
                self.id.clear();
                let room = limit.saturating_sub(self.len());
                push_text(&mut self.id, value, room)?;
                self.id_is_new = true;
            }
            b"retry" => return Ok(saturating_decimal(value)),
            _ => {}
        }
        Ok(None)
    }

    /// "Dispatch the event", at a blank line: lends the block if it has data, else empties it. The
    /// ID counts either way.
    fn dispatch(&mut self, last_event_id: &mut String) {
        if self.id_is_new {
            last_event_id.clone_from(&self.id);
            self.id_is_new = false;
        }
        if self.data.is_empty() {
            self.clear();
        } else {
            self.is_lent = true;
        }
    }

    /// Ends the loan of the last event.
    fn take_back(&mut self) {
        if self.is_lent {
            self.clear();
        }
    }

    /// Sets the data buffer and the event type buffer to the empty string.
    fn clear(&mut self) {
        empty_text(&mut self.name);
        empty_text(&mut self.data);
        self.is_lent = false;
    }
}

/// A line's field name and value: cut at the first colon, without one space after it. A line
/// without a colon is a name with the empty value. A comment is the field with the empty name,
/// which nobody knows.
fn split_field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return (line, b"");
    };
    // `colon` is the index of a byte of `line`.
    let value = &line[colon + 1..];
    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
}

/// Appends `bytes`, read as UTF-8 with replacement, if the text fits into `room`. A malformed
/// byte may become three, so what fits is only known piece by piece.
fn push_text(text: &mut String, bytes: &[u8], mut room: usize) -> Result<(), Error> {
    let mut push = |piece: &str| {
        room = room.checked_sub(piece.len()).ok_or(Error::TooLarge)?;
        text.push_str(piece);
        Ok(())
    };
    // Validating whole slices is much faster than walking their chunks, and nearly all are valid.
    if let Ok(valid) = std::str::from_utf8(bytes) {
        return push(valid);
    }
    for chunk in bytes.utf8_chunks() {
        push(chunk.valid())?;
        if !chunk.invalid().is_empty() {
            push(REPLACEMENT.encode_utf8(&mut [0; 4]))?;
        }
    }
    Ok(())
}

fn empty_bytes(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEEP);
}

fn empty_text(buffer: &mut String) {
    buffer.clear();
    buffer.shrink_to(KEEP);
}

#[cfg(test)]
mod tests;
