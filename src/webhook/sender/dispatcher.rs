//! All subscriptions, and what each of them does next: the sender without sockets and without a clock.
//!
//! ```text
//!            ┌──────────────────────── wake: its channel has something new ───────────────┐
//!            ▼                                                                            │
//!   ┌──► Wanting ──found──► Ready ──next_start──► UnderWay ──answered 2xx──► Wanting ··► Idle
//!   │        ▲  └─► Asked ──┘ ▲                     │   │
//!   │        │  history       └──requeue────────────┘   │ failed
//!   │        └──────────────── Waiting ◄────────────────┘            Still: paused, or given up
//!   └─ resume
//! ```
//!
//! A subscription is a cursor. It has at most one message at a time, from when it was found until it was answered, so that
//! what is behind it waits, in order, in the channel's log and nowhere else; and one that waits for its channel, or for a time, is in
//! no queue that a turn looks through.
//!
//! The invariants: **the cursor moves only over what was answered with 2xx, or was left out and told of**; `under_way`
//! counts the entries in that phase; a place has at most as many connections as are allowed. Queues may hold the key of
//! an entry that has left the phase which put it there: whoever takes it out looks.
//!
//! The `driver` gives it what it has found in the channels and does what `next_start` says; a `courier`, which is one
//! connection, asks it what to send and tells it how that went.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::delivery::Payload;
use super::event::Event;
use super::options::{Options, Refused};
use super::subscription::{Format, Outcome, ROTATION, State, Subscription, Try};
use super::target::{Place, Target};
use crate::channel::{Id, Record};
use crate::net::{ConnectionId, Now, millis};
use crate::random::Random;
use crate::slab::Slab;
use crate::webhook::Secret;

/// Names a subscription for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

/// What a channel has for a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Message(Record),
    /// Messages are missing; what is left lies behind this cursor.
    Gap(Id),
    Nothing,
    /// It is asked for elsewhere, and given later.
    Asked,
    /// It can't be read at the moment.
    Unreadable,
}

/// What is to be done for a delivery.
#[derive(Debug)]
pub(super) enum Start {
    /// Connect.
    Dial(Key, Arc<Target>),
    /// Use this connection, which waits.
    Use(ConnectionId),
}

/// Why there is no new subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Channel,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Wanting,
    Asked,
    Ready,
    /// Since this time, in milliseconds since 1970.
    UnderWay(u64),
    /// For another try, at this time of the loop. With `true` it is given up then, because its receiver has asked to be
    /// left alone for longer than it is waited for.
    Waiting(u64, bool),
    Still,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    subscription: Subscription,
    phase: Phase,
    payload: Option<Payload>,
    /// Its next try takes a new connection: an old one was ended before it was answered.
    fresh: bool,
    /// Its cursor was set while a try was under way, whose answer moves it no more.
    moved: bool,
}

/// What there is of one host and port.
#[derive(Debug, Default)]
struct Spot {
    connections: usize,
    idle: Vec<ConnectionId>,
    /// Connections that were idle, and what they are to deliver.
    assigned: Vec<(ConnectionId, Key)>,
    waiting: VecDeque<Key>,
}

pub(crate) struct Dispatcher {
    pub(super) options: Options,
    entries: Slab<Entry>,
    ids: HashMap<Box<str>, Key>,
    channels: HashMap<Arc<str>, Vec<Key>>,
    places: HashMap<Place, Spot>,
    wanting: VecDeque<Key>,
    ready: VecDeque<Key>,
    /// Ready, but for a look-up.
    unresolved: VecDeque<Key>,
    timers: BTreeSet<(u64, Key)>,
    under_way: usize,
    lookups: usize,
    generation: u32,
    /// What has changed since it was last kept.
    dirty: BTreeSet<Key>,
    removed: Vec<Box<str>>,
    pub(super) events: Vec<Event>,
    pub(super) random: Random,
    draining: bool,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher")
            .field("subscriptions", &self.entries.len())
            .field("under_way", &self.under_way)
            .finish_non_exhaustive()
    }
}

