//! A whole server, simulated: routes, promises, streams, an echo and channels; clients that send anything.
//!
//! ```text
//!   setting, how to cut, then bytes for the client in turn, and between them steps:
//!
//!   FF FE '0'..'3'  another client is in turn; it connects if it has not
//!   FF FE '|'       what was sent so far arrives; without it, it arrives before the next step
//!   FF FE 'w' N     2^N milliseconds pass                 FF FE 's' N   the client stops reading after N bytes
//!   FF FE 'e'       the client closes its half            FF FE 'r'     it reads again
//!   FF FE 'k'       promised answers are given            FF FE 'p'     streams get a piece
//!   FF FE 'd'       promises and streams are dropped      FF FE 'x'     the server is told to shut down
//! ```
//!
//! Laws:
//! - what each client gets is valid: see `answers`;
//! - a connection that is open has a deadline, unless a handler owes it an answer;
//! - who falls silent is let go in the end, except from an event stream; after a shutdown, from everything;
//! - the same bytes cut differently get the same answers (a setting; without steps, which depend on the moment);
//! - whatever has happened, a client that comes now can publish and poll.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barewire::net::ConnectionId;
use barewire::{Error, Later, Limits, Message, Response, Server, Simulation, Stream};

use super::answers::{Answer, Output};
use super::choice::{Choices, cuts, uncut};
use super::messages::poll;
use super::ws_decoder::Seen;

/// A channel that no client of an input comes upon.
const OURS: &str = "/channels/one-that-nobody-else-reads-or-writes";

/// What handlers have promised and not given.
#[derive(Default)]
struct Owed {
    answers: Vec<Later>,
    streams: Vec<Stream>,
}

impl Owed {
    fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.streams.is_empty()
    }
}

struct Client {
    id: ConnectionId,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// It does not read. What ends a connection then is the loop's stall timeout, which a simulation does not have.
    stalled: bool,
}

struct World {
    server: Simulation,
    limits: Limits,
    owed: Arc<Mutex<Owed>>,
    panicked: Arc<AtomicBool>,
    clients: [Option<Client>; 4],
    stopped: bool,
}

pub fn check(input: &[u8]) {
    let mut choices = Choices::of(input);
    let (setting, cut) = (choices.byte(), choices.byte());
    if setting & 1 == 0 {
        check_steps(choices.rest(), setting);
    } else {
        check_cut(choices.rest(), setting, cut);
    }
}

fn limits(setting: u8) -> Limits {
    let mut limits = Limits::default();
    if setting & 2 != 0 {
        limits.head = 1024;
        limits.fields = 12;
        limits.target = 128;
        limits.body = 512;
        limits.message = 512;
        limits.frame = 256;
        limits.fragments = 8;
    }
    if setting & 4 != 0 {
        limits.high_water = 256;
        // Evictions depend on when readers read.
        if setting & 1 == 0 {
            limits.channels.retention.messages = 4;
        }
    }
    limits
}

/// The server of this target by itself, for one that talks to it in another way.
#[cfg(feature = "tls")]
pub(crate) fn server(setting: u8) -> Simulation {
    World::new(setting).server
}

/// Small messages too, so that compressing is often tried.
#[cfg(feature = "deflate")]
fn deflate(setting: u8) -> barewire::Deflate {
    barewire::Deflate {
        level: setting >> 6,
        threshold: if setting & 8 != 0 { 0 } else { 256 },
        takeover: setting & 16 != 0,
        peer_takeover: setting & 32 != 0,
        ..barewire::Deflate::default()
    }
}

/// Part of a script: bytes, or a step and its number.
enum Part<'i> {
    Bytes(&'i [u8]),
    Step(u8, u8),
}

fn parts(mut script: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    loop {
        let mark = script.windows(2).position(|pair| pair == [0xFF, 0xFE]);
        let (bytes, rest) = script.split_at(mark.unwrap_or(script.len()));
        if !bytes.is_empty() {
            parts.push(Part::Bytes(bytes));
        }
        script = match rest {
            [_, _, step @ (b'w' | b's'), number, rest @ ..] => {
                parts.push(Part::Step(*step, *number));
                rest
            }
            [_, _, step, rest @ ..] => {
                parts.push(Part::Step(*step, 0));
                rest
            }
            _ => return parts,
        };
    }
}

impl World {
    fn new(setting: u8) -> World {
        let limits = limits(setting);
        let owed = Arc::<Mutex<Owed>>::default();
        let panicked = Arc::<AtomicBool>::default();
        let mut server = Server::unbound().expect("the system has descriptors");
        server.limits(limits.clone());
        #[cfg(feature = "deflate")]
        server.deflate(deflate(setting));
        server.on_error({
            let panicked = Arc::clone(&panicked);
            move |error| {
                if !matches!(error, Error::Response { .. }) {
                    panicked.store(true, Ordering::Relaxed);
                }
            }
        });
        add_routes(&mut server, &owed, setting & 1 == 0);
        let mut server = server.simulate();
        // So that the first id of every channel has the sequence number 0.
        server.wait(Duration::from_millis(1));
        World {
            server,
            limits,
            owed,
            panicked,
            clients: Default::default(),
            stopped: false,
        }
    }

