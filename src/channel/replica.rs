//! The same channels in several hubs: one for each loop of a program, so that none of them waits for another to read.
//!
//! ```text
//!              one order, given by a sequencer
//!   entries:   Begin a │ Message a 7-0 │ Message b 7-1 │ Unused a │ Message a 8-0 ...
//!                  │            │
//!        ┌─────────┴────┬───────┴──────┐      every hub applies every entry, in this order, when it comes to it
//!      hub 0          hub 1          hub 2
//! ```
//!
//! The invariant: **which channels there are, their floors and the ids in their logs are a function of the entries
//! that were applied, and of nothing else.** So a cursor that one hub gave is a position in all of them, and a hub
//! that has applied everything up to some entry has no gap that another has not. Ids are given by the sequencer and
//! grow over all channels together.
//!
//! What a hub does by itself is only what cannot be seen in a cursor: it evicts what is too old at its own clock's
//! time (a cursor in front of that is a gap by right), and knows its own readers. Since only the hub that has readers
//! knows them, a channel is forgotten when every hub has said, in an entry, that it has no use for it, and nothing has
//! happened to the channel since.
//!
//! The sequencer, and who carries the entries, are the server's: nothing here locks or waits.

use std::sync::Arc;

use super::Id;
use super::error::Error;
use super::hub::{Hub, Limits, check_event, check_name};
use super::key::Key;
use super::log::{Data, Record};
use super::post::Post;
use super::reader::Reader;
use super::siblings::Siblings;

/// What happens to the channels of all replicas.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A channel begins, or somebody has a use for it again.
    Begin { channel: Box<str> },
    /// A message. Its channel begins with it, if it has not begun.
    Message {
        channel: Box<str>,
        record: Record,
        /// It comes from no hub, but through the handle of this replica: nobody has looked whether its channel may begin.
        handle: Option<usize>,
    },
    /// A message that a backend has kept.
    #[cfg(feature = "backend")]
    Kept {
        channel: Arc<str>,
        /// The id before it in its channel.
        previous: Id,
        record: Record,
    },
    /// The replica `by` has no readers and no messages of the channel, whose newest message was `last`.
    Unused {
        channel: Box<str>,
        last: Id,
        by: usize,
    },
}

impl Entry {
    /// What it counts while it waits to be applied.
    pub(crate) fn size(&self) -> usize {
        let carried = match self {
            #[cfg(feature = "backend")]
            Entry::Kept {
                channel, record, ..
            } => channel.len() + record.size(),
            Entry::Begin { channel } | Entry::Unused { channel, .. } => channel.len(),
            Entry::Message {
                channel, record, ..
            } => channel.len() + record.size(),
        };
        size_of::<Entry>() + carried
    }
}

impl Hub {
    /// The replica number `place` of `count`, which all have to begin with the same time.
    pub(crate) fn replica(limits: Limits, unix_ms: u64, place: usize, count: usize) -> Hub {
        let mut hub = Hub::new(limits, unix_ms);
        hub.siblings = Some(Box::new(Siblings::new(place, count)));
        hub
    }

