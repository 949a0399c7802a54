//! Writes history and checkpoint on a thread of its own, so that no commit and no viewer waits for it.
//!
//! The order is what makes a crash harmless: first the log is durable up to there, then history is, then the
//! checkpoint, and only then the log may forget. So the checkpoint never stands beyond history. Its file is written
//! first, under another name: the sooner, the less of the state has to be copied because it changes meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use metrics::counter;
use tidegate_broker::SessionStore;
use tidegate_follow::{FlushError, Flushing};
use tidegate_log::Log;
use tidegate_process::Checkpoint;
use tidegate_store::Store;
use tidegate_telemetry::{Entry, Position};
use tokio::runtime::Handle;

use crate::ages::Ages;
use crate::checkpoint::CheckpointFile;
use crate::clock;
use crate::config::FlushConfig;
use crate::sinks::Kept;

/// Pause after a failed flush.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Retention and the closing of hours go on when nothing is flushed for so long.
const MAINTAIN_INTERVAL: Duration = Duration::from_secs(60);

/// They make way for a flush after so long.
const MAINTAIN_BUDGET: Duration = Duration::from_millis(100);

struct Job {
    flushing: Vec<Box<dyn Flushing>>,
    position: Position,
    /// Until it is written: what changes while it lives is copied.
    state: Option<Checkpoint>,
    /// A device was erased: entries that name it are to be in no segment that stays.
    erases: bool,
    last: bool,
}

/// Hands flushes to their thread.
pub struct Flusher {
    jobs: SyncSender<Job>,
    status: Arc<FlushStatus>,
    /// When the next one is due.
    pub config: FlushConfig,
}

/// How the thread is doing.
#[derive(Debug, Default)]
pub struct FlushStatus {
    busy: AtomicBool,
    failing: AtomicBool,
}

impl FlushStatus {
    /// Whether the last attempt failed; readings are still taken and stay in the log.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

/// Writes what a flush is to write, in the order that makes a crash harmless.
pub struct Writer {
    /// What has to be durable first.
    pub log: Arc<dyn Log>,
    /// What has to be complete before the log forgets.
    pub sessions: SessionStore,
    /// Where the state goes.
    pub checkpoint: CheckpointFile,
    /// Waits for the log.
    pub runtime: Handle,
    /// What the log and states are kept for.
    pub kept: Kept,
}

struct Worker {
    writer: Writer,
    store: Store,
    status: Arc<FlushStatus>,
    ages: Ages,
}

impl Flusher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(
        config: FlushConfig,
        writer: Writer,
        store: Store,
        status: Arc<FlushStatus>,
        ages: Ages,
    ) -> std::io::Result<(Flusher, JoinHandle<()>)> {
        let (jobs, waiting) = sync_channel(1);
        let worker = Worker { writer, store, status: Arc::clone(&status), ages };
        let thread = thread::Builder::new().name("flush".into()).spawn(move || worker.run(&waiting))?;
        Ok((Flusher { jobs, status, config }, thread))
    }

    /// Whether a flush may be started.
    pub fn is_idle(&self) -> bool {
        !self.status.busy.load(Ordering::Acquire)
    }

    /// Starts a flush, after which the log can let go of everything that names an erased device if it `erases`; the caller has
    /// seen that the thread is idle.
    pub fn start(&self, flushing: Vec<Box<dyn Flushing>>, position: Position, state: Checkpoint, erases: bool) {
        self.hand_over(Job { flushing, position, state: Some(state), erases, last: false });
    }

    /// Waits for a flush under way, starts the last one, and ends the thread after it.
    pub fn last(self, flushing: Vec<Box<dyn Flushing>>, position: Position, state: Checkpoint) {
        self.hand_over(Job { flushing, position, state: Some(state), erases: false, last: true });
    }

    fn hand_over(&self, job: Job) {
        self.status.busy.store(true, Ordering::Release);
        if self.jobs.send(job).is_err() {
            tracing::error!("the flush thread is gone: history stays in the log until the next start");
        }
    }
}

impl Writer {
    /// Everything at once: for who has no thread for it.
    ///
    /// # Errors
    /// When something of it cannot be written.
    pub fn write_now(
        &mut self,
        flushing: Vec<Box<dyn Flushing>>,
        position: Position,
        state: Checkpoint,
    ) -> Result<(), FlushError> {
        self.write(&mut Job { flushing, position, state: Some(state), erases: false, last: false })
    }

    fn write(&mut self, job: &mut Job) -> Result<(), FlushError> {
        if let Some(state) = &job.state {
            self.checkpoint.write(job.position, state)?;
            job.state = None;
        }
        let mut durable = self.log.durable();
        self.runtime.block_on(durable.wait_for(|durable| *durable >= job.position))?;
        if std::mem::take(&mut job.erases) {
            self.set_log_apart();
        }
        job.flushing.iter_mut().try_for_each(|flushing| flushing.run())?;
        self.kept.keep(self.log.as_ref(), &self.checkpoint, job.position);
        self.checkpoint.replace()?;
        // What sleeping MQTT clients are owed is derived from the log: it stays until their mailboxes have it.
        self.runtime.block_on(self.sessions.complete_through(job.position));
        self.log.trim(job.position.min(self.sessions.complete()));
        tracing::debug!(through = %job.position, "flushed");
        Ok(())
    }

    /// What is durable ends a segment. There is only a next one once something is in it.
    fn set_log_apart(&self) {
        self.log.set_apart();
        if let Err(error) = self.log.append(&mut vec![Entry::Tick(clock::now_ms())]) {
            tracing::debug!(%error, "no tick");
        }
    }
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut pause = MAINTAIN_INTERVAL;
        loop {
            match jobs.recv_timeout(pause) {
                Ok(mut job) => {
                    if !self.write_until_done(&mut job) || job.last {
                        return;
                    }
                    self.status.busy.store(false, Ordering::Release);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // A flush that waits goes first.
            pause = if self.maintain() { MAINTAIN_INTERVAL } else { Duration::ZERO };
        }
    }

    /// Tries again until it works; `false` when the last flush failed.
    fn write_until_done(&mut self, job: &mut Job) -> bool {
        while let Err(error) = self.writer.write(job) {
            self.status.failing.store(true, Ordering::Relaxed);
            counter!("tidegate_flush_failures_total").increment(1);
            tracing::error!(%error, "history could not be written: check the disk; it stays in the log meanwhile");
            if job.last {
                return false;
            }
            thread::sleep(RETRY_INTERVAL);
        }
        self.status.failing.store(false, Ordering::Relaxed);
        true
    }

    /// Whether all is done that is to be done now.
    fn maintain(&mut self) -> bool {
        let now_ms = clock::now_ms();
        self.ages.tell(&self.store, now_ms);
        match self.store.maintain_for(now_ms, MAINTAIN_BUDGET) {
            Ok(swept) => {
                tracing::debug!(?swept, "maintained");
                !swept.unfinished
            }
            Err(error) => {
                counter!("tidegate_flush_failures_total").increment(1);
                tracing::error!(%error, "old hours could not be closed or deleted: check the disk; it is tried again");
                true
            }
        }
    }
}