    fn client(&mut self, at: usize) -> &mut Client {
        let server = &mut self.server;
        self.clients[at].get_or_insert_with(|| Client {
            id: server.connect(),
            sent: Vec::new(),
            received: Vec::new(),
            stalled: false,
        })
    }

    fn send(&mut self, at: usize, bytes: &[u8]) {
        let client = self.client(at);
        client.sent.extend_from_slice(bytes);
        let id = client.id;
        self.server.send(id, bytes);
    }

    fn step(&mut self, in_turn: usize, step: u8, number: u8) {
        let id = self.client(in_turn).id;
        match step {
            b'w' => self.server.wait(Duration::from_millis(1 << (number % 20))),
            b's' => {
                self.client(in_turn).stalled = true;
                self.server.stall(id, number.into());
            }
            b'r' => {
                self.client(in_turn).stalled = false;
                self.server.resume(id);
            }
            b'e' => self.server.end(id),
            b'x' => {
                self.stopped = true;
                self.server.stop();
            }
            b'k' => {
                let answers = std::mem::take(&mut self.owed().answers);
                for later in answers {
                    let _ = later.send(Response::text("as promised"));
                }
            }
            b'p' => {
                for stream in &self.owed().streams {
                    let _ = stream.write("piece");
                }
            }
            b'd' => *self.owed() = Owed::default(),
            _ => {}
        }
        // What went into the mailbox arrives.
        self.server.wait(Duration::ZERO);
    }

