//! One commit after the other: the store without its threads. Time is an argument, and the medium is whatever the
//! database was opened on, so that thousands of lives and deaths are simulated in a second.
//!
//! [`Core::commit`] takes drafts in their order, gives each its id, and writes rows, heads and keys in one transaction.
//! What it says happened is true once it has returned without an error. **After an error the core is of no use**: what it
//! knows in memory is of a commit that may or may not be on the medium, and it is dropped.
//!
//! # Retention
//!
//! Exact, to the message: a channel's floor moves in the commit that goes beyond what is allowed. Space is freed by whole
//! rows, so up to a block of each channel is there that nobody is shown. The bound of the whole store drops the oldest
//! messages of all channels; age is also looked at when nothing is published
//! ([`Core::is_to_sweep`]). The newest message of a
//! channel goes by age, and for the whole store's bound unless it is the newest of all, but not for its channel's number
//! or bytes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use redb::{Database, Durability, ReadableTable, ReadableTableMetadata};
use sha1::{Digest, Sha1};

use super::codec::{DIGEST, FORMAT, Head, Malformed, Remembered, State};
use super::error::Fault;
use super::options::{CHANNEL_BYTES, KEPT_KEYS, MESSAGE_BYTES, Retained};
use super::rows::{BLOCKS, EXPIRY, HEADS, KEYS, META, Rows, Tables};
use super::shut::Shut;
use crate::backend::{Draft, Entry, Failure, KEY_LIFE, Key, News, Refusal, Settled, Ticket};
use crate::channel::{Data, Id, Record};
use crate::slab::Slab;

/// Rows of ended keys, and messages beyond their age, that one commit takes away besides what it adds.
const SWEEP: usize = 1_000;
/// Ids that all channels together keep in memory of their oldest rows.
const KEPT_IDS: usize = 1 << 20;
/// How far ahead of the clock ids are reserved where not every commit is synced, in milliseconds.
const AHEAD: u64 = 60_000;

/// The time of a commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Milliseconds since 1970. May go back.
    pub(super) unix_ms: u64,
    /// Milliseconds since the store was opened. Never goes back.
    pub(super) open_ms: u64,
}

/// A channel as the core has it.
#[derive(Debug)]
struct Held {
    name: Arc<str>,
    rows: Rows,
    /// It is to be looked at before the commit ends.
    touched: bool,
    /// Under which id it stands in [`Core::oldest`] or [`Core::empty`].
    listed: Id,
}

#[derive(Debug)]
pub(super) struct Core {
    database: Arc<Shut>,
    retained: Retained,
    state: State,
    /// [`State::uptime`] when it was opened.
    opened_at: u64,
    /// Ids are reserved ahead: there are commits that are not synced.
    reserves: bool,
    names: HashMap<Arc<str>, u32>,
    channels: Slab<Held>,
    touched: Vec<u32>,
    /// Channels with messages, by their oldest.
    oldest: BTreeSet<(Id, u32)>,
    /// Channels without, by their last.
    empty: BTreeSet<(Id, u32)>,
    /// What all messages count.
    bytes: u64,
    /// How many messages all channels have: kept, because a commit must not cost more where there are more channels.
    messages: u64,
}

/// What there is, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Channels, with messages or without.
    pub channels: u64,
    /// Messages retained.
    pub messages: u64,
    /// What they count against [`Retained::store_bytes`].
    pub bytes: u64,
    /// Keys remembered.
    pub keys: u64,
    /// The id of the oldest message retained.
    pub oldest: Option<Id>,
}

impl Core {
    /// Takes over a database that is ours, or makes an empty one ours at the time `unix_ms`.
    pub(super) fn open(
        database: Arc<Shut>,
        retained: Retained,
        reserves: bool,
        unix_ms: u64,
    ) -> Result<Core, Fault> {
        let state = match stored_state(&database)? {
            Some(state) => state,
            None => begin(&database, unix_ms)?,
        };
        let mut core = Core {
            database,
            retained,
            state,
            opened_at: state.uptime,
            reserves,
            names: HashMap::new(),
            channels: Slab::new(),
            touched: Vec::new(),
            oldest: BTreeSet::new(),
            empty: BTreeSet::new(),
            bytes: 0,
            messages: 0,
        };
        // What was given and not synced lies below the ceiling.
        core.state.last = state.ceiling;
        core.load()?;
        Ok(core)
    }

