//! No allocation per message: the loop's, counted by the allocator.
//!
//! The server is turned on the thread of its clients, and only what is allocated inside [`Server::turn`] counts. Each
//! measurement comes after a warm-up in which vectors grow to their size and the channel fills to what it retains.
//!
//! - An echoed message that arrives in one piece costs none.
//! - A delivery of a published message costs none, however many subscribers there are. A publish costs a few, which
//!   are told apart by measuring with few subscribers and with many: encoding it, and the growth of the segments that
//!   all readers share, by 64 KiB.
//!
//! With `ALLOCATION_BACKTRACE=1` and `--nocapture` the first allocation of each measurement is printed with the way
//! that led there.

// A global allocator can't be written without it. This one passes everything on to the system's and counts.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use barewire::{Limits, Server, channel};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Counts on this thread; initialised without allocating, and without a destructor.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// The next allocation that counts prints where it comes from.
    static TRAP: Cell<bool> = const { Cell::new(false) };
}

fn count_one() {
    if COUNTING.get() {
        COUNT.set(COUNT.get() + 1);
        if TRAP.replace(false) {
            COUNTING.set(false);
            eprintln!("{}", Backtrace::force_capture());
            COUNTING.set(true);
        }
    }
}

// SAFETY: every call is passed on to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promise is System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promise is System's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promise is System's.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is System's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How many allocations `work` makes on this thread.
fn counted<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNT.get();
    COUNTING.set(true);
    let result = work();
    COUNTING.set(false);
    (COUNT.get() - before, result)
}

fn arm() {
    TRAP.set(std::env::var_os("ALLOCATION_BACKTRACE").is_some());
}

fn disarm() {
    TRAP.set(false);
}

fn server() -> Server {
    let hour = Duration::from_secs(3_600);
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    server.websocket("/echo", |socket, message| socket.send(message));
    server.channels("/channels/{name}");
    // No deadline falls into a measurement: to set one anew may take memory, and is not about messages.
    server.limits(Limits {
        header_timeout: hour,
        ping_interval: hour,
        heartbeat: hour,
        channels: channel::Limits {
            retention: channel::Retention {
                messages: 250,
                ..channel::Retention::default()
            },
            ..channel::Limits::default()
        },
        ..Limits::default()
    });
    server
}

/// A client on the thread of its server: it never waits, and turns the server instead.
struct Client {
    stream: TcpStream,
}

/// Turns the server without waiting, and counts.
fn turn(server: &mut Server) -> u64 {
    let (count, turned) = counted(|| server.turn(Some(Duration::ZERO)));
    turned.unwrap();
    count
}

impl Client {
    /// Connects, sends `request`, and takes the head of the answer and what belongs to it up to `end`.
    fn connect(server: &mut Server, request: &str, end: &[u8]) -> Client {
        let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut client = Client { stream };
        let mut head = Vec::new();
        while !head.ends_with(end) {
            turn(server);
            let mut byte = [0];
            while client.read(&mut byte) == 1 {
                head.push(byte[0]);
            }
        }
        client
    }

    fn websocket(server: &mut Server, path: &str, fields: &str) -> Client {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        Client::connect(server, &request, b"\r\n\r\n")
    }

    fn event_stream(server: &mut Server, path: &str) -> Client {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
        // The first block, in a chunk, says when to come back.
        Client::connect(server, &request, b"\n\n\r\n")
    }

