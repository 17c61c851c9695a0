//! An open WebSocket, of a server or a client: what its handler sees, and the rules between its frames and the loop.
//!
//! The codec says what arrived; a [`Session`] adds the rules of a connection (RFC 6455 5.5 and 7): a ping is
//! answered, a close is answered and ends the connection, a violation ends it with the right code, and nothing is
//! sent after our close frame. It is the same for both roles but for two things: a client masks what it sends (5.3),
//! and leaves it to the server to close the connection first (7.1.1).

pub(crate) mod compression;
mod sender;
mod socket;

use std::ops::ControlFlow;
use std::time::Duration;

use compression::{Compression, Decode, Plain};
pub use sender::Sender;
pub(crate) use socket::Link;
pub use socket::Socket;
use socket::fitting;

use crate::net::Io;
use crate::random::Random;
use crate::ws::{self, Close, CloseCode, Event, MAX_CONTROL_PAYLOAD, Message, Role};

/// Pongs are made until so many bytes wait to be written, and then only for the newest ping (RFC 6455 5.5.3), however
/// much the peer may otherwise leave unread.
const PONGS: usize = 64 * 1024;

/// Answers are made until so many bytes wait to be written, and the rest of what was read waits until they are: a few bytes
/// may inflate to many messages, and a handler may answer each at length. As much as one read brings, so that no echo of
/// it waits.
const ANSWERS: usize = 1024 * 1024;

/// How long a session waits for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// See [`PING_INTERVAL`](crate::limits::PING_INTERVAL).
    pub(crate) ping_interval: Duration,
    /// See [`CLOSE_TIMEOUT`](crate::limits::CLOSE_TIMEOUT).
    pub(crate) close_timeout: Duration,
}

/// What the peer closed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) code: Option<CloseCode>,
    pub(crate) reason: Box<str>,
}

/// What waits for the peer, or for the loop. Seldom there, and so behind a pointer of one word.
#[derive(Debug, Default)]
struct Waiting {
    /// The newest ping that is not answered yet because the peer does not read, or because enough for one peer was
    /// answered since the last bytes came (RFC 6455 5.5.3: the newest is enough).
    pong: Option<Pong>,
    /// Input that was put off, and how much of it has been looked at since.
    input: Vec<u8>,
    at: usize,
}

/// The payload of a pong.
#[derive(Debug)]
struct Pong {
    length: u8,
    bytes: [u8; MAX_CONTROL_PAYLOAD],
}

