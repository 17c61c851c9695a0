//! Frames and handshakes: no more of RFC 6455 than the load needs, and none of the code that is measured.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use mio::{Events, Poll};

/// How long a server may take to answer before it is given up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Every frame's masking key. Servers must not know that it never changes.
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

#[derive(Clone, Copy)]
pub enum Opcode {
    Text = 1,
    Binary = 2,
}

/// A whole message in one frame (RFC 6455 5.2), masked as a client's or not as a server's.
pub fn frame(opcode: Opcode, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode as u8];
    let bit = u8::from(masked) << 7;
    match payload.len() {
        len @ 0..126 => frame.push(bit | len as u8),
        len @ 126..65_536 => {
            frame.push(bit | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(bit | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if masked {
        frame.extend_from_slice(&KEY);
        let key = KEY.iter().cycle();
        frame.extend(payload.iter().zip(key).map(|(byte, key)| byte ^ key));
    } else {
        frame.extend_from_slice(payload);
    }
    frame
}

/// A request that publishes.
pub fn post(path: &str, message: &[u8]) -> Vec<u8> {
    let length = message.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), message].concat()
}

/// Waits for readiness; a signal, as a tracer sends, is no error.
pub fn wait(poll: &mut Poll, events: &mut Events, timeout: Duration) -> io::Result<()> {
    match poll.poll(events, Some(timeout)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        result => result,
    }
}

/// What a connection is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Socket,
    Events,
    /// A long poll, which is not answered for now.
    Poll,
}

impl std::str::FromStr for Way {
    type Err = ();

    fn from_str(name: &str) -> Result<Way, ()> {
        match name {
            "socket" => Ok(Way::Socket),
            "events" => Ok(Way::Events),
            "poll" => Ok(Way::Poll),
            _ => Err(()),
        }
    }
}

/// Connects and asks for `path`. What came behind the answer's head is returned too.
pub fn open(address: SocketAddr, way: Way, path: &str) -> io::Result<(TcpStream, Vec<u8>)> {
    let fields = match way {
        Way::Socket => {
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: raw\r\n"
        }
        Way::Events => "Accept: text/event-stream\r\n",
        Way::Poll => "Prefer: wait=60\r\n",
    };
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())?;
    if way == Way::Poll {
        return Ok((stream, Vec::new()));
    }
    let mut head = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece)?;
        head.extend_from_slice(&piece[..count]);
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            let status = if way == Way::Socket {
                b" 101 "
            } else {
                b" 200 "
            };
            if !head[..end].windows(5).any(|window| window == status) {
                let head = String::from_utf8_lossy(&head[..end]);
                return Err(io::Error::other(format!("refused: {head}")));
            }
            return Ok((stream, head.split_off(end + 4)));
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
