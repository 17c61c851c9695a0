//! The tables of the store, and the rows of one channel: how they are written, joined, read and dropped.
//!
//! ```text
//!   barewire   "format" → number        "state" → State
//!   channels   name → Head
//!   blocks     number of the channel (4) │ id of the first message (16) → block
//!   keys       length of the name (2) │ name │ key → Remembered
//!   expiry     uptime (8) │ id (16) → the row in `keys` that ends then
//! ```
//!
//! Numbers in keys are big-endian, so that their order is that of bytes.
//!
//! **Joining.** A commit writes one row for each channel that it touches. When a channel has [`TAIL_ROWS`] of them, or
//! [`BLOCK`] bytes, they are joined into one, or into the last block if that has room. So reading far back, and opening
//! after a crash, which looks at every page of the file, cost what the bytes cost and not what each message does.
//! A message is written twice by this, and a few more times while its block fills.

use std::collections::VecDeque;

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::codec::{BlockWriter, Head, Malformed, read_block};
use super::error::Fault;
use crate::channel::Id;

/// A row is joined with others up to this size, in bytes: with what the database adds it fills a page of 64 KiB, and one
/// byte more would take a page of twice that.
pub(super) const BLOCK: usize = 63 * 1024;
/// How many small rows a channel has at most before they are joined.
pub(super) const TAIL_ROWS: u32 = 32;

pub(super) type BlockKey = [u8; 20];

pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("barewire");
pub(super) const HEADS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("channels");
pub(super) const BLOCKS: TableDefinition<'_, &BlockKey, &[u8]> = TableDefinition::new("blocks");
pub(super) const KEYS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("keys");
pub(super) const EXPIRY: TableDefinition<'_, &[u8; 24], &[u8]> = TableDefinition::new("expiry");

/// All tables, open for one commit.
pub(super) struct Tables<'t> {
    pub(super) meta: Table<'t, &'static str, &'static [u8]>,
    pub(super) heads: Table<'t, &'static str, &'static [u8]>,
    pub(super) blocks: Table<'t, &'static BlockKey, &'static [u8]>,
    pub(super) keys: Table<'t, &'static [u8], &'static [u8]>,
    pub(super) expiry: Table<'t, &'static [u8; 24], &'static [u8]>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>, Fault> {
        Ok(Tables {
            meta: transaction.open_table(META)?,
            heads: transaction.open_table(HEADS)?,
            blocks: transaction.open_table(BLOCKS)?,
            keys: transaction.open_table(KEYS)?,
            expiry: transaction.open_table(EXPIRY)?,
        })
    }
}

/// Where a block lies that begins with `first`.
pub(super) fn block_key(channel: u32, first: Id) -> BlockKey {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&channel.to_be_bytes());
    key[4..12].copy_from_slice(&first.ms.to_be_bytes());
    key[12..].copy_from_slice(&first.seq.to_be_bytes());
    key
}

/// The id of the first message of the block at `key`.
pub(super) fn first_of(key: &BlockKey) -> Id {
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap_or_default());
    Id {
        ms: number(&key[4..12]),
        seq: number(&key[12..]),
    }
}

/// The greatest id.
pub(super) const LAST: Id = Id {
    ms: u64::MAX,
    seq: u64::MAX,
};

/// A channel's rows while they change: its head, what is to be written, and the ids of its oldest row.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) head: Head,
    /// Messages of the commit under way, and the first of them.
    group: BlockWriter,
    group_first: Id,
    /// The messages of the oldest row that are retained, with their sizes. Empty if it has not been looked at.
    front: VecDeque<(Id, u32)>,
}

impl Rows {
    pub(super) fn new(head: Head) -> Rows {
        Rows {
            head,
            group: BlockWriter::default(),
            group_first: head.last,
            front: VecDeque::new(),
        }
    }

    /// How many ids it keeps in memory.
    pub(super) fn kept_ids(&self) -> usize {
        self.front.len()
    }

    /// Gives back what can be read again.
    pub(super) fn rest(&mut self) {
        self.front = VecDeque::new();
    }

    /// Takes a message, which is written at the latest by [`Rows::flush`].
    pub(super) fn push(
        &mut self,
        record: &crate::channel::Record,
        blocks: &mut Table<'_, &BlockKey, &[u8]>,
    ) -> Result<(), Fault> {
        // A few bytes more than the longest that stand in front of a message's text.
        if self.group.len() + record.size() + 64 > BLOCK {
            self.flush(blocks)?;
        }
        let head = &mut self.head;
        if head.messages == 0 {
            // Nothing is left of what was before.
            (head.first, head.row, head.tail) = (record.id, record.id, record.id);
            (head.block, head.block_bytes) = (None, 0);
            (head.tail_rows, head.tail_bytes) = (0, 0);
        }
        self.group.push(record);
        if self.group.messages() == 1 {
            self.group_first = record.id;
        }
        head.last = record.id;
        head.messages += 1;
        head.bytes = head.bytes.saturating_add(record.size() as u64);
        Ok(())
    }

