//! Commands from other threads: a bounded queue and a waker, no polling.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use super::ConnectionId;

/// A command and whom it is for.
pub(crate) struct Letter<C> {
    pub(crate) to: Option<ConnectionId>,
    pub(crate) command: C,
}

struct Shared<C> {
    queue: Mutex<Vec<Letter<C>>>,
    limit: usize,
    waker: Waker,
    /// The loop is at work and will look into the queue before it sleeps: it needs no waking.
    awake: AtomicBool,
    /// How often the loop was asked to stop: once is politely, twice at once.
    stops: AtomicU8,
    /// The loop is gone.
    closed: AtomicBool,
}

/// The way into a loop from any thread. Clones lead to the same loop.
pub struct Mailbox<C> {
    shared: Arc<Shared<C>>,
}

impl<C> Clone for Mailbox<C> {
    fn clone(&self) -> Mailbox<C> {
        Mailbox {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C> fmt::Debug for Mailbox<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stopped {
    /// The loop has ended.
    Ended,
    /// As many commands wait as may: the loop is not turned, or not quickly enough. Try again later.
    Full,
    /// Whom it was for is gone: the client has left, or its answer was given in another way.
    Gone,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stopped::Ended => "the event loop has ended",
            Stopped::Full => "too many commands wait for the event loop; try again later",
            Stopped::Gone => "nobody waits for it any more",
        })
    }
}

impl std::error::Error for Stopped {}

impl<C> Mailbox<C> {
    pub(super) fn new(waker: Waker, limit: usize) -> Mailbox<C> {
        Mailbox {
            shared: Arc::new(Shared {
                queue: Mutex::new(Vec::new()),
                limit,
                waker,
                awake: AtomicBool::new(false),
                stops: AtomicU8::new(0),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// Hands a command to the loop: for one connection, or for the protocol as a whole. A command for a connection
    /// that is gone is dropped.
    ///
    /// # Errors
    /// The loop has ended, or the queue is full.
    pub fn send(&self, to: Option<ConnectionId>, command: C) -> Result<(), Stopped> {
        self.push(to, command, self.shared.limit)
    }

    /// As [`Mailbox::send`], however full the queue is: for what ends something, of which there is at most one for
    /// each thing that began.
    ///
    /// # Errors
    /// The loop has ended.
    pub fn send_last(&self, to: Option<ConnectionId>, command: C) -> Result<(), Stopped> {
        self.push(to, command, usize::MAX)
    }

    fn push(&self, to: Option<ConnectionId>, command: C, limit: usize) -> Result<(), Stopped> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(Stopped::Ended);
        }
        {
            let mut queue = self.queue();
            if queue.len() >= limit {
                return Err(Stopped::Full);
            }
            queue.push(Letter { to, command });
        }
        self.wake();
        Ok(())
    }

    /// Asks the loop to shut down: the first time politely, the second time at once.
    pub fn stop(&self) {
        let more = |stops: u8| Some(stops.saturating_add(1));
        // The closure never refuses, so there is always a previous value.
        let _ = self
            .shared
            .stops
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        self.wake();
    }

    /// Asks the loop to shut down politely, unless somebody has asked already.
    pub(crate) fn stop_once(&self) {
        let stops = &self.shared.stops;
        if stops
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            self.wake();
        }
    }

    pub(super) fn stops(&self) -> u8 {
        self.shared.stops.load(Ordering::Acquire)
    }

    /// The loop is about to sleep. Says whether it may: not when something has come in meanwhile.
    pub(super) fn doze(&self, stops_seen: u8) -> bool {
        self.shared.awake.store(false, Ordering::SeqCst);
        self.queue().is_empty() && self.stops() == stops_seen
    }

    pub(super) fn rise(&self) {
        self.shared.awake.store(true, Ordering::SeqCst);
    }

    pub(crate) fn take(&self, into: &mut Vec<Letter<C>>) {
        std::mem::swap(&mut *self.queue(), into);
    }

    pub(super) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
    }

    fn wake(&self) {
        if !self.shared.awake.swap(true, Ordering::SeqCst) {
            // A waker that fails leaves the command to the loop's next turn; there is nobody to tell.
            let _: io::Result<()> = self.shared.waker.wake();
        }
    }

    /// A panic elsewhere leaves the queue whole: pushing and swapping are all that happens under the lock.
    fn queue(&self) -> MutexGuard<'_, Vec<Letter<C>>> {
        self.shared
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
