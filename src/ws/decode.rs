//! From bytes to events: RFC 6455 5.1, 5.4, 5.5 and 5.6, the receiving half.
//!
//! ```text
//!  input    [ header | payload ][ header | payload ][ header | pay         next read: load ]
//!             whole: unmasked      whole                cut: what arrived is unmasked and
//!             in place and lent                         kept, the rest follows it
//! ```
//!
//! A call goes through frames until it has an event or the input ends. For each frame: read the
//! header, ask whether it is allowed here and within the limits ([`Decoder::admit`]), then take its
//! payload. A frame that is an event of its own and lies whole in the input is lent from there.
//! Everything else goes through [`Kept`], a box that exists only while a header, a frame or a
//! message is incomplete: pieces of a message are appended to one flat buffer ([`assembly`](super::assembly));
//! control frames may come between.
//!
//! The invariant: how the bytes are cut into inputs changes nothing. The same bytes give the same
//! events, and the same error after the same events.

use std::ops::Range;
use std::str;

use super::assembly::Assembly;
#[cfg(feature = "deflate")]
use super::assembly::Content;
use super::{
    Close, Error, Event, Header, Limits, MAX_CONTROL_PAYLOAD, MAX_HEADER, Message, Opcode, Role,
    mask,
};

/// Reserved bits that the first frame of a message may have set where no extension is in use: none.
const NO_RSV: u8 = 0;
/// RFC 7692 6: RSV1 on the first frame of a message says that the message is compressed.
#[cfg(feature = "deflate")]
const COMPRESSED: u8 = 4;

/// The buffer of a message that was delivered serves the next one if it is not larger than this,
/// and if the next one is incomplete too; a stream of messages cut by the size of the read buffer
/// then allocates once, not each time.
const SPARE: usize = 64 * 1024;

/// Turns the bytes of one direction of one connection into events.
///
/// Call [`decode`](Decoder::decode) with what was read, again with what it left, until it gives no
/// event.
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    state: State,
    kept: Option<Box<Kept>>,
}

// One lives in every idle connection.
const _: () = assert!(size_of::<Decoder>() <= 16);

/// What one call found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded<'a> {
    /// How many bytes of the input were used.
    pub used: usize,
    /// What they completed. `None`: all of the input was used, and more is needed.
    pub event: Option<Event<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// The peer closed; whatever follows is ignored (RFC 6455 5.5.1).
    Closed,
    /// The connection is failed; nothing after the error is looked at (RFC 6455 7.1.7).
    Failed(Error),
}

/// What a step found: where the event lies, for it can only be lent once the step is over.
enum Step {
    /// Nothing; all of the input was used.
    Incomplete,
    /// A frame that lies whole in the input and is an event of its own. It is still masked.
    Whole {
        header: Header,
        payload: Range<usize>,
    },
    /// A control frame that came in pieces. The input was used up to here.
    Control { opcode: Opcode, used: usize },
    /// A message that came in pieces. The input was used up to here.
    Message { used: usize },
}

impl Decoder {
    /// A decoder at the first byte after the handshake.
    pub const fn new(role: Role) -> Decoder {
        Decoder {
            role,
            state: State::Open,
            kept: None,
        }
    }

