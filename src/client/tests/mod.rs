//! Clients without sockets: the server's bytes are written out, and time passes when it is told to.

#[cfg(feature = "deflate")]
mod compression;
mod cuts;
mod falling_back;
mod insistence;
mod oversized;
mod polls;
mod publishing;
mod sockets;
mod streams;
mod waits;

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::dialer::Dialed;
use super::{ClientId, Closed, Connect, Dialer, Error, Subscribe, Transport, Update};
use crate::limits::Limits;
use crate::net::{ConnectionId, Dial, Flow, Io, Loop, Now, Output, Protocol};
use crate::ws::{self, Message};

const URL: &str = "http://127.0.0.1:9000/channels/a";

/// What a client was told, as its handler saw it.
#[derive(Debug)]
struct Told<T>(Arc<Mutex<Vec<T>>>);

impl<T> Told<T> {
    fn new() -> Told<T> {
        Told(Arc::new(Mutex::new(Vec::new())))
    }

    fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The clients of a loop, and what is outside of them.
struct World {
    clients: Dialer,
    now: Now,
    /// Connections that were asked for and are not made yet.
    dials: Vec<Dial<Dialed>>,
    line: Option<Line>,
    generation: u32,
    /// What the client has sent since it was last taken.
    sent: Vec<u8>,
    /// How often a connection was made.
    connections: usize,
}

/// A connection that stands.
struct Line {
    id: ConnectionId,
    dialed: Dialed,
    flow: Flow,
}

impl World {
    fn new() -> World {
        let limits = Limits::default().net_limits();
        let event_loop = Loop::new(limits, 100, Dialer::new).unwrap();
        World {
            clients: event_loop.into_protocol(),
            now: Now {
                ms: 1_000,
                unix_ms: 0,
            },
            dials: Vec::new(),
            line: None,
            generation: 0,
            sent: Vec::new(),
            connections: 0,
        }
    }

    /// A world with one subscription, which has asked for its connection.
    fn following(subscribe: Subscribe) -> (World, Told<Update>, ClientId) {
        let (mut world, told) = (World::new(), Told::new());
        let into = Arc::clone(&told.0);
        let handler = Box::new(move |update| into.lock().unwrap().push(update));
        let id = world.clients.subscribe(subscribe, handler).unwrap();
        world.tick();
        (world, told, id)
    }

    /// A subscription that goes only this way.
    fn by(transport: Transport) -> (World, Told<Update>, ClientId) {
        World::following(Subscribe::to(URL).transport(transport))
    }

    /// A world with one WebSocket that echoes, which has asked for its connection.
    fn connecting(connect: Connect) -> (World, Told<Closed>, ClientId) {
        let (mut world, told) = (World::new(), Told::new());
        let into = Arc::clone(&told.0);
        let connect = connect.on_close(move |over| into.lock().unwrap().push(over));
        let id = world
            .clients
            .connect(connect, Box::new(|socket, message| socket.send(message)))
            .unwrap();
        world.tick();
        (world, told, id)
    }

    fn tick(&mut self) {
        self.clients.tick(self.now);
        self.clients.take_dials(&mut self.dials);
        let mut woken = Vec::new();
        self.clients.take_woken(self.now, &mut woken);
        let line = self.line.as_ref().map(|line| line.id.to_u64());
        if line.is_some_and(|line| woken.contains(&line)) {
            self.call(|clients, dialed, io| clients.resumed(dialed, io));
        }
    }

    fn is_dialing(&self) -> bool {
        !self.dials.is_empty()
    }

    /// Makes the connection that was asked for. Returns what the client says first.
    fn accept(&mut self) -> String {
        assert!(self.line.is_none(), "one connection at a time");
        let Dial {
            connection: dialed, ..
        } = self.dials.remove(0);
        self.connections += 1;
        self.generation += 1;
        let id = ConnectionId::from_u64(u64::from(self.generation) << 32);
        let flow = Flow::new();
        self.line = Some(Line { id, dialed, flow });
        self.call(|clients, dialed, io| clients.dialed(dialed, io));
        self.said()
    }

