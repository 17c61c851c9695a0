//! One secured connection: records in and out, plaintext in and out, and nothing kept that the socket would take.
//!
//! ```text
//!   socket ──► records ──► rustls ──► plaintext ──► the loop's read buffer
//!   socket ◄── records ◄── rustls ◄── plaintext ◄── the connection's output
//! ```
//!
//! The invariant: at most [`AHEAD`] bytes of plaintext are encrypted before the socket has taken them, so that a peer that does not
//! read costs what it costs without TLS. A handshake goes on in steps of [`STEP`] bytes, of which the loop allows a few per turn:
//! signing is the dearest thing that a stranger can ask for. An end without `close_notify` is told from one with it
//! (RFC 8446 6.1): what is cut off must not pass for complete.
//!
//! [`wire`](crate::net::wire) calls it in place of the socket; no protocol knows of it.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use rustls::Connection;

use super::Error;
use crate::net::backlog::Backlog;
use crate::net::transport::{SHORT_READ_DRAINS, SHORT_WRITE_FILLS};
use crate::net::transport::{Shaken, Taken};

/// How much plaintext is encrypted at once, in bytes; the records of no more than that wait for the socket.
const AHEAD: usize = 64 * 1024;
/// What a step of a handshake reads, in bytes: as much plaintext may come with the last message, and rustls takes no
/// more than that at once.
const STEP: usize = 16 * 1024;
/// RFC 8446 5.2: a record holds at most 2^14 bytes of plaintext. One may be complete but for its last byte.
const RECORD: usize = 16 * 1024;

/// Whether this is the beginning of a request in plaintext: a line that ends with the version (RFC 9112 3). Methods are
/// of letters, most often upper-case ones (RFC 9110 9.1), which no type of record is (RFC 8446 B.1).
fn is_request(came: &[u8]) -> bool {
    let line = came.iter().position(|&byte| byte == b'\n');
    let line = &came[..line.unwrap_or(0)];
    let version = line.rsplit(|&byte| byte == b' ').next();
    line.first().is_some_and(u8::is_ascii_uppercase)
        && version.is_some_and(|version| version.starts_with(b"HTTP/"))
}

/// TLS over one socket.
pub(in crate::net) struct Session {
    connection: Connection,
    /// Records that the socket has not taken.
    unsent: Backlog,
    /// What a peer is told that speaks in plaintext.
    plain: &'static [u8],
    /// Something has arrived.
    begun: bool,
    /// It broke the rules, and that has been said or is about to be.
    failed: bool,
    /// Why it failed, until that is asked for.
    problem: Option<Error>,
}

impl Session {
    pub(in crate::net) fn new(connection: impl Into<Connection>, plain: &'static [u8]) -> Session {
        let mut connection = connection.into();
        connection.set_buffer_limit(Some(AHEAD));
        Session {
            connection,
            unsent: Backlog::default(),
            plain,
            begun: false,
            failed: false,
            problem: None,
        }
    }

    pub(in crate::net) fn is_client(&self) -> bool {
        matches!(self.connection, Connection::Client(_))
    }

    /// Bytes of records that the socket has not taken.
    pub(in crate::net) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Why the connection is of no more use, if it is TLS that says so. Asked once.
    pub(in crate::net) fn take_problem(&mut self) -> Option<Error> {
        self.problem.take()
    }

    /// The handshake takes too long.
    pub(in crate::net) fn expire(&mut self) {
        self.problem = Some(Error::Timeout);
    }

    fn fail(&mut self, error: Error, kind: ErrorKind) -> io::Error {
        if !std::mem::replace(&mut self.failed, true) {
            self.problem = Some(error);
        }
        kind.into()
    }

    /// Goes on with the handshake: sends what is to be sent, and reads once if there is something to be read.
    ///
    /// # Errors
    /// As of a socket. `InvalidData` is that the peer broke the rules; an alert waits to be sent.
    pub(in crate::net) fn shake(
        &mut self,
        socket: &mut (impl Read + Write),
        readable: bool,
        buffer: &mut [u8],
    ) -> io::Result<Shaken> {
        self.push(socket)?;
        if !readable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let most = buffer.len().min(STEP);
        let count = socket.read(&mut buffer[..most])?;
        let came = &buffer[..count];
        if came.is_empty() {
            return Err(self.fail(Error::Unfinished, ErrorKind::UnexpectedEof));
        }
        let plain = !std::mem::replace(&mut self.begun, true) && is_request(came);
        if plain && !self.is_client() {
            return Ok(Shaken::Plain(self.plain));
        }
        let fed = self.feed(came, &mut []);
        self.push(socket)?;
        match fed {
            Err(error) => Err(self.fail(error, ErrorKind::InvalidData)),
            Ok(_) if self.connection.is_handshaking() => Ok(Shaken::More),
            Ok(_) => Ok(Shaken::Done),
        }
    }

