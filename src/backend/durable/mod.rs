//! A log that outlives the process: an embedded store in one file, over redb.
//!
//! ```text
//!    loops ── publish ──► queue (bounded) ──► the store's thread: takes all that waits, one commit, one sync
//!      ▲                                         │
//!      └──── entries, answers ◄──────────────────┘
//!    loops ── read ─────► queue (bounded) ──► the reading thread: a snapshot for each page
//!      ▲                                         │
//!      └──── pages ◄─────────────────────────────┘
//! ```
//!
//! **Group commit.** While one commit is synced, drafts gather; the next takes them all, and waits a moment for those who
//! were just answered (`gather`). So a single publisher waits for one sync, many wait for about two at most, and the
//! medium is as busy with a thousand as with one.
//!
//! **A commit that fails ends publishing.** What it held is in doubt: its publishers are given no answer. Nothing is tried
//! again on that file, not by this process: a system that has failed to write a page may have marked it as written. What
//! was acknowledged before is still read, through an overlay that writes nothing ([`file`]).
//!
//! | file | subject |
//! | --- | --- |
//! | `mod` | what a program links, [`Store`], and its two threads |
//! | `options` | what is said of it when it is opened |
//! | `core` | one commit: ids, keys, heads, retention |
//! | `rows` | the tables, and the rows of a channel |
//! | `page` | reading one page of history |
//! | `codec` | what rows hold, byte for byte |
//! | `shelf` | small things beside the messages, and who may change them |
//! | `file` | opening: made whole, locked, verified; a medium that has failed |
//! | `shut` | a database that may panic |
//! | `measure` | what it has counted |
//! | `error` | what its operator is told |

mod codec;
mod core;
mod error;
mod file;
mod measure;
mod options;
mod page;
mod rows;
mod shelf;
mod shut;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use self::core::{Core, Now};
use self::error::Fault;
use self::file::{Medium, Opened};
use self::options::unix_ms;
use self::shut::{Shut, quietly};
use super::{Backend, Draft, Failure, Health, News, Page, Query, Refusal, Shelf, Sink, Ticket};
use crate::channel::Id;
use crate::metrics::{Histogram, Text};

pub use self::codec::FORMAT;
#[doc(hidden)]
pub use self::codec::decode_anything;
pub use self::core::Volume;
pub use self::error::OpenError;
pub use self::options::{
    CACHE_BYTES, CHANNEL_BYTES, Durability, KEPT_KEYS, MESSAGE_BYTES, Options, Progress,
    RETAINED_BYTES, RETAINED_MESSAGES, Retained, STORE_BYTES, STORED_CHANNELS,
};

/// Drafts that may wait for the store.
pub const QUEUED_DRAFTS: usize = 65_536;
/// Bytes of drafts that may wait for it, but for one that is larger and finds none waiting.
pub const QUEUED_BYTES: usize = 64 << 20;
/// Pages that may have been asked for and not been read.
pub const QUEUED_READS: usize = 65_536;

/// Drafts and bytes of one commit: what it holds in memory, and how long the next one waits for it.
const COMMIT_DRAFTS: usize = 8_192;
const COMMIT_BYTES: usize = 8 << 20;
/// To how many a page is handed at once.
const HANDED: usize = 64;
/// How long the others wait at most for those to take it, and how often that is looked at.
const HANDING: (Duration, Duration) = (Duration::from_millis(500), Duration::from_micros(500));
/// How long a commit waits at most for those who may publish again.
const LINGER: Duration = Duration::from_millis(5);
/// How often the store looks for what has grown too old.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// With [`Durability::System`]: after this much, or this long, all is synced after all.
const SYSTEM_BYTES: usize = 16 << 20;
const SYSTEM_INTERVAL: Duration = Duration::from_secs(30);

/// A store in one file. It is closed when it is dropped: what it has taken is settled first.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    watch: Arc<file::Watch>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// What the threads take over when they start.
    worker: Mutex<Option<Box<dyn Work>>>,
}

