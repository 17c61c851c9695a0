//! The ceiling: bytes are written back as they came, with no protocol at all.
//!
//! What any server has to do on the same loop and nothing more: edge-triggered readiness, one read into a buffer
//! that all connections share, one write from there. A short read means that the socket is drained.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX - 1);
const READ_BUFFER: usize = 1024 * 1024;

struct Connection {
    stream: TcpStream,
    /// What the peer has not taken yet. Nothing is read before it is gone.
    rest: Vec<u8>,
    open: bool,
}

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("{}", listener.local_addr()?);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: Vec<Connection> = Vec::new();
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(connections.len());
                    let interests = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, token, interests)?;
                    connections.push(Connection {
                        stream,
                        rest: Vec::new(),
                        open: true,
                    });
                }
            } else if let Some(connection) = connections.get_mut(event.token().0) {
                connection.open = connection.open && echo(connection, &mut buffer).is_ok();
            }
        }
    }
}

/// Echoes until the socket has nothing more to read or takes no more.
fn echo(connection: &mut Connection, buffer: &mut [u8]) -> io::Result<()> {
    let Connection { stream, rest, .. } = connection;
    if !rest.is_empty() {
        let sent = written(stream.write(rest))?;
        rest.drain(..sent);
        if !rest.is_empty() {
            return Ok(());
        }
        rest.shrink_to(READ_BUFFER);
    }
    loop {
        let count = match stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let sent = written(stream.write(&buffer[..count]))?;
        if sent < count {
            rest.extend_from_slice(&buffer[sent..count]);
            return Ok(());
        }
        if count < buffer.len() {
            return Ok(());
        }
    }
}

fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
