//! The header of a frame: RFC 6455 5.2.
//!
//! ```text
//!    byte 0             byte 1             0, 2 or 8 bytes     0 or 4 bytes
//!  7 6 5 4 3 2 1 0    7 6 5 4 3 2 1 0
//! +-+-----+-------+  +-+-------------+  +-----------------+  +-------------+
//! |F| rsv |opcode |  |M| length 7    |  | length 16 or 64 |  | masking key |  payload ...
//! +-+-----+-------+  +-+-------------+  +-----------------+  +-------------+
//!  |                  |  0-125: the length itself
//!  |                  |  126: it follows in 16 bits   } network byte order,
//!  |                  |  127: it follows in 64 bits   } always the shortest of the three
//!  |                  +- a masking key is present
//!  +- the last frame of its message
//! ```
//!
//! This file knows the bits of one header and what is wrong with a header alone. Whether a frame is
//! allowed *here* (masked or not, a continuation or not, how large) depends on what came before it
//! and is judged by [`Decoder`](super::Decoder).
//!
//! The invariant: what [`Header::decode`] says about a prefix of the bytes it never takes back when
//! more of them are known. An error found in two bytes is the error found in fourteen, so how a
//! header was cut on its way cannot be seen.

use std::fmt;
use std::ops::Range;

use super::Error;

/// RFC 6455 5.2: two bytes, a 64-bit length and a masking key. No header is longer.
pub const MAX_HEADER: usize = 14;

/// RFC 6455 5.5: a control frame carries at most this many bytes.
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// Byte 0: the last frame of its message.
pub(super) const FIN: u8 = 0x80;
/// Byte 0: the three reserved bits, and how far they are shifted.
pub(super) const RSV: u8 = 0x70;
pub(super) const RSV_SHIFT: u32 = 4;
/// Byte 0: the opcode.
pub(super) const OPCODE: u8 = 0x0F;
/// Byte 1: a masking key is present.
pub(super) const MASKED: u8 = 0x80;
/// Byte 1: the length, or one of the two values that announce a longer form.
pub(super) const LENGTH: u8 = 0x7F;
pub(super) const LENGTH_IN_16_BITS: u8 = 126;
pub(super) const LENGTH_IN_64_BITS: u8 = 127;

/// Byte 0 of a message in one frame, without an extension.
const TEXT: u8 = FIN | Opcode::Text as u8;
const BINARY: u8 = FIN | Opcode::Binary as u8;
/// How long a masking key is.
const KEY: usize = 4;

/// What a frame is (RFC 6455 5.2 and 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation = 0,
    /// A text message, or the first fragment of one.
    Text = 1,
    /// A binary message, or the first fragment of one.
    Binary = 2,
    /// The closing handshake.
    Close = 8,
    /// A question whether the peer is there.
    Ping = 9,
    /// The answer to a ping, or a heartbeat of its own.
    Pong = 10,
}

impl Opcode {
    /// Close, ping and pong: never fragmented, short, and allowed between the fragments of a message
    /// (RFC 6455 5.5).
    pub const fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    const fn from_bits(bits: u8) -> Result<Opcode, Error> {
        match bits {
            0 => Ok(Opcode::Continuation),
            1 => Ok(Opcode::Text),
            2 => Ok(Opcode::Binary),
            8 => Ok(Opcode::Close),
            9 => Ok(Opcode::Ping),
            10 => Ok(Opcode::Pong),
            reserved => Err(Error::ReservedOpcode(reserved)),
        }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Opcode::Continuation => "continuation",
            Opcode::Text => "text",
            Opcode::Binary => "binary",
            Opcode::Close => "close",
            Opcode::Ping => "ping",
            Opcode::Pong => "pong",
        })
    }
}

