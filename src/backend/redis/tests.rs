//! With a Redis of their own; without redis-server on this machine they say so and pass.

#[path = "../../../tests/servers/redis.rs"]
mod server;

pub(in crate::backend) use server::RedisServer as Server;

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::channel::{Data, Start};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One node, without a loop.
struct Node {
    redis: Redis,
    heard: Receiver<News>,
    entries: Vec<String>,
    serial: u32,
}

struct Ear(Mutex<Sender<News>>);

impl Sink for Ear {
    fn take(&self, news: &mut Vec<News>) {
        for one in news.drain(..) {
            // A test that has failed hears nothing more.
            let _ = lock(&self.0).send(one);
        }
    }
}

impl Node {
    fn open(url: &str, mut options: Options) -> Node {
        options.settle = Duration::ZERO;
        let redis = Redis::open(url, options).unwrap();
        let (sender, heard) = channel();
        redis.start(Arc::new(Ear(Mutex::new(sender))));
        Node {
            redis,
            heard,
            entries: Vec::new(),
            serial: 0,
        }
    }

    /// Listens until something is the answer.
    fn hear<T>(&mut self, mut answer: impl FnMut(&News) -> Option<T>) -> T {
        loop {
            let news = self.heard.recv_timeout(PATIENCE).unwrap();
            if let News::Entry(entry) = &news {
                self.entries.push(data_of(&entry.record));
            }
            if let Some(answer) = answer(&news) {
                return answer;
            }
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.serial += 1;
        Ticket {
            place: 0,
            from: 0,
            serial: self.serial,
        }
    }

    fn publish(&mut self, name: &str, data: &str) -> Result<Id, Failure> {
        let ticket = self.ticket();
        let draft = Draft {
            channel: name.into(),
            event: None,
            data: Data::new(data.as_bytes()),
            key: None,
        };
        self.redis
            .publish(draft, ticket)
            .map_err(Failure::Refused)?;
        self.hear(|news| match news {
            News::Settled(to, settled) if *to == ticket => Some(*settled),
            _ => None,
        })
        .map(|settled| settled.id)
    }

    fn read(&mut self, name: &str, start: Start) -> Result<Arc<Page>, Failure> {
        self.read_few(name, start, 1_000)
    }

    fn read_few(
        &mut self,
        name: &str,
        start: Start,
        messages: usize,
    ) -> Result<Arc<Page>, Failure> {
        let ticket = self.ticket();
        let query = Query {
            channel: name.into(),
            start,
            messages,
            bytes: 1 << 20,
        };
        self.redis.read(query, ticket).map_err(Failure::Refused)?;
        self.hear(|news| match news {
            News::Page(to, page) if *to == ticket => Some(page.clone()),
            _ => None,
        })
    }

    /// What a channel holds.
    fn all(&mut self, name: &str) -> Vec<String> {
        let page = self.read(name, Start::Oldest).unwrap();
        assert!(!page.more);
        page.records.iter().map(data_of).collect()
    }

    /// Publishes until it is refused because Redis is away.
    fn until_refused(&mut self) {
        let began = Instant::now();
        loop {
            match self.publish("a", "refused") {
                Err(Failure::Refused(Refusal::Away)) => break,
                answer => assert!(began.elapsed() < PATIENCE, "{answer:?}"),
            }
        }
        assert!(matches!(self.redis.health(), Health::Degraded(_)));
        // From then on at once, and it never reaches Redis.
        assert_eq!(
            self.publish("a", "refused"),
            Err(Failure::Refused(Refusal::Away))
        );
    }

    fn until_taken(&mut self, data: &str) -> Id {
        let began = Instant::now();
        loop {
            match self.publish("a", data) {
                Ok(id) => return id,
                Err(failure) => assert!(began.elapsed() < PATIENCE, "{failure:?}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn data_of(record: &crate::channel::Record) -> String {
    String::from_utf8_lossy(record.data.as_bytes()).into_owned()
}

#[test]
fn databases_share_nothing() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let at = |number: u8| format!("{}/{number}", server.url());
    let mut nodes = [0, 3].map(|number| Node::open(&at(number), Options::default()));
    nodes[0].publish("a", "zero").unwrap();
    nodes[1].publish("a", "three").unwrap();
    nodes[0].publish("a", "zero again").unwrap();
    assert_eq!(nodes[0].all("a"), ["zero", "zero again"]);
    assert_eq!(nodes[1].all("a"), ["three"]);
    assert_eq!(nodes[1].entries, ["three"], "pub/sub knows no databases");
    let why = Redis::open(&at(99), Options::default()).unwrap_err();
    assert!(why.to_string().contains("DB index"), "{why}");
}

#[test]
fn a_full_redis_is_away_until_it_has_room() {
    let Some(server) = Server::start(&["--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let mut node = Node::open(&server.url(), Options::default());
    let before = node.publish("a", "before").unwrap();
    assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "1mb"]), "OK");
    node.until_refused();
    // Readers go on.
    assert_eq!(node.all("a"), ["before"]);
    assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    node.until_taken("after");
    assert_eq!(node.redis.health(), Health::Ok);
    let page = node.read("a", Start::After(before)).unwrap();
    assert!(!page.gap);
    assert_eq!(
        page.records.iter().map(data_of).collect::<Vec<_>>(),
        ["after"]
    );
}

#[test]
fn a_master_that_becomes_a_replica_is_away_until_it_is_one_again() {
    let servers = [Server::start(&[]), Server::start(&[])];
    let [Some(server), Some(other)] = servers else {
        return;
    };
    let mut node = Node::open(&server.url(), Options::default());
    node.publish("a", "before").unwrap();
    // It is cut off from the other one, which would give it all that it has: nothing.
    let port = other.port.to_string();
    drop(other);
    server.cli(&["REPLICAOF", "127.0.0.1", &port]);
    node.until_refused();
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    node.until_taken("after");
    assert_eq!(node.all("a"), ["before", "after"]);
}

#[test]
fn a_redis_that_has_forgotten_the_scripts_is_given_them_again() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut node = Node::open(&server.url(), Options::default());
    node.publish("a", "1").unwrap();
    assert_eq!(node.all("a"), ["1"]);
    for number in ["2", "3"] {
        assert_eq!(server.cli(&["SCRIPT", "FLUSH"]), "OK");
        node.publish("a", number).unwrap();
        assert_eq!(server.cli(&["SCRIPT", "FLUSH"]), "OK");
        assert_eq!(node.all("a").last().unwrap(), number);
    }
}

/// The only stream under the prefix.
fn stream_of(server: &Server) -> String {
    let keys = server.cli(&["--scan"]);
    let mut streams = keys
        .lines()
        .filter(|key| server.cli(&["TYPE", key]) == "stream");
    let stream = streams.next().unwrap().to_owned();
    assert_eq!(streams.next(), None);
    stream
}

#[test]
fn entries_that_are_not_ours_stop_nobody() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut near = Node::open(&server.url(), Options::default());
    let mut far = Node::open(&server.url(), Options::default());
    near.publish("a", "1").unwrap();
    let last = near.publish("a", "2").unwrap();
    // Far knows the channel by now, and has to find its way through.
    assert_eq!(far.all("a"), ["1", "2"]);
    let stream = stream_of(&server);
    let add = |fields: &[&str]| {
        let command = ["XADD", &stream, "*"];
        let said = server.cli(&[&command[..], fields].concat());
        assert!(said.contains('-'), "{said}");
    };
    add(&["who", "knows"]);
    add(&["1", "tdamaged", "p", "nothing", "b", "0"]);
    add(&["2", "of a later version", "b", "what"]);
    let next = near.publish("a", "3").unwrap();
    assert_eq!(near.all("a"), ["1", "2", "3"]);
    assert_eq!(far.all("a"), ["1", "2", "3"]);
    // Page by page, also where one ends behind what is not ours.
    let (mut from, mut got) = (last, Vec::new());
    while got.is_empty() {
        let page = far.read_few("a", Start::After(from), 1).unwrap();
        assert!(!page.gap, "behind {from}");
        assert!(page.through > from);
        got.extend(page.records.iter().map(data_of));
        from = page.through;
    }
    assert_eq!(got, ["3"]);
    near.publish("a", "4").unwrap();
    let far_has = |far: &Node| far.entries.iter().any(|data| data == "4");
    while !far_has(&far) {
        far.hear(|_| Some(()));
    }
    let page = far.read("a", Start::After(next)).unwrap();
    assert!(!page.gap);
    assert_eq!(page.records.iter().map(data_of).collect::<Vec<_>>(), ["4"]);
}

#[test]
fn what_is_retained_is_what_the_options_say() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let with = |prefix: &str, change: fn(&mut Retained)| {
        let mut options = Options {
            prefix: prefix.into(),
            ..Options::default()
        };
        change(&mut options.retained);
        Node::open(&server.url(), options)
    };
    let mut few = with("few", |retained| retained.messages = 3);
    let mut small = with("small", |retained| retained.bytes = 50);
    let mut young = with("young", |retained| {
        retained.age = Duration::from_millis(500)
    });
    let mut firsts = Vec::new();
    for node in [&mut few, &mut small, &mut young] {
        let ids: Vec<Id> = (0..9)
            .map(|number| node.publish("a", &format!("message {number}")).unwrap())
            .collect();
        firsts.push(ids);
    }
    assert_eq!(few.all("a"), ["message 6", "message 7", "message 8"]);
    // Of 9 bytes each, and two before them.
    assert_eq!(small.all("a").len(), 4);
    // One that fits nowhere is kept alone.
    small.publish("a", &"x".repeat(80)).unwrap();
    assert_eq!(small.all("a").len(), 1);
    std::thread::sleep(Duration::from_millis(700));
    assert!(young.all("a").is_empty());
    let last = firsts[2][8];
    // The last id is a cursor without a gap, and the one before it none.
    assert!(!young.read("a", Start::After(last)).unwrap().gap);
    assert!(young.read("a", Start::After(firsts[2][7])).unwrap().gap);
    let next = young.publish("a", "next").unwrap();
    assert!(next > last);
    assert!(!young.read("a", Start::After(last)).unwrap().gap);
    assert!(few.read("a", Start::After(firsts[0][4])).unwrap().gap);
    assert!(!few.read("a", Start::After(firsts[0][5])).unwrap().gap);
}

