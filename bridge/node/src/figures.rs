//! Counts and rates for the status page.

use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_process::Counts;

/// What passed since the start.
#[derive(Debug, Default)]
pub struct Figures {
    publications: AtomicU64,
    values: AtomicU64,
    late: AtomicU64,
    duplicate: AtomicU64,
}

/// The figures at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// Publications seen.
    pub publications: u64,
    /// Values applied.
    pub values: u64,
    /// Of these, history only.
    pub late: u64,
    /// Values that repeated the newest.
    pub duplicate: u64,
}

impl Figures {
    /// Adds what one pass did.
    pub fn add(&self, counts: &Counts) {
        self.publications.fetch_add(counts.publications, Ordering::Relaxed);
        self.values.fetch_add(counts.values, Ordering::Relaxed);
        self.late.fetch_add(counts.values_late, Ordering::Relaxed);
        self.duplicate.fetch_add(counts.values_duplicate, Ordering::Relaxed);
    }

    /// The figures now.
    pub fn sample(&self) -> Sample {
        Sample {
            publications: self.publications.load(Ordering::Relaxed),
            values: self.values.load(Ordering::Relaxed),
            late: self.late.load(Ordering::Relaxed),
            duplicate: self.duplicate.load(Ordering::Relaxed),
        }
    }
}
