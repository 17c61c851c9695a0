//! Fan-out: one publisher, many subscribers, so many messages under way as `in-flight` allows. The next message is
//! published when every subscriber has the one that many messages before.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::Options;
use super::process::Window;
use super::wire::{self, Opcode, PATIENCE, Way};

const MESSAGE: usize = 100;
/// Once in every message, and never in what an encoding puts around it.
const MARK: u8 = b'$';
const READ_BUFFER: usize = 256 * 1024;

struct Fan {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    /// Each subscriber, its messages and its bytes. The last is the publisher, which counts for nothing.
    clients: Vec<(TcpStream, u64, u64)>,
    subscribers: u64,
    frame: Vec<u8>,
    in_flight: u64,
    published: u64,
    /// How many of the frames to be published are not sent yet, in bytes.
    unsent: Vec<u8>,
    delivered: u64,
}

pub fn run(options: &Options) -> io::Result<()> {
    let way: Way = options.get("way")?;
    let subscribers: usize = options.get("subscribers")?;
    let poll = Poll::new()?;
    let mut clients = Vec::with_capacity(subscribers + 1);
    for index in 0..=subscribers {
        let (way, path) = if index < subscribers {
            (way, options.text("path")?)
        } else {
            (Way::Socket, options.text("publish")?)
        };
        let (stream, _) = wire::open(options.address()?, way, path)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry()
            .register(&mut stream, Token(index), Interest::READABLE)?;
        clients.push((stream, 0, 0));
    }
    let mut payload = vec![b'x'; MESSAGE];
    payload[MESSAGE / 2] = MARK;
    let mut fan = Fan {
        poll,
        events: Events::with_capacity(1024),
        buffer: vec![0; READ_BUFFER],
        clients,
        subscribers: subscribers as u64,
        frame: wire::frame(Opcode::Text, &payload, true),
        in_flight: options.get("in-flight")?,
        published: 0,
        unsent: Vec::new(),
        delivered: 0,
    };
    let seconds = options.seconds()?;
    fan.run_for(seconds / 4)?;
    let window = Window::open(options.pid()?)?;
    let before = fan.delivered;
    fan.run_for(seconds)?;
    window.close(fan.delivered - before)?;
    fan.finish()?;
    fan.check(way)
}

impl Fan {
    fn run_for(&mut self, duration: Duration) -> io::Result<()> {
        let began = Instant::now();
        while began.elapsed() < duration {
            self.publish()?;
            self.turn()?;
        }
        Ok(())
    }

    /// What is under way arrives.
    fn finish(&mut self) -> io::Result<()> {
        let began = Instant::now();
        while self.delivered < self.published * self.subscribers {
            if began.elapsed() > PATIENCE {
                return Err(io::Error::new(ErrorKind::TimedOut, "messages are missing"));
            }
            self.send()?;
            self.turn()?;
        }
        Ok(())
    }

    /// Everybody has got everything, and over a WebSocket not a byte more.
    fn check(&self, way: Way) -> io::Result<()> {
        let mut payload = vec![b'x'; MESSAGE];
        payload[MESSAGE / 2] = MARK;
        let frame = wire::frame(Opcode::Text, &payload, false).len() as u64;
        for (_, messages, bytes) in &self.clients[..self.clients.len() - 1] {
            let exact = way != Way::Socket || *bytes == messages * frame;
            if *messages != self.published || !exact {
                return Err(io::Error::other(format!(
                    "a subscriber has {messages} of {} messages, in {bytes} bytes",
                    self.published
                )));
            }
        }
        Ok(())
    }

    fn publish(&mut self) -> io::Result<()> {
        // The slowest can't be further behind than all of them together.
        while self.published * self.subscribers < self.delivered + self.in_flight * self.subscribers
        {
            self.unsent.extend_from_slice(&self.frame);
            self.published += 1;
        }
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let Some((publisher, ..)) = self.clients.last_mut() else {
            return Ok(());
        };
        match publisher.write(&self.unsent) {
            Ok(count) => drop(self.unsent.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        wire::wait(&mut self.poll, &mut self.events, Duration::from_millis(20))?;
        for event in &self.events {
            let index = event.token().0;
            let (stream, messages, bytes) = &mut self.clients[index];
            loop {
                let count = match stream.read(&mut self.buffer) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(count) => count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                let read = &self.buffer[..count];
                let marks = read.chunks(255).map(count_marks).sum::<u64>();
                *messages += marks;
                *bytes += count as u64;
                if (index as u64) < self.subscribers {
                    self.delivered += marks;
                }
                if count < self.buffer.len() {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// In bytes, so that the compiler can count sixteen at once; no chunk is long enough to overflow one.
fn count_marks(chunk: &[u8]) -> u64 {
    let marks: u8 = chunk.iter().map(|&byte| u8::from(byte == MARK)).sum();
    u64::from(marks)
}