    fn load(&mut self) -> Result<(), Fault> {
        let transaction = self.database.begin_read()?;
        for row in transaction.open_table(HEADS)?.iter()? {
            let (name, head) = row?;
            let head = Head::decode(head.value())?;
            if head.number >= self.state.next_number || head.last > self.state.last {
                return Err(Malformed.into());
            }
            self.insert(name.value().into(), head);
        }
        Ok(())
    }

    fn insert(&mut self, name: Arc<str>, head: Head) -> u32 {
        let index = self.channels.insert(Held {
            name: Arc::clone(&name),
            rows: Rows::new(head),
            touched: false,
            listed: head.last,
        });
        self.names.insert(name, index);
        self.bytes += weight(&head);
        self.messages = self.messages.saturating_add(head.messages);
        self.list(index);
        index
    }

    /// Puts a channel where it belongs.
    fn list(&mut self, index: u32) {
        let Some(held) = self.channels.get_mut(index) else {
            return;
        };
        self.oldest.remove(&(held.listed, index));
        self.empty.remove(&(held.listed, index));
        let head = &held.rows.head;
        let (list, id) = match head.messages {
            0 => (&mut self.empty, head.last),
            _ => (&mut self.oldest, head.first),
        };
        held.listed = id;
        list.insert((id, index));
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn last(&self) -> Id {
        self.state.last
    }

    pub(super) fn volume(&self) -> Volume {
        Volume {
            channels: self.channels.len() as u64,
            messages: self.messages,
            bytes: self.bytes,
            keys: self.state.keys,
            oldest: self.oldest.first().map(|&(first, _)| first),
        }
    }

    /// Whether a sweep would drop anything.
    pub(super) fn is_to_sweep(&self, now: Now) -> bool {
        let oldest = self.oldest.first();
        oldest.is_some_and(|&(first, _)| first.ms < self.horizon(now))
    }

    /// What is older has ended.
    fn horizon(&self, now: Now) -> u64 {
        let age = self.retained.age.as_millis();
        now.unix_ms
            .saturating_sub(u64::try_from(age).unwrap_or(u64::MAX))
    }

    /// Keeps drafts, and says what happened. With `sync` all that was kept so far is synced.
    pub(super) fn commit(
        &mut self,
        drafts: &mut Vec<(Draft, Ticket)>,
        now: Now,
        sync: bool,
        news: &mut Vec<News>,
    ) -> Result<(), Fault> {
        let database = Arc::clone(&self.database);
        let mut transaction = database.begin_write()?;
        self.state.uptime = self.opened_at.saturating_add(now.open_ms);
        let mut tables = Tables::open(&transaction)?;
        for (draft, ticket) in drafts.drain(..) {
            self.take(draft, ticket, now, &mut tables, news)?;
        }
        self.retain(now, &mut tables)?;
        self.end_keys(SWEEP, &mut tables)?;
        self.write_heads(&mut tables)?;
        let sync = sync || self.state.last > self.state.ceiling || !self.reserves;
        if sync {
            self.state.ceiling = self.state.last;
            if self.reserves {
                self.state.ceiling.ms = self.state.last.ms.max(now.unix_ms).saturating_add(AHEAD);
            }
        }
        tables.meta.insert("state", &self.state.encode()[..])?;
        drop(tables);
        if !sync {
            transaction.set_durability(Durability::None);
        }
        transaction.commit()?;
        Ok(())
    }

    /// Syncs all that was kept, and gives back the ids that were reserved.
    pub(super) fn close(mut self, now: Now) -> Result<(), Fault> {
        self.reserves = false;
        self.commit(&mut Vec::new(), now, true, &mut Vec::new())
    }

    fn take(
        &mut self,
        draft: Draft,
        ticket: Ticket,
        now: Now,
        tables: &mut Tables<'_>,
        news: &mut Vec<News>,
    ) -> Result<(), Fault> {
        let digest = match &draft.key {
            None => [0; DIGEST],
            Some(_) => digest(draft.event.as_deref(), &draft.data),
        };
        let place = draft.key.as_ref().map(|key| place_of(&draft.channel, key));
        if let Some(place) = &place {
            match self.remembered(place, tables)? {
                Some(remembered) if remembered.digest == digest => {
                    let settled = Settled {
                        id: remembered.id,
                        replayed: true,
                    };
                    news.push(News::Settled(ticket, Ok(settled)));
                    return Ok(());
                }
                Some(_) => {
                    refuse(news, ticket, Refusal::KeyReused);
                    return Ok(());
                }
                None => {}
            }
            if self.state.keys >= KEPT_KEYS {
                self.end_keys(SWEEP, tables)?;
            }
            if self.state.keys >= KEPT_KEYS {
                refuse(news, ticket, Refusal::TooManyKeys);
                return Ok(());
            }
        }
        let Some(index) = self.find_or_begin(&draft.channel, now, tables)? else {
            refuse(news, ticket, Refusal::TooManyChannels);
            return Ok(());
        };
        let Some(held) = self.channels.get_mut(index) else {
            return Err(Malformed.into());
        };
        let id = self.state.last.next(now.unix_ms);
        self.state.last = id;
        let entry = Entry {
            channel: draft.channel,
            previous: held.rows.head.last,
            record: Record {
                id,
                event: draft.event,
                data: draft.data,
            },
        };
        self.bytes += MESSAGE_BYTES + entry.record.size() as u64;
        self.messages += 1;
        held.rows.push(&entry.record, &mut tables.blocks)?;
        if !held.touched {
            held.touched = true;
            self.touched.push(index);
        }
        news.push(News::Entry(Arc::new(entry)));
        if let Some(place) = place {
            let at = self.state.uptime;
            let remembered = Remembered { id, at, digest };
            tables.keys.insert(&place[..], &remembered.encode()[..])?;
            tables.expiry.insert(&ends_at(at, id), &place[..])?;
            self.state.keys += 1;
        }
        let settled = Settled {
            id,
            replayed: false,
        };
        news.push(News::Settled(ticket, Ok(settled)));
        Ok(())
    }

    /// What was published under a key, unless that has ended.
    fn remembered(
        &mut self,
        place: &[u8],
        tables: &mut Tables<'_>,
    ) -> Result<Option<Remembered>, Fault> {
        let remembered = match tables.keys.get(place)? {
            None => return Ok(None),
            Some(row) => Remembered::decode(row.value())?,
        };
        if self.state.uptime.saturating_sub(remembered.at) <= key_life() {
            return Ok(Some(remembered));
        }
        self.end_key(remembered.at, remembered.id, tables)?;
        Ok(None)
    }

    fn end_key(&mut self, at: u64, id: Id, tables: &mut Tables<'_>) -> Result<(), Fault> {
        let removed = tables.expiry.remove(&ends_at(at, id))?;
        let place = removed.map(|row| row.value().to_vec()).ok_or(Malformed)?;
        tables.keys.remove(&place[..])?;
        self.state.keys = self.state.keys.saturating_sub(1);
        Ok(())
    }

    /// Forgets keys that have ended, the oldest first.
    fn end_keys(&mut self, most: usize, tables: &mut Tables<'_>) -> Result<(), Fault> {
        for _ in 0..most {
            let oldest = match tables.expiry.first()? {
                None => return Ok(()),
                Some((key, _)) => *key.value(),
            };
            let (at, id) = split_expiry(&oldest);
            if self.state.uptime.saturating_sub(at) <= key_life() {
                return Ok(());
            }
            self.end_key(at, id, tables)?;
        }
        Ok(())
    }

    /// `None` if there are as many channels as may be.
    fn find_or_begin(
        &mut self,
        name: &Arc<str>,
        now: Now,
        tables: &mut Tables<'_>,
    ) -> Result<Option<u32>, Fault> {
        if let Some(&index) = self.names.get(name) {
            return Ok(Some(index));
        }
        if self.channels.len() as u64 >= self.retained.channels {
            self.retain(now, tables)?;
            if !self.forget_one(tables)? {
                return Ok(None);
            }
        }
        let number = self.state.next_number;
        let Some(next) = number.checked_add(1) else {
            return Ok(None);
        };
        self.state.next_number = next;
        Ok(Some(self.insert(
            Arc::clone(name),
            Head::new(number, self.state.birth),
        )))
    }

    /// Forgets the channel that has been empty the longest: its cursors are none any more.
    fn forget_one(&mut self, tables: &mut Tables<'_>) -> Result<bool, Fault> {
        let Some((last, index)) = self.empty.pop_first() else {
            return Ok(false);
        };
        if let Some(held) = self.channels.remove(index) {
            self.names.remove(&held.name);
            self.bytes = self.bytes.saturating_sub(CHANNEL_BYTES);
            self.touched.retain(|&touched| touched != index);
            // A cursor from this channel must not be taken for one of its successor's.
            self.state.birth = self.state.birth.max(last);
            tables.heads.remove(&*held.name)?;
        }
        Ok(true)
    }

    /// Writes what the commit has of each channel, and drops what goes beyond retention.
    fn retain(&mut self, now: Now, tables: &mut Tables<'_>) -> Result<(), Fault> {
        let horizon = self.horizon(now);
        for at in 0..self.touched.len() {
            let index = self.touched[at];
            if let Some(held) = self.channels.get_mut(index) {
                held.rows.flush(&mut tables.blocks)?;
            }
            loop {
                let head = self.channels.get(index).map(|held| held.rows.head);
                let is_crowded = head.is_some_and(|head| {
                    let retained = &self.retained;
                    head.messages > 1
                        && (head.messages > retained.messages || head.bytes > retained.bytes)
                });
                if !is_crowded {
                    break;
                }
                self.drop_first(index, tables)?;
            }
            self.list(index);
        }
        let mut swept = 0;
        while let Some(&(first, index)) = self.oldest.first() {
            let is_newest = first == self.state.last;
            let is_full = self.bytes > self.retained.store_bytes && !is_newest;
            let is_old = first.ms < horizon && swept < SWEEP;
            if !is_full && !is_old {
                break;
            }
            swept += 1;
            self.drop_first(index, tables)?;
            self.list(index);
        }
        // Empty channels are forgotten for room, too, where there is nothing else.
        while self.bytes > self.retained.store_bytes && self.forget_one(tables)? {}
        self.rest();
        Ok(())
    }

    fn drop_first(&mut self, index: u32, tables: &mut Tables<'_>) -> Result<(), Fault> {
        let held = self.channels.get_mut(index).ok_or(Malformed)?;
        let before = held.rows.head;
        held.rows.drop_first(&mut tables.blocks)?;
        let after = held.rows.head;
        if !held.touched {
            held.touched = true;
            self.touched.push(index);
        }
        self.bytes = self.bytes.saturating_sub(weight(&before) - weight(&after));
        self.messages = self
            .messages
            .saturating_sub(before.messages - after.messages);
        Ok(())
    }

    /// Bounds what the channels of this commit keep in memory.
    fn rest(&mut self) {
        let kept = |held: &Held| held.rows.kept_ids();
        let of_touched = self
            .touched
            .iter()
            .filter_map(|&index| self.channels.get(index));
        if of_touched.map(kept).sum::<usize>() > KEPT_IDS / 16 {
            let all: usize = self.channels.values().map(kept).sum();
            if all > KEPT_IDS {
                for index in 0..self.channels.end() {
                    if let Some(held) = self.channels.get_mut(index) {
                        held.rows.rest();
                    }
                }
            }
        }
    }

    fn write_heads(&mut self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        for index in self.touched.drain(..) {
            if let Some(held) = self.channels.get_mut(index) {
                held.touched = false;
                tables
                    .heads
                    .insert(&*held.name, &held.rows.head.encode()[..])?;
            }
        }
        Ok(())
    }
}

/// What a channel counts against the bound of the whole store.
fn weight(head: &Head) -> u64 {
    CHANNEL_BYTES + head.bytes + MESSAGE_BYTES * head.messages
}

fn refuse(news: &mut Vec<News>, ticket: Ticket, refusal: Refusal) {
    news.push(News::Settled(ticket, Err(Failure::Refused(refusal))));
}

fn key_life() -> u64 {
    u64::try_from(KEY_LIFE.as_millis()).unwrap_or(u64::MAX)
}

/// Where a key lies: the name's length first, so that no two pairs have one place.
fn place_of(channel: &str, key: &Key) -> Vec<u8> {
    let length = u16::try_from(channel.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), channel.as_bytes(), key.as_bytes()].concat()
}