    /// Takes what happened into this replica.
    ///
    /// # Errors
    /// All replicas have refused it, and it is for this one to tell.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<(), Error> {
        match entry {
            Entry::Begin { channel } => {
                self.used(channel);
            }
            Entry::Message {
                channel,
                record,
                handle,
            } => {
                if let Some(by) = handle {
                    // The same in all replicas: how many channels there are is a function of the entries.
                    let event = record.event.as_deref();
                    let may = self.check_size(event, &record.data);
                    if let Err(error) = may.and_then(|()| self.may_use(channel)) {
                        return if self.is_at(*by) { Err(error) } else { Ok(()) };
                    }
                }
                let index = self.used(channel);
                self.append(index, record.clone());
            }
            Entry::Unused { channel, last, by } => self.unused(channel, *last, *by),
            #[cfg(feature = "backend")]
            Entry::Kept {
                channel,
                previous,
                record,
            } => self.append_kept(channel, *previous, record),
        }
        Ok(())
    }

    fn is_at(&self, place: usize) -> bool {
        let siblings = self.siblings.as_ref();
        siblings.is_some_and(|siblings| siblings.place == place)
    }

    fn used(&mut self, name: &str) -> u32 {
        let Some(&index) = self.names.get(name) else {
            return self.begin(name);
        };
        if let Some(channel) = self.channels.get_mut(index) {
            channel.unused_by.clear();
        }
        index
    }

    fn unused(&mut self, name: &str, last: Id, by: usize) {
        let Some(siblings) = &self.siblings else {
            return;
        };
        let count = siblings.count;
        let Some(&index) = self.names.get(name) else {
            return;
        };
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        if channel.log.last() != last {
            // Something was published before this was heard of.
            return;
        }
        // It may have said so twice, before it heard of the first time.
        if !channel.unused_by.contains(&by) {
            channel.unused_by.push(by);
        }
        if channel.unused_by.len() >= count {
            self.forget(index);
        } else {
            // The next sweep would say it too; but somebody may be waiting for room.
            self.forget_if_unused(index);
        }
    }

    /// Moves out what this replica has to tell the others about channels that it has no use for.
    pub(crate) fn take_unused(&mut self) -> Vec<Entry> {
        let Some(siblings) = &mut self.siblings else {
            return Vec::new();
        };
        let by = siblings.place;
        let unused = siblings.unused.drain(..);
        let entries = unused.map(|(channel, last)| Entry::Unused { channel, last, by });
        entries.collect()
    }

    /// Whether there is a channel with this name that no replica may forget unless this one says that it has no use
    /// for it.
    pub(crate) fn holds(&self, name: &str) -> bool {
        let index = self.names.get(name);
        let channel = index.and_then(|&index| self.channels.get(index));
        let siblings = self.siblings.as_ref();
        channel
            .zip(siblings)
            .is_some_and(|(channel, siblings)| !channel.unused_by.contains(&siblings.place))
    }

    /// Whether a channel with this name may be begun or used.
    ///
    /// # Errors
    /// As [`Hub::publish`].
    pub(crate) fn may_use(&mut self, name: &str) -> Result<(), Error> {
        match self.names.contains_key(name) {
            true => Ok(()),
            false => self.admit(name),
        }
    }

    /// Appends what was drafted, at the time `unix_ms`: for a hub that is the only one.
    ///
    /// # Errors
    /// There are too many channels.
    pub(crate) fn publish_draft(&mut self, draft: Draft, unix_ms: u64) -> Result<Id, Error> {
        let Draft {
            channel,
            event,
            data,
            ..
        } = draft;
        self.publish(&channel, event.as_deref(), data, unix_ms)
    }

    /// The name of the channel that `reader` reads.
    pub(crate) fn name_of(&self, reader: &Reader) -> &str {
        self.channel(reader.channel)
            .map_or("", |channel| &channel.name)
    }
}

/// A message that has no id yet.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) channel: Box<str>,
    pub(crate) event: Option<Arc<str>>,
    pub(crate) data: Data,
    /// Under which it is published once.
    pub(crate) key: Option<Key>,
    handle: Option<usize>,
}

impl Draft {
    /// What is to be published; through the handle of a replica, if no hub has looked whether its channel may begin.
    ///
    /// # Errors
    /// The name or the event name is refused.
    pub(crate) fn new(
        name: &str,
        event: Option<&str>,
        data: Data,
        handle: Option<usize>,
    ) -> Result<Draft, Error> {
        check_name(name)?;
        Ok(Draft {
            channel: name.into(),
            event: check_event(event)?.map(Into::into),
            data,
            key: None,
            handle,
        })
    }

    /// What a program wants published.
    ///
    /// # Errors
    /// As [`Draft::new`]; or the key is refused.
    pub(crate) fn of(name: &str, post: Post, handle: Option<usize>) -> Result<Draft, Error> {
        let key = post.checked_key()?;
        let draft = Draft::new(name, post.event_name(), post.data().clone(), handle)?;
        Ok(Draft { key, ..draft })
    }