    /// Does not make the connection that was asked for.
    fn refuse(&mut self, error: ErrorKind) {
        let mut dial = self.dials.remove(0);
        self.clients.on_error(&mut dial.connection, error);
        let id = ConnectionId::from_u64(u64::MAX);
        self.clients.closed(id, dial.connection, self.now);
        self.clients.take_dials(&mut self.dials);
    }

    fn call(&mut self, call: impl FnOnce(&mut Dialer, &mut Dialed, &mut Io<'_>)) {
        let Some(line) = &mut self.line else { return };
        if line.flow.closing || line.flow.aborted {
            return;
        }
        let mut out = Output::new();
        let mut io = Io::new(line.id, self.now, &mut out, 0, &mut line.flow);
        call(&mut self.clients, &mut line.dialed, &mut io);
        if !line.flow.aborted {
            self.sent.extend_from_slice(out.buffer());
        }
        if line.flow.closing || line.flow.aborted {
            self.gone();
        }
    }

    fn gone(&mut self) {
        if let Some(line) = self.line.take() {
            self.clients.closed(line.id, line.dialed, self.now);
            self.tick();
        }
    }

    /// The server says this.
    fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let mut bytes = bytes.as_ref().to_vec();
        self.call(|clients, dialed, io| clients.received(dialed, &mut bytes, io));
    }

    /// The server closes the connection.
    fn end(&mut self) {
        self.call(|clients, dialed, io| clients.ended(dialed, io));
        self.gone();
    }

    /// The connection breaks.
    fn reset(&mut self) {
        if let Some(line) = &mut self.line {
            self.clients
                .on_error(&mut line.dialed, ErrorKind::ConnectionReset);
        }
        self.gone();
    }

    /// What the client has sent, as text.
    fn said(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.sent)).into_owned()
    }

    /// The messages, pings and closes that the client has sent, and the masking keys of their frames.
    fn frames(&mut self) -> (Vec<String>, Vec<[u8; 4]>) {
        let mut bytes = std::mem::take(&mut self.sent);
        let mut keys = Vec::new();
        let mut rest = &bytes[..];
        while let [_, length, ..] = rest {
            assert!(length & 0x80 != 0 && length & 0x7F < 126, "a masked frame");
            keys.push(rest[2..6].try_into().unwrap());
            rest = &rest[6 + usize::from(length & 0x7F)..];
        }
        let mut decoder = ws::Decoder::new(ws::Role::Server);
        let (mut at, mut said) = (0, Vec::new());
        loop {
            let decoded = decoder
                .decode(&mut bytes[at..], &ws::Limits::default())
                .unwrap();
            at += decoded.used;
            match decoded.event {
                None => return (said, keys),
                Some(ws::Event::Message(message)) => {
                    said.push(String::from_utf8_lossy(message.as_bytes()).into_owned());
                }
                Some(ws::Event::Close(close)) => {
                    said.push(format!(
                        "close {:?}",
                        close.map(|close| close.code.as_u16())
                    ));
                }
                Some(ws::Event::Ping(_)) => said.push("ping".into()),
                Some(ws::Event::Pong(_)) => said.push("pong".into()),
            }
        }
    }

    /// Lets this time pass, with every deadline in it at its time.
    fn pass(&mut self, time: Duration) {
        let end = self.now.ms + time.as_millis() as u64;
        loop {
            let deadline = self.line.as_ref().map_or(u64::MAX, |l| l.flow.deadline);
            let due = deadline.min(self.clients.due()).max(self.now.ms);
            if due > end {
                break;
            }
            self.now.ms = due;
            if deadline <= due {
                if let Some(line) = &mut self.line {
                    line.flow.deadline = u64::MAX;
                }
                self.call(|clients, dialed, io| clients.expired(dialed, io));
            }
            self.tick();
            if self.is_dialing() || !self.sent.is_empty() {
                // The world has something to do. The test goes on from here.
                return;
            }
        }
        self.now.ms = end;
    }

    /// As [`World::pass`], until the client connects or says something. Says how long that took.
    fn rest(&mut self) -> Duration {
        let before = self.now.ms;
        if !self.is_dialing() && self.sent.is_empty() {
            self.pass(Duration::from_secs(100_000));
        }
        Duration::from_millis(self.now.ms - before)
    }

    /// Answers every connection the same way for a minute; says how many there were.
    fn insist(&mut self, answer: &str) -> usize {
        let (end, before) = (self.now.ms + 60_000, self.connections);
        while self.now.ms < end && self.connections - before < 10_000 {
            if self.is_dialing() {
                self.accept();
            }
            self.sent.clear();
            if self.line.is_some() {
                self.say(answer);
            }
            if !self.is_dialing() {
                self.pass(Duration::from_millis(end - self.now.ms));
            }
            if self.is_over() {
                break;
            }
        }
        self.connections - before
    }

    fn is_over(&self) -> bool {
        self.clients.len() == 0
    }

    fn quit(&mut self, id: ClientId) {
        if self.clients.quit(id, self.now).is_some() {
            self.call(|clients, dialed, io| {
                clients.on_letter(dialed, crate::command::Letter::Quit, io);
            });
        }
        self.tick();
    }
}

