//! All channels of a server.

use std::collections::HashMap;

use super::encoded::{Encoding, Run};
use super::error::Error;
use super::id::Id;
use super::log::{Data, Log, Position, Retention, Start};
use super::reader::{BATCH_BYTES, BATCH_MESSAGES, Batch, Reader};
use crate::slab::Slab;
use crate::sse;

/// Channels that a hub holds at once.
pub const MAX_CHANNELS: usize = 10_000;
/// Readers that one channel may have at once.
pub const MAX_SUBSCRIBERS: usize = 100_000;
/// Bytes of a channel's name, and of an event's.
pub const MAX_NAME: usize = 256;

/// How many channels one sweep looks at, so that a sweep takes about as long with a million of them.
const SWEEP: u32 = 1_000;

/// What a hub allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`MAX_CHANNELS`].
    pub channels: usize,
    /// See [`MAX_SUBSCRIBERS`].
    pub subscribers: usize,
    /// What each channel retains.
    pub retention: Retention,
    /// See [`BATCH_MESSAGES`].
    pub batch_messages: usize,
    /// See [`BATCH_BYTES`].
    pub batch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            channels: MAX_CHANNELS,
            subscribers: MAX_SUBSCRIBERS,
            retention: Retention::default(),
            batch_messages: BATCH_MESSAGES,
            batch_bytes: BATCH_BYTES,
        }
    }
}

/// The channels of a server, by name. A channel begins with its first message or subscriber, and ends when it has
/// neither.
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    names: HashMap<Box<str>, u32>,
    channels: Slab<Channel>,
    /// Below every id that any channel that begins from now on will give.
    floor: Id,
    woken: Vec<u32>,
    swept: u32,
}

#[derive(Debug)]
pub(super) struct Channel {
    name: Box<str>,
    pub(super) log: Log,
    runs: [Option<Box<Run>>; Encoding::COUNT],
    /// The readers of each encoding. An encoding that nobody reads any more is given back by the next but one sweep.
    read: [Usage; Encoding::COUNT],
    readers: Slab<u64>,
    woken: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    readers: usize,
    lately: bool,
}

impl Channel {
    fn new(name: &str, floor: Id) -> Channel {
        Channel {
            name: name.into(),
            log: Log::new(floor),
            runs: Default::default(),
            read: Default::default(),
            readers: Slab::new(),
            woken: false,
        }
    }

    pub(super) fn run(&self, encoding: Encoding) -> Option<&Run> {
        self.runs[encoding.index()].as_deref()
    }

    /// Begins to keep an encoding, from the oldest message retained.
    fn encode(&mut self, encoding: Encoding) {
        self.read[encoding.index()].lately = true;
        let run = &mut self.runs[encoding.index()];
        if run.is_none() {
            let mut new = Run::new(encoding);
            for (index, record) in (self.log.first()..).zip(self.log.records()) {
                new.push(index, record);
            }
            *run = Some(Box::new(new));
        }
    }

    fn append(
        &mut self,
        event: Option<Box<str>>,
        data: Data,
        unix_ms: u64,
        retention: &Retention,
    ) -> Id {
        let index = self.log.next();
        let id = self.log.append(event, data, unix_ms);
        if let Some(record) = self.log.get(index) {
            for run in self.runs.iter_mut().flatten() {
                run.push(index, record);
            }
        }
        self.evict(retention, unix_ms);
        id
    }

    fn evict(&mut self, retention: &Retention, unix_ms: u64) {
        let before = self.log.first();
        self.log.evict(retention, unix_ms);
        if self.log.first() != before {
            for run in self.runs.iter_mut().flatten() {
                run.evict(self.log.first());
            }
        }
    }

