//! How long to wait before the next try: exponential backoff with full jitter.
//!
//! The wait before try *n* is a random time between nothing and `initial` · 2ⁿ, at most `max`. The jitter is the whole
//! wait and not a part of it: when a server comes back, those who wait for it come back spread out.

use std::time::Duration;

use crate::random::Random;

/// The waits between the tries of a client to connect.
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
}
