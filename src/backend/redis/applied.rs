//! What the hubs have been told, channel by channel, and whom that answers.
//!
//! ```text
//!   answers to our own batches ──┐
//!   pub/sub ─────────────────────┼──► offer: old │ next in its channel │ behind a hole ──► News::Entry, News::Settled
//!   pages that were read ────────┘
//! ```
//!
//! The same entry may come in three ways, in any order. Here is one lock and one rule: **an entry is told if the id before it
//! is the last of its channel that was told**, or if nothing is known of its channel; one that is told already is dropped;
//! one behind a hole waits until the stream has been read from there ([`pages`](super::pages)). If the stream does not have
//! what was in the hole, the entry is told with the id before it as it is, and the hub finds that this is not what it has:
//! a gap.
//!
//! A channel of which a page was read to its end is known, too: so whatever a hub knows the end of is known here. What is
//! remembered is bounded; a channel that nobody has touched for long is forgotten, and then a hole in it is a gap.

use std::collections::HashMap;
use std::sync::Arc;

use super::entry::{Kept, Raw};
use crate::backend::{Entry, News, Settled, Ticket};
use crate::channel::Id;

/// Channels that are remembered, in two generations of which the older one goes.
const GENERATION: usize = 100_000;

/// Where a channel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// The last entry, also if it was skipped.
    chain: Id,
    /// The last entry that was told.
    told: Id,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It was told before.
    Old,
    /// It is told now, or skipped.
    Taken,
    /// Something is missing in front of it.
    Hole,
}

#[derive(Debug)]
pub(super) struct Applied {
    channels: HashMap<Arc<str>, Seen>,
    older: HashMap<Arc<str>, Seen>,
    /// Who waits for an entry of this channel to be told.
    waiting: HashMap<Arc<str>, Vec<(Id, Ticket)>>,
    /// Entries that were not ours, or damaged.
    skipped: u64,
}

impl Applied {
    pub(super) fn new() -> Applied {
        Applied {
            channels: HashMap::new(),
            older: HashMap::new(),
            waiting: HashMap::new(),
            skipped: 0,
        }
    }

    fn seen(&mut self, channel: &str) -> Option<&mut Seen> {
        if !self.channels.contains_key(channel) {
            let (name, seen) = self.older.remove_entry(channel)?;
            self.insert(name, seen);
        }
        self.channels.get_mut(channel)
    }

    fn insert(&mut self, channel: Arc<str>, seen: Seen) {
        if self.channels.len() >= GENERATION {
            self.older = std::mem::take(&mut self.channels);
        }
        self.channels.insert(channel, seen);
    }

    /// The last entry of a channel, if it is known.
    pub(super) fn last(&mut self, channel: &str) -> Option<Id> {
        self.seen(channel).map(|seen| seen.chain)
    }

    /// All channels that are known, with their last entries.
    pub(super) fn all(&self) -> Vec<(Arc<str>, Id)> {
        let both = self.channels.iter().chain(&self.older);
        both.map(|(name, seen)| (Arc::clone(name), seen.chain))
            .collect()
    }

    /// How many entries were not ours, or damaged.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes an entry. What is to be told of it is appended.
    pub(super) fn offer(&mut self, channel: &str, kept: Kept, news: &mut Vec<News>) -> Offered {
        let Kept {
            id,
            previous,
            record,
        } = kept;
        let (name, before) = match self.seen(channel).copied() {
            Some(seen) if id <= seen.chain => return Offered::Old,
            // What we can't read may stand behind anything.
            Some(seen) if previous.is_some_and(|previous| previous != seen.chain) => {
                return Offered::Hole;
            }
            Some(seen) => (None, seen.told),
            None => (Some(Arc::from(channel)), previous.unwrap_or(id)),
        };
        let told = match record {
            Some(record) => {
                let channel = match self.channels.get_key_value(channel) {
                    Some((name, _)) => Arc::clone(name),
                    None => name.clone().unwrap_or_else(|| channel.into()),
                };
                news.push(News::Entry(Arc::new(Entry {
                    channel,
                    previous: before,
                    record,
                })));
                id
            }
            None => {
                self.skipped += 1;
                if self.skipped.is_power_of_two() {
                    let count = self.skipped;
                    let why = format!(
                        "an entry of Redis is not ours, or damaged, and was skipped: {id} of the channel {channel} ({count} so \
                         far)"
                    );
                    news.push(News::Warned(why.into()));
                }
                before
            }
        };
        self.put(channel, name, Seen { chain: id, told });
        self.settle(channel, id, news);
        Offered::Taken
    }

