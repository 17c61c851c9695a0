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
use super::entry::Channel;
use super::error::Error;
use super::hub::{Hub, Limits, check_event, check_name};
use super::log::{Data, Record};
use super::reader::Reader;

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
            Entry::Begin { channel } | Entry::Unused { channel, .. } => channel.len(),
            Entry::Message {
                channel, record, ..
            } => channel.len() + record.size(),
        };
        size_of::<Entry>() + carried
    }
}

/// A replica's place among the others, and what it has to tell them.
#[derive(Debug)]
pub(super) struct Siblings {
    place: usize,
    count: usize,
    /// Channels that this replica has no use for, and their newest messages. To be told.
    unused: Vec<(Box<str>, Id)>,
}

impl Siblings {
    /// This replica has no use for the channel.
    pub(super) fn propose(&mut self, channel: &Channel) {
        if !channel.unused_here {
            self.unused.push((channel.name.clone(), channel.log.last()));
        }
    }
}

// Without the loop there is nobody to carry entries.
#[cfg_attr(not(feature = "net"), allow(dead_code))]
impl Hub {
    /// The replica number `place` of `count`, which all have to begin with the same time.
    pub(crate) fn replica(limits: Limits, unix_ms: u64, place: usize, count: usize) -> Hub {
        let mut hub = Hub::new(limits, unix_ms);
        hub.siblings = Some(Box::new(Siblings {
            place,
            count,
            unused: Vec::new(),
        }));
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
                    if let Err(error) = self.may_use(channel) {
                        return if self.is_at(*by) { Err(error) } else { Ok(()) };
                    }
                }
                let index = self.used(channel);
                // The time of a publish is the id's, but for a clock that was set back: the same in all replicas.
                self.append(index, record.clone(), record.id.ms);
            }
            Entry::Unused { channel, last, by } => self.unused(channel, *last, *by),
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
            channel.unused = 0;
            channel.unused_here = false;
        }
        index
    }

    fn unused(&mut self, name: &str, last: Id, by: usize) {
        let Some(siblings) = &self.siblings else {
            return;
        };
        let (place, count) = (siblings.place, siblings.count);
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
        channel.unused += 1;
        channel.unused_here |= place == by;
        if channel.unused >= count {
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
        index
            .and_then(|&index| self.channels.get(index))
            .is_some_and(|channel| !channel.unused_here)
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

    /// The name of the channel that `reader` reads.
    pub(crate) fn name_of(&self, reader: &Reader) -> &str {
        self.channel(reader.channel)
            .map_or("", |channel| &channel.name)
    }
}

/// A message that has no id yet.
#[derive(Debug)]
pub(crate) struct Draft {
    channel: Box<str>,
    event: Option<Arc<str>>,
    data: Data,
    handle: Option<usize>,
}

#[cfg_attr(not(feature = "net"), allow(dead_code))]
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
            handle,
        })
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
