//! Reading a channel's stream: pages for readers of history, and what is missing behind the last entry that was told.
//!
//! A page says where its channel ends. If that is behind what the hubs have been told, they are told first: so a reader that
//! has read a page to its end finds its place in the hub, also while pub/sub is late or cut off.

use std::sync::Arc;

use ::redis::Value;

use super::entry::{self, Kept, Raw};
use super::error::Trouble;
use super::keys::shard_of;
use super::link::{Link, Place, Script, bytes_of, id_of, number_of, parts_of};
use super::shared::Shared;
use crate::backend::{Page, Query, Sink};
use crate::channel::{Id, Start};

/// Messages and bytes of one reading of what is missing.
const MISSING_MESSAGES: usize = 1_000;
const MISSING_BYTES: usize = 1 << 20;

/// Asks for part of a stream.
pub(super) fn question(place: &Place, query: &Query) -> Vec<u8> {
    let shard = shard_of(&query.channel, place.options.shards);
    let keys = [
        place.keys.state(shard),
        place.keys.heads(shard),
        place.keys.stream(shard, &query.channel),
    ];
    let (kind, cursor) = match query.start {
        Start::Oldest => ("oldest", String::new()),
        Start::Now => ("now", String::new()),
        Start::After(id) => ("after", entry::text_of(id)),
    };
    let arguments = [
        query.channel.to_string(),
        kind.to_owned(),
        match cursor.as_str() {
            "" => "0-0".to_owned(),
            _ => cursor,
        },
        query.messages.max(1).to_string(),
        query.bytes.to_string(),
        age_ms(place).to_string(),
    ];
    let keys = keys.iter().map(|key| key.as_bytes());
    place.call(
        Script::Page,
        keys,
        arguments.iter().map(|argument| argument.as_bytes()),
    )
}

/// The age that is retained, in milliseconds; 0 for any.
pub(super) fn age_ms(place: &Place) -> u64 {
    let ms = place.options.retained.age.as_millis();
    // Redis counts in 63 bits, and nothing is older than its clock.
    u64::try_from(ms)
        .ok()
        .filter(|&ms| ms < 1 << 52)
        .map_or(0, |ms| ms.max(1))
}

/// Reads the answer to [`question`].
pub(super) fn answer(value: &Value) -> Result<Raw, Trouble> {
    read_answer(value).ok_or_else(|| Trouble::new("an answer of Redis is none of ours"))
}

fn read_answer(value: &Value) -> Option<Raw> {
    let [gap, floor, last, more, entries] = parts_of(value) else {
        return None;
    };
    let last = id_of(last)?;
    let entries = parts_of(entries).iter().map(|entry| {
        let [id, fields] = parts_of(entry) else {
            return None;
        };
        let mut pairs = Vec::new();
        for pair in parts_of(fields).chunks_exact(2) {
            pairs.push((bytes_of(&pair[0])?, bytes_of(&pair[1])?));
        }
        Some(entry::read_fields(id_of(id)?, pairs.into_iter()))
    });
    Some(Raw {
        gap: number_of(gap)? != 0,
        // Of an entry that is not ours.
        floor: id_of(floor).unwrap_or(Id { ms: 0, seq: 0 }),
        last,
        more: number_of(more)? != 0,
        entries: entries.collect::<Option<Vec<Kept>>>()?,
    })
}

/// Reads one page.
pub(super) fn read(link: &mut Link, place: &Place, query: &Query) -> Result<Raw, Trouble> {
    answer(&link.ask_one(question(place, query))?)
}

/// What a reader is given of it, and the last entry that it covers.
pub(super) fn page(query: &Query, raw: &Raw) -> (Page, Id) {
    let first = raw.entries.first();
    let after = match query.start {
        Start::After(id) if !raw.gap => id,
        Start::Oldest => raw.floor,
        Start::After(_) => first.map_or(raw.last, |first| first.previous.unwrap_or(raw.floor)),
        Start::Now => raw.last,
    };
    let (mut records, mut through, mut covered) = (Vec::new(), after, after);
    let (mut more, mut passed) = (raw.more, after);
    for (at, kept) in raw.entries.iter().enumerate() {
        // What nobody of ours wrote has no place in the chain: the next of ours names the one of ours before it.
        let Some(previous) = kept.previous else {
            passed = kept.id;
            continue;
        };
        if at > 0 && previous != covered {
            // Something was taken out of the middle: the next page begins with that gap.
            more = true;
            break;
        }
        (covered, passed) = (kept.id, kept.id);
        if let Some(record) = &kept.record {
            records.push(record.clone());
            through = kept.id;
        }
    }
    // One that holds nothing that can be read is gone through to its end, or it would be asked for again and again.
    if records.is_empty() && more {
        through = passed;
    }
    let page = Page {
        gap: raw.gap,
        floor: raw.floor,
        after,
        records,
        through,
        more,
    };
    (page, covered)
}

/// Tells the hubs what a channel's stream has behind the last entry that they were told, if they were told of the channel.
pub(super) fn catch_up(
    link: &mut Link,
    shared: &Shared,
    sink: &dyn Sink,
    channel: &Arc<str>,
) -> Result<(), Trouble> {
    loop {
        let Some(from) = shared.applied().last(channel) else {
            return Ok(());
        };
        let query = Query {
            channel: Arc::clone(channel),
            start: Start::After(from),
            messages: MISSING_MESSAGES,
            bytes: MISSING_BYTES,
        };
        let raw = read(link, &shared.place, &query)?;
        let mut news = Vec::new();
        let mut applied = shared.applied();
        let was_of_use = applied.take_read(channel, from, &raw, &mut news);
        let goes_on = applied.last(channel) != Some(from);
        // Under the lock: others tell theirs behind it.
        sink.take(&mut news);
        drop(applied);
        if !(goes_on && (raw.more || !was_of_use || raw.gap)) {
            return Ok(());
        }
    }
}
