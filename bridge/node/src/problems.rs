//! Nothing disappears without a count: every problem is counted by its reason, then kept by the store's quarantine.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, counter};
use tidegate_store::Store;
use tidegate_telemetry::{Problem, ProblemSink, Reason};

/// Counts problems and hands them to the store.
pub struct Ledger {
    store: Store,
    counts: Vec<(Reason, AtomicU64, Counter)>,
}

impl Ledger {
    /// A ledger in front of a store's quarantine.
    pub fn new(store: Store) -> Ledger {
        let count = |reason: Reason| {
            (reason, AtomicU64::new(0), counter!("tidegate_problems_total", "reason" => reason.name()))
        };
        Ledger { store, counts: Reason::ALL.into_iter().map(count).collect() }
    }

    /// How many there were since the start, by reason; reasons that never happened are left out.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let count = |(reason, count, _): &(Reason, AtomicU64, Counter)| (reason.name(), count.load(Ordering::Relaxed));
        self.counts.iter().map(count).filter(|(_, count)| *count > 0).collect()
    }
}

impl ProblemSink for Ledger {
    fn report(&self, problem: Problem) {
        if let Some((_, count, counter)) = self.counts.iter().find(|(reason, ..)| *reason == problem.reason) {
            count.fetch_add(1, Ordering::Relaxed);
            counter.increment(1);
        }
        self.store.report(problem);
    }
}