/// The header of one frame.
///
/// ```
/// use barewire::ws::{Header, Opcode};
///
/// let header = Header::new(Opcode::Text, 5);
/// assert_eq!(header.encode().as_slice(), b"\x81\x05");
/// assert_eq!(Header::decode(b"\x81\x05Hello")?, Some((header, 2)));
/// # Ok::<(), barewire::ws::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3 as the bits 4, 2 and 1. Zero unless an extension was negotiated.
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, if the payload is masked (RFC 6455 5.3).
    pub mask: Option<[u8; 4]>,
    /// How many bytes of payload follow. Below 2^63.
    pub length: u64,
}

const _: () = assert!(size_of::<Header>() <= 16);

impl Header {
    /// The header of an unmasked frame that is a message of its own.
    pub const fn new(opcode: Opcode, length: u64) -> Header {
        Header {
            fin: true,
            rsv: 0,
            opcode,
            mask: None,
            length,
        }
    }

    /// The same header with a masking key, as every frame of a client has it (RFC 6455 5.1).
    pub const fn masked(self, key: [u8; 4]) -> Header {
        Header {
            mask: Some(key),
            ..self
        }
    }

    /// The same header, of a compressed message (RFC 7692 6: RSV1 on its first frame).
    pub(crate) const fn compressed(self) -> Header {
        Header { rsv: 4, ..self }
    }

    /// The same header with FIN set or clear.
    pub const fn fin(self, fin: bool) -> Header {
        Header { fin, ..self }
    }

    /// Reads the header at the front of `bytes`: the header and how many bytes it takes, or `None`
    /// while some of it is missing.
    ///
    /// What is already certain from the bytes that are there fails at once: a header that can only
    /// become invalid is never waited for.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Option<(Header, usize)>, Error> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let fin = first & FIN != 0;
        let rsv = (first & RSV) >> RSV_SHIFT;
        let opcode = Opcode::from_bits(first & OPCODE)?;
        if opcode.is_control() && !fin {
            return Err(Error::ControlFragmented);
        }

        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        let short = second & LENGTH;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL_PAYLOAD {
            return Err(Error::ControlTooLong);
        }

