//! Frames as they arrive: RFC 6455 5, judged by the codec, and read on behind what it refuses.
//!
//! ```text
//!   header ──► RawHeader                what stands there, whatever it is
//!          ├─► Header::decode           what is wrong with it alone
//!          └─► admit                    what is wrong with it here        } the decoder's own rules
//!   payload ─► Utf8 as it comes, Close::parse, Inflater when it is all there
//! ```
//!
//! The invariant: the first problem is the one that a [`ws::Decoder`](crate::ws::Decoder) without limits has with the same
//! bytes, and it is said of the frame in which that decoder fails. Behind it, and behind a close frame, nobody
//! listens: the frames are told as they are, and not judged.

use super::thing::{Frame, Kind, MAX_PARTS, Message, Place, Side, Thing};
use super::{Options, Problem, Sink};
use crate::ws::{
    self, Close, Header, Kind as MessageKind, Limits, MAX_HEADER, Opcode, RawHeader, Role, Utf8,
    admit, mask,
};

/// No message is too large to be explained.
const LIMITS: Limits = Limits {
    message: usize::MAX,
    frame: usize::MAX,
    fragments: u32::MAX,
};

/// RFC 7692 6: RSV1 says that a message is compressed.
const COMPRESSED: u8 = 4;

/// How much of a masked payload is unmasked at once to be judged, in bytes.
const PIECE: usize = 1024;

/// The frames of one side.
#[derive(Debug)]
pub(super) struct FrameReader {
    from: Side,
    listens: bool,
    /// Messages may be compressed.
    deflate: bool,
    /// Reserved bits have a meaning that is not known here.
    any_rsv: bool,
    /// Where the next frame begins.
    start: u64,
    header: [u8; MAX_HEADER],
    header_len: usize,
    current: Option<Current>,
    message: Option<Open>,
    #[cfg(feature = "deflate")]
    inflater: Option<ws::deflate::Inflater>,
}

/// A frame whose payload is arriving.
#[derive(Debug)]
struct Current {
    thing: Thing,
    /// Bytes of payload that have not come yet.
    left: u64,
    /// Its payload belongs to a message that is still listened to.
    is_data: bool,
}

/// A message that is not complete.
#[derive(Debug)]
struct Open {
    kind: MessageKind,
    utf8: Utf8,
    offset: u64,
    length: u64,
    frames: u64,
    parts: Vec<(u64, u64)>,
    is_compressed: bool,
    /// What has come of it, if it is compressed and not too long.
    payload: Option<Vec<u8>>,
}

impl FrameReader {
    pub(super) fn new(from: Side, start: u64, deflate: bool, any_rsv: bool) -> FrameReader {
        FrameReader {
            from,
            listens: true,
            deflate,
            any_rsv,
            start,
            header: [0; MAX_HEADER],
            header_len: 0,
            current: None,
            message: None,
            #[cfg(feature = "deflate")]
            inflater: None,
        }
    }

    /// Inflates messages from now on.
    #[cfg(feature = "deflate")]
    pub(super) fn inflate(&mut self, agreed: ws::deflate::Direction) {
        let inflater = ws::deflate::Inflater::new(agreed.window_bits, agreed.takeover);
        self.inflater = Some(inflater);
    }

    /// Takes all of the input.
    pub(super) fn feed(&mut self, options: &Options, mut input: &[u8], sink: Sink<'_>) {
        while !input.is_empty() {
            if self.current.is_none() {
                let used = self.take_header(options, input);
                input = &input[used..];
            }
            input = &input[self.take_payload(options, input)..];
            if self.current.as_ref().is_some_and(|frame| frame.left == 0) {
                self.complete(options, sink);
            }
        }
    }

    /// The connection ends, or what is known of it.
    pub(super) fn end(&mut self, closed: bool, sink: Sink<'_>) {
        let cut = || (closed && self.listens).then(Problem::cut_frame);
        if let Some(current) = self.current.take() {
            let mut thing = current.thing;
            if let Kind::Frame(frame) = &thing.kind {
                thing.length = frame.header_len as u64 + (frame.header.length - current.left);
            }
            thing.is_cut = true;
            thing.problem = thing.problem.or_else(cut);
            sink(thing);
        } else if self.header_len > 0 {
            let bytes = self.header[..self.header_len].to_vec();
            let refused = Header::decode(&bytes).err().filter(|_| self.listens);
            let problem = refused
                .map(|error| Problem::frame(error, false))
                .or_else(cut);
            let mut whole = [0; MAX_HEADER];
            whole[..bytes.len()].copy_from_slice(&bytes);
            // Fourteen bytes are a header.
            let Some((header, _)) = RawHeader::read(&whole) else {
                return;
            };
            let mut thing = self.thing(header, self.header_len, bytes);
            thing.length = self.header_len as u64;
            thing.is_cut = true;
            thing.problem = problem;
            sink(thing);
            self.header_len = 0;
        }
    }

