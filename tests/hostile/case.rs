//! What a case is, and how it is played.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;

use barewire::Server;

use crate::memory::Watch;
use crate::support::{Running, connect, field, get, post, upgrade_request};

/// What one peer does, and what it must see.
pub struct Case {
    /// What this is about, as a sentence.
    pub name: &'static str,
    /// The section that decides: of an RFC, of WHATWG HTML, or of what this crate promises.
    pub section: &'static str,
    pub sends: &'static [Step],
    /// In this order, and nothing else.
    pub gets: &'static [Seen],
}

/// What a peer does.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Bytes(&'static [u8]),
    /// The same bytes so many times.
    Times(usize, &'static [u8]),
    /// Opens a WebSocket at this path, with the key of RFC 6455 1.3. What comes next is glued to it.
    Socket(&'static str),
    /// Lets the server look at what was sent so far.
    Pause,
    /// Says no more.
    HalfClose,
}

/// What a peer sees.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// Nothing yet: it does not listen before it has sent everything.
    Later,
    /// A whole answer of this status. If the end comes next it says so, else that the connection goes on.
    Status(u16),
    /// A whole answer of this status with this in its head or body.
    Answer(u16, &'static str),
    /// The head of an endless answer, and its first piece, with this in it.
    Stream(&'static str),
    /// A frame: its first byte, and its payload.
    Frame(u8, &'static [u8]),
    /// A frame whose payload is so many bytes.
    Long(u8, usize),
    /// Empty pongs, as many as the server saw fit: it need not answer every ping of a flood.
    Pongs,
    /// The same so many times.
    All(usize, &'static Seen),
    /// A close frame of this code.
    Close(u16),
    /// A close frame without a code.
    BareClose,
    /// The server's end, in order: no reset, and no byte before it.
    End,
    /// The connection goes on: it answers a plain request, or a ping.
    Open,
}

use Seen::*;

/// A whole request that nobody may ever read.
const SMUGGLED: &[u8] =
    b"POST /channels/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nsmuggled";
/// A whole message that nobody may ever read: masked with zeros, as all frames here are.
const SMUGGLED_FRAME: &[u8] = b"\x81\x88\0\0\0\0smuggled";
/// What is sent byte by byte as well.
const SHORT: usize = 1024;
/// What is written at once.
const BLOCK: usize = 64 * 1024;

/// What every message to `/long` is answered with, in bytes.
pub const LONG: usize = 16 * 1024;

/// What all groups have a server for.
pub fn usual(server: &mut Server) {
    server.get("/", |_, reply| reply.text("home"));
    server.post("/length", |request, reply| {
        reply.text(request.body().len().to_string());
    });
    server.websocket("/echo", |socket, message| socket.send(message));
    server.websocket("/long", |socket, _| socket.send("x".repeat(LONG).as_str()));
    server
        .websocket("/chat", |socket, message| socket.send(message))
        .protocols(&["chat", "news"]);
    server.channels("/channels/{name}");
}

/// Plays all cases against one server. At no time may they take more than `memory` bytes, the clients' included.
pub fn play(tables: &[&[Case]], memory: usize, configure: impl FnOnce(&mut Server)) {
    let mut watch = Watch::begin();
    let server = Running::start(configure);
    assert_well(server.address);
    watch.again();
    let mut failures = Vec::new();
    let cases = || tables.iter().copied().flatten();
    for case in cases() {
        assert!(!case.section.is_empty(), "{} needs a section", case.name);
        if let Err(why) = case.play(server.address) {
            failures.push(format!("{} ({}): {why}", case.name, case.section));
        }
    }
    let (count, peak) = (cases().count(), watch.peak());
    assert!(
        failures.is_empty(),
        "{} of {count} cases:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert_well(server.address);
    assert!(peak <= memory, "{peak} bytes were in use");
}

/// Whether everybody else is served as ever.
pub fn assert_well(address: SocketAddr) {
    let mut client = connect(address);
    assert_eq!(
        post(&mut client, "/channels/well", "x").unwrap().status,
        201
    );
    let polled = get(&mut client, "/channels/well", "").unwrap();
    assert_eq!(polled.status, 200);
    assert!(polled.body.contains("\"data\":\"x\""), "{}", polled.body);
}

impl Case {
    /// Plays it as it is written, and nothing more.
    pub fn play_once(&self, address: SocketAddr) -> Result<(), String> {
        self.play_as(self.sends.to_vec(), BLOCK, address)
    }

    /// Plays it in every way that must make no difference.
    fn play(&self, address: SocketAddr) -> Result<(), String> {
        let mut steps = self.sends.to_vec();
        if self.is_refused() {
            let more = match self.opens_socket() {
                true => SMUGGLED_FRAME,
                false => SMUGGLED,
            };
            steps.push(Step::Bytes(more));
        }
        self.play_as(steps.clone(), BLOCK, address)?;
        if self.length() <= SHORT {
            self.play_as(steps.clone(), 1, address)
                .map_err(|why| format!("byte by byte, {why}"))?;
        }
        if matches!(self.gets, [Close(_), End]) {
            for step in &mut steps {
                if let Step::Socket(path) = step {
                    *path = "/channels/smuggled";
                }
            }
            self.play_as(steps, BLOCK, address)
                .map_err(|why| format!("at a channel, {why}"))?;
        }
        Ok(())
    }

    fn play_as(&self, steps: Vec<Step>, at_once: usize, address: SocketAddr) -> Result<(), String> {
        let before = smuggled(address)?;
        let mut peer = Peer::new(connect(address));
        let stream = peer.stream.try_clone().map_err(|error| error.to_string())?;
        peer.speaker = Some(std::thread::spawn(move || {
            speak(stream, &steps, at_once, address)
        }));
        let heard = self.listen(&mut peer);
        if heard.is_err() {
            // Whatever it still had to say, it is over.
            let _ = peer.stream.shutdown(Shutdown::Both);
        }
        // Who is refused may go on talking for a moment, and is then cut off: that is no failure.
        let _ = peer.await_speaker();
        heard?;
        match smuggled(address)? {
            after if after == before => Ok(()),
            _ => Err("something was published".into()),
        }
    }

    fn listen(&self, peer: &mut Peer) -> Result<(), String> {
        if self.opens_socket() {
            let head = peer.head()?;
            if !head.starts_with("HTTP/1.1 101 ") {
                return Err(format!("no WebSocket: {head}"));
            }
            peer.is_socket = true;
        }
        for (at, seen) in self.gets.iter().enumerate() {
            let last = matches!(self.gets.get(at + 1), Some(End));
            peer.see(seen, last)
                .map_err(|why| format!("instead of {seen:?}: {why}"))?;
        }
        Ok(())
    }

    fn opens_socket(&self) -> bool {
        let opens = |step: &Step| matches!(step, Step::Socket(_));
        self.sends.iter().any(opens)
    }

    /// Whether the case ends with a refusal, behind which nothing is read.
    fn is_refused(&self) -> bool {
        let silent = |step: &Step| matches!(step, Step::HalfClose);
        let refusal = matches!(
            self.gets,
            [
                ..,
                Status(400..) | Answer(400.., _) | Close(_) | BareClose,
                End
            ]
        );
        refusal && !self.sends.iter().any(silent)
    }

    fn length(&self) -> usize {
        let length = |step: &Step| match step {
            Step::Bytes(bytes) => bytes.len(),
            Step::Times(count, bytes) => count * bytes.len(),
            Step::Socket(path) => upgrade_request(path, "").len(),
            Step::Pause | Step::HalfClose => 0,
        };
        self.sends.iter().map(length).sum()
    }
}

/// How many messages were published that never should.
fn smuggled(address: SocketAddr) -> Result<usize, String> {
    let polled = get(&mut connect(address), "/channels/smuggled", "");
    let polled = polled.map_err(|error| error.to_string())?;
    Ok(polled.body.matches("\"data\":").count())
}

/// Does the steps, writing so many bytes at a time.
fn speak(
    mut stream: TcpStream,
    steps: &[Step],
    at_once: usize,
    address: SocketAddr,
) -> Result<(), String> {
    let mut block = Vec::new();
    let write = |block: &mut Vec<u8>, stream: &mut TcpStream| {
        let mut pieces = block.chunks(at_once);
        let result = pieces.try_for_each(|piece| stream.write_all(piece));
        block.clear();
        result.map_err(|error| format!("it could not send: {error}"))
    };
    for step in steps {
        match *step {
            Step::Bytes(bytes) => block.extend_from_slice(bytes),
            Step::Socket(path) => block.extend_from_slice(upgrade_request(path, "").as_bytes()),
            Step::Times(count, bytes) => {
                for _ in 0..count {
                    block.extend_from_slice(bytes);
                    if block.len() >= BLOCK {
                        write(&mut block, &mut stream)?;
                    }
                }
            }
            Step::Pause => {
                write(&mut block, &mut stream)?;
                // The server takes what has arrived in its order: once this is answered, it has seen the above.
                let answer = get(&mut connect(address), "/", "");
                answer.map_err(|error| error.to_string())?;
            }
            Step::HalfClose => {
                write(&mut block, &mut stream)?;
                let result = stream.shutdown(Shutdown::Write);
                result.map_err(|error| error.to_string())?;
            }
        }
    }
    write(&mut block, &mut stream)
}

/// One peer, with what it has read and not looked at.
struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
    /// How much of it has been looked at.
    seen: usize,
    is_socket: bool,
    speaker: Option<JoinHandle<Result<(), String>>>,
}

impl Peer {
    fn new(stream: TcpStream) -> Peer {
        Peer {
            stream,
            read: Vec::new(),
            seen: 0,
            is_socket: false,
            speaker: None,
        }
    }

    fn await_speaker(&mut self) -> Result<(), String> {
        match self.speaker.take() {
            Some(speaker) => speaker.join().map_err(|_| "it panicked")?,
            None => Ok(()),
        }
    }

    fn see(&mut self, seen: &Seen, last: bool) -> Result<(), String> {
        match *seen {
            Status(status) => self.answer(status, "", last),
            Answer(status, text) => self.answer(status, text, last),
            Stream(text) => self.stream(text),
            Frame(first, payload) => match self.frame()? {
                (got, bytes) if (got, &bytes[..]) == (first, payload) => Ok(()),
                (got, bytes) => Err(shown_frame(got, &bytes)),
            },
            Long(first, length) => match self.frame()? {
                (got, bytes) if (got, bytes.len()) == (first, length) => Ok(()),
                (got, bytes) => Err(shown_frame(got, &bytes)),
            },
            Pongs => {
                while self.starts_with(b"\x8a\0")? {
                    self.take(2)?;
                }
                Ok(())
            }
            All(count, seen) => (0..count).try_for_each(|_| self.see(seen, false)),
            Close(code) => match self.frame()? {
                (0x88, body) if body.starts_with(&code.to_be_bytes()) => Ok(()),
                (got, bytes) => Err(shown_frame(got, &bytes)),
            },
            BareClose => match self.frame()? {
                (0x88, body) if body.is_empty() => Ok(()),
                (got, bytes) => Err(shown_frame(got, &bytes)),
            },
            End => match self.fill() {
                Ok(()) => Err(shown(self.rest())),
                Err(why) if why == ENDED => Ok(()),
                Err(why) => Err(why),
            },
            Open => self.ask(),
            Later => self.await_speaker(),
        }
    }

    /// Reads more. The end of the connection is an error here.
    fn fill(&mut self) -> Result<(), String> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(format!("{ENDED}{}", shown(self.rest()))),
            Ok(count) => {
                self.read.drain(..std::mem::take(&mut self.seen));
                self.read.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) => Err(format!("{error}, behind{}", shown(self.rest()))),
        }
    }

    /// What was read and not looked at yet.
    fn rest(&self) -> &[u8] {
        &self.read[self.seen..]
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.rest().len() < length {
            self.fill()?;
        }
        let taken = self.rest()[..length].to_vec();
        self.seen += length;
        Ok(taken)
    }

    fn starts_with(&mut self, bytes: &[u8]) -> Result<bool, String> {
        while self.rest().len() < bytes.len() {
            self.fill()?;
        }
        Ok(self.rest().starts_with(bytes))
    }

    fn head(&mut self) -> Result<String, String> {
        loop {
            let end = self.rest().windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => {
                    let head = self.take(end + 4)?;
                    return String::from_utf8(head).map_err(|error| error.to_string());
                }
                None => self.fill()?,
            }
        }
    }

    fn answer(&mut self, status: u16, text: &str, last: bool) -> Result<(), String> {
        let mut answer = self.head()?;
        if !answer.starts_with(&format!("HTTP/1.1 {status} ")) {
            return Err(answer);
        }
        let closes = field(&answer, "Connection")
            .is_some_and(|value| value.split(", ").any(|option| option == "close"));
        if status >= 200 && closes != last {
            return Err(format!("an answer that closes: {closes}"));
        }
        let length = field(&answer, "Content-Length").map_or(Ok(0), str::parse);
        let body = self.take(length.map_err(|_| answer.clone())?)?;
        answer.push_str(&String::from_utf8_lossy(&body));
        match answer.contains(text) {
            true => Ok(()),
            false => Err(answer),
        }
    }

    fn stream(&mut self, text: &str) -> Result<(), String> {
        let head = self.head()?;
        if !head.starts_with("HTTP/1.1 200 ") || !head.contains("text/event-stream") {
            return Err(head);
        }
        loop {
            if String::from_utf8_lossy(self.rest()).contains(text) {
                self.seen = self.read.len();
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// The next frame. A server's are not masked.
    fn frame(&mut self) -> Result<(u8, Vec<u8>), String> {
        let start = self.take(2)?;
        let length = match start[1] {
            126 => self.take(2)?.iter().fold(0, place),
            127 => self.take(8)?.iter().fold(0, place),
            short => usize::from(short),
        };
        Ok((start[0], self.take(length)?))
    }

    /// Asks for something that everybody gets.
    fn ask(&mut self) -> Result<(), String> {
        self.await_speaker()?;
        if self.is_socket {
            self.send(b"\x89\x85\0\0\0\0still")?;
            self.see(&Pongs, false)?;
            return self.see(&Frame(0x8a, b"still"), false);
        }
        self.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
        self.see(&Answer(200, "home"), false)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = self.stream.write_all(bytes);
        sent.map_err(|error| format!("it could not send: {error}"))
    }
}

const ENDED: &str = "the connection ended";

/// A number in network order, byte by byte.
fn place(number: usize, byte: &u8) -> usize {
    number << 8 | usize::from(*byte)
}

fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(400)];
    match cut.is_empty() {
        true => String::new(),
        false => format!(" {:?}", String::from_utf8_lossy(cut)),
    }
}

fn shown_frame(first: u8, payload: &[u8]) -> String {
    format!("frame {first:02x}{}", shown(payload))
}
