//! At start: what the log holds beyond the checkpoint is applied again.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tidegate_follow::{Changes, Followed, Follower};
use tidegate_log::{LogReader, ReadError};
use tidegate_telemetry::{Change, LogEntry, Position};

use crate::batch::{Batch, in_slices};
use crate::pipeline::{Pipeline, Seen};

/// Batches on their way from one thread to the next: enough that none waits for another, and few, since they may be large.
const BATCHES_AHEAD: usize = 2;

/// Nothing waits in a log that nobody writes to yet.
const WAIT: Duration = Duration::from_millis(100);

type Entries = Vec<(Position, Arc<LogEntry>)>;

impl Pipeline {
    /// Applies what the log holds beyond the checkpoint, at `from`, to state and followers; those that keep nothing are
    /// told the whole state then. People wait for it, so reading, processing and telling have a thread each.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn replay(&mut self, reader: &mut dyn LogReader, from: Followed, seen: Seen<'_>) -> Result<(), ReadError> {
        let (end, begun, mut last) = (self.log.appended(), Instant::now(), from);
        let (figures, problems) = (self.figures.clone(), self.problems.clone());
        let followers = std::mem::take(&mut self.followers);
        let order: Vec<bool> = followers.iter().map(|follower| follower.position().is_some()).collect();
        let (mut keeping, mut showing): (Vec<_>, Vec<_>) =
            followers.into_iter().partition(|follower| follower.position().is_some());
        // What the files have may be of a state that numbered otherwise.
        in_slices(from, self.stages.process.names(), |names| tell(&mut keeping, names));
        thread::scope(|scope| {
            let (sender, read) = sync_channel(BATCHES_AHEAD);
            let reading = scope.spawn(move || read_up_to(reader, (from.position, end), &sender));
            let (sender, processed) = sync_channel::<Batch>(BATCHES_AHEAD);
            let keeping = &mut keeping;
            scope.spawn(move || {
                for mut batch in processed {
                    keeping.iter_mut().for_each(|follower| batch.tell(follower.as_mut(), problems.as_ref()));
                    figures.add(&batch.output.counts);
                }
            });
            for entries in read {
                let mut batch = Batch::after(last);
                batch.entries = entries;
                self.process(&mut batch, seen);
                last = batch.last;
                sender.send(batch).expect("the receiver lives as long as this sender");
            }
            drop(sender);
            reading.join().expect("reading does not panic")
        })?;
        in_slices(last, self.stages.process.names(), |names| tell(&mut keeping, names));
        tell(&mut showing, &Changes::at(last, Vec::new()));
        in_slices(last, self.stages.process.changes(), |changes| tell(&mut showing, changes));
        let devices = self.stages.process.names().filter(|change| matches!(change, Change::Device { .. })).count();
        let (mut keeping, mut showing) = (keeping.into_iter(), showing.into_iter());
        let next = |keeps| if keeps { keeping.next() } else { showing.next() };
        self.followers = order.into_iter().filter_map(next).collect();
        self.restored = last;
        self.taps.begin(last);
        self.applied.send_replace(last.position);
        let (entries, took) = (last.position.0.saturating_sub(from.position.0), begun.elapsed());
        tracing::info!(entries, ?took, devices, "the state is restored");
        Ok(())
    }
}

fn tell(followers: &mut [Box<dyn Follower>], changes: &Changes) {
    for follower in followers {
        follower.apply(changes, &mut Vec::new());
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
