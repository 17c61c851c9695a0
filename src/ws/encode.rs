//! Writing frames: RFC 6455 5.2 to 5.6, the sending half.
//!
//! Every function appends whole frames to a buffer that the caller owns and reuses; none allocates
//! otherwise. A server passes no masking key. A client passes a fresh, unpredictable one for each
//! frame (5.3, 10.3); where it comes from is not this layer's business.
//!
//! The invariant: what is appended is valid, whole, and nothing of it is appended when an error is
//! returned. Sessions call it for what is small or compressed or has a masking key, and write the header
//! of a server's message themselves, so that its payload is lent and not copied; channels do once for all
//! readers.

use super::close::MAX_CLOSE_REASON;
use super::utf8::Utf8;
use super::{
    Close, Error, Header, Kind, MAX_CONTROL_PAYLOAD, MAX_HEADER, Message, Opcode, mask_into,
};

/// Appends a message as one frame.
///
/// ```
/// let mut out = Vec::new();
/// barewire::ws::write_message(&mut out, "Hello".into(), None);
/// assert_eq!(out, b"\x81\x05Hello");
/// ```
#[inline]
pub fn write_message(out: &mut Vec<u8>, message: Message<'_>, mask: Option<[u8; 4]>) {
    let header = Header::new(message.kind().into(), message.len() as u64);
    write_frame(out, Header { mask, ..header }, message.as_bytes());
}

/// Appends a compressed message as one frame, on a connection that has agreed on permessage-deflate:
/// `payload` is what the `Deflater` of the feature `deflate` made of it (RFC 7692 6).
pub fn write_compressed(out: &mut Vec<u8>, kind: Kind, payload: &[u8], mask: Option<[u8; 4]>) {
    let header = Header {
        mask,
        ..Header::new(kind.into(), payload.len() as u64).compressed()
    };
    write_frame(out, header, payload);
}

/// Appends a ping. Refuses more than 125 bytes.
pub fn write_ping(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) -> Result<(), Error> {
    write_control(out, Opcode::Ping, payload, mask)
}

/// Appends a pong. Refuses more than 125 bytes.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) -> Result<(), Error> {
    write_control(out, Opcode::Pong, payload, mask)
}

/// Appends a close frame, without a body for `None`.
///
/// A reason that [`Close::new`] would refuse is cut at the last character that fits: what ends a
/// connection must not fail.
pub fn write_close(out: &mut Vec<u8>, close: Option<Close<'_>>, mask: Option<[u8; 4]>) {
    let mut payload = [0; MAX_CONTROL_PAYLOAD];
    let mut len = 0;
    if let Some(Close { code, reason }) = close {
        let mut end = reason.len().min(MAX_CLOSE_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        len = 2 + end;
        payload[..2].copy_from_slice(&code.as_u16().to_be_bytes());
        payload[2..len].copy_from_slice(&reason.as_bytes()[..end]);
    }
    let header = Header::new(Opcode::Close, len as u64);
    write_frame(out, Header { mask, ..header }, &payload[..len]);
}

/// Writes a message whose size is not known when it starts, as a sequence of frames (RFC 6455 5.4).
///
/// The first frame says what the message is, the later ones continue it, and the last has FIN set.
/// Text may be cut inside a character, but all fragments together must be UTF-8: one that makes this
/// impossible is refused, nothing of it is written, and another may be tried in its place. Pings,
/// pongs and a close may be written between the fragments; another message may not.
///
/// ```
/// use barewire::ws::{Fragmenter, Kind};
///
/// let mut out = Vec::new();
/// let mut message = Fragmenter::start(Kind::Text);
/// message.write(&mut out, b"Hel", None)?;
/// message.finish(&mut out, b"lo", None)?;
/// assert_eq!(out, b"\x01\x03Hel\x80\x02lo");
/// # Ok::<(), barewire::ws::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a message that is started has to be finished"]
pub struct Fragmenter {
    kind: Kind,
    started: bool,
    utf8: Utf8,
}

impl Fragmenter {
    /// A message of this kind, of which nothing has been written.
    pub fn start(kind: Kind) -> Fragmenter {
        Fragmenter {
            kind,
            started: false,
            utf8: Utf8::default(),
        }
    }

    /// Appends a frame with the next fragment.
    pub fn write(
        &mut self,
        out: &mut Vec<u8>,
        fragment: &[u8],
        mask: Option<[u8; 4]>,
    ) -> Result<(), Error> {
        self.frame(out, false, fragment, mask)
    }

    /// Appends the last frame, which may be empty. When the text ends inside a character it is
    /// refused, and the message can only be ended by closing the connection.
    pub fn finish(
        mut self,
        out: &mut Vec<u8>,
        last: &[u8],
        mask: Option<[u8; 4]>,
    ) -> Result<(), Error> {
        self.frame(out, true, last, mask)
    }

    fn frame(
        &mut self,
        out: &mut Vec<u8>,
        fin: bool,
        fragment: &[u8],
        mask: Option<[u8; 4]>,
    ) -> Result<(), Error> {
        if self.kind == Kind::Text {
            // Judged on a copy, which replaces the original only when the fragment is taken.
            let mut utf8 = self.utf8;
            utf8.take(fragment)?;
            if fin && utf8.kept() > 0 {
                return Err(Error::InvalidUtf8);
            }
            self.utf8 = utf8;
        }
        let opcode = if self.started {
            Opcode::Continuation
        } else {
            self.kind.into()
        };
        self.started = true;
        let header = Header::new(opcode, fragment.len() as u64).fin(fin);
        write_frame(out, Header { mask, ..header }, fragment);
        Ok(())
    }
}

fn write_control(
    out: &mut Vec<u8>,
    opcode: Opcode,
    payload: &[u8],
    mask: Option<[u8; 4]>,
) -> Result<(), Error> {
    if payload.len() > MAX_CONTROL_PAYLOAD {
        return Err(Error::ControlTooLong);
    }
    let header = Header::new(opcode, payload.len() as u64);
    write_frame(out, Header { mask, ..header }, payload);
    Ok(())
}

#[inline]
fn write_frame(out: &mut Vec<u8>, header: Header, payload: &[u8]) {
    out.reserve(MAX_HEADER + payload.len());
    header.append(out);
    match header.mask {
        Some(key) => mask_into(key, payload, out),
        None => out.extend_from_slice(payload),
    }
}
