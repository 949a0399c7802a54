//! How fast a counter grows, with its resets: `rate`, `increase` and their kin.

type Point = (i64, f64);

/// A window, Unix ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

impl Span {
    pub(super) fn seconds(self) -> f64 {
        seconds(self.end_ms - self.start_ms)
    }
}

#[allow(clippy::cast_precision_loss, reason = "spans of time are far below 2^53 ms")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

/// By how much a series grew within a window. What it did between its first point and the window's start, and behind its
/// last, is what it did between them on average, if the gap is not much wider than those between points; else half of such
/// a gap. A counter that fell began anew at zero, and was never below it. `None` for fewer than two points.
///
/// As Prometheus 3 does it (its documentation, `rate()`, `increase()`, `delta()`).
#[allow(clippy::cast_precision_loss, reason = "counts of points are far below 2^53")]
pub(super) fn increase(window: &[Point], span: Span, is_counter: bool) -> Option<f64> {
    let (&(first_ms, first), &(last_ms, last)) = (window.first()?, window.last()?);
    let sampled = seconds(last_ms - first_ms);
    if window.len() < 2 || sampled <= 0.0 {
        return None;
    }
    let lost = window.windows(2).filter(|pair| is_counter && pair[1].1 < pair[0].1).map(|pair| pair[0].1);
    let grown = last - first + lost.sum::<f64>();
    let gap = sampled / (window.len() - 1) as f64;
    let near = |edge: f64| if edge >= gap * 1.1 { gap / 2.0 } else { edge };
    let mut before = near(seconds(first_ms - span.start_ms));
    if is_counter && grown > 0.0 && first >= 0.0 {
        before = before.min(sampled * (first / grown));
    }
    let behind = near(seconds(span.end_ms - last_ms));
    Some(grown * ((sampled + before + behind) / sampled))
}

/// How the last two points differ: of a counter by second.
pub(super) fn instant(window: &[Point], is_counter: bool) -> Option<f64> {
    let [.., (before_ms, before), (last_ms, last)] = window else { return None };
    if !is_counter {
        return Some(last - before);
    }
    let grown = if last < before { *last } else { last - before };
    let passed = seconds(last_ms - before_ms);
    (passed > 0.0).then(|| grown / passed)
}

/// The slope by second of the line that fits best (least squares).
#[allow(clippy::cast_precision_loss, reason = "counts of points are far below 2^53")]
pub(super) fn slope(window: &[Point]) -> Option<f64> {
    let &(origin_ms, origin) = window.first()?;
    if window.len() < 2 {
        return None;
    }
    let count = window.len() as f64;
    let (mut x_sum, mut y_sum, mut xy_sum, mut xx_sum) = (0.0, 0.0, 0.0, 0.0);
    for &(at_ms, value) in window {
        let (x, y) = (seconds(at_ms - origin_ms), value - origin);
        x_sum += x;
        y_sum += y;
        xy_sum += x * y;
        xx_sum += x * x;
    }
    Some((xy_sum - x_sum * y_sum / count) / (xx_sum - x_sum * x_sum / count))
}