    /// Reads what is left of the last read, or reads from the socket once.
    ///
    /// # Errors
    /// As of a socket; see [`Session::shake`]. `Interrupted` is that something came, and no plaintext yet.
    pub(in crate::net) fn read(
        &mut self,
        socket: &mut (impl Read + Write),
        buffer: &mut [u8],
    ) -> io::Result<Taken> {
        match self.take(buffer)? {
            Some(0) => {
                return Ok(Taken {
                    count: 0,
                    more: false,
                });
            }
            Some(count) => return Ok(Taken { count, more: true }),
            // Met behind plaintext that had to be handed on first.
            None if self.failed => return Err(ErrorKind::InvalidData.into()),
            None => {}
        }
        // Both halves of one buffer: records behind, plaintext in front, with room for a record that was incomplete.
        let behind = buffer.len() / 2 - RECORD.min(buffer.len() / 4);
        let (plain, records) = buffer.split_at_mut(buffer.len() - behind);
        let read = socket.read(records)?;
        if read == 0 {
            return Err(self.fail(Error::Truncated, ErrorKind::UnexpectedEof));
        }
        let fed = self.feed(&records[..read], plain);
        let pushed = self.push(socket);
        match fed {
            // What came before it still counts; whatever is next will say again what is wrong.
            Ok(count) if count > 0 => {
                let more = read == records.len() || !SHORT_READ_DRAINS || count == plain.len();
                Ok(Taken {
                    count,
                    more: more || self.failed || self.is_ended(),
                })
            }
            Ok(_) if self.is_ended() => Ok(Taken {
                count: 0,
                more: false,
            }),
            Ok(_) => {
                pushed?;
                Err(ErrorKind::Interrupted.into())
            }
            Err(error) => Err(self.fail(error, ErrorKind::InvalidData)),
        }
    }

    /// Whether the peer has said that it will send no more.
    fn is_ended(&mut self) -> bool {
        let state = self.connection.process_new_packets();
        state.is_ok_and(|state| state.peer_has_closed())
    }

    /// Plaintext that is there: none at the end, `None` if more has to arrive first.
    fn take(&mut self, plain: &mut [u8]) -> io::Result<Option<usize>> {
        match self.connection.reader().read(plain) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands records to rustls, and takes what plaintext they hold. An error that comes behind plaintext is met again
    /// with the next call.
    fn feed(&mut self, mut records: &[u8], plain: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        loop {
            let processed = self.connection.process_new_packets();
            while filled < plain.len() {
                match self.connection.reader().read(&mut plain[filled..]) {
                    Ok(count) if count > 0 => filled += count,
                    _ => break,
                }
            }
            match processed {
                Ok(_) => {}
                Err(error) if filled > 0 => {
                    self.fail(error.into(), ErrorKind::InvalidData);
                    return Ok(filled);
                }
                Err(error) => return Err(error.into()),
            }
            // Reading from what is empty would mean the end to rustls.
            if records.is_empty() {
                return Ok(filled);
            }
            // Behind a `close_notify` nothing is taken.
            match self.connection.read_tls(&mut records) {
                Ok(0) => return Ok(filled),
                Ok(_) => {}
                Err(error) => return Err(Error::Protocol(error.to_string())),
            }
        }
    }

    /// Encrypts and sends from the front of `bytes`, until the socket takes no more.
    ///
    /// # Errors
    /// As of a socket.
    pub(in crate::net) fn write(
        &mut self,
        socket: &mut impl Write,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = IoSlice::new(&bytes[taken..]);
            match self.write_vectored(socket, &[rest]) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock && taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// As [`Session::write`], of several pieces, and perhaps not all that the socket would take.
    pub(in crate::net) fn write_vectored(
        &mut self,
        socket: &mut impl Write,
        pieces: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.push(socket)?;
        if self.unsent() > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = self.connection.writer().write_vectored(pieces)?;
        self.push(socket)?;
        Ok(count)
    }

    /// Sends records that wait. What the socket does not take goes on waiting, which is no error.
    ///
    /// # Errors
    /// As of a socket.
    pub(in crate::net) fn push(&mut self, socket: &mut impl Write) -> io::Result<()> {
        if self.unsent() > 0 {
            self.unsent.write_to(socket, usize::MAX)?;
        }
        let mut out = Out {
            socket,
            full: self.unsent() > 0,
        };
        while self.connection.wants_write() && !out.full {
            match self.connection.write_tls(&mut out) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => out.full = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.unsent)?;
        }
        Ok(())
    }

    /// Says that nothing more will be sent (RFC 8446 6.1).
    ///
    /// # Errors
    /// As of a socket. `WouldBlock` is that this has not gone out yet.
    pub(in crate::net) fn finish(&mut self, socket: &mut impl Write) -> io::Result<()> {
        self.connection.send_close_notify();
        self.push(socket)?;
        match self.unsent() {
            0 => Ok(()),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

/// A socket, and whether it has taken less than it was given: it is full then, and an edge will say when it is not.
struct Out<'a, W> {
    socket: &'a mut W,
    full: bool,
}

impl<W: Write> Write for Out<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = self.socket.write_vectored(pieces)?;
        let wanted: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.full = SHORT_WRITE_FILLS && count < wanted;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
