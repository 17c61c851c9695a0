//! Looking at what passes: a tap on a connection, and a wrapper that puts one on any stream.
//!
//! ```text
//!   protocol ◄── plaintext ──► [ tap ] ◄──► TLS, if there is any ◄──► socket
//! ```
//!
//! A tap is told every byte that was read, and every byte that was taken to be written, in order and as they came, and
//! can change none of them. On a loop it sits above TLS ([`Loop::trace`](super::Loop::trace)); a connection without one
//! pays for a look at a pointer, and a build without the feature `lens` for nothing.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;

/// What looks at a connection.
pub trait Tap: Send {
    /// These bytes were read from the peer.
    fn received(&mut self, bytes: &[u8]);

    /// These bytes are on their way to the peer.
    fn sent(&mut self, bytes: &[u8]);

    /// The peer has closed its half. That the connection is gone is told by dropping the tap.
    fn ended(&mut self) {}
}

/// Makes a tap for a connection with this peer; `None`: nobody looks.
pub(super) type Taps = Box<dyn FnMut(SocketAddr) -> Option<Box<dyn Tap>> + Send>;

/// A stream with a tap on it.
///
/// ```
/// use barewire::net::{Tap, Traced};
/// use std::io::{Read, Write};
///
/// #[derive(Default)]
/// struct Count(usize, usize);
/// impl Tap for Count {
///     fn received(&mut self, bytes: &[u8]) { self.0 += bytes.len() }
///     fn sent(&mut self, bytes: &[u8]) { self.1 += bytes.len() }
/// }
///
/// let mut stream = Traced::new(std::io::Cursor::new(b"hello".to_vec()), Count::default());
/// stream.read(&mut [0; 3])?;
/// stream.write_all(b"!!")?;
/// let (_, count) = stream.into_parts();
/// assert_eq!((count.0, count.1), (3, 2));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Traced<S, T> {
    stream: S,
    tap: T,
}

impl<S, T> Traced<S, T> {
    /// Puts a tap on a stream.
    pub fn new(stream: S, tap: T) -> Traced<S, T> {
        Traced { stream, tap }
    }

    /// The stream, to set it up.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Takes both apart.
    pub fn into_parts(self) -> (S, T) {
        (self.stream, self.tap)
    }
}

impl<S: Read, T: Tap> Read for Traced<S, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        match count {
            0 if !buffer.is_empty() => self.tap.ended(),
            count => self.tap.received(&buffer[..count]),
        }
        Ok(count)
    }
}

impl<S: Write, T: Tap> Write for Traced<S, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.stream.write(bytes)?;
        self.tap.sent(&bytes[..count]);
        Ok(count)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = self.stream.write_vectored(pieces)?;
        tell_sent(&mut self.tap, pieces, count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Tells of the first `count` bytes of these.
pub(super) fn tell_sent(tap: &mut (impl Tap + ?Sized), pieces: &[IoSlice<'_>], mut count: usize) {
    for piece in pieces {
        let taken = piece.len().min(count);
        if taken == 0 && count == 0 {
            return;
        }
        tap.sent(&piece[..taken]);
        count -= taken;
    }
}
