//! How long things take, counted in buckets.

use std::time::Duration;

/// The upper bounds of the buckets, in microseconds: from what one message takes to what nobody waits for.
const BOUNDS: [u32; 19] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
    500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// A histogram of durations, from 10 µs to 10 s in steps of 1, 2.5 and 5. To record one is to add to two numbers.
///
/// ```
/// use barewire::metrics::Histogram;
/// use std::time::Duration;
///
/// let mut turns = Histogram::default();
/// turns.record(Duration::from_micros(25));                 // a bound belongs to its bucket
/// turns.record(Duration::from_secs(60));                   // beyond all bounds
/// assert_eq!((turns.count(), turns.sum()), (2, Duration::from_micros(60_000_025)));
/// assert_eq!(turns.cumulative().nth(1), Some((0.000025, 1)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Not cumulative.
    buckets: [u64; BOUNDS.len()],
    beyond: u64,
    /// In nanoseconds: 584 years of them fit.
    sum: u64,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum = self.sum.saturating_add(nanos);
        // A bound is in its own bucket: what is a part of a microsecond above it is not.
        let bucket = BOUNDS.partition_point(|&bound| u64::from(bound) * 1_000 < nanos);
        match self.buckets.get_mut(bucket) {
            Some(count) => *count += 1,
            None => self.beyond += 1,
        }
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Histogram) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count += more;
        }
        self.beyond += other.beyond;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.beyond
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The bounds in seconds, and how many took no longer. Beyond the last one is [`Histogram::count`].
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut below = 0;
        BOUNDS.iter().zip(self.buckets).map(move |(&bound, count)| {
            below += count;
            (f64::from(bound) / 1e6, below)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_is_not_below_it() {
        for (nanos, bucket) in [
            (0, 0),
            (10_000, 0),
            (10_001, 1),
            (25_000, 1),
            (999_999, 6),
            (1_000_000, 6),
            (10_000_000_000, 18),
        ] {
            let mut histogram = Histogram::default();
            histogram.record(Duration::from_nanos(nanos));
            let below: Vec<u64> = histogram.cumulative().map(|(_, count)| count).collect();
            assert_eq!(
                below.iter().position(|&count| count == 1),
                Some(bucket),
                "{nanos}"
            );
            assert_eq!(histogram.count(), 1);
        }
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.cumulative().last(), Some((10.0, 0)));
        assert_eq!(histogram.count(), 1);
    }

    #[test]
    fn what_two_have_counted_is_what_one_would_have() {
        let (mut one, mut other, mut both) = <(Histogram, Histogram, Histogram)>::default();
        for micros in [3_u64, 70, 70, 800, 5_000_000, 50_000_000] {
            let took = Duration::from_micros(micros);
            let half = if micros % 2 == 0 {
                &mut one
            } else {
                &mut other
            };
            half.record(took);
            both.record(took);
        }
        one.add(&other);
        assert_eq!(one, both);
        assert_eq!(one.sum(), Duration::from_micros(55_000_943));
    }
}
