//! The way into a loop from other threads: a bounded queue and a waker, no polling.
//!
//! What waits is either a letter to one connection or an order to the protocol as a whole. The two are types of their
//! own, so that neither can be addressed as the other.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use super::ConnectionId;

/// What waits in a mailbox.
pub(crate) enum Post<L, O> {
    /// For one connection.
    Letter(ConnectionId, L),
    /// For the protocol as a whole.
    Order(O),
}

struct Shared<L, O> {
    queue: Mutex<Vec<Post<L, O>>>,
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
pub struct Mailbox<L, O> {
    shared: Arc<Shared<L, O>>,
}

impl<L, O> Clone for Mailbox<L, O> {
    fn clone(&self) -> Mailbox<L, O> {
        Mailbox {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<L, O> fmt::Debug for Mailbox<L, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

/// Why something was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The loop has ended.
    Ended,
    /// As much waits as may: the loop is not turned, or not quickly enough. Try again later.
    Full,
    /// Its receiver is gone: the client has left, or its answer was given in another way.
    Gone,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Ended => "the event loop has ended",
            SendError::Full => "too much waits for the event loop; try again later",
            SendError::Gone => "its receiver is gone",
        })
    }
}

impl std::error::Error for SendError {}

impl<L, O> Mailbox<L, O> {
    pub(super) fn new(waker: Waker, limit: usize) -> Mailbox<L, O> {
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

    /// Hands a letter to the loop, for one connection. If the connection is gone, the letter is dropped.
    ///
    /// # Errors
    /// The loop has ended, or the queue is full.
    pub fn send(&self, to: ConnectionId, letter: L) -> Result<(), SendError> {
        self.push(Post::Letter(to, letter), self.shared.limit)
    }

    /// As [`Mailbox::send`], however full the queue is: for what ends something, of which there is at most one for
    /// each thing that began.
    ///
    /// # Errors
    /// The loop has ended.
    pub fn send_last(&self, to: ConnectionId, letter: L) -> Result<(), SendError> {
        self.push(Post::Letter(to, letter), usize::MAX)
    }

    /// Hands an order to the loop, for the protocol as a whole.
    ///
    /// # Errors
    /// As [`Mailbox::send`].
    pub fn order(&self, order: O) -> Result<(), SendError> {
        self.push(Post::Order(order), self.shared.limit)
    }

    /// As [`Mailbox::order`], however full the queue is: see [`Mailbox::send_last`].
    ///
    /// # Errors
    /// The loop has ended.
    pub fn order_last(&self, order: O) -> Result<(), SendError> {
        self.push(Post::Order(order), usize::MAX)
    }

    fn push(&self, post: Post<L, O>, limit: usize) -> Result<(), SendError> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(SendError::Ended);
        }
        {
            let mut queue = self.queue();
            if queue.len() >= limit {
                return Err(SendError::Full);
            }
            queue.push(post);
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

    pub(crate) fn take(&self, into: &mut Vec<Post<L, O>>) {
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
    fn queue(&self) -> MutexGuard<'_, Vec<Post<L, O>>> {
        self.shared
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
