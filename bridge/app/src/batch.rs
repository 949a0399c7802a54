//! What one pass of the pipeline works on.

use std::sync::Arc;

use tidegate_process::Output;
use tidegate_store::Store;
use tidegate_telemetry::{Change, Entry, Position};

use crate::figures::Figures;

/// One pass: the entries that were there, and what they led to.
#[derive(Default)]
pub struct Batch {
    /// What was read.
    pub entries: Vec<(Position, Arc<Entry>)>,
    /// What it led to.
    pub output: Output,
    /// Each entry's position, Unix ms of receipt, and where its changes end in the output.
    pub ends: Vec<(Position, i64, usize)>,
    /// Position of the last entry.
    pub last: Position,
    /// Unix ms of its receipt.
    pub received_ms: i64,
    /// With one of them the time was set back.
    pub is_set_back: bool,
}

impl Batch {
    /// What each entry changed, at its own position: history skips entries it already has, and a chart goes on live
    /// right behind the entry its history ends with.
    pub fn changes(&self) -> impl Iterator<Item = (Position, i64, &[Change])> {
        let mut start = 0;
        self.ends.iter().map(move |&(position, received_ms, end)| {
            let changes = &self.output.changes[start..end];
            start = end;
            (position, received_ms, changes)
        })
    }

    /// Hands it to history and the status page.
    pub fn remember(&self, store: &Store, figures: &Figures) {
        store.apply_all(self.changes().map(|(position, _, changes)| (position, changes)));
        figures.add(&self.output.counts);
    }
}
