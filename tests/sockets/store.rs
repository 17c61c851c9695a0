//! A server whose channels stand before a store: what was acknowledged is there after the next start, in all four ways,
//! also where memory holds only the newest part of it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barewire::durable::{Options, Store};
use barewire::{Cores, Limits, Server};

use crate::support::{
    Answer, Running, connect, get, json_field, open_events, post, read_answer, read_chunk,
    websocket,
};

/// A path that is gone when the test is over.
pub struct Path(pub PathBuf);

impl Path {
    pub fn new() -> Path {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let name = format!("barewire-sockets-{}-{number}", std::process::id());
        Path(std::env::temp_dir().join(name))
    }

    /// A server that keeps this many messages of a channel in memory.
    fn serve(&self, hot: usize) -> Running {
        Running::start(|server: &mut Server| {
            let mut limits = Limits::default();
            limits.channels.retention.messages = hot;
            server.limits(limits);
            // In whichever order.
            server.health("/health").metrics("/metrics");
            let store = Store::open(&self.0, Options::default()).unwrap();
            server.store_in(store).unwrap();
            server.channels("/channels/{name}");
        })
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn publish(server: &Running, range: std::ops::Range<usize>) -> Vec<String> {
    let mut stream = connect(server.address);
    let ids = range.map(|number| {
        let answer = post(&mut stream, "/channels/a", &number.to_string()).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        json_field(&answer.body, "id").unwrap().to_owned()
    });
    ids.collect()
}

fn publish_once(server: &Running, body: &str) -> Answer {
    let mut stream = connect(server.address);
    let length = body.len();
    let request = format!(
        "POST /channels/a HTTP/1.1\r\nHost: a\r\nIdempotency-Key: key\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    read_answer(&mut stream).unwrap()
}

/// The ids of all messages behind a cursor, poll by poll.
fn poll(server: &Running, after: &str) -> Vec<String> {
    let mut stream = connect(server.address);
    let (mut ids, mut cursor) = (Vec::new(), after.to_owned());
    loop {
        let target = format!("/channels/a?last_event_id={cursor}");
        let answer = get(&mut stream, &target, "").unwrap();
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("\"gap\""), "{}", answer.body);
        let events = answer.body.split("{\"id\":\"").skip(1);
        ids.extend(events.filter_map(|event| event.split('"').next().map(str::to_owned)));
        cursor = json_field(&answer.body, "last_id").unwrap().to_owned();
        if !answer.body.ends_with("\"more\":true}") {
            return ids;
        }
    }
}

/// The ids of this many messages of an event stream.
fn follow(server: &Running, after: &str, count: usize) -> Vec<String> {
    let mut stream = connect(server.address);
    let target = format!("/channels/a?last_event_id={after}");
    open_events(&mut stream, &target, "");
    let mut text = String::new();
    while text.matches("\ndata: ").count() < count {
        let chunk = read_chunk(&mut stream).unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk[..chunk.len()]).unwrap());
    }
    assert!(!text.contains("event: gap"), "{text}");
    let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
    ids.map(str::to_owned).collect()
}

/// The ids of this many messages on a WebSocket.
fn listen(server: &Running, after: &str, count: usize) -> Vec<String> {
    let target = format!("/channels/a?last_event_id={after}");
    let mut socket = websocket(server.address, &target);
    let messages = (0..count).map(|_| socket.read().unwrap().into_text().unwrap());
    let ids = messages.map(|text| json_field(&text, "id").unwrap().to_owned());
    ids.collect()
}

#[test]
fn what_was_acknowledged_is_there_after_the_next_start_in_every_way() {
    let path = Path::new();
    let server = path.serve(10_000);
    let mut ids = publish(&server, 0..50);
    drop(server);
    let server = path.serve(10_000);
    for at in [0, 20, 48] {
        let expected = &ids[at + 1..];
        assert_eq!(poll(&server, &ids[at]), expected);
        assert_eq!(follow(&server, &ids[at], expected.len()), expected);
        assert_eq!(listen(&server, &ids[at], expected.len()), expected);
    }
    ids.extend(publish(&server, 50..60));
    assert!(ids.is_sorted_by_key(|id| id.parse::<barewire::channel::Id>().unwrap()));
    assert_eq!(poll(&server, &ids[0]), ids[1..]);
}

#[test]
fn readers_of_what_memory_no_longer_holds_get_it_from_the_store_and_then_what_is_new() {
    let path = Path::new();
    let server = path.serve(3);
    let ids = publish(&server, 0..2_500);
    std::thread::scope(|scope| {
        let readers = [
            scope.spawn(|| follow(&server, &ids[0], 2_599)),
            scope.spawn(|| listen(&server, &ids[0], 2_599)),
        ];
        let more = publish(&server, 2_500..2_600);
        let all: Vec<String> = ids.iter().chain(&more).cloned().collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), all[1..]);
        }
        assert_eq!(poll(&server, &ids[0]), all[1..]);
    });
}

#[test]
fn a_key_publishes_once_also_after_the_next_start() {
    let path = Path::new();
    let server = path.serve(10);
    let first = publish_once(&server, "x");
    assert_eq!(first.status, 201);
    assert_eq!(publish_once(&server, "x").body, first.body);
    drop(server);
    let server = path.serve(10);
    let again = publish_once(&server, "x");
    assert_eq!((again.status, again.body), (201, first.body));
    assert_eq!(publish_once(&server, "y").status, 422);
    let mut stream = connect(server.address);
    let all = get(&mut stream, "/channels/a", "").unwrap();
    assert_eq!(all.body.matches("\"data\":").count(), 1);
    assert_eq!(
        get(&mut stream, "/health", "").unwrap().body,
        "{\"status\":\"ok\"}"
    );
}

