//! The laws of the seam, for every backend: what is written in the [module](super) about order, keys, pages and floors.
//! Each law is a function of a [`World`], which opens backends; [`every_backend`] names them all.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::memory::Memory;
use super::{
    Backend, Draft, Entry, Failure, Key, News, Page, Query, Refusal, Settled, Sink, Ticket,
};
use crate::channel::{Data, Id, Retention, Start};

/// How long anything may take before a law is said to be broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A backend that is open, and what it tells.
struct Open {
    backend: Arc<dyn Backend>,
    heard: Receiver<News>,
    entries: Vec<Arc<Entry>>,
    settled: HashMap<u32, Result<Settled, Failure>>,
    pages: HashMap<u32, Result<Arc<Page>, Failure>>,
    serial: u32,
}

struct Ear(Mutex<Sender<News>>);

impl Sink for Ear {
    fn take(&self, news: &mut Vec<News>) {
        let sender = self.0.lock().unwrap();
        for news in news.drain(..) {
            // The law may be over.
            let _ = sender.send(news);
        }
    }
}

/// Opens a kind of backend, again and again if it outlives being closed.
trait World {
    fn open(&mut self, retained: usize) -> Arc<dyn Backend>;
    /// Whether what it held is there when it is opened again.
    fn lasts(&self) -> bool;
}

struct InMemory;

impl World for InMemory {
    fn open(&mut self, retained: usize) -> Arc<dyn Backend> {
        let retention = Retention {
            messages: retained,
            ..Retention::default()
        };
        Arc::new(Memory::new(retention, clock))
    }

    fn lasts(&self) -> bool {
        false
    }
}

/// Goes back once in a while.
fn clock() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    1_000_000 + calls - 50 * (calls % 3)
}

#[cfg(feature = "durable")]
struct OnDisk {
    path: PathBuf,
    durability: super::durable::Durability,
}

#[cfg(feature = "durable")]
impl World for OnDisk {
    fn open(&mut self, retained: usize) -> Arc<dyn Backend> {
        let mut options = super::durable::Options::default();
        options.durability = self.durability;
        options.retained.messages = retained as u64;
        Arc::new(super::durable::Store::open(&self.path, options).unwrap())
    }

    fn lasts(&self) -> bool {
        true
    }
}

#[cfg(feature = "durable")]
impl Drop for OnDisk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(feature = "redis")]
struct InRedis {
    server: super::redis::tests::Server,
    shards: u16,
}

#[cfg(feature = "redis")]
impl World for InRedis {
    fn open(&mut self, retained: usize) -> Arc<dyn Backend> {
        let mut options = super::redis::Options::default();
        options.retained.messages = retained as u64;
        options.shards = self.shards;
        options.settle = Duration::ZERO;
        Arc::new(super::redis::Redis::open(&self.server.url(), options).unwrap())
    }

    fn lasts(&self) -> bool {
        true
    }
}

impl Open {
    fn new(backend: Arc<dyn Backend>) -> Open {
        let (sender, heard) = channel();
        backend.start(Arc::new(Ear(Mutex::new(sender))));
        Open {
            backend,
            heard,
            entries: Vec::new(),
            settled: HashMap::new(),
            pages: HashMap::new(),
            serial: 0,
        }
    }

