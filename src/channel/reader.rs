//! A reader: a cursor into one channel, and what it gets next.

use bytes::Bytes;

use super::encoded::Encoding;
use super::hub::Hub;
use super::log::{Data, Position, Record};
use super::{Error, GAP_EVENT, Id};
use crate::json;

/// The most messages that a poll gets at once.
pub const BATCH_MESSAGES: usize = 1_000;
/// The most bytes that a poll's messages take at once, unless the first alone takes more.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// A cursor that waits at a channel. Given by [`Hub::attach`], ended by [`Hub::detach`].
///
/// It belongs to the hub that gave it; another hub has nothing for it to read.
#[derive(Debug)]
pub struct Reader {
    pub(super) channel: u32,
    pub(super) place: u32,
    pub(super) next: u64,
    pub(super) encoding: Encoding,
    pub(super) gap: bool,
}

/// What a reader gets next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'h> {
    /// It has read everything.
    Nothing,
    /// Messages are missing: [`Hub::take_gap`] says it in the reader's encoding and moves on.
    Gap,
    /// Encoded messages, as many as lie in one piece.
    Bytes(&'h [u8]),
}

/// What a poll gets: everything behind its cursor, or as much as a batch may hold.
///
/// The body is `{"events":[...],"last_id":".."}`, with `"more":true` if the batch was full and `"gap":true` if
/// messages are missing in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many messages it holds.
    pub messages: usize,
    /// The cursor to come back with.
    pub last_id: Id,
    /// Messages are missing between the cursor that was given and the first one here.
    pub gap: bool,
    /// There is more to be had at once.
    pub more: bool,
}

impl Batch {
    /// Nothing that would end a long poll: no message, and no gap to be told of.
    pub fn is_empty(&self) -> bool {
        self.messages == 0 && !self.gap
    }

    pub(super) fn write_start(out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"events\":[");
    }

    pub(super) fn write_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"],\"last_id\":");
        json::write_string(out, self.last_id.text().as_str());
        if self.gap {
            out.extend_from_slice(b",\"gap\":true");
        }
        if self.more {
            out.extend_from_slice(b",\"more\":true");
        }
        out.push(b'}');
    }
}

impl Hub {
    /// What `reader` gets next.
    pub fn next(&self, reader: &Reader) -> Next<'_> {
        let Some(channel) = self.channel(reader.channel) else {
            return Next::Nothing;
        };
        if reader.gap || reader.next < channel.log.first() {
            return Next::Gap;
        }
        match channel
            .run(reader.encoding)
            .map(|run| run.read(reader.next))
        {
            None | Some([]) => Next::Nothing,
            Some(bytes) => Next::Bytes(bytes),
        }
    }

    /// Moves `reader` on after `sent` of the bytes that [`Hub::next`] gave have gone out. If they end inside a
    /// message, the reader is behind that message and its rest is returned: it has to go out before anything else.
    pub fn advance(&self, reader: &mut Reader, sent: usize) -> Option<Bytes> {
        let run = self.channel(reader.channel)?.run(reader.encoding)?;
        let (next, rest) = run.advance(reader.next, sent);
        reader.next = next;
        rest
    }

    /// Appends a `gap` event in the reader's encoding and moves the reader to the oldest message retained.
    ///
    /// The event's id is the cursor in front of that message, so that a reader that is cut off now comes back
    /// without a second gap. Its data is a JSON object that says which messages come next: `{"after":"<id>"}`.
    pub fn take_gap(&self, reader: &mut Reader, out: &mut Vec<u8>) {
        reader.gap = false;
        let Some(channel) = self.channel(reader.channel) else {
            return;
        };
        reader.next = reader.next.max(channel.log.first());
        let id = channel.log.cursor(reader.next);
        let data = format!("{{\"after\":\"{id}\"}}");
        let record = Record {
            id,
            event: Some(GAP_EVENT.into()),
            data: Data::Text(data.into()),
        };
        reader.encoding.write(out, &record);
    }

    /// Appends what a poll gets that waits as `reader`.
    pub fn batch_of(&self, reader: &Reader, out: &mut Vec<u8>) -> Option<Batch> {
        let position = Position {
            next: reader.next,
            gap: reader.gap,
        };
        self.write_batch(reader.channel, position, out)
    }

    /// Publishes to the channel that `reader` reads, at the time `unix_ms`, under the default event name.
    ///
    /// # Errors
    /// As [`Hub::publish`].
    pub fn publish_beside(
        &mut self,
        reader: &Reader,
        data: Data,
        unix_ms: u64,
    ) -> Result<Id, Error> {
        self.publish_at(reader.channel, None, data, unix_ms)
    }

    /// The cursor of a reader: the id of the last message that it has had.
    pub fn cursor(&self, reader: &Reader) -> Option<Id> {
        Some(self.channel(reader.channel)?.log.cursor(reader.next))
    }
}