impl Pong {
    fn new(payload: &[u8]) -> Pong {
        let mut bytes = [0; MAX_CONTROL_PAYLOAD];
        // The codec gives no ping longer than a pong may be.
        let length = payload.len().min(MAX_CONTROL_PAYLOAD);
        bytes[..length].copy_from_slice(&payload[..length]);
        Pong {
            length: length as u8,
            bytes,
        }
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// A WebSocket after its handshake.
#[derive(Debug)]
pub(crate) struct Session {
    decoder: ws::Decoder,
    pub(crate) link: Link,
    waiting: Option<Box<Waiting>>,
    /// What the peer's close frame said, once it has come.
    pub(crate) closed: Option<Box<Closed>>,
    /// How the peer broke the rules, if it did.
    pub(crate) violation: Option<ws::Error>,
    /// The peer's close frame came before ours went.
    yielded: bool,
    /// A whole ping or pong has come: what the peer sends does get here.
    pub(crate) heard: bool,
    /// Ping intervals since the peer was last heard.
    silent: u8,
    /// The peer's time to answer our close has begun.
    closing: bool,
}

impl Session {
    pub(crate) fn server() -> Session {
        Session::new(Role::Server, Link::default())
    }

    pub(crate) fn client() -> Session {
        Session::client_with(Random::new())
    }

    /// The same, with what was agreed on for compressed messages.
    pub(crate) fn compressed(mut self, compression: Option<Compression>) -> Session {
        self.link.compression = compression.map(Compression::kept);
        self
    }

    fn client_with(random: Random) -> Session {
        let mut link = Link::default();
        link.masks = Some(Box::new(random));
        Session::new(Role::Client, link)
    }

    fn new(role: Role, link: Link) -> Session {
        Session {
            decoder: ws::Decoder::new(role),
            link,
            waiting: None,
            closed: None,
            violation: None,
            yielded: false,
            heard: false,
            silent: 0,
            closing: false,
        }
    }

    /// Whether compressed messages were agreed on.
    pub(crate) fn is_compressed(&self) -> bool {
        self.link.compression.is_some()
    }

    /// Whether our close frame is out.
    pub(crate) fn is_closed(&self) -> bool {
        self.link.closed
    }

    /// Whether it was our side that wanted it to end, and not because of what the peer did.
    pub(crate) fn is_ended_by_us(&self) -> bool {
        self.link.closed && !self.yielded && self.violation.is_none() && !self.link.keyless
    }

    /// Whether it had to end because there is no randomness to mask frames with.
    pub(crate) fn is_keyless(&self) -> bool {
        self.link.keyless
    }

    /// Takes what arrived and hands each message to `deliver`, until that breaks or much waits to be written: then the rest
    /// of the input is put off ([`Session::puts_off`]), and the peer is not read from.
    pub(crate) fn receive(
        &mut self,
        input: &mut [u8],
        limits: &ws::Limits,
        patience: &Patience,
        io: &mut Io<'_>,
        deliver: impl FnMut(&mut Link, Message<'_>, &mut Io<'_>) -> ControlFlow<()>,
    ) {
        self.silent = 0;
        if self.puts_off() {
            self.put_off(input);
            return self.go_on(limits, patience, io, deliver);
        }
        let used = self.receive_with(input, limits, patience, io, deliver);
        if used < input.len() {
            self.put_off(&input[used..]);
            io.pause_reading(true);
        }
    }

    /// Goes on with the input that was put off, as far as `deliver` takes it.
    pub(crate) fn go_on(
        &mut self,
        limits: &ws::Limits,
        patience: &Patience,
        io: &mut Io<'_>,
        deliver: impl FnMut(&mut Link, Message<'_>, &mut Io<'_>) -> ControlFlow<()>,
    ) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        let (mut input, mut at) = (std::mem::take(&mut waiting.input), waiting.at);
        at += self.receive_with(&mut input[at..], limits, patience, io, deliver);
        if at >= input.len() - at {
            // The memory of what is done with goes back; each byte is moved about once for that.
            input = input.split_off(at);
            at = 0;
        }
        io.pause_reading(!input.is_empty());
        match &mut self.waiting {
            Some(waiting) => (waiting.input, waiting.at) = (input, at),
            None if input.is_empty() => {}
            // A pong that waited has gone out, and taken its place with it.
            None => {
                self.waiting = Some(Box::new(Waiting {
                    pong: None,
                    input,
                    at,
                }));
            }
        }
        self.waiting
            .take_if(|waiting| waiting.pong.is_none() && waiting.input.is_empty());
    }

    fn put_off(&mut self, input: &[u8]) {
        let waiting = self.waiting.get_or_insert_default();
        waiting.input.extend_from_slice(input);
    }

    /// Whether there is input to go on with: see [`Session::go_on`].
    pub(crate) fn puts_off(&self) -> bool {
        let waiting = self.waiting.as_ref();
        waiting.is_some_and(|waiting| !waiting.input.is_empty())
    }

    /// Takes input, and returns how much of it.
    fn receive_with(
        &mut self,
        input: &mut [u8],
        limits: &ws::Limits,
        patience: &Patience,
        io: &mut Io<'_>,
        deliver: impl FnMut(&mut Link, Message<'_>, &mut Io<'_>) -> ControlFlow<()>,
    ) -> usize {
        #[cfg(feature = "deflate")]
        if let Some(compression) = &mut self.link.compression {
            let mut inflating = compression.take_inflater();
            let used = self.receive_through(input, &mut inflating, limits, patience, io, deliver);
            if let Some(compression) = &mut self.link.compression {
                compression.put_inflater(inflating);
            }
            return used;
        }
        self.receive_through(input, &mut Plain, limits, patience, io, deliver)
    }

    /// Compiled once for connections with compressed messages and once for those without, so that these pay nothing.
    fn receive_through<D: Decode>(
        &mut self,
        input: &mut [u8],
        decode: &mut D,
        limits: &ws::Limits,
        patience: &Patience,
        io: &mut Io<'_>,
        mut deliver: impl FnMut(&mut Link, Message<'_>, &mut Io<'_>) -> ControlFlow<()>,
    ) -> usize {
        let Session {
            decoder,
            link,
            waiting,
            closed,
            violation,
            yielded,
            heard,
            ..
        } = self;
        let arrived = input.as_ptr_range();
        let mut at = 0;
        loop {
            let decoded = match decode.decode(decoder, &mut input[at..], limits) {
                Ok(decoded) => decoded,
                Err(error) => {
                    *violation = Some(error);
                    link.fail(error.close_code(), &error.to_string(), io);
                    return input.len();
                }
            };
            at += decoded.used;
            let mut flow = ControlFlow::Continue(());
            *heard |= matches!(decoded.event, Some(Event::Ping(_) | Event::Pong(_)));
            match decoded.event {
                None => break,
                Some(Event::Message(message)) if !link.closed => {
                    // One that lies neither here nor where it was inflated lies in the decoder, which gives it away.
                    let kept = !D::INFLATES && !arrived.contains(&message.as_bytes().as_ptr());
                    let offered = kept && io.out.offer(message.as_bytes());
                    flow = deliver(link, message, io);
                    if offered {
                        io.out.take_offered(|| decoder.take_message());
                    }
                }
                Some(Event::Ping(payload)) if io.backlog == 0 && io.out.len() < PONGS => {
                    link.pong(io.out, payload);
                }
                Some(Event::Ping(payload)) => {
                    waiting.get_or_insert_default().pong = Some(Pong::new(payload));
                }
                Some(Event::Message(_) | Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    *yielded = !link.closed;
                    let code = close.map(|close| close.code);
                    let reason = close.map_or("", |close| close.reason).into();
                    *closed = Some(Box::new(Closed { code, reason }));
                    // The answer carries the code that came (5.5.1 calls that typical).
                    link.close(io.out, code.map(|code| Close { code, reason: "" }));
                    if link.masks.is_none() {
                        io.close();
                        return input.len();
                    }
                }
            }
            if io.is_closing() {
                return input.len();
            }
            // At the end of the input there is nothing to put off, and the decoder is asked once more, so that it keeps
            // nothing.
            if (flow.is_break() || io.out.own_len() >= ANSWERS) && at < input.len() {
                break;
            }
        }
        if io.backlog == 0 {
            self.give_pong(io);
        }
        self.await_close(patience, io);
        at
    }

    /// The peer takes output again: the pong that waited goes out.
    pub(crate) fn resume(&mut self, io: &mut Io<'_>) {
        self.give_pong(io);
        self.end_if_keyless(io);
    }

    #[inline]
    fn give_pong(&mut self, io: &mut Io<'_>) {
        if self.waiting.is_some() {
            self.give_waiting_pong(io);
        }
    }

    fn give_waiting_pong(&mut self, io: &mut Io<'_>) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        let pong = waiting.pong.take();
        if waiting.input.is_empty() {
            self.waiting = None;
        }
        if let Some(pong) = pong {
            self.link.pong(io.out, pong.payload());
        }
    }

    /// A ping interval has passed, or the time for the peer to answer our close: the peer gets one
    /// more ping, or is given up.
    ///
    /// While it has not taken what was sent it gets no ping, and owes no sign of life: it may be busy with a large message
    /// on a slow line, and beyond the high-water mark what it says is not even read. Whether it takes anything is then the
    /// loop's to watch.
    pub(crate) fn tick(&mut self, patience: &Patience, io: &mut Io<'_>) {
        if self.link.closed {
            return io.abort();
        }
        if io.backlog == 0 {
            self.silent = self.silent.saturating_add(1);
            if self.silent > 2 {
                return io.abort();
            }
            if let Some(mask) = self.link.mask() {
                // An empty ping is always short enough.
                let _ = ws::write_ping(io.out.buffer(), b"", mask);
            }
        }
        io.set_deadline(patience.ping_interval);
        self.end_if_keyless(io);
    }

    /// Sends a message that came from elsewhere.
    pub(crate) fn send(&mut self, message: Message<'_>, io: &mut Io<'_>) {
        self.link.send(io.out, message);
        self.end_if_keyless(io);
    }

    /// A connection that can't be spoken on is of no use, and can't be told so.
    fn end_if_keyless(&self, io: &mut Io<'_>) {
        if self.link.keyless {
            io.abort();
        }
    }

    /// Begins the closing handshake.
    pub(crate) fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        patience: &Patience,
        io: &mut Io<'_>,
    ) {
        self.link.close(io.out, Some(fitting(code, reason)));
        self.await_close(patience, io);
    }

