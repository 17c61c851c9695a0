//! How much may be sent on a streamed answer before its client has taken it.
//!
//! The handle ([`Stream`](super::Stream)) may live in another thread, the connection is the loop's. Both share the
//! account of what was written and not taken yet:
//!
//! ```text
//!   Stream::write ─► posted (in the mailbox) ─► unsent (in the connection's output) ─► the socket
//!        │                                        │
//!        └─ waits while both together are `window` and more; whatever would exceed `most` is refused
//! ```
//!
//! - `posted` is exact. `unsent` is what the loop last said: exact when a piece is delivered, and 0 when
//!   [`Protocol::resumed`](crate::net::Protocol::resumed) says that the client has taken everything. In between it is
//!   too high at most, never too low.
//! - **Who waits is woken.** It waits only while `posted + unsent >= window`. If something is posted, its delivery will
//!   look again; and if a delivery leaves a whole window, it asks for `resumed`, which is owed once all is taken.
//! - **The end wakes everybody.** The connection holds the [`Debtor`]; when that goes, in whatever way, the account is
//!   closed, and whoever writes is told why.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::net::SendError;

/// What a piece costs in the mailbox, and in framing, besides its bytes.
const PIECE: usize = 64;

/// The bounds of an account, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// From so much on, who can wait does.
    pub(super) window: usize,
    /// No more than this is taken.
    pub(super) most: usize,
}

#[derive(Debug)]
struct Account {
    bounds: Bounds,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    posted: usize,
    unsent: usize,
    /// Why nothing more is taken.
    over: Option<SendError>,
}

impl State {
    fn queued(&self) -> usize {
        self.posted + self.unsent
    }
}

/// The end of an account that spends: a handle's.
#[derive(Debug)]
pub(super) struct Credit(Arc<Account>);

/// The end of an account that pays: the connection's.
#[derive(Debug)]
pub(super) struct Debtor(Arc<Account>);

/// Both ends of a new account.
pub(super) fn open(bounds: Bounds) -> (Credit, Debtor) {
    let account = Arc::new(Account {
        bounds,
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    (Credit(Arc::clone(&account)), Debtor(account))
}

/// What a piece of this many bytes costs.
fn cost(bytes: usize) -> usize {
    bytes.saturating_add(PIECE)
}

impl Credit {
    /// Takes credit for a piece of this many bytes, and returns how many are queued with it.
    pub(super) fn take(&self, bytes: usize) -> Result<usize, SendError> {
        let Bounds { window, most } = self.0.bounds;
        let mut state = self.0.lock();
        if let Some(why) = state.over {
            return Err(why);
        }
        // Below a window nobody asks the loop to look again, so that it may all be sent by now.
        let unsent = if state.unsent < window {
            0
        } else {
            state.unsent
        };
        if (state.posted + unsent).saturating_add(cost(bytes)) > most {
            return Err(SendError::Full);
        }
        state.posted += cost(bytes);
        Ok(state.queued())
    }

    /// Waits until less than a window is queued.
    pub(super) fn wait(&self) -> Result<(), SendError> {
        let mut state = self.0.lock();
        loop {
            if let Some(why) = state.over {
                return Err(why);
            }
            if state.queued() < self.0.bounds.window {
                return Ok(());
            }
            let waited = self.0.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many bytes are written and not taken yet, as far as anybody knows.
    pub(super) fn queued(&self) -> usize {
        self.0.lock().queued()
    }

    /// The most that a piece should have for others to get their turn.
    pub(super) fn window(&self) -> usize {
        self.0.bounds.window
    }

    /// Why nothing more is taken, if so.
    pub(super) fn over(&self) -> Option<SendError> {
        self.0.lock().over
    }
}

impl Debtor {
    /// A piece of this many bytes has been delivered, and so many bytes are not sent now. Returns whether that is a whole
    /// window: then [`Debtor::sent_all`] is due.
    pub(super) fn delivered(&self, bytes: usize, unsent: usize) -> bool {
        let mut state = self.0.lock();
        let waited = state.queued() >= self.0.bounds.window;
        state.posted = state.posted.saturating_sub(cost(bytes));
        state.unsent = unsent;
        if waited && state.queued() < self.0.bounds.window {
            self.0.changed.notify_all();
        }
        state.unsent >= self.0.bounds.window
    }

    /// The client has taken everything.
    pub(super) fn sent_all(&self) {
        let mut state = self.0.lock();
        state.unsent = 0;
        self.0.changed.notify_all();
    }

    /// Nothing more is taken, for this reason, unless there is one already.
    pub(super) fn end(&self, why: SendError) {
        self.0.lock().over.get_or_insert(why);
        self.0.changed.notify_all();
    }
}

impl Drop for Debtor {
    fn drop(&mut self) {
        self.end(SendError::Gone);
    }
}

impl Account {
    /// A panic elsewhere leaves the account right: numbers are set under the lock, and nothing else.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        window: 1_000,
        most: 10_000,
    };

    #[test]
    fn no_more_is_taken_than_may_be_queued() {
        let (credit, debtor) = open(BOUNDS);
        assert_eq!(credit.take(5_000 - PIECE), Ok(5_000));
        assert_eq!(credit.take(5_001 - PIECE), Err(SendError::Full));
        assert_eq!(credit.take(5_000 - PIECE), Ok(10_000));
        // Half of it goes out.
        assert!(debtor.delivered(5_000 - PIECE, 5_000));
        assert_eq!(credit.take(0), Err(SendError::Full));
        assert!(!debtor.delivered(5_000 - PIECE, 0));
        assert_eq!(credit.queued(), 0);
        assert_eq!(credit.take(10_001 - PIECE), Err(SendError::Full));
    }

    #[test]
    fn what_may_have_been_sent_long_ago_keeps_nothing_from_being_taken() {
        let (credit, debtor) = open(BOUNDS);
        assert_eq!(credit.take(999 - PIECE), Ok(999));
        assert!(!debtor.delivered(999 - PIECE, 999));
        assert!(credit.take(10_000 - PIECE).is_ok());
    }

    #[test]
    fn who_waits_goes_on_when_all_is_sent() {
        let (credit, debtor) = open(BOUNDS);
        credit.take(2_000 - PIECE).unwrap();
        let waiter = thread::spawn(move || credit.wait());
        assert!(debtor.delivered(2_000 - PIECE, 2_000));
        debtor.sent_all();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    }

    #[test]
    fn who_waits_goes_on_when_a_delivery_leaves_less_than_a_window() {
        let (credit, debtor) = open(BOUNDS);
        credit.take(2_000 - PIECE).unwrap();
        let waiter = thread::spawn(move || credit.wait());
        assert!(!debtor.delivered(2_000 - PIECE, 999));
        assert_eq!(waiter.join().unwrap(), Ok(()));
    }

    #[test]
    fn the_end_wakes_who_waits_and_says_why() {
        for why in [SendError::Gone, SendError::CutOff] {
            let (credit, debtor) = open(BOUNDS);
            credit.take(2_000).unwrap();
            let waiter = thread::spawn(move || (credit.wait(), credit.take(1)));
            if why == SendError::CutOff {
                debtor.end(why);
            }
            drop(debtor);
            assert_eq!(waiter.join().unwrap(), (Err(why), Err(why)));
        }
    }
}
