//! Bodies as they arrive: RFC 9112 6 and 7, cut where the decoder says.
//!
//! The decoder of the codec takes every byte, those of framing one by one, and says what the next one is; so a chunk
//! ends here where it ends there. What is kept of a body or chunk is its framing and the first
//! [`Options::shown`](super::Options::shown) bytes of data.

use super::events::Events;
use super::thing::{Chunk, Kind, Side, Thing};
use super::{Options, Problem, Sink, secrets};
use crate::http::{self, BodyDecoder, BodyLength, Piece, Place};

/// A body that is arriving.
#[derive(Debug)]
pub(super) struct BodyReader {
    decoder: BodyDecoder,
    is_chunked: bool,
    /// Where the body, or the chunk, begins.
    start: u64,
    /// How many bytes it has so far.
    length: u64,
    /// What is kept of it, and how many of that are data.
    bytes: Vec<u8>,
    data: usize,
    /// The length of the chunk's first line, once it is complete.
    line: Option<usize>,
    /// The body is read as an event stream, too.
    pub(super) events: Option<Events>,
}

/// Whether a body goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    More,
    Complete,
    Failed,
}

impl BodyReader {
    /// A body that begins at `start`; `None` if it has no bytes.
    pub(super) fn new(length: BodyLength, start: u64, events: bool) -> Option<BodyReader> {
        // Only a limit is refused, and there is none.
        let decoder = BodyDecoder::new(length, u64::MAX).ok()?;
        if decoder.is_complete() {
            return None;
        }
        Some(BodyReader {
            decoder,
            is_chunked: length == BodyLength::Chunked,
            start,
            length: 0,
            bytes: Vec::new(),
            data: 0,
            line: None,
            events: events.then(Events::default),
        })
    }

    /// Reads on, and says how many bytes it took.
    pub(super) fn feed(
        &mut self,
        from: Side,
        options: &Options,
        input: &[u8],
        sink: Sink<'_>,
    ) -> (usize, Outcome) {
        let mut used = 0;
        while used < input.len() {
            let place = self.decoder.place();
            let rest = match place {
                Place::End => break,
                Place::Data => &input[used..],
                Place::Chunk | Place::Framing => &input[used..=used],
            };
            let taken = match self.decoder.decode(rest) {
                Ok((taken, Piece::Data(data))) => {
                    let at = self.start + self.length;
                    let room = options.shown.saturating_sub(self.data).min(data.len());
                    self.bytes.extend_from_slice(&data[..room]);
                    self.data += room;
                    if let Some(events) = &mut self.events {
                        events.feed(from, options, at, data, sink);
                    }
                    taken
                }
                Ok((taken, _)) => {
                    self.frame_byte(rest[0]);
                    taken
                }
                Err(error) => {
                    self.frame_byte(rest[0]);
                    self.length += 1;
                    let problem = Some(Problem::http(error));
                    self.give(from, options, problem, false, sink);
                    return (used + 1, Outcome::Failed);
                }
            };
            used += taken;
            self.length += taken as u64;
            if self.is_chunked && self.decoder.place() == Place::Chunk {
                self.give(from, options, None, false, sink);
            }
        }
        match self.decoder.is_complete() {
            true => {
                self.finish_events(from, options, sink);
                self.give(from, options, None, false, sink);
                (used, Outcome::Complete)
            }
            false => (used, Outcome::More),
        }
    }

    /// Keeps a byte of a chunk's framing, unless it comes behind data of which not all was kept.
    fn frame_byte(&mut self, byte: u8) {
        if self.bytes.len() as u64 == self.length {
            self.bytes.push(byte);
        }
        if byte == b'\n' && self.line.is_none() {
            self.line = Some(self.bytes.len());
        }
    }

    /// The connection ends, or what is known of it.
    pub(super) fn end(&mut self, from: Side, options: &Options, closed: bool, sink: Sink<'_>) {
        self.finish_events(from, options, sink);
        let cut: Option<http::Error> = self.decoder.eof().err();
        let problem = cut.filter(|_| closed).map(Problem::http);
        self.give(from, options, problem, cut.is_some(), sink);
    }

    fn finish_events(&mut self, from: Side, options: &Options, sink: Sink<'_>) {
        if let Some(events) = &mut self.events {
            events.end(from, options, sink);
        }
    }

    /// Gives the body, or the chunk, and begins the next.
    fn give(
        &mut self,
        from: Side,
        options: &Options,
        problem: Option<Problem>,
        is_cut: bool,
        sink: Sink<'_>,
    ) {
        if self.length == 0 && problem.is_none() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        let line = self.line.take().unwrap_or(bytes.len());
        let kind = match self.is_chunked {
            true => {
                let size = size(&bytes[..line]);
                if size == 0 && !options.secrets {
                    secrets::mask_head(&mut bytes[line..]);
                }
                Kind::Chunk(Chunk { size, line })
            }
            false => Kind::Body,
        };
        sink(Thing {
            from,
            offset: self.start,
            length: self.length,
            kind,
            problem,
            is_cut,
            bytes,
        });
        self.start += self.length;
        self.length = 0;
        self.data = 0;
    }
}

/// The number that a chunk's line begins with. One that does not fit is refused by the decoder.
fn size(line: &[u8]) -> u64 {
    let digits = line.iter().map_while(|&byte| char::from(byte).to_digit(16));
    digits.fold(0, |size: u64, digit| {
        size.wrapping_shl(4) | u64::from(digit)
    })
}