impl Dispatcher {
    pub(super) fn new(options: Options) -> Dispatcher {
        Dispatcher {
            options,
            entries: Slab::new(),
            ids: HashMap::new(),
            channels: HashMap::new(),
            places: HashMap::new(),
            wanting: VecDeque::new(),
            ready: VecDeque::new(),
            unresolved: VecDeque::new(),
            timers: BTreeSet::new(),
            under_way: 0,
            lookups: 0,
            generation: 0,
            dirty: BTreeSet::new(),
            removed: Vec::new(),
            events: Vec::new(),
            random: Random::new(),
            draining: false,
        }
    }

    fn get(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries
            .get_mut(key.index)
            .filter(|entry| entry.key == key)
    }

    fn enter(&mut self, key: Key, phase: Phase) {
        let Some(entry) = self.get(key) else { return };
        let before = std::mem::replace(&mut entry.phase, phase);
        if let Phase::Waiting(until, _) = before {
            self.timers.remove(&(until, key));
        }
        if let Phase::UnderWay(_) = before {
            self.under_way = self.under_way.saturating_sub(1);
        }
        match phase {
            Phase::Waiting(until, _) => {
                self.timers.insert((until, key));
            }
            Phase::UnderWay(_) => self.under_way += 1,
            Phase::Wanting => self.wanting.push_back(key),
            _ => {}
        }
    }
}

/// Commands.
impl Dispatcher {
    /// Whether a channel may have one more.
    pub(super) fn check_room(&self, channel: &str) -> Result<(), Full> {
        let count = self.channels.get(channel).map_or(0, Vec::len);
        if count >= self.options.per_channel {
            return Err(Full::Channel);
        }
        match self.entries.len() < self.options.subscriptions {
            true => Ok(()),
            false => Err(Full::All),
        }
    }

    /// Adds a subscription: a new one, or one that was kept.
    pub(super) fn add(&mut self, subscription: Subscription, is_new: bool, now: Now) {
        self.generation = self.generation.wrapping_add(1);
        let key = Key {
            index: self.entries.next_index(),
            generation: self.generation,
        };
        let (state, next) = (subscription.state, subscription.next_attempt);
        self.ids.insert(subscription.id.clone(), key);
        let channel = Arc::clone(&subscription.channel);
        self.channels.entry(channel).or_default().push(key);
        self.entries.insert(Entry {
            key,
            subscription,
            phase: Phase::Still,
            payload: None,
            fresh: false,
            moved: false,
        });
        match (state, next) {
            (State::Active, None) => self.enter(key, Phase::Wanting),
            (State::Active, Some(at)) => {
                let wait = at.saturating_sub(now.unix_ms);
                self.enter(key, Phase::Waiting(now.ms.saturating_add(wait), false));
            }
            _ => {}
        }
        if is_new {
            self.dirty.insert(key);
        }
    }

    fn find(&self, channel: &str, id: &str) -> Option<Key> {
        let key = *self.ids.get(id)?;
        let entry = self.entries.get(key.index)?;
        (*entry.subscription.channel == *channel).then_some(key)
    }

    pub(super) fn has(&self, channel: &str, id: &str) -> bool {
        self.find(channel, id).is_some()
    }

    /// Says whether it was there.
    pub(super) fn remove(&mut self, channel: &str, id: &str) -> bool {
        let Some(key) = self.find(channel, id) else {
            return false;
        };
        // Out of whatever it is in; a courier that delivers it will tell of nobody.
        self.enter(key, Phase::Still);
        self.entries.remove(key.index);
        self.ids.remove(id);
        self.dirty.remove(&key);
        self.removed.push(id.into());
        if let Some(keys) = self.channels.get_mut(channel) {
            keys.retain(|&other| other != key);
            if keys.is_empty() {
                self.channels.remove(channel);
            }
        }
        true
    }

    /// Another node is in charge of all of them.
    #[cfg(feature = "backend")]
    pub(super) fn forget_all(&mut self) {
        let keys: Vec<Key> = self.ids.values().copied().collect();
        for key in keys {
            self.enter(key, Phase::Still);
            self.entries.remove(key.index);
        }
        self.ids.clear();
        self.channels.clear();
        self.dirty.clear();
        self.removed.clear();
    }

    pub(super) fn pause(&mut self, channel: &str, id: &str) {
        let Some(key) = self.find(channel, id) else {
            return;
        };
        let Some(entry) = self.get(key) else { return };
        entry.subscription.state = State::Paused;
        entry.subscription.next_attempt = None;
        self.dirty.insert(key);
        // What is under way is answered first.
        if let Some(Entry { phase, .. }) = self.get(key) {
            if !matches!(phase, Phase::UnderWay(_)) {
                self.set_still(key);
            }
        }
    }

