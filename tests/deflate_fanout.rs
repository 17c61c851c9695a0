//! What it costs to compress a channel: a message is compressed once, and written to every reader from the same
//! place, so that a thousand readers who have agreed on compression take about the time of a thousand who have not.
//!
//! Both are measured in one run, one after the other and again, by the time that the server's thread has had the
//! processor. `cargo test --release --features deflate --test deflate_fanout -- --nocapture` prints the figures.

#![cfg(target_os = "linux")] // Where a thread is told its time in nanoseconds.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use barewire::Server;

/// Or as many as there are descriptors for, two for each.
const READERS: usize = 1_000;
const MESSAGES: usize = 100;
const ROUNDS: usize = 3;
/// The most that compressed may cost of what plain does. Compressed for each reader it would cost far more than ten times as
/// much; between is room for a busy machine. How close it comes is printed.
const MOST: f64 = 4.0;

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

fn readers() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let open = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = open.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    READERS.min((soft.unwrap_or(1_024) - 100) / 2)
}

/// How long this thread has had a processor.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

struct Crowd {
    server: Server,
    readers: Vec<TcpStream>,
}

impl Crowd {
    fn new(fields: &str) -> Crowd {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        server.channels("/channels/{name}");
        let address = server.local_addr().unwrap();
        let request = format!(
            "GET /channels/a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        let mut readers = Vec::new();
        for _ in 0..self::readers() {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            readers.push(stream);
            server.turn(Some(Duration::ZERO)).unwrap();
        }
        let mut crowd = Crowd { server, readers };
        crowd.until_all_have("\r\n\r\n".len());
        crowd
    }

    /// Turns the server, and takes what comes, until everybody has had the same and at least so many bytes. Says how
    /// many, and how long the server had the processor.
    fn until_all_have(&mut self, least: usize) -> (usize, Duration) {
        let (mut got, mut time) = (vec![0; self.readers.len()], Duration::ZERO);
        let mut buffer = vec![0; 1 << 16];
        let began = Instant::now();
        loop {
            let before = processor_time();
            self.server.turn(Some(Duration::ZERO)).unwrap();
            time += processor_time() - before;
            for (stream, got) in self.readers.iter_mut().zip(&mut got) {
                match stream.read(&mut buffer) {
                    Ok(count) => *got += count,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            if got[0] >= least && got.iter().all(|&other| other == got[0]) {
                return (got[0], time);
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{got:?}");
        }
    }

    /// Publishes, one after the other, and says how many bytes each reader got for them and what that cost.
    fn publish(&mut self) -> (usize, Duration) {
        let publisher = self.server.publisher();
        let (mut bytes, mut time) = (0, Duration::ZERO);
        for number in 0..MESSAGES {
            let prices: Vec<String> = (0..30)
                .map(|at| {
                    format!(
                        "{{\"symbol\":\"S{at}\",\"price\":{}}}",
                        at * 977 + number * 31
                    )
                })
                .collect();
            publisher.publish("a", &*prices.join(",")).unwrap();
            let (got, took) = self.until_all_have(1);
            bytes += got;
            time += took;
        }
        (bytes, time)
    }
}

#[test]
fn a_thousand_compressed_readers_take_about_the_time_of_plain_ones() {
    let (mut plain, mut compressed) = (Crowd::new(""), Crowd::new(OFFER));
    plain.publish();
    compressed.publish();
    let mut times = [Duration::ZERO; 2];
    for _ in 0..ROUNDS {
        let (plain_bytes, took) = plain.publish();
        times[0] += took;
        let (compressed_bytes, took) = compressed.publish();
        times[1] += took;
        println!("{plain_bytes} bytes for each reader, {compressed_bytes} compressed");
        assert!(compressed_bytes * 2 < plain_bytes);
    }
    let deliveries = (ROUNDS * MESSAGES * readers()) as f64;
    let [plain, compressed] = times.map(|time| time.as_nanos() as f64 / deliveries);
    let ratio = compressed / plain;
    println!(
        "{} readers: {plain:.0} ns for a delivery, {compressed:.0} ns compressed: {ratio:.2} times",
        readers()
    );
    assert!(ratio < MOST, "{ratio:.2}");
}
