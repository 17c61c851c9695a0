//! A channel in the encodings of its readers: each message is encoded once per encoding, not once per reader.
//!
//! A [`Run`] holds the encoded messages one behind the other in a few contiguous segments:
//!
//! ```text
//!   segment            segment                    segment (the newest grows at its end)
//!   ┌────┬────┬────┐   ┌─────────────────────┐    ┌────┬────┬──┬ ─ ─ ─ ─
//!   │ 17 │ 18 │ 19 │   │         20          │    │ 21 │ 22 │23│
//!   └────┴────┴────┘   └─────────────────────┘    └────┴────┴──┴ ─ ─ ─ ─
//!             ▲                                             ▲
//!          a reader that is behind                       a reader
//! ```
//!
//! A reader is an index into it. What a reader has not had yet, up to the end of its segment, is one slice: one
//! write carries any number of messages, straight from here. A write that ends inside a message leaves a cut
//! message; its rest is taken out of the run with [`Run::advance`], so that a reader always stands between two
//! messages and the run may forget what it likes.
//!
//! The channel calls it: one [`Encoder`] for all channels of a hub, and a run for each channel and encoding that is in
//! use. A run begins when somebody asks for its encoding, and is given back when nobody has for a while.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::log::{Data, Record};
#[cfg(feature = "deflate")]
use crate::ws::deflate::{Deflater, Settings};
use crate::{http, json, sse, ws};

/// A way to write a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// A JSON object and a comma, as a poll's batch lists them.
    Json,
    /// An unmasked text frame with the same JSON object.
    SocketJson,
    /// An unmasked frame with the bare data, text or binary as it was published.
    SocketRaw,
    /// A text/event-stream block.
    EventStream,
    /// A text/event-stream block as one chunk of a chunked body (RFC 9112 7.1), so that a stream over HTTP/1.1 can
    /// end without the connection, and a client can tell an end from a break.
    EventChunks,
    /// As [`Encoding::SocketJson`], compressed (RFC 7692) where that pays, without reference to other messages, so
    /// that it is the same for all who have agreed on permessage-deflate and on a window of the hub's size.
    #[cfg(feature = "deflate")]
    SocketJsonDeflated,
    /// As [`Encoding::SocketRaw`], compressed in the same way.
    #[cfg(feature = "deflate")]
    SocketRawDeflated,
}

impl Encoding {
    pub(super) const COUNT: usize = if cfg!(feature = "deflate") { 7 } else { 5 };

    /// All of them, each at its index.
    pub(super) const ALL: [Encoding; Encoding::COUNT] = [
        Encoding::Json,
        Encoding::SocketJson,
        Encoding::SocketRaw,
        Encoding::EventStream,
        Encoding::EventChunks,
        #[cfg(feature = "deflate")]
        Encoding::SocketJsonDeflated,
        #[cfg(feature = "deflate")]
        Encoding::SocketRawDeflated,
    ];

    /// Those that are compressed.
    #[cfg(feature = "deflate")]
    pub(super) const DEFLATED: [Encoding; 2] =
        [Encoding::SocketJsonDeflated, Encoding::SocketRawDeflated];

    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// Appends `record` in this encoding.
    ///
    /// ```
    /// use barewire::channel::{Data, Encoding, Id, Record};
    /// let record = Record::new(Id { ms: 7, seq: 0 }, None, Data::new(b"hi"));
    /// let mut out = Vec::new();
    /// Encoding::EventStream.write(&mut out, &record);
    /// assert_eq!(out, b"id: 7-0\ndata: hi\n\n");
    /// ```
    pub fn write(self, out: &mut Vec<u8>, record: &Record) {
        Encoder::default().write(self, out, record);
    }

    /// The same without compression, and whether there was any.
    pub(super) fn plain(self) -> (Encoding, bool) {
        match self {
            #[cfg(feature = "deflate")]
            Encoding::SocketJsonDeflated => (Encoding::SocketJson, true),
            #[cfg(feature = "deflate")]
            Encoding::SocketRawDeflated => (Encoding::SocketRaw, true),
            encoding => (encoding, false),
        }
    }

    /// The same compressed, if there is such an encoding.
    #[cfg(feature = "deflate")]
    pub(super) fn deflated(self) -> Encoding {
        match self {
            Encoding::SocketJson => Encoding::SocketJsonDeflated,
            Encoding::SocketRaw => Encoding::SocketRawDeflated,
            encoding => encoding,
        }
    }
}

