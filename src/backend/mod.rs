//! What stands behind the channels: where order and ids are given, and where history lies.
//!
//! A [`Hub`](crate::channel::Hub) is a function of entries in one order. It does not ask where the order comes from.
//! A backend is the answer to that question, and to a second one: who remembers what a hub no longer holds.
//!
//! ```text
//!    loop 0                       backend: threads of its own                     loop 1
//!   ────────                     ─────────────────────────────                   ────────
//!   a POST, a frame
//!      │  publish(Draft, Ticket)
//!      ├──────────────────────►  gathers, orders, gives ids, keeps
//!      │                                     │ kept: it can't be lost any more, within what this backend promises
//!      │       News::Entry                   ├──────── News::Entry ─────────────►  the same entries, the same order
//!   hub applies, readers are woken ◄─────────┤                                     hub applies, readers are woken
//!      │       News::Settled(Ticket)         │
//!   201, or counted ◄────────────────────────┘
//!
//!   a cursor in front of what the hub holds: cold
//!      │  read(Query, Ticket)
//!      ├──────────────────────►  looks, holds nothing afterwards
//!      │       News::Page(Ticket)            │
//!   written, and asked again behind it ◄─────┘
//! ```
//!
//! # What a backend promises
//!
//! 1. **Order.** All loops get the same entries of a channel in the same order, with ids that grow: over restarts, over
//!    nodes, and when the clock is set back. An entry carries the id before it in its channel
//!    ([`Entry::previous`]), so that a hub that joins late knows the exact floor of what it holds, and one that has
//!    missed something knows that it has: if it is not the last that it was told, what lies between the two is lost, and
//!    whoever stands in front of it is told a gap.
//! 2. **Kept, then told.** An entry and the answer to its draft are told when the message can no longer be lost, within
//!    what the backend promises of its medium. So no cursor names what a crash takes away. The entry is told first:
//!    whoever was answered finds its message on whichever loop it comes to next.
//! 3. **One answer to each draft.** [`Backend::publish`] refuses at once, and then nothing is kept or told; or it takes
//!    the draft and tells what became of it once, as [`News::Settled`]. A [`Refusal`] is certain: nothing was kept.
//!    [`Failure::InDoubt`] is not: it may be there after a restart, so its publisher is given no answer at all, and may
//!    try again under the same [`Key`]. Drafts of one publisher keep their order.
//! 4. **A key is one message.** The same key with the same event and data is settled with the id of the first, for at
//!    least [`KEY_LIFE`], also when both come at once and also after a restart, if the backend outlives one. With other
//!    data it is refused. Key and entry are kept as one; a key is not forgotten early to make room for another.
//! 5. **History behind a cursor, in pages.** A page is complete: it holds what is retained behind its cursor up to
//!    [`Page::through`], which is the end of the channel at that moment unless [`Page::more`]. A gap is told exactly
//!    when messages may be missing. A page asked for after an entry was told holds that entry, or says more. Between two
//!    pages nothing is held for the reader: no transaction, no place in a queue.
//! 6. **A floor outlives its messages.** The last id of a channel is a cursor without a gap for as long as the channel is
//!    remembered, also when retention has left nothing of it.
//! 7. **It stays off the loops.** No call here waits for a medium. What is taken is bounded; beyond the bound it is
//!    refused ([`Refusal::Full`]) while there is no id yet.
//!
//! # How a page meets the hub
//!
//! A hub applies every entry that it is told; a page is read from what is kept. The two overlap and never leave a hole:
//! everything kept before the page was asked for is in the page or behind it (5), everything kept later comes as an entry
//! (1, 2), and ids tell which of them are the same. So a cold reader asks page after page until the hub's own log holds
//! its cursor, and goes on there, where everything is encoded once for all readers.
//!
//! # The shelf
//!
//! Beside the messages a backend may keep small things that outlive the process, and of which one node at a time is in charge
//! ([`Shelf`]): what webhooks there are, and where each of them stands. Whoever is to change them takes its **lease**
//! first, and is given a number with it: greater than that of whoever had it before. Each change carries that number and is
//! made only while it is still the lease's. So a node that has lost its lease without knowing, because it was stopped or
//! cut off, changes nothing any more, however late its changes arrive. A store in one file has one process, which is
//! always granted the lease, under a new number each time that the file is opened.
//!
//! # Implementations
//!
//! Memory needs none of this: the hub is all its history, its order is the order of calls, and a publish is settled
//! before it returns. `Memory`, in the tests, is that spelled out behind this interface: the model that the laws
//! (`laws`) were written against. [`durable`] is an embedded store in one file, [`redis`] a Redis that many nodes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{Data, Id, Record, Start};
use crate::http::Status;
use crate::metrics::Text;

