//! What it costs that channels are shared by several loops: a message published on one loop and read on the same, or
//! on another; fan-out from one loop and from two; and the sequencer alone, for so many loops.
//!
//!     cargo run --release --bin cores
//!
//! The loops and their clients are threads of this one process; the time that each loop's thread has used is the
//! system's account of it (`/proc`, Linux). All clients are one thread, so on two processors two loops and their load
//! never have one each: the time that a message takes says more than how many there are in a second, and the time
//! used per message says more than either. Variants take turns, and what is printed is each one's best round, figure by
//! figure: whatever else the machine does only adds. A round's latency is the median of its messages'.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use barewire::{Cores, Limits, Publisher, Server, Stopper};

/// Bytes of a message; with the header of its frame, a raw WebSocket gets two more.
const MESSAGE: usize = 100;
const FRAME: usize = MESSAGE + 2;
const ROUNDS: usize = 9;

/// Loops in threads, each with an address of its own.
struct Loops {
    addresses: Vec<SocketAddr>,
    accounts: Vec<String>,
    stopper: Stopper,
    threads: Vec<JoinHandle<barewire::Result<()>>>,
}

impl Loops {
    /// One loop that shares with nobody.
    fn alone() -> Loops {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        set_up(&mut server);
        Loops::run(vec![server])
    }

    fn sharing(loops: usize) -> Loops {
        let cores = Cores::unbound(loops, |server| {
            server.listen("127.0.0.1:0")?;
            set_up(server);
            Ok(())
        });
        Loops::run(cores.unwrap().into_servers())
    }

    fn run(servers: Vec<Server>) -> Loops {
        let (tell, told) = mpsc::channel();
        let addresses = servers.iter().map(|server| server.local_addr().unwrap());
        let addresses = addresses.collect();
        let stopper = servers[0].stopper();
        let mut accounts = Vec::new();
        let mut threads = Vec::new();
        for mut server in servers {
            let tell = tell.clone();
            threads.push(thread::spawn(move || {
                let link = fs::read_link("/proc/thread-self").unwrap();
                tell.send(format!("/proc/{}/schedstat", link.display()))
                    .unwrap();
                server.run()
            }));
            accounts.push(told.recv().unwrap());
        }
        Loops {
            addresses,
            accounts,
            stopper,
            threads,
        }
    }

    /// The nanoseconds that each loop's thread has run for.
    fn used(&self) -> Vec<u64> {
        let accounts = self.accounts.iter();
        accounts
            .map(|account| {
                let account = fs::read_to_string(account).unwrap();
                account.split(' ').next().unwrap().parse().unwrap()
            })
            .collect()
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.stopper.stop();
        self.stopper.stop();
        for thread in self.threads.drain(..) {
            thread.join().unwrap().unwrap();
        }
    }
}

fn set_up(server: &mut Server) {
    server.channels("/channels/{name}");
    let mut limits = Limits::default();
    // Messages are evicted from the start of each measurement on, as in a server that has run for long.
    limits.channels.retention.messages = 200;
    server.limits(limits);
}

/// A raw WebSocket on the channel.
fn socket(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .write_all(
            b"GET /channels/c?from=now HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              Sec-WebSocket-Protocol: raw\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// A masked text frame; a key of zeros leaves the payload as it is.
fn message() -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | MESSAGE as u8, 0, 0, 0, 0];
    frame.resize(6 + MESSAGE, b'x');
    frame
}

/// Microseconds, of each.
#[derive(Clone, Copy)]
struct Round {
    median: f64,
    high: f64,
    /// Used by the loop that publishes, per message.
    publishing: f64,
    /// Used by the loop behind it, per message; zero if there is none.
    other: f64,
}

/// Publishes on the first loop, `ahead` messages at a time, and waits for them at a reader of the loop `reads`.
fn deliver(loops: &Loops, reads: usize, ahead: usize, messages: usize) -> Round {
    let mut writer = socket(loops.addresses[0]);
    let mut reader = socket(loops.addresses[reads]);
    let frames = message().repeat(ahead);
    let mut buffer = vec![0; FRAME * ahead];
    let mut times = Vec::with_capacity(messages / ahead);
    let mut used = Vec::new();
    for n in 0..messages / ahead * 5 / 4 {
        if n == messages / ahead / 4 {
            // The first fifth was a warm-up.
            times.clear();
            used = loops.used();
        }
        let began = Instant::now();
        writer.write_all(&frames).unwrap();
        reader.read_exact(&mut buffer).unwrap();
        times.push(began.elapsed());
        // What it published comes back to the writer too.
        writer.read_exact(&mut buffer).unwrap();
    }
    let now = loops.used();
    let messages = (times.len() * ahead) as f64;
    let cost = |place: usize| match now.get(place) {
        Some(now) => (now - used[place]) as f64 / 1e3 / messages,
        None => 0.0,
    };
    times.sort();
    let at = |part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e6;
    Round {
        median: at(0.5),
        high: at(0.99),
        publishing: cost(0),
        other: cost(1),
    }
}