        let rest = &bytes[2..];
        let (length, rest) = match short {
            LENGTH_IN_16_BITS => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u64::from(u16::from_be_bytes(*length));
                if length < u64::from(LENGTH_IN_16_BITS) {
                    return Err(Error::LengthNotMinimal);
                }
                (length, rest)
            }
            LENGTH_IN_64_BITS => {
                let Some((length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let length = u64::from_be_bytes(*length);
                if length > i64::MAX as u64 {
                    return Err(Error::LengthTopBit);
                }
                if length <= u64::from(u16::MAX) {
                    return Err(Error::LengthNotMinimal);
                }
                (length, rest)
            }
            short => (u64::from(short), rest),
        };

        let (mask, rest) = if second & MASKED == 0 {
            (None, rest)
        } else {
            let Some((key, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (Some(*key), rest)
        };
        let header = Header {
            fin,
            rsv,
            opcode,
            mask,
            length,
        };
        Ok(Some((header, bytes.len() - rest.len())))
    }

    /// What most headers say, found in few steps: that a message follows, in this frame alone, of this kind and at this
    /// place. `None` is that [`Header::decode`] has to say what it is, as it may be anything else.
    #[inline]
    pub(super) fn of_message(bytes: &[u8], masked: bool) -> Option<(Opcode, Range<usize>)> {
        let [first, second, ..] = *bytes else {
            return None;
        };
        let opcode = match first {
            TEXT => Opcode::Text,
            BINARY => Opcode::Binary,
            _ => return None,
        };
        // A masking key that is missing, or should be, makes this a length that there is not.
        let (key, length) = match masked {
            true => (KEY, second ^ MASKED),
            false => (0, second),
        };
        let (start, length) = match (length, bytes) {
            (..LENGTH_IN_16_BITS, _) => (2 + key, usize::from(length)),
            (LENGTH_IN_16_BITS, &[_, _, high, low, ..]) if high > 0 || low >= LENGTH_IN_16_BITS => {
                (4 + key, usize::from(u16::from_be_bytes([high, low])))
            }
            _ => return None,
        };
        Some((opcode, start..start + length))
    }

    /// Appends the bytes of this header, as [`encode`](Header::encode) gives them; those that most have, in few steps.
    #[inline]
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        let first = self.first();
        match (self.mask, self.length) {
            (None, length @ ..126) => out.extend_from_slice(&[first, length as u8]),
            (None, length @ 126..0x1_0000) => {
                let [high, low] = (length as u16).to_be_bytes();
                out.extend_from_slice(&[first, LENGTH_IN_16_BITS, high, low]);
            }
            _ => self.append_long(out),
        }
    }

    #[inline(never)]
    fn append_long(&self, out: &mut Vec<u8>) {
        let first = self.first();
        match (self.mask, self.length) {
            (Some([a, b, c, d]), length @ ..126) => {
                out.extend_from_slice(&[first, MASKED | length as u8, a, b, c, d]);
            }
            (Some([a, b, c, d]), length @ 126..0x1_0000) => {
                let [high, low] = (length as u16).to_be_bytes();
                out.extend_from_slice(&[first, MASKED | LENGTH_IN_16_BITS, high, low, a, b, c, d]);
            }
            _ => out.extend_from_slice(self.encode().as_slice()),
        }
    }

    /// Byte 0.
    #[inline]
    const fn first(&self) -> u8 {
        let fin = if self.fin { FIN } else { 0 };
        fin | ((self.rsv << RSV_SHIFT) & RSV) | self.opcode as u8
    }

    /// The bytes of this header, without a heap.
    ///
    /// The fields are taken as they are: a header that says what the RFC forbids (a ping of 200
    /// bytes) is written, so that tests and proxies can. The `write_` functions of
    /// [`ws`](super) build none such.
    #[inline]
    pub fn encode(&self) -> EncodedHeader {
        let mut header = EncodedHeader {
            bytes: [0; MAX_HEADER],
            len: 0,
        };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        header.push([self.first()]);
        if self.length < u64::from(LENGTH_IN_16_BITS) {
            header.push([masked | self.length as u8]);
        } else if let Ok(length) = u16::try_from(self.length) {
            header.push([masked | LENGTH_IN_16_BITS]);
            header.push(length.to_be_bytes());
        } else {
            header.push([masked | LENGTH_IN_64_BITS]);
            header.push(self.length.to_be_bytes());
        }
        if let Some(key) = self.mask {
            header.push(key);
        }
        header
    }
}

/// `text, final, 5 bytes, masked with 37fa213d`
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.opcode)?;
        if self.rsv != 0 {
            write!(f, ", rsv {:03b}", self.rsv)?;
        }
        f.write_str(if self.fin {
            ", final, "
        } else {
            ", more follow, "
        })?;
        match self.length {
            1 => f.write_str("1 byte")?,
            length => write!(f, "{length} bytes")?,
        }
        match self.mask {
            Some(key) => write!(f, ", masked with {:08x}", u32::from_be_bytes(key)),
            None => f.write_str(", not masked"),
        }
    }
}

/// The bytes of a header, kept inline.
#[derive(Clone, Copy, Debug)]
pub struct EncodedHeader {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl EncodedHeader {
    /// The bytes to send before the payload: 2 to 14 of them.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Appends bytes. The longest header is 1 + 1 + 8 + 4 bytes, so there is always room.
    #[inline]
    fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        let start = usize::from(self.len);
        self.bytes[start..start + N].copy_from_slice(&bytes);
        self.len += N as u8;
    }
}

impl AsRef<[u8]> for EncodedHeader {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Option<(Header, usize)>, Error> {
        Header::decode(bytes)
    }

    // 5.2 Base framing protocol

    #[test]
    fn a_length_up_to_125_takes_no_further_byte() {
        let header = Header::new(Opcode::Binary, 125);
        assert_eq!(header.encode().as_slice(), [0x82, 125]);
        assert_eq!(decode(&[0x82, 125]), Ok(Some((header, 2))));
    }

