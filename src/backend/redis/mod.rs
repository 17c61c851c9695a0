//! A log that outgrows the machine: any number of nodes over one Redis, or Valkey, or a Cluster.
//!
//! ```text
//!    loops ── publish ──► queue (bounded) ──► publishing thread ── one script for each shard ──► Redis
//!      ▲                                          │ answers                                       │ stream, and pub/sub
//!      ├──── entries, answers ◄──── applied ◄─────┴──────────────── listening thread ◄────────────┤
//!      │                              ▲                                                           │
//!    loops ── read ──► queue ─────────┴── reading thread ◄── pages, and what pub/sub has lost ◄───┘
//! ```
//!
//! Redis gives the order: a script gives each message its id, greater than all before it in its shard, appends it to the
//! stream of its channel together with the id before it, and publishes it to all nodes. A publish is acknowledged when Redis
//! has answered that script. What that is worth is said by how Redis is run: with `appendfsync always` it survives a power
//! cut, with replicas it may be lost by a failover, without persistence by a restart.
//!
//! **Gaps.** Each entry names the one before it. So a node that hears of an entry and has not been told the one before it
//! knows exactly that something is missing, and reads the stream from there. If the stream does not have it either, there is
//! a gap for those who have read up to there, and for nobody else.
//!
//! **Redis begins anew**, empty, or goes on from an older copy (a failover). Each node that comes back says first what its
//! readers have seen last (`publish::begin`): ids never go back behind that, and the next message of a channel names the
//! last that any node has seen as the one before it. So who has seen that has missed nothing, and who has not is told a gap. A
//! Redis that has nothing at all takes messages only after [`Options::settle`], so that all nodes are there by then.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod` | what a program links, [`Redis`], and its reading thread |
//! | `options`, `error` | what is said of it when it is opened, and what its operator is told |
//! | `keys`, `entry` | names of keys; what an entry is made of |
//! | `scripts/` | what happens inside Redis, in Lua |
//! | `link` | one connection: deadlines, what Redis says of itself, backoff |
//! | `shared` | what the threads share: queues, and whether Redis is away |
//! | `measure` | what is counted, as metrics |
//! | `applied` | what the hubs have been told, and where something is missing |
//! | `publish`, `subscribe`, `pages` | what three of its threads do |
//! | `shelf` | what the fourth does: small things of which one node at a time is in charge |

mod applied;
mod entry;
mod error;
mod keys;
mod link;
mod measure;
mod options;
mod pages;
mod publish;
mod shared;
mod shelf;
mod subscribe;
#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use self::link::{Backoff, Link, Place};
use self::publish::{Publisher, Shard};
use self::shared::{Shared, lock};
use self::shelf::Questions;
use super::{Backend, Draft, Failure, Health, News, Page, Query, Refusal, Shelf, Sink, Ticket};
use crate::channel::Id;
use crate::metrics::Text;

pub use self::error::OpenError;
pub use self::options::{
    DEADLINE, Options, PREFIX, RETAINED_BYTES, RETAINED_MESSAGES, Retained, SETTLE, SHARD_CHANNELS,
    SHARDS,
};

/// Drafts that may wait for Redis.
pub const QUEUED_DRAFTS: usize = 65_536;
/// Bytes of drafts that may wait for it, but for one that is larger and finds none waiting.
pub const QUEUED_BYTES: usize = 64 << 20;
/// Pages that may have been asked for and not been read.
pub const QUEUED_READS: usize = 65_536;
/// How long a page that can't be read is tried again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Channels in Redis. It is given up when it is dropped: what it has taken is settled first.
pub struct Redis {
    shared: Arc<Shared>,
    shelf: Arc<Questions>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// What the threads take over when they start.
    first: Mutex<Option<First>>,
}

struct First {
    link: Link,
    shards: Vec<Shard>,
    warning: Option<String>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis")
            .field("place", &self.shared.place)
            .finish_non_exhaustive()
    }
}

