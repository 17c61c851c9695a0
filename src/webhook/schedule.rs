//! When a delivery that has failed is tried again.
//!
//! ```text
//!   try      1     2       3       4      5     6     7      8     ...            given up
//!   wait     └─ 5 s └ 5 min └ 30 min └ 2 h └ 5 h └ 10 h └ 10 h └ 10 h ...  ┘  five days after the first
//! ```
//!
//! Standard Webhooks' own waits ("Deliverability and reliability"). The last one repeats, and five days of failure are the
//! end. Each wait is lengthened by a random part, so that whoever waits for the same receiver does not come back at the same moment; and
//! never shortened, least of all one that the receiver has asked for (`Retry-After`, RFC 9110 10.2.3).

use std::time::Duration;

/// The waits before the second try, the third, and so on: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.
pub const WAITS: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
];

/// How long a receiver may fail before nothing more is sent to it: five days.
pub const GIVE_UP: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// No wait is shorter than this, or a receiver that refuses at once would be asked in a circle.
const SHORTEST: Duration = Duration::from_millis(10);

/// The waits between the tries of one delivery, and when they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The wait before the second try, the third, and so on. The last one repeats. Default: [`WAITS`].
    pub waits: Vec<Duration>,
    /// How long a receiver may fail. Default: [`GIVE_UP`].
    pub give_up: Duration,
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule {
            waits: WAITS.to_vec(),
            give_up: GIVE_UP,
        }
    }
}

impl Schedule {
    /// How long to wait after so many failures of one delivery, the last of which asked for `retry_after`. `random` is
    /// any number.
    ///
    /// The longer of the two, and up to a quarter more.
    pub fn wait(&self, failures: u32, retry_after: Option<Duration>, random: u64) -> Duration {
        let at = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let planned = self.waits.get(at).or(self.waits.last());
        let planned = planned.copied().unwrap_or(SHORTEST);
        let wait = planned.max(retry_after.unwrap_or_default()).max(SHORTEST);
        let most = u64::try_from(wait.as_millis() / 4).unwrap_or(u64::MAX);
        let more = random.checked_rem(most.saturating_add(1)).unwrap_or(0);
        wait.saturating_add(Duration::from_millis(more))
    }

    /// Whether a receiver that has failed for so long is given up.
    pub fn is_over(&self, failing_for: Duration) -> bool {
        failing_for >= self.give_up
    }
}

/// How long a receiver asks to be left alone: `Retry-After` in either form (RFC 9110 10.2.3), at a time in seconds since 1970.
pub fn retry_after(value: &str, unix_seconds: u64) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    let seconds = match value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        true => value.parse().unwrap_or(u64::MAX),
        false => crate::http::HttpDate::to_unix(value)?.saturating_sub(unix_seconds),
    };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_waits_are_those_of_the_specification() {
        let schedule = Schedule::default();
        let waits: Vec<u64> = (1..=9)
            .map(|failures| schedule.wait(failures, None, 0).as_secs())
            .collect();
        assert_eq!(
            waits,
            [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000, 36_000]
        );
        assert!(!schedule.is_over(GIVE_UP - Duration::from_millis(1)));
        assert!(schedule.is_over(GIVE_UP));
    }

    #[test]
    fn waits_are_spread() {
        let schedule = Schedule::default();
        let waits: std::collections::HashSet<_> = (0..100)
            .map(|random| schedule.wait(1, None, random * 7))
            .collect();
        assert!(waits.len() > 50);
    }

    #[test]
    fn a_receiver_asks_for_time_in_seconds_or_with_a_date() {
        let now = 784_111_777;
        for (value, seconds) in [
            ("0", 0),
            ("120", 120),
            (" 120 ", 120),
            ("99999999999999999999999", u64::MAX),
            ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:27 GMT", 0),
        ] {
            assert_eq!(
                retry_after(value, now),
                Some(Duration::from_secs(seconds)),
                "{value}"
            );
        }
        for value in ["", "-1", "1.5", "soon", "+1", "1 2"] {
            assert_eq!(retry_after(value, now), None, "{value}");
        }
    }

    proptest! {
        /// What a receiver asks for is never undercut, and at most half as much is added to the longer of the two.
        #[test]
        fn a_wait_is_never_shorter_than_planned_or_asked(
            waits in proptest::collection::vec(0..100_000_000_u64, 0..5),
            failures in any::<u32>(),
            asked in proptest::option::of(any::<u64>()),
            random in any::<u64>(),
        ) {
            let waits: Vec<_> = waits.into_iter().map(Duration::from_millis).collect();
            let schedule = Schedule { waits: waits.clone(), ..Schedule::default() };
            let asked = asked.map(Duration::from_secs);
            let wait = schedule.wait(failures, asked, random);
            let at = (failures.saturating_sub(1) as usize).min(waits.len().saturating_sub(1));
            let planned = waits.get(at).copied().unwrap_or_default();
            let longer = planned.max(asked.unwrap_or_default()).max(SHORTEST);
            prop_assert!(wait >= longer);
            prop_assert!(wait <= longer.saturating_add(longer / 2));
        }

        /// Later waits of a schedule that grows are not shorter, jitter aside.
        #[test]
        fn waits_do_not_shrink(failures in 1..1_000_u32) {
            let schedule = Schedule::default();
            prop_assert!(schedule.wait(failures, None, 0) <= schedule.wait(failures + 1, None, 0));
        }

        #[test]
        fn no_value_panics(value in any::<String>(), now in any::<u64>()) {
            let _ = retry_after(&value, now);
        }
    }
}
