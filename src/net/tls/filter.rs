//! The filter alone, for programs that carry the bytes in another way than over a socket of the loop's: a test, for one.
//!
//! It is the same [`Session`] that the loop uses, over two queues of bytes in place of a socket.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use super::{ClientTls, Error, ServerTls, Session, server_name};
use crate::net::transport::Shaken;

/// How much plaintext is taken out at once.
const PIECE: usize = 64 * 1024;

/// TLS without a socket: records of the peer's go in, plaintext comes out, and the other way round.
///
/// ```
/// use barewire::tls::{ClientTls, Filter, Roots, ServerTls};
/// # fn main() -> Result<(), barewire::tls::Error> {
/// # let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates");
/// # let file = |name| folder.join(name);
/// let tls = ServerTls::from_pem_files(file("server.pem"), file("server.key"))?;
/// let mut server = Filter::server(&tls)?;
/// let roots = Roots::from_pem_file(file("ca.pem"))?;
/// let mut client = Filter::client(&ClientTls::trusting(&roots)?, "localhost")?;
/// let mut plaintext = Vec::new();
/// while !server.is_secured() {
///     server.receive(&client.take(), &mut plaintext)?;
///     client.receive(&server.take(), &mut plaintext)?;
/// }
/// client.send(b"hello");
/// server.receive(&client.take(), &mut plaintext)?;
/// assert_eq!(plaintext, b"hello");
/// # Ok(())
/// # }
/// ```
pub struct Filter {
    session: Session,
    bytes: Bytes,
    buffer: Vec<u8>,
    secured: bool,
    ended: bool,
    failed: Option<Error>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter")
            .field("secured", &self.secured)
            .field("ended", &self.ended)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Filter {
    /// The server's side.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn server(tls: &ServerTls) -> Result<Filter, Error> {
        Ok(Filter::new(Session::new(tls.connection()?, b"")))
    }

    /// The side of a client that talks to the server of this name or address.
    ///
    /// # Errors
    /// No certificate can be for that name, or the system has no randomness to give.
    pub fn client(tls: &ClientTls, name: &str) -> Result<Filter, Error> {
        let connection = tls.connection(&server_name(name)?)?;
        let mut filter = Filter::new(Session::new(connection, b""));
        // It speaks first.
        let nothing = filter.receive(b"", &mut Vec::new());
        nothing.map(|()| filter)
    }

    fn new(session: Session) -> Filter {
        Filter {
            session,
            bytes: Bytes::default(),
            buffer: vec![0; PIECE],
            secured: false,
            ended: false,
            failed: None,
        }
    }

    /// Whether the handshake is done: plaintext may be sent.
    pub fn is_secured(&self) -> bool {
        self.secured
    }

    /// Whether the peer has said that nothing more follows. Without it, an end is a cut (RFC 8446 6.1).
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Takes what the peer sends, and appends what it means to `plaintext`. There may be something to be
    /// [taken](Filter::take) then, also behind an error.
    ///
    /// # Errors
    /// The peer broke the rules, or is not who it should be. Nothing is received any more.
    pub fn receive(&mut self, records: &[u8], plaintext: &mut Vec<u8>) -> Result<(), Error> {
        self.bytes.incoming.extend(records);
        loop {
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            if self.ended {
                return Ok(());
            }
            match self.step(plaintext) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let why = self.session.take_problem();
                    self.failed = Some(why.unwrap_or(Error::Protocol(error.to_string())));
                }
            }
        }
    }

    fn step(&mut self, plaintext: &mut Vec<u8>) -> io::Result<()> {
        if !self.secured {
            return match self
                .session
                .shake(&mut self.bytes, true, &mut self.buffer)?
            {
                Shaken::Done => {
                    self.secured = true;
                    Ok(())
                }
                Shaken::More => Ok(()),
                Shaken::Plain(_) => {
                    self.failed = Some(Error::NotTls);
                    Ok(())
                }
            };
        }
        let taken = self.session.read(&mut self.bytes, &mut self.buffer)?;
        plaintext.extend_from_slice(&self.buffer[..taken.count]);
        self.ended = taken.count == 0;
        Ok(())
    }

    /// Encrypts this. Before the handshake is done, and behind an error, nothing is sent: says whether it was.
    pub fn send(&mut self, plaintext: &[u8]) -> bool {
        self.secured && self.failed.is_none() && {
            let sent = self.session.write(&mut self.bytes, plaintext);
            sent.is_ok_and(|sent| sent == plaintext.len())
        }
    }

    /// Says that nothing more follows.
    pub fn finish(&mut self) {
        // Memory takes all that it is given.
        let _ = self.session.finish(&mut self.bytes);
    }

    /// What is to be sent to the peer.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes.outgoing)
    }
}

/// What stands in for a socket: it takes everything, and blocks where nothing has come.
#[derive(Debug, Default)]
struct Bytes {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.outgoing.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
