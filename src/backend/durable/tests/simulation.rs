//! Lives and deaths of a store on a disk that is cut off at any operation.
//!
//! The law: **whatever happens to the disk, the store opens again as it was after some commit: after the last one that was
//! synced, or a later one.** So every message that was acknowledged as synced is there once, in order, under its id, as
//! far as it is retained; a commit that was under way is there whole or not at all; keys are as its messages are. Ids
//! given later are greater than all that were ever told, and a cursor of what was lost is told a gap.

use std::collections::BTreeMap;

use super::disk::Disk;
use super::*;
use crate::channel::Record;

/// A small generator with a seed: every run is the same.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

const CHANNELS: [&str; 3] = ["a", "b", "c"];
const AGE: u64 = 10_000;

/// What a store is to hold: written down as plainly as can be.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    channels: BTreeMap<String, ModelChannel>,
    keys: BTreeMap<(String, String), (Id, String)>,
}

#[derive(Clone, Debug, PartialEq)]
struct ModelChannel {
    floor: Id,
    last: Id,
    messages: Vec<(Id, String)>,
}

impl Model {
    fn push(&mut self, channel: &str, previous: Id, record: &Record) {
        let begun = ModelChannel {
            floor: previous,
            last: previous,
            messages: Vec::new(),
        };
        let channel = self.channels.entry(channel.into()).or_insert(begun);
        assert_eq!(channel.last, previous);
        let text = record.data.as_text().unwrap_or_default();
        channel.messages.push((record.id, text.to_owned()));
        channel.last = record.id;
    }

    fn retain(&mut self, retained: &Retained, now: Now) {
        for channel in self.channels.values_mut() {
            loop {
                let bytes: usize = channel.messages.iter().map(|(_, text)| text.len()).sum();
                let count = channel.messages.len();
                let is_crowded = count > 1
                    && (count as u64 > retained.messages || bytes as u64 > retained.bytes);
                let is_old = channel
                    .messages
                    .first()
                    .is_some_and(|(id, _)| id.ms < now.unix_ms.saturating_sub(AGE));
                if !is_crowded && !is_old {
                    break;
                }
                channel.floor = channel.messages.remove(0).0;
            }
        }
    }

    /// What a store holds of the channels that this model has, and its keys taken on trust.
    fn of(database: &Database, complete: Id, like: &Model) -> Model {
        let mut model = Model {
            keys: like.keys.clone(),
            ..Model::default()
        };
        for name in CHANNELS {
            let query = Query {
                channel: name.into(),
                start: Start::Now,
                messages: 1,
                bytes: 1,
            };
            let end = page::read_page(database, &query, complete).unwrap();
            let (gap, messages) = read_all(database, complete, name, Start::Oldest, 3);
            assert!(!gap);
            let is_new = messages.is_empty() && !like.channels.contains_key(name);
            if !is_new {
                let channel = ModelChannel {
                    floor: end.floor,
                    last: end.through,
                    messages,
                };
                model.channels.insert(name.into(), channel);
            }
        }
        model
    }
}

struct World {
    random: Random,
    disk: Disk,
    /// As which the store may be found: the last is as it is now.
    possible: Vec<Model>,
    told: Vec<(String, Id)>,
    last: Id,
    count: u64,
    clock: u64,
    retained: Retained,
    reserves: bool,
    is_made: bool,
}

