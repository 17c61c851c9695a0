//! The sequencer: gives what is published on any loop its id, and hands it to all loops in one order.
//!
//! ```text
//!   loop 0 ── publish ──┐                        ┌─► queue of loop 0 ── catch up ─► replica 0
//!                       ├─► lock: id, N pushes ──┤
//!   loop 1 ── publish ──┘                        └─► queue of loop 1 ── catch up ─► replica 1
//! ```
//!
//! The lock is held only to give the id and to push one pointer into each queue, or to swap a queue for an empty one;
//! nothing is encoded, written or woken under it. Loops that sleep are woken at the end of the turn that published,
//! when that loop's own readers get it too, once for all that was published in it. From this follows all that a client can rely on:
//!
//! - **One order**: every queue has the same entries in the same order, because no other entry comes between.
//! - **Read your writes, on every loop**: an id is told only after the entry lies in every queue, and a loop catches
//!   up with its queue before it looks into a channel for a request ([`Channels`](super::channels::Channels)). So
//!   whoever was told of a message, in whatever way, finds it on whichever loop it comes to next: also one that read
//!   it from a loop that was quicker, since a loop can't take from its queue while others are being pushed to.
//! - **Nothing is dropped.** A queue is not bounded when an entry is pushed. Before something new is taken from a
//!   client, [`Feed::has_room`] asks whether any loop is too far behind, and refuses (503, close code 1013,
//!   [`SendError::Full`](crate::net::SendError::Full)) while there is no id yet.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::keys::Keys;
use crate::channel::{self, Draft, Entry, Id, Key};
use crate::command::{Mailbox, Order};
use crate::error::Error;
use crate::limits::{MAX_BEHIND, MAX_BEHIND_BYTES};
use crate::net::{self, SendError};

/// Where something comes from that no loop publishes.
const NO_LOOP: usize = usize::MAX;

/// A loop that is to be woken: its place, and how.
pub(crate) type Woken = (usize, Mailbox);

/// What the loops of one program share.
#[derive(Debug)]
pub(crate) struct Feed {
    sequence: Mutex<Sequence>,
    members: Box<[Member]>,
    /// How many loops take part.
    joined: AtomicUsize,
    /// How many loops are too far behind.
    behind: AtomicUsize,
    /// What gives order and ids and keeps history, if that is not this.
    #[cfg(feature = "backend")]
    pub(super) backend: std::sync::OnceLock<Arc<dyn crate::backend::Backend>>,
    /// Keys of what was published, for all loops: who publishes under one holds this meanwhile.
    pub(super) keys: Arc<Mutex<Keys>>,
    /// When it began: the floor of every replica.
    pub(crate) unix_ms: u64,
    /// Messages that were taken from threads that are no loops.
    from_threads: AtomicU64,
    /// The same on the clock of keys, which are the loops': they begin together.
    began: Instant,
}

#[derive(Debug)]
pub(super) struct Sequence {
    last: Id,
    queues: Box<[Queue]>,
}

/// What one loop has not applied yet.
#[derive(Debug, Default)]
struct Queue {
    entries: Vec<Arc<Entry>>,
    bytes: usize,
    /// Counted in [`Feed::behind`].
    behind: bool,
    /// How its loop is woken; `None` before it has joined and after it has left.
    mailbox: Option<Mailbox>,
}

/// What can be asked of a loop without the lock. In a cache line of its own: every loop looks at its own often.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Member {
    /// Its queue is not empty.
    waiting: AtomicBool,
}

