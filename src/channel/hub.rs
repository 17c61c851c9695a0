//! All channels of a server: which there are, who reads them, and whom to wake.
//!
//! ```text
//!   publish ──► the channel's log ──► its encodings           a connection ──► attach ──► Reader
//!                     │                                           ▲                          │
//!                     ▼                                           │ woken by name            │ next, advance
//!               woken ──(window)──► take_woken ──► waiters ───────┘                          ▼
//!                         resting                                          straight from the encodings
//! ```
//!
//! A channel begins with its first message or reader and ends when it has neither: a sweep drops what has grown too
//! old, and then channels that hold nothing. What is left of a channel that ended is one number for all of them, the
//! hub's `floor`: above every id that any of them gave, so that a cursor into one is never taken for a position in its
//! successor.
//!
//! Waking is a list of places, not a call: a channel is on it at most once (`woken`), whatever is published before the
//! loop comes to [`Hub::take_woken`]. With a window a channel that was woken is `resting` and goes onto the list
//! again only when the rest is over, so that a busy channel makes one write for each reader and window.
//!
//! The invariants: a [`Reader`]'s channel exists as long as the reader does; a place in a list names a channel that is
//! still there, because none is forgotten while it [`is_to_wake`](Channel::is_to_wake); limits are checked before
//! anything is made. Time is an argument: `unix_ms` for ids, and a clock that never jumps for ages and windows.
//!
//! The service calls it: publishing and attaching for a request, `take_woken` once a turn, `sweep` once a second. What a
//! reader gets is in `read`; a hub that is one of several is in `replica`.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::aging::Aging;
use super::channel::Channel;
#[cfg(feature = "deflate")]
use super::encoded::Deflating;
use super::encoded::{Encoder, Encoding};
use super::error::Error;
use super::given::Given;
use super::id::Id;
use super::log::{Data, Position, Record, Retention, Start, millis};
use super::reader::{BATCH_BYTES, BATCH_MESSAGES, Reader};
use super::siblings::Siblings;
use super::size::{self, MAX_ENCODED};
use crate::slab::Slab;
use crate::sse;
#[cfg(feature = "deflate")]
use crate::ws::deflate::{Settings, WindowBits};

/// Channels that a hub holds at once by default: 10,000.
pub const MAX_CHANNELS: usize = 10_000;
/// Readers that one channel may have at once by default: 100,000.
pub const MAX_SUBSCRIBERS: usize = 100_000;
/// Bytes of a channel's name, and of an event's: at most 256.
pub const MAX_NAME: usize = 256;

/// How many channels one sweep looks at, so that a sweep takes about as long with a million of them.
const SWEEP: u32 = 1_000;

/// What a hub allows.
///
/// ```
/// use barewire::channel::Limits;
/// use std::time::Duration;
///
/// // A busy channel wakes its readers every 5 ms instead of for each message.
/// let limits = Limits { window: Duration::from_millis(5), ..Limits::default() };
/// assert_eq!((limits.channels, limits.subscribers), (10_000, 100_000)); // the defaults
/// ```
///
/// Written as `Limits { window, ..Limits::default() }`: a later version may have more fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Channels at once. Default: 10,000 ([`MAX_CHANNELS`]).
    pub channels: usize,
    /// Readers of one channel at once. Default: 100,000 ([`MAX_SUBSCRIBERS`]).
    pub subscribers: usize,
    /// What each channel retains. Default: 10,000 messages, 16 MiB and one hour, whichever is exceeded first.
    pub retention: Retention,
    /// Bytes of a message in its largest encoding: as JSON with its escapes, as base64, as lines of an event stream.
    /// Default: 16 MiB ([`MAX_ENCODED`]). Clients of a server that allows more have to take more, too: with ours,
    /// `Subscribe::max_message`. A poll's answer has to fit into what may wait for a peer (`Limits::backlog`).
    pub encoded: usize,
    /// Messages that a poll gets at once. Default: 1,000 ([`BATCH_MESSAGES`]).
    pub batch_messages: usize,
    /// Bytes that a poll's messages take at once, unless the first alone takes more. Default: 1 MiB
    /// ([`BATCH_BYTES`]).
    pub batch_bytes: usize,
    /// How long a channel rests after it has woken its readers, in whole milliseconds: what is published meanwhile
    /// wakes them once, at the end of it. The first message after a rest goes out at once, so that a quiet channel
    /// is never slower for it; a busy one makes one write for each reader and window instead of one for each message.
    /// Zero, the default, is no rest.
    pub window: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            channels: MAX_CHANNELS,
            subscribers: MAX_SUBSCRIBERS,
            retention: Retention::default(),
            encoded: MAX_ENCODED,
            batch_messages: BATCH_MESSAGES,
            batch_bytes: BATCH_BYTES,
            window: Duration::ZERO,
        }
    }
}