    fn put(&mut self, channel: &str, name: Option<Arc<str>>, now: Seen) {
        match (self.seen(channel), name) {
            (Some(seen), _) => *seen = now,
            (None, name) => self.insert(name.unwrap_or_else(|| channel.into()), now),
        }
    }

    fn settle(&mut self, channel: &str, chain: Id, news: &mut Vec<News>) {
        let Some(waiting) = self.waiting.get_mut(channel) else {
            return;
        };
        waiting.retain(|&(id, ticket)| {
            let is_told = id <= chain;
            if is_told {
                let settled = Settled {
                    id,
                    replayed: false,
                };
                news.push(News::Settled(ticket, Ok(settled)));
            }
            !is_told
        });
        if waiting.is_empty() {
            self.waiting.remove(channel);
        }
    }

    /// Answers `ticket` when this entry has been told.
    pub(super) fn answer(
        &mut self,
        channel: &Arc<str>,
        id: Id,
        ticket: Ticket,
        news: &mut Vec<News>,
    ) {
        match self.last(channel) {
            Some(chain) if id <= chain => {
                let settled = Settled {
                    id,
                    replayed: false,
                };
                news.push(News::Settled(ticket, Ok(settled)));
            }
            _ => {
                let waiting = self.waiting.entry(Arc::clone(channel)).or_default();
                waiting.push((id, ticket));
            }
        }
    }

    /// Channels in which somebody waits for an entry behind a hole.
    pub(super) fn holes(&self) -> Vec<Arc<str>> {
        self.waiting.keys().cloned().collect()
    }

    /// Takes what was read behind `from`, the last entry of the channel at that time. Returns whether this was of use: if not,
    /// the channel has gone on meanwhile.
    pub(super) fn take_read(
        &mut self,
        channel: &str,
        from: Id,
        raw: &Raw,
        news: &mut Vec<News>,
    ) -> bool {
        let Some(seen) = self.seen(channel) else {
            return false;
        };
        if seen.chain != from {
            return false;
        }
        if raw.gap {
            // What is told next has this id before it, which is not what the hub has.
            let first = raw.entries.first();
            let floor = first.map_or(raw.last, |first| first.previous.unwrap_or(raw.floor));
            *seen = Seen {
                chain: floor,
                told: floor,
            };
            self.settle(channel, floor, news);
        }
        for kept in &raw.entries {
            if self.offer(channel, kept.clone(), news) == Offered::Hole {
                // Something has been taken out of the middle of the stream: the next reading finds the gap.
                break;
            }
        }
        true
    }