/// What the program's threads and the store's share.
#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    queued: Condvar,
    reads: Mutex<Reads>,
    asked: Condvar,
    /// What is read.
    view: Mutex<View>,
}

#[derive(Debug, Default)]
struct Queue {
    drafts: Vec<(Draft, Ticket)>,
    jobs: Vec<shelf::Job>,
    bytes: usize,
    /// The store sleeps until so many drafts wait; 0 while it is at work, and will look by itself.
    wanted: usize,
    stopping: bool,
    /// Why nothing is taken any more.
    failed: Option<Arc<str>>,
    /// It has failed, and could not be opened for reading afterwards.
    unreadable: bool,
    volume: Volume,
    commits: Histogram,
}

#[derive(Debug, Default)]
struct Reads {
    queries: VecDeque<(Query, Ticket)>,
    stopping: bool,
}

/// Where pages are read from, and up to where.
#[derive(Debug, Default)]
struct View {
    database: Option<Arc<Shut>>,
    complete: Option<Id>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves these whole: nothing that can fail is done under a lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the store at `path`, or makes one there that only its owner may read.
    ///
    /// After a crash this reads the file through; [`Options::on_progress`] tells how far it is.
    ///
    /// # Errors
    /// The file can't be used, is in use, or is no store that this version reads. It is never begun anew.
    pub fn open(path: impl AsRef<Path>, mut options: Options) -> Result<Store, OpenError> {
        let path = path.as_ref();
        let opened = file::open_file(path, &mut options)?;
        Store::with(opened, &options).map_err(|fault| match fault {
            Fault::Io(error) => OpenError::Io(path.into(), error),
            fault => OpenError::Damaged(path.into(), fault.to_string()),
        })
    }

    fn with<M: Medium>(opened: Opened<M>, options: &Options) -> Result<Store, Fault> {
        let Opened {
            database,
            medium,
            watch,
        } = opened;
        let database = Arc::new(database);
        let reserves = options.durability != Durability::Synced;
        let core = quietly(AssertUnwindSafe(|| {
            Core::open(Arc::clone(&database), options.retained, reserves, unix_ms())
        }));
        let core = core.unwrap_or(Err(Fault::Panicked))?;
        let shared = Arc::new(Shared::default());
        lock(&shared.queue).volume = core.volume();
        *lock(&shared.view) = View {
            database: Some(database),
            complete: Some(core.last()),
        };
        let seen = Arc::clone(&watch);
        let worker = Worker {
            core,
            medium,
            watch,
            durability: options.durability,
            cache_bytes: options.cache_bytes,
            began: Instant::now(),
        };
        Ok(Store {
            shared,
            watch: seen,
            threads: Mutex::new(Vec::new()),
            worker: Mutex::new(Some(Box::new(worker))),
        })
    }

    /// What it holds, by its last commit.
    pub fn volume(&self) -> Volume {
        lock(&self.shared.queue).volume
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) {
        match Builder::new().name(name.into()).spawn(work) {
            Ok(thread) => lock(&self.threads).push(thread),
            Err(error) => {
                lock(&self.shared.queue).failed = Some(error.to_string().into());
            }
        }
    }
}

impl Backend for Store {
    fn start(&self, sink: Arc<dyn Sink>) {
        let Some(worker) = lock(&self.worker).take() else {
            return;
        };
        let (shared, told) = (Arc::clone(&self.shared), Arc::clone(&sink));
        self.spawn("store", move || worker.work(&shared, &*told));
        let shared = Arc::clone(&self.shared);
        self.spawn("store pages", move || read_pages(&shared, &*sink));
    }

