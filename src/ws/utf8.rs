//! UTF-8 as it arrives: RFC 6455 8.1, RFC 3629.
//!
//! Text may be cut anywhere, also inside a code point, and "not UTF-8" has to be said at the first
//! byte that makes it certain. So whatever is complete is judged when it comes, once, and of a cut
//! code point at most three bytes are kept. Those three are judged too: `F4 90` cannot become a
//! code point and is refused without waiting for its other half.
//!
//! ```text
//! arrives   "sm" C3        B8 "rgr" C3         A5 "s"
//! given     "sm"           'ø' "rgr"           'å' "s"
//! kept      C3             C3                  -
//! ```

use std::str;

use super::Error;

/// The cut code point at the end of a text that is still arriving.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8 {
    cut: [u8; 3],
    len: u8,
}

impl Utf8 {
    /// How many bytes of a cut code point are kept.
    pub(crate) fn kept(&self) -> usize {
        usize::from(self.len)
    }

    /// Judges the next bytes of the text: the code point they complete, and the text after it.
    #[inline]
    pub(crate) fn take<'b>(&mut self, bytes: &'b [u8]) -> Result<(Option<char>, &'b str), Error> {
        let (joined, rest) = self.join(bytes)?;
        let (whole, cut) = rest.split_at(cut_at(rest));
        let text = str::from_utf8(whole).map_err(|_| Error::InvalidUtf8)?;
        if !cut.is_empty() {
            if !is_prefix(cut) {
                return Err(Error::InvalidUtf8);
            }
            self.cut[..cut.len()].copy_from_slice(cut);
            self.len = cut.len() as u8;
        }
        Ok((joined, text))
    }

    /// Completes the cut code point, byte by byte, and gives it with the bytes after it.
    fn join<'b>(&mut self, mut bytes: &'b [u8]) -> Result<(Option<char>, &'b [u8]), Error> {
        while self.len > 0 {
            let Some((&next, rest)) = bytes.split_first() else {
                break;
            };
            bytes = rest;
            // Three bytes are kept at most, because four are never a prefix: they are a code point
            // or an error.
            let mut point = [self.cut[0], self.cut[1], self.cut[2], 0];
            let end = self.kept() + 1;
            point[end - 1] = next;
            if let Ok(text) = str::from_utf8(&point[..end]) {
                self.len = 0;
                return Ok((text.chars().next(), bytes));
            }
            if !is_prefix(&point[..end]) {
                return Err(Error::InvalidUtf8);
            }
            self.cut[end - 1] = next;
            self.len += 1;
        }
        Ok((None, bytes))
    }
}

/// Where a code point starts that needs more bytes than there are; the end of `bytes` when none is
/// cut.
fn cut_at(bytes: &[u8]) -> usize {
    for (from_end, &byte) in (1..=3).zip(bytes.iter().rev()) {
        let width = match byte {
            0x80..=0xBF => continue,
            0x00..=0x7F => 1,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xFF => 4,
        };
        return if width > from_end {
            bytes.len() - from_end
        } else {
            bytes.len()
        };
    }
    bytes.len()
}

/// Whether these one to three bytes, which are no code point, can still become one.
fn is_prefix(bytes: &[u8]) -> bool {
    match str::from_utf8(bytes) {
        Ok(_) => false,
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}
