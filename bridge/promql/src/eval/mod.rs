//! The answer to a question, step by step.

mod aggregate;
mod binary;
mod counter;
mod math;
mod window;

use std::cell::Cell;

use rustc_hash::FxHashMap;
use tidegate_buckets::Rung;

use crate::ast::{Expression, Node, Selector};
use crate::error::QueryError;
use crate::functions::{Function, Over};
use crate::labels::Labels;
use crate::source::{Series, Source};

/// Stands where a series has no value. It is a NaN that no calculation makes, as the stale marker of Prometheus is.
const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// The times a question is about: from `start_ms` on in steps, up to `end_ms` at most. Unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first step.
    pub start_ms: i64,
    /// No step is later.
    pub end_ms: i64,
    /// Between steps; above zero.
    pub step_ms: i64,
}

impl Range {
    /// One moment.
    #[must_use]
    pub fn at(time_ms: i64) -> Self {
        Range { start_ms: time_ms, end_ms: time_ms, step_ms: 1 }
    }

    /// How many steps there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let span_ms = self.end_ms.saturating_sub(self.start_ms);
        usize::try_from(span_ms.div_euclid(self.step_ms) + 1).unwrap_or(0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each step.
    pub fn steps(self) -> impl Iterator<Item = i64> {
        (0i64..).take(self.len()).map(move |step| self.start_ms + step * self.step_ms)
    }
}

/// What one question may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long after its last point a series still has a value, ms.
    pub lookback_ms: i64,
    /// Series that one selector may choose.
    pub series_max: usize,
    /// Points that are read, and looked at in windows that overlap.
    pub points_max: u64,
    /// Values of all series that its selectors chose, by steps; and points of one series that are read at once.
    pub values_max: usize,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What names it.
    pub labels: Labels,
    /// By step; absent ones among them.
    values: Vec<f64>,
}

impl Line {
    /// The steps at which it has a value, and the values.
    pub fn points(&self, range: Range) -> impl Iterator<Item = (i64, f64)> {
        range.steps().zip(self.values.iter().copied()).filter(|(_, value)| !is_absent(*value))
    }

    fn is_empty(&self) -> bool {
        self.values.iter().all(|value| is_absent(*value))
    }
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A number for each step.
    Number(Vec<f64>),
    /// Series by steps, in the order of their labels unless the question orders them.
    Series(Vec<Line>),
    /// All points of a span, where one moment was asked for a selector with a range: Unix ms and value.
    Points(Vec<(Labels, Vec<(i64, f64)>)>),
}

enum Value {
    Number(Vec<f64>),
    Series(Vec<Line>),
}

/// Answers a question.
///
/// # Errors
/// [`QueryError`]
pub fn evaluate(
    expression: &Expression,
    source: &dyn Source,
    range: Range,
    limits: Limits,
) -> Result<Answer, QueryError> {
    let evaluation = Evaluation { source, range, limits, points: Cell::new(0), values: Cell::new(0) };
    if let Node::Selector(selector @ Selector { range_ms: Some(range_ms), .. }) = &expression.0 {
        return evaluation.all_points(selector, *range_ms);
    }
    Ok(match evaluation.value(&expression.0)? {
        Value::Number(values) => Answer::Number(values),
        Value::Series(mut lines) => {
            lines.retain(|line| !line.is_empty());
            lines.sort_by(|a, b| a.labels.cmp(&b.labels));
            Answer::Series(lines)
        }
    })
}

struct Evaluation<'a> {
    source: &'a dyn Source,
    range: Range,
    limits: Limits,
    /// Read and looked at so far.
    points: Cell<u64>,
    /// Of lines so far.
    values: Cell<usize>,
}

