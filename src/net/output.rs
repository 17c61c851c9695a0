//! The answer to one visit: copied when small, lent when large.

use std::io::IoSlice;
use std::ops::Range;

use bytes::Bytes;

use super::backlog::Backlog;

/// A payload at least this large that lies in the loop's read buffer is written from there; a smaller one is
/// copied. One write of one piece is quicker than a vectored one of many small pieces.
pub const LEND: usize = 4 * 1024;

/// How many pieces one vectored write takes.
pub(super) const PIECES: usize = 32;

/// A message at least this large that came in pieces is kept and written from where it was put together; a smaller
/// one is copied, and its memory serves the next.
const KEEP: usize = 64 * 1024;

/// Collects what a connection answers during one visit, in order. The loop has one, and it is empty between visits.
#[derive(Debug, Default)]
pub struct Output {
    own: Vec<u8>,
    lent: Vec<Lent>,
    lent_bytes: usize,
    /// The addresses of the read buffer, to tell whether a payload lies in it.
    lendable: Range<usize>,
    /// The addresses of the message on offer, and those that were kept.
    offered: Range<usize>,
    kept: Vec<Bytes>,
}

/// A piece of other memory that goes out behind the first `after` bytes of our own.
#[derive(Debug)]
struct Lent {
    after: usize,
    lender: Lender,
    range: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lender {
    Buffer,
    /// One of the messages that are kept.
    Message(usize),
}

/// A piece of the answer where it lies.
#[derive(Clone, Copy)]
struct Piece<'s> {
    bytes: &'s [u8],
    /// What it is a part of, if that can be held on to.
    of: Option<&'s Bytes>,
}

/// An answer larger than this gives its memory back.
const SPARE: usize = 1024 * 1024;

impl Output {
    /// Nothing yet, and nothing can be lent.
    pub fn new() -> Output {
        Output::default()
    }

    /// Appends a copy.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.own.extend_from_slice(bytes);
    }

    /// Appends `bytes`: lent if they are at least [`LEND`] and lie in the loop's read buffer or in the message on
    /// offer, else copied.
    pub fn send(&mut self, bytes: &[u8]) {
        if bytes.len() < LEND {
            return self.copy(bytes);
        }
        let lenders = [
            (Lender::Buffer, &self.lendable),
            (Lender::Message(self.kept.len()), &self.offered),
        ];
        let start = bytes.as_ptr() as usize;
        let found = lenders.into_iter().find_map(|(lender, whole)| {
            let inside = start >= whole.start && start + bytes.len() <= whole.end;
            inside.then(|| (lender, start - whole.start))
        });
        let Some((lender, start)) = found else {
            return self.copy(bytes);
        };
        self.lent.push(Lent {
            after: self.own.len(),
            lender,
            range: start..start + bytes.len(),
        });
        self.lent_bytes += bytes.len();
    }

    /// Lets parts of `message`, which its owner can give away, be lent until [`Output::take_offered`].
    pub(crate) fn offer(&mut self, message: &[u8]) {
        if message.len() >= KEEP {
            let start = message.as_ptr() as usize;
            self.offered = start..start + message.len();
        }
    }

    /// Ends an offer. If something was lent, `message` gives what was offered, and it is kept until the visit is over.
    pub(crate) fn take_offered(&mut self, message: impl FnOnce() -> Option<Vec<u8>>) {
        if std::mem::take(&mut self.offered).is_empty() {
            return;
        }
        let wanted = Lender::Message(self.kept.len());
        if self.lent.iter().any(|lent| lent.lender == wanted) {
            self.kept.push(message().unwrap_or_default().into());
        }
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
        self.each(lender, 0, |piece| all.extend_from_slice(piece.bytes));
        all
    }

    /// Allows lending from `buffer` until the next [`Output::clear`].
    pub(super) fn lend_from(&mut self, buffer: &[u8]) {
        let start = buffer.as_ptr() as usize;
        self.lendable = start..start + buffer.len();
    }

    /// Ends the visit.
    pub(crate) fn clear(&mut self) {
        self.own.clear();
        if self.own.capacity() > SPARE {
            self.own = Vec::new();
        }
        self.lent.clear();
        self.lent_bytes = 0;
        self.lendable = 0..0;
        self.kept.clear();
    }

    /// Whether it is all one piece, and that piece.
    pub(super) fn as_one(&self) -> Option<&[u8]> {
        self.lent.is_empty().then_some(&self.own)
    }

    /// How many bytes the messages have that are kept.
    pub(super) fn kept_len(&self) -> usize {
        self.kept.iter().map(Bytes::len).sum()
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
            let piece = &piece.bytes[..piece.bytes.len().min(left)];
            if let Some(place) = into.get_mut(count).filter(|_| left > 0) {
                *place = IoSlice::new(piece);
                count += 1;
                left -= piece.len();
            }
        });
        count
    }

    /// Hands what is behind the first `skip` bytes to a backlog: what can be held on to as it lies, the rest copied.
    pub(super) fn leave(&self, lender: &[u8], skip: usize, backlog: &mut Backlog) {
        self.each(lender, skip, |piece| match piece.of {
            Some(message) => backlog.push(message.slice_ref(piece.bytes)),
            None => backlog.copy(piece.bytes),
        });
    }

    /// Calls `visit` with each piece that is not empty, in order, from byte `skip` on.
    fn each<'s>(&'s self, lender: &'s [u8], mut skip: usize, mut visit: impl FnMut(Piece<'s>)) {
        let mut own = 0;
        let mut one = |bytes: &'s [u8], of: Option<&'s Bytes>| {
            let passed = skip.min(bytes.len());
            skip -= passed;
            if passed < bytes.len() {
                visit(Piece {
                    bytes: &bytes[passed..],
                    of,
                });
            }
        };
        for lent in &self.lent {
            one(&self.own[own..lent.after], None);
            let (memory, of) = match lent.lender {
                Lender::Buffer => (lender, None),
                Lender::Message(index) => {
                    let message = self.kept.get(index);
                    (message.map_or(&[][..], Bytes::as_ref), message)
                }
            };
            one(memory.get(lent.range.clone()).unwrap_or_default(), of);
            own = lent.after;
        }
        one(&self.own[own..], None);
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
    fn a_message_that_was_put_together_is_lent_and_kept() {
        let (message, other) = (vec![3; KEEP], vec![4; KEEP]);
        let mut out = Output::new();
        for (message, sent) in [(&message, true), (&other, false), (&other, true)] {
            out.offer(message);
            out.copy(b"head");
            if sent {
                out.send(message);
                out.send(&message[..LEND]);
            }
            out.take_offered(|| Some(message.clone()));
        }
        let expected = [
            &b"head"[..],
            &message,
            &message[..LEND],
            b"headhead",
            &other,
            &other[..LEND],
        ];
        let expected = expected.concat();
        assert_eq!((out.lent.len(), out.kept_len()), (4, 2 * KEEP));
        assert!(out.to_vec(&[]) == expected);
        for skip in [0, 3, 4, 5, KEEP + 4, KEEP + LEND + 5, expected.len()] {
            let mut backlog = Backlog::default();
            out.leave(&[], skip, &mut backlog);
            assert_eq!(backlog.len(), expected.len() - skip);
        }
    }

    #[test]
    fn nothing_is_lent_of_a_message_once_the_offer_is_over() {
        let message = vec![3; KEEP];
        let mut out = Output::new();
        out.offer(&message);
        out.take_offered(|| unreachable!("nothing was lent"));
        out.send(&message);
        assert_eq!(out.as_one(), Some(&message[..]));
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
