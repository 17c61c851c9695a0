//! What the threads of the program and of this backend share: what waits, what the hubs were told, and whether Redis is away.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::applied::Applied;
use super::link::Place;
use crate::backend::{Draft, Failure, News, Query, Refusal, Sink, Ticket};
use crate::metrics::Histogram;

/// What the program's threads and these share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) place: Place,
    pub(super) queue: Mutex<Queue>,
    pub(super) queued: Condvar,
    pub(super) reads: Mutex<Reads>,
    pub(super) asked: Condvar,
    pub(super) applied: Mutex<Applied>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) drafts: Vec<(Draft, Ticket)>,
    pub(super) bytes: usize,
    pub(super) stopping: bool,
    /// Why nothing is taken at the moment.
    pub(super) publishing: Option<Arc<str>>,
    /// Why nothing is heard of other nodes at the moment.
    pub(super) listening: Option<Arc<str>>,
    /// How long batches took, from the first time that they were asked.
    pub(super) batches: Histogram,
}

#[derive(Debug, Default)]
pub(super) struct Reads {
    pub(super) queries: Vec<(Query, Ticket)>,
    pub(super) stopping: bool,
}

/// What works, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Publishing,
    Listening,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves these whole: nothing that can fail is done under a lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(place: Place) -> Shared {
        Shared {
            place,
            queue: Mutex::default(),
            queued: Condvar::new(),
            reads: Mutex::default(),
            asked: Condvar::new(),
            applied: Mutex::new(Applied::new()),
        }
    }

    pub(super) fn applied(&self) -> MutexGuard<'_, Applied> {
        lock(&self.applied)
    }

    /// Tells what holds no entries.
    pub(super) fn tell(&self, news: &mut Vec<News>, sink: &dyn Sink) {
        if !news.is_empty() {
            let _order = self.applied();
            sink.take(news);
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        lock(&self.queue).stopping
    }

    /// Waits, unless the backend is stopped. Returns whether it is.
    pub(super) fn rest(&self, wait: Duration) -> bool {
        let queue = lock(&self.queue);
        let waited = self
            .queued
            .wait_timeout_while(queue, wait, |queue| !queue.stopping);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    /// Something does not work any more. What waits to be published is refused: it was sent to nobody.
    pub(super) fn away(&self, what: State, why: &Arc<str>, sink: &dyn Sink) {
        let mut news = Vec::new();
        {
            let mut queue = lock(&self.queue);
            let state = match what {
                State::Publishing => &mut queue.publishing,
                State::Listening => &mut queue.listening,
            };
            let was_away = state.replace(Arc::clone(why)).is_some();
            if !was_away && !queue.stopping {
                let what = match what {
                    State::Publishing => "Redis is away, and publishing is refused",
                    State::Listening => "what other nodes publish is not heard of at the moment",
                };
                news.push(News::Warned(format!("{what}: {why}").into()));
            }
            if what == State::Publishing {
                queue.bytes = 0;
                let away = Failure::Refused(Refusal::Away);
                let refused = queue.drafts.drain(..);
                news.extend(refused.map(|(_, ticket)| News::Settled(ticket, Err(away))));
            }
        }
        self.tell(&mut news, sink);
    }

    /// Something works again.
    pub(super) fn back(&self, what: State, sink: &dyn Sink) {
        let was_away = {
            let mut queue = lock(&self.queue);
            match what {
                State::Publishing => queue.publishing.take(),
                State::Listening => queue.listening.take(),
            }
        };
        if was_away.is_some() {
            let what = match what {
                State::Publishing => "Redis is back, and messages are taken again",
                State::Listening => "what other nodes publish is heard of again",
            };
            self.tell(&mut vec![News::Warned(what.into())], sink);
        }
    }

    /// Waits for drafts at most so long, and takes as many as one round holds. Also says whether there will be no more.
    pub(super) fn gather(
        &self,
        wait: Duration,
        takes: bool,
        most: usize,
        most_bytes: usize,
    ) -> (Vec<(Draft, Ticket)>, bool) {
        let mut queue = lock(&self.queue);
        let idle = |queue: &mut Queue| (queue.drafts.is_empty() || !takes) && !queue.stopping;
        if idle(&mut queue) {
            let waited = self.queued.wait_timeout_while(queue, wait, idle);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let (mut count, mut bytes) = (0, 0);
        for (draft, _) in &queue.drafts {
            let size = draft.size();
            if count > 0 && (count >= most || bytes + size > most_bytes) {
                break;
            }
            count += 1;
            bytes += size;
        }
        let taken: Vec<(Draft, Ticket)> = queue.drafts.drain(..count).collect();
        queue.bytes = queue.bytes.saturating_sub(bytes);
        (taken, queue.stopping && queue.drafts.is_empty())
    }
}
