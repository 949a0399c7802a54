//! Functions of the points of one series within a window.

use tidegate_buckets::Bucket;

use super::counter::{self, Span};
use super::{ABSENT, Range};
use crate::functions::Over;

type Point = (i64, f64);

/// The window before each step: open on the left, closed on the right.
pub(super) struct Windows<'a> {
    points: &'a [Point],
    steps: Range,
    window_ms: i64,
    step: usize,
    from: usize,
    to: usize,
}

impl<'a> Windows<'a> {
    pub(super) fn new(points: &'a [Point], steps: Range, window_ms: i64) -> Self {
        Windows { points, steps, window_ms, step: 0, from: 0, to: 0 }
    }

    /// The points of the next window, and its end.
    pub(super) fn next(&mut self) -> Option<(&'a [Point], i64)> {
        if self.step == self.steps.len() {
            return None;
        }
        let end_ms = self.steps.start_ms + self.step as i64 * self.steps.step_ms;
        self.step += 1;
        let begins_ms = end_ms.saturating_sub(self.window_ms);
        self.to += self.points[self.to..].iter().take_while(|(at_ms, _)| *at_ms <= end_ms).count();
        self.from += self.points[self.from..self.to].iter().take_while(|(at_ms, _)| *at_ms <= begins_ms).count();
        Some((&self.points[self.from..self.to], end_ms))
    }
}

impl Over {
    /// Whether summaries of the points say it as well as the points themselves.
    pub(super) fn is_of_buckets(self) -> bool {
        matches!(self, Over::Average | Over::Min | Over::Max | Over::Sum | Over::Count | Over::Last | Over::Present)
    }
}

/// Of a window with at least one point.
#[allow(clippy::cast_precision_loss, reason = "counts of points are far below 2^53")]
pub(super) fn of_points(over: Over, window: &[Point], span: Span, parameter: f64) -> f64 {
    let values = window.iter().map(|(_, value)| *value);
    let count = window.len() as f64;
    match over {
        Over::Average => values.sum::<f64>() / count,
        Over::Min => values.fold(f64::NAN, f64::min),
        Over::Max => values.fold(f64::NAN, f64::max),
        Over::Sum => values.sum(),
        Over::Count => count,
        Over::Last => window[window.len() - 1].1,
        Over::Present => 1.0,
        Over::StandardDeviation => variance(window).sqrt(),
        Over::Variance => variance(window),
        Over::Quantile => quantile(parameter, &mut values.collect::<Vec<_>>()),
        Over::Rate => counter::increase(window, span, true).map_or(ABSENT, |increase| increase / span.seconds()),
        Over::Increase => counter::increase(window, span, true).unwrap_or(ABSENT),
        Over::Delta => counter::increase(window, span, false).unwrap_or(ABSENT),
        Over::InstantRate => counter::instant(window, true).unwrap_or(ABSENT),
        Over::InstantDelta => counter::instant(window, false).unwrap_or(ABSENT),
        Over::Changes => pairs(window).filter(|(a, b)| a != b && !(a.is_nan() && b.is_nan())).count() as f64,
        Over::Resets => pairs(window).filter(|(a, b)| b < a).count() as f64,
        Over::Derivative => counter::slope(window).unwrap_or(ABSENT),
    }
}

/// Of the summaries of a window; absent where there are none. They are closed on the left and open on the right, the window
/// is not: the point at its end is the first one of the summary behind, and the one at its start is taken out but for the
/// extremes, where nobody knows what would be left.
#[allow(clippy::cast_precision_loss, reason = "counts of points are far below 2^53")]
pub(super) fn of_buckets(over: Over, window: &[(i64, Bucket)], behind: Option<&(i64, Bucket)>, span: Span) -> f64 {
    let at_end = behind.filter(|(_, bucket)| bucket.first_ms == span.end_ms);
    let at_end = at_end.map(|(_, bucket)| Bucket::of(span.end_ms, bucket.first));
    let Some(mut all) = window.iter().map(|(_, bucket)| *bucket).chain(at_end).reduce(merged) else { return ABSENT };
    if all.first_ms == span.start_ms {
        all.count -= 1;
        all.sum -= all.first;
    }
    if all.count == 0 {
        return ABSENT;
    }
    match over {
        Over::Average => all.mean(),
        Over::Min => all.min,
        Over::Max => all.max,
        Over::Sum => all.sum,
        Over::Count => all.count as f64,
        Over::Last => all.last,
        _ => 1.0,
    }
}

fn merged(mut all: Bucket, more: Bucket) -> Bucket {
    all.merge(&more);
    all
}

/// Of the whole population.
#[allow(clippy::cast_precision_loss, reason = "counts of points are far below 2^53")]
fn variance(window: &[Point]) -> f64 {
    super::math::variance(window.iter().map(|(_, value)| *value))
}

/// The value below which the share `of` of the values lies, between two of them in proportion. Sorts the values.
#[allow(clippy::cast_precision_loss, reason = "counts of points are far below 2^53")]
pub(super) fn quantile(of: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || of.is_nan() {
        return f64::NAN;
    }
    if of < 0.0 {
        return f64::NEG_INFINITY;
    }
    if of > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(f64::total_cmp);
    let rank = of * (values.len() - 1) as f64;
    let (below, share) = (rank.floor(), rank.fract());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is at most the last place")]
    let place = below as usize;
    let above = values[(place + 1).min(values.len() - 1)];
    values[place] * (1.0 - share) + above * share
}

fn pairs(window: &[Point]) -> impl Iterator<Item = (f64, f64)> {
    window.windows(2).map(|pair| (pair[0].1, pair[1].1))
}
