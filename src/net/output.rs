//! The answer to one visit: copied when small, lent when large.

use std::io::IoSlice;
use std::ops::Range;

/// A payload at least this large that lies in the loop's read buffer is written from there; a smaller one is
/// copied. One write of one piece is quicker than a vectored one of many small pieces.
pub const LEND: usize = 4 * 1024;

/// How many pieces one vectored write takes.
pub(super) const PIECES: usize = 32;

/// Collects what a connection answers during one visit, in order. The loop has one, and it is empty between visits.
#[derive(Debug, Default)]
pub struct Output {
    own: Vec<u8>,
    lent: Vec<Lent>,
    lent_bytes: usize,
    /// The addresses of the read buffer, to tell whether a payload lies in it.
    lendable: Range<usize>,
}

/// A piece of the read buffer that goes out behind the first `after` bytes of our own.
#[derive(Debug)]
struct Lent {
    after: usize,
    range: Range<usize>,
}

/// An answer larger than this gives its memory back.
const KEEP: usize = 1024 * 1024;

impl Output {
    /// Nothing yet, and nothing can be lent.
    pub fn new() -> Output {
        Output::default()
    }

    /// Appends a copy.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.own.extend_from_slice(bytes);
    }

    /// Appends `bytes`: lent if they lie in the loop's read buffer and are at least [`LEND`], else copied.
    pub fn send(&mut self, bytes: &[u8]) {
        let start = bytes.as_ptr() as usize;
        let inside = start >= self.lendable.start && start + bytes.len() <= self.lendable.end;
        if bytes.len() < LEND || !inside {
            return self.copy(bytes);
        }
        let start = start - self.lendable.start;
        self.lent.push(Lent {
            after: self.own.len(),
            range: start..start + bytes.len(),
        });
        self.lent_bytes += bytes.len();
    }

    /// The bytes of our own, for codecs that append to a vector. Only append.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.own
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.own.len() + self.lent_bytes
    }

    /// Nothing was answered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything as one vector, given the buffer that lends: for tests, and for loops of other kinds.
    pub fn to_vec(&self, lender: &[u8]) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        self.each(lender, 0, |piece| all.extend_from_slice(piece));
        all
    }

    /// Allows lending from `buffer` until the next [`Output::clear`].
    pub(super) fn lend_from(&mut self, buffer: &[u8]) {
        let start = buffer.as_ptr() as usize;
        self.lendable = start..start + buffer.len();
    }

    pub(super) fn clear(&mut self) {
        self.own.clear();
        if self.own.capacity() > KEEP {
            self.own = Vec::new();
        }
        self.lent.clear();
        self.lent_bytes = 0;
        self.lendable = 0..0;
    }

    /// Whether it is all one piece, and that piece.
    pub(super) fn as_one(&self) -> Option<&[u8]> {
        self.lent.is_empty().then_some(&self.own)
    }

    /// The first pieces behind the first `skip` bytes, as many as one write takes, and at most `most` bytes.
    pub(super) fn slices<'s>(
        &'s self,
        lender: &'s [u8],
        skip: usize,
        most: usize,
        into: &mut [IoSlice<'s>; PIECES],
    ) -> usize {
        let (mut count, mut left) = (0, most);
        self.each(lender, skip, |piece| {
            let piece = &piece[..piece.len().min(left)];
            if let Some(place) = into.get_mut(count).filter(|_| left > 0) {
                *place = IoSlice::new(piece);
                count += 1;
                left -= piece.len();
            }
        });
        count
    }

    /// Calls `visit` with each piece that is not empty, in order, from byte `skip` on.
    pub(super) fn each<'s>(
        &'s self,
        lender: &'s [u8],
        mut skip: usize,
        mut visit: impl FnMut(&'s [u8]),
    ) {
        let mut own = 0;
        let mut one = |piece: &'s [u8]| {
            let passed = skip.min(piece.len());
            skip -= passed;
            if passed < piece.len() {
                visit(&piece[passed..]);
            }
        };
        for lent in &self.lent {
            one(&self.own[own..lent.after]);
            one(lender.get(lent.range.clone()).unwrap_or_default());
            own = lent.after;
        }
        one(&self.own[own..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_payloads_are_copied_and_large_ones_lent_from_the_read_buffer() {
        let buffer: Vec<u8> = (0..2 * LEND).map(|n| n as u8).collect();
        let elsewhere = vec![7; LEND];
        let mut out = Output::new();
        out.lend_from(&buffer);
        out.copy(b"head");
        out.send(&buffer[10..10 + LEND]);
        out.send(&buffer[..100]);
        out.send(&elsewhere);
        let expected = [b"head", &buffer[10..10 + LEND], &buffer[..100], &elsewhere].concat();
        assert_eq!(out.lent.len(), 1);
        assert_eq!(
            (out.len(), out.to_vec(&buffer) == expected),
            (expected.len(), true)
        );
        for skip in [0, 3, 4, 5, LEND, LEND + 4, expected.len()] {
            let mut slices = [IoSlice::new(&[]); PIECES];
            for most in [1, 5, LEND, usize::MAX] {
                let count = out.slices(&buffer, skip, most, &mut slices);
                let sent: Vec<u8> = slices[..count]
                    .iter()
                    .flat_map(|slice| slice.to_vec())
                    .collect();
                let end = skip.saturating_add(most).min(expected.len());
                assert!(sent == expected[skip..end], "skip {skip}, most {most}");
            }
        }
    }

    #[test]
    fn nothing_is_lent_after_the_visit() {
        let buffer = vec![1; LEND];
        let mut out = Output::new();
        out.lend_from(&buffer);
        out.clear();
        out.send(&buffer);
        assert!(out.lent.is_empty());
        assert_eq!(out.as_one(), Some(&buffer[..]));
    }
}
