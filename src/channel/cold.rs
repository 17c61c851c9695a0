//! A hub in front of a backend: what it holds is the newest part of each log, and readers come to it from history.
//!
//! ```text
//!   a channel's log:   floor ───── in the backend ─────┤ hot: in the hub ├───► last
//!                         ▲                            ▲                 ▲
//!                         a cold reader, held          place             a reader
//! ```
//!
//! A reader whose cursor is not in the hot part is **held**: the channel is kept for it, and it gets nothing from here.
//! Its history is read elsewhere and written by whoever holds the connection, until [`Hub::place`] finds its cursor in the
//! hot part. No hole opens between the two: every entry that comes while a reader is held is appended here, because the
//! channel exists, and an entry says which id was before it, so that the floor of an empty log is known from the first
//! entry, or from the end of the history that was read.
//!
//! The invariant: **the log of a hub behind a backend has every message of its channel behind its floor**, and a floor
//! that is not known is [`UNKNOWN`], which no cursor is.

use super::error::Error;
use super::hub::Hub;
use super::log::{Data, Position, Record, Start};
use super::reader::{Batch, Reader};
use super::{GAP_EVENT, Id};

/// The floor of a log of which nothing is known yet.
pub(super) const UNKNOWN: Id = Id {
    ms: u64::MAX,
    seq: u64::MAX,
};

impl Hub {
    /// From now on its channels are the newest parts of what a backend has. To be called before there are any.
    pub(crate) fn stand_before_a_backend(&mut self) {
        self.siblings = None;
        self.floor = UNKNOWN;
    }

    /// Whether a reader that begins at `start` is served from here.
    pub(crate) fn is_hot(&self, name: &str, start: Start) -> bool {
        let index = self.names.get(name);
        let Some(channel) = index.and_then(|&index| self.channel(index)) else {
            return false;
        };
        let log = &channel.log;
        match start {
            Start::Oldest => false,
            Start::Now => log.last() != UNKNOWN,
            Start::After(id) => id != UNKNOWN && !log.locate(Start::After(id)).gap,
        }
    }

    /// Keeps a reader from reading here until it is placed.
    pub(crate) fn hold(&self, reader: &mut Reader) {
        reader.held = true;
        reader.gap = false;
    }

    /// Whether a reader waits to be placed.
    pub(crate) fn is_held(&self, reader: &Reader) -> bool {
        reader.held
    }

    /// Lets a reader that has read all history up to `through`, where there was no more, go on here. Returns whether it
    /// can: if not, there is more history by now.
    pub(crate) fn place(&mut self, reader: &mut Reader, through: Id) -> bool {
        let Some(channel) = self.channels.get_mut(reader.channel) else {
            return false;
        };
        if channel.log.is_empty() && channel.log.floor() == UNKNOWN {
            channel.log.begin_behind(through);
        }
        let Position { next, gap } = channel.log.locate(Start::After(through));
        if !gap {
            // What is in front of it was not given from here.
            self.given.skip(reader.encoding, reader.next, next);
            (reader.next, reader.held) = (next, false);
        }
        !gap
    }

    /// Appends a message that a backend has kept, behind `previous` in its channel.
    pub(super) fn append_kept(&mut self, name: &str, previous: Id, record: &Record) {
        let index = match self.names.get(name) {
            Some(&index) => index,
            None => match self.admit(name) {
                Ok(()) => self.begin(name),
                // Nobody reads it here, or it would be held: whoever comes reads it from the backend.
                Err(Error::TooManyChannels) if self.drop_an_unread() => self.begin(name),
                Err(_) => return,
            },
        };
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        if channel.log.is_empty() {
            channel.log.begin_behind(previous);
        }
        if record.id > channel.log.last() {
            self.append(index, record.clone());
        }
    }

    /// Appends a `gap` event in the reader's encoding: what follows lies behind `after`.
    pub(crate) fn write_gap_behind(&self, reader: &Reader, after: Id, out: &mut Vec<u8>) {
        let data = format!("{{\"after\":\"{after}\"}}");
        let record = Record {
            id: after,
            event: Some(GAP_EVENT.into()),
            data: Data::Text(data.into()),
        };
        self.write_history(reader, &[record], out);
    }

    /// Appends messages of the reader's history in its encoding, uncompressed.
    pub(crate) fn write_history(&self, reader: &Reader, records: &[Record], out: &mut Vec<u8>) {
        let (encoding, _) = reader.encoding.plain();
        for record in records {
            encoding.write(out, record);
        }
    }

    /// Appends the body of a poll's answer that holds these messages.
    pub(crate) fn write_history_batch(
        &self,
        reader: &Reader,
        records: &[Record],
        batch: &Batch,
        out: &mut Vec<u8>,
    ) {
        Batch::write_start(out);
        self.write_history(reader, records, out);
        if !records.is_empty() {
            // Each message in this encoding ends with the comma that separates it from the next.
            out.pop();
        }
        batch.write_end(out);
    }
}
