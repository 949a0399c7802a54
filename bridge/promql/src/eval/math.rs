//! Functions of values, step by step.

use super::{ABSENT, Line, distinct, is_absent};
use crate::error::QueryError;
use crate::functions::Math;

/// Changes each value that is there, given with its step.
///
/// # Errors
/// As [`distinct`]: what was changed has no name any more.
pub(super) fn each(mut lines: Vec<Line>, change: impl Fn(f64, usize) -> f64) -> Result<Vec<Line>, QueryError> {
    for line in &mut lines {
        line.labels = line.labels.nameless();
        let values = line.values.iter_mut().enumerate().filter(|(_, value)| !is_absent(**value));
        values.for_each(|(step, value)| *value = change(*value, step));
    }
    distinct(lines)
}

pub(super) fn of(function: Math, value: f64, first: f64, second: f64) -> f64 {
    match function {
        Math::Abs => value.abs(),
        Math::Ceil => value.ceil(),
        Math::Floor => value.floor(),
        // Halves go up.
        Math::Round => (value / first + 0.5).floor() * first,
        Math::Clamp if first > second => ABSENT,
        Math::Clamp => value.max(first).min(second),
        Math::ClampMin => value.max(first),
        Math::ClampMax => value.min(first),
        Math::Exp => value.exp(),
        Math::Ln => value.ln(),
        Math::Log2 => value.log2(),
        Math::Log10 => value.log10(),
        Math::Sqrt => value.sqrt(),
        Math::Sign if value == 0.0 || value.is_nan() => value,
        Math::Sign => value.signum(),
    }
}

/// The value of the only series at each step, NaN where there is none or more than one.
pub(super) fn only(lines: &[Line], steps: usize) -> Vec<f64> {
    let at = |step: usize| {
        let mut values = lines.iter().map(|line| line.values[step]).filter(|value| !is_absent(*value));
        values.next().filter(|_| values.next().is_none()).unwrap_or(f64::NAN)
    };
    (0..steps).map(at).collect()
}

/// 1 at each step at which no series has a value.
pub(super) fn absence(lines: &[Line], steps: usize) -> Vec<f64> {
    let is_empty = |step: usize| lines.iter().all(|line| is_absent(line.values[step]));
    (0..steps).map(|step| if is_empty(step) { 1.0 } else { ABSENT }).collect()
}

/// Of the whole population (Welford).
pub(super) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let away = value - mean;
        mean += away / count;
        squares += away * (value - mean);
    }
    squares / count
}