impl Evaluation<'_> {
    fn value(&self, node: &Node) -> Result<Value, QueryError> {
        match node {
            Node::Number(number) => Ok(Value::Number(vec![*number; self.range.len()])),
            Node::Selector(selector) => {
                self.over(Over::Last, selector, self.limits.lookback_ms, 0.0).map(Value::Series)
            }
            Node::Call { function, arguments } => self.call(*function, arguments),
            Node::Aggregate { operator, grouping, parameter, of } => {
                let lines = self.series(of)?;
                aggregate::of(*operator, grouping, *parameter, lines, self.range.len()).map(Value::Series)
            }
            Node::Binary(of) => {
                let (left, right) = (self.value(&of.left)?, self.value(&of.right)?);
                binary::of(of, left, right)
            }
            Node::Negate(of) => Ok(match self.value(of)? {
                Value::Number(values) => Value::Number(values.into_iter().map(|value| -value).collect()),
                Value::Series(lines) => Value::Series(math::each(lines, |value, _| -value)?),
            }),
        }
    }

    fn series(&self, node: &Node) -> Result<Vec<Line>, QueryError> {
        match self.value(node)? {
            Value::Series(lines) => Ok(lines),
            Value::Number(values) => Ok(vec![Line { labels: Labels::default(), values }]),
        }
    }

    fn number(&self, node: Option<&Node>, default: f64) -> Result<Vec<f64>, QueryError> {
        let Some(node) = node else { return Ok(vec![default; self.range.len()]) };
        match self.value(node)? {
            Value::Number(values) => Ok(values),
            Value::Series(_) => Err(QueryError::question("a number was expected where series stand")),
        }
    }

    fn call(&self, function: Function, arguments: &[Node]) -> Result<Value, QueryError> {
        match function {
            Function::Over(over) => {
                let (parameter, of) = match arguments {
                    [parameter, of] => (self.number(Some(parameter), 0.0)?.first().copied().unwrap_or_default(), of),
                    [of] => (0.0, of),
                    _ => unreachable!("the parser checks arguments"),
                };
                let Node::Selector(selector @ Selector { range_ms: Some(range_ms), .. }) = of else {
                    unreachable!("only a selector has a range")
                };
                let mut lines = self.over(over, selector, *range_ms, parameter)?;
                if over != Over::Last {
                    lines.iter_mut().for_each(|line| line.labels = line.labels.nameless());
                }
                distinct(lines).map(Value::Series)
            }
            Function::Math(of) => {
                let lines = self.series(&arguments[0])?;
                let first = self.number(arguments.get(1), 1.0)?;
                let second = self.number(arguments.get(2), 0.0)?;
                let lines = math::each(lines, |value, step| math::of(of, value, first[step], second[step]))?;
                Ok(Value::Series(lines))
            }
            #[allow(clippy::cast_precision_loss, reason = "Unix ms are exact in binary64 for 280,000 years")]
            Function::Time => Ok(Value::Number(self.range.steps().map(|at_ms| at_ms as f64 / 1_000.0).collect())),
            Function::Vector => {
                let values = self.number(arguments.first(), 0.0)?;
                Ok(Value::Series(vec![Line { labels: Labels::default(), values }]))
            }
            Function::Scalar => Ok(Value::Number(math::only(&self.series(&arguments[0])?, self.range.len()))),
            Function::Absent => {
                let lines = self.series(&arguments[0])?;
                let values = math::absence(&lines, self.range.len());
                let labels =
                    if let Node::Selector(selector) = &arguments[0] { named(selector) } else { Labels::default() };
                Ok(Value::Series(vec![Line { labels, values }]))
            }
        }
    }

    /// A function of the window that ends at each step, for each series of a selector.
    fn over(&self, over: Over, selector: &Selector, window_ms: i64, parameter: f64) -> Result<Vec<Line>, QueryError> {
        let steps = Range {
            start_ms: self.range.start_ms.saturating_sub(selector.offset_ms),
            end_ms: self.range.end_ms.saturating_sub(selector.offset_ms),
            ..self.range
        };
        let is_lookback = selector.range_ms.is_none();
        let rung = if is_lookback { summed_up(steps, 0) } else { summed_up(steps, window_ms) };
        let rung = rung.filter(|rung| over.is_of_buckets() && (!is_lookback || window_ms <= rung.width_ms()));
        let mut lines = Vec::new();
        for series in self.select(selector)? {
            let values = match rung {
                Some(rung) if is_lookback => self.newest_of_buckets(&series, steps, window_ms, rung)?,
                Some(rung) => self.over_buckets(over, &series, steps, window_ms, rung)?,
                None => self.over_points(over, &series, steps, window_ms, parameter)?,
            };
            let line = Line { labels: series.labels, values };
            if !line.is_empty() {
                lines.push(line);
                self.have_room()?;
            }
        }
        Ok(lines)
    }

    fn over_points(
        &self,
        over: Over,
        series: &Series,
        steps: Range,
        window_ms: i64,
        parameter: f64,
    ) -> Result<Vec<f64>, QueryError> {
        let points = self.read(series, steps.start_ms.saturating_sub(window_ms), steps)?;
        let mut windows = window::Windows::new(&points, steps, window_ms);
        let mut values = Vec::with_capacity(steps.len());
        while let Some((window, end_ms)) = windows.next() {
            self.look_at(window.len())?;
            let span = counter::Span { start_ms: end_ms - window_ms, end_ms };
            values.push(if window.is_empty() { ABSENT } else { window::of_points(over, window, span, parameter) });
        }
        Ok(values)
    }

    fn over_buckets(
        &self,
        over: Over,
        series: &Series,
        steps: Range,
        window_ms: i64,
        rung: Rung,
    ) -> Result<Vec<f64>, QueryError> {
        let from_ms = steps.start_ms - window_ms;
        let buckets = self.source.buckets(series, from_ms, last_step(steps) + rung.width_ms(), rung)?;
        let mut values = Vec::with_capacity(steps.len());
        for end_ms in steps.steps() {
            let from = buckets.partition_point(|(start_ms, _)| *start_ms < end_ms - window_ms);
            let to = buckets.partition_point(|(start_ms, _)| *start_ms < end_ms);
            self.look_at(to - from)?;
            let span = counter::Span { start_ms: end_ms - window_ms, end_ms };
            values.push(window::of_buckets(over, &buckets[from..to], buckets.get(to), span));
        }
        Ok(values)
    }

    /// The newest value of a series at each step, where steps are whole hours or days.
    fn newest_of_buckets(
        &self,
        series: &Series,
        steps: Range,
        lookback_ms: i64,
        rung: Rung,
    ) -> Result<Vec<f64>, QueryError> {
        let width_ms = rung.width_ms();
        let buckets = self.source.buckets(series, steps.start_ms - width_ms, last_step(steps) + width_ms, rung)?;
        self.look_at(buckets.len())?;
        let newest_at = |end_ms: i64| {
            let next = buckets.partition_point(|(start_ms, _)| *start_ms < end_ms);
            if let Some((_, bucket)) = buckets.get(next).filter(|(_, bucket)| bucket.first_ms == end_ms) {
                return Some(bucket.first);
            }
            let (_, bucket) = buckets[..next].last()?;
            (bucket.last_ms > end_ms - lookback_ms).then_some(bucket.last)
        };
        Ok(steps.steps().map(|end_ms| newest_at(end_ms).unwrap_or(ABSENT)).collect())
    }

    fn all_points(&self, selector: &Selector, range_ms: i64) -> Result<Answer, QueryError> {
        if self.range.len() != 1 {
            return Err(QueryError::question(
                "a selector with a range has no value of its own at each step: use a function of it, as \
                 `avg_over_time(temperature[5m])`",
            ));
        }
        let at = Range::at(self.range.start_ms - selector.offset_ms);
        let mut answer = Vec::new();
        for series in self.select(selector)? {
            let points = self.read(&series, at.start_ms - range_ms, at)?;
            if !points.is_empty() {
                answer.push((series.labels, points));
            }
        }
        answer.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Answer::Points(answer))
    }

    fn select(&self, selector: &Selector) -> Result<Vec<Series>, QueryError> {
        let limit = self.limits.series_max;
        let series = self.source.select(&selector.matchers, limit)?;
        if series.len() > limit {
            let what = format!(
                "a selector chooses more than the {limit} series that one may (`prometheus.series_max`): \
                 select fewer by their labels"
            );
            return Err(QueryError::too_much("prometheus.series_max", what));
        }
        Ok(series)
    }

    /// The points after `after_ms` up to the last step.
    fn read(&self, series: &Series, after_ms: i64, steps: Range) -> Result<Vec<(i64, f64)>, QueryError> {
        let mut points = Vec::new();
        let (from_ms, to_ms) = (after_ms.saturating_add(1), last_step(steps).saturating_add(1));
        if !self.source.points(series, from_ms, to_ms, self.limits.values_max, &mut points)? {
            return Err(self.too_many_values());
        }
        self.look_at(points.len())?;
        Ok(points)
    }

    fn look_at(&self, points: usize) -> Result<(), QueryError> {
        self.points.set(self.points.get() + points as u64);
        let limit = self.limits.points_max;
        if self.points.get() > limit {
            let what = format!(
                "the question looks at more than {limit} points (`prometheus.points_max`): ask for a shorter span, \
                 fewer series, or steps of whole hours"
            );
            return Err(QueryError::too_much("prometheus.points_max", what));
        }
        Ok(())
    }

    /// There is one more line.
    fn have_room(&self) -> Result<(), QueryError> {
        self.values.set(self.values.get() + self.range.len());
        if self.values.get() > self.limits.values_max { Err(self.too_many_values()) } else { Ok(()) }
    }

    fn too_many_values(&self) -> QueryError {
        let what = format!(
            "the question needs more than {} values at a time (`prometheus.values_max`): ask for longer steps, a shorter \
             span or fewer series",
            self.limits.values_max
        );
        QueryError::too_much("prometheus.values_max", what)
    }
}

