//! What an entry is made of, in a stream and on its way through pub/sub.
//!
//! ```text
//!   a stream's entry:   ID  FORMAT → content   p → previous id   b → bytes published before it
//!   news:               FORMAT \n  ( ID PREVIOUS LENGTH LENGTH \n NAME CONTENT )*
//!   content, format 1:  't' or 'b' (text, bytes) │ event name, or nothing │ \n │ data
//! ```
//!
//! The rule for every decoder here: whatever the bytes, they are decoded or refused. What another version or another program
//! wrote is refused as a whole, entry by entry, and what is known of its place in the channel is kept, so that nobody takes
//! it for a gap.

use std::sync::Arc;

use crate::channel::{Data, Id, Record, check_event};

/// The format of entries that this version writes, and the one that it reads.
pub(super) const FORMAT: &str = "1";

/// The content of a message.
pub(super) fn encode(event: Option<&str>, data: &Data) -> Vec<u8> {
    let event = event.unwrap_or_default();
    let bytes = data.as_bytes();
    let mut content = Vec::with_capacity(2 + event.len() + bytes.len());
    content.push(match data {
        Data::Text(_) => b't',
        Data::Binary(_) => b'b',
    });
    content.extend_from_slice(event.as_bytes());
    content.push(b'\n');
    content.extend_from_slice(bytes);
    content
}

/// The message that has this content.
pub(super) fn decode(id: Id, content: &[u8]) -> Option<Record> {
    let (kind, rest) = content.split_first()?;
    let line = rest.iter().position(|&byte| byte == b'\n')?;
    let (event, data) = (&rest[..line], &rest[line + 1..]);
    let event = std::str::from_utf8(event).ok()?;
    let event = check_event(Some(event)).ok()?;
    let data = match kind {
        b't' => Data::Text(std::str::from_utf8(data).ok()?.into()),
        b'b' => Data::Binary(data.into()),
        _ => return None,
    };
    Some(Record::new(id, event, data))
}

/// An entry as it lies in its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: Id,
    /// The id before it; `None` if that can't be told.
    pub(super) previous: Option<Id>,
    /// The message; `None` if it is not ours, or damaged.
    pub(super) record: Option<Record>,
}

/// Part of a stream, as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Raw {
    /// Something is missing in front of it.
    pub(super) gap: bool,
    /// The id before the oldest entry.
    pub(super) floor: Id,
    /// The last id of the channel.
    pub(super) last: Id,
    /// There is more behind it.
    pub(super) more: bool,
    pub(super) entries: Vec<Kept>,
}

/// Calls `visit` with each entry that was published. Returns whether all of it was understood.
pub(super) fn read_news(news: &[u8], mut visit: impl FnMut(&str, Kept)) -> bool {
    let Some(mut rest) = news.strip_prefix(b"1\n") else {
        return false;
    };
    while !rest.is_empty() {
        let Some(behind) = read_one(rest, &mut visit) else {
            return false;
        };
        rest = behind;
    }
    true
}

fn read_one<'a>(news: &'a [u8], visit: &mut impl FnMut(&str, Kept)) -> Option<&'a [u8]> {
    let line = news.iter().take(128).position(|&byte| byte == b'\n')?;
    let mut words = std::str::from_utf8(&news[..line]).ok()?.split(' ');
    let id = words.next()?.parse().ok()?;
    let previous = words.next()?.parse().ok()?;
    let name: usize = words.next()?.parse().ok()?;
    let content: usize = words.next()?.parse().ok()?;
    let (name, rest) = news[line + 1..].split_at_checked(name)?;
    let (content, rest) = rest.split_at_checked(content)?;
    let kept = Kept {
        id,
        previous: Some(previous),
        record: decode(id, content),
    };
    visit(std::str::from_utf8(name).ok()?, kept);
    Some(rest)
}

/// An entry of a stream, from its id and fields.
pub(super) fn read_fields<'a>(id: Id, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Kept {
    let (mut previous, mut record) = (None, None);
    for (name, value) in fields {
        match name {
            b"p" => previous = id_of(value),
            name if name == FORMAT.as_bytes() => record = decode(id, value),
            _ => {}
        }
    }
    Kept {
        id,
        previous,
        // Without it this is nothing that we wrote.
        record: record.filter(|_| previous.is_some()),
    }
}

/// An id in text.
pub(super) fn id_of(text: &[u8]) -> Option<Id> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Words of an id for Redis.
pub(super) fn text_of(id: Id) -> String {
    id.to_string()
}

/// The digest of a message, by which a retry is told from another message under the same key.
pub(super) fn digest(content: &[u8]) -> String {
    use sha1::{Digest, Sha1};
    let digest = Sha1::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name that many entries share.
pub(super) fn shared(name: &str) -> Arc<str> {
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> Id {
        Id { ms, seq: 1 }
    }

    #[test]
    fn content_is_read_as_it_was_written() {
        for (event, data) in [
            (None, Data::new(b"")),
            (Some("tick"), Data::new("ü\nx".as_bytes())),
            (None, Data::Binary(b"text"[..].into())),
            (Some("a"), Data::new(b"\xff\0\n")),
        ] {
            let content = encode(event, &data);
            let expected = Record::new(id(5), event, data);
            assert_eq!(decode(id(5), &content), Some(expected));
        }
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        for content in [
            &b""[..],
            b"t",
            b"tx",
            b"x\n",
            b"t\n\xff",
            b"tgap\nx",
            b"ta\rb\nx",
        ] {
            assert_eq!(decode(id(5), content), None, "{content:?}");
        }
    }

    #[test]
    fn news_is_read_entry_by_entry_up_to_what_is_damaged() {
        let mut heard = Vec::new();
        let mut hear = |news: &[u8]| {
            heard.clear();
            let whole = read_news(news, |name, kept| heard.push((name.to_owned(), kept)));
            (whole, heard.clone())
        };
        let (whole, all) = hear(b"1\n5-1 4-1 1 3\nat\nx6-1 5-1 2 2\nbbq?");
        assert!(whole);
        assert_eq!(all[0].0, "a");
        assert_eq!(all[0].1.record, decode(id(5), b"t\nx"));
        assert_eq!((all[1].1.previous, &all[1].1.record), (Some(id(5)), &None));
        for news in [
            &b"2\n"[..],
            b"1\n5-1 4-1 1 9\nat\nx",
            b"1\n5 4-1 1 3\nat\nx",
            b"1\n\n",
            b"",
        ] {
            assert_eq!(hear(news), (false, Vec::new()), "{news:?}");
        }
    }
}