    fn hear(&mut self) {
        match self.heard.recv_timeout(PATIENCE).unwrap() {
            News::Entry(entry) => self.entries.push(entry),
            News::Settled(ticket, settled) => {
                if let Ok(Settled {
                    id,
                    replayed: false,
                }) = settled
                {
                    let is_there = self.entries.iter().any(|entry| entry.record.id == id);
                    assert!(is_there, "an entry is told before its answer");
                }
                assert_eq!(self.settled.insert(ticket.serial, settled), None);
            }
            News::Page(ticket, page) => {
                assert_eq!(self.pages.insert(ticket.serial, page), None);
            }
            News::Shelf(..) => {}
            News::Failed(why) => panic!("{why}"),
            News::Warned(why) => eprintln!("{why}"),
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.serial += 1;
        Ticket {
            place: 0,
            from: 7,
            serial: self.serial,
        }
    }

    fn submit(&mut self, draft: Draft) -> u32 {
        let ticket = self.ticket();
        self.backend.publish(draft, ticket).unwrap();
        ticket.serial
    }

    fn settle(&mut self, serial: u32) -> Result<Settled, Failure> {
        while !self.settled.contains_key(&serial) {
            self.hear();
        }
        self.settled[&serial]
    }

    fn publish(&mut self, name: &str, data: &str) -> Id {
        let serial = self.submit(draft(name, data, None));
        self.settle(serial).unwrap().id
    }

    fn page(&mut self, name: &str, start: Start, messages: usize) -> Arc<Page> {
        let ticket = self.ticket();
        let query = Query {
            channel: name.into(),
            start,
            messages,
            bytes: 1 << 20,
        };
        self.backend.read(query, ticket).unwrap();
        while !self.pages.contains_key(&ticket.serial) {
            self.hear();
        }
        self.pages.remove(&ticket.serial).unwrap().unwrap()
    }

    /// All that is behind a cursor, in pages of this many messages, and whether there was a gap in front.
    fn read(&mut self, name: &str, mut start: Start, messages: usize) -> (bool, Vec<String>) {
        let (mut all, mut gap) = (Vec::new(), None);
        loop {
            let page = self.page(name, start, messages);
            gap.get_or_insert(page.gap);
            let texts = page.records.iter().map(|record| record.data.as_text());
            all.extend(texts.map(|text| text.unwrap_or_default().to_owned()));
            if !page.more {
                return (gap == Some(true), all);
            }
            assert!(
                !page.records.is_empty(),
                "a page with more behind it is not empty"
            );
            start = Start::After(page.through);
        }
    }

    fn close(self) -> Vec<Arc<Entry>> {
        self.backend.stop();
        self.entries
    }
}

fn draft(name: &str, data: &str, key: Option<&str>) -> Draft {
    Draft {
        channel: name.into(),
        event: None,
        data: Data::new(data.as_bytes()),
        key: key.and_then(|key| Key::new(key.as_bytes())),
    }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn ids_grow_and_each_names_the_one_before_it(world: &mut dyn World) {
    let mut previous: HashMap<Arc<str>, Id> = HashMap::new();
    for _ in 0..3 {
        let mut open = Open::new(world.open(100));
        let serials: Vec<u32> = (0..50)
            .map(|number| open.submit(draft(["a", "b"][number % 2], "x", None)))
            .collect();
        for serial in serials {
            open.settle(serial).unwrap();
        }
        if !world.lasts() {
            previous.clear();
        }
        for entry in open.close() {
            let id = entry.record.id;
            assert!(id > entry.previous);
            if let Some(previous) = previous.insert(Arc::clone(&entry.channel), id) {
                assert_eq!(entry.previous, previous);
            }
        }
        if !world.lasts() {
            return;
        }
    }
}

fn every_cursor_gives_what_is_behind_it(world: &mut dyn World) {
    let mut open = Open::new(world.open(100));
    let birth = open.page("a", Start::Now, 1).through;
    let ids: Vec<Id> = numbers(0..60)
        .iter()
        .map(|number| open.publish("a", number))
        .collect();
    for lives in 0..2 {
        for size in [1, 7, 1_000] {
            assert_eq!(open.read("a", Start::Oldest, size), (false, numbers(0..60)));
            assert_eq!(open.read("a", Start::Now, size), (false, Vec::new()));
            assert_eq!(
                open.read("a", Start::After(birth), size),
                (false, numbers(0..60))
            );
        }
        for (at, &id) in ids.iter().enumerate() {
            assert_eq!(
                open.read("a", Start::After(id), 9),
                (false, numbers(at + 1..60))
            );
        }
        let now = open.page("a", Start::Now, 1);
        assert_eq!((now.through, now.more), (ids[59], false));
        if lives == 0 && world.lasts() {
            open.close();
            open = Open::new(world.open(100));
        }
    }
    open.close();
}

fn a_gap_is_told_where_there_is_one(world: &mut dyn World) {
    let mut open = Open::new(world.open(5));
    let ids: Vec<Id> = numbers(0..20)
        .iter()
        .map(|number| open.publish("a", number))
        .collect();
    for _ in 0..2 {
        for (at, &id) in ids.iter().enumerate() {
            // The last that was dropped is the floor.
            let expected = match at < 14 {
                true => (true, numbers(15..20)),
                false => (false, numbers(at + 1..20)),
            };
            assert_eq!(open.read("a", Start::After(id), 3), expected, "{at}");
        }
        assert_eq!(open.page("a", Start::Oldest, 1).floor, ids[14]);
        for foreign in [
            Id { ms: 1, seq: 7 },
            Id {
                ms: u64::MAX,
                seq: 0,
            },
        ] {
            let expected = (true, numbers(15..20));
            assert_eq!(open.read("a", Start::After(foreign), 3), expected);
        }
        if world.lasts() {
            open.close();
            open = Open::new(world.open(5));
        }
    }
    open.close();
}

fn a_page_is_bounded_and_holds_at_least_one_message(world: &mut dyn World) {
    let mut open = Open::new(world.open(100));
    let large = "x".repeat(3 << 20);
    for data in ["1", &large, "2", "3"] {
        open.publish("a", data);
    }
    let page = open.page("a", Start::Oldest, 100);
    assert_eq!((page.records.len(), page.more), (1, true));
    let page = open.page("a", Start::After(page.through), 100);
    assert_eq!((page.records.len(), page.more), (1, true));
    let page = open.page("a", Start::After(page.through), 100);
    assert_eq!((page.records.len(), page.more), (2, false));
    open.close();
}

fn a_channel_that_there_is_not_has_a_place_all_the_same(world: &mut dyn World) {
    let mut open = Open::new(world.open(100));
    for start in [Start::Oldest, Start::Now] {
        let page = open.page("none", start, 10);
        assert_eq!((page.gap, page.records.len(), page.more), (false, 0, false));
        assert_eq!(
            open.read("none", Start::After(page.through), 10),
            (false, Vec::new())
        );
    }
    let cursor = open.page("none", Start::Now, 10).through;
    open.publish("other", "x");
    open.publish("none", "1");
    assert_eq!(
        open.read("none", Start::After(cursor), 10),
        (false, numbers(1..2))
    );
    open.close();
}

fn many_publishers_keep_each_its_order_and_lose_nothing(world: &mut dyn World) {
    let mut open = Open::new(world.open(10_000));
    let (publishers, each) = (8, 100);
    std::thread::scope(|scope| {
        for publisher in 0..publishers {
            let backend = Arc::clone(&open.backend);
            scope.spawn(move || {
                for number in 0..each {
                    let data = format!("{publisher} {number}");
                    let ticket = Ticket {
                        place: 0,
                        from: publisher,
                        serial: publisher as u32 * each + number + 1_000,
                    };
                    backend.publish(draft("a", &data, None), ticket).unwrap();
                }
            });
        }
    });
    let count = publishers as usize * each as usize;
    while open.settled.len() < count {
        open.hear();
    }
    let (gap, all) = open.read("a", Start::Oldest, 64);
    assert_eq!((gap, all.len()), (false, count));
    let told = open.entries.iter().map(|entry| entry.record.data.as_text());
    let told: Vec<String> = told
        .map(|text| text.unwrap_or_default().to_owned())
        .collect();
    assert_eq!(told, all, "what is told and what is read are in one order");
    for publisher in 0..publishers {
        let prefix = format!("{publisher} ");
        let its = all.iter().filter_map(|text| text.strip_prefix(&prefix));
        assert_eq!(its.collect::<Vec<_>>(), numbers(0..each as usize));
    }
    open.close();
}

fn a_key_is_one_message(world: &mut dyn World) {
    let mut open = Open::new(world.open(100));
    let first = open.submit(draft("a", "x", Some("key")));
    let again = open.submit(draft("a", "x", Some("key")));
    let other = open.submit(draft("a", "y", Some("key")));
    let elsewhere = open.submit(draft("b", "y", Some("key")));
    let id = open.settle(first).unwrap().id;
    let replay = Ok(Settled { id, replayed: true });
    assert_eq!(open.settle(again), replay);
    assert_eq!(
        open.settle(other),
        Err(Failure::Refused(Refusal::KeyReused))
    );
    assert!(!open.settle(elsewhere).unwrap().replayed);
    // The same bytes under another event name are another message.
    let mut named = draft("a", "x", Some("key"));
    named.event = Some("tick".into());
    let named = open.submit(named);
    assert_eq!(
        open.settle(named),
        Err(Failure::Refused(Refusal::KeyReused))
    );
    if world.lasts() {
        open.close();
        open = Open::new(world.open(100));
        let again = open.submit(draft("a", "x", Some("key")));
        assert_eq!(open.settle(again), replay);
    }
    assert_eq!(open.read("a", Start::Oldest, 10).1, ["x"]);
    let entries = open.close();
    assert!(
        entries
            .iter()
            .filter(|entry| &*entry.channel == "a")
            .count()
            <= 1
    );
}

fn what_comes_after_the_end_is_refused(world: &mut dyn World) {
    let mut open = Open::new(world.open(100));
    open.publish("a", "x");
    open.backend.stop();
    let ticket = open.ticket();
    let refused = open.backend.publish(draft("a", "y", None), ticket);
    assert_eq!(refused, Err(Refusal::Away));
}

fn what_was_taken_before_the_end_is_settled(world: &mut dyn World) {
    let mut open = Open::new(world.open(1_000));
    let serials: Vec<u32> = (0..200)
        .map(|number| open.submit(draft("a", &number.to_string(), None)))
        .collect();
    open.backend.stop();
    for serial in serials {
        open.settle(serial).unwrap();
    }
    open.close();
    if world.lasts() {
        let mut open = Open::new(world.open(1_000));
        assert_eq!(open.read("a", Start::Oldest, 50), (false, numbers(0..200)));
        open.close();
    }
}

const LAWS: [fn(&mut dyn World); 9] = [
    ids_grow_and_each_names_the_one_before_it,
    every_cursor_gives_what_is_behind_it,
    a_gap_is_told_where_there_is_one,
    a_page_is_bounded_and_holds_at_least_one_message,
    a_channel_that_there_is_not_has_a_place_all_the_same,
    many_publishers_keep_each_its_order_and_lose_nothing,
    a_key_is_one_message,
    what_comes_after_the_end_is_refused,
    what_was_taken_before_the_end_is_settled,
];

fn every_law(mut world: impl FnMut() -> Box<dyn World>) {
    for law in LAWS {
        law(&mut *world());
    }
}

#[test]
fn the_laws_hold_in_memory() {
    every_law(|| Box::new(InMemory));
}

#[cfg(feature = "durable")]
#[test]
fn the_laws_hold_on_disk() {
    use super::durable::Durability;
    let every = Durability::Every(Duration::from_millis(20));
    for durability in [Durability::Synced, every, Durability::System] {
        every_law(|| {
            Box::new(OnDisk {
                path: temporary("laws"),
                durability,
            })
        });
    }
}

#[cfg(feature = "redis")]
#[test]
fn the_laws_hold_in_redis() {
    for shards in [1, 16] {
        let mut servers = Vec::new();
        for _ in 0..LAWS.len() {
            let Some(server) = super::redis::tests::Server::start(&[]) else {
                return;
            };
            servers.push(server);
        }
        every_law(|| {
            Box::new(InRedis {
                server: servers.pop().unwrap(),
                shards,
            })
        });
    }
}

/// A path that nobody else uses.
pub(super) fn temporary(name: &str) -> PathBuf {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    std::env::temp_dir().join(format!("barewire-{name}-{process}-{number}"))
}
