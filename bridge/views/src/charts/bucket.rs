//! One bucket, and what one more reading does to it.

use tidegate_buckets::{Bucket, Rung};

/// One value of a series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub version: u64,
    /// Event time, Unix ms.
    pub time_ms: i64,
    /// `None`: text, which is in no bucket.
    pub value: Option<f64>,
    /// It repeats nothing that came before, and takes the place of nothing.
    pub is_new: bool,
}

/// A bucket and when it last changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BucketCell {
    pub start_ms: i64,
    /// With a `count` of 0: the points that were in it are no longer numbers.
    pub bucket: Bucket,
    /// Position of the entry that changed it.
    pub version: u64,
    /// Which of the times that history took the place of buckets changed it last; 0: none.
    pub refresh: u64,
}

/// What became of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was a text, which is in no bucket.
    Nothing,
    /// It is what history says.
    Changed,
    /// It is what it was. History may say that the value is in it already, or in the place of others that are.
    Uncertain,
}

const EMPTY: Bucket = Bucket { count: 0, sum: 0.0, min: 0.0, max: 0.0, first: 0.0, last: 0.0, first_ms: 0, last_ms: 0 };

impl BucketCell {
    pub fn of(rung: Rung, sample: Sample, value: f64) -> Self {
        let (bucket, version) = (Bucket::of(sample.time_ms, value), sample.version);
        BucketCell { start_ms: rung.start_ms(sample.time_ms), bucket, version, refresh: 0 }
    }

    pub fn emptied(self) -> Self {
        BucketCell { bucket: EMPTY, ..self }
    }

    pub fn is_empty(&self) -> bool {
        self.bucket.count == 0
    }

    /// Whether a viewer who stands at `since`, and has seen what history changed up to the refresh `seen`, lacks it: history
    /// may change it when no entry has come since then.
    pub fn is_news(&self, since: u64, seen: u64) -> bool {
        self.version > since || (self.refresh > seen && self.version >= since)
    }

    /// Takes one more value. Outside of its first and last time no point can be in it: the value is new.
    pub(super) fn take(&mut self, sample: Sample) -> Taken {
        let (time_ms, is_empty) = (sample.time_ms, self.is_empty());
        let span_ms = self.bucket.first_ms..=self.bucket.last_ms;
        if !sample.is_new && !is_empty && span_ms.contains(&time_ms) {
            return Taken::Uncertain;
        }
        let Some(value) = sample.value else { return Taken::Nothing };
        if is_empty {
            self.bucket = Bucket::of(time_ms, value);
        } else {
            self.bucket.add(time_ms, value);
        }
        self.version = self.version.max(sample.version);
        Taken::Changed
    }
}