    fn owed(&self) -> std::sync::MutexGuard<'_, Owed> {
        self.owed.lock().expect("no handler panics")
    }

    /// Takes what was sent to the clients, and looks at their deadlines.
    fn look(&mut self) {
        let owes = !self.owed().is_empty();
        for client in self.clients.iter_mut().flatten() {
            client.received.extend(self.server.take(client.id));
            let open = self.server.is_open(client.id);
            let deadline = self.server.deadline(client.id);
            assert!(
                !open || owes || client.stalled || deadline.is_some(),
                "nothing ends this connection"
            );
        }
        assert!(!self.panicked.load(Ordering::Relaxed), "a handler failed");
    }

    /// The end of every script: all read, handlers keep their promises, and time passes.
    fn finish(&mut self) {
        for at in 0..self.clients.len() {
            if let Some(client) = &mut self.clients[at] {
                client.stalled = false;
                self.server.resume(client.id);
            }
        }
        // An answer may be the first of several that were asked for.
        while !self.owed().is_empty() {
            *self.owed() = Owed::default();
            self.server.wait(Duration::ZERO);
        }
        self.look();
        // Longer than any of the limits, twice; and for each request that lies behind others, as long as a poll waits.
        let requests = self.clients.iter().flatten().map(|client| {
            let ends = client.sent.windows(4).filter(|end| end == b"\r\n\r\n");
            ends.count() as u64
        });
        let polls = self.limits.wait * requests.max().unwrap_or(0) as u32;
        self.server.wait(Duration::from_secs(600) + polls);
        self.look();
        for client in self.clients.iter().flatten() {
            let output = Output::read(&client.sent, &client.received, &self.limits);
            let stream = output.answers.last().is_some_and(Answer::is_event_stream);
            let open = self.server.is_open(client.id);
            assert!(!open || (stream && !self.stopped), "{output:?} is kept");
        }
    }

    /// A client that behaves publishes, and reads what it has published. Says the id.
    fn publish_and_poll(&mut self) -> String {
        let message = b"well behaved";
        let request = format!(
            "POST {OURS} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            message.len()
        );
        let answer = self.ask(&[request.as_bytes(), message].concat());
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = super::json::Value::parse(&answer.body)
            .text("id")
            .to_owned();
        let answer = self.ask(format!("GET {OURS} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let poll = poll(&answer.body);
        assert_eq!(poll.batch.last_id.to_string(), id);
        assert_eq!(poll.events.last().map(|got| &*got.data), Some(&message[..]));
        id
    }

    fn ask(&mut self, request: &[u8]) -> Answer {
        let id = self.server.connect();
        self.server.send(id, request);
        let received = self.server.take(id);
        let mut output = Output::read(request, &received, &self.limits);
        assert_eq!(
            output.answers.len(),
            1,
            "{:?}",
            String::from_utf8_lossy(&received)
        );
        output.answers.remove(0)
    }
}

fn add_routes(server: &mut Server, owed: &Arc<Mutex<Owed>>, steps: bool) {
    server.get("/", |_, reply| reply.text("hello"));
    server.post("/echo", |request, reply| {
        reply.send(Response::bytes(
            "application/octet-stream",
            request.body().to_vec(),
        ));
    });
    server.get("/field/{value}", |request, reply| {
        let value = request.param("value").unwrap_or_default();
        reply.send(Response::json("{}").header("X-Value", &value).status(202));
    });
    server.get("/status/{code}", |request, reply| {
        let code = request.param("code").and_then(|code| code.parse().ok());
        reply.status(code.unwrap_or(404));
    });
    server.post("/now", |_, reply| {
        let _ = reply.later().send(Response::text("now"));
    });
    server.get("/later", {
        let owed = Arc::clone(owed);
        move |_, reply| {
            owed.lock()
                .expect("no handler panics")
                .answers
                .push(reply.later())
        }
    });
    server.get("/stream", {
        let owed = Arc::clone(owed);
        move |_, reply| {
            let stream = reply.stream("text/plain");
            let _ = stream.write("first");
            owed.lock().expect("no handler panics").streams.push(stream);
        }
    });
    server.get("/events", |_, reply| {
        let _ = reply
            .events()
            .send(&barewire::sse::Event::message("one\ntwo"));
    });
    let echo = server.websocket("/ws", move |socket, message| match message {
        Message::Text("close") => {
            socket.close(barewire::ws::CloseCode::NORMAL, "as you like");
            socket.send("nothing follows a close");
            socket.send_fragment("nor this", false);
        }
        Message::Text("parts") => {
            socket.send_fragment("pa", false);
            socket.send_fragment("rts", true);
        }
        Message::Text("begin") => socket.send_fragment("begun", false),
        // When it arrives depends on the cut.
        Message::Text("later") if steps => {
            let _ = socket.sender().send("later");
        }
        message => socket.send(message),
    });
    echo.protocols(&["chat", "raw"]);
    echo.on_open(|socket, request| {
        if let Some(greeting) = request.query("greeting") {
            socket.send(&*greeting);
        }
    });
    server.channels("/channels/{name}");
}

fn check_steps(script: &[u8], setting: u8) {
    let mut world = World::new(setting);
    let mut in_turn = 0;
    for part in parts(script) {
        match part {
            Part::Bytes(bytes) => world.send(in_turn, bytes),
            Part::Step(step @ b'0'..=b'3', _) => {
                let other = usize::from(step - b'0');
                // Nobody is let in any more behind a shutdown.
                if !world.stopped || world.clients[other].is_some() {
                    in_turn = other;
                }
            }
            Part::Step(step, number) => world.step(in_turn, step, number),
        }
        world.look();
    }
    world.finish();
    world.publish_and_poll();
}

fn check_cut(script: &[u8], setting: u8, cut: u8) {
    let bytes: Vec<u8> = parts(script)
        .into_iter()
        .flat_map(|part| match part {
            Part::Bytes(bytes) => bytes,
            Part::Step(..) => &[],
        })
        .copied()
        .collect();
    let whole = serve(&bytes, setting, &uncut(bytes.len()));
    let pieces = serve(&bytes, setting, &cuts(bytes.len(), cut));
    assert_eq!(pieces.0.answers, whole.0.answers);
    assert_eq!(pieces.0.control, whole.0.control);
    assert_eq!(
        (pieces.1, pieces.2),
        (whole.1, whole.2),
        "open, and until when"
    );
    // Who publishes and closes in one breath may not hear itself.
    let heard = pieces.0.data.len().min(whole.0.data.len());
    assert_eq!(pieces.0.data[..heard], whole.0.data[..heard]);
    let closed = whole
        .0
        .control
        .iter()
        .any(|frame| matches!(frame, Seen::Close(_)));
    assert!(closed || pieces.0.data.len() == whole.0.data.len());
}

/// What a client gets for these bytes, whether it is still connected, and its next deadline.
fn serve(bytes: &[u8], setting: u8, pieces: &[Range<usize>]) -> (Output, bool, Option<Duration>) {
    let mut world = World::new(setting);
    let id = world.publish_and_poll();
    let birth = id
        .split_once('-')
        .and_then(|(ms, _)| ms.parse().ok())
        .expect("an id");
    world.client(0);
    for piece in pieces {
        world.send(0, &bytes[piece.clone()]);
    }
    world.look();
    let client = world.clients[0].take().expect("it has connected");
    // Two servers begin at two moments.
    let output = Output::read(&client.sent, &client.received, &world.limits).without_time(birth);
    let (open, deadline) = (
        world.server.is_open(client.id),
        world.server.deadline(client.id),
    );
    (output, open, deadline)
}
