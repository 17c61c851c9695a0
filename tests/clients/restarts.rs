//! A server that is killed and restarted while a publisher publishes through it.
//!
//! The server keeps its messages in memory, so each life begins with none, and what a reader had not read of the life
//! before is lost. The law: **a subscription says `gap` wherever something is missing, and nothing is missing but the
//! end of a life that is over; and nothing comes twice**.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use barewire::channel::Id;
use barewire::{Server, Subscribe, Transport, Update};

use crate::following::follow;
use crate::support::{PATIENCE, Random, json_field, read_answer, usual};

const RESTARTS: usize = 20;
/// So much is published in one life at most, so that all of it is retained.
const QUOTA: usize = 500;

struct Life {
    stopper: barewire::Stopper,
    thread: std::thread::JoinHandle<barewire::Result<()>>,
}

impl Life {
    fn begin(address: SocketAddr) -> Life {
        let began = Instant::now();
        let mut server = loop {
            match Server::bind(address) {
                Ok(server) => break server,
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
            }
        };
        usual(&mut server);
        Life {
            stopper: server.stopper(),
            thread: std::thread::spawn(move || server.run()),
        }
    }

    /// Without a word to anybody.
    fn kill(self) {
        self.stopper.stop();
        self.stopper.stop();
        self.thread.join().unwrap().unwrap();
    }
}

/// Waits until the wall clock has moved on, so that lives can be told apart by the times in their ids.
fn moment() -> u64 {
    let start = unix_ms();
    loop {
        let now = unix_ms();
        if now > start + 1 {
            return now;
        }
        std::thread::yield_now();
    }
}

fn unix_ms() -> u64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    time.unwrap().as_millis() as u64
}

/// Publishes one message. An error is that it may or may not have been published.
fn publish(stream: &mut Option<TcpStream>, address: SocketAddr, body: &str) -> io::Result<Id> {
    let connection = match stream {
        Some(connection) => connection,
        None => stream.insert(TcpStream::connect(address)?),
    };
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    let length = body.len();
    let request =
        format!("POST /channels/a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
    connection.write_all(request.as_bytes())?;
    let answer = read_answer(connection)?;
    let id = json_field(&answer.body, "id").and_then(|id| id.parse().ok());
    id.ok_or_else(|| io::Error::other(answer.body))
}

#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Gap,
    Event(Id, u64),
}

/// What came so far, until it is told to stop.
fn subscriber(
    subscribe: Subscribe,
    seen: Arc<Mutex<Vec<Seen>>>,
    done: Arc<AtomicBool>,
) -> std::thread::JoinHandle<()> {
    let mut subscription = subscribe.open().unwrap();
    std::thread::spawn(move || {
        while !done.load(Ordering::Relaxed) {
            match subscription.update_within(std::time::Duration::from_millis(50)) {
                Some(Update::Event(event)) if event.is_gap() => {
                    seen.lock().unwrap().push(Seen::Gap)
                }
                Some(Update::Event(event)) => {
                    let (id, number) = (event.id().parse().unwrap(), event.data().parse().unwrap());
                    seen.lock().unwrap().push(Seen::Event(id, number));
                }
                Some(Update::Ended(why)) => panic!("it ended: {why:?}"),
                _ => {}
            }
        }
    })
}

#[test]
fn a_server_that_is_killed_and_restarted_costs_nothing_but_what_it_forgot() {
    let mut random = Random::seeded();
    restart(&mut random, None);
    // Not an event stream, which waits as long as the server's `retry` says: two seconds each time.
    for transport in [
        Transport::WebSocket,
        Transport::LongPoll,
        Transport::ShortPoll,
    ] {
        restart(&mut random, Some(transport));
    }
}

