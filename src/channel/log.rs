//! The log of one channel: messages in order, what is retained of them, and where a cursor stands.
//!
//! ```text
//!            floor                                   last
//!              │                                       │
//!   evicted ───┤  first   first+1   ...   next-1       │  next
//!              │  ┌─────┬─────────┬─────┬────────┐     │
//!              │  │ id  │   id    │     │   id   │ ◄───┘
//!              │  └─────┴─────────┴─────┴────────┘
//! ```
//!
//! Messages have two names: the [`Id`] that readers are given, and the index, which counts every message of this
//! log since it began and is what readers inside the process hold. `floor` is the id of the last message that is
//! no longer retained, or the birth of the log. A cursor is a position only if it is the floor or the id of a
//! retained message; any other cursor comes from before the window or from another life of the server, and what
//! its owner missed can't be told: that is a gap.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Id;

/// What a message carries. Clones share the bytes.
///
/// ```
/// use barewire::channel::Data;
///
/// assert_eq!(Data::new(b"42"), Data::Text("42".into()));
/// assert_eq!(Data::new(b"\xff"), Data::Binary([0xff].into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Text, as it was published.
    Text(Arc<str>),
    /// Bytes: what is not UTF-8, or was published in a binary frame.
    Binary(Arc<[u8]>),
}

impl Data {
    /// Text if the bytes are UTF-8, else binary.
    pub fn new(bytes: &[u8]) -> Data {
        match std::str::from_utf8(bytes) {
            Ok(text) => Data::Text(text.into()),
            Err(_) => Data::Binary(bytes.into()),
        }
    }

    /// The bytes of either kind.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Data::Text(text) => text.as_bytes(),
            Data::Binary(bytes) => bytes,
        }
    }

    /// The data as text, where it is UTF-8, whichever way it was published.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Data::Text(text) => Some(text),
            Data::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        }
    }
}

/// One message of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Its place in the channel.
    pub id: Id,
    /// Its event name; `None` is the default name, `message`.
    pub event: Option<Arc<str>>,
    /// What it carries.
    pub data: Data,
}

impl Record {
    /// A message with this id; without an event name it has the default one, `message`.
    pub fn new(id: Id, event: Option<&str>, data: Data) -> Record {
        let event = event.map(Into::into);
        Record { id, event, data }
    }

    /// The event name, with the default filled in.
    pub fn event(&self) -> &str {
        self.event.as_deref().unwrap_or(super::DEFAULT_EVENT)
    }

    /// What it counts against [`Retention::bytes`].
    pub(crate) fn size(&self) -> usize {
        self.data.as_bytes().len() + self.event.as_ref().map_or(0, |event| event.len())
    }
}

/// How much of a channel is kept for readers that come later. Whatever is exceeded first counts. Number and size never
/// drop the newest message, age does.
///
/// A message that is larger than `bytes` is kept alone, and the next one pushes it out: a reader that comes back later
/// finds a gap in its place. So `bytes` is best a few times the largest message that is published.
///
/// ```
/// use barewire::channel::Retention;
/// use std::time::Duration;
///
/// let kept = Retention { age: Duration::from_secs(60), ..Retention::default() };
/// assert_eq!((kept.messages, kept.bytes), (10_000, 16 << 20)); // the defaults
/// ```
///
/// Written as `Retention { age, ..Retention::default() }`: a later version may have more fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// At most this many messages. Default: 10,000 ([`RETAINED_MESSAGES`]).
    pub messages: usize,
    /// At most this many bytes of data and event names. Default: 16 MiB ([`RETAINED_BYTES`]).
    pub bytes: usize,
    /// Nothing older than this. Default: one hour ([`RETAINED_AGE`]).
    pub age: Duration,
}

/// Messages retained per channel by default: 10,000.
pub const RETAINED_MESSAGES: usize = 10_000;
/// Bytes of data and event names retained per channel by default: 16 MiB.
pub const RETAINED_BYTES: usize = 16 * 1024 * 1024;
/// How long a message is retained by default: one hour.
pub const RETAINED_AGE: Duration = Duration::from_secs(60 * 60);

impl Retention {
    /// The age in whole milliseconds, as ids count them.
    pub(super) fn age_ms(&self) -> u64 {
        millis(self.age)
    }
}

