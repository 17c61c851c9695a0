//! Reading: one page of a channel's history, from a snapshot that is held only meanwhile.

use redb::{Database, ReadableTable};

use super::codec::{Head, Malformed, read_block};
use super::core::stored_state;
use super::error::Fault;
use super::rows::{BLOCKS, BlockKey, HEADS, LAST, block_key};
use crate::backend::{Page, Query};
use crate::channel::{Id, Start};

/// Reads a page. Nothing beyond `complete` is shown: after a commit that failed, the medium may hold more than was
/// acknowledged.
pub(super) fn read_page(database: &Database, query: &Query, complete: Id) -> Result<Page, Fault> {
    let transaction = database.begin_read()?;
    let head = match transaction.open_table(HEADS)?.get(&*query.channel)? {
        Some(row) => Head::decode(row.value())?,
        None => {
            let birth = stored_state(database)?.ok_or(Malformed)?.birth;
            return Ok(nothing(query, birth));
        }
    };
    let blocks = transaction.open_table(BLOCKS)?;
    let last = head.last.min(complete).max(head.floor);
    let mut page = Page {
        gap: false,
        floor: head.floor,
        after: head.floor,
        records: Vec::new(),
        through: head.floor,
        more: false,
    };
    match query.start {
        Start::Oldest => {}
        Start::Now => page.after = last,
        Start::After(id) if id == head.floor => {}
        Start::After(id) if id == last || holds(&blocks, &head, id, last)? => page.after = id,
        Start::After(_) => page.gap = true,
    }
    page.through = page.after;
    if page.after >= last || head.messages == 0 {
        return Ok(page);
    }
    let begin = row_of(&blocks, &head, page.after)?.unwrap_or(block_key(head.number, head.row));
    let end = block_key(head.number, last);
    let mut bytes = 0;
    'rows: for row in blocks.range::<&BlockKey>(&begin..=&end)? {
        let (_, block) = row?;
        let mut is_full = false;
        read_block(head.number, block.value(), |stored| {
            if stored.id <= page.after {
                return Ok(true);
            }
            if stored.id > last {
                is_full = true;
                return Ok(false);
            }
            bytes += stored.size();
            let count = page.records.len();
            if count > 0 && (count >= query.messages || bytes > query.bytes) {
                (page.more, is_full) = (true, true);
                return Ok(false);
            }
            page.through = stored.id;
            page.records.push(stored.to_record()?);
            Ok(true)
        })?;
        if is_full {
            break 'rows;
        }
    }
    Ok(page)
}

/// What there is of a channel that there is not.
fn nothing(query: &Query, birth: Id) -> Page {
    Page {
        gap: matches!(query.start, Start::After(id) if id != birth),
        floor: birth,
        after: birth,
        records: Vec::new(),
        through: birth,
        more: false,
    }
}

/// The key of the row that would hold `id`: the last that begins at or in front of it.
fn row_of(
    blocks: &impl ReadableTable<&'static BlockKey, &'static [u8]>,
    head: &Head,
    id: Id,
) -> Result<Option<BlockKey>, Fault> {
    let begin = block_key(head.number, head.row);
    let end = block_key(head.number, id);
    if end < begin {
        return Ok(None);
    }
    match blocks.range::<&BlockKey>(&begin..=&end)?.next_back() {
        None => Ok(None),
        Some(row) => Ok(Some(*row?.0.value())),
    }
}

/// Whether `id` is the id of a message that is retained, up to `last`.
fn holds(
    blocks: &impl ReadableTable<&'static BlockKey, &'static [u8]>,
    head: &Head,
    id: Id,
    last: Id,
) -> Result<bool, Fault> {
    if id <= head.floor || id > last || id == LAST {
        return Ok(false);
    }
    let Some(key) = row_of(blocks, head, id)? else {
        return Ok(false);
    };
    let row = blocks.get(&key)?.ok_or(Malformed)?;
    let mut found = false;
    read_block(head.number, row.value(), |stored| {
        found = stored.id == id;
        Ok(stored.id < id)
    })?;
    Ok(found)
}
