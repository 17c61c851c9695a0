//! A chunk: its size, perhaps extensions, its data; the last one has trailers (RFC 9112 7.1).

use super::head::{end, field, line};
use super::{Parts, bytes};
use crate::lens::span::Span;
use crate::lens::thing::{Chunk, Thing};

pub(super) fn chunk(thing: &Thing, seen: &Chunk) -> Span {
    let means = match seen.size {
        0 => "The last chunk: the body ends here".to_owned(),
        size => format!("A piece of the body: {}", bytes(size)),
    };
    let mut chunk = Parts::of("chunk", thing, means, "RFC 9112 7.1");
    let first = &thing.bytes[..seen.line.min(thing.bytes.len())];
    let digits = first
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let size = format!(
        "How much data follows, in hexadecimal: {}",
        bytes(seen.size)
    );
    chunk.part("size", digits as u64, size, "RFC 9112 7.1");
    let ending = end(first);
    let extension = (first.len() - ending).saturating_sub(digits) as u64;
    chunk.part(
        "extension",
        extension,
        "What nobody takes note of",
        "RFC 9112 7.1.1",
    );
    chunk.part(
        "line end",
        ending as u64,
        "The data begins behind it",
        "RFC 9112 7.1",
    );
    if seen.size > 0 {
        chunk.part("data", seen.size, "Bytes of the body", "RFC 9112 7.1");
        return chunk.done("line end", "The chunk ends here", "RFC 9112 7.1");
    }
    while !chunk.rest.is_empty() {
        let line = line(chunk.rest);
        let length = line.len() as u64;
        if end(line) == line.len() {
            chunk.part(
                "empty line",
                length,
                "The message ends here",
                "RFC 9112 7.1",
            );
        } else {
            let trailer = field(chunk.inner("trailer", length, "", "RFC 9112 7.1.2"));
            chunk.push(trailer);
        }
    }
    chunk.done("rest", "Not kept here", "RFC 9112 7.1.2")
}
