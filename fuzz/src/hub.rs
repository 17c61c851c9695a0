//! Channels (`barewire::channel`). Input: what is retained, then steps: publishes, readers that come, take some bytes
//! and go, polls, time and sweeps.
//!
//! Laws:
//! - ids of a channel only grow;
//! - each reader gets every message behind its start, in order, complete and as it was published, or is told of a
//!   gap; never anything else, in any encoding and however the bytes are taken;
//! - a poll gets what a reader gets, in a batch that is valid JSON and within its limits;
//! - whoever reads a channel is woken when something is published there, once.

use std::collections::BTreeSet;
use std::time::Duration;

use barewire::channel::{
    Data, Encoding, Error, GAP_EVENT, Hub, Id, Limits, Next, Reader, Retention, Start,
};

use super::choice::Choices;
use super::messages::{Got, messages, poll};

const NAMES: [&str; 3] = ["a", "b", "c"];

const ENCODINGS: &[Encoding] = &[
    Encoding::Json,
    Encoding::SocketJson,
    Encoding::SocketRaw,
    Encoding::EventStream,
    Encoding::EventChunks,
    #[cfg(feature = "deflate")]
    Encoding::SocketJsonDeflated,
    #[cfg(feature = "deflate")]
    Encoding::SocketRawDeflated,
];

/// The time at which all begins. Ids that a step makes up lie far below.
const BIRTH: u64 = 1_000_000;

/// A message as it was published.
#[derive(Clone, Debug)]
struct Published {
    id: Id,
    event: String,
    data: Data,
}

/// One reader, and where it may stand: the indices of all messages that may come next.
struct Subscriber {
    reader: Reader,
    channel: usize,
    encoding: Encoding,
    waiter: u64,
    may_stand: BTreeSet<usize>,
    /// What it has received since the last check.
    received: Vec<u8>,
}

struct World {
    hub: Hub,
    limits: Limits,
    now: u64,
    logs: [Vec<Published>; NAMES.len()],
    subscribers: Vec<Subscriber>,
    waiters: u64,
    to_be_woken: BTreeSet<u64>,
}

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let mut world = World::new(choices.byte());
    while !choices.is_empty() {
        world.step(&mut choices);
    }
    while let Some(mut subscriber) = world.subscribers.pop() {
        world.drain(&mut subscriber);
        let end = world.logs[subscriber.channel].len();
        // Who began at a cursor that nobody gave out was told of a gap, or there was nothing to tell.
        assert!(
            subscriber.may_stand.contains(&end) || end == 0,
            "{} of {end}: {:?}",
            subscriber.waiter,
            subscriber.may_stand
        );
        world.hub.detach(subscriber.reader);
    }
}