    /// Takes bytes from the front of `input`, up to the next event.
    ///
    /// Bytes that were used may have been changed (the mask is taken off in place); those after
    /// them have not. A message that came in pieces stays in the decoder until the next call,
    /// which is one reason to call until there is no event: after that, nothing is kept but
    /// what is incomplete.
    ///
    /// After an error every call returns the same one. After a close frame all input is used and
    /// ignored.
    #[inline]
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: &Limits,
    ) -> Result<Decoded<'a>, Error> {
        if let Some((opcode, payload)) = self.whole(input, limits) {
            return self.lend_whole(opcode, payload, input);
        }
        let step = self.next(input, limits, NO_RSV)?;
        self.lend(step, input)
    }

    /// As [`decode`](Decoder::decode), on a connection that has agreed on permessage-deflate: a message
    /// that came compressed is inflated, and lent from `inflater`. [`Limits::message`] holds for what
    /// came and for what it becomes.
    #[cfg(feature = "deflate")]
    pub fn decode_inflating<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: &Limits,
        inflater: &'a mut super::deflate::Inflater,
    ) -> Result<Decoded<'a>, Error> {
        // A compressed one has a reserved bit, and is not found there.
        if let Some((opcode, payload)) = self.whole(input, limits) {
            return self.lend_whole(opcode, payload, input);
        }
        let step = self.next(input, limits, COMPRESSED)?;
        let (used, text, inflated) = match &step {
            Step::Whole { header, payload } if header.rsv != NO_RSV => {
                let used = payload.end;
                let payload = &mut input[payload.clone()];
                if let Some(key) = header.mask {
                    mask(key, 0, payload);
                }
                let text = header.opcode == Opcode::Text;
                (used, text, inflater.inflate(payload, limits.message))
            }
            Step::Message { used } => match self.kept.as_ref().and_then(|kept| kept.compressed()) {
                Some((text, payload)) => (*used, text, inflater.inflate(payload, limits.message)),
                None => return self.lend(step, input),
            },
            _ => return self.lend(step, input),
        };
        let message = inflated.and_then(|bytes| match text {
            true => str::from_utf8(bytes)
                .map(Message::Text)
                .map_err(|_| Error::InvalidUtf8),
            false => Ok(Message::Binary(bytes)),
        });
        match message {
            Ok(message) => Ok(Decoded {
                used,
                event: Some(Event::Message(message)),
            }),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The message at the front, if it lies whole in one frame and breaks no rule, and nothing is kept: as most do. It is
    /// what [`next`](Decoder::next) would find, in fewer steps.
    #[inline]
    fn whole(&self, input: &[u8], limits: &Limits) -> Option<(Opcode, Range<usize>)> {
        let (opcode, payload) = Header::of_message(input, self.role == Role::Server)?;
        let most = limits.message.min(limits.frame);
        let fits = payload.len() <= most && limits.fragments > 0 && payload.end <= input.len();
        let is_alone = self.kept.is_none() && matches!(self.state, State::Open);
        (fits && is_alone).then_some((opcode, payload))
    }

    #[inline]
    fn lend_whole<'a>(
        &mut self,
        opcode: Opcode,
        payload: Range<usize>,
        input: &'a mut [u8],
    ) -> Result<Decoded<'a>, Error> {
        let used = payload.end;
        let (header, payload) = input[..used].split_at_mut(payload.start);
        if let (Role::Server, Some(key)) = (self.role, header.last_chunk()) {
            mask(*key, 0, payload);
        }
        let message = match opcode {
            Opcode::Text => match str::from_utf8(payload) {
                Ok(text) => Message::Text(text),
                Err(_) => return Err(self.fail(Error::InvalidUtf8)),
            },
            _ => Message::Binary(payload),
        };
        let event = Some(Event::Message(message));
        Ok(Decoded { used, event })
    }

    /// The next step, where the first frame of a message may have these reserved bits.
    #[inline]
    fn next(&mut self, input: &mut [u8], limits: &Limits, rsv: u8) -> Result<Step, Error> {
        match self.state {
            State::Open => self
                .step(input, limits, rsv)
                .map_err(|error| self.fail(error)),
            State::Closed => {
                self.kept = None;
                Ok(Step::Incomplete)
            }
            State::Failed(error) => Err(error),
        }
    }

    /// Whether nothing is kept: no part of a header, frame or message, and no message that was just
    /// lent.
    pub const fn is_idle(&self) -> bool {
        self.kept.is_none()
    }

    /// How many bytes are held for what is incomplete: at most [`Limits::message`] and 128 more.
    pub fn buffered(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.buffered())
    }

    /// Takes the message out that the last call gave, if it came in pieces and lies here: for a caller that keeps it
    /// without a copy.
    pub fn take_message(&mut self) -> Option<Vec<u8>> {
        let kept = self.kept.as_mut()?;
        if kept.lent != Lent::Message {
            return None;
        }
        kept.lent = Lent::Nothing;
        kept.message.take().map(Assembly::into_bytes)
    }

    fn fail(&mut self, error: Error) -> Error {
        self.kept = None;
        self.state = State::Failed(error);
        error
    }

    /// Goes through frames until one completes an event or the input ends.
    #[inline]
    fn step(&mut self, input: &mut [u8], limits: &Limits, rsv: u8) -> Result<Step, Error> {
        if let Some(kept) = &mut self.kept {
            kept.take_back();
        }
        let mut used = 0;
        loop {
            if let Some(kept) = &mut self.kept {
                if let Some(frame) = kept.frame {
                    used += kept.take_payload(frame, &mut input[used..], limits)?;
                    if kept.frame.is_some() {
                        return Ok(Step::Incomplete);
                    }
                    if let Some(step) = kept.complete(frame, used)? {
                        return Ok(step);
                    }
                }
            }

            let Some((header, size)) = self.header(&input[used..])? else {
                self.give_back();
                return Ok(Step::Incomplete);
            };
            used += size;
            self.admit(&header, limits, rsv)?;
            let available = (input.len() - used) as u64;
            let alone = header.fin && header.opcode != Opcode::Continuation;
            if alone && header.length <= available {
                self.give_back();
                // Not larger than the input, so the cast loses nothing.
                let payload = used..used + header.length as usize;
                return Ok(Step::Whole { header, payload });
            }
            self.kept.get_or_insert_default().start(header);
        }
    }

    /// The next header, and how many bytes of the input it takes. When it is cut, all that is there
    /// is kept.
    #[inline]
    fn header(&mut self, input: &[u8]) -> Result<Option<(Header, usize)>, Error> {
        match &mut self.kept {
            Some(kept) if kept.header_len > 0 => kept.join_header(input),
            _ => {
                let header = Header::decode(input)?;
                if header.is_none() && !input.is_empty() {
                    self.kept.get_or_insert_default().join_header(input)?;
                }
                Ok(header)
            }
        }
    }

    /// Whether this frame may come now, from this peer, and is small enough.
    #[inline]
    fn admit(&self, header: &Header, limits: &Limits, rsv: u8) -> Result<(), Error> {
        let open = || {
            let message = self.kept.as_ref().and_then(|kept| kept.message.as_ref());
            message.map(|message| (message.len(), message.fragments))
        };
        admit(self.role, open, header, limits, rsv)
    }

    /// Drops the box if there is nothing in it to wait for.
    #[inline]
    fn give_back(&mut self) {
        if self.kept.as_ref().is_some_and(|kept| kept.is_spent()) {
            self.kept = None;
        }
    }

    /// Gives the event that a step found, from where it lies.
    #[inline]
    fn lend<'a>(&'a mut self, step: Step, input: &'a mut [u8]) -> Result<Decoded<'a>, Error> {
        match step {
            Step::Incomplete => Ok(Decoded {
                used: input.len(),
                event: None,
            }),
            Step::Whole { header, payload } => {
                let used = payload.end;
                let payload = &mut input[payload];
                if let Some(key) = header.mask {
                    mask(key, 0, payload);
                }
                let payload = &*payload;
                let event = match header.opcode {
                    Opcode::Text => match str::from_utf8(payload) {
                        Ok(text) => Event::Message(Message::Text(text)),
                        Err(_) => return Err(self.fail(Error::InvalidUtf8)),
                    },
                    // A step never calls a continuation an event of its own.
                    Opcode::Binary | Opcode::Continuation => {
                        Event::Message(Message::Binary(payload))
                    }
                    Opcode::Ping => Event::Ping(payload),
                    Opcode::Pong => Event::Pong(payload),
                    Opcode::Close => match Close::parse(payload) {
                        Ok(close) => {
                            self.state = State::Closed;
                            Event::Close(close)
                        }
                        Err(error) => return Err(self.fail(error)),
                    },
                };
                Ok(Decoded {
                    used,
                    event: Some(event),
                })
            }
            Step::Control { opcode, used } => {
                if opcode == Opcode::Close {
                    self.state = State::Closed;
                }
                let payload = self.kept.as_ref().map_or(&[][..], |kept| kept.control());
                let event = match opcode {
                    Opcode::Ping => Event::Ping(payload),
                    Opcode::Pong => Event::Pong(payload),
                    _ => Event::Close(Close::parse(payload)?),
                };
                Ok(Decoded {
                    used,
                    event: Some(event),
                })
            }
            Step::Message { used } => {
                let message = self.kept.as_ref().and_then(|kept| kept.message.as_ref());
                let event = message.map(|message| Event::Message(message.lend()));
                Ok(Decoded { used, event })
            }
        }
    }
}

