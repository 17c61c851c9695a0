//! The channels as one loop has them: all that there are, or its replica of those that several loops share.
//!
//! This is the one place where the two differ. Alone, every call is the [`Hub`]'s: nothing is locked and nothing kept
//! twice. Among several, what changes a channel goes through the [`Feed`] and comes back through this loop's own queue,
//! behind what others have published before, and whatever looks into a channel first catches up with that queue.
//!
//! Reading on, once attached, needs neither: it is the hub's business alone ([`Channels::hub`]).

use std::sync::{Arc, Mutex, PoisonError};

use super::feed::{Feed, Woken};
use super::keys::Keys;
use crate::channel::{
    Batch, Data, Draft, Encoding, Entry, Error, Hub, Id, Key, Limits, Reader, Start, check_event,
};
use crate::command::Mailbox;
use crate::net::Now;

#[derive(Debug)]
pub(crate) struct Channels {
    hub: Hub,
    replica: Option<Replica>,
    /// Keys of what was published, once there was one.
    keys: Option<Arc<Mutex<Keys>>>,
}

/// A loop's place among several.
#[derive(Debug)]
struct Replica {
    feed: Arc<Feed>,
    place: usize,
    taken: Vec<Arc<Entry>>,
    woken: Vec<Woken>,
    /// What it is for this loop to tell of.
    refused: Vec<Error>,
}

impl Replica {
    fn new(feed: Arc<Feed>, place: usize) -> Replica {
        Replica {
            feed,
            place,
            taken: Vec::new(),
            woken: Vec::new(),
            refused: Vec::new(),
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.feed.leave(self.place);
        #[cfg(feature = "backend")]
        self.feed.end_with_the_last_loop();
    }
}

impl Channels {
    /// The channels of a server with one loop, from the time `unix_ms` on.
    pub(crate) fn alone(limits: Limits, unix_ms: u64) -> Channels {
        Channels {
            hub: Hub::new(limits, unix_ms),
            replica: None,
            keys: None,
        }
    }

    /// The replica of the loop at `place`, which is woken through `mailbox`.
    pub(crate) fn shared(
        limits: Limits,
        feed: Arc<Feed>,
        place: usize,
        mailbox: Mailbox,
    ) -> Channels {
        feed.join(place, mailbox);
        Channels {
            hub: Hub::replica(limits, feed.unix_ms, place, feed.loops()),
            keys: Some(Arc::clone(&feed.keys)),
            replica: Some(Replica::new(feed, place)),
        }
    }

    /// This loop's channels, to be read from: for what changes nothing.
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// From now on these channels stand before the feed's backend, under `mailbox` if this loop was alone. There must be no
    /// channels yet.
    #[cfg(feature = "backend")]
    pub(crate) fn stand_before(&mut self, feed: &Arc<Feed>, mailbox: Mailbox) {
        self.hub.stand_before_a_backend();
        if self.replica.is_none() {
            feed.join(0, mailbox);
            self.replica = Some(Replica::new(Arc::clone(feed), 0));
        }
    }

    /// What stands behind these channels, if it is not memory.
    #[cfg(feature = "backend")]
    pub(crate) fn backend(&self) -> Option<(&dyn crate::backend::Backend, usize)> {
        let replica = self.replica.as_ref()?;
        Some((&**replica.feed.backend.get()?, replica.place))
    }

    /// As [`Hub::place`].
    #[cfg(feature = "backend")]
    pub(super) fn place(&mut self, reader: &mut Reader, through: Id) -> bool {
        self.catch_up();
        self.hub.place(reader, through)
    }

    /// What this loop shares with others, if there are any, and its place there.
    pub(crate) fn feed(&self) -> Option<(Arc<Feed>, usize)> {
        let replica = self.replica.as_ref()?;
        Some((Arc::clone(&replica.feed), replica.place))
    }

    /// Whether something new may be taken. To be asked before [`Channels::publish`] by whoever can be refused.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub(crate) fn check_room(&mut self) -> Result<(), Error> {
        // It may be this loop that is behind.
        self.catch_up();
        match &self.replica {
            Some(replica) if !replica.feed.has_room() => Err(Error::Overloaded),
            _ => Ok(()),
        }
    }