    fn set_still(&mut self, key: Key) {
        if let Some(entry) = self.get(key) {
            entry.payload = None;
        }
        self.enter(key, Phase::Still);
    }

    /// Lets it go on: where it stood, or behind `from`. What has failed before is forgotten.
    pub(super) fn resume(&mut self, channel: &str, id: &str, from: Option<Id>) {
        let Some(key) = self.find(channel, id) else {
            return;
        };
        let Some(entry) = self.get(key) else { return };
        let subscription = &mut entry.subscription;
        subscription.state = State::Active;
        subscription.failures = 0;
        subscription.failing_since = None;
        subscription.next_attempt = None;
        if let Some(from) = from {
            subscription.cursor = from;
        }
        let is_under_way = matches!(entry.phase, Phase::UnderWay(_));
        // It goes on when that is answered: one try at a time, or an answer could be taken for another one's.
        entry.moved |= is_under_way && from.is_some();
        self.dirty.insert(key);
        if !is_under_way {
            self.set_still(key);
            self.enter(key, Phase::Wanting);
        }
    }

    /// Gives it a new secret, beside which the old one signs for a day.
    pub(super) fn rotate(&mut self, channel: &str, id: &str, secret: Secret, now: Now) {
        let Some(key) = self.find(channel, id) else {
            return;
        };
        if let Some(entry) = self.get(key) {
            let subscription = &mut entry.subscription;
            let old = std::mem::replace(&mut subscription.secret, secret);
            subscription.old = Some((old, now.unix_ms.saturating_add(ROTATION)));
            self.dirty.insert(key);
        }
    }

    /// The subscriptions of a channel, without their secrets.
    pub(super) fn write_list(&self, channel: &str, out: &mut Vec<u8>) {
        out.push(b'[');
        let keys = self.channels.get(channel);
        for (at, key) in keys.into_iter().flatten().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if let Some(entry) = self.entries.get(key.index) {
                entry.subscription.write_json(out, false);
            }
        }
        out.push(b']');
    }

    /// One of them, with its last tries. Says whether it is there.
    pub(super) fn write_one(&self, channel: &str, id: &str, out: &mut Vec<u8>) -> bool {
        let key = self.find(channel, id);
        let entry = key.and_then(|key| self.entries.get(key.index));
        entry
            .map(|entry| entry.subscription.write_json(out, true))
            .is_some()
    }

    pub(super) fn is_watched(&self, channel: &str) -> bool {
        self.channels.contains_key(channel)
    }
}

/// Reading.
impl Dispatcher {
    /// A channel has something new.
    pub(super) fn wake(&mut self, channel: &str) {
        let Some(keys) = self.channels.get(channel) else {
            return;
        };
        let idle = |key: &Key| {
            let entry = self.entries.get(key.index);
            entry.is_some_and(|entry| entry.phase == Phase::Idle)
        };
        let woken: Vec<Key> = keys.iter().copied().filter(idle).collect();
        for key in woken {
            self.enter(key, Phase::Wanting);
        }
    }

    /// Who wants to know what comes behind its cursor.
    pub(super) fn next_read(&mut self) -> Option<(Key, Arc<str>, Id)> {
        loop {
            let key = self.wanting.pop_front()?;
            if let Some(entry) = self.get(key).filter(|entry| entry.phase == Phase::Wanting) {
                let subscription = &entry.subscription;
                return Some((key, Arc::clone(&subscription.channel), subscription.cursor));
            }
        }
    }

    /// What comes behind its cursor.
    pub(super) fn found(&mut self, key: Key, found: Found, now: Now) {
        let Some(entry) = self.get(key) else { return };
        if !matches!(entry.phase, Phase::Wanting | Phase::Asked) {
            return;
        }
        match found {
            Found::Nothing => self.enter(key, Phase::Idle),
            Found::Asked => self.enter(key, Phase::Asked),
            Found::Unreadable => {
                let until = now.ms.saturating_add(1_000);
                self.enter(key, Phase::Waiting(until, false));
            }
            Found::Message(record) => self.make_ready(key, Payload::Message(record)),
            Found::Gap(after) => self.make_ready(key, Payload::Gap(after)),
        }
    }

