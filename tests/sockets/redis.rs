//! Several servers over one Redis: a reader may come to any of them, in any way, with the id that it read last; and what
//! becomes of readers and publishers while Redis is away. Without redis-server on this machine these say so and pass.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use barewire::redis::{Options, Redis};
use barewire::{Limits, Server};

use crate::redis_server::RedisServer;
use crate::support::{
    Answer, PATIENCE, Running, connect, get, json_field, open_events, post, read_answer,
    read_chunk, websocket,
};

fn node(redis: &RedisServer, hot: usize) -> Running {
    Running::start(|server: &mut Server| {
        let mut limits = Limits::default();
        limits.channels.retention.messages = hot;
        server.limits(limits);
        let mut options = Options::default();
        options.settle = Duration::from_millis(1_500);
        let redis = Redis::open(&redis.url(), options).unwrap();
        server.redis_in(redis).unwrap();
        server.channels("/channels/{name}");
        server.health("/health");
        server.metrics("/metrics");
    })
}

fn publish(address: SocketAddr, data: &str) -> Answer {
    post(&mut connect(address), "/channels/a", data).unwrap()
}

fn id_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    json_field(&answer.body, "id").unwrap().to_owned()
}

/// Publishes until it is taken.
fn publish_at_last(address: SocketAddr, data: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        match post(&mut connect(address), "/channels/a", data) {
            Ok(answer) if answer.status == 201 => return id_of(&answer),
            other => assert!(Instant::now() < until, "{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The ids of all messages behind a cursor, poll by poll.
fn poll(address: SocketAddr, after: &str) -> Vec<String> {
    let mut stream = connect(address);
    let (mut ids, mut cursor) = (Vec::new(), after.to_owned());
    loop {
        let target = format!("/channels/a?last_event_id={cursor}");
        let answer = get(&mut stream, &target, "").unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.body.contains("\"gap\""), "{}", answer.body);
        let events = answer.body.split("{\"id\":\"").skip(1);
        ids.extend(events.filter_map(|event| event.split('"').next().map(str::to_owned)));
        cursor = json_field(&answer.body, "last_id").unwrap().to_owned();
        if !answer.body.ends_with("\"more\":true}") {
            return ids;
        }
    }
}

/// An event stream.
struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    fn open(address: SocketAddr, after: &str) -> Events {
        let mut stream = connect(address);
        open_events(
            &mut stream,
            &format!("/channels/a?last_event_id={after}"),
            "",
        );
        Events {
            stream,
            text: String::new(),
        }
    }

    /// Reads up to this id. Returns the ids of messages, and whether there was a gap.
    fn read_to(&mut self, id: &str) -> (Vec<String>, bool) {
        let line = format!("id: {id}\n");
        while !self.text.split("\n\n").any(|block| {
            format!("{block}\n").contains(&line)
                && block.contains("data:")
                && !block.contains("event: gap")
        }) {
            let chunk = read_chunk(&mut self.stream).unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let blocks = self.text.split("\n\n");
        let has_gap = self.text.contains("event: gap");
        let messages =
            blocks.filter(|block| block.contains("data:") && !block.contains("event: gap"));
        let ids =
            messages.filter_map(|block| block.lines().find_map(|line| line.strip_prefix("id: ")));
        let ids = ids.map(str::to_owned).collect();
        self.text.clear();
        (ids, has_gap)
    }
}

/// The ids of this many messages on a WebSocket.
fn listen(address: SocketAddr, after: &str, count: usize) -> Vec<String> {
    let mut socket = websocket(address, &format!("/channels/a?last_event_id={after}"));
    let messages = (0..count).map(|_| socket.read().unwrap().into_text().unwrap());
    let ids = messages.map(|text| json_field(&text, "id").unwrap().to_owned());
    ids.collect()
}

#[test]
fn a_reader_comes_back_to_any_node_in_any_way() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let nodes = [node(&redis, 5), node(&redis, 10_000), node(&redis, 10_000)];
    let first = id_of(&publish(nodes[0].address, "first"));
    let mut following: Vec<Events> = nodes
        .iter()
        .map(|node| Events::open(node.address, &first))
        .collect();
    let ids: Vec<String> = (0..60)
        .map(|number| id_of(&publish(nodes[number % 3].address, &number.to_string())))
        .collect();
    for events in &mut following {
        assert_eq!(events.read_to(&ids[59]), (ids.clone(), false));
    }
    // One that comes only now has to read all of it from Redis.
    let late = node(&redis, 5);
    for address in nodes.iter().chain([&late]).map(|node| node.address) {
        for at in [0, 30, 58] {
            let expected = &ids[at + 1..];
            assert_eq!(poll(address, &ids[at]), expected);
            assert_eq!(listen(address, &ids[at], expected.len()), expected);
            let followed = Events::open(address, &ids[at]).read_to(&ids[59]);
            assert_eq!(followed, (expected.to_vec(), false));
        }
        let target = format!("/channels/a?last_event_id={}", ids[58]);
        let waited = get(&mut connect(address), &target, "Prefer: wait=30\r\n").unwrap();
        assert!(waited.body.contains(&ids[59]), "{}", waited.body);
        let health = get(&mut connect(address), "/health", "").unwrap();
        assert!(health.body.contains("\"status\":\"ok\""), "{}", health.body);
    }
}

#[test]
fn a_key_publishes_once_on_whichever_node() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let nodes = [node(&redis, 10), node(&redis, 10)];
    let once = |node: &Running, body: &str| {
        let mut stream = connect(node.address);
        let length = body.len();
        let request = format!(
            "POST /channels/a HTTP/1.1\r\nHost: a\r\nIdempotency-Key: key\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        read_answer(&mut stream).unwrap()
    };
    let first = once(&nodes[0], "x");
    assert_eq!(first.status, 201);
    let again = once(&nodes[1], "x");
    assert_eq!((again.status, again.body), (201, first.body));
    assert_eq!(once(&nodes[1], "y").status, 422);
    let all = get(&mut connect(nodes[1].address), "/channels/a", "").unwrap();
    assert_eq!(all.body.matches("\"data\":").count(), 1);
}

#[test]
fn while_redis_is_away_readers_stay_and_publishing_is_refused_and_then_all_goes_on() {
    let Some(mut redis) = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return;
    };
    let nodes = [node(&redis, 100), node(&redis, 100)];
    let first = id_of(&publish(nodes[0].address, "first"));
    let mut readers: Vec<Events> = nodes
        .iter()
        .map(|node| Events::open(node.address, &first))
        .collect();
    let before = id_of(&publish(nodes[0].address, "before"));
    for reader in &mut readers {
        assert_eq!(reader.read_to(&before), (vec![before.clone()], false));
    }
    redis.kill();
    for node in &nodes {
        let until = Instant::now() + PATIENCE;
        loop {
            let health = get(&mut connect(node.address), "/health", "").unwrap();
            assert_eq!(health.status, 200);
            if health.body.contains("\"status\":\"degraded\"") {
                break;
            }
            assert!(Instant::now() < until, "{}", health.body);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    // The first may have been on its way when Redis died: then no answer is true.
    let head = loop {
        let mut stream = connect(nodes[0].address);
        let request = b"POST /channels/b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
        stream.write_all(request).unwrap();
        if let Ok(head) = crate::support::read_head(&mut stream) {
            break head;
        }
    };
    assert!(
        head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: "),
        "{head}"
    );
    // What the node holds it goes on serving; what only Redis would know it does not make up.
    assert_eq!(
        poll(nodes[0].address, &first),
        std::slice::from_ref(&before)
    );
    let unknown = get(
        &mut connect(nodes[0].address),
        "/channels/a?last_event_id=5-5",
        "",
    )
    .unwrap();
    assert_eq!(unknown.status, 503, "{unknown:?}");
    redis.restart();
    let after = publish_at_last(nodes[1].address, "after");
    for reader in &mut readers {
        assert_eq!(reader.read_to(&after), (vec![after.clone()], false));
    }
    assert_eq!(poll(nodes[0].address, &first), [before, after]);
}

#[test]
fn of_what_redis_has_lost_those_are_told_who_missed_something() {
    let Some(mut redis) = RedisServer::start(&[]) else {
        return;
    };
    let nodes = [node(&redis, 100), node(&redis, 100)];
    let first = id_of(&publish(nodes[0].address, "first"));
    let mut readers: Vec<Events> = nodes
        .iter()
        .map(|node| Events::open(node.address, &first))
        .collect();
    let last = id_of(&publish(nodes[0].address, "last"));
    for reader in &mut readers {
        reader.read_to(&last);
    }
    redis.kill();
    redis.restart();
    let after = publish_at_last(nodes[1].address, "after");
    let newer = |older: &str, newer: &str| {
        let id = |text: &str| text.parse::<barewire::channel::Id>().unwrap();
        id(newer) > id(older)
    };
    assert!(newer(&last, &after));
    for reader in &mut readers {
        assert_eq!(
            reader.read_to(&after),
            (vec![after.clone()], false),
            "it has missed nothing"
        );
    }
    for node in &nodes {
        assert_eq!(poll(node.address, &last), std::slice::from_ref(&after));
    }
    let late = node(&redis, 100);
    assert_eq!(poll(late.address, &last), std::slice::from_ref(&after));
    let (ids, has_gap) = Events::open(late.address, &first).read_to(&after);
    assert_eq!(
        (ids, has_gap),
        (vec![after], true),
        "what came behind it is lost"
    );
}

#[test]
fn the_metrics_of_redis_are_those_in_docs_and_say_how_it_does() {
    let Some(mut redis) = RedisServer::start(&[]) else {
        return;
    };
    let node = node(&redis, 10);
    let page = || {
        get(&mut connect(node.address), "/metrics", "")
            .unwrap()
            .body
    };
    for number in 0..3 {
        id_of(&publish(node.address, &number.to_string()));
    }
    let names = |text: &str, before: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(before));
        let names = lines.map(|line| line.split([' ', '`']).next().unwrap().to_owned());
        names.collect::<std::collections::BTreeSet<String>>()
    };
    let documented = names(include_str!("../../docs/operate.md"), "| `barewire_redis_");
    assert_eq!(documented, names(&page(), "# TYPE barewire_redis_"));
    for line in [
        "barewire_redis_up{for=\"publishing\"} 1",
        "barewire_redis_up{for=\"listening\"} 1",
        "barewire_redis_batches_total 3",
        "barewire_redis_batch_seconds_count 3",
        "barewire_redis_queued_messages 0",
        "barewire_redis_queued_bytes 0",
        "barewire_redis_unreadable_entries_total 0",
    ] {
        assert!(
            page().contains(&format!("{line}\n")),
            "{line} in {}",
            page()
        );
    }
    redis.kill();
    let until = Instant::now() + PATIENCE;
    while !page().contains("barewire_redis_up{for=\"publishing\"} 0\n") {
        assert!(Instant::now() < until, "{}", page());
        std::thread::sleep(Duration::from_millis(20));
    }
}