    /// As [`Hub::publish`]. When it returns, the message is in this loop's log, and waits for every other loop.
    pub(crate) fn publish(
        &mut self,
        name: &str,
        event: Option<&str>,
        data: Data,
        unix_ms: u64,
    ) -> Result<Id, Error> {
        if self.replica.is_none() {
            return self.hub.publish(name, event, data, unix_ms);
        }
        self.catch_up();
        self.hub.check_size(event, &data)?;
        let draft = Draft::new(name, event, data, None)?;
        self.admit(name)?;
        self.publish_draft(draft, unix_ms)
    }

    /// As [`Hub::publish_draft`]: what came without a look into the channels.
    pub(super) fn publish_draft(&mut self, draft: Draft, unix_ms: u64) -> Result<Id, Error> {
        let Some(replica) = &mut self.replica else {
            return self.hub.publish_draft(draft, unix_ms);
        };
        let make = |id| draft.with_id(id);
        let Replica {
            feed,
            place,
            taken,
            woken,
            ..
        } = replica;
        let id = feed.publish(*place, unix_ms, make, woken, taken);
        self.apply_taken();
        Ok(id)
    }

    /// What came through a handle.
    pub(super) fn publish_order(&mut self, mut draft: Draft, now: Now) -> Result<Id, Error> {
        let Some(key) = draft.key.take() else {
            return self.publish_draft(draft, now.unix_ms);
        };
        let event = draft.event.as_deref();
        self.publish_once(&draft.channel, event, draft.data, key, now)
    }

    /// As [`Channels::publish`], once for each key and however often it is asked. `ms` is on a clock that never goes back.
    pub(super) fn publish_once(
        &mut self,
        name: &str,
        event: Option<&str>,
        data: Data,
        key: Key,
        now: Now,
    ) -> Result<Id, Error> {
        let event = check_event(event)?;
        let keys = Arc::clone(self.keys.get_or_insert_default());
        // Until it is published: a second publisher with the same key waits for the first.
        let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = keys.find(name, &key, (event, &data), now.ms)? {
            return Ok(id);
        }
        let id = self.publish(name, event, data.clone(), now.unix_ms)?;
        keys.remember(name, key, (event, &data), id, now.ms);
        Ok(id)
    }

    /// As [`Hub::publish_to`].
    pub(crate) fn publish_to(
        &mut self,
        reader: &Reader,
        data: Data,
        unix_ms: u64,
    ) -> Result<Id, Error> {
        if self.replica.is_none() {
            return self.hub.publish_to(reader, data, unix_ms);
        }
        self.check_room()?;
        let name: Box<str> = self.hub.name_of(reader).into();
        self.publish(&name, None, data, unix_ms)
    }

    /// As [`Hub::attach`].
    pub(crate) fn attach(
        &mut self,
        name: &str,
        encoding: Encoding,
        start: Start,
        waiter: u64,
    ) -> Result<Reader, Error> {
        self.begin(name)?;
        self.hub.attach(name, encoding, start, waiter)
    }

    /// As [`Hub::watch`].
    #[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
    pub(crate) fn watch(
        &mut self,
        name: &str,
        waiter: u64,
    ) -> Result<crate::channel::Watch, Error> {
        self.begin(name)?;
        self.hub.watch(name, waiter)
    }

    /// As [`Hub::unwatch`].
    #[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
    pub(crate) fn unwatch(&mut self, watch: crate::channel::Watch) {
        self.hub.unwatch(watch);
    }

    /// As [`Hub::joins`].
    #[cfg(all(feature = "backend", feature = "webhook", feature = "client"))]
    pub(crate) fn joins(&mut self, watch: &crate::channel::Watch, through: Id) -> bool {
        self.catch_up();
        self.hub.joins(watch, through)
    }

    /// Whether what the hub does not hold may be elsewhere.
    #[cfg(all(feature = "webhook", feature = "server", feature = "client"))]
    pub(crate) fn is_backed(&self) -> bool {
        #[cfg(feature = "backend")]
        return self.backend().is_some();
        #[cfg(not(feature = "backend"))]
        false
    }

