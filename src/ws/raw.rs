//! The header of a frame as it lies on the wire: RFC 6455 5.2, unjudged.
//!
//! A [`Header`](super::Header) exists only if it may be sent. This is the view beside it, for who has to show what may
//! not: every two to fourteen bytes have one. The invariant: where [`Header::decode`](super::Header::decode) finds a
//! header, this one has the same fields and the same size.

use super::frame::{
    FIN, LENGTH, LENGTH_IN_16_BITS, LENGTH_IN_64_BITS, MASKED, OPCODE, RSV, RSV_SHIFT,
};

/// The fields of a frame's header, whatever they hold.
///
/// ```
/// use barewire::ws::RawHeader;
///
/// let (header, size) = RawHeader::read(b"\xf3\x05").unwrap();
/// assert_eq!((header.opcode, header.rsv, header.length, size), (3, 7, 5, 2)); // no frame is like this
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawHeader {
    /// The first bit: the last frame of its message.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3 as the bits 4, 2 and 1.
    pub rsv: u8,
    /// The opcode, 0 to 15.
    pub opcode: u8,
    /// The seven bits of length in the second byte: the length itself, or 126 or 127 for a longer form.
    pub short: u8,
    /// The length of the payload, whatever form it has; its top bit may be set.
    pub length: u64,
    /// The masking key, if there is one.
    pub mask: Option<[u8; 4]>,
}

impl RawHeader {
    /// How many bytes a header takes that begins with `bytes`; `None` while that is not known.
    pub fn size(bytes: &[u8]) -> Option<usize> {
        let second = bytes.get(1)?;
        let key = if second & MASKED == 0 { 0 } else { 4 };
        Some(2 + extended(second & LENGTH) + key)
    }

    /// Reads the header at the front of `bytes`, and says how many bytes it takes; `None` while some of it is missing.
    pub fn read(bytes: &[u8]) -> Option<(RawHeader, usize)> {
        let size = RawHeader::size(bytes)?;
        let header = bytes.get(..size)?;
        let (first, short) = (header[0], header[1] & LENGTH);
        let (number, key) = header[2..].split_at(extended(short));
        let length = match number {
            [] => u64::from(short),
            number => number
                .iter()
                .fold(0, |length, &byte| length << 8 | u64::from(byte)),
        };
        let header = RawHeader {
            fin: first & FIN != 0,
            rsv: (first & RSV) >> RSV_SHIFT,
            opcode: first & OPCODE,
            short,
            length,
            mask: key.try_into().ok(),
        };
        Some((header, size))
    }
}

/// How many bytes of length follow the second byte of a header.
fn extended(short: u8) -> usize {
    match short {
        LENGTH_IN_16_BITS => 2,
        LENGTH_IN_64_BITS => 8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Header;
    use super::*;

    #[test]
    fn a_header_that_may_be_sent_is_the_same_read_raw() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let mut bytes = [0xFF, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
                for third in [0, 1, 0xFF] {
                    bytes[..3].copy_from_slice(&[first, second, third]);
                    let (raw, size) = RawHeader::read(&bytes).unwrap();
                    if let Ok(Some((header, length))) = Header::decode(&bytes) {
                        assert_eq!(size, length);
                        assert_eq!((raw.fin, raw.rsv), (header.fin, header.rsv));
                        assert_eq!(raw.opcode, header.opcode as u8);
                        assert_eq!((raw.length, raw.mask), (header.length, header.mask));
                    }
                    for end in 0..size {
                        assert_eq!(RawHeader::read(&bytes[..end]), None);
                    }
                }
            }
        }
    }
}
