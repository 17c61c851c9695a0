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
//! An entry that names another message before it than the last one here tells that something is missing, which the backend does
//! not have either. The log begins anew behind that hole, and whoever stands in front of it is told a gap.
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
        let last = channel.log.last();
        if last == UNKNOWN {
            channel.log.begin_behind(previous);
        } else if record.id <= last {
            return;
        } else if previous != last {
            channel.break_off(previous);
        }
        self.append(index, record.clone());
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

#[cfg(test)]
mod tests {
    use super::super::hub::Limits;
    use super::super::{Encoding, Entry, Next};
    use super::*;

    fn id(ms: u64) -> Id {
        Id { ms, seq: 0 }
    }

    fn keep(hub: &mut Hub, previous: u64, ms: u64) {
        let entry = Entry::Kept {
            channel: "a".into(),
            previous: id(previous),
            record: Record::new(id(ms), None, Data::new(b"x")),
        };
        hub.apply(&entry).unwrap();
    }

    /// What a reader gets until there is nothing more: `gap`, or how many bytes.
    fn read(hub: &mut Hub, reader: &mut Reader) -> Vec<String> {
        let mut got = Vec::new();
        loop {
            match hub.next(reader) {
                Next::Nothing => return got,
                Next::Gap => {
                    let mut out = Vec::new();
                    hub.write_gap(reader, &mut out);
                    got.push(String::from_utf8(out).unwrap());
                }
                Next::Bytes(bytes) => {
                    let (text, sent) = (String::from_utf8(bytes.to_vec()), bytes.len());
                    got.push(text.unwrap());
                    hub.advance(reader, sent);
                }
            }
        }
    }

    #[test]
    fn a_hole_is_a_gap_for_all_who_stand_in_front_of_it_and_for_nobody_else() {
        let mut hub = Hub::new(Limits::default(), 1);
        hub.stand_before_a_backend();
        keep(&mut hub, 1, 2);
        keep(&mut hub, 2, 3);
        let attach = |hub: &mut Hub, after: u64| {
            let start = Start::After(id(after));
            assert!(hub.is_hot("a", start));
            hub.attach("a", Encoding::Json, start, 7).unwrap()
        };
        let (mut late, mut early) = (attach(&mut hub, 3), attach(&mut hub, 2));
        keep(&mut hub, 5, 6);
        for reader in [&mut late, &mut early] {
            let got = read(&mut hub, reader);
            assert_eq!(got.len(), 2, "{got:?}");
            assert!(
                got[0].contains("\"gap\"") && got[0].contains("5-0"),
                "{got:?}"
            );
            assert!(got[1].contains("6-0"), "{got:?}");
        }
        assert!(!hub.is_hot("a", Start::After(id(3))));
        // Whoever comes with the id that stands in front of it has missed nothing; nor has anybody twice.
        let mut third = attach(&mut hub, 5);
        keep(&mut hub, 6, 7);
        for (reader, messages) in [(&mut third, 2), (&mut late, 1)] {
            let got = read(&mut hub, reader);
            assert!(!got.concat().contains("\"gap\""), "{got:?}");
            assert_eq!(got.concat().matches("\"id\"").count(), messages, "{got:?}");
        }
        // What comes twice is taken once.
        keep(&mut hub, 5, 6);
        assert!(read(&mut hub, &mut late).is_empty());
        let mut polled = attach(&mut hub, 7);
        keep(&mut hub, 9, 10);
        let mut out = Vec::new();
        let batch = hub.batch_for(&polled, &mut out).unwrap();
        assert_eq!(
            (batch.messages, batch.gap, batch.last_id),
            (1, true, id(10))
        );
        assert_eq!(read(&mut hub, &mut polled).len(), 2);
    }
}
