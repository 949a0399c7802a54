//! Series put together by their labels: `sum by (group)` and its kin.

use rustc_hash::FxHashMap;

use super::{ABSENT, Line, is_absent, math, window};
use crate::ast::Grouping;
use crate::error::QueryError;
use crate::functions::Operator;
use crate::labels::{Labels, NAME};

/// # Errors
/// [`QueryError::Question`] for a number of series that is none.
pub(super) fn of(
    operator: Operator,
    grouping: &Grouping,
    parameter: Option<f64>,
    lines: Vec<Line>,
    steps: usize,
) -> Result<Vec<Line>, QueryError> {
    let parameter = parameter.unwrap_or_default();
    let groups = grouped(grouping, lines);
    if matches!(operator, Operator::Top | Operator::Bottom) {
        if !(0.0..=1e9).contains(&parameter) {
            return Err(QueryError::question("`topk` and `bottomk` need to know how many: `topk(5, temperature)`"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was looked at above")]
        let count = parameter as usize;
        return Ok(groups.into_iter().flat_map(|(_, lines)| outermost(operator, count, lines, steps)).collect());
    }
    let together = |(labels, lines): (Labels, Vec<Line>)| {
        let values = match operator {
            Operator::Quantile | Operator::StandardDeviation | Operator::Variance => {
                by_step(&lines, steps, |values| spread(operator, parameter, values))
            }
            _ => folded(operator, &lines, steps),
        };
        Line { labels, values }
    };
    Ok(groups.into_iter().map(together).collect())
}

/// Series by the labels that remain, in the order in which they came.
fn grouped(grouping: &Grouping, lines: Vec<Line>) -> Vec<(Labels, Vec<Line>)> {
    let mut places: FxHashMap<Labels, usize> = FxHashMap::default();
    let mut groups: Vec<(Labels, Vec<Line>)> = Vec::new();
    for line in lines {
        let labels = match grouping {
            Grouping::By(names) => line.labels.only(names),
            Grouping::Without(names) if names.iter().any(|name| name == NAME) => line.labels.without(names),
            Grouping::Without(names) => line.labels.without(names).nameless(),
        };
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            groups.push((labels, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(line);
    }
    groups
}

/// What needs no more than the answer so far and how many there were. Line by line: so memory is read in its order.
#[allow(clippy::cast_precision_loss, reason = "counts of series are far below 2^53")]
fn folded(operator: Operator, lines: &[Line], steps: usize) -> Vec<f64> {
    let mut answers = vec![ABSENT; steps];
    let mut counts = vec![0u32; steps];
    for line in lines {
        for ((answer, count), &value) in answers.iter_mut().zip(&mut counts).zip(&line.values) {
            if is_absent(value) {
                continue;
            }
            *count += 1;
            *answer = match operator {
                Operator::Count => f64::from(*count),
                Operator::Group => 1.0,
                _ if *count == 1 => value,
                Operator::Min => answer.min(value),
                Operator::Max => answer.max(value),
                _ => *answer + value,
            };
        }
    }
    if operator == Operator::Average {
        let there = answers.iter_mut().zip(&counts).filter(|(_, count)| **count > 0);
        there.for_each(|(answer, count)| *answer /= f64::from(*count));
    }
    answers
}

fn by_step(lines: &[Line], steps: usize, of: impl Fn(&mut Vec<f64>) -> f64) -> Vec<f64> {
    let mut values = Vec::with_capacity(lines.len());
    let mut at = |step: usize| {
        values.clear();
        values.extend(lines.iter().map(|line| line.values[step]).filter(|value| !is_absent(*value)));
        if values.is_empty() { ABSENT } else { of(&mut values) }
    };
    (0..steps).map(&mut at).collect()
}

fn spread(operator: Operator, parameter: f64, values: &mut [f64]) -> f64 {
    match operator {
        Operator::Quantile => window::quantile(parameter, values),
        Operator::StandardDeviation => math::variance(values.iter().copied()).sqrt(),
        _ => math::variance(values.iter().copied()),
    }
}

/// The `count` largest or smallest of each step, as they are; NaN comes last.
fn outermost(operator: Operator, count: usize, mut lines: Vec<Line>, steps: usize) -> Vec<Line> {
    let mut order: Vec<usize> = Vec::with_capacity(lines.len());
    for step in 0..steps {
        order.clear();
        order.extend((0..lines.len()).filter(|&line| !is_absent(lines[line].values[step])));
        order.sort_by(|&a, &b| {
            let (a, b) = (lines[a].values[step], lines[b].values[step]);
            let by_value = if operator == Operator::Top { b.total_cmp(&a) } else { a.total_cmp(&b) };
            a.is_nan().cmp(&b.is_nan()).then(by_value)
        });
        order.iter().skip(count).for_each(|&line| lines[line].values[step] = ABSENT);
    }
    lines.retain(|line| !line.is_empty());
    lines
}
