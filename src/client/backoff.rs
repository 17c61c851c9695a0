//! How long to wait before the next try: exponential backoff with full jitter.
//!
//! The wait before try *n* is a random time between nothing and `initial` · 2ⁿ, at most `max`. The jitter is the whole
//! wait and not a part of it: when a server comes back, those who wait for it come back spread out.
//!
//! What takes *n* back to nothing is the other half of it. A byte, a comment, a ping or an event does not: a server that
//! says one and then ends would be asked without end. A [`Streak`] of failures is over when a connection has lasted, or
//! has brought the cursor further than any of those that failed in it, so that what makes them fail lies behind.

use std::time::Duration;

use crate::net::millis;
use crate::random::Random;

/// The waits between the tries of a client to connect.
///
/// ```
/// use barewire::{Connect, client::Backoff};
///
/// let connect = Connect::to("ws://127.0.0.1:9001/").reconnect(Backoff::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The upper bound of the first wait.
    pub initial: Duration,
    /// The upper bound of every wait.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The wait after this many failures in a row.
    pub(super) fn wait(&self, failures: u32, random: &mut Random) -> Duration {
        let doubled = self
            .initial
            .saturating_mul(1 << failures.saturating_sub(1).min(20));
        let bound = u64::try_from(doubled.min(self.max).as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(random.up_to(bound))
    }
}

/// How long a connection has to last for the failures before it to be forgotten.
pub(super) const LASTING: Duration = Duration::from_secs(30);

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Streak {
    failures: u32,
    /// Since when the server is there, in milliseconds of the loop.
    since: Option<u64>,
    /// How often the cursor has moved since the last failure.
    moved: u32,
    /// The most that it moved between two failures of this row.
    most: u32,
}

impl Streak {
    /// The server answers as it should.
    pub(super) fn stand(&mut self, now: u64) {
        self.since.get_or_insert(now);
    }

    /// The cursor has moved on.
    pub(super) fn progress(&mut self) {
        self.moved = self.moved.saturating_add(1);
    }

    /// One more failure. Says how many there are now.
    pub(super) fn fail(&mut self, now: u64) -> u32 {
        let lasted = self
            .since
            .take()
            .is_some_and(|since| now.saturating_sub(since) >= millis(LASTING));
        let moved = std::mem::take(&mut self.moved);
        if lasted {
            self.most = 0;
        }
        if lasted || moved > self.most {
            self.failures = 0;
        }
        self.most = self.most.max(moved);
        self.failures = self.failures.saturating_add(1);
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_below_a_bound_that_doubles_up_to_the_cap() {
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_millis(1500),
        };
        let mut random = Random::new();
        for (failures, bound) in [
            (1, 100),
            (2, 200),
            (4, 800),
            (5, 1500),
            (60, 1500),
            (u32::MAX, 1500),
        ] {
            let waits: Vec<_> = (0..500)
                .map(|_| backoff.wait(failures, &mut random).as_millis())
                .collect();
            let (low, high) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(
                *low < bound / 10 && *high > bound * 9 / 10 && *high <= bound,
                "{failures}: {low}-{high}"
            );
        }
    }

    /// Connections that last so many seconds and move the cursor so often, and the count after each.
    fn counts(connections: &[(u64, u32)]) -> Vec<u32> {
        let (mut streak, mut now) = (Streak::default(), 5);
        let fail = |&(seconds, moves): &(u64, u32)| {
            streak.stand(now);
            (0..moves).for_each(|_| streak.progress());
            now += seconds * 1_000;
            streak.stand(now);
            streak.fail(now)
        };
        connections.iter().map(fail).collect()
    }

    #[test]
    fn failures_are_forgotten_when_a_connection_has_lasted() {
        assert_eq!(counts(&[(0, 0), (29, 0), (30, 0), (0, 0)]), [1, 2, 1, 2]);
        let mut streak = Streak::default();
        // A wait is no connection.
        assert_eq!((streak.fail(0), streak.fail(90_000)), (1, 2));
    }

    #[test]
    fn failures_are_forgotten_when_the_cursor_has_moved_further_than_before_any_of_them() {
        assert_eq!(counts(&[(0, 1), (0, 1), (0, 1)]), [1, 2, 3]);
        assert_eq!(counts(&[(0, 1), (0, 2), (0, 1), (0, 2)]), [1, 1, 2, 3]);
        assert_eq!(counts(&[(0, 9), (30, 2), (0, 3), (0, 3)]), [1, 1, 1, 2]);
    }
}