    #[test]
    fn a_length_from_126_to_65535_takes_two_bytes_in_network_order() {
        for (length, high, low) in [(126, 0x00, 0x7E), (256, 0x01, 0x00), (65535, 0xFF, 0xFF)] {
            let header = Header::new(Opcode::Binary, length);
            assert_eq!(header.encode().as_slice(), [0x82, 126, high, low]);
            assert_eq!(decode(&[0x82, 126, high, low]), Ok(Some((header, 4))));
        }
    }

    #[test]
    fn a_length_from_65536_takes_eight_bytes_in_network_order() {
        let bytes = [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        let header = Header::new(Opcode::Binary, 65536);
        assert_eq!(header.encode().as_slice(), bytes);
        assert_eq!(decode(&bytes), Ok(Some((header, 10))));
        let most = Header::new(Opcode::Binary, i64::MAX as u64);
        assert_eq!(decode(most.encode().as_slice()), Ok(Some((most, 10))));
    }

    #[test]
    fn the_length_must_be_in_its_shortest_form() {
        assert_eq!(decode(&[0x82, 126, 0, 125]), Err(Error::LengthNotMinimal));
        let bytes = [0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF];
        assert_eq!(decode(&bytes), Err(Error::LengthNotMinimal));
    }

    #[test]
    fn the_top_bit_of_a_64_bit_length_must_be_zero() {
        let bytes = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode(&bytes), Err(Error::LengthTopBit));
    }

    #[test]
    fn a_reserved_opcode_fails_at_the_first_byte() {
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert_eq!(decode(&[0x80 | opcode]), Err(Error::ReservedOpcode(opcode)));
        }
    }

    #[test]
    fn the_reserved_bits_are_told_apart() {
        for (bits, rsv) in [(0x40, 4), (0x20, 2), (0x10, 1), (0x70, 7)] {
            let header = Header {
                rsv,
                ..Header::new(Opcode::Text, 0)
            };
            assert_eq!(header.encode().as_slice(), [0x81 | bits, 0]);
            assert_eq!(decode(&[0x81 | bits, 0]), Ok(Some((header, 2))));
        }
    }

    #[test]
    fn the_masking_key_follows_the_length() {
        let header = Header::new(Opcode::Text, 5).masked([0x37, 0xFA, 0x21, 0x3D]);
        let bytes = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D];
        assert_eq!(header.encode().as_slice(), bytes);
        assert_eq!(decode(&bytes), Ok(Some((header, 6))));
    }

    #[test]
    fn every_proper_prefix_of_a_header_is_incomplete() {
        for length in [0, 125, 126, 65535, 65536] {
            let header = Header::new(Opcode::Continuation, length)
                .masked([1, 2, 3, 4])
                .fin(false);
            let bytes = header.encode();
            let bytes = bytes.as_slice();
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end]), Ok(None));
            }
            assert_eq!(decode(bytes), Ok(Some((header, bytes.len()))));
        }
    }

    // 5.5 Control frames

    #[test]
    fn a_fragmented_control_frame_fails_at_the_first_byte() {
        for first in [0x08, 0x09, 0x0A] {
            assert_eq!(decode(&[first]), Err(Error::ControlFragmented));
        }
    }

    #[test]
    fn a_control_frame_over_125_bytes_fails_at_the_second_byte() {
        for second in [126, 127, 0x80 | 126, 0x80 | 127] {
            assert_eq!(decode(&[0x89, second]), Err(Error::ControlTooLong));
        }
        let header = Header::new(Opcode::Ping, 125);
        assert_eq!(decode(&[0x89, 125]), Ok(Some((header, 2))));
    }

    #[test]
    fn a_header_prints_what_a_person_wants_to_know() {
        let header = Header::new(Opcode::Text, 5).masked([0x37, 0xFA, 0x21, 0x3D]);
        assert_eq!(
            header.to_string(),
            "text, final, 5 bytes, masked with 37fa213d"
        );
        let header = Header {
            rsv: 4,
            ..Header::new(Opcode::Binary, 1).fin(false)
        };
        assert_eq!(
            header.to_string(),
            "binary, rsv 100, more follow, 1 byte, not masked"
        );
    }
}
