//! What the tests say things with. The parsers here are the tests' own, and strict: what they don't expect, they
//! panic on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use barewire::channel;
use barewire::limits::SlowReader;
pub use barewire::net::ConnectionId as Client;
pub use barewire::{Limits, Message, Response, Server, Simulation};

/// A server with these routes, and without sockets.
pub fn server(set_up: impl FnOnce(&mut Server)) -> Simulation {
    let mut server = Server::unbound().unwrap();
    set_up(&mut server);
    server.simulate()
}

/// Channels, a page, a handler that says what it was given, and an echo.
pub fn hub() -> Simulation {
    hub_with(Limits::default())
}

pub fn hub_with(limits: Limits) -> Simulation {
    server(|server| {
        server.limits(limits);
        routes(server);
    })
}

/// A hub whose channels retain so many messages.
pub fn retaining(messages: usize) -> Simulation {
    hub_with(retention_limits(messages))
}

pub fn ending_slow_readers(messages: usize) -> Simulation {
    hub_with(Limits {
        slow_reader: SlowReader::Close,
        ..retention_limits(messages)
    })
}

fn retention_limits(messages: usize) -> Limits {
    let retention = channel::Retention {
        messages,
        ..Default::default()
    };
    Limits {
        channels: channel::Limits {
            retention,
            ..Default::default()
        },
        ..Limits::default()
    }
}

pub fn routes(server: &mut Server) {
    server.get("/", |_, reply| reply.text("home"));
    server.post("/", |request, reply| {
        reply.send(Response::bytes("text/plain", request.body().to_vec()))
    });
    server.websocket("/echo", |socket, message| socket.send(message));
    server.channels("/channels/{name}");
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub const ONE_MS: Duration = Duration::from_millis(1);

/// A value that a hook writes and a test reads.
#[derive(Debug, Default)]
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(|error| error.into_inner()))
    }
}

impl<T> Shared<Vec<T>> {
    pub fn push(&self, value: T) {
        self.with(|values| values.push(value));
    }

    pub fn take(&self) -> Vec<T> {
        self.with(std::mem::take)
    }
}

/// Handlers that panic on purpose should not fill the output of the tests: their panics say "on purpose".
pub fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
                usual(info);
            }
        }));
    });
}

// Requests and answers

/// A request without a body: `request("GET /", "Accept: a\r\n")`.
pub fn request(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

pub fn get(path: &str) -> String {
    request(&format!("GET {path}"), "")
}

pub fn post(path: &str, body: &str) -> String {
    let length = format!("Content-Length: {}\r\n", body.len());
    request(&format!("POST {path}"), &length) + body
}

/// One answer, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The values of all fields of this name, joined as RFC 9110 5.3 lets them be.
    pub fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .head
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .filter(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// It says that the connection ends with it.
    pub fn closes(&self) -> bool {
        self.field("Connection")
            .is_some_and(|value| value.split(", ").any(|token| token == "close"))
    }
}

/// Takes the first answer off `bytes`. `head_only`: it answers HEAD.
pub fn answer(bytes: &[u8], head_only: bool) -> (Answer, &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no whole head in {text:?}"));
    let head = std::str::from_utf8(&bytes[..end]).unwrap().to_owned();
    let rest = &bytes[end + 4..];
    let status_line = head.split("\r\n").next().unwrap();
    let status: u16 = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|line| line.get(..3))
        .unwrap_or_else(|| panic!("no status line in {text:?}"))
        .parse()
        .unwrap();
    let mut answer = Answer {
        status,
        head,
        body: Vec::new(),
    };
    let length = answer.field("Content-Length");
    let chunked = answer.field("Transfer-Encoding");
    assert!(length.is_none() || chunked.is_none(), "{text:?}");
    if (100..200).contains(&status) || status == 204 || status == 304 {
        assert!(length.is_none() && chunked.is_none(), "{text:?}");
        return (answer, rest);
    }
    if head_only {
        return (answer, rest);
    }
    match (length, chunked.as_deref()) {
        (Some(length), _) => {
            let length: usize = length.parse().unwrap();
            assert!(rest.len() >= length, "cut body in {text:?}");
            answer.body = rest[..length].to_vec();
            (answer, &rest[length..])
        }
        (None, Some("chunked")) => {
            let (body, rest) = unchunk(rest);
            answer.body = body;
            let rest = rest.unwrap_or_else(|| panic!("no last chunk in {text:?}"));
            (answer, rest)
        }
        (None, None) => {
            answer.body = rest.to_vec();
            (answer, &[])
        }
        (None, Some(_)) => panic!("an unknown coding in {text:?}"),
    }
}

/// All answers in `bytes`, none of them to HEAD.
pub fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (answer, rest) = answer(bytes, false);
        answers.push(answer);
        bytes = rest;
    }
    answers
}

pub fn statuses(bytes: &[u8]) -> Vec<u16> {
    answers(bytes).iter().map(|answer| answer.status).collect()
}

