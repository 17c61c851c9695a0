//! An event stream read over the body that carries it: WHATWG HTML 9.2.6.
//!
//! ```text
//!   chunk  │ data: a\n │  chunk │ data: b\n\n │       one event, in two pieces
//! ```
//!
//! Lines are cut here, where events begin and end has to be known to the byte; what they dispatch is what
//! [`sse::Decoder`] says, which is given the same lines. A line's end waits for one byte behind a CR, because an LF
//! there belongs to it. A comment is given as soon as its line is complete: it may be all that comes for hours.

use super::thing::{Event, Kind, MAX_PARTS, Side, Thing};
use super::{Options, Sink};
use crate::scan::saturating_decimal;
use crate::sse::{self, find_line_end};

/// How much larger text may be than the bytes it was read from: each that is no UTF-8 becomes U+FFFD, which has three.
const GROWTH: usize = 4;

/// An event stream that is being read.
#[derive(Debug, Default)]
pub(super) struct Events {
    decoder: Option<sse::Decoder>,
    /// What is kept of the block that is arriving, and where its last line begins in that.
    block: Vec<u8>,
    line: usize,
    /// The block is larger than what is kept.
    is_too_large: bool,
    pieces: Pieces,
    line_pieces: Pieces,
    /// The first byte of the line that is arriving.
    first: Option<u8>,
    /// The last byte was a CR.
    after_cr: bool,
    /// The block has lines that are no comments.
    has_fields: bool,
    retry: Option<u64>,
}

/// Where bytes lie in the stream.
#[derive(Clone, Debug, Default)]
struct Pieces {
    first: Option<u64>,
    end: u64,
    list: Vec<(u64, u64)>,
}

impl Pieces {
    fn add(&mut self, at: u64, length: u64) {
        self.first.get_or_insert(at);
        self.end = at + length;
        let room = self.list.len() < MAX_PARTS;
        match self.list.last_mut() {
            Some((start, taken)) if *start + *taken == at => *taken += length,
            _ if room => self.list.push((at, length)),
            _ => {}
        }
    }
}

impl Events {
    /// Takes the next bytes of the body, which lie at `at`.
    pub(super) fn feed(
        &mut self,
        from: Side,
        options: &Options,
        mut at: u64,
        mut data: &[u8],
        sink: Sink<'_>,
    ) {
        while let Some(&next) = data.first() {
            if self.after_cr {
                if next == b'\n' {
                    self.keep(options, at, &data[..1]);
                    (at, data) = (at + 1, &data[1..]);
                }
                self.end_line(from, options, sink);
                continue;
            }
            let end = find_line_end(data);
            let taken = end.map_or(data.len(), |end| end + 1);
            self.keep(options, at, &data[..taken]);
            self.after_cr = end.is_some_and(|end| data[end] == b'\r');
            (at, data) = (at + taken as u64, &data[taken..]);
            if end.is_some() && !self.after_cr {
                self.end_line(from, options, sink);
            }
        }
    }

    /// The body ends. An unfinished block is dropped, as an `EventSource` does.
    pub(super) fn end(&mut self, from: Side, options: &Options, sink: Sink<'_>) {
        if self.after_cr {
            self.end_line(from, options, sink);
        }
    }

    fn keep(&mut self, options: &Options, at: u64, bytes: &[u8]) {
        self.line_pieces.add(at, bytes.len() as u64);
        self.first = self.first.or(bytes.first().copied());
        let room = options.event.saturating_sub(self.block.len());
        self.is_too_large |= bytes.len() > room;
        self.block
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What is complete: a line.
    fn end_line(&mut self, from: Side, options: &Options, sink: Sink<'_>) {
        self.after_cr = false;
        let line_pieces = std::mem::take(&mut self.line_pieces);
        let first = self.first.take();
        // Behind a byte order mark, which only the first line may have, a line is what it is without.
        let line = &self.block[self.line..];
        let line = match self.decoder {
            None => line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line),
            Some(_) => line,
        };
        // Not all of a line that is too large was kept.
        let first = line.first().copied().or(first);
        let is_blank = matches!(first, None | Some(b'\n' | b'\r'));
        let is_comment = first == Some(b':');
        if let Some(value) = line.strip_prefix(b"retry:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            let end = find_line_end(value).unwrap_or(value.len());
            self.retry = saturating_decimal(&value[..end]).or(self.retry);
        }
        let bytes = line[..line.len().min(options.shown)].to_vec();
        for &(at, length) in &line_pieces.list {
            self.pieces.add(at, length);
        }
        self.pieces.end = line_pieces.end;
        if is_comment {
            let first = line_pieces.first.unwrap_or_default();
            let length = line_pieces.end - first;
            sink(thing(from, first, length, Kind::Comment, bytes));
        }
        self.has_fields |= !is_blank && !is_comment;
        let event = self.decode(options, is_blank);
        self.line = self.block.len();
        if !is_blank {
            return;
        }
        let first = self.pieces.first.unwrap_or_default();
        let (mut event, is_event) = event.map_or((Event::default(), false), |event| (event, true));
        event.retry = self.retry.take();
        event.pieces = std::mem::take(&mut self.pieces.list);
        let length = self.pieces.end - first;
        let mut bytes = std::mem::take(&mut self.block);
        bytes.truncate(options.shown);
        let has_fields = std::mem::take(&mut self.has_fields);
        let is_too_large = std::mem::take(&mut self.is_too_large);
        self.pieces = Pieces::default();
        self.line = 0;
        if is_event || is_too_large {
            sink(thing(from, first, length, Kind::Event(event), bytes));
        } else if has_fields {
            if let Some(decoder) = &self.decoder {
                decoder.last_event_id().clone_into(&mut event.id);
            }
            sink(thing(from, first, length, Kind::Fields(event), bytes));
        }
    }

    /// Gives the last line to the decoder, and takes the event that it dispatches.
    fn decode(&mut self, options: &Options, is_blank: bool) -> Option<Event> {
        let limit = options.event.saturating_mul(GROWTH);
        let decoder = self.decoder.get_or_insert_with(|| sse::Decoder::new(limit));
        if self.is_too_large {
            if is_blank {
                decoder.restart();
            }
            return None;
        }
        let mut line = &self.block[self.line..];
        let mut dispatched = None;
        while !line.is_empty() {
            let Ok((used, event)) = decoder.decode(line) else {
                decoder.restart();
                return dispatched;
            };
            if let Some(event) = event {
                dispatched = Some(Event {
                    id: event.last_event_id.to_owned(),
                    name: event.name.to_owned(),
                    data: cut(event.data, options.shown).to_owned(),
                    data_length: event.data.len(),
                    ..Event::default()
                });
            }
            line = &line[used..];
        }
        dispatched
    }
}

/// The first `most` bytes of a text, or a few less.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn thing(from: Side, offset: u64, length: u64, kind: Kind, bytes: Vec<u8>) -> Thing {
    Thing {
        from,
        offset,
        length,
        kind,
        problem: None,
        is_cut: false,
        bytes,
    }
}
