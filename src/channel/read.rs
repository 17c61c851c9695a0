//! Reading: what a reader gets next, and what a poll gets.
//!
//! A reader that waits (an event stream, a WebSocket) asks [`Hub::next`] when it was woken or its output has drained, writes
//! what it is lent, and says with [`Hub::advance`] how much of it went out. Nothing is copied for it, and nothing is kept
//! but its place. A poll has everything behind its cursor copied into one JSON body, within the limits of a batch.
//!
//! The invariant: a reader stands between two messages. A write that ended inside one leaves its rest to the
//! connection, so that the log may forget what it likes; what it forgot in front of a reader is a gap, which the reader
//! gets as an event before anything else.

use bytes::Bytes;

use super::encoded::Encoding;
use super::given::{Given, Stand};
use super::hub::{Hub, check_name};
use super::log::{Data, Position, Record, Start};
use super::reader::{Batch, Next, Reader};
use super::{Error, GAP_EVENT, Id};

impl Hub {
    /// What `reader` gets next.
    pub fn next(&self, reader: &Reader) -> Next<'_> {
        let Some(channel) = self.channel(reader.channel) else {
            return Next::Nothing;
        };
        #[cfg(feature = "backend")]
        if reader.held {
            return Next::Nothing;
        }
        if channel.has_gap(reader) {
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

    /// Whether messages are missing in front of what `reader` gets next: whether that is [`Next::Gap`].
    pub fn has_gap(&self, reader: &Reader) -> bool {
        self.channel(reader.channel)
            .is_some_and(|channel| channel.has_gap(reader))
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
    pub fn write_gap(&mut self, reader: &mut Reader, out: &mut Vec<u8>) {
        reader.gap = false;
        let Some(channel) = self.channels.get(reader.channel) else {
            return;
        };
        let next = reader.next.max(channel.log.first());
        self.given.skip(reader.encoding, reader.next, next);
        self.given.gaps += 1;
        reader.next = next;
        let id = channel.log.cursor(reader.next);
        let data = format!("{{\"after\":\"{id}\"}}");
        let record = Record {
            id,
            event: Some(GAP_EVENT.into()),
            data: Data::Text(data.into()),
        };
        // Too small to be worth compressing.
        let (encoding, _) = reader.encoding.plain();
        encoding.write(out, &record);
    }

    /// Appends what a poll gets that waits as `reader`.
    pub fn batch_for(&self, reader: &Reader, out: &mut Vec<u8>) -> Option<Batch> {
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
    pub fn publish_to(&mut self, reader: &Reader, data: Data, unix_ms: u64) -> Result<Id, Error> {
        self.check_size(None, &data)?;
        self.publish_at(reader.channel, None, data, unix_ms)
    }

    /// The cursor of a reader: the id of the last message that it has had.
    pub fn cursor(&self, reader: &Reader) -> Option<Id> {
        Some(self.channel(reader.channel)?.log.cursor(reader.next))
    }

    /// Appends what a poll of the channel `name` gets, without waiting. A channel that does not exist has nothing,
    /// and does not begin by being asked.
    ///
    /// # Errors
    /// The name is refused.
    pub fn batch(&mut self, name: &str, start: Start, out: &mut Vec<u8>) -> Result<Batch, Error> {
        check_name(name)?;
        if let Some(&index) = self.names.get(name) {
            if let Some(channel) = self.channels.get_mut(index) {
                channel.encode(Encoding::Json, &mut self.encoder);
                let position = channel.log.locate(start);
                if let Some(batch) = self.write_batch(index, position, out) {
                    return Ok(batch);
                }
            }
        }
        let gap = matches!(start, Start::After(id) if id != self.floor);
        let batch = Batch {
            messages: 0,
            last_id: self.floor,
            gap,
            more: false,
        };
        Batch::write_start(out);
        batch.write_end(out);
        Ok(batch)
    }

    pub(super) fn write_batch(
        &self,
        channel: u32,
        position: Position,
        out: &mut Vec<u8>,
    ) -> Option<Batch> {
        let log = &self.channel(channel)?.log;
        let run = self.channel(channel)?.run(Encoding::Json)?;
        let first = position.next.max(log.first());
        let gap = position.gap || position.next < first;
        Batch::write_start(out);
        let (mut next, start) = (first, out.len());
        while next < log.next() && next - first < self.limits.batch_messages as u64 {
            let message = run.message(next);
            if next > first && out.len() - start + message.len() > self.limits.batch_bytes {
                break;
            }
            out.extend_from_slice(message);
            next += 1;
        }
        if next > first {
            // Each message in this encoding ends with the comma that separates it from the next.
            out.pop();
        }
        let messages = usize::try_from(next - first).unwrap_or(usize::MAX);
        let batch = Batch {
            messages,
            last_id: log.cursor(next),
            gap,
            more: next < log.next(),
        };
        batch.write_end(out);
        Some(batch)
    }

    /// What its readers were given.
    pub(crate) fn given(&self) -> &Given {
        &self.given
    }

    /// Where a reader is.
    pub(crate) fn stand_of(&self, reader: &Reader) -> Stand {
        let last = self.channel(reader.channel);
        let last = last.map_or(0, |channel| channel.log.next());
        Stand {
            encoding: reader.encoding,
            next: reader.next,
            behind: match reader.is_held() {
                true => 0,
                false => last.saturating_sub(reader.next),
            },
        }
    }
}
