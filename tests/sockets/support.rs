//! Servers in threads, and clients in plain Rust.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use barewire::{Publisher, Server, Stopper};
use tungstenite::protocol::{Role, WebSocket};

/// How long a test waits for what has to come. Long enough for a machine that has a lot else to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs in a thread of its own until the test ends.
pub struct Running {
    pub address: SocketAddr,
    pub publisher: Publisher,
    pub stopper: Stopper,
    thread: Option<JoinHandle<barewire::Result<()>>>,
}

impl Running {
    pub fn start(configure: impl FnOnce(&mut Server)) -> Running {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        configure(&mut server);
        Running {
            address: server.local_addr().unwrap(),
            publisher: server.publisher(),
            stopper: server.stopper(),
            thread: Some(std::thread::spawn(move || server.run())),
        }
    }

    /// An echo at `/echo` and channels at `/channels/{name}`.
    pub fn usual() -> Running {
        Running::start(usual)
    }

    /// Waits until the server has ended.
    pub fn join(mut self) -> barewire::Result<()> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopper.stop();
            self.stopper.stop();
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

pub fn usual(server: &mut Server) {
    server.websocket("/echo", |socket, message| socket.send(message));
    server.channels("/channels/{name}");
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The request that opens a WebSocket, with the key of RFC 6455 1.3; `fields` is further lines with their ends.
pub fn upgrade_request(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

pub fn open_websocket(stream: &mut (impl Read + Write), path: &str, fields: &str) {
    stream
        .write_all(upgrade_request(path, fields).as_bytes())
        .unwrap();
    let head = read_head(stream).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
}

pub fn websocket(address: SocketAddr, path: &str) -> WebSocket<TcpStream> {
    let mut stream = connect(address);
    open_websocket(&mut stream, path, "");
    WebSocket::from_raw_socket(stream, Role::Client, None)
}

/// A head up to its empty line, which is taken too, and nothing behind it.
pub fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// A line without its end.
pub fn read_line(stream: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        match byte[0] {
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    Ok(String::from_utf8(line).unwrap())
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// An answer whose length is announced.
pub fn read_answer(stream: &mut impl Read) -> io::Result<Answer> {
    let head = read_head(stream)?;
    let status = head[9..12].parse().unwrap();
    let length = field(&head, "Content-Length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let body = String::from_utf8(body).unwrap();
    Ok(Answer { status, body })
}

pub fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A chunk of a chunked body; `None` is the last one.
pub fn read_chunk(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let size = usize::from_str_radix(&read_line(stream)?, 16).unwrap();
    let mut chunk = vec![0; size + 2];
    stream.read_exact(&mut chunk)?;
    assert!(chunk.ends_with(b"\r\n"));
    chunk.truncate(size);
    Ok((size > 0).then_some(chunk))
}

pub fn get(stream: &mut (impl Read + Write), target: &str, fields: &str) -> io::Result<Answer> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    stream.write_all(request.as_bytes())?;
    read_answer(stream)
}

pub fn post(stream: &mut (impl Read + Write), target: &str, body: &str) -> io::Result<Answer> {
    let length = body.len();
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    read_answer(stream)
}

/// Asks for an event stream and takes its head and the block that says when to come back.
pub fn open_events(stream: &mut (impl Read + Write), target: &str, fields: &str) {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{fields}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let head = read_head(stream).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let preamble = String::from_utf8(read_chunk(stream).unwrap().unwrap()).unwrap();
    assert!(preamble.contains("retry:"), "{preamble}");
}

/// The string behind `"name":` in a flat JSON object without escapes.
pub fn json_field<'j>(json: &'j str, name: &str) -> Option<&'j str> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next()
}

/// Everything until the peer's end; a reset is an error.
pub fn read_to_end(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    Ok(all)
}

/// Waits until a closed connection is seen to be one, by an end or a reset. What comes before that is dropped.
pub fn await_end(stream: &mut impl Read) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if is_patience(&error) => panic!("the connection is still open"),
            Err(_) => return,
        }
    }
}

/// A timeout of [`connect`]'s.
pub fn is_patience(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// xorshift64*, seeded from `BAREWIRE_SEED` or the time; the seed is printed, for the day that a test fails.
pub struct Random(u64);

impl Random {
    pub fn seeded() -> Random {
        let given = std::env::var("BAREWIRE_SEED").ok();
        let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            time.unwrap().as_nanos() as u64
        });
        eprintln!("BAREWIRE_SEED={seed}");
        Random(seed | 1)
    }

    pub fn fork(&mut self) -> Random {
        Random(self.next() | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 32) % end
    }
}
