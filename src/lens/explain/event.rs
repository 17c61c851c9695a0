//! An event: its lines, in name and value (WHATWG HTML 9.2.6).
//!
//! Where chunks cut it, its bytes lie in several pieces, and where a line lies is known of its first byte: what is
//! between the pieces belongs to the chunks.

use super::{leaf, span};
use crate::lens::span::Span;
use crate::lens::thing::{Event, Thing};
use crate::sse::find_line_end;

const RULE: &str = "WHATWG HTML 9.2.6";

pub(super) fn comment(thing: &Thing) -> Span {
    let means = "A comment: it says no more than that the server is there";
    leaf("comment", thing, means, RULE)
}

pub(super) fn event(name: &'static str, thing: &Thing, seen: &Event) -> Span {
    let means = match name {
        "event" => format!("An event of the type {:?}", seen.name),
        _ => "Lines without data: nothing is dispatched".to_owned(),
    };
    let mut whole = leaf(name, thing, means, RULE);
    let (mut rest, mut at) = (&*thing.bytes, 0);
    while !rest.is_empty() {
        let end = find_line_end(rest).unwrap_or(rest.len());
        let ending = match &rest[end..] {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        let line = &rest[..end];
        let (name, means) = line_meaning(line);
        let (offset, length) = extent(seen, at, (end + ending) as u64);
        whole.parts.push(span(name, offset, length, means, RULE));
        at += (end + ending) as u64;
        rest = &rest[end + ending..];
    }
    whole
}

/// Where bytes lie in the stream that lie `at` in the event, and how much they take there.
fn extent(seen: &Event, at: u64, length: u64) -> (u64, u64) {
    let place = |mut at: u64| {
        for &(start, taken) in &seen.pieces {
            if at < taken {
                return start + at;
            }
            at -= taken;
        }
        // Behind the pieces that are remembered.
        seen.pieces.last().map_or(0, |(start, taken)| start + taken)
    };
    let (first, last) = (place(at), place(at + length.saturating_sub(1)));
    (first, last.saturating_sub(first) + 1)
}

fn line_meaning(line: &[u8]) -> (&'static str, String) {
    let colon = line.iter().position(|&byte| byte == b':');
    let (field, value) = line.split_at(colon.unwrap_or(line.len()));
    let value = value.strip_prefix(b":").unwrap_or(value);
    let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
    match field {
        [] if line.is_empty() => ("blank line", "The block ends here".to_owned()),
        [] => ("comment", "Nothing: a comment".to_owned()),
        b"data" => ("data", "A line of the data".to_owned()),
        b"event" => ("event", format!("The type: {value:?}")),
        b"id" => ("id", format!("What to go on behind: {value:?}")),
        b"retry" => (
            "retry",
            format!("How long to wait before connecting again: {value} ms"),
        ),
        _ => (
            "unknown field",
            "A field that nobody knows: it is passed over".to_owned(),
        ),
    }
}
