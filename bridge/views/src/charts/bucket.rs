use tidegate_buckets::{Bucket, Rung};

use super::Sample;

/// A bucket and when it last changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BucketCell {
    pub start_ms: i64,
    /// With a `count` of 0: the points that were in it are no longer numbers.
    pub bucket: Bucket,
    /// Position of the entry that changed it.
    pub version: u64,
    /// Which of the times that history took the place of buckets changed it last; 0: none.
    pub mend: u64,
}

/// What became of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It had the value, or the value is none of its kind.
    Known,
    /// It is what history says.
    Changed,
    /// It is what it was, and not what history says: one of its points was another before, or came again.
    Uncertain,
}

const EMPTY: Bucket = Bucket { count: 0, sum: 0.0, min: 0.0, max: 0.0, first: 0.0, last: 0.0, first_ms: 0, last_ms: 0 };

impl BucketCell {
    pub fn of(rung: Rung, sample: Sample, value: f64) -> Self {
        let (bucket, version) = (Bucket::of(sample.time_ms, value), sample.version);
        BucketCell { start_ms: rung.start_ms(sample.time_ms), bucket, version, mend: 0 }
    }

    pub fn emptied(self) -> Self {
        BucketCell { bucket: EMPTY, ..self }
    }

    pub fn is_empty(&self) -> bool {
        self.bucket.count == 0
    }

    /// Whether a viewer who stands at `since`, and has seen what history changed up to the mend `seen`, lacks it: history
    /// may change it when no entry has come since then.
    pub fn is_news(&self, since: u64, seen: u64) -> bool {
        self.version > since || (self.mend > seen && self.version >= since)
    }

    /// Takes one more value. Outside of its first and last time no point can be in it: the value is new. Of a single
    /// point it is known what replaces it.
    pub(super) fn take(&mut self, sample: Sample) -> Taken {
        let (time_ms, bucket) = (sample.time_ms, &self.bucket);
        let is_new = self.is_empty() || time_ms < bucket.first_ms || time_ms > bucket.last_ms;
        let is = |at_ms: i64, known: f64| {
            time_ms == at_ms && sample.value.is_some_and(|value| value.to_bits() == known.to_bits())
        };
        match sample.value {
            None if is_new => return Taken::Known,
            _ if !is_new && (is(bucket.first_ms, bucket.first) || is(bucket.last_ms, bucket.last)) => {
                return Taken::Known;
            }
            Some(value) if self.is_empty() => self.bucket = Bucket::of(time_ms, value),
            Some(value) if is_new => self.bucket.add(time_ms, value),
            value if bucket.count == 1 => self.bucket = value.map_or(EMPTY, |value| Bucket::of(time_ms, value)),
            _ => return Taken::Uncertain,
        }
        self.version = self.version.max(sample.version);
        Taken::Changed
    }
}