pub use crate::channel::{KEY_LIFE, Key, MAX_KEY};

#[cfg(feature = "durable")]
pub mod durable;
#[cfg(test)]
mod laws;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(feature = "redis")]
pub mod redis;

/// Where order and ids are given, and where history lies. See the [module](self) for what it promises.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Begins to work, and tells `sink` what happens from now on. To be called once, before anything else.
    fn start(&self, sink: Arc<dyn Sink>);

    /// Takes a draft. What becomes of it is told as [`News::Settled`] under `ticket`.
    ///
    /// # Errors
    /// It is refused at once: nothing is kept, and nothing more is told of it.
    fn publish(&self, draft: Draft, ticket: Ticket) -> Result<(), Refusal>;

    /// Asks for a page. It is told as [`News::Page`] under `ticket`.
    ///
    /// # Errors
    /// It is refused at once, and nothing more is told of it.
    fn read(&self, query: Query, ticket: Ticket) -> Result<(), Refusal>;

    /// What works at this moment.
    fn health(&self) -> Health;

    /// Writes what it has counted. The default has counted nothing.
    fn measure(&self, _text: &mut Text) {}

    /// Where small things are kept beside the messages, if they can be.
    fn shelf(&self) -> Option<&dyn Shelf> {
        None
    }

    /// Settles what was taken, and ends. What is published from now on is refused.
    fn stop(&self);
}

/// Keeps values, for one at a time.
pub trait Shelf: Send + Sync {
    /// Takes the lease of the shelf `name` for so long, or renews it. Told as [`Shelved::Lease`].
    ///
    /// # Errors
    /// It is refused at once, and nothing more is told of it.
    fn lease(&self, name: &'static str, life: Duration, ticket: Ticket) -> Result<(), Refusal>;

    /// Asks for all values of a shelf. Told as [`Shelved::Values`].
    ///
    /// # Errors
    /// As [`Shelf::lease`].
    fn load(&self, name: &'static str, ticket: Ticket) -> Result<(), Refusal>;

    /// Makes changes, all or none, if `number` is still that of the lease. Told as [`Shelved::Put`].
    ///
    /// # Errors
    /// As [`Shelf::lease`].
    fn put(
        &self,
        name: &'static str,
        number: u64,
        changes: Vec<Change>,
        ticket: Ticket,
    ) -> Result<(), Refusal>;
}

/// Who is told what happens: called on the backend's threads, by one at a time for entries.
pub trait Sink: Send + Sync {
    /// Takes what happened, in this order. It must not block.
    fn take(&self, news: &mut Vec<News>);
}

/// What happened.
#[derive(Debug)]
pub enum News {
    /// A message is kept.
    Entry(Arc<Entry>),
    /// What became of a draft.
    Settled(Ticket, Result<Settled, Failure>),
    /// What was asked for.
    Page(Ticket, Result<Arc<Page>, Failure>),
    /// What became of a question to the shelf.
    Shelf(Ticket, Shelved),
    /// Publishing has ended with this error. Told once.
    Failed(Arc<str>),
    /// Something that its operator should know of.
    Warned(Arc<str>),
}

/// What of a backend works. The reasons are words for the program's operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Everything.
    Ok,
    /// Publishing is refused. What readers have seen goes on to be served.
    Degraded(Arc<str>),
    /// Nothing works yet, and nothing has failed.
    Starting(Arc<str>),
    /// Neither publishing nor reading works, and nobody tries again.
    Failed(Arc<str>),
}

/// Names who is to be answered. It means nothing to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The loop.
    pub place: usize,
    /// The connection, or whatever else of the loop.
    pub from: u64,
    /// Which of its questions.
    pub serial: u32,
}