impl Redis {
    /// Opens the channels that lie in the Redis at `url`: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://`
    /// with the feature `tls`.
    ///
    /// # Errors
    /// The URL is invalid, or Redis can't be reached or used, and did not become so while [`Options::wait`] lasted.
    pub fn open(url: &str, options: Options) -> Result<Redis, OpenError> {
        let place = Place::new(url, options)?;
        let shared = Shared::new(place);
        let (began, mut backoff) = (Instant::now(), Backoff::new());
        let first = loop {
            match first(&shared) {
                Ok(first) => break first,
                Err(error) if error.may_pass() && began.elapsed() < shared.place.options.wait => {
                    std::thread::sleep(backoff.next());
                }
                Err(error) => return Err(error),
            }
        };
        Ok(Redis {
            shared: Arc::new(shared),
            shelf: Arc::default(),
            threads: Mutex::new(Vec::new()),
            first: Mutex::new(Some(first)),
        })
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) {
        match Builder::new().name(name.into()).spawn(work) {
            Ok(thread) => lock(&self.threads).push(thread),
            Err(error) => {
                lock(&self.shared.queue).publishing = Some(error.to_string().into());
            }
        }
    }
}

/// Everything that has to work at the start.
fn first(shared: &Shared) -> Result<First, OpenError> {
    let (mut link, about) = shared.place.open()?;
    let none = Shard {
        life: Vec::new(),
        greatest: Id { ms: 0, seq: 0 },
    };
    let mut shards = vec![none; usize::from(shared.place.options.shards)];
    publish::begin(&mut link, shared, &mut shards).map_err(|trouble| {
        let why = &*trouble.why;
        if let Some(found) = why.strip_prefix("SHARDS ") {
            let found = found.parse().unwrap_or_default();
            return OpenError::Shards(found, shared.place.options.shards);
        }
        match why.strip_prefix("FORMAT ") {
            Some(format) => OpenError::Format(format.into()),
            None if why.contains("NOPERM") => OpenError::Denied(why.into()),
            None => OpenError::Other(why.into()),
        }
    })?;
    let warning = about.evicts.map(|policy| {
        format!(
            "Redis may drop messages, ids and idempotency keys when its memory is full: its maxmemory-policy is {policy}, \
             and only noeviction keeps what was acknowledged"
        )
    });
    Ok(First {
        link,
        shards,
        warning,
    })
}

impl Backend for Redis {
    fn start(&self, sink: Arc<dyn Sink>) {
        let Some(first) = lock(&self.first).take() else {
            return;
        };
        if let Some(warning) = first.warning {
            sink.take(&mut vec![News::Warned(warning.into())]);
        }
        let (shards, reading) = (first.shards.clone(), first.shards.clone());
        let (shared, told) = (Arc::clone(&self.shared), Arc::clone(&sink));
        self.spawn("redis publish", move || {
            let publisher = Publisher {
                shared: &shared,
                sink: &*told,
                shards: first.shards,
                link: Some(first.link),
                number: 0,
            };
            publisher.work();
        });
        let (shared, told) = (Arc::clone(&self.shared), Arc::clone(&sink));
        self.spawn("redis listen", move || {
            subscribe::listen(&shared, &*told, shards);
        });
        let (shared, told) = (Arc::clone(&self.shared), Arc::clone(&sink));
        self.spawn("redis pages", move || {
            read_pages(&shared, &*told, reading);
        });
        let (shared, questions) = (Arc::clone(&self.shared), Arc::clone(&self.shelf));
        self.spawn("redis shelf", move || {
            shelf::serve(&shared, &questions, &*sink);
        });
    }

    fn publish(&self, draft: Draft, ticket: Ticket) -> Result<(), Refusal> {
        let size = draft.size();
        {
            let mut queue = lock(&self.shared.queue);
            if queue.stopping || queue.publishing.is_some() {
                return Err(Refusal::Away);
            }
            let is_large = queue.bytes.saturating_add(size) > QUEUED_BYTES;
            let waits = !queue.drafts.is_empty();
            if queue.drafts.len() >= QUEUED_DRAFTS || (is_large && waits) {
                return Err(Refusal::Full);
            }
            queue.bytes += size;
            queue.drafts.push((draft, ticket));
        }
        self.shared.queued.notify_all();
        Ok(())
    }

    fn read(&self, query: Query, ticket: Ticket) -> Result<(), Refusal> {
        {
            let mut reads = lock(&self.shared.reads);
            if reads.stopping {
                return Err(Refusal::Away);
            }
            if reads.queries.len() >= QUEUED_READS {
                return Err(Refusal::Full);
            }
            reads.queries.push((query, ticket));
        }
        self.shared.asked.notify_one();
        Ok(())
    }

