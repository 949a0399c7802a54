//! Points as the store holds them: sixteen bytes each, whatever the kind of value.

use std::collections::HashSet;
use std::sync::Arc;

use tidegate_telemetry::{TimeOrigin, Value};

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

/// A time and whose it is. Two with one time may differ, so there is no order of stamps, only one of their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(i64);

/// Bits of a [`Stamp`] that hold the origin; those of the time lie above.
const ORIGIN_BITS: u32 = 2;

impl Stamp {
    /// Of a time in Unix ms. Saturates, for times that no clock shows.
    pub(crate) const fn new(time_ms: i64, origin: TimeOrigin) -> Self {
        let (least, most) = (i64::MIN >> ORIGIN_BITS, i64::MAX >> ORIGIN_BITS);
        let time_ms = if time_ms < least {
            least
        } else if time_ms > most {
            most
        } else {
            time_ms
        };
        Stamp(time_ms << ORIGIN_BITS | origin_code(origin) as i64)
    }

    /// Unix ms.
    pub(crate) const fn time_ms(self) -> i64 {
        self.0 >> ORIGIN_BITS
    }

    pub(crate) const fn origin(self) -> TimeOrigin {
        match self.0 & 3 {
            0 => TimeOrigin::Device,
            1 => TimeOrigin::Receipt,
            2 => TimeOrigin::Correction,
            _ => TimeOrigin::Imported,
        }
    }
}

/// The number that stands for an origin, in files too.
pub(crate) const fn origin_code(origin: TimeOrigin) -> u8 {
    match origin {
        TimeOrigin::Device => 0,
        // The last is in no history.
        TimeOrigin::Receipt | TimeOrigin::Before => 1,
        TimeOrigin::Correction => 2,
        TimeOrigin::Imported => 3,
    }
}

/// One sample of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) stamp: Stamp,
    pub(crate) sample: Sample,
}

impl Point {
    pub(crate) const fn new(time_ms: i64, origin: TimeOrigin, sample: Sample) -> Self {
        Point { stamp: Stamp::new(time_ms, origin), sample }
    }

    /// A point whose time is the device's.
    #[cfg(test)]
    pub(crate) const fn of_device(time_ms: i64, sample: Sample) -> Self {
        Point::new(time_ms, TimeOrigin::Device, sample)
    }

    /// Unix ms.
    pub(crate) const fn time_ms(&self) -> i64 {
        self.stamp.time_ms()
    }

    pub(crate) const fn origin(&self) -> TimeOrigin {
        self.stamp.origin()
    }
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

    /// Sorts by time, points with the same time by arrival, and drops those that only say again what the device gave for
    /// that time, or that it has corrected, and those that were brought and were here.
    pub(crate) fn settle(&mut self) {
        if !self.points.is_sorted_by_key(Point::time_ms) {
            self.points.sort_by_key(Point::time_ms);
        }
        let may_go = |pair: &[Point]| pair[0].time_ms() == pair[1].time_ms() && pair[1].origin() != TimeOrigin::Receipt;
        if !self.points.windows(2).any(may_go) {
            return;
        }
        let mut kept = Vec::with_capacity(self.points.len());
        for tied in self.points.chunk_by(|a, b| a.time_ms() == b.time_ms()) {
            self.keep(tied, &mut kept);
        }
        self.points = kept;
    }

    /// Keeps of points with one time, in order of arrival, those that stay.
    fn keep(&self, tied: &[Point], kept: &mut Vec<Point>) {
        if let [alone] = tied {
            return kept.push(*alone);
        }
        let corrected = tied.iter().rposition(|point| point.origin() == TimeOrigin::Correction).unwrap_or(0);
        let own = tied.iter().filter(|point| point.origin() != TimeOrigin::Imported);
        let known: HashSet<_> = own.map(|point| self.comparable(point.sample)).collect();
        let (mut given, mut brought) = (HashSet::new(), HashSet::new());
        for (at, point) in tied.iter().enumerate() {
            let stays = match point.origin() {
                TimeOrigin::Receipt | TimeOrigin::Before => true,
                TimeOrigin::Device | TimeOrigin::Correction => {
                    at >= corrected && given.insert(self.comparable(point.sample))
                }
                TimeOrigin::Imported => {
                    let sample = self.comparable(point.sample);
                    at >= corrected && !known.contains(&sample) && brought.insert(sample)
                }
            };
            if stays {
                kept.push(*point);
            }
        }
    }

    /// Equal for equal values: one text may have several places, and zero two signs.
    fn comparable(&self, sample: Sample) -> (u64, &str) {
        match sample.kind() {
            Kind::Text => (TEXT_TAG, &self.texts[sample.untagged() as usize]),
            Kind::Number => ((f64::from_bits(sample.0) + 0.0).to_bits(), ""),
            Kind::Bool => (sample.0, ""),
        }
    }

    /// Keeps points within `[from_ms, to_ms)`; the run must be settled.
    pub(crate) fn clip(&mut self, from_ms: i64, to_ms: i64) {
        self.points.truncate(self.points.partition_point(|point| point.time_ms() < to_ms));
        self.points.drain(..self.points.partition_point(|point| point.time_ms() < from_ms));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_brought_is_a_point_only_where_no_other_has_its_time_and_value() {
        let (device, receipt, brought) = (TimeOrigin::Device, TimeOrigin::Receipt, TimeOrigin::Imported);
        let point = |time_ms, origin, number| Point::new(time_ms, origin, Sample::number(number));
        let own = [point(1, receipt, 5.0), point(1, receipt, 5.0), point(2, device, 6.0)];
        let again = [point(1, brought, 5.0), point(1, brought, 7.0), point(1, brought, 7.0), point(2, brought, 6.0)];
        let settled = |points: Vec<Point>| {
            let mut run = Run { points, texts: Vec::new() };
            run.settle();
            run.points
        };
        let expected = [own[0], own[1], again[1], own[2]];
        assert_eq!(settled([own.as_slice(), &again].concat()), expected);
        let before = settled([again.as_slice(), &own].concat());
        assert_eq!(before, [again[1], own[0], own[1], own[2]], "whichever came first");
    }
}
