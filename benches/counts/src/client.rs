//! Clients on the thread of their server: they never wait, and turn the server instead.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use barewire::{Server, ws};

use crate::Meter;

pub const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
/// How long a turn waits for what has been sent to it and has not arrived: longer than it ever takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many letters.
pub fn letters(count: usize) -> String {
    ('a'..='z').cycle().take(count).collect()
}

/// A message in one frame, masked as a client has to.
pub fn frame(message: ws::Message<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    ws::write_message(&mut frame, message, Some(KEY));
    frame
}

/// Turns the server, and counts. It waits only if there is nothing to do yet, so that no turn is empty.
pub fn turn(server: &mut Server, meter: &mut Meter) {
    let turned = meter.count(|| server.turn(Some(PATIENCE)));
    turned.expect("the loop turns");
}

pub struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects and sends `request`.
    pub fn connect(server: &Server, request: &str) -> Client {
        let address = server.local_addr().expect("it listens");
        let mut stream = TcpStream::connect(address).expect("it accepts");
        stream.set_nodelay(true).expect("it is a TCP stream");
        stream.write_all(request.as_bytes()).expect("it fits");
        stream.set_nonblocking(true).expect("it is a TCP stream");
        Client { stream }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        // What is sent at once fits into the buffers of the system.
        self.stream.write_all(bytes).expect("it fits");
    }

    /// How many bytes are there, and went to the front of `into`.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        match self.stream.read(into) {
            Ok(0) => panic!("the server has closed the connection"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// Turns the server until what has come ends with `end`, and gives it.
    pub fn read_until(&mut self, server: &mut Server, meter: &mut Meter, end: &[u8]) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let count = self.read(&mut buffer);
            all.extend_from_slice(&buffer[..count]);
            if all.ends_with(end) {
                return all;
            }
            if count == 0 {
                turn(server, meter);
            }
        }
    }

    /// Whether the server has closed the connection, and all that it sent has been read.
    pub fn is_closed(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