    fn health(&self) -> Health {
        let queue = lock(&self.shared.queue);
        match (&queue.publishing, &queue.listening) {
            (None, None) => Health::Ok,
            (Some(why), _) | (None, Some(why)) => Health::Degraded(Arc::clone(why)),
        }
    }

    fn measure(&self, text: &mut Text) {
        // Not both locks at once.
        let skipped = self.shared.applied().skipped();
        measure::write(text, &lock(&self.shared.queue), skipped);
    }

    fn shelf(&self) -> Option<&dyn Shelf> {
        Some(&*self.shelf)
    }

    fn stop(&self) {
        lock(&self.shared.queue).stopping = true;
        self.shared.queued.notify_all();
        lock(&self.shared.reads).stopping = true;
        self.shared.asked.notify_all();
        self.shelf.stop();
        let threads = std::mem::take(&mut *lock(&self.threads));
        let own = std::thread::current().id();
        for thread in threads
            .into_iter()
            .filter(|thread| thread.thread().id() != own)
        {
            // Only a panic makes it fail, and nothing in there panics.
            let _ = thread.join();
        }
        lock(&self.first).take();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads what is asked for, until the backend is stopped. Those who ask for the same page are given the same reading.
fn read_pages(shared: &Shared, sink: &dyn Sink, mut shards: Vec<Shard>) {
    let mut link: Option<Link> = None;
    loop {
        let queries = {
            let mut reads = lock(&shared.reads);
            while reads.queries.is_empty() && !reads.stopping {
                let waited = shared.asked.wait(reads);
                reads = waited.unwrap_or_else(PoisonError::into_inner);
            }
            if reads.stopping {
                return;
            }
            std::mem::take(&mut reads.queries)
        };
        let mut shared_by: HashMap<Query, Vec<Ticket>> = HashMap::new();
        let mut order = Vec::new();
        for (query, ticket) in queries {
            let tickets = shared_by.entry(query.clone()).or_insert_with(|| {
                order.push(query);
                Vec::new()
            });
            tickets.push(ticket);
        }
        for query in order {
            let tickets = shared_by.remove(&query).unwrap_or_default();
            let page = read_one(shared, sink, &mut shards, &mut link, &query);
            let mut news = Vec::new();
            news.extend(
                tickets
                    .into_iter()
                    .map(|ticket| News::Page(ticket, page.clone())),
            );
            shared.tell(&mut news, sink);
        }
    }
}

fn read_one(
    shared: &Shared,
    sink: &dyn Sink,
    shards: &mut [Shard],
    link: &mut Option<Link>,
    query: &Query,
) -> Result<Arc<Page>, Failure> {
    let (began, mut backoff) = (Instant::now(), Backoff::new());
    loop {
        match try_one(shared, sink, shards, link, query) {
            Ok(page) => return Ok(Arc::new(page)),
            Err(_) => *link = None,
        }
        let is_away = lock(&shared.queue).publishing.is_some();
        if is_away || began.elapsed() > READ_AGAIN || shared.rest(backoff.next()) {
            return Err(Failure::Refused(Refusal::Away));
        }
    }
}

fn try_one(
    shared: &Shared,
    sink: &dyn Sink,
    shards: &mut [Shard],
    link: &mut Option<Link>,
    query: &Query,
) -> Result<Page, error::Trouble> {
    let mut open = match link.take() {
        Some(link) => link,
        None => {
            let mut link = shared.place.connect()?;
            // Before anything is read of a Redis that may have begun anew.
            publish::begin(&mut link, shared, shards)?;
            link
        }
    };
    let raw = pages::read(&mut open, &shared.place, query)?;
    let (page, covered) = pages::page(query, &raw);
    let last = {
        let mut applied = shared.applied();
        if !page.more {
            applied.begin(&query.channel, covered, page.through);
        }
        applied.last(&query.channel)
    };
    // Who has read to the end of this goes on in a hub: it is to have come so far.
    if last.is_some_and(|last| last < raw.last.max(covered)) {
        pages::catch_up(&mut open, shared, sink, &query.channel)?;
    }
    *link = Some(open);
    Ok(page)
}