    fn thing(&self, header: RawHeader, header_len: usize, bytes: Vec<u8>) -> Thing {
        let frame = Frame {
            header,
            header_len,
            place: Place::Ignored,
            compressed: false,
            inflated: None,
            close: None,
        };
        Thing {
            from: self.from,
            offset: self.start,
            length: (header_len as u64).saturating_add(header.length),
            kind: Kind::Frame(frame),
            problem: None,
            is_cut: false,
            bytes,
        }
    }

    /// Takes bytes of a header, and judges it when it is complete.
    fn take_header(&mut self, options: &Options, input: &[u8]) -> usize {
        let had = self.header_len;
        let taken = input.len().min(MAX_HEADER - had);
        self.header[had..had + taken].copy_from_slice(&input[..taken]);
        let Some((raw, size)) = RawHeader::read(&self.header[..had + taken]) else {
            self.header_len = had + taken;
            return taken;
        };
        self.header_len = 0;
        // No more room than for what has come.
        let room = usize::try_from(raw.length).unwrap_or(usize::MAX);
        let room = room.min(options.shown).min(input.len());
        let mut bytes = Vec::with_capacity(size + room);
        bytes.extend_from_slice(&self.header[..size]);
        let mut thing = self.thing(raw, size, bytes);
        let is_data = self.judge(&mut thing, size);
        self.current = Some(Current {
            thing,
            left: raw.length,
            is_data,
        });
        size - had
    }

    /// Says what is wrong with a frame of which the header is known, and whether its payload is one of a message.
    fn judge(&mut self, thing: &mut Thing, size: usize) -> bool {
        let Kind::Frame(frame) = &mut thing.kind else {
            return false;
        };
        if !self.listens {
            return false;
        }
        let judged = Header::decode(&self.header[..size]).and_then(|decoded| {
            // A header that is complete and not refused is there.
            let header = decoded.map(|(header, _)| header);
            header.map_or(Ok(()), |header| self.admit(&header))?;
            Ok(header)
        });
        match judged {
            Err(error) => {
                thing.problem = Some(Problem::frame(error, frame.header.opcode == 8));
                self.listens = false;
                false
            }
            Ok(header) => {
                frame.place = match header {
                    Some(header) => self.begin(&header, thing.offset, thing.length),
                    None => Place::None,
                };
                let message = self.message.as_ref().filter(|_| frame.place != Place::None);
                frame.compressed = message.is_some_and(|message| message.is_compressed);
                message.is_some()
            }
        }
    }

    /// Whether the frame may come now.
    fn admit(&self, header: &Header) -> Result<(), ws::Error> {
        let role = match self.from {
            Side::Client => Role::Server,
            Side::Server => Role::Client,
        };
        let open = || {
            let message = self.message.as_ref()?;
            // Both only have to be something: the limits are as large as they can be.
            Some((0, u32::from(message.frames > 0)))
        };
        let header = match self.any_rsv {
            true => &Header { rsv: 0, ..*header },
            false => header,
        };
        let rsv = if self.deflate { COMPRESSED } else { 0 };
        admit(role, open, header, &LIMITS, rsv)
    }

    /// Counts a frame that may come, and says what it is to its message.
    fn begin(&mut self, header: &Header, offset: u64, length: u64) -> Place {
        if header.opcode.is_control() {
            return Place::None;
        }
        let is_first = header.opcode != Opcode::Continuation;
        let is_compressed = self.deflate && header.rsv == COMPRESSED;
        let message = self.message.get_or_insert_with(|| Open {
            kind: match header.opcode {
                Opcode::Text => MessageKind::Text,
                _ => MessageKind::Binary,
            },
            utf8: Utf8::default(),
            offset,
            length: 0,
            frames: 0,
            parts: Vec::new(),
            is_compressed,
            payload: (is_compressed && cfg!(feature = "deflate")).then(Vec::new),
        });
        message.frames += 1;
        message.length = message.length.saturating_add(header.length);
        if message.parts.len() < MAX_PARTS && !(is_first && header.fin) {
            message.parts.push((offset, length));
        }
        match (is_first, header.fin) {
            (true, true) => Place::Alone,
            (true, false) => Place::First,
            (false, false) => Place::Middle,
            (false, true) => Place::Last,
        }
    }

    /// Takes bytes of a payload, and judges them as far as that is possible.
    fn take_payload(&mut self, options: &Options, input: &[u8]) -> usize {
        let Some(current) = &mut self.current else {
            return 0;
        };
        let Kind::Frame(frame) = &current.thing.kind else {
            return 0;
        };
        let left = usize::try_from(current.left).unwrap_or(usize::MAX);
        let taken = &input[..input.len().min(left)];
        let at = frame.header.length - current.left;
        let room = options
            .shown
            .saturating_sub(current.thing.bytes.len() - frame.header_len);
        let shown = &taken[..taken.len().min(room)];
        current.thing.bytes.extend_from_slice(shown);
        current.left -= taken.len() as u64;
        let message = self.message.as_mut().filter(|_| current.is_data);
        if let Some(message) = message {
            let refused = message.take(frame.header.mask, at, taken, options).err();
            if let Some(error) = refused {
                current.thing.problem = Some(Problem::frame(error, false));
                current.is_data = false;
                self.listens = false;
            }
        }
        taken.len()
    }

