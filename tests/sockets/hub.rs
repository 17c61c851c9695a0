//! One channel, read in four ways over connections that break all the time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use barewire::ws;

use crate::support::{
    Answer, Random, Running, connect, get, json_field, open_events, open_websocket, post,
    read_answer, read_chunk, read_head, upgrade_request, websocket,
};

const MESSAGES: usize = 200;
const CUTS: usize = 20;
const TARGET: &str = "/channels/news";

#[test]
fn what_is_posted_is_read_in_four_ways() {
    let server = Running::usual();
    let mut events = connect(server.address);
    open_events(&mut events, TARGET, "");
    let mut socket = websocket(server.address, TARGET);
    let mut poll = connect(server.address);
    poll.write_all(
        format!("GET {TARGET} HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=30\r\n\r\n").as_bytes(),
    )
    .unwrap();

    let mut client = connect(server.address);
    let posted = post(&mut client, TARGET, "hello").unwrap();
    assert_eq!(posted.status, 201);
    let id = json_field(&posted.body, "id").unwrap();
    let object = format!(r#"{{"id":"{id}","event":"message","data":"hello"}}"#);

    let batch = format!(r#"{{"events":[{object}],"last_id":"{id}"}}"#);
    assert_eq!(get(&mut client, TARGET, "").unwrap().body, batch);
    assert_eq!(read_answer(&mut poll).unwrap().body, batch);
    let block = read_chunk(&mut events).unwrap().unwrap();
    assert_eq!(block, format!("id: {id}\ndata: hello\n\n").as_bytes());
    assert_eq!(socket.read().unwrap().into_text().unwrap().as_str(), object);
}

/// A connection that is cut off after so many bytes.
struct Fragile {
    stream: TcpStream,
    left: usize,
}

impl Read for Fragile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("cut off"));
        }
        let len = buffer.len().min(self.left);
        let count = self.stream.read(&mut buffer[..len])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count;
        Ok(count)
    }
}

impl Write for Fragile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What a reader has got so far.
#[derive(Default)]
struct Got {
    last_id: String,
    data: Vec<String>,
}

impl Got {
    fn take(&mut self, id: &str, data: &str) {
        self.last_id = id.into();
        self.data.push(data.into());
    }

    fn resume(&self) -> String {
        match self.last_id.as_str() {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        }
    }

    fn is_complete(&self) -> bool {
        self.data.len() >= MESSAGES
    }
}

type Way = fn(&mut Fragile, &mut Got) -> io::Result<()>;

fn take_batch(answer: &Answer, got: &mut Got) {
    if answer.status == 204 {
        return;
    }
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!answer.body.contains("\"gap\""), "{}", answer.body);
    for object in answer.body.split("{\"id\"").skip(1) {
        let object = format!("{{\"id\"{object}");
        let (id, data) = (json_field(&object, "id"), json_field(&object, "data"));
        got.take(id.unwrap(), data.unwrap());
    }
}