fn least(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::INFINITY, f64::min)
}

fn crossing(ahead: usize, messages: usize) {
    println!(
        "\npublish by WebSocket on one loop, read by WebSocket; {ahead} at a time, {MESSAGE} bytes (us)"
    );
    println!(
        "                                  median      p99   cpu/message: publishing loop   other loop"
    );
    let (alone, one, two) = (Loops::alone(), Loops::sharing(1), Loops::sharing(2));
    let variants = [
        ("one loop, nothing shared", &alone, 0),
        ("one loop of one", &one, 0),
        ("two loops, read on the same", &two, 0),
        ("two loops, read on the other", &two, 1),
    ];
    let mut rounds = vec![Vec::new(); variants.len()];
    for _ in 0..ROUNDS {
        for ((_, loops, reads), rounds) in variants.iter().zip(&mut rounds) {
            rounds.push(deliver(loops, *reads, ahead, messages));
        }
    }
    let mut first = None;
    for ((name, ..), rounds) in variants.iter().zip(&rounds) {
        let of = |part: fn(&Round) -> f64| least(rounds.iter().map(part));
        let middle = of(|round| round.median);
        let ratio = middle / *first.get_or_insert(middle);
        println!(
            "{name:<30} {middle:>9.1} {:>8.1} {:>30.2} {:>12.2}   x{ratio:.2}",
            of(|round| round.high),
            of(|round| round.publishing),
            of(|round| round.other),
        );
    }
}

/// Deliveries per second to so many subscribers, and the time that the loops use for one, in microseconds.
fn fan_out(loops: &Loops, subscribers: usize, ahead: usize) -> (f64, f64) {
    let mut writer = socket(loops.addresses[0]);
    let mut readers: Vec<TcpStream> = (0..subscribers)
        .map(|n| socket(loops.addresses[n % loops.addresses.len()]))
        .collect();
    let frames = message().repeat(ahead);
    let mut buffer = vec![0; FRAME * ahead];
    let (mut began, mut used, mut delivered) = (Instant::now(), Vec::new(), 0);
    let mut warm = false;
    loop {
        writer.write_all(&frames).unwrap();
        for reader in readers.iter_mut().chain([&mut writer]) {
            reader.read_exact(&mut buffer).unwrap();
            delivered += ahead;
        }
        if !warm && began.elapsed() > Duration::from_millis(100) {
            (warm, began, used, delivered) = (true, Instant::now(), loops.used(), 0);
        } else if warm && began.elapsed() > Duration::from_millis(400) {
            let took = began.elapsed().as_secs_f64();
            let used: u64 = loops
                .used()
                .iter()
                .zip(&used)
                .map(|(now, then)| now - then)
                .sum();
            return (
                delivered as f64 / took,
                used as f64 / 1e3 / delivered as f64,
            );
        }
    }
}

fn fan_outs() {
    println!("\nfan-out to 200 WebSockets, half of them on each of two loops");
    println!("                               deliveries/s   cpu/delivery (us, all loops)");
    let (alone, two) = (Loops::alone(), Loops::sharing(2));
    for ahead in [1, 16] {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (loops, rates) in [&alone, &two].into_iter().zip(&mut rates) {
                rates.push(fan_out(loops, 200, ahead));
            }
        }
        for (name, rates) in ["one loop", "two loops"].iter().zip(&rates) {
            println!(
                "{name:<12} {ahead:>3} at a time {:>14.0} {:>14.2}",
                -least(rates.iter().map(|rate| -rate.0)),
                least(rates.iter().map(|rate| rate.1)),
            );
        }
    }
}

/// Nanoseconds for one publish by so many threads at once, with so many loops that do not turn meanwhile.
fn sequence(loops: usize, threads: usize) -> f64 {
    const MESSAGES: usize = 20_000;
    let cores = Cores::unbound(loops, |_| Ok(())).unwrap();
    let publisher: Publisher = cores.publisher();
    // All are woken by the first, and by none behind it.
    publisher.publish("c", "first").unwrap();
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            let publisher = publisher.clone();
            scope.spawn(move || {
                let data = [b'x'; MESSAGE];
                for _ in 0..MESSAGES / threads {
                    publisher.publish("c", data).unwrap();
                }
            });
        }
    });
    began.elapsed().as_nanos() as f64 / MESSAGES as f64
}

fn sequencer() {
    println!(
        "\nthe sequencer alone: ns per publish (id, and a push for each loop), 1 and 2 threads publishing"
    );
    for loops in [1, 2, 4, 8, 16, 32, 64] {
        let of = |threads| least((0..3 * ROUNDS).map(|_| sequence(loops, threads)));
        println!("{loops:>3} loops {:>8.0} {:>8.0}", of(1), of(2));
    }
}

fn main() {
    crossing(1, 4_000);
    crossing(64, 64_000);
    fan_outs();
    sequencer();
}