    fn make_ready(&mut self, key: Key, payload: Payload) {
        if let Some(entry) = self.get(key) {
            entry.payload = Some(payload);
        }
        self.enter(key, Phase::Ready);
        self.ready.push_back(key);
    }

    /// It has to be looked for again: what was found was not behind its cursor any more.
    pub(super) fn read_again(&mut self, key: Key) {
        if self
            .get(key)
            .is_some_and(|entry| entry.phase == Phase::Asked)
        {
            self.enter(key, Phase::Wanting);
        }
    }

    /// The cursor of one that waits for history.
    pub(super) fn asked(&mut self, key: Key) -> Option<(Arc<str>, Id)> {
        let entry = self.get(key)?;
        let subscription = &entry.subscription;
        (entry.phase == Phase::Asked)
            .then(|| (Arc::clone(&subscription.channel), subscription.cursor))
    }
}

/// Delivering.
impl Dispatcher {
    /// What is to be begun next, if anything may be.
    pub(super) fn next_start(&mut self, now: Now) -> Option<Start> {
        while !self.draining && self.under_way < self.options.at_once {
            let key = self.ready.pop_front()?;
            let Some(entry) = self.get(key).filter(|entry| entry.phase == Phase::Ready) else {
                continue;
            };
            let (target, fresh) = (Arc::clone(&entry.subscription.target), entry.fresh);
            let spot = self.places.entry(target.place.clone()).or_default();
            let is_new = spot.connections == 0;
            let has_room = spot.connections < self.options.per_place.max(1);
            if !fresh || !has_room {
                if let Some(connection) = spot.idle.pop() {
                    spot.assigned.push((connection, key));
                    self.begin(key, now);
                    return Some(Start::Use(connection));
                }
            }
            if !has_room {
                spot.waiting.push_back(key);
                continue;
            }
            if target.name().is_some() {
                if self.lookups >= self.options.lookups.max(1) {
                    self.unresolved.push_back(key);
                    if is_new {
                        self.places.remove(&target.place);
                    }
                    continue;
                }
                self.lookups += 1;
            }
            spot.connections += 1;
            self.begin(key, now);
            return Some(Start::Dial(key, target));
        }
        None
    }

    fn begin(&mut self, key: Key, now: Now) {
        self.enter(key, Phase::UnderWay(now.unix_ms));
        if let Some(entry) = self.get(key) {
            entry.subscription.next_attempt = None;
        }
    }

    /// A look-up has ended.
    pub(super) fn looked_up(&mut self) {
        self.lookups = self.lookups.saturating_sub(1);
        if let Some(key) = self.unresolved.pop_front() {
            self.ready.push_front(key);
        }
    }

    /// Writes the request of what is under way. `None`: it is not, any more.
    pub(super) fn write(&mut self, key: Key, now: Now, out: &mut Vec<u8>) -> Option<()> {
        let for_hubs = self.options.hub_signature;
        let entry = self.get(key)?;
        let payload = entry.payload.as_ref()?;
        if !matches!(entry.phase, Phase::UnderWay(_)) {
            return None;
        }
        let before = out.len();
        let written = payload.write(out, &entry.subscription, now.unix_ms, for_hubs);
        if written.is_err() {
            // Its parts were looked at when it was registered.
            out.truncate(before);
            self.answered(key, Outcome::Malformed, None, now);
            return None;
        }
        Some(())
    }

    /// A connection ended before anything of an answer came, and had been used before: nobody knows whether the receiver
    /// had closed it before it saw the request, and that is nothing it did wrong (RFC 9112 9.3.1).
    pub(super) fn requeue(&mut self, key: Key) {
        let is_active = |entry: &&mut Entry| entry.subscription.state == State::Active;
        match self.get(key).filter(is_active) {
            Some(entry) if entry.moved => self.start_over(key),
            Some(entry) => {
                entry.fresh = true;
                self.enter(key, Phase::Ready);
                self.ready.push_front(key);
            }
            None => self.set_still(key),
        }
    }

