//! Publishing to very many channels, to see what each more of them costs: batches of POST requests on one connection,
//! to channels drawn at random that nobody follows, and the same small part of each to a few that have one subscriber.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Options;
use super::process::Window;
use super::wire::{self, Opcode, Way};

/// Messages in one batch: all are answered before the next batch begins.
const BATCH: usize = 64;
/// Channels with a subscriber: each gets one message of every batch.
const FOLLOWED: usize = 8;
const MESSAGE: [u8; 100] = [b'x'; 100];
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

struct Posts {
    stream: TcpStream,
    followers: Vec<TcpStream>,
    channels: u64,
    /// Of the pseudo-random numbers.
    state: u64,
    requests: Vec<u8>,
    buffer: Vec<u8>,
    /// What each follower gets of one batch.
    frame: Vec<u8>,
}

pub fn run(options: &Options) -> io::Result<()> {
    let open = |name: String| -> io::Result<TcpStream> {
        let path = format!("/channels/{name}?from=now");
        Ok(wire::open(options.address()?, Way::Socket, &path)?.0)
    };
    let followers: io::Result<_> = (0..FOLLOWED).map(|index| open(followed(index))).collect();
    let stream = TcpStream::connect(options.address()?)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(wire::PATIENCE))?;
    let mut posts = Posts {
        stream,
        followers: followers?,
        channels: options.get("channels")?,
        state: 0x9E37_79B9_7F4A_7C15,
        requests: Vec::new(),
        buffer: vec![0; 256 * 1024],
        frame: wire::frame(Opcode::Text, &MESSAGE, false),
    };
    // So many messages for each channel that it is full, in turn.
    let fill: u64 = options.get("fill")?;
    for number in 0..(posts.channels * fill).div_ceil(BATCH as u64) {
        let first = number * BATCH as u64;
        posts.batch(|index, channels, _| (first + index) % channels)?;
    }
    let seconds = options.seconds()?;
    posts.run_for(seconds / 4)?;
    let window = Window::open(options.pid()?)?;
    let count = posts.run_for(seconds)?;
    window.close(count)
}

/// All names are as long as each other.
fn followed(index: usize) -> String {
    format!("followed{index}")
}

impl Posts {
    fn run_for(&mut self, duration: Duration) -> io::Result<u64> {
        let began = Instant::now();
        let mut batches = 0;
        while began.elapsed() < duration {
            self.batch(|_, channels, state| {
                // xorshift64.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state % channels
            })?;
            batches += 1;
        }
        Ok(batches * BATCH as u64)
    }

    fn batch(&mut self, mut choose: impl FnMut(u64, u64, &mut u64) -> u64) -> io::Result<()> {
        self.requests.clear();
        for index in 0..BATCH {
            let name = if index < FOLLOWED {
                followed(index)
            } else {
                format!(
                    "{:09}",
                    choose(index as u64, self.channels, &mut self.state)
                )
            };
            let path = format!("/channels/{name}");
            self.requests
                .extend_from_slice(&wire::post(&path, &MESSAGE));
        }
        self.stream.write_all(&self.requests)?;
        let (mut answers, mut seen) = (0, 0);
        while answers < BATCH {
            let count = self.stream.read(&mut self.buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // An end of a head may be cut in any place.
            for &byte in &self.buffer[..count] {
                seen = match byte {
                    byte if byte == END_OF_HEAD[seen] => seen + 1,
                    b'\r' => 1,
                    _ => 0,
                };
                if seen == END_OF_HEAD.len() {
                    (answers, seen) = (answers + 1, 0);
                }
            }
        }
        for follower in &mut self.followers {
            let delivery = &mut self.buffer[..self.frame.len()];
            follower.read_exact(delivery)?;
            if delivery != self.frame {
                return Err(io::Error::other("a delivery is not what was published"));
            }
        }
        Ok(())
    }
}