    /// The message under this id.
    pub(crate) fn with_id(self, id: Id) -> Entry {
        Entry::Message {
            channel: self.channel,
            handle: self.handle,
            record: Record {
                id,
                event: self.event,
                data: self.data,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::{Encoding, Retention, Start};
    use super::*;

    const BIRTH: u64 = 1_000;
    const AGE: u64 = 50;

    /// Hubs and what was sequenced, without the server between them: each hub comes to an entry when the test says so.
    struct World {
        entries: Vec<Entry>,
        hubs: Vec<(Hub, usize)>,
        last: Id,
        time: u64,
    }

    impl World {
        fn new(count: usize) -> World {
            let limits = Limits {
                retention: Retention {
                    messages: 3,
                    age: Duration::from_millis(AGE),
                    ..Retention::default()
                },
                ..Limits::default()
            };
            let hub = |place| (Hub::replica(limits, BIRTH, place, count), 0);
            World {
                entries: Vec::new(),
                hubs: (0..count).map(hub).collect(),
                last: Id { ms: BIRTH, seq: 0 },
                time: BIRTH,
            }
        }

        fn publish(&mut self, name: &str) -> Id {
            self.last = self.last.next(self.time);
            let draft = Draft::new(name, None, Data::new(b"x"), None).unwrap();
            self.entries.push(draft.with_id(self.last));
            self.last
        }

        /// A hub applies so many entries.
        fn apply(&mut self, place: usize, count: usize) {
            let (hub, applied) = &mut self.hubs[place];
            let end = self.entries.len().min(applied.saturating_add(count));
            for entry in &self.entries[*applied..end] {
                hub.apply(entry).unwrap();
            }
            *applied = end;
        }

        /// As the server does it: what it has to tell is told, and applied with all that is in front of it.
        fn catch_up(&mut self, place: usize) {
            loop {
                self.apply(place, usize::MAX);
                let unused = self.hubs[place].0.take_unused();
                if unused.is_empty() {
                    return;
                }
                self.entries.extend(unused);
            }
        }

        /// Looks for what is not used, with what the hub knows at this moment, before it hears of anything else.
        fn sweep(&mut self, place: usize) {
            self.hubs[place].0.sweep(self.time, self.time);
            let unused = self.hubs[place].0.take_unused();
            self.entries.extend(unused);
            self.catch_up(place);
        }

        fn attach(&mut self, place: usize, name: &str) -> Reader {
            self.catch_up(place);
            if !self.hubs[place].0.holds(name) {
                let channel = name.into();
                self.entries.push(Entry::Begin { channel });
                self.catch_up(place);
            }
            let hub = &mut self.hubs[place].0;
            hub.attach(name, Encoding::Json, Start::Now, 0).unwrap()
        }

        /// The floor, and each channel with its newest message and how many there were.
        fn state(&self, place: usize) -> (Id, BTreeMap<String, (Id, u64)>) {
            let hub = &self.hubs[place].0;
            let logs = hub.names.iter().map(|(name, &index)| {
                let log = &hub.channel(index).unwrap().log;
                (name.to_string(), (log.last(), log.next()))
            });
            (hub.floor, logs.collect())
        }
    }

    #[test]
    fn a_message_and_the_end_of_its_channel_at_the_same_moment_leave_the_channel() {
        let mut world = World::new(2);
        world.publish("a");
        (0..2).for_each(|place| world.catch_up(place));
        world.time += 2 * AGE;
        world.sweep(1);
        // The first hub has heard of neither when it finds the channel unused.
        world.publish("a");
        world.sweep(0);
        world.catch_up(1);
        assert_eq!(world.state(0), world.state(1));
        assert!(world.hubs[0].0.holds("a"));
        // Nor do the votes of that time count later.
        world.time += 2 * AGE;
        world.sweep(0);
        world.catch_up(1);
        assert_eq!(world.hubs[1].0.len(), 1);
        world.sweep(1);
        world.catch_up(0);
        assert!(world.hubs.iter().all(|(hub, _)| hub.is_empty()));
    }

    #[test]
    fn who_is_told_that_a_channel_is_unused_and_has_no_use_for_it_says_so_at_once() {
        let mut world = World::new(3);
        for place in 0..3 {
            let reader = world.attach(place, "a");
            world.hubs[place].0.detach(reader);
        }
        world.sweep(0);
        world.catch_up(1);
        world.catch_up(2);
        assert!(world.hubs[2].0.is_empty());
    }

    /// Whatever happens in whatever order, hubs that have applied the same entries have the same channels, and whoever
    /// reads has its channel.
    #[test]
    fn what_there_is_depends_on_the_entries_alone() {
        let mut forgotten = 0;
        for seed in 1..400_u64 {
            let mut state = seed;
            let mut below = |end: usize| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 33) as usize % end
            };
            let mut world = World::new(1 + below(4));
            let mut readers: Vec<(usize, &str, Reader)> = Vec::new();
            for _ in 0..200 {
                let place = below(world.hubs.len());
                let name = ["a", "b", "c"][below(3)];
                match below(8) {
                    0 => drop(world.publish(name)),
                    1 | 2 => world.apply(place, 1 + below(5)),
                    3 => world.sweep(place),
                    4 => {
                        let reader = world.attach(place, name);
                        readers.push((place, name, reader));
                    }
                    5 | 6 if !readers.is_empty() => {
                        let (place, _, reader) = readers.swap_remove(below(readers.len()));
                        world.hubs[place].0.detach(reader);
                    }
                    _ => world.time += below(AGE as usize) as u64,
                }
                for (place, name, reader) in &readers {
                    assert_eq!(world.hubs[*place].0.name_of(reader), *name, "seed {seed}");
                }
            }
            // Everybody hears of everything, and then of what the others have to say about it.
            for _ in 0..3 {
                (0..world.hubs.len()).for_each(|place| world.catch_up(place));
            }
            for place in 1..world.hubs.len() {
                assert_eq!(world.state(place), world.state(0), "seed {seed}");
            }
            forgotten += usize::from(world.hubs[0].0.floor.ms > BIRTH);
        }
        assert!(forgotten > 100, "{forgotten}");
    }
}
