//! What can be asked about a window.

use super::fold::Cell;
use super::needs::Needs;

/// One figure of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    Mean,
    Min,
    Max,
    Sum,
    Count,
    First,
    Last,
    /// Each value weighs as long as it held.
    TimeMean,
    /// How far counters went on.
    Increase,
    /// The smallest value that at least this share of the values does not exceed, in thousandths of a percent.
    Percentile(u32),
}

/// What has to be gathered for some functions.
pub fn needs(functions: &[Function]) -> Needs {
    let any = |of: fn(&Function) -> bool| functions.iter().any(of);
    Needs {
        holding: any(|function| *function == Function::TimeMean),
        increases: any(|function| *function == Function::Increase),
        values: any(|function| matches!(function, Function::Percentile(_))),
    }
}

impl Function {
    /// Reads the name of a function: `mean`, `p95`, `p99.9`.
    pub fn of(name: &str) -> Option<Function> {
        Some(match name {
            "mean" => Function::Mean,
            "min" => Function::Min,
            "max" => Function::Max,
            "sum" => Function::Sum,
            "count" => Function::Count,
            "first" => Function::First,
            "last" => Function::Last,
            "time_mean" => Function::TimeMean,
            "increase" => Function::Increase,
            _ => Function::Percentile(thousandths(name.strip_prefix('p')?)?),
        })
    }

    /// The figure of a window; `None` where it has none.
    #[allow(clippy::cast_precision_loss, reason = "counts of points are far below 2^53")]
    pub fn value(self, cell: &Cell) -> Option<f64> {
        let bucket = cell.bucket.as_ref();
        match self {
            Function::Mean => bucket.map(|it| it.mean()),
            Function::Min => bucket.map(|it| it.min),
            Function::Max => bucket.map(|it| it.max),
            Function::Sum => bucket.map(|it| it.sum),
            Function::Count => Some(bucket.map_or(0.0, |it| it.count as f64)),
            Function::First => bucket.map(|it| it.first),
            Function::Last => bucket.map(|it| it.last),
            Function::TimeMean => cell.time_mean(),
            Function::Increase => cell.increase,
            Function::Percentile(share) => cell.values.as_ref().and_then(|values| values.percentile(share)),
        }
    }
}

/// 0 to 100, with up to three decimals, in thousandths.
fn thousandths(percent: &str) -> Option<u32> {
    let (whole, decimals) = percent.split_once('.').unwrap_or((percent, "0"));
    let is_digits = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = whole == "0" || !whole.starts_with('0');
    if !is_digits(whole) || !is_digits(decimals) || !is_plain {
        return None;
    }
    let thousandths = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 100_000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_go_by_their_names() {
        assert_eq!(Function::of("p99.9"), Some(Function::Percentile(99_900)));
        assert_eq!(Function::of("p0"), Some(Function::Percentile(0)));
        assert_eq!(Function::of("p100"), Some(Function::Percentile(100_000)));
        for wrong in ["", "p", "p101", "p-1", "p1e1", "p5.", "p.5", "p05", "p99.9999", "pinf", "Mean", "median"] {
            assert_eq!(Function::of(wrong), None, "{wrong}");
        }
    }
}
