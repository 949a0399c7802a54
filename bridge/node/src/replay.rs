//! At start: what the log holds beyond the checkpoint is applied again.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tidegate_log::{LogReader, ReadError};
use tidegate_telemetry::{Change, Entry, Position};

use crate::batch::Batch;
use crate::clock;
use crate::pipeline::Pipeline;

/// Batches on their way from one thread to the next: enough that none waits for another, and few, since they may be large.
const BATCHES_AHEAD: usize = 2;

/// Changes of the restored state that are handed on together.
const SLICE: usize = 1_024;

/// Nothing waits in a log that nobody writes to yet.
const WAIT: Duration = Duration::from_millis(100);

type Entries = Vec<(Position, Arc<Entry>)>;

impl Pipeline {
    /// Applies what the log holds beyond the checkpoint to state and history, then shows the state to the views. People
    /// wait for it, so reading, processing and remembering have a thread each.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn replay(&mut self, reader: &mut dyn LogReader, from: Position) -> Result<(), ReadError> {
        let (end, begun) = (self.log.appended(), Instant::now());
        let (mut last, mut received_ms) = (from, clock::now_ms());
        let (store, figures, problems) = (self.store.clone(), self.figures.clone(), self.problems.clone());
        // What the files have may be of a state that numbered otherwise.
        in_slices(self.process.names(), |names| store.apply(from, names));
        thread::scope(|scope| {
            let (sender, read) = sync_channel(BATCHES_AHEAD);
            let reading = scope.spawn(move || read_up_to(reader, (from, end), &sender));
            let (sender, processed) = sync_channel::<Batch>(BATCHES_AHEAD);
            scope.spawn(move || {
                processed.iter().for_each(|mut batch| batch.remember(&store, &figures, problems.as_ref()));
            });
            for entries in read {
                let mut batch = Batch { entries, ..Batch::default() };
                self.process(&mut batch);
                (last, received_ms) = (batch.last, batch.received_ms);
                sender.send(batch).expect("the receiver lives as long as this sender");
            }
            drop(sender);
            reading.join().expect("reading does not panic")
        })?;
        in_slices(self.process.names(), |names| self.store.apply(last, names));
        self.hub.apply(last, received_ms, &[]);
        in_slices(self.process.changes(), |changes| self.hub.apply(last, received_ms, changes));
        self.applied.send_replace(last);
        let (entries, took) = (last.0.saturating_sub(from.0), begun.elapsed());
        tracing::info!(entries, ?took, devices = self.hub.devices(), "the state is restored");
        Ok(())
    }
}

fn read_up_to(
    reader: &mut dyn LogReader,
    (mut at, end): (Position, Position),
    batches: &SyncSender<Entries>,
) -> Result<(), ReadError> {
    while at < end {
        let mut entries = Entries::new();
        let goes_on = reader.read(WAIT, &mut entries)?;
        at = entries.last().map_or(at, |(position, _)| *position);
        if !goes_on || (!entries.is_empty() && batches.send(entries).is_err()) {
            break;
        }
    }
    Ok(())
}

/// Hands changes on some at a time: the state is not in memory a second time.
fn in_slices(changes: impl Iterator<Item = Change>, mut take: impl FnMut(&[Change])) {
    let (mut changes, mut slice) = (changes.fuse(), Vec::with_capacity(SLICE));
    loop {
        slice.extend(changes.by_ref().take(SLICE));
        if slice.is_empty() {
            return;
        }
        take(&slice);
        slice.clear();
    }
}