/// Whether a frame with this header may come now, from the peer of this role, and is small enough. `open` is how many
/// bytes the open message has, in how many fragments; `rsv` the reserved bits that the first frame of a message may have.
// Always: it is on the path of every frame, and the decoder's role and message are at hand there.
#[inline(always)]
pub(crate) fn admit(
    role: Role,
    open: impl FnOnce() -> Option<(usize, u32)>,
    header: &Header,
    limits: &Limits,
    rsv: u8,
) -> Result<(), Error> {
    let first = matches!(header.opcode, Opcode::Text | Opcode::Binary);
    if header.rsv != 0 && !(first && header.rsv == rsv) {
        return Err(Error::ReservedBits);
    }
    match (role, header.mask) {
        (Role::Server, None) => return Err(Error::NotMasked),
        (Role::Client, Some(_)) => return Err(Error::Masked),
        _ => {}
    }
    if header.opcode.is_control() {
        return Ok(());
    }
    let (len, fragments) = match (open(), header.opcode) {
        (None, Opcode::Continuation) => return Err(Error::NothingToContinue),
        (None, _) => (0, 0),
        (Some(message), Opcode::Continuation) => message,
        (Some(_), _) => return Err(Error::MessageNotFinished),
    };
    if fragments >= limits.fragments {
        return Err(Error::TooManyFragments);
    }
    if header.length > limits.frame as u64 {
        return Err(Error::FrameTooBig);
    }
    if header.length > limits.message.saturating_sub(len) as u64 {
        return Err(Error::MessageTooBig);
    }
    Ok(())
}

