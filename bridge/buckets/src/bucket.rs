use serde::{Deserialize, Serialize};

/// A summary of the points of one series within one span of time.
///
/// Times are Unix milliseconds. `sum` is the plain sum of the values; `first` and `last` are by time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Number of points; at least 1.
    pub count: u64,
    /// Sum of the values.
    pub sum: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Value of the earliest point.
    pub first: f64,
    /// Value of the latest point.
    pub last: f64,
    /// Time of the earliest point.
    pub first_ms: i64,
    /// Time of the latest point.
    pub last_ms: i64,
}

impl Bucket {
    /// The bucket of a single point.
    #[must_use]
    pub const fn of(time_ms: i64, value: f64) -> Self {
        Bucket {
            count: 1,
            sum: value,
            min: value,
            max: value,
            first: value,
            last: value,
            first_ms: time_ms,
            last_ms: time_ms,
        }
    }

    /// Adds one point, in any order of time.
    pub fn add(&mut self, time_ms: i64, value: f64) {
        self.merge(&Bucket::of(time_ms, value));
    }

    /// Merges another summary of disjoint points; commutative but for the rounding of `sum`.
    pub fn merge(&mut self, other: &Bucket) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.first_ms < self.first_ms {
            self.first_ms = other.first_ms;
            self.first = other.first;
        }
        if other.last_ms >= self.last_ms {
            self.last_ms = other.last_ms;
            self.last = other.last;
        }
    }

    /// The arithmetic mean; see [`mean`].
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn mean(&self) -> f64 {
        mean(self.sum, self.count as f64, (self.min, self.max))
    }
}

/// The arithmetic mean of values with this sum and these extremes. It lies between them also where the sum was rounded;
/// where it went beyond binary64, between them is all that is known.
#[must_use]
pub fn mean(sum: f64, count: f64, (min, max): (f64, f64)) -> f64 {
    // Two sums beyond binary64 with different signs are no number when added.
    if sum.is_nan() { min / 2.0 + max / 2.0 } else { (sum / count).max(min).min(max) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(points: &[(i64, f64)]) -> Bucket {
        let mut bucket = Bucket::of(points[0].0, points[0].1);
        for &(time, value) in &points[1..] {
            bucket.add(time, value);
        }
        bucket
    }

    #[test]
    fn a_mean_lies_between_the_extremes_also_where_the_sum_does_not_fit() {
        assert_eq!(of(&[(0, 1e308), (1, 1e308)]).mean(), 1e308);
        assert_eq!(of(&[(0, -1e308), (1, -1.5e308)]).mean(), -1.5e308);
        let mut both = of(&[(0, 1e308), (1, 1e308)]);
        both.merge(&of(&[(2, -1e308), (3, -1e308)]));
        assert_eq!(both.mean(), 0.0);
        let steady = of(&[(0, -22.09); 27]);
        assert_eq!(steady.mean(), -22.09, "rounding does not show: {}", steady.sum / 27.0);
    }

    proptest! {
        #[test]
        fn merging_two_halves_equals_adding_all(
            points in prop::collection::vec((0i64..1_000_000, -1e6f64..1e6), 2..200), cut in 1usize..199
        ) {
            let cut = cut.min(points.len() - 1);
            let mut halves = of(&points[..cut]);
            halves.merge(&of(&points[cut..]));
            let whole = of(&points);
            prop_assert_eq!((halves.count, halves.min, halves.max), (whole.count, whole.min, whole.max));
            prop_assert_eq!((halves.first_ms, halves.last_ms), (whole.first_ms, whole.last_ms));
            prop_assert!((halves.sum - whole.sum).abs() <= 1e-6 * whole.sum.abs().max(1.0));
        }
    }
}