    /// Gives the peer its time to answer, once our close frame is out. What else it sends gives it no more.
    pub(crate) fn await_close(&mut self, patience: &Patience, io: &mut Io<'_>) {
        self.end_if_keyless(io);
        if self.link.closed && !self.closing && !io.is_closing() {
            self.closing = true;
            io.set_deadline(patience.close_timeout);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{ConnectionId, Flow, Now, Output};

    const PATIENCE: Patience = Patience {
        ping_interval: Duration::from_secs(30),
        close_timeout: Duration::from_secs(5),
    };

    // RFC 6455 10.3

    #[test]
    fn a_client_without_randomness_says_nothing_and_ends() {
        let ping = &mut [0x89, 0][..];
        let close = &mut [0x88, 2, 3, 0xE8][..];
        type Step<'s> = &'s mut dyn FnMut(&mut Session, &mut Io<'_>);
        let steps: [Step<'_>; 8] = [
            &mut |session, io| session.send(Message::Text("a"), io),
            &mut |session, io| {
                session
                    .link
                    .send_fragment(io.out, Message::Text("a"), false)
            },
            &mut |session, io| session.link.send_fragment(io.out, Message::Text("a"), true),
            &mut |session, io| session.close(CloseCode::NORMAL, "", &PATIENCE, io),
            &mut |session, io| session.link.fail(CloseCode::NORMAL, "", io),
            &mut |session, io| session.tick(&PATIENCE, io),
            &mut |session, io| {
                session.receive(ping, &ws::Limits::default(), &PATIENCE, io, |_, _, _| {
                    ControlFlow::Continue(())
                })
            },
            &mut |session, io| {
                session.receive(close, &ws::Limits::default(), &PATIENCE, io, |_, _, _| {
                    ControlFlow::Continue(())
                })
            },
        ];
        for step in steps {
            let mut session = Session::client_with(Random::dry());
            let (mut out, mut flow) = (Output::new(), Flow::new());
            let now = Now { ms: 0, unix_ms: 0 };
            let mut io = Io::new(ConnectionId::from_u64(0), now, &mut out, 0, &mut flow);
            step(&mut session, &mut io);
            // It stays that way if there is randomness again.
            session.link.masks = Some(Box::new(Random::new()));
            session.send(Message::Text("b"), &mut io);
            session.close(CloseCode::NORMAL, "", &PATIENCE, &mut io);
            assert!(io.is_closing() && session.is_keyless());
            assert!(out.is_empty());
        }
    }
}