/// A message that has no id yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The channel's name, checked.
    pub channel: Arc<str>,
    /// The event name, checked; `None` is the default one.
    pub event: Option<Arc<str>>,
    /// What it carries.
    pub data: Data,
    /// Under which it is published once, however often it is sent.
    pub key: Option<Key>,
}

impl Draft {
    /// About what it takes while it waits, in bytes.
    pub fn size(&self) -> usize {
        let event = self.event.as_ref().map_or(0, |event| event.len());
        let key = self.key.as_ref().map_or(0, |key| key.as_bytes().len());
        size_of::<Draft>() + self.channel.len() + event + key + self.data.as_bytes().len()
    }
}

/// A message that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The channel's name.
    pub channel: Arc<str>,
    /// The id before it in its channel; the channel's birth if it is the first.
    pub previous: Id,
    /// The message.
    pub record: Record,
}

/// A draft that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its id.
    pub id: Id,
    /// It was kept before, under the same key: no entry comes with this answer.
    pub replayed: bool,
}

/// Which part of a channel is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// The channel's name. It need not exist.
    pub channel: Arc<str>,
    /// Where to begin.
    pub start: Start,
    /// At most this many messages.
    pub messages: usize,
    /// At most this many bytes of data and event names, but for a first message that is larger.
    pub bytes: usize,
}

/// Part of a channel's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Messages are missing in front of the first one here.
    pub gap: bool,
    /// The cursor in front of the oldest message retained.
    pub floor: Id,
    /// The cursor in front of the first message here.
    pub after: Id,
    /// The messages, oldest first.
    pub records: Vec<Record>,
    /// The cursor behind the last message here.
    pub through: Id,
    /// There is more behind it.
    pub more: bool,
}

/// A value that is put, or with `None` taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its key: text without NUL.
    pub key: Box<str>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shelved {
    /// The lease's number; `None` if another node has it.
    Lease(Result<Option<u64>, Failure>),
    /// The values, in the order of their keys.
    Values(Result<Vec<Vec<u8>>, Failure>),
    /// Whether the changes were made. With `false` the lease is another's.
    Put(Result<bool, Failure>),
}

/// Why a draft was not kept. That it was not is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Too much waits already. Try again later.
    Full,
    /// The backend has failed, or is out of reach, or has been stopped.
    Away,
    /// It holds as many channels as it may.
    TooManyChannels,
    /// It remembers as many keys as it may.
    TooManyKeys,
    /// The key was used for another message.
    KeyReused,
}

/// Why there is no answer that says that a draft is kept, or no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It is not kept.
    Refused(Refusal),
    /// It may be kept, or not.
    InDoubt,
}

impl Refusal {
    /// The status that answers a request that was refused so.
    pub fn status(self) -> Status {
        match self {
            Refusal::KeyReused => Status::UNPROCESSABLE_CONTENT,
            _ => Status::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Full => "too much waits to be stored; try again later",
            Refusal::Away => "nothing can be stored at the moment",
            Refusal::TooManyChannels => "as many channels are stored as may be",
            Refusal::TooManyKeys => "too many idempotency keys are in use; try again later",
            Refusal::KeyReused => "this idempotency key was used for another message",
        })
    }
}

impl std::error::Error for Refusal {}