    /// Sees to it that all loops have the channel.
    fn begin(&mut self, name: &str) -> Result<(), Error> {
        self.catch_up();
        #[cfg(feature = "backend")]
        if self.backend().is_some() {
            return Ok(());
        }
        if self.replica.is_none() || self.hub.holds(name) {
            return Ok(());
        }
        self.admit(name)?;
        let channel = name.into();
        self.tell([Entry::Begin { channel }]);
        self.catch_up();
        Ok(())
    }

    fn admit(&mut self, name: &str) -> Result<(), Error> {
        let admitted = self.hub.may_use(name);
        // A hub that is full has looked for what it does not need.
        self.tell_unused();
        admitted
    }

    /// As [`Hub::batch`].
    pub(crate) fn batch(
        &mut self,
        name: &str,
        start: Start,
        out: &mut Vec<u8>,
    ) -> Result<Batch, Error> {
        self.catch_up();
        self.hub.batch(name, start, out)
    }

    /// As [`Hub::detach`].
    pub(crate) fn detach(&mut self, reader: Reader) {
        self.hub.detach(reader);
    }

    /// As [`Hub::take_woken`]; and wakes the loops that have something new to take.
    pub(crate) fn take_woken(&mut self, ms: u64, waiters: &mut Vec<u64>) {
        // What was published before a stop is delivered before it, also if nobody has woken this loop for it yet.
        self.catch_up();
        self.hub.take_woken(ms, waiters);
        if let Some(replica) = &mut self.replica {
            replica.feed.wake(&mut replica.woken);
        }
    }

    /// As [`Hub::stop_resting`].
    pub(crate) fn stop_resting(&mut self) {
        self.hub.stop_resting();
    }

    /// As [`Hub::sweep`].
    pub(crate) fn sweep(&mut self, now: Now) {
        self.catch_up();
        self.hub.sweep(now.ms, now.unix_ms);
        self.tell_unused();
    }

    /// As [`Hub::take_oldest_woken`].
    pub(crate) fn take_oldest_woken(&mut self) -> Option<u64> {
        self.hub.take_oldest_woken()
    }

    /// As [`Hub::write_gap`].
    pub(crate) fn write_gap(&mut self, reader: &mut Reader, out: &mut Vec<u8>) {
        self.hub.write_gap(reader, out);
    }

    /// As [`Hub::set_limits`].
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.hub.set_limits(limits);
    }

    /// As [`Hub::set_deflate`].
    #[cfg(feature = "deflate")]
    pub(crate) fn set_deflate(&mut self, settings: crate::ws::deflate::Settings) {
        self.hub.set_deflate(settings);
    }

    /// Applies what waits for this loop.
    pub(crate) fn catch_up(&mut self) {
        let Some(replica) = &mut self.replica else {
            return;
        };
        if replica.feed.take(replica.place, &mut replica.taken) {
            self.apply_taken();
        }
    }

    fn apply_taken(&mut self) {
        if let Some(replica) = &mut self.replica {
            for entry in replica.taken.drain(..) {
                replica.refused.extend(self.hub.apply(&entry).err());
            }
            self.tell_unused();
        }
    }

    /// What was refused of what came from handles of this loop.
    pub(crate) fn take_refused(&mut self) -> Vec<Error> {
        let replica = self.replica.as_mut();
        replica.map_or(Vec::new(), |replica| std::mem::take(&mut replica.refused))
    }

    /// Tells the others of channels that this loop has no use for.
    fn tell_unused(&mut self) {
        if self.replica.is_none() {
            return;
        }
        let unused = self.hub.take_unused();
        if !unused.is_empty() {
            self.tell(unused);
            self.catch_up();
        }
    }

    fn tell(&mut self, entries: impl IntoIterator<Item = Entry>) {
        if let Some(replica) = &mut self.replica {
            replica
                .feed
                .tell(replica.place, entries, &mut replica.woken);
        }
    }
}
