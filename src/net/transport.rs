//! What carries the bytes of a connection: TCP, and in tests a transport with faults.
//!
//! The rest of the loop asks no more of a socket than what is here, so that what reads from and writes to sockets
//! can be tried with every fault that a socket may show, at every byte.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;

/// A short read means that the socket is drained, so that its next edge is sure to come: epoll(7) and kqueue say
/// so. Elsewhere one reads until the socket would block.
pub(super) const SHORT_READ_DRAINS: bool = cfg!(unix);

/// A short write means that the socket is full, for the same reason. Elsewhere one writes until it would block.
pub(super) const SHORT_WRITE_FILLS: bool = cfg!(unix);

/// A stream of bytes in each direction that never blocks.
///
/// Readiness is edge-triggered: after an operation that moved fewer bytes than it might, or would block, an edge
/// says when the next one is worth while.
pub(crate) trait Transport: Read + Write {
    /// Whether a connection that is being made stands by now; the error is why it never will.
    fn is_connected(&mut self) -> io::Result<bool>;

    /// Closes our half.
    fn finish(&mut self) -> io::Result<()>;
}

impl Transport for TcpStream {
    fn is_connected(&mut self) -> io::Result<bool> {
        if let Some(error) = self.take_error()? {
            return Err(error);
        }
        // `getpeername` succeeds only on a connection that stands.
        let stands = self.peer_addr().is_ok();
        if stands {
            // What is sent is already coalesced; waiting for more would only add delay. If the system refuses, that
            // is no reason to do without the connection.
            let _ = self.set_nodelay(true);
        }
        Ok(stands)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// What a transport has become ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has closed its half, or the connection is broken: an end is there to be read.
    pub(crate) ending: bool,
    /// The connection is broken, in both directions.
    pub(crate) broken: bool,
}

impl From<&mio::event::Event> for Readiness {
    fn from(event: &mio::event::Event) -> Readiness {
        Readiness {
            readable: event.is_readable() || event.is_error(),
            writable: event.is_writable(),
            ending: event.is_read_closed() || event.is_error(),
            broken: event.is_error(),
        }
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// How many bytes; none at the end.
    pub(super) count: usize,
    /// There may be more, of which no edge will tell.
    pub(super) more: bool,
}

/// What a step of a handshake came to. Without TLS, it can only be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
pub(super) enum Shaken {
    /// It is over: plaintext may come and go, and some may have come already.
    Done,
    /// The peer has to say more.
    More,
    /// The peer speaks in plaintext, and is to be answered with this.
    Plain(&'static [u8]),
}
