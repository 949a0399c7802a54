//! What one pass of the pipeline works on.

use std::sync::Arc;

use tidegate_process::Output;
use tidegate_store::{Store, TooOld};
use tidegate_telemetry::{Change, Entry, Position, Problem, ProblemSink, Reason};

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

    /// Hands it to history and the status page. What history does not keep is a problem of whoever sent it.
    pub fn remember(&mut self, store: &Store, figures: &Figures, problems: &dyn ProblemSink) {
        let too_old = store.apply_all(self.changes().map(|(position, _, changes)| (position, changes)));
        too_old.iter().filter_map(|refused| self.problem(refused)).for_each(|problem| problems.report(problem));
        figures.add(&self.output.counts);
        self.entries.clear();
    }

    fn problem(&self, refused: &TooOld) -> Option<Problem> {
        let place = self.entries.binary_search_by_key(&refused.position, |(position, _)| *position).ok()?;
        let Entry::Publication(publication) = &*self.entries[place].1 else { return None };
        Some(Problem::of(publication, Reason::OlderThanRetention, too_old(refused)))
    }
}

/// What was refused, and what to do, for people.
fn too_old(refused: &TooOld) -> String {
    let TooOld { device, time_ms, kept_from_ms, for_bytes, values, .. } = refused;
    let limit = if *for_bytes { "store.retention_bytes" } else { "store.retention_age_days" };
    let more = if *values > 1 { format!(" ({values} values in this publication)") } else { String::new() };
    format!(
        "device {device:?} gave the time {}{more}, and history keeps what is of {} or later ({limit}): its newest values \
         are shown, but are in no chart; set its clock, or raise the limit",
        rfc3339(*time_ms),
        rfc3339(*kept_from_ms)
    )
}

fn rfc3339(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms).map_or_else(|_| format!("{unix_ms} ms"), |time| format!("{time:.0}"))
}
