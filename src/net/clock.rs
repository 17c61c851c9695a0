//! The time, read once a turn and handed down as a value.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the loop began; never goes back. Deadlines are in it.
    pub ms: u64,
    /// Milliseconds since 1970 on the wall clock, for message ids and dates; may jump.
    pub unix_ms: u64,
}

#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock {
            began: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Now {
        self.at(Instant::now())
    }

    /// The time at a moment that is now, and was taken for a stop watch as well.
    #[inline]
    pub(super) fn at(&self, instant: Instant) -> Now {
        Now {
            ms: millis(instant.saturating_duration_since(self.began)),
            unix_ms: unix_ms(),
        }
    }

    /// [`Now::ms`] alone.
    pub(super) fn ms(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

/// The wall clock; 0 where it stands before 1970.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

/// A duration in whole milliseconds, as the loop counts them: rounded down.
pub(crate) fn millis(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000);
    whole.saturating_add(u64::from(duration.subsec_millis()))
}