    fn publish(&self, draft: Draft, ticket: Ticket) -> Result<(), Refusal> {
        let size = draft.size();
        let is_wanted = {
            let mut queue = lock(&self.shared.queue);
            if queue.stopping || queue.failed.is_some() {
                return Err(Refusal::Away);
            }
            let is_large = queue.bytes.saturating_add(size) > QUEUED_BYTES;
            let waits = !queue.drafts.is_empty();
            if queue.drafts.len() >= QUEUED_DRAFTS || (is_large && waits) {
                return Err(Refusal::Full);
            }
            queue.bytes += size;
            queue.drafts.push((draft, ticket));
            queue.wanted > 0 && queue.drafts.len() >= queue.wanted
        };
        // Not for each: that would be a call of the system for every message.
        if is_wanted {
            self.shared.queued.notify_one();
        }
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
            reads.queries.push_back((query, ticket));
        }
        self.shared.asked.notify_one();
        Ok(())
    }

    fn shelf(&self) -> Option<&dyn Shelf> {
        Some(self)
    }

    fn health(&self) -> Health {
        let queue = lock(&self.shared.queue);
        match &queue.failed {
            None => Health::Ok,
            Some(why) if queue.unreadable => Health::Failed(Arc::clone(why)),
            Some(why) => Health::Degraded(Arc::clone(why)),
        }
    }

    fn measure(&self, text: &mut Text) {
        let (volume, commits, messages, bytes, failed) = {
            let queue = lock(&self.shared.queue);
            let failed = u64::from(queue.failed.is_some());
            let waiting = queue.drafts.len() as u64;
            (
                queue.volume,
                queue.commits,
                waiting,
                queue.bytes as u64,
                failed,
            )
        };
        let (length, syncs) = self.watch.measured();
        measure::write(
            text,
            &measure::Measured {
                volume,
                commits,
                syncs,
                queued: (messages, bytes),
                length,
                failed,
            },
        );
    }

    fn stop(&self) {
        lock(&self.shared.queue).stopping = true;
        self.shared.queued.notify_all();
        lock(&self.shared.reads).stopping = true;
        self.shared.asked.notify_all();
        let threads = std::mem::take(&mut *lock(&self.threads));
        let own = std::thread::current().id();
        for thread in threads
            .into_iter()
            .filter(|thread| thread.thread().id() != own)
        {
            // Only a panic makes it fail, and what can panic is caught inside.
            let _ = thread.join();
        }
        if let Some(worker) = lock(&self.worker).take() {
            worker.close();
        }
        // The file is given up: another store may open it.
        lock(&self.shared.view).database = None;
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the store's thread does, whatever the medium.
trait Work: std::fmt::Debug + Send {
    fn work(self: Box<Self>, shared: &Shared, sink: &dyn Sink);
    /// Ends what was never begun.
    fn close(self: Box<Self>);
}

#[derive(Debug)]
struct Worker<M> {
    core: Core,
    medium: Arc<M>,
    watch: Arc<file::Watch>,
    durability: Durability,
    cache_bytes: usize,
    began: Instant,
}

impl<M: Medium> Work for Worker<M> {
    fn work(mut self: Box<Self>, shared: &Shared, sink: &dyn Sink) {
        match self.serve(shared, sink) {
            Ok(()) => {
                let now = self.now();
                let core = self.core;
                // What was acknowledged is synced, or may be lost by what its durability says.
                let _ = quietly(AssertUnwindSafe(|| core.close(now)));
            }
            Err(doubtful) => self.fail(doubtful, shared, sink),
        }
    }

    fn close(self: Box<Self>) {
        let now = self.now();
        let core = self.core;
        let _ = quietly(AssertUnwindSafe(|| core.close(now)));
    }
}

/// A commit that failed, and whose drafts were in it.
type Doubtful = (Fault, Vec<Ticket>);

impl<M: Medium> Worker<M> {
    fn now(&self) -> Now {
        Now {
            unix_ms: unix_ms(),
            open_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Commits what comes until the store is stopped.
    fn serve(&mut self, shared: &Shared, sink: &dyn Sink) -> Result<(), Doubtful> {
        let (mut drafts, mut news) = (Vec::new(), Vec::new());
        let mut leases = shelf::Leases::new();
        let (mut unsynced, mut synced_at) = (0_usize, Instant::now());
        let mut expected = Expected::default();
        loop {
            let is_sync_due = unsynced > 0 && self.is_sync_due(unsynced, synced_at);
            let wait = match self.durability {
                _ if is_sync_due => Duration::ZERO,
                Durability::Every(interval) if unsynced > 0 => {
                    interval.saturating_sub(synced_at.elapsed())
                }
                _ => SWEEP_INTERVAL,
            };
            let (bytes, ended) = gather(shared, wait.min(SWEEP_INTERVAL), expected, &mut drafts);
            let now = self.now();
            let has_work = !drafts.is_empty() || is_sync_due || self.core.is_to_sweep(now);
            if has_work {
                let began = Instant::now();
                let tickets: Vec<Ticket> = drafts.iter().map(|(_, ticket)| *ticket).collect();
                let count = tickets.len();
                let core = &mut self.core;
                let committed = quietly(AssertUnwindSafe(|| {
                    core.commit(&mut drafts, now, is_sync_due, &mut news)
                }));
                let committed = committed.unwrap_or(Err(Fault::Panicked));
                let committed = committed.and_then(|()| match self.watch.has_failed() {
                    true => Err(Fault::Io(std::io::Error::other("it could not be written"))),
                    false => Ok(()),
                });
                committed.map_err(|fault| (fault, tickets))?;
                (unsynced, synced_at) = match is_sync_due {
                    true => (bytes, Instant::now()),
                    false => (unsynced.saturating_add(bytes.max(1)), synced_at),
                };
                lock(&shared.view).complete = Some(self.core.last());
                let took = began.elapsed();
                {
                    let mut queue = lock(&shared.queue);
                    queue.volume = self.core.volume();
                    queue.commits.record(took);
                }
                expected = Expected {
                    drafts: count,
                    within: (took / 2).min(LINGER),
                };
                if !news.is_empty() {
                    sink.take(&mut news);
                    news.clear();
                }
            }
            for job in std::mem::take(&mut lock(&shared.queue).jobs) {
                let database = self.core.database();
                let done = quietly(AssertUnwindSafe(|| job.run(database, &mut leases)));
                let done = done.unwrap_or(Err(Fault::Panicked));
                news.push(done.map_err(|fault| (fault, Vec::new()))?);
            }
            if !news.is_empty() {
                sink.take(&mut news);
                news.clear();
            }
            if ended {
                return Ok(());
            }
        }
    }

    fn is_sync_due(&self, unsynced: usize, synced_at: Instant) -> bool {
        match self.durability {
            Durability::Synced => false,
            Durability::Every(interval) => synced_at.elapsed() >= interval,
            Durability::System => {
                unsynced >= SYSTEM_BYTES || synced_at.elapsed() >= SYSTEM_INTERVAL
            }
        }
    }

    /// Ends publishing for good, and goes on reading from what the medium holds.
    fn fail(self, (fault, doubtful): Doubtful, shared: &Shared, sink: &dyn Sink) {
        self.watch.fail();
        let why: Arc<str> = format!("the store has failed: {fault}").into();
        let waiting = {
            let mut queue = lock(&shared.queue);
            queue.failed = Some(Arc::clone(&why));
            queue.bytes = 0;
            std::mem::take(&mut queue.drafts)
        };
        let in_doubt = |ticket| News::Settled(ticket, Err(Failure::InDoubt));
        let away = Failure::Refused(Refusal::Away);
        let mut news: Vec<News> = doubtful.into_iter().map(in_doubt).collect();
        let refused = |(_, ticket)| News::Settled(ticket, Err(away));
        news.extend(waiting.into_iter().map(refused));
        let jobs = std::mem::take(&mut lock(&shared.queue).jobs);
        news.extend(jobs.into_iter().map(shelf::Job::fail));
        news.push(News::Failed(why));
        sink.take(&mut news);
        lock(&shared.view).database = None;
        drop(self.core);
        match file::reopen(&self.medium, &self.watch, self.cache_bytes) {
            Ok(database) => {
                lock(&shared.view).database = Some(Arc::new(database));
                shared.asked.notify_all();
            }
            Err(_) => lock(&shared.queue).unreadable = true,
        }
    }
}

/// What may come at once behind a commit: those who were answered may publish again.
#[derive(Clone, Copy, Debug, Default)]
struct Expected {
    drafts: usize,
    within: Duration,
}

/// Waits for drafts at most so long, and takes as many as one commit holds. Also says how many bytes they have, and
/// whether there will be no more.
///
/// Where fewer wait than were answered just now, the others are likely on their way: they are waited for, for half as long
/// as the last commit took. Publishers who wait for their answers would fall into two groups otherwise, each of which
/// waits for the commit of the other.
fn gather(
    shared: &Shared,
    wait: Duration,
    expected: Expected,
    into: &mut Vec<(Draft, Ticket)>,
) -> (usize, bool) {
    let mut queue = lock(&shared.queue);
    for (wanted, wait, is_first) in [(1, wait, true), (expected.drafts, expected.within, false)] {
        let idle = |queue: &mut Queue| {
            queue.drafts.len() < wanted && queue.jobs.is_empty() && !queue.stopping
        };
        if idle(&mut queue) && !wait.is_zero() && (is_first || !queue.drafts.is_empty()) {
            queue.wanted = wanted;
            let waited = shared.queued.wait_timeout_while(queue, wait, idle);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            queue.wanted = 0;
        }
    }
    let (mut count, mut bytes) = (0, 0);
    for (draft, _) in &queue.drafts {
        let size = draft.size();
        if count > 0 && (count >= COMMIT_DRAFTS || bytes + size > COMMIT_BYTES) {
            break;
        }
        count += 1;
        bytes += size;
    }
    if count == queue.drafts.len() {
        std::mem::swap(&mut queue.drafts, into);
    } else {
        into.extend(queue.drafts.drain(..count));
    }
    queue.bytes = queue.bytes.saturating_sub(bytes);
    (bytes, queue.stopping && queue.drafts.is_empty())
}

/// Reads what is asked for, until the store is stopped. Those who ask for the same page are given the same reading.
fn read_pages(shared: &Shared, sink: &dyn Sink) {
    loop {
        let mut queries = {
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
        for (query, ticket) in queries.drain(..) {
            let tickets = shared_by.entry(query.clone()).or_insert_with(|| {
                order.push(query);
                Vec::new()
            });
            tickets.push(ticket);
        }
        for query in order {
            let page = read_one(shared, &query);
            let mut news = Vec::new();
            for tickets in shared_by.remove(&query).unwrap_or_default().chunks(HANDED) {
                if !await_taken(&page, shared) {
                    return;
                }
                news.extend(
                    tickets
                        .iter()
                        .map(|&ticket| News::Page(ticket, page.clone())),
                );
                sink.take(&mut news);
                news.clear();
            }
        }
    }
}

/// Waits until a page has been written by most of those that it was handed to: a loop that gets it for ten thousand
/// readers at once would do nothing else until the last of them has it. What they ask for meanwhile is shared by more.
/// Says whether to go on.
fn await_taken(page: &Result<Arc<Page>, Failure>, shared: &Shared) -> bool {
    let (most, step) = HANDING;
    let began = Instant::now();
    let waits = |page: &Arc<Page>| Arc::strong_count(page) > HANDED / 2;
    while page.as_ref().is_ok_and(waits) && began.elapsed() < most {
        if lock(&shared.reads).stopping {
            return false;
        }
        std::thread::sleep(step);
    }
    true
}

fn read_one(shared: &Shared, query: &Query) -> Result<Arc<Page>, Failure> {
    let (database, complete) = {
        let view = lock(&shared.view);
        (view.database.clone(), view.complete)
    };
    let away = Failure::Refused(Refusal::Away);
    let (Some(database), Some(complete)) = (database, complete) else {
        return Err(away);
    };
    let page = quietly(AssertUnwindSafe(|| {
        page::read_page(&database, query, complete)
    }));
    let page = page.unwrap_or(Err(Fault::Panicked));
    page.map(Arc::new).map_err(|_| away)
}
