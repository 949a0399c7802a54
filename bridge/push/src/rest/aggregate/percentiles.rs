//! Percentiles of the values of a window.

use sketches_ddsketch::{Config, DDSketch};

/// How far a percentile of many values may be from a value that was measured, as a share of it.
const ERROR: f64 = 0.01;
/// Bins of a sketch: enough for values of which one is 10^17 times another.
const BINS_MAX: u32 = 2_048;
/// What is nearer to zero counts as zero.
const LEAST: f64 = 1e-9;

/// Values of a window: themselves while they are few, then a sketch of them (DDSketch; Masson, Rim and Lee 2019), which
/// takes the same room however many there are, and can be merged.
pub enum Values {
    Few(Vec<f64>),
    Many(Box<DDSketch>),
}

impl Values {
    /// Adds a value; more than `exact_max` become a sketch.
    pub fn add(&mut self, value: f64, exact_max: usize) {
        match self {
            Values::Few(values) if values.len() < exact_max => values.push(value),
            Values::Few(values) => {
                let mut sketch = Box::new(DDSketch::new(Config::new(ERROR, BINS_MAX, LEAST)));
                values.iter().chain([&value]).for_each(|value| sketch.add(*value));
                *self = Values::Many(sketch);
            }
            Values::Many(sketch) => sketch.add(value),
        }
    }

    /// After the last value was added, before percentiles are asked for.
    pub fn settle(&mut self) {
        if let Values::Few(values) = self {
            values.sort_unstable_by(f64::total_cmp);
        }
    }

    /// The smallest value that at least so many thousandths of a percent of the values do not exceed.
    #[allow(clippy::cast_precision_loss, reason = "counts of points are far below 2^53")]
    pub fn percentile(&self, thousandths: u32) -> Option<f64> {
        match self {
            Values::Few(values) => values.get(place(values.len(), thousandths)?).copied(),
            Values::Many(sketch) => {
                let (count, place) = (sketch.count(), place(sketch.count(), thousandths)?);
                // Between two places, so that rounding leads to this one.
                let share = (place as f64 + 0.5) / (count - 1).max(1) as f64;
                let share = if place == 0 { 0.0 } else { share.min(1.0) };
                let value = sketch.quantile(share).ok().flatten()?;
                Some(value.max(sketch.min()?).min(sketch.max()?))
            }
        }
    }
}

/// The place of a percentile among sorted values.
fn place(count: usize, thousandths: u32) -> Option<usize> {
    let reached = (count as u128 * u128::from(thousandths)).div_ceil(100_000);
    (count > 0).then(|| usize::try_from(reached).unwrap_or(count).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &[f64], exact_max: usize) -> Values {
        let mut values = Values::Few(Vec::new());
        numbers.iter().for_each(|number| values.add(*number, exact_max));
        values.settle();
        values
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values = of(&[5.0, 1.0, 3.0, 2.0, 4.0], 10);
        let percentiles = [0, 20_000, 20_001, 50_000, 95_000, 100_000].map(|it| values.percentile(it).unwrap());
        assert_eq!(percentiles, [1.0, 1.0, 2.0, 3.0, 5.0, 5.0]);
        assert_eq!(of(&[], 10).percentile(50_000), None);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(of(&hundred, 100).percentile(7_000), Some(7.0), "7 % of 100 is 7, whatever binary64 says");
    }

    proptest! {
        #[test]
        fn a_sketch_is_within_one_percent(
            mut numbers in prop::collection::vec(prop_oneof![-1e6f64..1e6, -1.0f64..1.0, Just(0.0)], 11..400),
            percentile in 0u32..=100_000
        ) {
            let told = of(&numbers, 10).percentile(percentile).unwrap();
            numbers.sort_by(f64::total_cmp);
            let exact = numbers[place(numbers.len(), percentile).unwrap()];
            prop_assert!((told - exact).abs() <= ERROR * exact.abs() + LEAST, "{told}, not {exact}");
        }
    }
}