#[test]
fn a_file_that_is_in_use_is_refused() {
    let path = Path::new();
    let server = path.serve(10);
    let refused = Server::unbound().unwrap().store(&path.0).err();
    assert!(refused.is_some_and(|error| error.to_string().contains("in use")));
    drop(server);
    Server::unbound().unwrap().store(&path.0).unwrap();
}

#[test]
fn loops_share_a_store_and_readers_of_each_find_all_of_it() {
    let path = Path::new();
    let mut ids = Vec::new();
    for life in 0..2 {
        let mut cores = Cores::unbound(2, |server| {
            server.listen("127.0.0.1:0")?;
            server.channels("/channels/{name}");
            Ok(())
        })
        .unwrap();
        cores.store(&path.0).unwrap();
        let addresses: Vec<_> = cores
            .servers()
            .iter()
            .map(|server| server.local_addr().unwrap())
            .collect();
        let stopper = cores.stopper();
        let running = std::thread::spawn(move || cores.run());
        for number in 0..40 {
            let mut stream = connect(addresses[number % 2]);
            let answer = post(&mut stream, "/channels/a", &format!("{life} {number}")).unwrap();
            assert_eq!(answer.status, 201);
            ids.push(json_field(&answer.body, "id").unwrap().to_owned());
            // Whoever was answered finds it on whichever loop it comes to next.
            let last = ids.len().saturating_sub(2);
            let target = format!("/channels/a?last_event_id={}", ids[last]);
            let answer = get(&mut connect(addresses[(number + 1) % 2]), &target, "").unwrap();
            assert!(
                answer.body.contains(ids.last().unwrap()) || ids.len() == 1,
                "{answer:?}"
            );
        }
        for address in addresses {
            let answer = get(&mut connect(address), "/channels/a", "").unwrap();
            let found = answer.body.split("{\"id\":\"").skip(1);
            let found: Vec<_> = found.filter_map(|event| event.split('"').next()).collect();
            assert_eq!(found, ids);
        }
        stopper.stop();
        running.join().unwrap().unwrap();
    }
}

#[test]
fn a_program_that_turns_the_loop_itself_has_a_store_too() {
    let path = Path::new();
    for count in 1..3 {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        server.store(&path.0).unwrap().channels("/channels/{name}");
        let address = server.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            let mut stream = connect(address);
            assert_eq!(post(&mut stream, "/channels/a", "x").unwrap().status, 201);
            get(&mut stream, "/channels/a", "").unwrap().body
        });
        while !client.is_finished() {
            server.turn(Some(Duration::ZERO)).unwrap();
            std::thread::yield_now();
        }
        assert_eq!(client.join().unwrap().matches("\"data\":").count(), count);
    }
}

#[test]
fn the_stores_metrics_are_those_in_docs_and_say_what_it_holds() {
    let path = Path::new();
    let server = path.serve(10);
    let ids = publish(&server, 0..3);
    let mut stream = connect(server.address);
    let page = get(&mut stream, "/metrics", "").unwrap().body;
    let names = |text: &str, before: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(before));
        let names = lines.map(|line| line.split([' ', '`']).next().unwrap().to_owned());
        names.collect::<std::collections::BTreeSet<String>>()
    };
    let documented = names(include_str!("../../docs/operate.md"), "| `barewire_store_");
    assert_eq!(documented, names(&page, "# TYPE barewire_store_"));
    let value = |name: &str| -> f64 {
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {page}"))
            .parse()
            .unwrap()
    };
    let oldest: barewire::channel::Id = ids[0].parse().unwrap();
    let oldest = oldest.ms as f64 / 1e3;
    for (name, expected) in [
        ("barewire_store_failed", 0.0),
        ("barewire_store_channels", 1.0),
        ("barewire_store_messages", 3.0),
        ("barewire_store_keys", 0.0),
        ("barewire_store_queued_messages", 0.0),
        ("barewire_store_queued_bytes", 0.0),
        ("barewire_store_oldest_message_timestamp_seconds", oldest),
        ("barewire_published_messages_total{way=\"post\"}", 3.0),
        ("barewire_publish_delay_seconds_count", 3.0),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    // One publisher waits for each of its messages; its channel may have had a commit of its own.
    let commits = value("barewire_store_commits_total");
    assert!(commits >= 3.0, "{commits}");
    assert_eq!(value("barewire_store_commit_seconds_count"), commits);
    assert!(value("barewire_store_sync_seconds_count") >= commits);
    let length = std::fs::metadata(&path.0).unwrap().len() as f64;
    assert_eq!(value("barewire_store_file_bytes"), length);
    // Who reads what memory has no longer is counted, too.
    let ids = publish(&server, 3..40);
    assert_eq!(poll(&server, &ids[0]).len(), 36);
    let page = get(&mut stream, "/metrics", "").unwrap().body;
    let polled = "barewire_delivered_messages_total{way=\"short_poll\"} 36";
    assert!(page.contains(polled), "{page}");
}