impl Feed {
    /// A feed for so many loops, from the time `unix_ms` on.
    pub(crate) fn new(loops: usize, unix_ms: u64) -> Feed {
        Feed {
            sequence: Mutex::new(Sequence {
                last: Id {
                    ms: unix_ms,
                    seq: 0,
                },
                queues: (0..loops).map(|_| Queue::default()).collect(),
            }),
            members: (0..loops).map(|_| Member::default()).collect(),
            joined: AtomicUsize::new(0),
            behind: AtomicUsize::new(0),
            keys: Arc::default(),
            #[cfg(feature = "backend")]
            backend: Default::default(),
            unix_ms,
            from_threads: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// How many loops there are.
    pub(crate) fn loops(&self) -> usize {
        self.members.len()
    }

    /// The loop at `place` takes part, and is woken through its mailbox.
    pub(crate) fn join(&self, place: usize, mailbox: Mailbox) {
        if let Some(queue) = self.sequence().queues.get_mut(place) {
            queue.mailbox = Some(mailbox);
            self.joined.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The loop at `place` has ended: nothing more is kept for it.
    pub(crate) fn leave(&self, place: usize) {
        let left = match self.sequence().queues.get_mut(place) {
            Some(queue) => std::mem::take(queue),
            None => return,
        };
        if left.mailbox.is_some() {
            self.joined.fetch_sub(1, Ordering::AcqRel);
        }
        if left.behind {
            self.behind.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// When no loop takes part any more, what stands behind them settles what it has taken, and ends: not by the last
    /// handle that is dropped, which may be in a thread of its own, and could not wait for that.
    #[cfg(feature = "backend")]
    pub(super) fn end_with_the_last_loop(&self) {
        if let Some(backend) = self.backend.get() {
            if self.joined.load(Ordering::Acquire) == 0 {
                backend.stop();
            }
        }
    }

    /// Whether all loops are near enough that something new may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.behind.load(Ordering::Acquire) == 0
    }

    /// Gives the next id to what is published at the time `unix_ms` on the loop at `place`, hands the entry that `make`
    /// makes with it to all loops, and takes what waits for this one, as [`Feed::take`] does: others may have been in
    /// front. Those that are to be woken are named; until then they find it only if they look.
    pub(crate) fn publish(
        &self,
        place: usize,
        unix_ms: u64,
        make: impl FnOnce(Id) -> Entry,
        woken: &mut Vec<Woken>,
        taken: &mut Vec<Arc<Entry>>,
    ) -> Id {
        let mut sequence = self.sequence();
        let id = sequence.last.next(unix_ms);
        sequence.last = id;
        self.push(&mut sequence, place, make(id), woken);
        self.take_locked(&mut sequence, place, taken);
        id
    }

    /// Publishes what a thread has that is no loop: all loops are woken.
    ///
    /// # Errors
    /// All loops have ended, or one is too far behind; or its key is refused.
    pub(crate) fn publish_from_thread(&self, draft: Draft) -> Result<(), Error> {
        let published = self.hand_over(draft);
        if published.is_ok() {
            self.from_threads.fetch_add(1, Ordering::Relaxed);
        }
        published
    }

    /// How many messages were taken from threads that are no loops.
    pub(super) fn published_by_threads(&self) -> u64 {
        self.from_threads.load(Ordering::Relaxed)
    }

    fn hand_over(&self, mut draft: Draft) -> Result<(), Error> {
        #[cfg(feature = "backend")]
        if let Some(backend) = self.backend.get() {
            return Ok(self.submit_from_thread(&**backend, draft)?);
        }
        if !self.has_room() {
            return Err(SendError::Full.into());
        }
        match draft.key.take() {
            None => {
                self.publish_for_thread(draft);
            }
            Some(key) => self
                .publish_once_for_thread(draft, key)
                .map_err(Error::Channel)?,
        }
        match self.joined.load(Ordering::Acquire) {
            0 => Err(SendError::Ended.into()),
            _ => Ok(()),
        }
    }

    fn publish_for_thread(&self, draft: Draft) -> Id {
        let make = |id| draft.with_id(id);
        let (mut woken, mut none) = (Vec::new(), Vec::new());
        let id = self.publish(NO_LOOP, net::unix_ms(), make, &mut woken, &mut none);
        self.wake(&mut woken);
        id
    }

    fn publish_once_for_thread(&self, draft: Draft, key: Key) -> Result<(), channel::Error> {
        let ms = net::millis(self.began.elapsed());
        let (channel, event, data) = (
            draft.channel.clone(),
            draft.event.clone(),
            draft.data.clone(),
        );
        let message = (event.as_deref(), &data);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.find(&channel, &key, message, ms)?.is_none() {
            let id = self.publish_for_thread(draft);
            keys.remember(&channel, key, message, id, ms);
        }
        Ok(())
    }

    /// Hands entries to all loops, and names those that are to be woken.
    pub(crate) fn tell(
        &self,
        place: usize,
        entries: impl IntoIterator<Item = Entry>,
        woken: &mut Vec<Woken>,
    ) {
        let mut sequence = self.sequence();
        for entry in entries {
            self.push(&mut sequence, place, entry, woken);
        }
    }

    pub(super) fn push(
        &self,
        sequence: &mut Sequence,
        from: usize,
        entry: Entry,
        woken: &mut Vec<Woken>,
    ) {
        let size = entry.size();
        let entry = Arc::new(entry);
        for (place, (queue, member)) in sequence.queues.iter_mut().zip(&self.members).enumerate() {
            let Some(mailbox) = &queue.mailbox else {
                continue;
            };
            if queue.entries.is_empty() {
                member.waiting.store(true, Ordering::Release);
                if place != from {
                    woken.push((place, mailbox.clone()));
                }
            }
            queue.entries.push(Arc::clone(&entry));
            queue.bytes += size;
            let behind = queue.entries.len() >= MAX_BEHIND || queue.bytes >= MAX_BEHIND_BYTES;
            if behind && !queue.behind {
                queue.behind = true;
                self.behind.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Wakes the loops that were named.
    pub(crate) fn wake(&self, woken: &mut Vec<Woken>) {
        // A quick one has taken what there was, and been named again.
        woken.sort_unstable_by_key(|&(place, _)| place);
        woken.dedup_by_key(|&mut (place, _)| place);
        for (place, mailbox) in woken.drain(..) {
            // However full its mailbox is: one letter for each time that it has caught up is not what fills it.
            if mailbox.order_last(Order::CatchUp).is_err() {
                self.leave(place);
            }
        }
    }

    /// Takes what waits for the loop at `place`, for the empty vector that it gives. Says whether there was anything.
    pub(crate) fn take(&self, place: usize, into: &mut Vec<Arc<Entry>>) -> bool {
        let Some(member) = self.members.get(place) else {
            return false;
        };
        if !member.waiting.load(Ordering::Acquire) {
            return false;
        }
        self.take_locked(&mut self.sequence(), place, into);
        true
    }

    fn take_locked(&self, sequence: &mut Sequence, place: usize, into: &mut Vec<Arc<Entry>>) {
        let member = self.members.get(place);
        let Some((queue, member)) = sequence.queues.get_mut(place).zip(member) else {
            return;
        };
        member.waiting.store(false, Ordering::Release);
        std::mem::swap(&mut queue.entries, into);
        queue.bytes = 0;
        if std::mem::take(&mut queue.behind) {
            self.behind.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Asks those loops to stop that nobody has asked yet.
    pub(crate) fn stop_the_rest(&self) {
        for mailbox in self.mailboxes() {
            mailbox.stop_once();
        }
    }

    /// How the loop at `place` is woken, while it takes part.
    #[cfg(feature = "backend")]
    pub(super) fn mailbox(&self, place: usize) -> Option<Mailbox> {
        self.sequence().queues.get(place)?.mailbox.clone()
    }

    /// Of the loops that take part.
    pub(crate) fn mailboxes(&self) -> Vec<Mailbox> {
        let sequence = self.sequence();
        let mailboxes = sequence.queues.iter();
        mailboxes
            .filter_map(|queue| queue.mailbox.clone())
            .collect()
    }

    /// A panic elsewhere leaves the queues whole: what happens under the lock has no way to fail but for memory.
    pub(super) fn sequence(&self) -> MutexGuard<'_, Sequence> {
        self.sequence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