/// The channels of a server, by name. A channel begins with its first message or subscriber, and ends when it has
/// neither.
///
/// ```
/// use barewire::channel::{Data, Hub, Limits, Start};
///
/// let mut hub = Hub::new(Limits::default(), 1_000);
/// hub.publish("ticks", None, Data::new(b"42"), 2_000)?;
/// let mut body = Vec::new();
/// let batch = hub.batch("ticks", Start::Oldest, &mut body)?; // as a poll gets it
/// assert_eq!((batch.messages, batch.last_id.to_string()), (1, "2000-0".to_owned()));
/// # Ok::<(), barewire::channel::Error>(())
/// ```
#[derive(Debug)]
pub struct Hub {
    pub(super) limits: Limits,
    pub(super) names: HashMap<Box<str>, u32>,
    pub(super) channels: Slab<Channel>,
    /// Below every id that any channel that begins from now on will give.
    pub(super) floor: Id,
    /// It is one of several replicas of the same channels.
    pub(super) siblings: Option<Box<Siblings>>,
    pub(super) encoder: Encoder,
    woken: Vec<u32>,
    /// Channels that rest, and until when, in that order.
    resting: VecDeque<(u64, u32)>,
    swept: u32,
    aging: Aging,
    /// What its readers were given.
    pub(super) given: Given,
    /// When the oldest message got its id that readers were woken for since somebody took this.
    oldest_woken: u64,
}

impl Hub {
    /// No channels yet, at the time `unix_ms`: every id given will be greater than this time, so that a cursor from
    /// an earlier life of the server is seen to be one.
    pub fn new(limits: Limits, unix_ms: u64) -> Hub {
        Hub {
            limits,
            names: HashMap::new(),
            channels: Slab::new(),
            floor: Id {
                ms: unix_ms,
                seq: 0,
            },
            siblings: None,
            encoder: Encoder::default(),
            woken: Vec::new(),
            resting: VecDeque::new(),
            swept: 0,
            aging: Aging::new(),
            given: Given::default(),
            oldest_woken: u64::MAX,
        }
    }

    /// Changes what is allowed from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Changes how messages are compressed from now on: level, threshold and window. Those that are kept compressed
    /// are compressed anew. The window does not grow while a reader is attached that may have agreed on the smaller one
    /// (RFC 7692 7.1.2.1).
    #[cfg(feature = "deflate")]
    pub fn set_deflate(&mut self, mut settings: Settings) {
        let read = |index| {
            self.channels
                .get(index)
                .is_some_and(Channel::is_read_deflated)
        };
        if (0..self.channels.end()).any(read) {
            let agreed = self.encoder.deflating.settings.window_bits;
            settings.window_bits = settings.window_bits.min(agreed);
        }
        if self.encoder.deflating.settings == settings {
            return;
        }
        self.encoder.deflating = Deflating::new(settings);
        for index in 0..self.channels.end() {
            if let Some(channel) = self.channels.get_mut(index) {
                channel.deflate_anew(&mut self.encoder);
            }
        }
    }

    /// The encoding for a reader of `encoding` that has agreed on permessage-deflate and on this window for what it is
    /// sent. Compressed messages are the same for all readers, so that one with a smaller window than theirs is sent
    /// uncompressed ones, which every receiver takes (RFC 7692 6).
    #[cfg(feature = "deflate")]
    pub fn deflated(&self, encoding: Encoding, window_bits: WindowBits) -> Encoding {
        if window_bits >= self.encoder.deflating.settings.window_bits {
            encoding.deflated()
        } else {
            encoding
        }
    }

    /// Appends a message to the channel `name` at the time `unix_ms`, in milliseconds since 1970, and returns its id.
    ///
    /// # Errors
    /// The name or the event name is refused, the message is too large for its readers, or there are too many channels.
    pub fn publish(
        &mut self,
        name: &str,
        event: Option<&str>,
        data: Data,
        unix_ms: u64,
    ) -> Result<Id, Error> {
        let event = check_event(event)?;
        self.check_size(event, &data)?;
        let index = self.find_or_begin(name)?;
        self.publish_at(index, event, data, unix_ms)
    }

