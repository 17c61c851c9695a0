//! Fan-out: messages are published to one channel or to many in turn, and every subscriber of a channel gets them. So
//! many of them are under way as `in-flight` allows: the next is published when all deliveries of the one that many
//! messages before have come, or as many others.

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
/// What the system may take for a subscriber that does not read, in bytes, at the load's end.
const SLOW_BUFFER: usize = 4096;

/// A subscriber, or a publisher.
struct Client {
    stream: TcpStream,
    /// Of which channel, if what comes is counted: what a publisher gets may not be a delivery.
    subscribed: Option<usize>,
    messages: u64,
    bytes: u64,
    /// What is to be published and not sent yet.
    unsent: Vec<u8>,
}

/// How a message gets to the server.
enum Publish {
    /// By a WebSocket for each channel: these clients.
    Sockets { clients: Vec<usize>, frame: Vec<u8> },
    /// By one connection that posts: this client. One request for each channel.
    Posts {
        client: usize,
        requests: Vec<Vec<u8>>,
    },
}

struct Fan {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    clients: Vec<Client>,
    publish: Publish,
    channels: u64,
    /// Of each channel.
    subscribers: u64,
    in_flight: u64,
    published: u64,
    delivered: u64,
    /// Clients with something unsent.
    pending: Vec<usize>,
}

pub fn run(options: &Options) -> io::Result<()> {
    let way: Way = options.get("way")?;
    let channels: usize = options.get_or("channels", 1)?;
    let subscribers: usize = options.get("subscribers")?;
    let slow: usize = options.get_or("slow", 0)?;
    let path = |option: &str, channel: usize| -> io::Result<String> {
        Ok(options.text(option)?.replace("{}", &channel.to_string()))
    };
    let mut fan = Fan {
        poll: Poll::new()?,
        events: Events::with_capacity(1024),
        buffer: vec![0; READ_BUFFER],
        clients: Vec::with_capacity(channels * (subscribers + 1)),
        publish: Publish::Sockets {
            clients: Vec::new(),
            frame: wire::frame(Opcode::Text, &message(), true),
        },
        channels: channels as u64,
        subscribers: subscribers as u64,
        in_flight: options.get("in-flight")?,
        published: 0,
        delivered: 0,
        pending: Vec::new(),
    };
    let mut never_read = Vec::with_capacity(slow);
    for index in 0..slow {
        let (stream, _) = wire::open(options.address()?, way, &path("path", index % channels)?)?;
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, SLOW_BUFFER)?;
        never_read.push(stream);
    }
    for index in 0..channels * subscribers {
        let channel = index % channels;
        let (stream, _) = wire::open(options.address()?, way, &path("path", channel)?)?;
        fan.add(stream, Some(channel))?;
    }
    if options.has("post") {
        let stream = std::net::TcpStream::connect(options.address()?)?;
        stream.set_nodelay(true)?;
        let client = fan.add(stream, None)?;
        let request = |channel| Ok(wire::post(&path("post", channel)?, &message()));
        let requests: io::Result<_> = (0..channels).map(request).collect();
        fan.publish = Publish::Posts {
            client,
            requests: requests?,
        };
    } else {
        for channel in 0..channels {
            // The first subscribers of the channels publish too, unless there is a path for publishers.
            let client = if options.has("publish") {
                let path = path("publish", channel)?;
                let (stream, _) = wire::open(options.address()?, Way::Socket, &path)?;
                fan.add(stream, None)?
            } else {
                channel
            };
            if let Publish::Sockets { clients, .. } = &mut fan.publish {
                clients.push(client);
            }
        }
    }
    let seconds = options.seconds()?;
    fan.run_for(seconds / 4)?;
    fan.run_until(options.get_or("ahead", 0)?)?;
    let window = Window::open(options.pid()?)?;
    let before = fan.delivered;
    fan.run_for(seconds)?;
    window.close(fan.delivered - before)?;
    fan.finish()?;
    fan.check(way)
}

fn message() -> Vec<u8> {
    let mut payload = vec![b'x'; MESSAGE];
    payload[MESSAGE / 2] = MARK;
    payload
}

impl Fan {
    fn add(&mut self, stream: std::net::TcpStream, subscribed: Option<usize>) -> io::Result<usize> {
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let index = self.clients.len();
        self.poll
            .registry()
            .register(&mut stream, Token(index), Interest::READABLE)?;
        self.clients.push(Client {
            stream,
            subscribed,
            messages: 0,
            bytes: 0,
            unsent: Vec::new(),
        });
        Ok(index)
    }

    fn run_for(&mut self, duration: Duration) -> io::Result<()> {
        let began = Instant::now();
        while began.elapsed() < duration {
            self.publish()?;
            self.turn()?;
        }
        Ok(())
    }

    fn run_until(&mut self, published: u64) -> io::Result<()> {
        while self.published < published {
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
        let frame = wire::frame(Opcode::Text, &message(), false).len() as u64;
        for client in &self.clients {
            let Some(channel) = client.subscribed else {
                continue;
            };
            // They went round.
            let published = (self.published + self.channels - 1 - channel as u64) / self.channels;
            let exact = way != Way::Socket || client.bytes == client.messages * frame;
            if client.messages != published || !exact {
                return Err(io::Error::other(format!(
                    "a subscriber has {} of {published} messages, in {} bytes",
                    client.messages, client.bytes
                )));
            }
        }
        Ok(())
    }

    fn publish(&mut self) -> io::Result<()> {
        // The slowest can't be further behind than all of them together.
        while self.published * self.subscribers < self.delivered + self.in_flight * self.subscribers
        {
            let channel = (self.published % self.channels) as usize;
            let (index, bytes) = match &self.publish {
                Publish::Sockets { clients, frame } => (clients[channel], frame),
                Publish::Posts { client, requests } => (*client, &requests[channel]),
            };
            let unsent = &mut self.clients[index].unsent;
            if unsent.is_empty() {
                self.pending.push(index);
            }
            unsent.extend_from_slice(bytes);
            self.published += 1;
        }
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        for index in std::mem::take(&mut self.pending) {
            let client = &mut self.clients[index];
            match client.stream.write(&client.unsent) {
                Ok(count) => drop(client.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if !client.unsent.is_empty() {
                self.pending.push(index);
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        wire::wait(&mut self.poll, &mut self.events, Duration::from_millis(20))?;
        for event in &self.events {
            let client = &mut self.clients[event.token().0];
            loop {
                let count = match client.stream.read(&mut self.buffer) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(count) => count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                if client.subscribed.is_some() {
                    let read = &self.buffer[..count];
                    let marks = read.chunks(255).map(count_marks).sum::<u64>();
                    client.messages += marks;
                    client.bytes += count as u64;
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
