//! Watching a channel: being woken as a reader is, and reading its messages as they were published, one after a cursor.
//!
//! A reader of the wire has a place in an encoding. Who takes messages out of the process in a way of its own keeps a cursor
//! instead, as a client does, and asks what lies behind it: any number of cursors share one watch, which costs the channel one
//! waiter and no encoding.

use super::error::Error;
use super::hub::Hub;
use super::id::Id;
use super::log::{Position, Record, Start};

/// A place among the waiters of a channel, which is there as long as this is.
#[derive(Debug)]
pub(crate) struct Watch {
    channel: u32,
    place: u32,
}

/// What lies behind a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// The next message.
    Message(Record),
    /// Messages are missing: what is left lies behind this cursor.
    Gap(Id),
    /// Nothing yet.
    Nothing,
    /// This hub does not hold it: its backend may.
    #[cfg(feature = "backend")]
    History,
}

impl Hub {
    /// Begins to watch a channel. Whenever there is something new, `waiter` is named by [`Hub::take_woken`].
    ///
    /// # Errors
    /// The name is refused, or there are too many channels.
    pub(crate) fn watch(&mut self, name: &str, waiter: u64) -> Result<Watch, Error> {
        let channel = self.find_or_begin(name)?;
        let Some(found) = self.channels.get_mut(channel) else {
            return Err(Error::InvalidName);
        };
        let place = found.readers.insert(waiter);
        Ok(Watch { channel, place })
    }

    /// Ends a watch.
    pub(crate) fn unwatch(&mut self, watch: Watch) {
        if let Some(channel) = self.channels.get_mut(watch.channel) {
            channel.readers.remove(watch.place);
        }
    }

    /// The cursor behind the last message; `None` if it is not known here.
    pub(crate) fn tail(&self, watch: &Watch) -> Option<Id> {
        let last = self.channel(watch.channel)?.log.last();
        #[cfg(feature = "backend")]
        if last == super::cold::UNKNOWN {
            return None;
        }
        Some(last)
    }

    /// What lies behind a cursor. `is_backed`: what is not here may be elsewhere.
    pub(crate) fn ahead(&self, watch: &Watch, cursor: Id, is_backed: bool) -> Ahead {
        let Some(channel) = self.channel(watch.channel) else {
            return Ahead::Nothing;
        };
        let Position { next, gap } = channel.log.locate(Start::After(cursor));
        #[cfg(feature = "backend")]
        if gap && is_backed {
            return Ahead::History;
        }
        #[cfg(not(feature = "backend"))]
        let _ = is_backed;
        match channel.log.get(next) {
            _ if gap => Ahead::Gap(channel.log.cursor(next)),
            Some(record) => Ahead::Message(record.clone()),
            None => Ahead::Nothing,
        }
    }

    /// All history up to `through` was read, and there was no more: says whether this hub has what comes behind it.
    #[cfg(feature = "backend")]
    pub(crate) fn joins(&mut self, watch: &Watch, through: Id) -> bool {
        let Some(channel) = self.channels.get_mut(watch.channel) else {
            return false;
        };
        if channel.log.is_empty() && channel.log.floor() == super::cold::UNKNOWN {
            channel.log.begin_behind(through);
        }
        !channel.log.locate(Start::After(through)).gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Data, Limits, Retention};

    #[test]
    fn who_watches_is_woken_and_reads_from_any_cursor() {
        let retention = Retention {
            messages: 2,
            ..Retention::default()
        };
        let limits = Limits {
            retention,
            ..Limits::default()
        };
        let mut hub = Hub::new(limits, 1_000);
        let watch = hub.watch("a", 7).unwrap();
        let begin = hub.tail(&watch).unwrap();
        assert_eq!(hub.ahead(&watch, begin, false), Ahead::Nothing);
        let mut ids = Vec::new();
        for data in ["1", "2", "3"] {
            ids.push(
                hub.publish("a", None, Data::new(data.as_bytes()), 2_000)
                    .unwrap(),
            );
        }
        let mut woken = Vec::new();
        hub.take_woken(0, &mut woken);
        assert_eq!(woken, [7]);
        assert_eq!(hub.ahead(&watch, begin, false), Ahead::Gap(ids[0]));
        let Ahead::Message(record) = hub.ahead(&watch, ids[0], false) else {
            panic!("it is retained");
        };
        assert_eq!(record.id, ids[1]);
        assert_eq!(hub.ahead(&watch, ids[2], false), Ahead::Nothing);
        hub.unwatch(watch);
        hub.publish("a", None, Data::new(b"4"), 2_000).unwrap();
        hub.take_woken(0, &mut woken);
        assert_eq!(woken, [7]);
    }
}
