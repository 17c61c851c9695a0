//! The store on a simulated disk, on files, and behind its threads.

mod disk;
mod files;
mod promises;
mod simulation;

use std::sync::Arc;

use super::core::{Core, Now};
use redb::Database;

use super::file::open_on;
use super::shut::Shut;
use super::*;
use crate::backend::{Key, Settled};
use crate::channel::{Data, Start};

pub(super) const TICKET: Ticket = Ticket {
    place: 0,
    from: 0,
    serial: 0,
};

/// A draft of a channel, with its data.
pub(super) fn draft(channel: &str, data: &str) -> Draft {
    Draft {
        channel: channel.into(),
        event: None,
        data: Data::new(data.as_bytes()),
        key: None,
    }
}

/// The same under a key.
pub(super) fn keyed(channel: &str, data: &str, key: &str) -> Draft {
    Draft {
        key: Key::new(key.as_bytes()),
        ..draft(channel, data)
    }
}

pub(super) fn at(ms: u64) -> Now {
    Now {
        unix_ms: ms,
        open_ms: ms,
    }
}

/// Everything behind a cursor, page by page; each page has at most so many messages.
pub(super) fn read_all(
    database: &Database,
    complete: Id,
    channel: &str,
    start: Start,
    messages: usize,
) -> (bool, Vec<(Id, String)>) {
    let mut query = Query {
        channel: channel.into(),
        start,
        messages,
        bytes: 100,
    };
    let (mut all, mut gap) = (Vec::new(), None);
    loop {
        let page = page::read_page(database, &query, complete).unwrap();
        let first_gap = *gap.get_or_insert(page.gap);
        assert!(all.is_empty() || !page.gap);
        assert!(page.records.len() <= messages);
        let texts = page.records.iter().map(|record| {
            let text = record.data.as_text().unwrap_or_default();
            (record.id, text.to_owned())
        });
        all.extend(texts);
        assert_eq!(page.through, all.last().map_or(page.after, |&(id, _)| id));
        if !page.more {
            return (first_gap, all);
        }
        query.start = Start::After(page.through);
    }
}