fn refused(url: &str) -> String {
    Redis::open(url, Options::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_wrong_is_said_at_the_start() {
    for url in [
        "",
        "10.0.0.5",
        "http://a",
        "redis://",
        "redis://a:b:c",
        "redis://a/b",
    ] {
        assert!(refused(url).contains("URL"), "{url}: {}", refused(url));
    }
    assert!(refused("redis://127.0.0.1:1").contains("can't be reached at 127.0.0.1:1"));
    let Some(server) = Server::start(&["--requirepass", "secret"]) else {
        return;
    };
    let url = |user: &str| format!("redis://{user}127.0.0.1:{}", server.port);
    for user in ["", ":wrong@", "nobody:secret@"] {
        let why = refused(&url(user));
        assert!(why.contains("password"), "{user} {why}");
        assert!(!why.contains("secret"), "{why}");
    }
    Redis::open(&url(":secret@"), Options::default()).unwrap();
    let other = Options {
        shards: 3,
        ..Options::default()
    };
    let why = Redis::open(&url(":secret@"), other)
        .unwrap_err()
        .to_string();
    assert!(why.contains("16 shards, not over 3"), "{why}");
    let replica = Server::start(&[
        "--replicaof",
        "127.0.0.1",
        &server.port.to_string(),
        "--masterauth",
        "secret",
    ]);
    if let Some(replica) = replica {
        let why = refused(&replica.url());
        assert!(why.contains("replica"), "{why}");
    }
}