/// The last of the steps, of which there is at least one.
fn last_step(steps: Range) -> i64 {
    steps.start_ms + (steps.len().saturating_sub(1) as i64) * steps.step_ms
}

/// The widest rung of which all windows consist, where one is kept summed up.
fn summed_up(steps: Range, window_ms: i64) -> Option<Rung> {
    [Rung::Day, Rung::Hour].into_iter().find(|rung| {
        let is_whole = |ms: i64| ms.rem_euclid(rung.width_ms()) == 0;
        is_whole(steps.start_ms) && is_whole(window_ms) && (steps.len() == 1 || is_whole(steps.step_ms))
    })
}

/// The labels that a selector writes out.
fn named(selector: &Selector) -> Labels {
    let written = selector.matchers.iter().filter_map(|matcher| Some((&matcher.label, matcher.exactly()?)));
    let labels: Labels = written.map(|(label, value)| (label.as_str().into(), value.into())).collect();
    labels.nameless()
}

/// Puts together what has the same labels now.
///
/// # Errors
/// [`QueryError::Execution`] when two have a value at the same step.
fn distinct(lines: Vec<Line>) -> Result<Vec<Line>, QueryError> {
    let mut places: FxHashMap<Labels, usize> = FxHashMap::default();
    let mut answer: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        let Some(&place) = places.get(&line.labels) else {
            places.insert(line.labels.clone(), answer.len());
            answer.push(line);
            continue;
        };
        for (known, value) in answer[place].values.iter_mut().zip(line.values) {
            match (is_absent(*known), is_absent(value)) {
                (true, _) => *known = value,
                (false, true) => {}
                (false, false) => {
                    return Err(QueryError::Execution(format!(
                        "two series would have the same labels, {}: select one metric, or take an aggregate first",
                        line.labels
                    )));
                }
            }
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests;