    /// A try has ended.
    pub(super) fn answered(
        &mut self,
        key: Key,
        outcome: Outcome,
        retry_after: Option<Duration>,
        now: Now,
    ) {
        let random = self.random.up_to(u64::MAX);
        let Some(entry) = self
            .entries
            .get_mut(key.index)
            .filter(|entry| entry.key == key)
        else {
            return;
        };
        let (Phase::UnderWay(since), Some(payload)) = (entry.phase, entry.payload.take()) else {
            return;
        };
        let message = payload.id();
        let subscription = &mut entry.subscription;
        subscription.remember(Try {
            at: since,
            took_ms: now
                .unix_ms
                .saturating_sub(since)
                .try_into()
                .unwrap_or(u32::MAX),
            message,
            outcome,
        });
        entry.fresh = false;
        self.dirty.insert(key);
        if entry.moved {
            return self.start_over(key);
        }
        if outcome.is_success() {
            return self.go_on(key, message);
        }
        subscription.failures = subscription.failures.saturating_add(1);
        let failing_since = *subscription.failing_since.get_or_insert(since);
        if outcome == Outcome::Status(410) {
            return self.disable(key, outcome);
        }
        if subscription.state != State::Active {
            return self.enter(key, Phase::Still);
        }
        if let Refused::Park { after } = self.options.refused {
            if outcome.is_refusal() && subscription.failures >= after.max(1) {
                self.events.push(Event::Parked {
                    subscription: subscription.id.clone(),
                    channel: Arc::clone(&subscription.channel),
                    message,
                    outcome,
                });
                return self.go_on(key, message);
            }
        }
        let schedule = &self.options.schedule;
        let failing_for = now.unix_ms.saturating_sub(failing_since);
        if schedule.is_over(Duration::from_millis(failing_for)) {
            return self.disable(key, outcome);
        }
        let left = millis(schedule.give_up).saturating_sub(failing_for);
        let wait = millis(schedule.wait(subscription.failures, retry_after, random));
        // The end is a last try, unless the receiver does not want to be asked then.
        let ends = wait > left && retry_after.is_some_and(|asked| millis(asked) > left);
        let wait = wait.min(left);
        subscription.next_attempt = Some(now.unix_ms.saturating_add(wait));
        self.enter(key, Phase::Waiting(now.ms.saturating_add(wait), ends));
    }

    /// What was under way has ended, and its cursor was set elsewhere meanwhile.
    fn start_over(&mut self, key: Key) {
        let Some(entry) = self.get(key) else { return };
        (entry.moved, entry.payload) = (false, None);
        let phase = match entry.subscription.state {
            State::Active => Phase::Wanting,
            _ => Phase::Still,
        };
        self.enter(key, phase);
    }

    /// It is done with a message.
    fn go_on(&mut self, key: Key, message: Id) {
        let Some(entry) = self.get(key) else { return };
        let subscription = &mut entry.subscription;
        subscription.cursor = message;
        subscription.failures = 0;
        subscription.failing_since = None;
        subscription.next_attempt = None;
        let phase = match subscription.state {
            State::Active => Phase::Wanting,
            _ => Phase::Still,
        };
        self.enter(key, phase);
    }

    fn disable(&mut self, key: Key, outcome: Outcome) {
        let Some(entry) = self.get(key) else { return };
        let subscription = &mut entry.subscription;
        subscription.state = State::Disabled;
        subscription.next_attempt = None;
        let event = Event::Disabled {
            subscription: subscription.id.clone(),
            channel: Arc::clone(&subscription.channel),
            outcome,
        };
        self.events.push(event);
        self.dirty.insert(key);
        self.set_still(key);
    }

    /// What else may go over a connection to this place that is free now.
    pub(super) fn next_for(&mut self, place: &Place, now: Now) -> Option<Key> {
        if self.draining || self.under_way >= self.options.at_once {
            return None;
        }
        loop {
            let key = self.places.get_mut(place)?.waiting.pop_front()?;
            if self
                .get(key)
                .is_some_and(|entry| entry.phase == Phase::Ready)
            {
                self.begin(key, now);
                return Some(key);
            }
        }
    }

    /// A connection has nothing to do, and waits.
    pub(super) fn rest(&mut self, place: &Place, connection: ConnectionId) {
        if let Some(spot) = self.places.get_mut(place) {
            spot.idle.push(connection);
            // It may be that nothing more may be under way: whoever waits for the place is begun when that has changed.
            let waiting = std::mem::take(&mut spot.waiting);
            self.ready.extend(waiting);
        }
    }

