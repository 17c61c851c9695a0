//! The way into a loop from elsewhere: a queue and a waker, no polling.
//!
//! What waits is either a letter to one connection or an order to the protocol as a whole. The two are types of their
//! own, so that neither can be addressed as the other.
//!
//! ```text
//!   other threads ── at most `limit` posts ──┐
//!                                            ├──► one queue ──► the loop takes all of it: when a turn begins,
//!   handlers, on the loop's own thread ──────┘                  and after a visit that posted something
//! ```
//!
//! - **One queue, one order.** Whatever one thread posts is delivered in the order in which it was posted, also when a
//!   handle moves between threads.
//! - **The limit is for other threads.** It bounds what they pile up while the loop is busy or is not turned. A handler
//!   is the loop's own work: nothing that it posts is refused, because no wait and no second try could help it. What it
//!   posts is bounded by the loop instead, which delivers after each visit, and by its protocols, which look at
//!   [`Mailbox::is_crowded`] and put off the rest of their input: many small messages, each sent on to many, are not
//!   all in memory at once.
//! - **No wake-up is lost.** A loop that is about to sleep says so ([`Mailbox::doze`]) and looks into the queue once
//!   more. Who posts looks at `awake` after the post lies in the queue. In whatever order the two happen, either the
//!   loop sees the post or the poster sees that it has to wake the loop. This holds only for what `doze` looks at: the
//!   queue and the stops. Work that lies anywhere else needs a post of its own, as a bare wake between the loop's last
//!   look at that work and `doze` would be taken for one that was answered.
//!
//! Whose thread a loop's is, is what the last turn says, so it also holds between turns and follows a loop that moves.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use super::ConnectionId;

/// How many posts of the loop's own make it crowded: a protocol that takes input puts off the rest of it.
const CROWD: usize = 4_096;

/// The number that no thread has.
const NOBODY: u64 = 0;

static THREADS: AtomicU64 = AtomicU64::new(NOBODY + 1);

thread_local! {
    /// A number for each thread that has to do with loops.
    static THREAD: u64 = THREADS.fetch_add(1, Ordering::Relaxed);
    /// How many turns this thread is inside of: one, or more where a handler turns another loop.
    static TURNS: Cell<usize> = const { Cell::new(0) };
}

/// What waits in a mailbox.
pub(crate) enum Post<L, O> {
    /// For one connection.
    Letter(ConnectionId, L),
    /// For the protocol as a whole.
    Order(O),
}

impl<L, O> Post<L, O> {
    /// The connection that it is for, as one number.
    pub(super) fn receiver(&self) -> Option<u64> {
        match self {
            Post::Letter(to, _) => Some(to.to_u64()),
            Post::Order(_) => None,
        }
    }
}

struct Shared<L, O> {
    queue: Mutex<Queue<L, O>>,
    /// Something lies in the queue. It changes under the queue's lock, and is looked at without.
    waiting: AtomicBool,
    limit: usize,
    waker: Waker,
    /// The loop is at work and will look into the queue before it sleeps: it needs no waking.
    awake: AtomicBool,
    /// The thread that turns the loop.
    thread: AtomicU64,
    /// How many posts in the queue are of that thread.
    own: AtomicUsize,
    /// How often the loop was asked to stop: once is politely, twice at once.
    stops: AtomicU8,
    /// The loop is gone.
    closed: AtomicBool,
}

struct Queue<L, O> {
    posts: Vec<Post<L, O>>,
    /// How many of them are of other threads.
    foreign: usize,
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
    /// The event loop has ended.
    Ended,
    /// As much waits as may, and nothing of this was taken: try again later. Its receiver is still there.
    ///
    /// From a stream ([`Stream`](crate::Stream), [`EventStream`](crate::EventStream)): its client has not taken
    /// [`Limits::backlog`](crate::Limits::backlog) bytes yet. From a [`Mailbox`] and the other handles, on any thread
    /// but the loop's own: as many posts of other threads wait as may, because the loop is busy or is not turned.
    Full,
    /// Its receiver is gone: the client has left, or its answer was given in another way.
    Gone,
    /// Its receiver is gone because it did not take what was sent: it was cut off at
    /// [`Limits::backlog`](crate::Limits::backlog), or after [`Limits::stall_timeout`](crate::Limits::stall_timeout).
    CutOff,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Ended => "the event loop has ended",
            SendError::Full => "as much waits to be sent as may; try again later",
            SendError::Gone => "the receiver is gone",
            SendError::CutOff => "the receiver was cut off because it did not take what was sent",
        })
    }
}