    /// A page was read to its end: this is where the channel stands, if nothing was known of it.
    pub(super) fn begin(&mut self, channel: &str, chain: Id, told: Id) {
        if self.seen(channel).is_none() {
            self.insert(channel.into(), Seen { chain, told });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Data, Record};

    fn id(ms: u64) -> Id {
        Id { ms, seq: 0 }
    }

    fn kept(previous: u64, ms: u64) -> Kept {
        Kept {
            id: id(ms),
            previous: Some(id(previous)),
            record: Some(Record::new(id(ms), None, Data::new(b"x"))),
        }
    }

    fn raw(gap: bool, last: u64, entries: Vec<Kept>) -> Raw {
        Raw {
            gap,
            floor: id(0),
            last: id(last),
            more: false,
            entries,
        }
    }

    /// What was told: id before and id of each entry.
    fn told(news: &mut Vec<News>) -> Vec<(u64, u64)> {
        let entries = news.drain(..).filter_map(|news| match news {
            News::Entry(entry) => Some((entry.previous.ms, entry.record.id.ms)),
            _ => None,
        });
        entries.collect()
    }

    #[test]
    fn the_same_entry_is_told_once_and_a_hole_waits() {
        let (mut applied, mut news) = (Applied::new(), Vec::new());
        assert_eq!(applied.offer("a", kept(1, 2), &mut news), Offered::Taken);
        assert_eq!(applied.offer("a", kept(1, 2), &mut news), Offered::Old);
        assert_eq!(applied.offer("a", kept(3, 4), &mut news), Offered::Hole);
        assert_eq!(applied.offer("b", kept(3, 4), &mut news), Offered::Taken);
        assert_eq!(told(&mut news), [(1, 2), (3, 4)]);
        let read = raw(false, 4, vec![kept(2, 3), kept(3, 4)]);
        assert!(applied.take_read("a", id(2), &read, &mut news));
        assert!(!applied.take_read("a", id(2), &read, &mut news));
        assert_eq!(told(&mut news), [(2, 3), (3, 4)]);
    }

    #[test]
    fn what_redis_has_lost_shows_in_the_id_before_the_next() {
        let (mut applied, mut news) = (Applied::new(), Vec::new());
        applied.offer("a", kept(1, 2), &mut news);
        // Nothing behind 2 is left, but somebody has seen 5.
        let read = raw(true, 5, Vec::new());
        assert!(applied.take_read("a", id(2), &read, &mut news));
        applied.offer("a", kept(5, 6), &mut news);
        assert_eq!(told(&mut news), [(1, 2), (5, 6)]);
        // Trimmed beyond what was told.
        let read = raw(true, 9, vec![kept(8, 9)]);
        assert!(applied.take_read("a", id(6), &read, &mut news));
        assert_eq!(told(&mut news), [(8, 9)]);
        // A master that never had 9 goes on behind 6.
        let read = raw(true, 12, vec![kept(6, 12)]);
        assert!(applied.take_read("a", id(9), &read, &mut news));
        assert_eq!(told(&mut news), [(6, 12)]);
    }

    #[test]
    fn who_was_published_is_answered_behind_its_entry() {
        let (mut applied, mut news) = (Applied::new(), Vec::new());
        let ticket = Ticket {
            place: 0,
            from: 1,
            serial: 2,
        };
        applied.offer("a", kept(1, 2), &mut news);
        news.clear();
        applied.answer(&"a".into(), id(4), ticket, &mut news);
        assert!(news.is_empty());
        assert_eq!(applied.holes().len(), 1);
        applied.offer("a", kept(2, 3), &mut news);
        applied.offer("a", kept(3, 4), &mut news);
        assert!(matches!(
            news[..],
            [News::Entry(_), News::Entry(_), News::Settled(_, Ok(Settled { id: it, .. }))] if it == id(4)
        ));
        assert!(applied.holes().is_empty());
    }

    #[test]
    fn an_entry_that_is_not_ours_is_passed_over() {
        let (mut applied, mut news) = (Applied::new(), Vec::new());
        applied.offer("a", kept(1, 2), &mut news);
        let foreign = Kept {
            id: id(3),
            previous: None,
            record: None,
        };
        assert_eq!(applied.offer("a", foreign, &mut news), Offered::Taken);
        assert!(news.iter().any(|news| matches!(news, News::Warned(_))));
        assert_eq!(applied.skipped(), 1);
        // The next one is behind the last that was told, so that nobody takes it for a gap.
        assert_eq!(applied.offer("a", kept(3, 4), &mut news), Offered::Taken);
        assert_eq!(told(&mut news), [(1, 2), (2, 4)]);
    }
}