    /// What a connection that waited is to deliver.
    pub(super) fn assignment(&mut self, place: &Place, connection: ConnectionId) -> Option<Key> {
        let assigned = &mut self.places.get_mut(place)?.assigned;
        let at = assigned.iter().position(|(to, _)| *to == connection)?;
        Some(assigned.swap_remove(at).1)
    }

    /// A connection is gone, or was never made.
    pub(super) fn gone(&mut self, place: &Place, connection: Option<ConnectionId>) {
        let assigned = connection.and_then(|connection| self.assignment(place, connection));
        let Some(spot) = self.places.get_mut(place) else {
            return;
        };
        spot.connections = spot.connections.saturating_sub(1);
        spot.idle.retain(|idle| Some(*idle) != connection);
        if let Some(key) = spot.waiting.pop_front() {
            self.ready.push_front(key);
        } else if spot.connections == 0 {
            self.places.remove(place);
        }
        if let Some(key) = assigned {
            self.requeue(key);
        }
    }

    /// Nothing new is begun any more.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }
}

/// Time, and what is kept elsewhere.
impl Dispatcher {
    /// When something is to be done, in milliseconds of the loop.
    pub(super) fn due(&self) -> u64 {
        let may_begin = !self.draining && self.under_way < self.options.at_once;
        if !self.wanting.is_empty()
            || (may_begin && !self.ready.is_empty())
            || !self.events.is_empty()
        {
            return 0;
        }
        self.timers.first().map_or(u64::MAX, |&(at, _)| at)
    }

    pub(super) fn tick(&mut self, now: Now) {
        while let Some(&(at, key)) = self.timers.first() {
            if at > now.ms {
                return;
            }
            let phase = self.get(key).map(|entry| entry.phase);
            match phase {
                Some(Phase::Waiting(_, true)) => {
                    let last = self
                        .get(key)
                        .and_then(|entry| entry.subscription.tries.back().copied());
                    let outcome = last.map_or(Outcome::Timeout, |last| last.outcome);
                    self.disable(key, outcome);
                }
                _ => self.enter(key, Phase::Wanting),
            }
            self.timers.remove(&(at, key));
        }
    }

    /// What has changed since it was last asked: each with its note, or without if it was removed.
    pub(super) fn take_changes(&mut self) -> Vec<(Box<str>, Option<Vec<u8>>)> {
        let removed = self.removed.drain(..).map(|id| (id, None));
        let mut changes: Vec<_> = removed.collect();
        for key in std::mem::take(&mut self.dirty) {
            if let Some(entry) = self.get(key) {
                let subscription = &entry.subscription;
                changes.push((subscription.id.clone(), Some(subscription.to_note())));
            }
        }
        changes
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.dirty.is_empty() || !self.removed.is_empty()
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// How the last try of a subscription has ended.
    pub(super) fn last_outcome(&self, id: &str) -> Option<Outcome> {
        let entry = self.entries.get(self.ids.get(id)?.index)?;
        entry.subscription.tries.back().map(|last| last.outcome)
    }

    #[cfg(test)]
    pub(super) fn payload(&self, key: Key) -> Option<(&Subscription, &Payload)> {
        let entry = self
            .entries
            .get(key.index)
            .filter(|entry| entry.key == key)?;
        Some((&entry.subscription, entry.payload.as_ref()?))
    }

    #[cfg(test)]
    pub(super) fn subscription(&self, id: &str) -> Option<&Subscription> {
        let entry = self.entries.get(self.ids.get(id)?.index)?;
        Some(&entry.subscription)
    }
}

/// A subscription that begins behind `cursor`.
pub(super) fn subscription(
    id: Box<str>,
    channel: &str,
    (url, target): (&str, Target),
    format: Format,
    secret: Secret,
    cursor: Id,
) -> Subscription {
    Subscription {
        id,
        channel: channel.into(),
        url: url.into(),
        target: Arc::new(target),
        format,
        secret,
        old: None,
        state: State::Active,
        cursor,
        failures: 0,
        failing_since: None,
        next_attempt: None,
        tries: VecDeque::new(),
    }
}
