//! Latencies in buckets of about 3 %, so that millions of them take no room.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Buckets per doubling, as a power of two.
const PRECISION: u32 = 5;
const BUCKETS: usize = 64 << PRECISION;

/// Counts by bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; BUCKETS] }
    }
}

/// The bucket of a number of nanoseconds.
fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(1 << PRECISION);
    let exponent = nanos.ilog2() - PRECISION;
    // The leading digit is always there: it adds one to the exponent's part.
    ((exponent as usize) << PRECISION) + (nanos >> exponent) as usize - (1 << PRECISION)
}

/// Where a bucket begins.
fn start(bucket: usize) -> u64 {
    let exponent = bucket >> PRECISION;
    let mantissa = (bucket & ((1 << PRECISION) - 1)) as u64 + (1 << PRECISION);
    mantissa << exponent
}

impl Histogram {
    pub(crate) fn add(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
        }
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// The latency in microseconds that a share of all stays within.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let mut left = (total as f64 * share).ceil().max(1.0) as u64;
        for (index, count) in self.counts.iter().enumerate() {
            if left <= *count {
                // The middle of the bucket.
                return (start(index) + start(index + 1)) as f64 / 2_000.0;
            }
            left -= count;
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_join_without_a_gap_and_stay_narrow() {
        for index in 1..BUCKETS - (8 << PRECISION) {
            assert_eq!(bucket(start(index)), index);
            assert_eq!(bucket(start(index) - 1), index - 1);
            assert!(start(index + 1) as f64 / start(index) as f64 <= 1.04);
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_added() {
        let mut histogram = Histogram::default();
        for micros in 1..=1_000 {
            histogram.add(Duration::from_micros(micros));
        }
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = histogram.quantile(share);
            assert!((found / expected - 1.0).abs() < 0.04, "{share}: {found}");
        }
    }
}