    /// Whether readers can take this message.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn check_size(&self, event: Option<&str>, data: &Data) -> Result<(), Error> {
        match size::fits(event, data, self.limits.encoded) {
            true => Ok(()),
            false => Err(Error::TooLarge),
        }
    }

    pub(super) fn publish_at(
        &mut self,
        index: u32,
        event: Option<&str>,
        data: Data,
        unix_ms: u64,
    ) -> Result<Id, Error> {
        // A reader keeps its channel alive, and a name was just found or begun.
        let Some(channel) = self.channels.get_mut(index) else {
            return Err(Error::InvalidName);
        };
        let id = channel.log.last().next(unix_ms);
        let event = event.map(Into::into);
        self.append(index, Record { id, event, data });
        Ok(id)
    }

    pub(super) fn append(&mut self, index: u32, record: Record) {
        if let Some(channel) = self.channels.get_mut(index) {
            let retention = &self.limits.retention;
            // However far this hub's clock is ahead of the publisher's: nothing is too old for its own coming.
            let id_ms = record.id.ms;
            let unix_ms = self.aging.unix_ms(retention.age_ms()).min(id_ms);
            channel.append(record, unix_ms, retention, &mut self.encoder);
            if !channel.woken && channel.readers.len() > 0 {
                channel.woken = true;
                channel.woken_ms = id_ms;
                if !channel.resting {
                    self.woken.push(index);
                }
            }
        }
    }

    /// Begins to read a channel. Whenever there is something new, `waiter` is named by [`Hub::take_woken`].
    ///
    /// # Errors
    /// The name is refused, or there are too many channels or subscribers.
    pub fn attach(
        &mut self,
        name: &str,
        encoding: Encoding,
        start: Start,
        waiter: u64,
    ) -> Result<Reader, Error> {
        let subscribers = self.limits.subscribers;
        let index = self.find_or_begin(name)?;
        let Some(channel) = self.channels.get_mut(index) else {
            return Err(Error::InvalidName);
        };
        if channel.readers.len() >= subscribers {
            return Err(Error::TooManySubscribers);
        }
        channel.encode(encoding, &mut self.encoder);
        channel.read[encoding.index()].readers += 1;
        let place = channel.readers.insert(waiter);
        let Position { next, gap } = channel.log.locate(start);
        self.given.begin(encoding, next);
        Ok(Reader {
            channel: index,
            place,
            next,
            encoding,
            gap,
            #[cfg(feature = "backend")]
            held: false,
        })
    }

    /// Ends a reader.
    pub fn detach(&mut self, reader: Reader) {
        if let Some(channel) = self.channels.get_mut(reader.channel) {
            if channel.readers.remove(reader.place).is_some() {
                let usage = &mut channel.read[reader.encoding.index()];
                usage.readers = usage.readers.saturating_sub(1);
                self.given.end(reader.encoding, reader.next);
            }
        }
    }

    /// Names the waiters of all readers that have something new to read since the last call, once for each reader,
    /// but for those of channels that rest at the time `ms` ([`Limits::window`]). The clock may begin anywhere, but
    /// never goes back.
    pub fn take_woken(&mut self, ms: u64, waiters: &mut Vec<u64>) {
        self.end_rests(ms);
        if self.woken.is_empty() {
            return;
        }
        let window = millis(self.limits.window);
        for index in self.woken.drain(..) {
            let Some(channel) = self.channels.get_mut(index) else {
                continue;
            };
            channel.woken = false;
            self.oldest_woken = self.oldest_woken.min(channel.woken_ms);
            waiters.extend(channel.readers.values());
            if window > 0 {
                channel.resting = true;
                self.resting.push_back((ms.saturating_add(window), index));
            }
        }
    }

    /// When, by its id, the oldest message came that readers were woken for since this was asked last.
    pub(crate) fn take_oldest_woken(&mut self) -> Option<u64> {
        let oldest = std::mem::replace(&mut self.oldest_woken, u64::MAX);
        (oldest != u64::MAX).then_some(oldest)
    }

    /// Ends all rests, and lets no channel rest from now on: the program shuts down.
    pub fn stop_resting(&mut self) {
        self.limits.window = Duration::ZERO;
        self.end_rests(u64::MAX);
    }

    fn end_rests(&mut self, ms: u64) {
        while let Some(&(until, index)) = self.resting.front() {
            if until > ms {
                return;
            }
            self.resting.pop_front();
            if let Some(channel) = self.channels.get_mut(index) {
                channel.resting = false;
                if channel.woken {
                    self.woken.push(index);
                }
            }
        }
    }

    /// When [`Hub::take_woken`] may have a reader to name, on its clock; `u64::MAX` if it never will as things are.
    pub fn due(&self) -> u64 {
        match (self.woken.first(), self.resting.front()) {
            (Some(_), _) => 0,
            (None, Some(&(until, _))) => until,
            (None, None) => u64::MAX,
        }
    }

    /// Drops messages that are too old, and channels without messages and readers. To be called about once
    /// a second; one call looks at a bounded number of channels.
    ///
    /// Ages are measured by `ms`, a clock that may begin anywhere and never jumps; `unix_ms` is the wall clock, which ids have
    /// and which may.
    pub fn sweep(&mut self, ms: u64, unix_ms: u64) {
        let age = self.limits.retention.age_ms();
        self.aging.look(ms, unix_ms, age);
        let unix_ms = self.aging.unix_ms(age);
        for _ in 0..SWEEP.min(self.channels.end()) {
            let index = self.next_to_sweep();
            if let Some(channel) = self.channels.get_mut(index) {
                channel.evict(&self.limits.retention, unix_ms);
                channel.rest();
                self.forget_if_unused(index);
            }
        }
    }

    /// The place whose turn it is to be swept: all of them in a circle.
    fn next_to_sweep(&mut self) -> u32 {
        let index = self.swept;
        self.swept = if index + 1 < self.channels.end() {
            index + 1
        } else {
            0
        };
        index
    }

    /// Drops a channel that nobody reads and that holds nothing.
    pub(super) fn forget_if_unused(&mut self, index: u32) {
        let Some(channel) = self.channels.get(index) else {
            return;
        };
        if channel.log.is_empty() && channel.readers.len() == 0 && !channel.is_to_wake() {
            match &mut self.siblings {
                None => self.forget(index),
                Some(siblings) => siblings.propose(channel),
            }
        }
    }

    pub(super) fn forget(&mut self, index: u32) {
        if let Some(channel) = self.channels.remove(index) {
            // A cursor from this channel must not be taken for one of its successor's.
            self.floor = self.floor.max(channel.log.last());
            self.names.remove(&channel.name);
        }
    }

    /// Looks for unused channels that no sweep has come to yet, so that who begins many and leaves them keeps nobody
    /// else from beginning one.
    fn make_room(&mut self) {
        for _ in 0..SWEEP.min(self.channels.end()) {
            let index = self.next_to_sweep();
            self.forget_if_unused(index);
        }
    }

    /// Forgets a channel that nobody reads, though it holds messages: a backend has them.
    #[cfg(feature = "backend")]
    pub(super) fn drop_an_unread(&mut self) -> bool {
        for _ in 0..SWEEP.min(self.channels.end()) {
            let index = self.next_to_sweep();
            let is_unread = |channel: &Channel| channel.readers.len() == 0 && !channel.is_to_wake();
            if self.channels.get(index).is_some_and(is_unread) {
                self.forget(index);
                return true;
            }
        }
        false
    }

    /// How many channels there are.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whether there are no channels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many readers the channel `name` has.
    pub fn subscribers(&self, name: &str) -> usize {
        let channel = self
            .names
            .get(name)
            .and_then(|&index| self.channels.get(index));
        channel.map_or(0, |channel| channel.readers.len())
    }

    pub(super) fn channel(&self, index: u32) -> Option<&Channel> {
        self.channels.get(index)
    }

    pub(super) fn find_or_begin(&mut self, name: &str) -> Result<u32, Error> {
        if let Some(&index) = self.names.get(name) {
            return Ok(index);
        }
        self.admit(name)?;
        Ok(self.begin(name))
    }

    /// Whether a channel with this name, which there is not yet, may begin.
    pub(super) fn admit(&mut self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        if self.channels.len() >= self.limits.channels {
            self.make_room();
        }
        match self.channels.len() < self.limits.channels {
            true => Ok(()),
            false => Err(Error::TooManyChannels),
        }
    }

    pub(super) fn begin(&mut self, name: &str) -> u32 {
        let index = self.channels.insert(Channel::new(name, self.floor));
        self.names.insert(name.into(), index);
        index
    }
}

/// Checks whether a channel may have this name: one to [`MAX_NAME`] bytes of text without control characters (Unicode's
/// Cc: C0, DEL and C1), which logs, terminals and field values can't hold.
///
/// # Errors
/// [`Error::InvalidName`].
pub fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        Err(Error::InvalidName)
    } else {
        Ok(())
    }
}

/// An event name as it is kept: none for the default one.
pub(crate) fn check_event(event: Option<&str>) -> Result<Option<&str>, Error> {
    match event {
        None | Some("" | super::DEFAULT_EVENT) => Ok(None),
        Some(super::GAP_EVENT) => Err(Error::ReservedEvent),
        Some(name) if name.len() > MAX_NAME || sse::EventName::new(name).is_err() => {
            Err(Error::InvalidEvent)
        }
        name => Ok(name),
    }
}