struct Alive {
    core: Core,
    database: Arc<Shut>,
    medium: Arc<Disk>,
    watch: Arc<file::Watch>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random(seed);
        let retained = Retained {
            messages: [1, 5, 40, 1_000][random.below(4)],
            bytes: [60, 100_000][random.below(2)],
            age: Duration::from_millis(AGE),
            ..Retained::default()
        };
        let reserves = random.below(3) == 0;
        World {
            random,
            disk: Disk::default(),
            possible: vec![Model::default()],
            told: Vec::new(),
            last: Id { ms: 0, seq: 0 },
            count: 0,
            clock: 1_000_000,
            retained,
            reserves,
            is_made: false,
        }
    }

    fn now(&self) -> Now {
        Now {
            unix_ms: self.clock,
            open_ms: 0,
        }
    }

    fn open(&mut self) -> Result<Alive, String> {
        let opened = open_on(self.disk.clone(), 1 << 20, None);
        let opened = opened.map_err(|fault| format!("{fault:?}"))?;
        let database = Arc::new(opened.database);
        let core = Core::open(
            Arc::clone(&database),
            self.retained,
            self.reserves,
            self.clock,
        );
        let core = core.map_err(|fault| format!("{fault:?}"))?;
        self.is_made = true;
        Ok(Alive {
            core,
            database,
            medium: opened.medium,
            watch: opened.watch,
        })
    }

    /// The store is as it may be found, and every cursor means what it should.
    fn check(&mut self, alive: &Alive) {
        let complete = alive.core.last();
        assert!(
            complete >= self.last,
            "an id that was told may be given again"
        );
        let found =
            self.possible.iter().rev().find(|model| {
                Model::of(&alive.database, complete, model).channels == model.channels
            });
        let Some(found) = found.cloned() else {
            let now = Model::of(&alive.database, complete, &self.possible[0]);
            panic!("{now:#?}\nis none of\n{:#?}", self.possible);
        };
        for (name, channel) in &found.channels {
            let read = |start| read_all(&alive.database, complete, name, start, 2);
            for (at, &(id, _)) in channel.messages.iter().enumerate() {
                let rest = channel.messages[at + 1..].to_vec();
                assert_eq!(read(Start::After(id)), (false, rest));
            }
            let all = channel.messages.clone();
            assert_eq!(read(Start::After(channel.floor)), (false, all.clone()));
            for (of, id) in &self.told {
                let is_known = *id == channel.floor || all.iter().any(|(known, _)| known == id);
                if of == name && !is_known {
                    assert_eq!(read(Start::After(*id)), (true, all.clone()));
                }
            }
        }
        self.possible = vec![found];
    }

    /// Publishes a few messages. Says whether the store has survived it.
    fn publish(&mut self, alive: &mut Alive) -> bool {
        self.clock = match self.random.below(8) {
            0 => self.clock - self.random.below(500) as u64,
            1 => self.clock + self.random.below(AGE as usize) as u64,
            _ => self.clock + self.random.below(3) as u64,
        };
        let mut model = self.possible.last().cloned().unwrap_or_default();
        let mut drafts = Vec::new();
        for _ in 0..self.random.below(12) {
            let channel = CHANNELS[self.random.below(3)];
            self.count += 1;
            let text = format!("{}{}", self.count, "x".repeat(self.random.below(30)));
            let draft = match self.random.below(4) {
                0 => keyed(channel, &text, &format!("key {}", self.count)),
                1 if !model.keys.is_empty() => {
                    let at = self.random.below(model.keys.len());
                    let ((channel, key), (_, text)) = model.keys.iter().nth(at).unwrap();
                    keyed(channel, text, key)
                }
                _ => draft(channel, &text),
            };
            drafts.push((draft, TICKET));
        }
        let sent: Vec<Draft> = drafts.iter().map(|(draft, _)| draft.clone()).collect();
        let sync = self.random.below(5) == 0;
        let mut news = Vec::new();
        let now = self.now();
        let committed = alive.core.commit(&mut drafts, now, sync, &mut news);
        let survived = committed.is_ok() && !alive.watch.has_failed();
        // What the commit holds: told if it has survived, possible otherwise.
        let mut news = news.into_iter();
        let (mut last, mut told) = (self.last, Vec::new());
        for draft in &sent {
            let place = draft.key.as_ref().map(|key| {
                let key = String::from_utf8_lossy(key.as_bytes()).into_owned();
                (draft.channel.to_string(), key)
            });
            let settled = match news.next() {
                Some(News::Entry(entry)) => {
                    assert!(entry.record.id > last, "{} after {last}", entry.record.id);
                    last = entry.record.id;
                    model.push(&entry.channel, entry.previous, &entry.record);
                    told.push((entry.channel.to_string(), entry.record.id));
                    news.next()
                }
                other => other,
            };
            let settled = match settled {
                Some(News::Settled(_, Ok(settled))) => settled,
                // It failed before it came to this one.
                None if !survived => break,
                other => panic!("{other:?}"),
            };
            if let Some(place) = place {
                let text = draft.data.as_text().unwrap_or_default().to_owned();
                let was_known = model.keys.contains_key(&place);
                let known = model.keys.entry(place).or_insert((settled.id, text));
                assert_eq!((was_known, known.0), (settled.replayed, settled.id));
            }
        }
        model.retain(&self.retained, now);
        if survived {
            self.last = last;
            self.told.append(&mut told);
            let is_synced = sync || !self.reserves;
            if is_synced {
                self.possible.clear();
            }
        }
        self.possible.push(model);
        survived
    }

    /// After a failure what was acknowledged is still read, and nothing else.
    fn read_on(&mut self, alive: Alive, acknowledged: &Model, complete: Id) {
        alive.watch.fail();
        let (operations, medium, watch) = (self.disk.operations(), alive.medium, alive.watch);
        drop(alive.core);
        drop(alive.database);
        let Ok(database) = file::reopen(&medium, &watch, 1 << 20) else {
            // A disk may also fail so early that there never was a store.
            return assert!(acknowledged.channels.is_empty());
        };
        for (name, channel) in &acknowledged.channels {
            let (_, messages) = read_all(&database, complete, name, Start::Oldest, 5);
            assert!(channel.messages.ends_with(&messages));
        }
        drop(database);
        assert_eq!(self.disk.operations(), operations, "nothing is written");
    }

    fn live(&mut self) {
        let lifetime = self.random.below(60) as u64;
        let fails = self.random.below(3) > 0;
        let fails_at = self.disk.operations() + lifetime;
        self.disk.fail_at(fails.then_some(fails_at));
        let mut alive = match self.open() {
            Ok(alive) => alive,
            Err(_) if fails => return self.die(),
            Err(why) => panic!("it does not open: {why}"),
        };
        self.check(&alive);
        let complete = alive.core.last();
        self.last = self.last.max(complete);
        for _ in 0..self.random.below(30) {
            let before = (self.possible.last().cloned(), self.last);
            if !self.publish(&mut alive) {
                if !self.reserves {
                    self.read_on(alive, &before.0.unwrap(), before.1);
                }
                return self.die();
            }
        }
        if self.random.below(2) == 0 {
            let now = self.now();
            let mut model = self.possible.last().cloned().unwrap_or_default();
            model.retain(&self.retained, now);
            if alive.core.close(now).is_ok() && !alive.watch.has_failed() {
                self.possible.clear();
            }
            self.possible.push(model);
        }
        self.die();
    }

    fn die(&mut self) {
        if !self.is_made {
            // A file is made beside its place, and begun anew if that did not come to an end.
            self.disk = Disk::default();
            return;
        }
        let random = &mut self.random;
        self.disk = match random.below(3) {
            0 => self.disk.after_kill(),
            _ => self.disk.after_power_cut(|end| random.below(end)),
        };
    }
}

fn simulate(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let ended = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..4 {
                world.live();
            }
            world.disk.fail_at(None);
            world.retained.age = Duration::from_millis(AGE);
            match world.open() {
                Ok(alive) => world.check(&alive),
                Err(why) => panic!("it does not open any more: {why}"),
            }
        });
        assert!(ended.is_ok(), "seed {seed}");
    }
}

/// Hundreds of lives for each run of the tests. `BAREWIRE_SEEDS=FROM-TO` asks for other stores, of four lives each.
#[test]
fn whatever_the_disk_does_the_store_is_as_after_a_commit() {
    let asked = std::env::var("BAREWIRE_SEEDS").unwrap_or_else(|_| "0-100".into());
    let (from, to) = asked.split_once('-').unwrap();
    let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
    let middle = from + (to - from) / 2;
    std::thread::scope(|scope| {
        for seeds in [from..middle, middle..to] {
            scope.spawn(move || simulate(seeds));
        }
    });
}