    /// What is there; 0 if nothing is.
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        match self.stream.read(buffer) {
            Ok(0) => panic!("the server has closed the connection"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        match self.stream.write(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A binary message in one frame, masked as a client has to.
fn masked(len: usize) -> Vec<u8> {
    let mut frame = vec![0x82];
    match len {
        0..126 => frame.push(0x80 | len as u8),
        126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(b"mask");
    frame.extend((0..len).map(|at| at as u8));
    frame
}

/// Sends `pieces` one after the other, each when the one before has been taken, and reads `echo` bytes.
fn round(server: &mut Server, client: &mut Client, pieces: &[&[u8]], echo: usize) -> u64 {
    let mut buffer = [0; 64 * 1024];
    let (mut count, mut got) = (0, 0);
    for piece in pieces {
        let mut sent = 0;
        while sent < piece.len() {
            sent += client.write(&piece[sent..]);
            // A piece that fits into the buffers of the system goes out whole, and is read whole.
            if sent == piece.len() {
                break;
            }
            count += turn(server);
            got += client.read(&mut buffer);
        }
        count += turn(server);
    }
    while got < echo {
        count += turn(server);
        got += client.read(&mut buffer);
    }
    assert_eq!(got, echo);
    count
}

/// Allocations of so many rounds after a warm-up.
fn rounds(server: &mut Server, client: &mut Client, pieces: &[&[u8]], echo: usize) -> u64 {
    const ROUNDS: usize = 1_000;
    for _ in 0..ROUNDS / 4 {
        round(server, client, pieces, echo);
    }
    arm();
    let count = (0..ROUNDS)
        .map(|_| round(server, client, pieces, echo))
        .sum();
    disarm();
    count
}

/// The length of an unmasked frame that carries `len` bytes.
fn echo_len(len: usize) -> usize {
    masked(len).len() - 4
}

#[test]
fn an_echoed_message_allocates_nothing() {
    let mut server = server();
    let mut client = Client::websocket(&mut server, "/echo", "");
    for (len, ahead) in [(125, 1), (125, 16), (16 * 1024, 1), (4 * 1024, 16)] {
        let messages = masked(len).repeat(ahead);
        let echo = echo_len(len) * ahead;
        let count = rounds(&mut server, &mut client, &[&messages], echo);
        eprintln!("echo of {len} bytes, {ahead} ahead: {count} allocations in 1000 rounds");
        assert_eq!(count, 0, "{len} bytes, {ahead} ahead");
    }
}

/// Neither inflating nor deflating: all connections without context takeover share their states and buffers.
#[cfg(feature = "deflate")]
#[test]
fn an_echoed_compressed_message_allocates_nothing() {
    use barewire::ws::deflate::{Deflater, LEVEL, WindowBits};

    let mut server = server();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let mut client = Client::websocket(&mut server, "/echo", offer);
    for len in [1_000, 30_000] {
        let message: Vec<u8> = (0..len).map(|at| ((at * at) >> 8) as u8 & 15).collect();
        let mut payload = Vec::new();
        assert!(Deflater::new(LEVEL, WindowBits::MAX, false).deflate(&message, &mut payload));
        // The key is zero, and the header that of any binary message but for RSV1.
        let mut sent = masked(payload.len());
        let header = sent.len() - payload.len() - 4;
        sent[0] = 0xC2;
        sent.truncate(header);
        sent.extend_from_slice(&[0; 4]);
        sent.extend_from_slice(&payload);
        let echo = echo_len(payload.len());
        let count = rounds(&mut server, &mut client, &[&sent], echo);
        eprintln!("echo of {len} bytes, compressed: {count} allocations in 1000 rounds");
        assert_eq!(count, 0, "{len} bytes");
    }
}

/// What is kept of an incomplete message takes memory, which is given back: idle connections hold none.
#[test]
fn an_echoed_message_that_arrives_in_parts_allocates_little() {
    let mut server = server();
    let mut client = Client::websocket(&mut server, "/echo", "");
    let message = masked(16 * 1024);
    let (one, two) = message.split_at(10_000);
    let echo = echo_len(16 * 1024);
    let count = rounds(&mut server, &mut client, &[one, two], echo);
    eprintln!("echo of 16 KiB in two parts: {count} allocations in 1000 rounds");
    assert!(count <= 3_000, "{count}");

    // More than the loop reads at once: some messages are read in two parts.
    let messages = message.repeat(16);
    let count = rounds(&mut server, &mut client, &[&messages], 16 * echo);
    eprintln!("echo of 16 KiB, 16 ahead: {count} allocations in 1000 rounds of 16");
    assert!(count <= 16_000, "{count}");
}

/// Allocations of the loop for `MESSAGES` publishes to so many subscribers.
fn deliveries(way: Way, subscribers: usize, at_once: usize) -> u64 {
    let mut server = server();
    let mut clients: Vec<_> = (0..subscribers).map(|_| way(&mut server)).collect();
    let publisher = server.publisher();
    let publish = |server: &mut Server, clients: &mut [Client]| {
        let (own, ()) = counted(|| {
            for _ in 0..at_once {
                publisher.publish("c", PAYLOAD).unwrap();
            }
        });
        let mut buffer = [0; 16 * 1024];
        let (mut count, mut sizes) = (turn(server), vec![0; clients.len()]);
        // All subscribers of one way get the same bytes; no socket is full, so one turn is enough.
        for (client, size) in clients.iter_mut().zip(&mut sizes) {
            *size = client.read(&mut buffer);
            assert!(*size > at_once * PAYLOAD.len());
            assert_whole(&buffer[..*size]);
        }
        count += turn(server);
        assert!(sizes.iter().all(|&size| size == sizes[0]), "{sizes:?}");
        (own, count)
    };
    for _ in 0..WARM_UP / at_once {
        publish(&mut server, &mut clients);
    }
    arm();
    let (mut own, mut count) = (0, 0);
    for _ in 0..MESSAGES / at_once {
        let (of_publisher, of_loop) = publish(&mut server, &mut clients);
        own += of_publisher;
        count += of_loop;
    }
    disarm();
    eprintln!(
        "{subscribers:>4} subscribers, {at_once:>2} at once: {:.2} allocations per publish in the loop, {:.2} in the \
         publisher",
        count as f64 / MESSAGES as f64,
        own as f64 / MESSAGES as f64,
    );
    count
}

/// What a subscriber got ends as each message of its way does.
fn assert_whole(got: &[u8]) {
    let ends = [&b"\"}"[..], b"\n\n\r\n", b"'tea'}"];
    assert!(ends.iter().any(|end| got.ends_with(end)));
}

type Way = fn(&mut Server) -> Client;

const PAYLOAD: &str =
    "a message of a usual size, as one might publish it: {'price': 42, 'of': 'tea'}";
const MESSAGES: usize = 800;
/// Above what the channel retains, several times.
const WARM_UP: usize = 800;

#[test]
fn a_delivery_allocates_nothing() {
    let ways: [(&str, Way); 3] = [
        ("WebSocket, JSON", |server| {
            Client::websocket(server, "/channels/c", "")
        }),
        ("WebSocket, raw", |server| {
            Client::websocket(server, "/channels/c", "Sec-WebSocket-Protocol: raw\r\n")
        }),
        ("event stream", |server| {
            Client::event_stream(server, "/channels/c")
        }),
    ];
    for (name, way) in ways {
        for at_once in [1, 16] {
            eprintln!("{name}:");
            let few = deliveries(way, 10, at_once);
            let many = deliveries(way, 100, at_once);
            let further = 90 * MESSAGES as u64;
            // Ids of one millisecond differ in length, and so may the number of segments.
            let difference = many.abs_diff(few);
            eprintln!("  {difference} more or less for {further} further deliveries");
            assert!(
                difference < 50,
                "{name}, {at_once} at once: {few} and {many}"
            );
            assert!(
                few < 6 * MESSAGES as u64,
                "{name}, {at_once} at once: {few}"
            );
        }
    }
}