fn ends_at(at: u64, id: Id) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&at.to_be_bytes());
    key[8..16].copy_from_slice(&id.ms.to_be_bytes());
    key[16..].copy_from_slice(&id.seq.to_be_bytes());
    key
}

fn split_expiry(key: &[u8; 24]) -> (u64, Id) {
    let number = |at: usize| {
        let bytes = key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        u64::from_be_bytes(bytes.unwrap_or_default())
    };
    let id = Id {
        ms: number(8),
        seq: number(16),
    };
    (number(0), id)
}

fn digest(event: Option<&str>, data: &Data) -> [u8; DIGEST] {
    let mut sha1 = Sha1::new();
    let event = event.unwrap_or_default();
    sha1.update((event.len() as u64).to_be_bytes());
    sha1.update(event.as_bytes());
    sha1.update(data.as_bytes());
    sha1.finalize().into()
}

/// What an earlier life has left; `None` in a database without a table.
pub(super) fn stored_state(database: &Database) -> Result<Option<State>, Fault> {
    let transaction = database.begin_read()?;
    if transaction.list_tables()?.next().is_none() {
        return Ok(None);
    }
    let meta = transaction.open_table(META)?;
    let row = meta.get("state")?.ok_or(Malformed)?;
    Ok(Some(State::decode(row.value())?))
}