/// The data of whole chunks, and what follows the last chunk, if it is there.
pub fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
    let mut data = Vec::new();
    loop {
        if bytes.is_empty() {
            return (data, None);
        }
        let line = bytes
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .expect("a chunk line");
        let size = std::str::from_utf8(&bytes[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        let (chunk, rest) = bytes[line + 2..].split_at(size);
        data.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n").expect("CRLF behind a chunk");
        if size == 0 {
            return (data, Some(bytes));
        }
    }
}

/// What the server sends, without the line that depends on the clock.
pub fn dateless(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut out = String::new();
    for line in text.split_inclusive("\r\n") {
        match line.strip_prefix("Date: ") {
            // RFC 9110 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT
            Some(date) => assert_eq!((date.len(), &date[25..]), (31, " GMT\r\n"), "{date}"),
            None => out.push_str(line),
        }
    }
    out
}

/// Sends on a connection of its own and expects one answer.
pub fn ask(server: &mut Simulation, request: &str) -> Answer {
    let client = server.connect();
    ask_on(server, client, request)
}

/// Sends and expects one answer.
pub fn ask_on(server: &mut Simulation, client: Client, request: &str) -> Answer {
    let mut answers = talk(server, client, request.as_bytes());
    assert_eq!(answers.len(), 1, "{request:?} got {answers:?}");
    answers.remove(0)
}

/// Sends, and takes all answers apart that come.
pub fn talk(server: &mut Simulation, client: Client, request: &[u8]) -> Vec<Answer> {
    server.send(client, request);
    answers(&server.take(client))
}

/// Publishes text and says what id it got.
pub fn publish(server: &mut Simulation, channel: &str, text: &str) -> String {
    let answer = ask(server, &post(&format!("/channels/{channel}"), text));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
        .text()
        .strip_prefix("{\"id\":\"")
        .and_then(|rest| rest.strip_suffix("\"}"))
        .expect("an id")
        .to_owned()
}

/// A batch of messages with the default event name, as a poll gets it.
pub fn batch(messages: &[(&str, &str)], last_id: &str) -> String {
    let objects: Vec<String> = messages.iter().map(|(id, data)| object(id, data)).collect();
    format!(
        "{{\"events\":[{}],\"last_id\":\"{last_id}\"}}",
        objects.join(",")
    )
}

pub fn object(id: &str, data: &str) -> String {
    format!("{{\"id\":\"{id}\",\"event\":\"message\",\"data\":\"{data}\"}}")
}

// WebSocket

/// The key of RFC 6455 1.3, and what it is answered with.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A handshake as RFC 6455 1.2 shows it.
pub fn upgrade(path: &str, fields: &str) -> String {
    request(
        &format!("GET {path}"),
        &format!(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {KEY}\r\n{fields}"
        ),
    )
}

/// Opens a WebSocket. Frames that come with the answer are left to be taken by nobody: see [`open_with`].
pub fn open(server: &mut Simulation, path: &str) -> Client {
    let (client, frames) = open_with(server, path, "");
    assert!(frames.is_empty(), "{frames:?}");
    client
}

/// Opens a WebSocket, and says which frames came with the answer.
pub fn open_with(server: &mut Simulation, path: &str, fields: &str) -> (Client, Vec<Frame>) {
    let client = server.connect();
    server.send(client, upgrade(path, fields).as_bytes());
    let bytes = server.take(client);
    let (answer, rest) = answer(&bytes, false);
    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(
        answer.field("Sec-WebSocket-Accept").as_deref(),
        Some(ACCEPT)
    );
    (client, frames(rest))
}

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// A frame as a server sends it: its first byte and its payload.
pub type Frame = (u8, Vec<u8>);

/// A frame as a client sends it (RFC 6455 5.2), with the masking key of 5.7.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let payload = payload.as_ref();
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&KEY);
    let masked = payload.iter().zip(KEY.iter().cycle());
    bytes.extend(masked.map(|(byte, key)| byte ^ key));
    bytes
}

/// A close frame as a client sends it.
pub fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Whole frames of a server: unmasked, without reserved bits, lengths in their shortest form.
pub fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let first = bytes[0];
        assert_eq!(first & 0x70, 0, "reserved bits");
        assert!(bytes[1] < 0x80, "a masked frame");
        let (length, header) = match bytes[1] {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 => (
                u64::from_be_bytes(bytes[2..10].try_into().unwrap()) as usize,
                10,
            ),
            length => (usize::from(length), 2),
        };
        let shortest = match length {
            0..126 => 2,
            126..0x1_0000 => 4,
            _ => 10,
        };
        assert_eq!(header, shortest, "a length in too many bytes");
        assert!(bytes.len() >= header + length, "a frame is cut");
        frames.push((first, bytes[header..header + length].to_vec()));
        bytes = &bytes[header + length..];
    }
    frames
}

pub fn text(payload: &str) -> Frame {
    (TEXT, payload.as_bytes().to_vec())
}

/// Sends frames and takes those that come back.
pub fn converse(server: &mut Simulation, client: Client, sent: &[u8]) -> Vec<Frame> {
    server.send(client, sent);
    frames(&server.take(client))
}

/// The code and the reason of a close frame, which must be the only frame.
pub fn closed(frames: &[Frame]) -> (u16, String) {
    let [(CLOSE, payload)] = frames else {
        panic!("not one close frame: {frames:?}")
    };
    let code = u16::from_be_bytes([payload[0], payload[1]]);
    (code, String::from_utf8(payload[2..].to_vec()).unwrap())
}

// Event streams

/// Begins to read an event stream and gives what its body holds so far.
pub fn listen(server: &mut Simulation, path: &str, fields: &str) -> (Client, String) {
    let client = server.connect();
    let accept = format!("Accept: text/event-stream\r\n{fields}");
    server.send(client, request(&format!("GET {path}"), &accept).as_bytes());
    let bytes = server.take(client);
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Type: text/event-stream"), "{head}");
    (client, streamed(&bytes[end + 4..]))
}

/// The text in whole chunks of a stream that goes on.
pub fn streamed(bytes: &[u8]) -> String {
    let (data, end) = unchunk(bytes);
    assert_eq!(end, None, "the stream has ended");
    String::from_utf8(data).unwrap()
}

pub fn take_streamed(server: &mut Simulation, client: Client) -> String {
    streamed(&server.take(client))
}