fn short_poll(stream: &mut Fragile, got: &mut Got) -> io::Result<()> {
    while !got.is_complete() {
        let answer = get(stream, TARGET, &got.resume())?;
        take_batch(&answer, got);
        // The interval of the polling.
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn long_poll(stream: &mut Fragile, got: &mut Got) -> io::Result<()> {
    while !got.is_complete() {
        let answer = get(
            stream,
            TARGET,
            &format!("Prefer: wait=20\r\n{}", got.resume()),
        )?;
        take_batch(&answer, got);
    }
    Ok(())
}

fn event_stream(stream: &mut Fragile, got: &mut Got) -> io::Result<()> {
    let request = format!(
        "GET {TARGET} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{}\r\n",
        got.resume()
    );
    stream.write_all(request.as_bytes())?;
    let head = read_head(stream)?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    while !got.is_complete() {
        let chunk = read_chunk(stream)?.expect("the server does not end the stream");
        for block in String::from_utf8(chunk).unwrap().split_terminator("\n\n") {
            let value = |name| block.lines().find_map(|line: &str| line.strip_prefix(name));
            assert_eq!(value("event: "), None);
            if let Some(data) = value("data: ") {
                got.take(value("id: ").unwrap(), data);
            }
        }
    }
    Ok(())
}

fn web_socket(stream: &mut Fragile, got: &mut Got) -> io::Result<()> {
    stream.write_all(upgrade_request(TARGET, &got.resume()).as_bytes())?;
    let head = read_head(stream)?;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut decoder = ws::Decoder::new(ws::Role::Client);
    let limits = ws::Limits::default();
    let mut buffer = [0; 512];
    while !got.is_complete() {
        let count = stream.read(&mut buffer)?;
        let mut at = 0;
        loop {
            let decoded = decoder.decode(&mut buffer[at..count], &limits).unwrap();
            at += decoded.used;
            match decoded.event {
                None => break,
                Some(ws::Event::Message(ws::Message::Text(object))) => {
                    assert_eq!(json_field(object, "event"), Some("message"), "{object}");
                    let (id, data) = (json_field(object, "id"), json_field(object, "data"));
                    got.take(id.unwrap(), data.unwrap());
                }
                Some(event) => panic!("{event:?}"),
            }
        }
    }
    Ok(())
}

/// Reads to the end of the messages over [`CUTS`] connections that are cut off within the first `within` bytes, and
/// one that is not.
fn read_through(address: SocketAddr, way: Way, within: u64, mut random: Random) -> Vec<String> {
    let mut got = Got::default();
    for _ in 0..CUTS {
        let stream = connect(address);
        let left = random.below(within) as usize;
        let mut fragile = Fragile { stream, left };
        let cut = way(&mut fragile, &mut got).expect_err("it is cut off before the end");
        assert_eq!(cut.to_string(), "cut off");
        // Dropped with unread bytes the connection is reset, else it ends; now and then it is shut down first.
        if random.below(4) == 0 {
            let _ = fragile.stream.shutdown(std::net::Shutdown::Both);
        }
    }
    let (stream, left) = (connect(address), usize::MAX);
    way(&mut Fragile { stream, left }, &mut got).unwrap();
    got.data
}

#[test]
fn four_readers_that_are_cut_off_at_random_get_everything_once_and_in_order() {
    let mut random = Random::seeded();
    let server = Running::usual();
    let address = server.address;
    // Within so few bytes no way gets all messages over the connections that are cut: an event takes 35 bytes and
    // more, as a JSON object 60, and a head 100.
    let ways: [(&str, Way, u64); 4] = [
        ("short poll", short_poll, 600),
        ("long poll", long_poll, 600),
        ("event stream", event_stream, 420),
        ("WebSocket", web_socket, 600),
    ];
    let readers = ways.map(|(name, way, within)| {
        let random = random.fork();
        let reader = std::thread::spawn(move || read_through(address, way, within, random));
        (name, reader)
    });
    let mut publisher = connect(address);
    for number in 0..MESSAGES {
        let answer = post(&mut publisher, TARGET, &format!("message {number}")).unwrap();
        assert_eq!(answer.status, 201);
        // The interval of the publishing, so that readers come and go meanwhile.
        std::thread::sleep(Duration::from_millis(random.below(3)));
    }
    let all: Vec<String> = (0..MESSAGES).map(|n| format!("message {n}")).collect();
    for (name, reader) in readers {
        let read = reader.join().unwrap_or_else(|_| panic!("{name}"));
        assert_eq!(read, all, "{name}");
    }
}

#[test]
fn what_is_pipelined_behind_a_long_poll_is_answered_when_it_ends() {
    let server = Running::usual();
    let mut client = connect(server.address);
    let posted = post(&mut client, TARGET, "old").unwrap();
    let id = json_field(&posted.body, "id").unwrap();
    let both = format!(
        "GET {TARGET} HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=1\r\nLast-Event-ID: {id}\r\n\r\n\
         GET {TARGET} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    );
    client.write_all(both.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut client).unwrap().status, 204);
    assert!(read_head(&mut client).unwrap().starts_with("HTTP/1.1 200 "));
    let preamble = read_chunk(&mut client).unwrap().unwrap();
    assert!(preamble.starts_with(b"retry:"));
    let history = read_chunk(&mut client).unwrap().unwrap();
    assert_eq!(history, format!("id: {id}\ndata: old\n\n").as_bytes());
}

#[test]
fn a_message_that_a_reader_publishes_reaches_the_reader_too() {
    let server = Running::usual();
    let mut one = connect(server.address);
    open_websocket(&mut one, TARGET, "Sec-WebSocket-Protocol: raw\r\n");
    // "Hi", masked with zeros (RFC 6455 5.3).
    one.write_all(b"\x81\x82\0\0\0\0Hi").unwrap();
    let mut frame = [0; 4];
    one.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\x81\x02Hi");
}