    /// Writes the messages that were taken.
    pub(super) fn flush(&mut self, blocks: &mut Table<'_, &BlockKey, &[u8]>) -> Result<(), Fault> {
        if self.group.is_empty() {
            return Ok(());
        }
        let block = std::mem::take(&mut self.group).finish(self.head.number);
        if self.head.tail_rows > 0 && self.head.tail_bytes as usize + block.len() > BLOCK {
            self.join(blocks)?;
        }
        let head = &mut self.head;
        blocks.insert(&block_key(head.number, self.group_first), &block[..])?;
        if head.tail_rows == 0 {
            head.tail = self.group_first;
        }
        head.tail_rows += 1;
        head.tail_bytes = head.tail_bytes.saturating_add(narrow(block.len()));
        if head.tail_rows >= TAIL_ROWS || head.tail_bytes as usize >= BLOCK / 4 * 3 {
            self.join(blocks)?;
        }
        Ok(())
    }

    fn join(&mut self, blocks: &mut Table<'_, &BlockKey, &[u8]>) -> Result<(), Fault> {
        let head = &mut self.head;
        let has_room = (head.block_bytes as usize + head.tail_bytes as usize) <= BLOCK;
        let earlier = head.block.filter(|_| has_room);
        let mut begin = earlier.unwrap_or(head.tail);
        if earlier.is_none() && head.tail_rows == 1 {
            head.block_bytes = head.tail_bytes;
        } else {
            let mut joined = BlockWriter::default();
            let from = block_key(head.number, begin);
            let end = block_key(head.number, LAST);
            let mut rows = Vec::new();
            for row in blocks.range::<&BlockKey>(&from..=&end)? {
                let (key, block) = row?;
                joined.join(head.number, block.value(), head.floor)?;
                rows.push(*key.value());
            }
            for key in &rows {
                blocks.remove(key)?;
            }
            if head.row == begin {
                // What was dropped of it has been left out.
                (begin, head.row) = (head.first, head.first);
                self.front = VecDeque::new();
            }
            let joined = joined.finish(head.number);
            head.block_bytes = narrow(joined.len());
            blocks.insert(&block_key(head.number, begin), &joined[..])?;
        }
        head.block = Some(begin);
        (head.tail_rows, head.tail_bytes) = (0, 0);
        Ok(())
    }

    /// Forgets the oldest message. All messages have been written.
    pub(super) fn drop_first(
        &mut self,
        blocks: &mut Table<'_, &BlockKey, &[u8]>,
    ) -> Result<(), Fault> {
        if self.front.is_empty() {
            self.load_front(blocks)?;
        }
        let (id, size) = self.front.pop_front().ok_or(Malformed)?;
        let head = &mut self.head;
        head.floor = id;
        head.messages = head.messages.checked_sub(1).ok_or(Malformed)?;
        head.bytes = head.bytes.checked_sub(u64::from(size)).ok_or(Malformed)?;
        if self.front.is_empty() {
            self.drop_row(blocks)?;
        }
        if let Some(&(first, _)) = self.front.front() {
            self.head.first = first;
        }
        Ok(())
    }

    /// Removes the oldest row, of which nothing is retained, and goes to the next.
    fn drop_row(&mut self, blocks: &mut Table<'_, &BlockKey, &[u8]>) -> Result<(), Fault> {
        let head = &mut self.head;
        let removed = blocks.remove(&block_key(head.number, head.row))?;
        let length = removed.map(|row| row.value().len()).ok_or(Malformed)?;
        if head.block == Some(head.row) {
            (head.block, head.block_bytes) = (None, 0);
        }
        let was_in_tail = head.tail_rows > 0 && head.row == head.tail;
        if head.messages == 0 {
            return Ok(());
        }
        let from = block_key(head.number, head.row);
        let end = block_key(head.number, LAST);
        let next = blocks.range::<&BlockKey>(&from..=&end)?.next();
        let (key, _) = next.ok_or(Malformed)??;
        head.row = first_of(key.value());
        drop(key);
        if was_in_tail {
            head.tail = head.row;
            head.tail_rows -= 1;
            head.tail_bytes = head.tail_bytes.saturating_sub(narrow(length));
        }
        self.load_front(blocks)
    }

    fn load_front(&mut self, blocks: &Table<'_, &BlockKey, &[u8]>) -> Result<(), Fault> {
        let head = &self.head;
        let row = blocks.get(&block_key(head.number, head.row))?;
        let row = row.ok_or(Malformed)?;
        self.front.clear();
        read_block(head.number, row.value(), |stored| {
            if stored.id > head.floor {
                self.front.push_back((stored.id, narrow(stored.size())));
            }
            Ok(true)
        })?;
        match self.front.is_empty() {
            true => Err(Malformed.into()),
            false => Ok(()),
        }
    }
}

/// A row is smaller than what 32 bits count; one that is not is large enough by any measure.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