    /// Gives back the encodings that nobody reads.
    fn rest(&mut self) {
        for (run, usage) in self.runs.iter_mut().zip(&mut self.read) {
            if usage.readers == 0 && !usage.lately {
                *run = None;
            }
            usage.lately = false;
        }
    }
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
            woken: Vec::new(),
            swept: 0,
        }
    }

    /// Changes what is allowed from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Appends a message to the channel `name` at the time `unix_ms`, and says what id it got.
    ///
    /// # Errors
    /// The name or the event name is refused, or there are too many channels.
    pub fn publish(
        &mut self,
        name: &str,
        event: Option<&str>,
        data: Data,
        unix_ms: u64,
    ) -> Result<Id, Error> {
        let event = check_event(event)?;
        let index = self.find_or_begin(name)?;
        self.publish_at(index, event, data, unix_ms)
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
        let id = channel.append(event.map(Into::into), data, unix_ms, &self.limits.retention);
        if !channel.woken && channel.readers.len() > 0 {
            channel.woken = true;
            self.woken.push(index);
        }
        Ok(id)
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
        channel.encode(encoding);
        channel.read[encoding.index()].readers += 1;
        let place = channel.readers.insert(waiter);
        let Position { next, gap } = channel.log.locate(start);
        Ok(Reader {
            channel: index,
            place,
            next,
            encoding,
            gap,
        })
    }

    /// Ends a reader.
    pub fn detach(&mut self, reader: Reader) {
        if let Some(channel) = self.channels.get_mut(reader.channel) {
            if channel.readers.remove(reader.place).is_some() {
                let usage = &mut channel.read[reader.encoding.index()];
                usage.readers = usage.readers.saturating_sub(1);
            }
        }
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
                channel.encode(Encoding::Json);
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

    /// Names the waiters of all readers that have something new to read since the last call, once for each reader.
    pub fn take_woken(&mut self, waiters: &mut Vec<u64>) {
        for index in self.woken.drain(..) {
            if let Some(channel) = self.channels.get_mut(index) {
                channel.woken = false;
                waiters.extend(channel.readers.values());
            }
        }
    }

    /// Whether somebody waits to be named by [`Hub::take_woken`].
    pub fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Drops what has grown too old, and channels that nobody reads and that hold nothing. To be called about once
    /// a second; one call looks at a bounded number of channels.
    pub fn sweep(&mut self, unix_ms: u64) {
        let end = self.channels.end();
        for _ in 0..SWEEP.min(end) {
            let index = self.swept;
            self.swept = if index + 1 < end { index + 1 } else { 0 };
            let Some(channel) = self.channels.get_mut(index) else {
                continue;
            };
            channel.evict(&self.limits.retention, unix_ms);
            channel.rest();
            if channel.log.is_empty() && channel.readers.len() == 0 && !channel.woken {
                // A cursor from this channel must not be taken for one of its successor's.
                self.floor = self.floor.max(channel.log.last());
                self.names.remove(&channel.name);
                self.channels.remove(index);
            }
        }
    }

    /// How many channels there are.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// There are no channels.
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

    fn find_or_begin(&mut self, name: &str) -> Result<u32, Error> {
        if let Some(&index) = self.names.get(name) {
            return Ok(index);
        }
        check_name(name)?;
        if self.channels.len() >= self.limits.channels {
            return Err(Error::TooManyChannels);
        }
        let index = self.channels.insert(Channel::new(name, self.floor));
        self.names.insert(name.into(), index);
        Ok(index)
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > MAX_NAME {
        Err(Error::InvalidName)
    } else {
        Ok(())
    }
}

/// An event name as it is kept: none for the default one.
fn check_event(event: Option<&str>) -> Result<Option<&str>, Error> {
    match event {
        None | Some("" | super::DEFAULT_EVENT) => Ok(None),
        Some(super::GAP_EVENT) => Err(Error::ReservedEvent),
        Some(name) if name.len() > MAX_NAME || sse::EventName::new(name).is_err() => {
            Err(Error::InvalidEvent)
        }
        name => Ok(name),
    }
}