impl World {
    fn new(setting: u8) -> World {
        let small = setting & 1 != 0;
        let limits = Limits {
            channels: 2 + usize::from(setting >> 7),
            retention: Retention {
                messages: if small {
                    1 + usize::from(setting >> 1 & 7)
                } else {
                    1000
                },
                bytes: if small { 64 } else { 1 << 20 },
                age: Duration::from_millis(if small { 500 } else { 1 << 40 }),
            },
            batch_messages: 1 + usize::from(setting >> 4 & 7),
            batch_bytes: 256,
            ..Limits::default()
        };
        #[cfg_attr(not(feature = "deflate"), expect(unused_mut))]
        let mut hub = Hub::new(limits, BIRTH);
        // Small messages too.
        #[cfg(feature = "deflate")]
        hub.set_deflate(barewire::ws::deflate::Settings {
            threshold: 0,
            ..Default::default()
        });
        World {
            hub,
            limits,
            now: BIRTH,
            logs: Default::default(),
            subscribers: Vec::new(),
            waiters: 0,
            to_be_woken: BTreeSet::new(),
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let step = choices.byte();
        let channel = usize::from(step >> 5) % NAMES.len();
        match step & 31 {
            0..=6 => self.publish(channel, choices, 1),
            // Enough for a run to begin a new segment, and for a rest that is lent.
            7 => self.publish(channel, choices, 160),
            8..=10 => self.attach(channel, choices),
            11..=13 => self.with(choices, |world, subscriber, choices| {
                let most = choices.byte();
                world.deliver(subscriber, usize::from(most) << (most & 7));
            }),
            14 | 15 => self.with(choices, |world, subscriber, _| world.drain(subscriber)),
            16 => {
                let at = usize::from(choices.byte());
                if !self.subscribers.is_empty() {
                    let at = at % self.subscribers.len();
                    let subscriber = self.subscribers.swap_remove(at);
                    self.to_be_woken.remove(&subscriber.waiter);
                    self.hub.detach(subscriber.reader);
                }
            }
            17 | 18 => self.now += u64::from(choices.number()),
            19 => self.now = self.now.saturating_sub(u64::from(choices.byte())),
            20 | 21 => self.hub.sweep(self.now, self.now),
            22 | 23 => self.wake(),
            24..=26 => self.poll(channel, choices),
            27 => self.with(choices, |world, subscriber, _| world.poll_again(subscriber)),
            _ => self.with(choices, |world, subscriber, choices| {
                let data = Data::Binary(choices.bytes().into());
                let id = world
                    .hub
                    .publish_to(&subscriber.reader, data.clone(), world.now);
                world.published(subscriber.channel, "message", data, id.expect("it is read"));
                world.to_be_woken.insert(subscriber.waiter);
            }),
        }
    }

    /// A step of one of the subscribers, taken out of the world for it.
    fn with(
        &mut self,
        choices: &mut Choices<'_>,
        step: impl FnOnce(&mut World, &mut Subscriber, &mut Choices<'_>),
    ) {
        let at = usize::from(choices.byte());
        if self.subscribers.is_empty() {
            return;
        }
        let at = at % self.subscribers.len();
        let mut subscriber = self.subscribers.swap_remove(at);
        step(self, &mut subscriber, choices);
        self.subscribers.push(subscriber);
    }

    fn publish(&mut self, channel: usize, choices: &mut Choices<'_>, times: usize) {
        let event = choices.text();
        let data = Data::new(&choices.bytes().repeat(times));
        match self
            .hub
            .publish(NAMES[channel], Some(event), data.clone(), self.now)
        {
            Ok(id) => {
                let event = if event.is_empty() { "message" } else { event };
                assert!(event != GAP_EVENT && !event.contains(['\r', '\n', '\0']));
                self.published(channel, event, data, id);
            }
            Err(Error::ReservedEvent) => assert_eq!(event, GAP_EVENT),
            Err(Error::InvalidEvent) => assert!(event.contains(['\r', '\n', '\0'])),
            Err(error) => assert_eq!(error, Error::TooManyChannels),
        }
        assert!(self.hub.len() <= self.limits.channels);
    }

    fn published(&mut self, channel: usize, event: &str, data: Data, id: Id) {
        let log = &mut self.logs[channel];
        assert!(log.last().is_none_or(|last| last.id < id), "ids grow");
        log.push(Published {
            id,
            event: event.into(),
            data,
        });
        let readers = self.subscribers.iter().filter(|s| s.channel == channel);
        self.to_be_woken
            .extend(readers.map(|subscriber| subscriber.waiter));
    }

    /// A start, and where a reader may stand who begins there.
    fn start(&self, channel: usize, choices: &mut Choices<'_>) -> (Start, BTreeSet<usize>) {
        let log = &self.logs[channel];
        let (kind, number) = (choices.byte(), choices.byte());
        match kind % 4 {
            0 => (Start::Oldest, (0..=log.len()).collect()),
            1 => (Start::Now, [log.len()].into()),
            2 if !log.is_empty() => {
                let at = usize::from(number) % log.len();
                (Start::After(log[at].id), [at + 1].into())
            }
            _ => {
                let id = Id {
                    ms: kind.into(),
                    seq: number.into(),
                };
                (Start::After(id), BTreeSet::new())
            }
        }
    }

    fn attach(&mut self, channel: usize, choices: &mut Choices<'_>) {
        let encoding = ENCODINGS[usize::from(choices.byte()) % ENCODINGS.len()];
        let (start, may_stand) = self.start(channel, choices);
        let waiter = self.waiters;
        match self.hub.attach(NAMES[channel], encoding, start, waiter) {
            Ok(reader) => {
                self.waiters += 1;
                let received = Vec::new();
                self.subscribers.push(Subscriber {
                    reader,
                    channel,
                    encoding,
                    waiter,
                    may_stand,
                    received,
                });
            }
            Err(error) => assert_eq!(error, Error::TooManyChannels),
        }
    }

    /// The subscriber takes at most so many bytes, and the rest of what they cut. Says whether there was anything.
    fn deliver(&mut self, subscriber: &mut Subscriber, most: usize) -> bool {
        let reader = &mut subscriber.reader;
        match self.hub.next(reader) {
            Next::Nothing => return false,
            Next::Gap => {
                let mut gap = Vec::new();
                self.hub.write_gap(reader, &mut gap);
                self.judge(subscriber);
                self.judge_gap(subscriber, &gap);
            }
            Next::Bytes(bytes) => {
                assert!(!bytes.is_empty());
                let sent = most.min(bytes.len());
                subscriber.received.extend_from_slice(&bytes[..sent]);
                if sent > 0 {
                    if let Some(rest) = self.hub.advance(reader, sent) {
                        assert!(!rest.is_empty());
                        subscriber.received.extend_from_slice(&rest);
                    }
                }
            }
            next => panic!("{next:?}"),
        }
        true
    }

    fn drain(&mut self, subscriber: &mut Subscriber) {
        while self.deliver(subscriber, usize::MAX) {}
        self.judge(subscriber);
    }

    /// What was received is what comes next in the log.
    fn judge(&self, subscriber: &mut Subscriber) {
        let received = std::mem::take(&mut subscriber.received);
        for got in messages(subscriber.encoding, &received) {
            follow(
                &self.logs[subscriber.channel],
                &mut subscriber.may_stand,
                &got,
            );
        }
    }

    fn judge_gap(&self, subscriber: &mut Subscriber, gap: &[u8]) {
        let told = messages(subscriber.encoding, gap);
        assert_eq!(told.len(), 1);
        assert!(
            told[0]
                .event
                .as_deref()
                .is_none_or(|event| event == GAP_EVENT)
        );
        let log = &self.logs[subscriber.channel];
        let least = subscriber.may_stand.first().copied().unwrap_or(0);
        let at = told[0]
            .id
            .and_then(|id| log.iter().position(|message| message.id == id));
        subscriber.may_stand = match at {
            Some(at) => [at + 1].into(),
            None => (least..=log.len()).collect(),
        };
        assert!(
            subscriber.may_stand.first().is_some_and(|&at| at >= least),
            "a gap goes back"
        );
    }

    fn wake(&mut self) {
        let mut named = Vec::new();
        self.hub.take_woken(0, &mut named);
        let unique: BTreeSet<u64> = named.iter().copied().collect();
        assert_eq!(unique.len(), named.len(), "a reader is named twice");
        assert!(self.to_be_woken.is_subset(&unique), "a reader sleeps on");
        assert!(
            unique
                .iter()
                .all(|&w| self.subscribers.iter().any(|s| s.waiter == w))
        );
        self.to_be_woken.clear();
        assert_eq!(self.hub.due(), u64::MAX);
    }

    fn poll(&mut self, channel: usize, choices: &mut Choices<'_>) {
        let (start, may_stand) = self.start(channel, choices);
        let mut body = Vec::new();
        let batch = self
            .hub
            .batch(NAMES[channel], start, &mut body)
            .expect("a valid name");
        self.judge_batch(channel, may_stand, &body);
        assert_eq!(poll(&body).batch, batch);
    }

    fn poll_again(&mut self, subscriber: &mut Subscriber) {
        if subscriber.encoding != Encoding::Json {
            return;
        }
        self.judge(subscriber);
        let mut body = Vec::new();
        let batch = self
            .hub
            .batch_for(&subscriber.reader, &mut body)
            .expect("its channel lives");
        self.judge_batch(subscriber.channel, subscriber.may_stand.clone(), &body);
        assert_eq!(poll(&body).batch, batch);
    }

    fn judge_batch(&self, channel: usize, mut may_stand: BTreeSet<usize>, body: &[u8]) {
        let log = &self.logs[channel];
        let poll = poll(body);
        if poll.batch.gap {
            let least = may_stand.first().copied().unwrap_or(0);
            may_stand = (least..=log.len()).collect();
        }
        assert!(poll.events.len() <= self.limits.batch_messages);
        for got in &poll.events {
            follow(log, &mut may_stand, got);
        }
        if let Some(last) = poll.events.last() {
            assert_eq!(last.id, Some(poll.batch.last_id));
            let end = may_stand.contains(&log.len());
            assert_eq!(end, !poll.batch.more);
        } else {
            assert!(!poll.batch.more && may_stand.contains(&log.len()) || log.is_empty());
        }
    }
}

/// Where a reader may stand behind this message, if it is one that may come next.
fn follow(log: &[Published], may_stand: &mut BTreeSet<usize>, got: &Got) {
    let before = std::mem::take(may_stand);
    let fits = |&at: &usize| {
        log.get(at)
            .is_some_and(|message| got.is(message.id, &message.event, &message.data))
    };
    *may_stand = before
        .iter()
        .copied()
        .filter(fits)
        .map(|at| at + 1)
        .collect();
    assert!(
        !may_stand.is_empty(),
        "{got:?} is none of the messages at {before:?}"
    );
}
