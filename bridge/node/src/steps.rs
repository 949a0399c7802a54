//! The rooms of a node without ways in, clocks and threads of their own: who holds them takes each step.

use std::time::Duration;

use tidegate_follow::{FlushError, Followed};
use tidegate_log::{LogReader, ReadError};
use tidegate_push::Hub;
use tidegate_store::{Store, StoreError};
use tidegate_telemetry::{Change, Entry, Intent};
use tokio::runtime::Runtime;

pub use crate::batch::Batch;
use crate::config::NodeConfig;
use crate::error::StartError;
use crate::flush::Writer;
use crate::pipeline::{Pipeline, Seen};
use crate::rooms::Rooms;
use crate::sinks::Sinks;

/// Longest wait for an entry that was appended just now.
const WAIT: Duration = Duration::from_secs(10);

/// A node that does nothing by itself: entries are put into its log, and go through its pipeline at once.
///
/// Dropped without [`Steps::flush`] it has died: what it wrote is all there is at the next [`Steps::open`].
pub struct Steps {
    pipeline: Pipeline,
    reader: Box<dyn LogReader>,
    writer: Writer,
    store: Store,
    hub: std::sync::Arc<Hub>,
    batch: Batch,
    /// Ends last: what the log and sessions do needs it.
    _runtime: Runtime,
}

impl Steps {
    /// Opens the rooms at `now_ms` (Unix ms) and applies what their files lack; `seen` looks at each batch. `clock` tells
    /// the time to views.
    ///
    /// # Errors
    /// What cannot be opened, and what to do.
    pub fn open(config: &NodeConfig, now_ms: i64, clock: fn() -> i64, seen: Seen<'_>) -> Result<Steps, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let rooms = {
            let _inside = runtime.enter();
            Rooms::open(config, clock, &Sinks::default().prepare())?
        };
        // Nobody connects, so nobody is owed anything.
        rooms.sessions.stand_aside();
        let Rooms { mut pipeline, mut reader, writer, store, hub, from, .. } = rooms;
        pipeline.replay(reader.as_mut(), Followed { position: from, received_ms: now_ms }, seen)?;
        let batch = Batch::after(pipeline.restored);
        Ok(Steps { pipeline, reader, writer, store, hub, batch, _runtime: runtime })
    }

    /// Puts an entry into the log and takes it through the pipeline; `seen` looks at what it led to.
    ///
    /// # Errors
    /// When the log does not take it, or cannot be read.
    pub fn append(&mut self, entry: Entry, seen: Seen<'_>) -> Result<(), ReadError> {
        let refused = |error: tidegate_log::AppendError| ReadError::Storage(error.to_string());
        let position = self.pipeline.log.append(&mut vec![entry]).map_err(refused)?;
        while self.batch.last.position < position {
            self.reader.read(WAIT, &mut self.batch.entries)?;
            self.pipeline.pass(&mut self.batch, seen);
        }
        Ok(())
    }

    /// Makes everything durable: the log, history, the checkpoint, in this order.
    ///
    /// # Errors
    /// When something of it cannot be written.
    pub fn flush(&mut self) -> Result<(), FlushError> {
        let through = self.batch.last;
        let flushing = self.pipeline.seal(through);
        self.writer.write_now(flushing, through.position, self.pipeline.stages.freeze())
    }

    /// Closes hours and deletes what is old, as of `now_ms` (Unix ms), as long as there is time; `true`: there is more to do.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn maintain(&self, now_ms: i64, budget: Duration) -> Result<bool, StoreError> {
        Ok(self.store.maintain_for(now_ms, budget)?.unfinished)
    }

    /// History.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What viewers see.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// What has to be appended, as of `received_ms` (Unix ms), for the rules of the configuration to hold: as a start does.
    #[must_use]
    pub fn rules_to_change(&self, received_ms: i64) -> Vec<Intent> {
        self.pipeline.stages.process.rules_to_change(received_ms)
    }

    /// The names of all devices and metrics, as changes.
    pub fn names(&self) -> impl Iterator<Item = Change> {
        self.pipeline.stages.process.names()
    }
}
