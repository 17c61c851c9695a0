//! How old a message is, by a clock that does not jump.
//!
//! A message has one time, that of its id, and it is the wall clock's: it may be set forward by an hour (NTP, a machine that
//! was asleep, an operator), and a message of a moment ago then looks an hour old. So ages are not told by comparing an id
//! with the wall clock of now, but with the wall clock **as it stood one retention age ago on a clock that never jumps**:
//!
//! ```text
//!   steady    ──────┬──────────────────┬──────────┬────►   now - age
//!   wall       12:00│ 12:10       12:20│13:20     │         12:25 if no jump came since, else what it showed then
//!                   └ one epoch        └ the next: it was set forward by an hour
//! ```
//!
//! A clock that was set back gives ids that are not above the last one ([`Id::next`](super::Id::next)), so that a message of
//! now may have the time of an old one: then the lowest that the wall clock has shown since decides. So **nothing is taken
//! for older than it is**; after a clock was set back, some things for younger.
//!
//! What is kept is one mark for each jump within the last age, and none while nothing jumps.

use std::collections::VecDeque;

/// A deviation, in milliseconds, up to which the wall clock has not jumped: it is read a little before or after the other.
const SLACK: u64 = 1_000;
/// Jumps that are remembered; with more in one retention age, messages are taken for younger.
const MAX_EPOCHS: usize = 64;

/// When the wall clock jumped, and to where.
#[derive(Debug)]
pub(super) struct Aging {
    /// The two clocks at the beginning of each stretch without a jump, in order: steady and wall, in milliseconds.
    epochs: VecDeque<(u64, u64)>,
    /// Of ids, the milliseconds below which a message is too old.
    oldest: u64,
}

impl Aging {
    /// Nothing seen yet. There is room for the first look, so that it takes no memory in the middle of something else.
    pub(super) fn new() -> Aging {
        Aging {
            epochs: VecDeque::with_capacity(2),
            oldest: 0,
        }
    }

    /// Takes what both clocks say now: the steady one and the wall clock, in milliseconds.
    pub(super) fn look(&mut self, ms: u64, unix_ms: u64, age: u64) {
        let expected = self.epochs.back().map(|&epoch| wall(epoch, ms));
        if expected.is_none_or(|expected| expected.abs_diff(unix_ms) > SLACK) {
            self.epochs.push_back((ms, unix_ms));
        }
        if self.epochs.len() > MAX_EPOCHS {
            if let (Some(second), Some(front)) = (self.epochs.remove(1), self.epochs.front_mut()) {
                front.1 = front.1.min(wall(second, front.0));
            }
        }
        let Some(then) = ms.checked_sub(age) else {
            return;
        };
        while self.epochs.get(1).is_some_and(|&(begun, _)| begun <= then) {
            self.epochs.pop_front();
        }
        let mut epochs = self.epochs.iter();
        let first = epochs.next().map(|&epoch| wall(epoch, then));
        let later = epochs.map(|&(_, unix_ms)| unix_ms);
        self.oldest = first.into_iter().chain(later).min().unwrap_or_default();
    }

    /// What [`Log::evict`](super::Log::evict) is to take for the time: that at which the oldest message that is kept has
    /// this age.
    pub(super) fn unix_ms(&self, age: u64) -> u64 {
        self.oldest.saturating_add(age)
    }
}

/// The wall clock of an epoch at a moment of the steady clock.
fn wall((begun, wall): (u64, u64), ms: u64) -> u64 {
    (wall + ms.saturating_sub(begun)).saturating_sub(begun.saturating_sub(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: u64 = 60_000;
    const HOUR: u64 = 3_600_000;

    /// The oldest that is kept, after looking once a second from one moment to another at a wall clock that is ahead by so
    /// much.
    fn run(aging: &mut Aging, from: u64, to: u64, ahead: u64) -> u64 {
        for ms in (from..=to).step_by(1_000) {
            aging.look(ms, ms + ahead, AGE);
        }
        aging.unix_ms(0)
    }

    #[test]
    fn without_a_jump_it_is_the_wall_clock_less_the_age() {
        let mut aging = Aging::new();
        assert_eq!(run(&mut aging, 0, 59_000, HOUR), 0);
        assert_eq!(run(&mut aging, 60_000, 60_000, HOUR), HOUR);
        assert_eq!(run(&mut aging, 61_000, 500_000, HOUR), HOUR + 440_000);
        assert_eq!(aging.epochs.len(), 1);
        // Drift is no jump, and a late first look knows what was before.
        let mut aging = Aging::new();
        aging.look(500_000, HOUR, AGE);
        assert_eq!(aging.unix_ms(AGE), HOUR);
        aging.look(501_000, HOUR + 1_900, AGE);
        assert_eq!(aging.epochs.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_forward_makes_nothing_older() {
        let mut aging = Aging::new();
        run(&mut aging, 0, 100_000, HOUR);
        // Messages until now have ids up to HOUR + 100_000, later ones from 2 * HOUR + 101_000 on.
        assert_eq!(run(&mut aging, 101_000, 101_000, 2 * HOUR), HOUR + 41_000);
        assert_eq!(run(&mut aging, 102_000, 160_000, 2 * HOUR), HOUR + 100_000);
        // When the jump itself is an age ago, all that was before it is too old, and nothing that came after it.
        assert_eq!(
            run(&mut aging, 161_000, 161_000, 2 * HOUR),
            2 * HOUR + 101_000
        );
        assert_eq!(
            run(&mut aging, 162_000, 200_000, 2 * HOUR),
            2 * HOUR + 140_000
        );
        assert_eq!(aging.epochs.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_older_either() {
        let mut aging = Aging::new();
        run(&mut aging, 0, 100_000, 2 * HOUR);
        // A message may have the id of an old one from now on, so that none goes before the lowest time since is an age ago.
        assert_eq!(run(&mut aging, 101_000, 160_000, HOUR), HOUR + 101_000);
        assert_eq!(run(&mut aging, 161_000, 300_000, HOUR), HOUR + 240_000);
        assert_eq!(aging.epochs.len(), 1);
    }

    #[test]
    fn a_clock_that_never_stops_jumping_takes_no_memory_and_makes_nothing_older() {
        let mut aging = Aging::new();
        for n in 0..10_000 {
            let ms = n * 10;
            aging.look(ms, HOUR + (n % 3) * HOUR + ms, AGE);
            assert!(aging.unix_ms(0) <= HOUR + ms.saturating_sub(AGE));
        }
        assert!(aging.epochs.len() <= MAX_EPOCHS);
        let mut aging = Aging::new();
        (0..10_000).for_each(|n| aging.look(n, (n % 2) * HOUR, u64::MAX));
        assert!(aging.epochs.len() <= MAX_EPOCHS && aging.unix_ms(0) == 0);
    }
}