/// An answer with a body of known length.
fn answer(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

fn batch(body: &str) -> String {
    answer("200 OK", "Content-Type: application/json\r\n", body)
}

/// A batch of messages whose ids are `<n>-0`, and whose data is their number.
fn messages(numbers: impl IntoIterator<Item = u64>) -> String {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    let events: Vec<String> = numbers.iter().map(|n| envelope(*n)).collect();
    let last = numbers.last().unwrap();
    batch(&format!(
        r#"{{"events":[{}],"last_id":"{last}-0"}}"#,
        events.join(",")
    ))
}

fn envelope(number: u64) -> String {
    format!(r#"{{"id":"{number}-0","event":"message","data":"{number}"}}"#)
}

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const NOTHING: &str = "HTTP/1.1 204 No Content\r\nLast-Event-ID: 7-0\r\n\r\n";
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";

/// The answer that opens a WebSocket for this request.
fn switching(request: &str) -> String {
    let (_, key) = request.split_once("Sec-WebSocket-Key: ").unwrap();
    let accept = ws::handshake::accept_key(&key.as_bytes()[..24]);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        std::str::from_utf8(&accept).unwrap()
    )
}

/// A server's text frame.
fn frame(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ws::write_message(&mut out, Message::Text(text), None);
    out
}

fn close_frame(code: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let code = ws::CloseCode::new(code).unwrap();
    ws::write_close(&mut out, ws::Close::new(code, "bye").ok(), None);
    out
}

/// The data of the events among these updates.
fn data(updates: &[Update]) -> Vec<String> {
    let event = |update: &Update| match update {
        Update::Event(event) if event.is_gap() => Some("gap".to_owned()),
        Update::Event(event) => Some(event.data().into_owned()),
        _ => None,
    };
    updates.iter().filter_map(event).collect()
}

fn events(updates: &[Update]) -> Vec<&crate::client::Event> {
    let events = updates.iter().filter_map(|update| match update {
        Update::Event(event) => Some(event),
        _ => None,
    });
    events.collect()
}

fn lost(updates: &[Update]) -> Vec<&Error> {
    let lost = updates.iter().filter_map(|update| match update {
        Update::Lost { error, .. } => Some(error),
        _ => None,
    });
    lost.collect()
}

fn ended(updates: &[Update]) -> Vec<Option<&Error>> {
    let ended = updates.iter().filter_map(|update| match update {
        Update::Ended(error) => Some(error.as_ref()),
        _ => None,
    });
    ended.collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