/// A duration in whole milliseconds; more than 64 bits hold is as much as they hold.
pub(super) fn millis(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000);
    whole.saturating_add(u64::from(duration.subsec_millis()))
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            messages: RETAINED_MESSAGES,
            bytes: RETAINED_BYTES,
            age: RETAINED_AGE,
        }
    }
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Start {
    /// With the oldest message that is retained.
    Oldest,
    /// With what is published from now on.
    Now,
    /// Behind the message that was read last.
    After(Id),
}

/// What a [`Start`] comes to in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The index of the first message to read.
    pub next: u64,
    /// Messages may be missing between the cursor and `next`.
    pub gap: bool,
}

/// The retained messages of one channel.
///
/// ```
/// use barewire::channel::{Data, Id, Log, Start};
///
/// let mut log = Log::new(Id { ms: 1_000, seq: 0 });
/// let first = log.append(None, Data::new(b"one"), 2_000);
/// log.append(None, Data::new(b"two"), 2_000);
/// assert_eq!(log.locate(Start::After(first)).next, 1);
/// assert!(log.locate(Start::After(Id { ms: 7, seq: 0 })).gap); // from another life
/// ```
#[derive(Debug)]
pub struct Log {
    records: VecDeque<Record>,
    first: u64,
    bytes: usize,
    floor: Id,
    last: Id,
}

impl Log {
    /// An empty log in which every id will be greater than `floor`.
    pub fn new(floor: Id) -> Log {
        Log {
            records: VecDeque::new(),
            first: 0,
            bytes: 0,
            floor,
            last: floor,
        }
    }

    /// Appends a message at the time `unix_ms`, in milliseconds since 1970, and returns its id.
    pub fn append(&mut self, event: Option<Arc<str>>, data: Data, unix_ms: u64) -> Id {
        let id = self.last.next(unix_ms);
        self.push(Record { id, event, data });
        id
    }

    /// Appends a message that has its id, which is greater than that of every other one here.
    pub(crate) fn push(&mut self, record: Record) {
        debug_assert!(record.id > self.last, "{} after {}", record.id, self.last);
        self.bytes += record.size();
        self.last = record.id;
        self.records.push_back(record);
    }

    /// An empty log goes on behind `id`.
    #[cfg(feature = "backend")]
    pub(super) fn begin_behind(&mut self, id: Id) {
        debug_assert!(self.records.is_empty());
        (self.floor, self.last) = (id, id);
    }

    /// Goes on behind `id`, which is not the last message here: something is missing between the two, and what is retained
    /// lies in front of that. One index is left out, so that readers who have read everything find a gap, too.
    #[cfg(feature = "backend")]
    pub(super) fn break_off(&mut self, id: Id) {
        self.first = self.next() + 1;
        self.records.clear();
        self.bytes = 0;
        (self.floor, self.last) = (id, id);
    }

    /// Drops what retention no longer allows at the time `unix_ms`, but never the newest message for its number
    /// or size: a message larger than the whole allowance still reaches the readers that wait for it.
    pub fn evict(&mut self, retention: &Retention, unix_ms: u64) {
        let oldest = unix_ms.saturating_sub(retention.age_ms());
        while let Some(front) = self.records.front() {
            let crowded = self.records.len() > retention.messages || self.bytes > retention.bytes;
            if front.id.ms >= oldest && !(crowded && self.records.len() > 1) {
                return;
            }
            self.bytes -= front.size();
            self.floor = front.id;
            self.first += 1;
            self.records.pop_front();
        }
    }

    /// Where a reader that begins at `start` stands.
    pub fn locate(&self, start: Start) -> Position {
        match start {
            Start::Oldest => Position {
                next: self.first,
                gap: false,
            },
            Start::Now => Position {
                next: self.next(),
                gap: false,
            },
            Start::After(id) if id == self.last => Position {
                next: self.next(),
                gap: false,
            },
            Start::After(id) if id == self.floor => Position {
                next: self.first,
                gap: false,
            },
            Start::After(id) => match self.records.binary_search_by_key(&id, |record| record.id) {
                Ok(at) => Position {
                    next: self.first + at as u64 + 1,
                    gap: false,
                },
                Err(_) => Position {
                    next: self.first,
                    gap: true,
                },
            },
        }
    }