/// Writes messages, with places for what has to be written before its length can be: one for all channels.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    scratch: Vec<u8>,
    #[cfg(feature = "deflate")]
    pub(super) deflating: Deflating,
}

/// What messages are compressed with.
#[cfg(feature = "deflate")]
#[derive(Debug, Default)]
pub(super) struct Deflating {
    pub(super) settings: Settings,
    deflater: Option<Deflater>,
    payload: Vec<u8>,
}

#[cfg(feature = "deflate")]
impl Deflating {
    pub(super) fn new(settings: Settings) -> Deflating {
        Deflating {
            settings,
            ..Deflating::default()
        }
    }

    /// The message as the payload of a compressed one, if that pays.
    fn deflate(&mut self, message: &[u8]) -> Option<&[u8]> {
        if message.len() < self.settings.threshold {
            return None;
        }
        let Settings {
            level, window_bits, ..
        } = self.settings;
        let deflater = self
            .deflater
            .get_or_insert_with(|| Deflater::new(level, window_bits, false));
        self.payload.clear();
        deflater
            .deflate(message, &mut self.payload)
            .then_some(&self.payload)
    }
}

impl Encoder {
    fn write(&mut self, encoding: Encoding, out: &mut Vec<u8>, record: &Record) {
        self.scratch.clear();
        let (encoding, deflated) = encoding.plain();
        match encoding {
            Encoding::Json => {
                write_json(out, record);
                out.push(b',');
            }
            Encoding::SocketJson => {
                let mut json = std::mem::take(&mut self.scratch);
                write_json(&mut json, record);
                self.write_frame(out, ws::Kind::Text, &json, deflated);
                self.scratch = json;
            }
            Encoding::SocketRaw => match &record.data {
                Data::Text(text) => {
                    self.write_frame(out, ws::Kind::Text, text.as_bytes(), deflated);
                }
                Data::Binary(bytes) => self.write_frame(out, ws::Kind::Binary, bytes, deflated),
            },
            Encoding::EventStream => write_block(out, record),
            Encoding::EventChunks => {
                write_block(&mut self.scratch, record);
                http::write_chunk(out, &self.scratch);
            }
            // There is no other without compression.
            #[cfg(feature = "deflate")]
            Encoding::SocketJsonDeflated | Encoding::SocketRawDeflated => {}
        }
    }

    fn write_frame(&mut self, out: &mut Vec<u8>, kind: ws::Kind, payload: &[u8], deflated: bool) {
        #[cfg(feature = "deflate")]
        if deflated {
            if let Some(payload) = self.deflating.deflate(payload) {
                return ws::write_compressed(out, kind, payload, None);
            }
        }
        #[cfg(not(feature = "deflate"))]
        let _ = deflated;
        let header = ws::Header::new(kind.into(), payload.len() as u64);
        header.append(out);
        out.extend_from_slice(payload);
    }

    /// Gives back what a large message has taken.
    fn rest(&mut self) {
        if self.scratch.capacity() > SEGMENT {
            self.scratch = Vec::new();
        }
        #[cfg(feature = "deflate")]
        if self.deflating.payload.capacity() > SEGMENT {
            self.deflating.payload = Vec::new();
        }
    }
}

/// `{"id":"..","event":"..","data":".."}`; data that is not UTF-8 travels as base64 and says so.
fn write_json(out: &mut Vec<u8>, record: &Record) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(record.id.text().as_str().as_bytes());
    out.extend_from_slice(b"\",\"event\":");
    json::write_string(out, record.event());
    out.extend_from_slice(b",\"data\":");
    match record.data.as_text() {
        Some(text) => json::write_string(out, text),
        None => {
            json::write_string(out, &STANDARD.encode(record.data.as_bytes()));
            out.extend_from_slice(b",\"encoding\":\"base64\"");
        }
    }
    out.push(b'}');
}

/// An event-stream block; data that is not UTF-8 travels as the JSON object that a poll would carry.
fn write_block(out: &mut Vec<u8>, record: &Record) {
    let id = record.id.text();
    let mut envelope = Vec::new();
    let data = match record.data.as_text() {
        Some(text) => text,
        None => {
            write_json(&mut envelope, record);
            std::str::from_utf8(&envelope).unwrap_or_default()
        }
    };
    // Neither can fail: an id is digits and a dash, and event names were checked when they were published.
    let name = record
        .event
        .as_deref()
        .and_then(|event| sse::EventName::new(event).ok());
    let id = sse::EventId::new(id.as_str()).ok();
    sse::write_event(
        out,
        &sse::Event {
            name,
            id,
            data: Some(data),
            retry: None,
        },
    );
}

