//! Who settles an answer first: the handle that it was promised through, or the connection that waits for it.
//!
//! The handle ([`Later`](super::Later), [`Stream`](super::Stream)) may live in another thread; the connection may
//! lose its client, or its patience. Both hold the same claim, and the first to take it has it: so an answer that
//! is said to be on its way is, and one that comes too late is told so and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The right to settle one answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Takes it. Says whether it was still to be had.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Gives it back, untouched.
    pub(super) fn give_back(&self) {
        self.0.store(false, Ordering::Release);
    }

    pub(super) fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The connection's end of a claim. When it goes, in whatever way, there is nothing left to claim.
#[derive(Debug)]
pub(super) struct Awaited(pub(super) Claim);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.take();
    }
}