/// What is incomplete.
#[derive(Debug)]
struct Kept {
    /// The header that is cut.
    header: [u8; MAX_HEADER],
    header_len: u8,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// The payload of a control frame that is cut.
    control: [u8; MAX_CONTROL_PAYLOAD],
    control_len: u8,
    /// The message that is being put together.
    message: Option<Assembly>,
    /// What was lent by the last call, and is to be forgotten by the next.
    lent: Lent,
    /// The buffer of the last message, empty.
    spare: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lent {
    Nothing,
    Control,
    Message,
}

/// A frame of which not all of the payload has been taken.
#[derive(Clone, Copy, Debug)]
struct Frame {
    header: Header,
    taken: u64,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            header: [0; MAX_HEADER],
            header_len: 0,
            frame: None,
            control: [0; MAX_CONTROL_PAYLOAD],
            control_len: 0,
            message: None,
            lent: Lent::Nothing,
            spare: Vec::new(),
        }
    }
}

impl Kept {
    fn buffered(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| message.held());
        usize::from(self.header_len)
            + usize::from(self.control_len)
            + message
            + self.spare.capacity()
    }

    fn is_spent(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    fn control(&self) -> &[u8] {
        &self.control[..usize::from(self.control_len)]
    }

    /// The payload of the message, if it is compressed, and whether it is text.
    #[cfg(feature = "deflate")]
    fn compressed(&self) -> Option<(bool, &[u8])> {
        match self.message.as_ref().map(|message| &message.content) {
            Some(Content::Compressed { text, payload }) => Some((*text, payload)),
            _ => None,
        }
    }

    /// Ends the loan of the last call.
    fn take_back(&mut self) {
        match std::mem::replace(&mut self.lent, Lent::Nothing) {
            Lent::Nothing => {}
            Lent::Control => self.control_len = 0,
            Lent::Message => {
                if let Some(message) = self.message.take() {
                    let mut buffer = message.into_bytes();
                    if buffer.capacity() <= SPARE {
                        buffer.clear();
                        self.spare = buffer;
                    }
                }
            }
        }
    }

    /// Appends to the header that is cut: the header when it is complete, and how many bytes of
    /// `input` it took.
    fn join_header(&mut self, input: &[u8]) -> Result<Option<(Header, usize)>, Error> {
        let had = usize::from(self.header_len);
        let len = input.len().min(MAX_HEADER - had);
        self.header[had..had + len].copy_from_slice(&input[..len]);
        let Some((header, size)) = Header::decode(&self.header[..had + len])? else {
            // MAX_HEADER bytes are always a header, so fewer were there and all of them were taken.
            self.header_len = (had + len) as u8;
            return Ok(None);
        };
        self.header_len = 0;
        Ok(Some((header, size - had)))
    }

    /// Starts a frame whose payload is not all there, or belongs to a message in pieces.
    fn start(&mut self, header: Header) {
        if !header.opcode.is_control() {
            let spare = &mut self.spare;
            let message = self
                .message
                .get_or_insert_with(|| Assembly::new(header, std::mem::take(spare)));
            message.fragments += 1;
        }
        self.frame = Some(Frame { header, taken: 0 });
    }

    /// Takes what there is of the frame's payload, and says how much it was.
    fn take_payload(
        &mut self,
        mut frame: Frame,
        input: &mut [u8],
        limits: &Limits,
    ) -> Result<usize, Error> {
        let Header {
            fin,
            opcode,
            mask: key,
            length,
            ..
        } = frame.header;
        let missing = length - frame.taken;
        // A frame is never longer than a limit, which is a usize; were it, saturating is right: all
        // of the input.
        let len = input
            .len()
            .min(usize::try_from(missing).unwrap_or(usize::MAX));
        let payload = &mut input[..len];
        if let Some(key) = key {
            // Only the position within the key's four bytes counts.
            mask(key, (frame.taken % 4) as usize, payload);
        }
        if opcode.is_control() {
            // Header::decode lets no control frame past 125 bytes.
            let had = usize::from(self.control_len);
            self.control[had..had + len].copy_from_slice(payload);
            self.control_len += len as u8;
        } else if let Some(message) = &mut self.message {
            // The last frame says how large the message will be, the others only how large it may
            // become.
            let most = if fin {
                message
                    .len()
                    .saturating_add(usize::try_from(missing).unwrap_or(usize::MAX))
            } else {
                limits.message
            };
            message.append(payload, most)?;
        }
        frame.taken += len as u64;
        self.frame = if frame.taken < length {
            Some(frame)
        } else {
            None
        };
        Ok(len)
    }

    /// What a frame that is now complete completes.
    fn complete(&mut self, frame: Frame, used: usize) -> Result<Option<Step>, Error> {
        let Header { fin, opcode, .. } = frame.header;
        if opcode.is_control() {
            if opcode == Opcode::Close {
                // Judged here, where failing is still possible, and read once more when it is lent.
                Close::parse(self.control())?;
            }
            self.lent = Lent::Control;
            return Ok(Some(Step::Control { opcode, used }));
        }
        if !fin {
            return Ok(None);
        }
        if let Some(message) = &self.message {
            message.finish()?;
        }
        self.lent = Lent::Message;
        Ok(Some(Step::Message { used }))
    }
}
