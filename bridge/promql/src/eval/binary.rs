//! Operators with two sides, and which series of the one side meets which of the other.

use rustc_hash::FxHashMap;

use super::{ABSENT, Line, Value, distinct, is_absent};
use crate::ast::{Binary, Matching, Operation};
use crate::error::QueryError;
use crate::labels::Labels;

/// # Errors
/// [`QueryError::Execution`] where a series matches more than one.
pub(super) fn of(binary: &Binary, left: Value, right: Value) -> Result<Value, QueryError> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            Ok(Value::Number(left.iter().zip(right).map(|(&left, right)| binary.operation.of(left, right)).collect()))
        }
        (Value::Series(lines), Value::Number(numbers)) => {
            with_number(binary, lines, |value, step| (value, numbers[step])).map(Value::Series)
        }
        (Value::Number(numbers), Value::Series(lines)) => {
            with_number(binary, lines, |value, step| (numbers[step], value)).map(Value::Series)
        }
        (Value::Series(left), Value::Series(right)) if binary.operation.is_of_sets() => {
            Ok(Value::Series(of_sets(binary, left, right)))
        }
        (Value::Series(left), Value::Series(right)) => one_to_one(binary, left, &right).map(Value::Series),
    }
}

/// What becomes of a value: the answer of an operation, or of a comparison the value where it holds.
fn outcome(binary: &Binary, left: f64, right: f64, kept: f64) -> f64 {
    let answer = binary.operation.of(left, right);
    if !binary.operation.is_comparison() || binary.as_number {
        return answer;
    }
    if answer == 0.0 { ABSENT } else { kept }
}

/// Whether the answer is still a value of the metric.
fn keeps_name(binary: &Binary) -> bool {
    binary.operation.is_comparison() && !binary.as_number
}

fn with_number(
    binary: &Binary,
    mut lines: Vec<Line>,
    sides: impl Fn(f64, usize) -> (f64, f64),
) -> Result<Vec<Line>, QueryError> {
    for line in &mut lines {
        let values = line.values.iter_mut().enumerate().filter(|(_, value)| !is_absent(**value));
        for (step, value) in values {
            let (left, right) = sides(*value, step);
            *value = outcome(binary, left, right, *value);
        }
        if !keeps_name(binary) {
            line.labels = line.labels.nameless();
        }
    }
    distinct(lines)
}

impl Matching {
    /// What has to be equal on both sides.
    fn of(&self, labels: &Labels) -> Labels {
        match self {
            Matching::On(names) => labels.only(names),
            Matching::Ignoring(names) => labels.without(names).nameless(),
        }
    }
}

/// Stands where more than one series of a side has a value.
const SEVERAL: f64 = f64::from_bits(0x7ff0_0000_0000_0003);

fn is_several(value: f64) -> bool {
    value.to_bits() == SEVERAL.to_bits()
}

/// What a side has for each match, by step: so that each value is looked at once, however many series match.
fn by_match(matching: &Matching, lines: &[Line]) -> FxHashMap<Labels, Vec<f64>> {
    let mut by_match: FxHashMap<Labels, Vec<f64>> = FxHashMap::default();
    for line in lines {
        let known = by_match.entry(matching.of(&line.labels)).or_insert_with(|| vec![ABSENT; line.values.len()]);
        for (known, value) in known.iter_mut().zip(&line.values).filter(|(_, value)| !is_absent(**value)) {
            *known = if is_absent(*known) { *value } else { SEVERAL };
        }
    }
    by_match
}

/// Keeps the values for which the other side has one, or those for which it has none.
fn keep(matching: &Matching, lines: &mut [Line], others: &FxHashMap<Labels, Vec<f64>>, wanted: bool) {
    for line in lines {
        let others = others.get(&matching.of(&line.labels));
        for (step, value) in line.values.iter_mut().enumerate() {
            if others.is_some_and(|others| !is_absent(others[step])) != wanted {
                *value = ABSENT;
            }
        }
    }
}

fn of_sets(binary: &Binary, mut left: Vec<Line>, mut right: Vec<Line>) -> Vec<Line> {
    let matching = &binary.matching;
    if binary.operation != Operation::Or {
        keep(matching, &mut left, &by_match(matching, &right), binary.operation == Operation::And);
        return left;
    }
    keep(matching, &mut right, &by_match(matching, &left), false);
    // A series of both sides is there once.
    let places: FxHashMap<Labels, usize> =
        left.iter().enumerate().map(|(place, line)| (line.labels.clone(), place)).collect();
    for line in right {
        match places.get(&line.labels) {
            Some(&place) => {
                let values = left[place].values.iter_mut().zip(line.values);
                values.filter(|(known, _)| is_absent(**known)).for_each(|(known, value)| *known = value);
            }
            None => left.push(line),
        }
    }
    left
}

fn one_to_one(binary: &Binary, left: Vec<Line>, right: &[Line]) -> Result<Vec<Line>, QueryError> {
    let others = by_match(&binary.matching, right);
    let mut answer = Vec::new();
    for mut line in left {
        let matched = binary.matching.of(&line.labels);
        let Some(others) = others.get(&matched) else { continue };
        let values = line.values.iter_mut().zip(others).filter(|(value, _)| !is_absent(**value));
        for (value, &other) in values {
            if is_several(other) {
                return Err(ambiguous("right", "left"));
            }
            *value = if is_absent(other) { ABSENT } else { outcome(binary, *value, other, *value) };
        }
        line.labels = match &binary.matching {
            Matching::On(names) => line.labels.only(names),
            Matching::Ignoring(names) if keeps_name(binary) => line.labels.without(names),
            Matching::Ignoring(_) => matched,
        };
        answer.push(line);
    }
    distinct(answer).map_err(|_| ambiguous("left", "right"))
}

fn ambiguous(many: &str, one: &str) -> QueryError {
    QueryError::Execution(format!(
        "more than one series of the {many} side matches one of the {one} side: say by `on` or `ignoring` which labels are \
         to be equal, or take an aggregate first"
    ))
}
