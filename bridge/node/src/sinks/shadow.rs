//! The log once more, for one that is behind.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tidegate_follow::{Changes, FlushError, Followed};
use tidegate_log::{LogReader, ReadError};
use tidegate_telemetry::{Change, DeviceIndex, LogEntry, MetricIndex, Position};

use super::Source;
use super::kept::{folder, state_of};
use crate::batch::{Batch, Stages};
use crate::checkpoint::CheckpointFile;

/// Entries are there already.
const WAIT: Duration = Duration::from_millis(100);

/// A second state that follows the log: the state is a function of the log, so it leads to the same changes.
pub struct Shadow {
    stages: Stages,
    reader: Box<dyn LogReader>,
    batch: Batch,
    /// What was read and not yet processed.
    rest: VecDeque<(Position, Arc<LogEntry>)>,
}

impl Shadow {
    /// Begins with the newest state at or before `position`; where there is none any more, with the checkpoint.
    ///
    /// # Errors
    /// When no state or no log can be read.
    pub fn open(source: &Source, name: &str, position: Position) -> Result<Shadow, FlushError> {
        let files = [CheckpointFile::new(&source.config.data), state_of(&folder(&source.config.data), name)];
        let fits = |file: &&CheckpointFile| file.position().is_some_and(|at| at <= position);
        let newest = files.iter().filter(fits).max_by_key(|file| file.position());
        let is_whole = || source.log.follower(Position::START).is_ok();
        let file = newest.or_else(|| (!is_whole()).then_some(&files[0]));
        let (at, stages) = match file.map(CheckpointFile::load).transpose()?.flatten() {
            Some((at, state)) => (at, Stages::restore(&source.config, &state)?),
            None => (Position::START, Stages::new(&source.config)),
        };
        let reader = source.log.follower(at)?;
        let at = Followed { position: at, received_ms: stages.process.last_received_ms().unwrap_or(i64::MIN) };
        Ok(Shadow { stages, reader, batch: Batch::after(at), rest: VecDeque::new() })
    }

    /// The last entry that was processed.
    pub fn at(&self) -> Followed {
        self.batch.last
    }

    /// Processes some entries, none after `through`, and gives what they changed.
    ///
    /// # Errors
    /// When the log does not have them any more.
    pub fn advance(&mut self, through: Position) -> Result<&Changes, ReadError> {
        if self.rest.is_empty() {
            self.batch.entries.clear();
            self.reader.read(WAIT, &mut self.batch.entries)?;
            self.rest.extend(self.batch.entries.drain(..));
        }
        let until = self.rest.partition_point(|(position, _)| *position <= through);
        self.batch.entries.clear();
        self.batch.entries.extend(self.rest.drain(..until));
        self.batch.process(&mut self.stages);
        Ok(&self.batch.changes)
    }

    /// Of which time (Unix ms) the newest value of each metric of each device is.
    pub fn newest(&self) -> impl Iterator<Item = (DeviceIndex, MetricIndex, i64)> {
        self.stages.process.newest()
    }

    /// The names of devices and metrics as they are now.
    pub fn names(&self) -> impl Iterator<Item = Change> {
        self.stages.process.names()
    }
}
