//! Deadlines: a timing wheel of one level.
//!
//! Time is cut into ticks of [`TICK`] milliseconds, and a ring of [`SLOTS`] slots holds what is due in each. To
//! schedule is to push into a slot; to expire is to empty the slots that time has passed. What lies beyond the
//! ring waits in its last slot and is put back when it comes round.
//!
//! Nothing is ever taken out early: a connection's deadline moves with every request, and the wheel does not hear
//! of it. Its owner compares the [`Entry`] that comes out with what it wants by then, and schedules anew.

use super::ConnectionId;

/// Milliseconds per slot, and so how late a deadline may be noticed.
const TICK: u64 = 16;
/// Slots of the ring: 4096 of 16 ms look 65 s ahead.
const SLOTS: usize = 4096;
const WORDS: usize = SLOTS / 64;
const _: () = assert!(WORDS == u64::BITS as usize);

/// Something due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: ConnectionId,
    pub(super) at: u64,
}

#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<Entry>>,
    /// A bit for each slot that is not empty.
    occupied: [u64; WORDS],
    /// A bit for each of those words that is not zero.
    words: u64,
    /// The tick up to which everything has expired; its slot is the next to be emptied.
    tick: u64,
}

impl Wheel {
    pub(super) fn new(now: u64) -> Wheel {
        Wheel {
            slots: vec![Vec::new(); SLOTS],
            occupied: [0; WORDS],
            words: 0,
            tick: now / TICK,
        }
    }

    /// Remembers an entry until its time. A time that has passed is due at the next look.
    pub(super) fn schedule(&mut self, entry: Entry) {
        // Rounded up, so that nothing comes out before its time.
        let due = entry
            .at
            .div_ceil(TICK)
            .clamp(self.tick, self.tick + SLOTS as u64 - 1);
        let slot = (due % SLOTS as u64) as usize;
        self.slots[slot].push(entry);
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.words |= 1 << (slot / 64);
    }

    /// Moves what is due at `now` to `due`.
    pub(super) fn expire(&mut self, now: u64, due: &mut Vec<Entry>) {
        let end = now / TICK;
        let mut early = Vec::new();
        let passed = (end + 1).saturating_sub(self.tick).min(SLOTS as u64);
        for tick in self.tick..self.tick + passed {
            let slot = (tick % SLOTS as u64) as usize;
            if self.occupied[slot / 64] & 1 << (slot % 64) == 0 {
                continue;
            }
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            if self.occupied[slot / 64] == 0 {
                self.words &= !(1 << (slot / 64));
            }
            for entry in std::mem::take(&mut self.slots[slot]) {
                if entry.at <= now {
                    due.push(entry)
                } else {
                    early.push(entry)
                }
            }
        }
        self.tick = self.tick.max(end + 1);
        for entry in early {
            self.schedule(entry);
        }
    }

    /// The time of the next look that may find something, in milliseconds.
    pub(super) fn next(&self) -> Option<u64> {
        let start = (self.tick % SLOTS as u64) as usize;
        let distance = self.distance(start)?;
        Some((self.tick + distance as u64) * TICK)
    }

    /// How many slots lie between `start` and the next one that is not empty.
    fn distance(&self, start: usize) -> Option<usize> {
        let first = start / 64;
        let ahead = self.occupied[first] & (!0 << (start % 64));
        let slot = if ahead != 0 {
            first * 64 + ahead.trailing_zeros() as usize
        } else if self.words != 0 {
            // The words behind the first one, and the first one last.
            let steps = 1 + self.words.rotate_right(first as u32 + 1).trailing_zeros() as usize;
            let word = (first + steps) % WORDS;
            word * 64 + self.occupied[word].trailing_zeros() as usize
        } else {
            return None;
        };
        Some((slot + SLOTS - start) % SLOTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(index: u32, at: u64) -> Entry {
        Entry {
            id: ConnectionId {
                index,
                generation: 0,
            },
            at,
        }
    }

    #[test]
    fn an_empty_wheel_waits_for_nothing() {
        let mut wheel = Wheel::new(5);
        let mut due = Vec::new();
        wheel.expire(1 << 40, &mut due);
        assert_eq!((wheel.next(), due.len()), (None, 0));
    }

    #[test]
    fn what_is_far_away_comes_round_and_is_put_back() {
        let mut wheel = Wheel::new(0);
        let far = 3 * SLOTS as u64 * TICK;
        wheel.schedule(entry(1, far));
        let mut due = Vec::new();
        let mut looks = 0;
        while due.is_empty() {
            let next = wheel.next().unwrap();
            assert!(next < far + TICK);
            wheel.expire(next, &mut due);
            looks += 1;
        }
        assert_eq!(due, [entry(1, far)]);
        assert!(looks <= 5, "{looks} looks");
    }

    proptest! {
        /// Everything comes out once: not before its time, and at the first look after the tick that holds it.
        #[test]
        fn everything_comes_out_once_and_on_time(
            start in 0..10_000u64,
            delays in prop::collection::vec(0..200_000u64, 1..50),
            steps in prop::collection::vec(1..50_000u64, 1..40),
        ) {
            let mut wheel = Wheel::new(start);
            for (index, delay) in delays.iter().enumerate() {
                wheel.schedule(entry(index as u32, start + delay));
            }
            let (mut now, mut seen) = (start, vec![false; delays.len()]);
            for step in steps.into_iter().chain([400_000]) {
                let before = now;
                now += step;
                let mut due = Vec::new();
                wheel.expire(now, &mut due);
                for entry in due {
                    prop_assert!(entry.at <= now && entry.at + TICK > before);
                    prop_assert!(!std::mem::replace(&mut seen[entry.id.index as usize], true));
                }
            }
            prop_assert!(seen.into_iter().all(|seen| seen));
            prop_assert_eq!(wheel.next(), None);
        }
    }
}
