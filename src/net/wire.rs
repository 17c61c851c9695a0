//! What a connection's bytes go through: a socket alone, or a socket with TLS around it.
//!
//! With the feature `lens` something may look at the plaintext on its way.
//!
//! To the rest of the loop a secured connection is one that can be read from and written to like any other, but for
//! three things: it begins with a handshake, what was written may still wait ([`Wire::unsent`]), and its end is said
//! before it is made. Without the feature `tls` none of them ever happens, and a wire is the size of its socket.

use std::io::{self, IoSlice, Write};

#[cfg(feature = "tls")]
use super::tls::{ClientTls, Error, ServerTls, Session};
#[cfg(feature = "lens")]
use super::trace::{Tap, tell_sent};
use super::transport::{SHORT_READ_DRAINS, Shaken, Taken, Transport};

/// How connections are to be secured: those of a listener, or one that is dialed.
#[derive(Clone, Debug, Default)]
pub(crate) enum Seal {
    /// Not at all.
    #[default]
    Plain,
    /// As a server. Who speaks in plaintext is told this.
    #[cfg(feature = "tls")]
    Server(ServerTls, &'static [u8]),
    /// As a client of the server with this name.
    #[cfg(feature = "tls")]
    Client(ClientTls, rustls::pki_types::ServerName<'static>),
}

impl Seal {
    /// Secures a connection.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub(crate) fn wire<S>(&self, socket: S) -> io::Result<Wire<S>> {
        #[cfg(feature = "tls")]
        let session = match self {
            Seal::Plain => None,
            Seal::Server(tls, plain) => Some(Session::new(tls.connection()?, plain)),
            Seal::Client(tls, name) => Some(Session::new(tls.connection(name)?, b"")),
        };
        Ok(Wire {
            socket,
            #[cfg(feature = "tls")]
            session: session.map(Box::new),
            #[cfg(feature = "lens")]
            tap: None,
        })
    }
}

/// A socket, secured or not.
pub(crate) struct Wire<S> {
    socket: S,
    /// Apart, so that a connection without it pays for a pointer only.
    #[cfg(feature = "tls")]
    session: Option<Box<Session>>,
    /// What looks at the plaintext. Apart for the same reason, and boxed once more: most connections have none.
    #[cfg(feature = "lens")]
    tap: Option<Box<Box<dyn Tap>>>,
}

/// An idle connection that is neither secured nor looked at pays for a pointer with each feature, and nothing without.
const _: () = assert!(
    size_of::<Wire<usize>>()
        == size_of::<usize>()
            * (1 + cfg!(feature = "tls") as usize + cfg!(feature = "lens") as usize)
);

impl<S> From<S> for Wire<S> {
    fn from(socket: S) -> Wire<S> {
        Wire {
            socket,
            #[cfg(feature = "tls")]
            session: None,
            #[cfg(feature = "lens")]
            tap: None,
        }
    }
}

#[cfg(feature = "lens")]
impl<S> Wire<S> {
    /// Lets this look at what passes from now on.
    pub(super) fn trace(&mut self, tap: Option<Box<dyn Tap>>) {
        self.tap = tap.map(Box::new);
    }
}

impl<S: Transport> Wire<S> {
    pub(super) fn is_connected(&mut self) -> io::Result<bool> {
        self.socket.is_connected()
    }

    /// Reads what there is, once.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Taken> {
        let taken = self.read_plaintext(buffer)?;
        #[cfg(feature = "lens")]
        if let Some(tap) = &mut self.tap {
            match taken.count {
                0 => tap.ended(),
                count => tap.received(&buffer[..count]),
            }
        }
        Ok(taken)
    }

    #[inline]
    fn read_plaintext(&mut self, buffer: &mut [u8]) -> io::Result<Taken> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.read(&mut self.socket, buffer);
        }
        self.read_socket(buffer)
    }

    /// Reads from the socket itself, when nobody wants to know any more what it says.
    pub(super) fn read_socket(&mut self, buffer: &mut [u8]) -> io::Result<Taken> {
        let count = self.socket.read(buffer)?;
        let more = !SHORT_READ_DRAINS || count == buffer.len();
        Ok(Taken { count, more })
    }

    /// Closes our half. `WouldBlock` is that what has to be said first still waits.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            session.finish(&mut self.socket)?;
        }
        self.socket.finish()
    }
}

#[cfg(not(feature = "tls"))]
impl<S: Transport> Wire<S> {
    pub(super) fn is_secured(&self) -> bool {
        false
    }

    pub(super) fn is_client(&self) -> bool {
        false
    }

    pub(super) fn unsent(&self) -> usize {
        0
    }

    pub(super) fn shake(&mut self, _readable: bool, _buffer: &mut [u8]) -> io::Result<Shaken> {
        Ok(Shaken::Done)
    }

    pub(super) fn unseal(&mut self) {}

    pub(super) fn expire(&mut self) {}
}

#[cfg(feature = "tls")]
impl<S: Transport> Wire<S> {
    pub(super) fn is_secured(&self) -> bool {
        self.session.is_some()
    }

    /// Whether it is secured, and as a client.
    pub(super) fn is_client(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.is_client())
    }

    /// Bytes that were written, in whatever form they go out, and that the socket has not taken. It is full then.
    pub(super) fn unsent(&self) -> usize {
        self.session.as_ref().map_or(0, |session| session.unsent())
    }

    /// Goes on with the handshake.
    pub(super) fn shake(&mut self, readable: bool, buffer: &mut [u8]) -> io::Result<Shaken> {
        match &mut self.session {
            Some(session) => session.shake(&mut self.socket, readable, buffer),
            None => Ok(Shaken::Done),
        }
    }

    /// Goes on in plaintext.
    pub(super) fn unseal(&mut self) {
        self.session = None;
    }

    /// The handshake has taken too long.
    pub(super) fn expire(&mut self) {
        if let Some(session) = &mut self.session {
            session.expire();
        }
    }

    /// Why the connection failed, if it is TLS that says so.
    pub(super) fn take_problem(&mut self) -> Option<Error> {
        self.session.as_mut()?.take_problem()
    }
}

impl<S: Transport> Wire<S> {
    #[inline]
    fn write_plaintext(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.write(&mut self.socket, bytes);
        }
        self.socket.write(bytes)
    }

    #[inline]
    fn write_plaintexts(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.write_vectored(&mut self.socket, pieces);
        }
        self.socket.write_vectored(pieces)
    }
}

impl<S: Transport> Write for Wire<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.write_plaintext(bytes)?;
        #[cfg(feature = "lens")]
        if let Some(tap) = &mut self.tap {
            tap.sent(&bytes[..count]);
        }
        Ok(count)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = self.write_plaintexts(pieces)?;
        #[cfg(feature = "lens")]
        if let Some(tap) = &mut self.tap {
            tell_sent(&mut ***tap, pieces, count);
        }
        Ok(count)
    }

    /// Sends what still waits, as far as the socket takes it.
    fn flush(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(session) = &mut self.session {
            return session.push(&mut self.socket);
        }
        Ok(())
    }
}