    /// A frame is complete, and perhaps its message.
    fn complete(&mut self, options: &Options, sink: Sink<'_>) {
        let Some(Current {
            mut thing, is_data, ..
        }) = self.current.take()
        else {
            return;
        };
        self.start = self.start.saturating_add(thing.length);
        let payload = match &thing.kind {
            Kind::Frame(frame) if frame.header.opcode == Opcode::Close as u8 => {
                Some(thing.payload().into_owned())
            }
            _ => None,
        };
        let mut message = None;
        if let Kind::Frame(frame) = &mut thing.kind {
            if let Some(payload) = &payload {
                frame.close = close(payload);
                if frame.place != Place::Ignored && self.listens {
                    self.listens = false;
                    let refused = Close::parse(payload).err();
                    thing.problem = refused.map(|error| Problem::frame(error, true));
                }
            }
            if is_data && self.listens && matches!(frame.place, Place::Alone | Place::Last) {
                if let Some(open) = self.message.take() {
                    if let Err(error) = self.finish(&open, frame, options) {
                        thing.problem = Some(Problem::frame(error, false));
                        self.listens = false;
                    }
                    message = Some(open).filter(|_| frame.place == Place::Last);
                }
            }
        }
        let end = thing.offset.saturating_add(thing.length);
        let is_whole = thing.problem.is_none();
        sink(thing);
        if let Some(open) = message.filter(|_| is_whole) {
            sink(Thing {
                from: self.from,
                offset: open.offset,
                length: end.saturating_sub(open.offset),
                kind: Kind::Message(Message {
                    kind: open.kind,
                    length: open.length,
                    frames: open.frames,
                    parts: open.parts,
                }),
                problem: None,
                is_cut: false,
                bytes: Vec::new(),
            });
        }
    }

    /// What a message that is complete comes to.
    fn finish(
        &mut self,
        message: &Open,
        frame: &mut Frame,
        options: &Options,
    ) -> Result<(), ws::Error> {
        if !message.is_compressed {
            return match message.kind {
                MessageKind::Text if message.utf8.kept() > 0 => Err(ws::Error::InvalidUtf8),
                _ => Ok(()),
            };
        }
        #[cfg(feature = "deflate")]
        if let (Some(inflater), Some(payload)) = (&mut self.inflater, &message.payload) {
            match inflater.inflate(payload, options.message) {
                Ok(bytes) => {
                    if message.kind == MessageKind::Text && std::str::from_utf8(bytes).is_err() {
                        return Err(ws::Error::InvalidUtf8);
                    }
                    frame.inflated = Some(super::thing::Inflated {
                        bytes: bytes[..bytes.len().min(options.shown)].to_vec(),
                        length: bytes.len(),
                    });
                }
                // More than is kept here is no problem of who has sent it; but what it would be is not known, nor what
                // refers to it.
                Err(ws::Error::MessageTooBig) => self.inflater = None,
                Err(error) => return Err(error),
            }
        } else {
            self.inflater = None;
        }
        #[cfg(not(feature = "deflate"))]
        let _ = (frame, options);
        Ok(())
    }
}

impl Open {
    /// Takes the next bytes of a frame's payload, which lie at `at` in it.
    fn take(
        &mut self,
        key: Option<[u8; 4]>,
        at: u64,
        bytes: &[u8],
        options: &Options,
    ) -> Result<(), ws::Error> {
        let is_text = self.kind == MessageKind::Text && !self.is_compressed;
        if !is_text && self.payload.is_none() {
            return Ok(());
        }
        let mut buffer = [0; PIECE];
        for (number, piece) in bytes.chunks(PIECE).enumerate() {
            let piece = match key {
                Some(key) => {
                    let buffer = &mut buffer[..piece.len()];
                    buffer.copy_from_slice(piece);
                    // A piece is a multiple of the key's length.
                    mask(key, (at % 4) as usize + number * PIECE, buffer);
                    &*buffer
                }
                None => piece,
            };
            if is_text {
                self.utf8.take(piece)?;
            }
            let has_room = |payload: &Vec<u8>| payload.len() + piece.len() <= options.message;
            self.payload = self.payload.take().filter(has_room);
            if let Some(payload) = &mut self.payload {
                payload.extend_from_slice(piece);
            }
        }
        Ok(())
    }
}

/// The code and the reason in a close frame's payload, right or wrong.
fn close(payload: &[u8]) -> Option<(u16, String)> {
    let (code, reason) = payload.split_first_chunk()?;
    let reason = String::from_utf8_lossy(reason).into_owned();
    Some((u16::from_be_bytes(*code), reason))
}
