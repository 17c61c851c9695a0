//! Output that its peer has not taken yet.
//!
//! It is written in order: chunks that are shared (`Bytes`, a slice of a channel's run or of a large message), and bytes that were
//! copied behind them. A write takes up to [`PIECES`] of them at once. The invariant: **a backlog is not empty**; a connection
//! has one only while something waits, so that one that is read costs nothing for it. [`Output`](super::output) leaves here what a
//! visit did not write, and [`slot`](super::slot) writes it when the socket takes more.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::{Buf, Bytes};

/// How many pieces one vectored write takes.
pub(super) const PIECES: usize = 32;

/// How far writing got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// To the end.
    All,
    /// The socket takes no more for now.
    Full,
    /// As much as was allowed at once. The socket may take more.
    Enough,
}

/// What waits for a socket to become writable, in order. A connection has one only while something waits.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// What goes out first.
    chunks: VecDeque<Bytes>,
    /// What was copied behind it.
    tail: Vec<u8>,
    chunk_bytes: usize,
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.chunk_bytes + self.tail.len()
    }

    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        self.seal();
        self.chunk_bytes += bytes.len();
        self.chunks.push_back(bytes);
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let tail = Bytes::from(std::mem::take(&mut self.tail));
            self.chunk_bytes += tail.len();
            self.chunks.push_back(tail);
        }
    }

    /// Writes until nothing is left, the socket takes no more, or `most` bytes are written.
    pub(super) fn write_to(&mut self, socket: &mut impl Write, most: usize) -> io::Result<Written> {
        self.seal();
        let mut left = most;
        while !self.chunks.is_empty() {
            if left == 0 {
                return Ok(Written::Enough);
            }
            let mut slices = [IoSlice::new(&[]); PIECES];
            let (mut count, mut room) = (0, left);
            for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
                let chunk = &chunk[..chunk.len().min(room)];
                *slice = IoSlice::new(chunk);
                count += 1;
                room -= chunk.len();
                if room == 0 {
                    break;
                }
            }
            match socket.write_vectored(&slices[..count]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    self.advance(sent);
                    left -= sent.min(left);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Written::Full),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Written::All)
    }

    fn advance(&mut self, mut sent: usize) {
        self.chunk_bytes -= sent.min(self.chunk_bytes);
        while let Some(front) = self.chunks.front_mut() {
            if sent < front.len() {
                front.advance(sent);
                return;
            }
            sent -= front.len();
            self.chunks.pop_front();
        }
    }
}

/// Writing to it is copying behind what waits.
#[cfg(feature = "tls")]
impl Write for Backlog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.copy(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, and nothing every third time.
    struct Slow {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 4 {
                0 => Err(ErrorKind::WouldBlock.into()),
                1 => Err(ErrorKind::Interrupted.into()),
                _ => {
                    let count = bytes.len().min(3);
                    self.taken.extend_from_slice(&bytes[..count]);
                    Ok(count)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn order_is_kept_however_little_the_socket_takes() {
        let mut backlog = Backlog::default();
        backlog.copy(b"one ");
        backlog.copy(b"two ");
        backlog.push(Bytes::from_static(b"three "));
        backlog.copy(b"four");
        assert_eq!(backlog.len(), 18);
        let mut socket = Slow {
            taken: Vec::new(),
            calls: 0,
        };
        let (mut blocked, mut enough) = (0, 0);
        loop {
            match backlog.write_to(&mut socket, 4).unwrap() {
                Written::All => break,
                Written::Enough => enough += 1,
                Written::Full => {
                    blocked += 1;
                    if blocked == 1 {
                        backlog.copy(b" five");
                    }
                }
            }
        }
        assert_eq!(
            String::from_utf8_lossy(&socket.taken),
            "one two three four five"
        );
        assert!(blocked > 1 && enough > 1);
        assert_eq!(backlog.len(), 0);
    }
}