impl std::error::Error for SendError {}

impl<L, O> Mailbox<L, O> {
    pub(super) fn new(waker: Waker, limit: usize) -> Mailbox<L, O> {
        Mailbox {
            shared: Arc::new(Shared {
                queue: Mutex::new(Queue {
                    posts: Vec::new(),
                    foreign: 0,
                }),
                waiting: AtomicBool::new(false),
                limit,
                waker,
                awake: AtomicBool::new(false),
                thread: AtomicU64::new(NOBODY),
                own: AtomicUsize::new(0),
                stops: AtomicU8::new(0),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// Hands a letter to the loop, for one connection. If the connection is gone, the letter is dropped.
    ///
    /// # Errors
    /// The loop has ended; or, on any thread but the loop's own, as many posts wait as may.
    pub fn send(&self, to: ConnectionId, letter: L) -> Result<(), SendError> {
        self.push(Post::Letter(to, letter), self.shared.limit)
    }

    /// As [`Mailbox::send`], however much waits: for what ends something, of which there is at most one for each thing
    /// that began, and for what is bounded in another way.
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

    /// As [`Mailbox::order`], however much waits: see [`Mailbox::send_last`].
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
        let own = self.is_own_thread();
        {
            let mut queue = self.queue();
            if own {
                self.shared.own.fetch_add(1, Ordering::Relaxed);
            } else {
                if queue.foreign >= limit {
                    return Err(SendError::Full);
                }
                queue.foreign += 1;
            }
            queue.posts.push(post);
            self.shared.waiting.store(true, Ordering::SeqCst);
        }
        self.wake();
        Ok(())
    }

    /// Whether this is the thread that turns the loop.
    fn is_own_thread(&self) -> bool {
        THREAD.with(|thread| *thread) == self.shared.thread.load(Ordering::Relaxed)
    }

    /// Whether this thread may wait for the loop: not the one that turns it, nor one that is inside a turn of another
    /// loop, which that other one might be waiting for.
    pub(crate) fn may_wait(&self) -> bool {
        TURNS.get() == 0 && !self.is_own_thread()
    }

    /// Whether so much of the loop's own posts waits that a protocol should put off the rest of its input, and go on
    /// with it when [`Protocol::resumed`](super::Protocol::resumed) is due.
    pub fn is_crowded(&self) -> bool {
        self.shared.own.load(Ordering::Relaxed) >= CROWD
    }

    /// Whether the loop has posted something itself since the last [`Mailbox::take`].
    pub(super) fn has_own(&self) -> bool {
        self.shared.own.load(Ordering::Relaxed) > 0
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
    #[cfg(feature = "server")]
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

    /// The loop is about to sleep. Returns whether it may: not when something has come in meanwhile.
    pub(super) fn doze(&self, stops_seen: u8) -> bool {
        self.shared.awake.store(false, Ordering::SeqCst);
        !self.shared.waiting.load(Ordering::SeqCst) && self.stops() == stops_seen
    }

    pub(super) fn rise(&self) {
        self.shared.awake.store(true, Ordering::SeqCst);
    }

    /// This thread turns the loop from now on, and is inside a turn while the value lives.
    pub(crate) fn enter(&self) -> Turning {
        let thread = THREAD.with(|thread| *thread);
        self.shared.thread.store(thread, Ordering::Relaxed);
        TURNS.set(TURNS.get() + 1);
        Turning(())
    }

    /// Takes everything that waits, for an empty vector.
    pub(crate) fn take(&self, into: &mut Vec<Post<L, O>>) {
        if !self.shared.waiting.load(Ordering::Acquire) {
            return;
        }
        let mut queue = self.queue();
        std::mem::swap(&mut queue.posts, into);
        queue.foreign = 0;
        self.shared.waiting.store(false, Ordering::Relaxed);
        self.shared.own.store(0, Ordering::Relaxed);
    }

    pub(super) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
    }

    fn wake(&self) {
        if !self.shared.awake.swap(true, Ordering::SeqCst) {
            // A waker that fails leaves the post to the loop's next turn; there is nobody to tell.
            let _: io::Result<()> = self.shared.waker.wake();
        }
    }

    /// A panic elsewhere leaves the queue whole: pushing and swapping are all that happens under the lock.
    fn queue(&self) -> MutexGuard<'_, Queue<L, O>> {
        self.shared
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that has it is inside a turn: see [`Mailbox::enter`].
#[derive(Debug)]
pub(crate) struct Turning(());

impl Drop for Turning {
    fn drop(&mut self) {
        TURNS.set(TURNS.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::thread;

    use mio::{Poll, Token};

    use super::*;

    fn mailbox(limit: usize) -> (Poll, Mailbox<Infallible, u32>) {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        (poll, Mailbox::new(waker, limit))
    }

    fn taken(mailbox: &Mailbox<Infallible, u32>) -> Vec<u32> {
        let mut posts = Vec::new();
        mailbox.take(&mut posts);
        let order = |post| match post {
            Post::Order(order) => order,
            Post::Letter(_, letter) => match letter {},
        };
        posts.into_iter().map(order).collect()
    }

    #[test]
    fn the_limit_is_for_other_threads_and_the_order_is_one() {
        let (_poll, mailbox) = mailbox(2);
        drop(mailbox.enter());
        mailbox.order(0).unwrap();
        let other = mailbox.clone();
        let sent = thread::spawn(move || [1, 2, 3].map(|n| other.order(n))).join();
        assert_eq!(sent.unwrap(), [Ok(()), Ok(()), Err(SendError::Full)]);
        for n in 4..10 {
            assert_eq!(mailbox.order(n), Ok(()));
        }
        assert_eq!(taken(&mailbox), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
        assert!(!mailbox.has_own());
    }

    #[test]
    fn a_loop_that_moves_to_another_thread_takes_its_privilege_with_it() {
        let (_poll, mailbox) = mailbox(1);
        drop(mailbox.enter());
        let moved = mailbox.clone();
        let turned = thread::spawn(move || {
            let turning = moved.enter();
            let sent = [1, 2].map(|n| moved.order(n));
            (sent, moved.may_wait(), drop(turning))
        });
        assert_eq!(turned.join().unwrap(), ([Ok(()), Ok(())], false, ()));
        assert_eq!(
            [mailbox.order(3), mailbox.order(4)],
            [Ok(()), Err(SendError::Full)]
        );
    }

    #[test]
    fn nobody_waits_who_turns_this_loop_or_another_one() {
        let ((_poll, mine), (_other_poll, other)) = (mailbox(1), mailbox(1));
        assert!(mine.may_wait());
        let turning = mine.enter();
        assert!(!mine.may_wait() && !other.may_wait());
        drop(turning);
        assert!(!mine.may_wait() && other.may_wait());
    }

    #[test]
    fn a_crowd_is_of_the_loops_own_posts() {
        let (_poll, mailbox) = mailbox(usize::MAX);
        for n in 0..2 * CROWD as u32 {
            mailbox.order(n).unwrap();
        }
        assert!(!mailbox.is_crowded() && !mailbox.has_own());
        drop(mailbox.enter());
        for n in 0..CROWD as u32 {
            assert!(!mailbox.is_crowded());
            mailbox.order(n).unwrap();
        }
        assert!(mailbox.is_crowded());
        assert_eq!(taken(&mailbox).len(), 3 * CROWD);
        assert!(!mailbox.is_crowded());
    }
}