/// The format of a database; `None` if it has none of ours.
pub(super) fn stored_format(database: &Database) -> Result<Option<u32>, Fault> {
    let transaction = database.begin_read()?;
    let Ok(meta) = transaction.open_table(META) else {
        return Ok(None);
    };
    let Some(row) = meta.get("format")? else {
        return Ok(None);
    };
    let number = row.value().try_into().map_err(|_| Malformed)?;
    Ok(Some(u32::from_le_bytes(number)))
}

/// Makes an empty database a store.
fn begin(database: &Database, unix_ms: u64) -> Result<State, Fault> {
    let birth = Id {
        ms: unix_ms,
        seq: 0,
    };
    let state = State {
        last: birth,
        ceiling: birth,
        birth,
        next_number: 0,
        uptime: 0,
        keys: 0,
    };
    let transaction = database.begin_write()?;
    {
        let mut tables = Tables::open(&transaction)?;
        tables.meta.insert("format", &FORMAT.to_le_bytes()[..])?;
        tables.meta.insert("state", &state.encode()[..])?;
    }
    transaction.commit()?;
    Ok(state)
}

/// Looks at all rows but the blocks, which are looked at when they are read.
pub(super) fn verify(database: &Database) -> Result<(), Fault> {
    let transaction = database.begin_read()?;
    let mut numbers = HashSet::new();
    for row in transaction.open_table(HEADS)?.iter()? {
        let (_, head) = row?;
        if !numbers.insert(Head::decode(head.value())?.number) {
            return Err(Malformed.into());
        }
    }
    transaction.open_table(BLOCKS)?;
    let keys = transaction.open_table(KEYS)?;
    for row in keys.iter()? {
        Remembered::decode(row?.1.value())?;
    }
    let state = stored_state(database)?.ok_or(Malformed)?;
    let expiry = transaction.open_table(EXPIRY)?;
    match expiry.len()? == state.keys && keys.len()? == state.keys {
        true => Ok(()),
        false => Err(Malformed.into()),
    }
}
