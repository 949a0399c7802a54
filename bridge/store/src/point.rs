//! Points as the store holds them: sixteen bytes each, whatever the kind of value.

use std::sync::Arc;

use tidegate_telemetry::Value;

/// Finite numbers never have all bits of the exponent set, so these patterns are free for other kinds.
const BOOL_TAG: u64 = 0x7FF9 << 48;
const TEXT_TAG: u64 = 0x7FFA << 48;
const TAG_MASK: u64 = 0xFFFF << 48;

/// A value's 64 bits: a finite number's own, or a tagged boolean, or the tagged index of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample(pub(crate) u64);

/// What kind of value a [`Sample`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Bool,
    Text,
}

impl Sample {
    pub(crate) fn number(number: f64) -> Self {
        debug_assert!(number.is_finite());
        Sample(number.to_bits())
    }

    pub(crate) fn bool(on: bool) -> Self {
        Sample(BOOL_TAG | u64::from(on))
    }

    pub(crate) fn text(index: u32) -> Self {
        Sample(TEXT_TAG | u64::from(index))
    }

    pub(crate) fn kind(self) -> Kind {
        match self.0 & TAG_MASK {
            BOOL_TAG => Kind::Bool,
            TEXT_TAG => Kind::Text,
            _ => Kind::Number,
        }
    }

    /// Boolean as 0 or 1, or index of the text.
    pub(crate) fn untagged(self) -> u32 {
        (self.0 & 0xFFFF_FFFF) as u32
    }

    /// What charts and rollups count: see [`Value::as_number`].
    pub(crate) fn as_number(self) -> Option<f64> {
        match self.kind() {
            Kind::Number => Some(f64::from_bits(self.0)),
            Kind::Bool => Some(f64::from(self.untagged())),
            Kind::Text => None,
        }
    }
}

/// One sample of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// Unix ms.
    pub(crate) time_ms: i64,
    pub(crate) sample: Sample,
}

/// Points of one series, and the texts that their samples index.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Run {
    pub(crate) points: Vec<Point>,
    pub(crate) texts: Vec<Arc<str>>,
}

impl Run {
    /// Appends points that arrived after all that are here; their samples index `texts`.
    pub(crate) fn extend(&mut self, points: &[Point], texts: &[Arc<str>]) {
        if texts.is_empty() {
            self.points.extend_from_slice(points);
            return;
        }
        let offset = self.texts.len() as u32;
        self.texts.extend_from_slice(texts);
        self.points.extend(points.iter().map(|point| shifted(*point, offset)));
    }

    /// Sorts by time; of points with the same time the one that arrived last stays.
    pub(crate) fn settle(&mut self) {
        if self.points.is_sorted_by(|a, b| a.time_ms < b.time_ms) {
            return;
        }
        self.points.sort_by_key(|point| point.time_ms);
        // `dedup_by` keeps the earlier of two neighbours, so the later one's sample moves into it.
        self.points.dedup_by(|later, earlier| {
            let same = later.time_ms == earlier.time_ms;
            if same {
                earlier.sample = later.sample;
            }
            same
        });
    }

    /// Keeps points within `[from_ms, to_ms)`; the run must be settled.
    pub(crate) fn clip(&mut self, from_ms: i64, to_ms: i64) {
        self.points.truncate(self.points.partition_point(|point| point.time_ms < to_ms));
        self.points.drain(..self.points.partition_point(|point| point.time_ms < from_ms));
    }

    pub(crate) fn value(&self, sample: Sample) -> Value {
        match sample.kind() {
            Kind::Number => Value::Number(f64::from_bits(sample.0)),
            Kind::Bool => Value::Bool(sample.untagged() != 0),
            Kind::Text => Value::Text(self.texts[sample.untagged() as usize].clone()),
        }
    }
}

fn shifted(point: Point, offset: u32) -> Point {
    match point.sample.kind() {
        Kind::Text => Point { sample: Sample::text(point.sample.untagged() + offset), ..point },
        _ => point,
    }
}