    /// The message with this index, if it is retained.
    pub fn get(&self, index: u64) -> Option<&Record> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.records.get(at)
    }

    /// The messages that are retained, with their indices, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    /// The index of the oldest message retained.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The index that the next message will get.
    pub fn next(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// The cursor of a reader that has read everything before `index`.
    pub fn cursor(&self, index: u64) -> Id {
        match index.checked_sub(1).and_then(|previous| self.get(previous)) {
            Some(record) => record.id,
            None if index >= self.next() => self.last,
            None => self.floor,
        }
    }

    /// The cursor in front of the oldest message retained.
    pub fn floor(&self) -> Id {
        self.floor
    }

    /// The id of the newest message, or the floor if there never was one.
    pub fn last(&self) -> Id {
        self.last
    }

    /// How many messages are retained.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is retained.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bytes that count against [`Retention::bytes`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIRTH: Id = Id { ms: 1000, seq: 0 };

    fn log_of(count: u64) -> Log {
        let mut log = Log::new(BIRTH);
        for n in 0..count {
            log.append(None, Data::new(n.to_string().as_bytes()), 2000 + n / 2);
        }
        log
    }

    fn keep(messages: usize) -> Retention {
        Retention {
            messages,
            ..Retention::default()
        }
    }

    #[test]
    fn ids_grow_also_when_the_clock_goes_back() {
        let mut log = Log::new(BIRTH);
        let ids: Vec<Id> = [5, 2000, 2000, 1500]
            .map(|ms| log.append(None, Data::new(b""), ms))
            .into();
        assert_eq!(ids[0], Id { ms: 1000, seq: 1 });
        assert_eq!(ids[1], Id { ms: 2000, seq: 0 });
        assert_eq!(ids[2], Id { ms: 2000, seq: 1 });
        assert_eq!(ids[3], Id { ms: 2000, seq: 2 });
    }

    #[test]
    fn every_message_retained_is_a_position() {
        let log = log_of(5);
        for index in 0..5 {
            let id = log.get(index).unwrap().id;
            assert_eq!(
                log.locate(Start::After(id)),
                Position {
                    next: index + 1,
                    gap: false
                }
            );
            assert_eq!(log.cursor(index + 1), id);
        }
        assert_eq!(log.cursor(0), BIRTH);
        assert_eq!(log.locate(Start::Oldest).next, 0);
        assert_eq!(log.locate(Start::Now).next, 5);
    }

    #[test]
    fn the_floor_is_a_position_and_what_lies_below_it_is_a_gap() {
        let mut log = log_of(5);
        assert_eq!(
            log.locate(Start::After(BIRTH)),
            Position {
                next: 0,
                gap: false
            }
        );
        let second = log.get(1).unwrap().id;
        log.evict(&keep(3), 2002);
        assert_eq!(log.floor(), second);
        assert_eq!(
            log.locate(Start::After(second)),
            Position {
                next: 2,
                gap: false
            }
        );
        assert_eq!(
            log.locate(Start::After(BIRTH)),
            Position { next: 2, gap: true }
        );
    }

    #[test]
    fn a_cursor_of_another_life_is_never_taken_for_a_position() {
        let log = log_of(5);
        for foreign in [
            Id { ms: 0, seq: 0 },
            Id { ms: 2000, seq: 7 },
            Id { ms: 9000, seq: 0 },
        ] {
            assert_eq!(
                log.locate(Start::After(foreign)),
                Position { next: 0, gap: true }
            );
        }
    }

    #[test]
    fn retention_by_bytes_keeps_at_least_the_newest() {
        let mut log = Log::new(BIRTH);
        let retention = Retention {
            bytes: 10,
            ..Retention::default()
        };
        for size in [4, 4, 4, 50] {
            log.append(None, Data::new(&vec![b'x'; size]), 2000);
            log.evict(&retention, 2000);
        }
        assert_eq!((log.len(), log.bytes(), log.first()), (1, 50, 3));
    }

    #[test]
    fn retention_by_age_leaves_nothing_in_the_end() {
        let mut log = log_of(4);
        let retention = Retention {
            age: Duration::from_millis(100),
            ..Retention::default()
        };
        log.evict(&retention, 2101);
        assert_eq!(log.len(), 2);
        let last = log.last();
        log.evict(&retention, 9000);
        assert!(log.is_empty());
        assert_eq!((log.floor(), log.bytes()), (last, 0));
        assert_eq!(
            log.locate(Start::After(last)),
            Position {
                next: 4,
                gap: false
            }
        );
    }
}
