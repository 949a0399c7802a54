//! Series folded into windows, point after point and series after series.

use tidegate_buckets::Bucket;

use super::needs::Needs;
use super::percentiles::Values;

/// What is known of one window.
#[derive(Default)]
pub struct Cell {
    /// All its points; `None` without one.
    pub bucket: Option<Bucket>,
    /// Sum of value x ms, of all series.
    held: f64,
    /// Ms for which a value held, of all series.
    held_ms: i64,
    /// `None`: no counter was read twice.
    pub increase: Option<f64>,
    pub values: Option<Box<Values>>,
}

impl Cell {
    #[allow(clippy::cast_precision_loss, reason = "ms of all series are far below 2^53")]
    pub fn time_mean(&self) -> Option<f64> {
        (self.held_ms > 0).then(|| self.held / self.held_ms as f64)
    }

    pub fn is_empty(&self) -> bool {
        self.bucket.is_none() && self.held_ms == 0 && self.increase.is_none()
    }

    /// Adds a summary of points; of two last ones at one time the later added counts.
    pub fn merge(&mut self, summary: &Bucket) {
        match &mut self.bucket {
            Some(bucket) => bucket.merge(summary),
            none => *none = Some(*summary),
        }
    }
}

/// How series are folded.
#[derive(Debug)]
pub struct Fold {
    /// Where each window begins, and where the last one ends, Unix ms.
    pub bounds: Vec<i64>,
    /// What of it counts, Unix ms.
    pub span: (i64, i64),
    pub needs: Needs,
    /// How long a reading counts while no next one comes, ms.
    pub hold_ms: i64,
    /// Nothing is known of what comes after, Unix ms.
    pub now_ms: i64,
    pub exact_max: usize,
}

impl Fold {
    pub fn windows(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    /// The window that a time of the span is in.
    pub fn window_of(&self, time_ms: i64) -> usize {
        self.bounds.partition_point(|&start_ms| start_ms <= time_ms).saturating_sub(1)
    }

    /// Goes on with a series, whose points come in order.
    pub fn series<'a>(&'a self, cells: &'a mut [Cell], now: Progress) -> Folding<'a> {
        Folding { fold: self, cells, now }
    }
}

/// One series on its way into windows.
pub struct Folding<'a> {
    fold: &'a Fold,
    cells: &'a mut [Cell],
    now: Progress,
}

/// How far a series is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The window of the last point.
    at: usize,
    /// Its end, Unix ms.
    end_ms: i64,
    /// What it has of this series.
    open: Option<Bucket>,
    /// The window up to which values were held.
    held_at: usize,
    /// The last point.
    before: Option<(i64, f64)>,
}

impl Default for Progress {
    fn default() -> Self {
        Progress { at: 0, end_ms: i64::MIN, open: None, held_at: 0, before: None }
    }
}

impl Folding<'_> {
    /// Takes the next point, Unix ms and value.
    pub fn point(&mut self, time_ms: i64, value: f64) {
        if self.fold.needs.looks_back() {
            self.look_back(time_ms, value);
        }
        if time_ms < self.fold.span.0 {
            return;
        }
        if time_ms >= self.now.end_ms {
            self.go_to(time_ms);
        }
        match &mut self.now.open {
            Some(open) => {
                open.count += 1;
                open.sum += value;
                open.min = open.min.min(value);
                open.max = open.max.max(value);
                (open.last, open.last_ms) = (value, time_ms);
            }
            none => *none = Some(Bucket::of(time_ms, value)),
        }
        if self.fold.needs.values {
            let values = self.cells[self.now.at].values.get_or_insert_with(|| Box::new(Values::Few(Vec::new())));
            values.add(value, self.fold.exact_max);
        }
    }

    /// Takes the summary of an hour, which lies in one window but where it is at an edge of the span.
    pub fn summary(&mut self, summary: &Bucket) {
        let window = self.fold.window_of(summary.first_ms);
        self.cells[window].merge(summary);
    }

    /// Goes on later, with the points that come then.
    pub fn pause(self) -> Progress {
        self.now
    }

    /// After the last point.
    pub fn finish(mut self) {
        self.close();
        if let Some((since_ms, value)) = self.now.before.filter(|_| self.fold.needs.holding) {
            self.hold(value, since_ms, self.fold.span.1);
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.now.open.take() {
            self.cells[self.now.at].merge(&open);
        }
    }

    fn go_to(&mut self, time_ms: i64) {
        self.close();
        let passed = self.fold.bounds[self.now.at + 1..].partition_point(|&end_ms| end_ms <= time_ms);
        self.now.at += passed;
        self.now.end_ms = self.fold.bounds[self.now.at + 1];
    }

    fn look_back(&mut self, time_ms: i64, value: f64) {
        if let Some((since_ms, before)) = self.now.before {
            if self.fold.needs.holding {
                self.hold(before, since_ms, time_ms);
            }
            if self.fold.needs.increases && time_ms >= self.fold.span.0 {
                // A counter that fell began anew at zero.
                let grown = if value < before { value } else { value - before };
                let window = self.fold.window_of(time_ms);
                *self.cells[window].increase.get_or_insert(0.0) += grown;
            }
        }
        self.now.before = Some((time_ms, value));
    }

    /// A value held from one time to another, but no longer than values count; Unix ms.
    #[allow(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    fn hold(&mut self, value: f64, since_ms: i64, until_ms: i64) {
        let (from_ms, to_ms) = self.fold.span;
        let counts_until = since_ms.saturating_add(self.fold.hold_ms).min(self.fold.now_ms).min(to_ms);
        let (mut since_ms, until_ms) = (since_ms.max(from_ms), until_ms.min(counts_until));
        while since_ms < until_ms {
            while self.fold.bounds[self.now.held_at + 1] <= since_ms {
                self.now.held_at += 1;
            }
            let ends_ms = until_ms.min(self.fold.bounds[self.now.held_at + 1]);
            let cell = &mut self.cells[self.now.held_at];
            cell.held += value * (ends_ms - since_ms) as f64;
            cell.held_ms += ends_ms - since_ms;
            since_ms = ends_ms;
        }
    }
}