/// A segment takes further messages up to this size; a message that is larger gets a segment of its own.
const SEGMENT: usize = 64 * 1024;
/// A cut message's rest up to this size is copied; of a larger one the segment is held. Copying bounds what a slow
/// reader costs to this, where it would keep a whole segment alive for the sake of a few bytes.
const COPY: usize = 16 * 1024;

/// The messages of one channel in one encoding.
#[derive(Debug)]
pub(super) struct Run {
    encoding: Encoding,
    segments: VecDeque<Segment>,
}

#[derive(Debug)]
struct Segment {
    /// The index of its first message.
    first: u64,
    /// Where each message ends.
    ends: Vec<usize>,
    bytes: Arc<Vec<u8>>,
}

impl Segment {
    fn next(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    /// Where the message with this index begins; the end of the segment for the index behind its last one.
    fn start_of(&self, index: u64) -> usize {
        match index.checked_sub(self.first) {
            None | Some(0) => 0,
            Some(count) => self
                .ends
                .get(count as usize - 1)
                .copied()
                .unwrap_or(self.bytes.len()),
        }
    }
}

/// An [`Arc`] as the owner of a [`Bytes`].
struct Held(Arc<Vec<u8>>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Run {
    pub(super) fn new(encoding: Encoding) -> Run {
        Run {
            encoding,
            segments: VecDeque::new(),
        }
    }

    /// Encodes the message with this index, which must be the one behind the last.
    pub(super) fn push(&mut self, index: u64, record: &Record, encoder: &mut Encoder) {
        // A segment that somebody holds is complete: `get_mut` finds it shared, and the next one begins.
        if let Some(last) = self.segments.back_mut() {
            if last.bytes.len() < SEGMENT / 2
                || last.bytes.len() + record.data.as_bytes().len() < SEGMENT
            {
                if let Some(bytes) = Arc::get_mut(&mut last.bytes) {
                    encoder.write(self.encoding, bytes, record);
                    last.ends.push(bytes.len());
                    return;
                }
            }
        }
        let mut bytes = Vec::new();
        encoder.write(self.encoding, &mut bytes, record);
        let ends = vec![bytes.len()];
        self.segments.push_back(Segment {
            first: index,
            ends,
            bytes: Arc::new(bytes),
        });
        encoder.rest();
    }

    /// Forgets the segments that hold nothing from `first` on.
    pub(super) fn evict(&mut self, first: u64) {
        while self
            .segments
            .front()
            .is_some_and(|segment| segment.next() <= first)
        {
            self.segments.pop_front();
        }
    }

    /// The encoded messages from `index` on, as far as they lie in one segment. Empty if there are none.
    pub(super) fn read(&self, index: u64) -> &[u8] {
        match self.segment(index) {
            Some(segment) => &segment.bytes[segment.start_of(index)..],
            None => &[],
        }
    }

    /// The encoded message with this index.
    pub(super) fn message(&self, index: u64) -> &[u8] {
        match self.segment(index) {
            Some(segment) => &segment.bytes[segment.start_of(index)..segment.start_of(index + 1)],
            None => &[],
        }
    }

    /// Where a reader stands after `sent` bytes from the start of the message `index` went out, and the rest of a
    /// message that was cut.
    pub(super) fn advance(&self, index: u64, sent: usize) -> (u64, Option<Bytes>) {
        let Some(segment) = self.segment(index) else {
            return (index, None);
        };
        let position = segment.start_of(index) + sent;
        if position >= segment.bytes.len() {
            return (segment.next(), None);
        }
        let whole = segment.ends.partition_point(|&end| end <= position);
        let next = segment.first + whole as u64;
        if position == segment.start_of(next) {
            return (next, None);
        }
        let end = segment.start_of(next + 1);
        let rest = if end - position <= COPY {
            Bytes::copy_from_slice(&segment.bytes[position..end])
        } else {
            Bytes::from_owner(Held(Arc::clone(&segment.bytes))).slice(position..end)
        };
        (next + 1, Some(rest))
    }

    fn segment(&self, index: u64) -> Option<&Segment> {
        // Nearly every reader is in the last segment.
        let last = self.segments.back()?;
        if index >= last.first {
            return (index < last.next()).then_some(last);
        }
        let at = self
            .segments
            .partition_point(|segment| segment.next() <= index);
        self.segments
            .get(at)
            .filter(|segment| segment.first <= index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Id;

    fn record(seq: u64, data: &[u8]) -> Record {
        Record {
            id: Id { ms: 9, seq },
            event: None,
            data: Data::new(data),
        }
    }

    fn run_of(messages: &[&[u8]]) -> Run {
        let mut run = Run::new(Encoding::Json);
        for (index, data) in messages.iter().enumerate() {
            let record = record(index as u64, data);
            run.push(index as u64, &record, &mut Encoder::default());
        }
        run
    }

    fn written(encoding: Encoding, record: &Record) -> Vec<u8> {
        let mut out = Vec::new();
        encoding.write(&mut out, record);
        out
    }

    #[test]
    fn each_encoding_has_its_form() {
        let mut named = record(1, b"a\nb");
        named.event = Some("tick".into());
        let object = br#"{"id":"9-1","event":"tick","data":"a\nb"}"#;
        assert_eq!(
            written(Encoding::Json, &named),
            [&object[..], b","].concat()
        );
        assert_eq!(
            written(Encoding::SocketJson, &named),
            [&[0x81, 41][..], object].concat()
        );
        assert_eq!(written(Encoding::SocketRaw, &named), b"\x81\x03a\nb");
        let block = b"id: 9-1\nevent: tick\ndata: a\ndata: b\n\n";
        assert_eq!(written(Encoding::EventStream, &named), block);
        assert_eq!(
            written(Encoding::EventChunks, &named),
            [b"25\r\n", &block[..], b"\r\n"].concat()
        );
    }

    #[test]
    fn data_that_is_not_utf8_travels_as_base64_or_bare() {
        let binary = record(1, b"\xff\x00");
        let object = br#"{"id":"9-1","event":"message","data":"/wA=","encoding":"base64"}"#;
        assert_eq!(
            written(Encoding::Json, &binary),
            [&object[..], b","].concat()
        );
        assert_eq!(written(Encoding::SocketRaw, &binary), b"\x82\x02\xff\x00");
        let block = written(Encoding::EventStream, &binary);
        assert_eq!(block, [b"id: 9-1\ndata: ", &object[..], b"\n\n"].concat());
    }

    #[test]
    fn binary_data_that_is_utf8_is_text_in_json_and_binary_in_a_raw_frame() {
        let mut utf8 = record(1, b"");
        utf8.data = Data::Binary(b"hi"[..].into());
        assert_eq!(
            written(Encoding::Json, &utf8),
            br#"{"id":"9-1","event":"message","data":"hi"},"#
        );
        assert_eq!(written(Encoding::SocketRaw, &utf8), b"\x82\x02hi");
    }

    #[test]
    fn a_reader_that_takes_any_number_of_bytes_gets_every_message_once() {
        let large = vec![b'x'; 3 * SEGMENT / 2];
        let run = run_of(&[b"one", &large, b"three", b"", &large, b"six"]);
        let all: Vec<u8> = (0..6)
            .flat_map(|index| run.message(index).to_vec())
            .collect();
        for step in [1, 2, 7, 41, 1000, SEGMENT, 4 * SEGMENT] {
            let (mut index, mut got) = (0, Vec::new());
            loop {
                let slice = run.read(index);
                if slice.is_empty() {
                    break;
                }
                let sent = step.min(slice.len());
                got.extend_from_slice(&slice[..sent]);
                let (next, rest) = run.advance(index, sent);
                got.extend_from_slice(rest.as_deref().unwrap_or_default());
                index = next;
            }
            assert_eq!((index, got == all), (6, true), "step {step}");
        }
    }

    #[test]
    fn small_messages_share_a_segment_until_somebody_holds_it() {
        let half = vec![b'x'; SEGMENT / 2 - 1000];
        let mut run = run_of(&[b"a", &half, b"b"]);
        assert_eq!(run.segments.len(), 1);
        let (next, rest) = run.advance(1, 10);
        assert_eq!(next, 2);
        run.push(3, &record(3, b"c"), &mut Encoder::default());
        assert_eq!(run.segments.len(), 2);
        assert_eq!(rest.map(|rest| rest.len()), Some(run.message(1).len() - 10));
    }

    #[test]
    fn what_is_evicted_is_forgotten_by_whole_segments() {
        let large = vec![b'x'; SEGMENT];
        let mut run = run_of(&[&large, &large, b"c"]);
        run.evict(1);
        assert_eq!(run.read(0), b"");
        assert!(!run.read(1).is_empty());
        run.evict(3);
        assert!(run.segments.is_empty());
    }
}
