//! Publishers that wait: each sends a POST, waits for its answer, and sends the next, to channels drawn at random. So their
//! rate is what one message costs while there are few, and what the server can do when there are many.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::Options;
use super::process::Window;
use super::wire::{self, PATIENCE};

const MESSAGE: [u8; 100] = [b'x'; 100];
const CREATED: &[u8] = b"HTTP/1.1 201 ";

struct Publisher {
    stream: TcpStream,
    /// When its request was sent.
    sent: Instant,
    answer: Vec<u8>,
}

struct Publishers {
    poll: Poll,
    events: Events,
    all: Vec<Publisher>,
    channels: u64,
    /// Of the pseudo-random numbers.
    state: u64,
    /// What is left to be published to the channels in turn, before those are drawn.
    fill: u64,
    /// How long answers took, in microseconds.
    delays: Vec<u32>,
}

pub fn run(options: &Options) -> io::Result<()> {
    let count: usize = options.get("publishers")?;
    let channels: u64 = options.get_or("channels", 1)?;
    let mut publishers = Publishers {
        poll: Poll::new()?,
        events: Events::with_capacity(1024),
        all: Vec::with_capacity(count),
        channels,
        state: 0x9E37_79B9_7F4A_7C15,
        fill: channels * options.get_or("fill", 0)?,
        delays: Vec::new(),
    };
    for index in 0..count {
        let mut stream = TcpStream::connect(options.address()?)?;
        let registry = publishers.poll.registry();
        registry.register(
            &mut stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        publishers.all.push(Publisher {
            stream,
            sent: Instant::now(),
            answer: Vec::new(),
        });
    }
    // Connected once they may be written to.
    let mut left = count;
    let mut is_there = vec![false; count];
    while left > 0 {
        wire::wait(&mut publishers.poll, &mut publishers.events, PATIENCE)?;
        for event in &publishers.events {
            let Token(index) = event.token();
            if event.is_writable() && !std::mem::replace(&mut is_there[index], true) {
                publishers.all[index].stream.set_nodelay(true)?;
                left -= 1;
            }
        }
    }
    for index in 0..count {
        publishers.send(index)?;
    }
    while publishers.fill > 0 {
        publishers.turn()?;
    }
    let seconds = options.seconds()?;
    publishers.run_for(seconds / 4)?;
    publishers.delays.clear();
    let window = Window::open(options.pid()?)?;
    publishers.run_for(seconds)?;
    let delays = &mut publishers.delays;
    delays.sort_unstable();
    let part = |part: f64| delays.get((delays.len() as f64 * part) as usize).copied();
    let (middle, late) = (part(0.5).unwrap_or(0), part(0.99).unwrap_or(0));
    window.close_with(delays.len() as u64, &format!("\t{middle}\t{late}"))
}

impl Publishers {
    fn run_for(&mut self, duration: Duration) -> io::Result<()> {
        let began = Instant::now();
        while began.elapsed() < duration {
            self.turn()?;
        }
        Ok(())
    }

    /// A request has room in an empty buffer of the system's.
    fn send(&mut self, index: usize) -> io::Result<()> {
        let channel = match self.fill.checked_sub(1) {
            Some(left) => {
                self.fill = left;
                left % self.channels
            }
            None => {
                // xorshift64.
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
                self.state % self.channels
            }
        };
        let publisher = &mut self.all[index];
        publisher.sent = Instant::now();
        let request = wire::post(&format!("/channels/{channel:09}"), &MESSAGE);
        publisher.stream.write_all(&request)
    }

    fn turn(&mut self) -> io::Result<()> {
        wire::wait(&mut self.poll, &mut self.events, PATIENCE)?;
        if self.events.is_empty() {
            return Err(io::Error::other("no answer comes any more"));
        }
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for index in ready {
            let publisher = &mut self.all[index];
            let mut buffer = [0; 1024];
            loop {
                match publisher.stream.read(&mut buffer) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(count) => publisher.answer.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            // The body is an object.
            if publisher.answer.last() == Some(&b'}') {
                if !publisher.answer.starts_with(CREATED) {
                    let answer = String::from_utf8_lossy(&publisher.answer);
                    return Err(io::Error::other(format!("refused: {answer}")));
                }
                publisher.answer.clear();
                let delay = publisher.sent.elapsed().as_micros();
                self.delays.push(u32::try_from(delay).unwrap_or(u32::MAX));
                self.send(index)?;
            }
        }
        Ok(())
    }
}