fn restart(random: &mut Random, transport: Option<Transport>) {
    let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = first.local_addr().unwrap();
    drop(first);

    let mut begun = vec![moment()];
    let mut life = Life::begin(address);
    let mut subscribe = follow(address);
    if let Some(transport) = transport {
        subscribe = subscribe.transport(transport);
    }
    let (seen, done) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let reader = subscriber(subscribe, Arc::clone(&seen), Arc::clone(&done));

    // The publisher goes on and on; each number is published once at most.
    let published = Arc::new(Mutex::new(Vec::<(Id, u64)>::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let tries = Arc::new(AtomicU64::new(0));
    let quota = Arc::new(AtomicUsize::new(QUOTA));
    let publisher = {
        let (published, stop, tries) = (published.clone(), stop.clone(), tries.clone());
        let quota = quota.clone();
        std::thread::spawn(move || {
            let mut stream = None;
            for number in 0.. {
                while published.lock().unwrap().len() >= quota.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                match publish(&mut stream, address, &number.to_string()) {
                    Ok(id) => published.lock().unwrap().push((id, number)),
                    Err(_) => stream = None,
                }
                tries.fetch_add(1, Ordering::Relaxed);
            }
        })
    };

    let wait_until = |what: &str, is_so: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "{what}");
            std::thread::yield_now();
        }
    };
    for restart in 0..RESTARTS {
        let more = published.lock().unwrap().len() + 1 + random.below(60) as usize;
        wait_until("nothing is published", &|| {
            published.lock().unwrap().len() >= more
        });
        // Most lives are seen by the reader; some are too short. Not the first, as a reader that has no place yet misses
        // nothing.
        if restart == 0 || random.below(3) > 0 {
            let now = published.lock().unwrap()[more - 1].1;
            wait_until("the reader does not come", &|| {
                let seen: &Mutex<Vec<Seen>> = &seen;
                matches!(seen.lock().unwrap().last(), Some(Seen::Event(_, n)) if *n >= now)
            });
        }
        life.kill();
        begun.push(moment());
        quota.store(published.lock().unwrap().len() + QUOTA, Ordering::Relaxed);
        life = Life::begin(address);
    }
    let more = published.lock().unwrap().len() + 5;
    wait_until("nothing is published at the end", &|| {
        published.lock().unwrap().len() >= more
    });
    stop.store(true, Ordering::Relaxed);
    quota.store(usize::MAX, Ordering::Relaxed);
    publisher.join().unwrap();
    let published = published.lock().unwrap().clone();
    let last = published.last().unwrap().1;
    wait_until("the reader misses the end", &|| {
        let seen: &Mutex<Vec<Seen>> = &seen;
        matches!(seen.lock().unwrap().last(), Some(Seen::Event(_, n)) if *n >= last)
    });
    done.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    life.kill();

    let seen = seen.lock().unwrap().clone();
    check(&published, &seen, &begun);
    let gaps = seen.iter().filter(|seen| **seen == Seen::Gap).count();
    let tries = tries.load(Ordering::Relaxed);
    eprintln!(
        "{transport:?}: {} of {tries} published, {} seen, {gaps} gaps",
        published.len(),
        seen.len() - gaps
    );
}

/// Holds what was seen against what was published.
fn check(published: &[(Id, u64)], seen: &[Seen], begun: &[u64]) {
    let life = |id: Id| begun.partition_point(|start| *start <= id.ms);
    let (mut before, mut gap) = (None::<(Id, u64)>, false);
    for entry in seen {
        let Seen::Event(id, number) = *entry else {
            gap = true;
            continue;
        };
        if let Some(before) = before {
            assert!(
                number > before.1 && id > before.0,
                "{number} after {before:?}"
            );
        }
        let from = before.map_or(0, |before| before.1 + 1);
        let missing = published
            .iter()
            .filter(|(_, published)| (from..number).contains(published));
        for (missed, number) in missing {
            assert!(gap, "{number} is missing and nobody says so");
            assert!(
                life(*missed) < life(id),
                "{number} was still there to be had"
            );
        }
        if before.is_some_and(|before| life(before.0) == life(id)) {
            assert!(!gap, "a gap in front of {number}, in the middle of a life");
        }
        (before, gap) = (Some((id, number)), false);
    }
}
