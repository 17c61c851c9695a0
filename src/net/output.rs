//! The answer to one visit: copied when small, lent when large.
//!
//! A protocol appends; the loop writes all of it at once and empties it, before anything else happens
//! ([`slot`](super::slot)). One piece in one write is the quickest for small payloads; for large ones the copy costs more
//! than a vectored write. So what is large and already lies in memory that stays until the write is *lent*:
//!
//! ```text
//!   read buffer   ....[ large payload ]....         message that came in fragments   [ ............ ]
//!                      ▲                                                              ▲
//!   lent ──────────────┘ after byte 4, range 4..N of the buffer      after byte 9 ────┘ kept until the end of the visit
//!   own   [head][head][small answer]
//! ```
//!
//! - **How a loan is known.** A handler sends a slice ([`Output::send`]), without saying whose memory it is. Whether that is
//!   the read buffer's is told from its *address range*: the loop notes the buffer's range before it calls the protocol
//!   (`lend_from`), and a slice inside that range lies in the buffer. Only the range is kept, as offsets, never the borrow,
//!   so that the protocol may go on changing the buffer; it must only not change what it has sent.
//! - **Why that is sound.** All of this is safe code: an address that is taken for another one could lend the wrong bytes,
//!   but never memory that is not there. It isn't taken for another one, as the buffer is alive and borrowed for the whole
//!   visit, so nothing else can have an address in its range.
//! - **An offer** is the same for a message that was put together from fragments: its owner (the WebSocket session) offers
//!   it while the handler runs ([`Output::offer`]), and gives it away afterwards if something of it was lent
//!   ([`Output::take_offered`]). It is kept as [`Bytes`], so that a backlog may hold on to it without a copy.
//! - **A loan ends with the visit.** What the socket does not take is copied or kept ([`Output::leave`]) before `clear`.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::ops::Range;

use bytes::Bytes;

use super::backlog::{Backlog, PIECES, Written};
use super::transport::SHORT_WRITE_FILLS;

/// A payload at least this large that lies in the loop's read buffer is written from there; a smaller one is
/// copied. One write of one piece is quicker than a vectored one of many small pieces.
pub const LEND: usize = 4 * 1024;

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
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) {
        match bytes.len() < LEND {
            true => self.copy(bytes),
            false => self.send_large(bytes),
        }
    }

    #[inline(never)]
    fn send_large(&mut self, bytes: &[u8]) {
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

    /// Lets parts of `message`, which its owner can give away, be lent until [`Output::take_offered`]. Says whether that
    /// is due: nothing is lent of a small one.
    #[must_use]
    pub(crate) fn offer(&mut self, message: &[u8]) -> bool {
        if message.len() < KEEP {
            return false;
        }
        let start = message.as_ptr() as usize;
        self.offered = start..start + message.len();
        true
    }

    /// Ends an offer. If something was lent, `message` gives what was offered, and it is kept until the visit is over.
    pub(crate) fn take_offered(&mut self, message: impl FnOnce() -> Option<Vec<u8>>) {
        self.offered = 0..0;
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

    /// How many bytes of it are copies, which take memory of their own.
    pub(crate) fn own_len(&self) -> usize {
        self.own.len()
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
        self.kept.clear();
        self.end_loan();
    }

    /// Lends nothing more from the read buffer.
    pub(super) fn end_loan(&mut self) {
        self.lendable = 0..0;
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

    /// Writes as much as the socket takes and the budget allows. `lender` is the read buffer.
    pub(super) fn write_to(
        &self,
        stream: &mut impl Write,
        lender: &[u8],
        budget: usize,
    ) -> io::Result<(usize, Written)> {
        let end = self.len().min(budget);
        let mut sent = 0;
        while sent < end {
            let result = match self.as_one() {
                Some(bytes) => stream.write(&bytes[sent..end]),
                None => {
                    let mut slices = [IoSlice::new(&[]); PIECES];
                    let count = self.slices(lender, sent, end - sent, &mut slices);
                    stream.write_vectored(&slices[..count])
                }
            };
            match result {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    sent += count;
                    // A vectored write may have been short because it took only so many pieces.
                    if SHORT_WRITE_FILLS && sent < end && self.as_one().is_some() {
                        return Ok((sent, Written::Full));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok((sent, Written::Full));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let written = if end < self.len() {
            Written::Enough
        } else {
            Written::All
        };
        Ok((sent, written))
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
            assert!(out.offer(message));
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
        assert!(out.offer(&message));
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
