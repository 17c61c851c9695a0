//! A sender in a thread, receivers that do what the test says, and a client in plain Rust.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use barewire::webhook::{Allowed, Options, Schedule};
use barewire::{Server, Stopper};

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server with channels and webhooks, until the test ends.
pub struct Running {
    pub address: SocketAddr,
    pub stopper: Stopper,
    thread: Option<JoinHandle<barewire::Result<()>>>,
}

/// Deliveries to this machine, and short waits.
pub fn options() -> Options {
    Options {
        allowed: Allowed::new().network("127.0.0.0/8".parse().unwrap()),
        schedule: Schedule {
            waits: vec![Duration::from_millis(50)],
            ..Schedule::default()
        },
        ..Options::default()
    }
}

impl Running {
    pub fn start(configure: impl FnOnce(&mut Server)) -> Running {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        configure(&mut server);
        Running {
            address: server.local_addr().unwrap(),
            stopper: server.stopper(),
            thread: Some(std::thread::spawn(move || server.run())),
        }
    }

    pub fn with(options: Options) -> Running {
        Running::start(|server| {
            server.channels("/channels/{name}");
            server
                .webhooks("/channels/{name}/webhooks", options)
                .unwrap();
        })
    }

    pub fn ask(&self, method: &str, path: &str, fields: &[&str], body: &[u8]) -> Answer {
        ask(self.address, method, path, fields, body)
    }

    /// Registers a webhook of the channel `a`: its id and secret.
    pub fn register(&self, url: &str, more: &str) -> (String, String) {
        let body = format!("{{\"url\":\"{url}\"{more}}}");
        let answer = self.ask("POST", "/channels/a/webhooks", JSON, body.as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.body);
        (member(&answer.body, "id"), member(&answer.body, "secret"))
    }

    pub fn publish(&self, data: &[u8]) -> String {
        let answer = self.ask("POST", "/channels/a", &[], data);
        assert_eq!(answer.status, 201);
        member(&answer.body, "id")
    }

    pub fn list(&self) -> String {
        self.ask("GET", "/channels/a/webhooks", &[], b"").body
    }

    pub fn join(mut self) {
        self.thread.take().unwrap().join().unwrap().unwrap();
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

pub const JSON: &[&str] = &["Content-Type: application/json"];

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

pub fn ask(to: SocketAddr, method: &str, path: &str, fields: &[&str], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    for field in fields {
        request += &format!("{field}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    request += "\r\n";
    stream
        .write_all(&[request.as_bytes(), body].concat())
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

impl Answer {
    /// All values of this field.
    pub fn fields(&self, name: &str) -> Vec<&str> {
        let fields = self.head.split("\r\n").skip(1);
        let fields = fields.filter_map(|line| line.split_once(": "));
        let values = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        values.map(|(_, value)| value).collect()
    }
}

/// The first member of this name whose value is a string.
pub fn member(json: &str, name: &str) -> String {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// A request that a receiver was sent.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub head: String,
    pub body: Vec<u8>,
    /// Which connection it came over.
    pub connection: usize,
}

impl Delivery {
    pub fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.split("\r\n").skip(1);
        let mut fields = lines.filter_map(|line| line.split_once(": "));
        fields
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn data(&self) -> String {
        member(&String::from_utf8_lossy(&self.body), "data")
    }
}

/// What a receiver does with a request.
pub enum Reaction {
    /// Answers with these bytes.
    Say(Vec<u8>),
    /// Answers, and ends the connection.
    SayAndClose(Vec<u8>),
    /// Ends the connection without a word.
    Close,
    /// Says nothing, until the sender has gone.
    Hang,
}

pub fn status(status: u16) -> Reaction {
    Reaction::Say(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

pub struct Endpoint {
    pub address: SocketAddr,
    pub deliveries: Receiver<Delivery>,
}

type React = dyn Fn(usize, &Delivery) -> Reaction + Send + Sync;

impl Endpoint {
    /// A receiver that reacts to the number of a request, from 0 on, and to what it holds.
    pub fn new(react: impl Fn(usize, &Delivery) -> Reaction + Send + Sync + 'static) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, deliveries) = channel();
        let react: std::sync::Arc<React> = std::sync::Arc::new(react);
        let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (sender, react, count) = (sender.clone(), react.clone(), count.clone());
                std::thread::spawn(move || {
                    let next = || count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    serve(stream.unwrap(), connection, &sender, &*react, &next);
                });
            }
        });
        Endpoint {
            address,
            deliveries,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn next(&self) -> Delivery {
        self.deliveries.recv_timeout(PATIENCE).unwrap()
    }

    /// Nothing has come and nothing comes for a moment.
    pub fn is_quiet(&self) -> bool {
        self.deliveries
            .recv_timeout(Duration::from_millis(300))
            .is_err()
    }
}

fn serve(
    mut stream: TcpStream,
    connection: usize,
    sender: &Sender<Delivery>,
    react: &React,
    next: &dyn Fn() -> usize,
) {
    let mut input = Vec::new();
    loop {
        let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") else {
            if !read_more(&mut stream, &mut input) {
                return;
            }
            continue;
        };
        let head = String::from_utf8(input[..end].to_vec()).unwrap();
        let mut delivery = Delivery {
            head,
            body: Vec::new(),
            connection,
        };
        let length: usize = delivery.field("content-length").unwrap().parse().unwrap();
        while input.len() < end + 4 + length {
            if !read_more(&mut stream, &mut input) {
                return;
            }
        }
        delivery.body = input[end + 4..end + 4 + length].to_vec();
        input.drain(..end + 4 + length);
        let reaction = react(next(), &delivery);
        let _ = sender.send(delivery);
        match reaction {
            Reaction::Say(bytes) => drop(stream.write_all(&bytes)),
            Reaction::SayAndClose(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Reaction::Close => return,
            Reaction::Hang => {
                read_more(&mut stream, &mut Vec::new());
                return;
            }
        }
    }
}

fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            input.extend_from_slice(&buffer[..count]);
            true
        }
    }
}
