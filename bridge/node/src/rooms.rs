//! What is opened, in which order, and from where each room goes on.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tidegate_broker::SessionStore;
use tidegate_decode::Decoder;
use tidegate_log::{EmbeddedLog, Log, LogReader, ReadError};
use tidegate_process::Process;
use tidegate_push::Hub;
use tidegate_store::Store;
use tidegate_telemetry::Position;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::ages::{AgeFigures, Ages};
use crate::checkpoint::CheckpointFile;
use crate::clock::{self, Jump};
use crate::config::{FlushConfig, NodeConfig};
use crate::error::StartError;
use crate::figures::Figures;
use crate::flush::{FlushStatus, Flusher};
use crate::pipeline::Pipeline;
use crate::problems::Ledger;
use crate::whole::Known;

/// Everything that holds state, as the files have it.
pub struct Rooms {
    /// Where every entry is first.
    pub log: Arc<dyn Log>,
    /// History.
    pub store: Store,
    /// What MQTT clients that are away are owed.
    pub sessions: SessionStore,
    /// What viewers see.
    pub hub: Arc<Hub>,
    /// Processing, and what listens to it.
    pub pipeline: Pipeline,
    /// Reads what the files lack, after `from`.
    pub reader: Box<dyn LogReader>,
    /// Where that begins.
    pub from: Position,
    /// How far the views are.
    pub applied: watch::Receiver<Position>,
    /// Counts of the pipeline.
    pub figures: Arc<Figures>,
    /// Counts of problems.
    pub problems: Arc<Ledger>,
    /// How writing is doing.
    pub flush_status: Arc<FlushStatus>,
    /// What of history is of a clock that was wrong.
    pub age_figures: Arc<AgeFigures>,
    /// Ends after the last flush.
    pub flush_thread: thread::JoinHandle<()>,
    /// To be told and followed before anything is received.
    pub jump: Option<Jump>,
}

impl Rooms {
    /// Opens everything, and checks that it belongs together. Needs a tokio runtime.
    ///
    /// # Errors
    /// What cannot be opened, and what to do.
    pub fn open(config: &NodeConfig) -> Result<Rooms, StartError> {
        let store = Store::open(config.store.clone())?;
        let begin_after = store.flushed();
        let log: Arc<dyn Log> =
            Arc::new(EmbeddedLog::open(tidegate_log::LogConfig { begin_after, ..config.log.clone() })?);
        let checkpoint = CheckpointFile::new(&config.data);
        let loaded = checkpoint.load()?;
        let known = Known::of(log.as_ref(), loaded.as_ref().map(|(position, _)| *position))?;
        known.check_history(store.flushed(), store.directory(), &config.accepted)?;
        known.check_sessions(config.sessions.is_empty(), &config.accepted)?;
        let sessions = SessionStore::open(config.sessions.clone())?;
        clock::configure(&config.clock, store.aged().and_then(|aged| aged.surely_ms).unwrap_or(i64::MIN));
        let (from, process) = match loaded {
            Some((position, state)) => (position, Process::restore(config.process.clone(), &state)?),
            None => (Position::START, Process::new(config.process.clone())),
        };
        process.restore_notes().iter().for_each(|note| tracing::warn!("{note}"));
        let last_ms = last_received_ms(log.as_ref())?.or_else(|| process.last_received_ms());
        let jump = last_ms.and_then(clock::go_on_after);
        if config.clock.trusted {
            clock::trust();
        }
        let (from, reader) = reader(log.as_ref(), from, store.flushed())?;
        let hub = Arc::new(Hub::new(config.views.clone(), config.live.clone(), clock::now_ms));
        let problems = Arc::new(Ledger::new(store.clone()));
        let (figures, flush_status) = (Arc::new(Figures::default()), Arc::new(FlushStatus::default()));
        let (age_figures, begins_ms) =
            (Arc::new(AgeFigures::default()), jump.map_or_else(clock::now_ms, |jump| jump.at_ms));
        let ages = Ages::begin(
            &store,
            (begins_ms, config.clock.trusted),
            config.clock.age_rate_max,
            problems.clone(),
            age_figures.clone(),
        );
        let (flusher, flush_thread) = Flusher::spawn(
            log.clone(),
            store.clone(),
            sessions.clone(),
            checkpoint,
            Handle::current(),
            flush_status.clone(),
            ages,
        )?;
        let (applied_sender, applied) = watch::channel(from);
        let pipeline = Pipeline {
            log: log.clone(),
            decoder: Decoder::new(config.decode.clone()),
            process,
            store: store.clone(),
            hub: hub.clone(),
            problems: problems.clone(),
            flusher,
            flush: FlushConfig {
                // The log has room again only when a flush is done: it has to begin long before.
                log_bytes: config.flush.log_bytes.min(config.log.replay_bytes_max / 2),
                ..config.flush.clone()
            },
            applied: applied_sender,
            figures: figures.clone(),
        };
        Ok(Rooms {
            log,
            store,
            sessions,
            hub,
            pipeline,
            reader,
            from,
            applied,
            figures,
            problems,
            flush_status,
            age_figures,
            flush_thread,
            jump,
        })
    }
}

/// A reader from the checkpoint on. Where the log was set aside by hand it begins later, and history already has what
/// lies between; only the state of alerts and devices does not.
fn reader(log: &dyn Log, from: Position, flushed: Position) -> Result<(Position, Box<dyn LogReader>), ReadError> {
    match log.reader(from) {
        Err(ReadError::Trimmed { first_kept, .. }) if first_kept <= flushed => {
            tracing::warn!(%from, %first_kept, "the log begins after the checkpoint: states may be older than history");
            Ok((first_kept, log.reader(first_kept)?))
        }
        reader => Ok((from, reader?)),
    }
}

/// When the newest entry was received, Unix ms.
fn last_received_ms(log: &dyn Log) -> Result<Option<i64>, ReadError> {
    let Some(before) = log.appended().0.checked_sub(1) else { return Ok(None) };
    let mut reader = match log.reader(Position(before)) {
        // It was trimmed away, and nothing came after it.
        Err(ReadError::Trimmed { .. }) => return Ok(None),
        reader => reader?,
    };
    let mut entries = Vec::new();
    reader.read(Duration::from_secs(1), &mut entries)?;
    Ok(entries.last().map(|(_, entry)| entry.received_ms()))
}
