//! What is opened, in which order, and from where each room goes on.

use std::sync::Arc;
use std::time::Duration;

use tidegate_broker::SessionStore;
use tidegate_follow::Followed;
use tidegate_log::{EmbeddedLog, Log, LogReader, ReadError};
use tidegate_push::{Hub, ViewsFollower};
use tidegate_store::Store;
use tidegate_telemetry::Position;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::ages::{AgeFigures, Ages};
use crate::batch::Stages;
use crate::checkpoint::CheckpointFile;
use crate::clock::{self, ClockConfig, Jump};
use crate::config::NodeConfig;
use crate::error::StartError;
use crate::figures::Figures;
use crate::flush::Writer;
use crate::pipeline::Pipeline;
use crate::problems::Ledger;
use crate::sinks::{Kept, Prepared, Taps};
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
    /// Processing, and who follows it.
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
    /// Writes history and checkpoint.
    pub writer: Writer,
    /// When the newest entry was received, Unix ms.
    pub last_ms: Option<i64>,
}

/// What the time of a run begins with.
pub struct Begun {
    /// To be told and followed before anything is received.
    pub jump: Option<Jump>,
    /// How old history is.
    pub ages: Ages,
    /// What of history is of a clock that was wrong.
    pub age_figures: Arc<AgeFigures>,
}

impl Rooms {
    /// Opens everything, and checks that it belongs together. `now_ms` tells the time to who looks at views. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// What cannot be opened, and what to do.
    pub fn open(config: &NodeConfig, now_ms: fn() -> i64, sinks: &Prepared) -> Result<Rooms, StartError> {
        let store = Store::open(config.store.clone())?;
        let checkpoint = CheckpointFile::new(&config.data);
        let (checkpoint_at, stages) = match checkpoint.load()? {
            Some((position, state)) => (Some(position), Stages::restore(config, &state)?),
            None => (None, Stages::new(config)),
        };
        let (begin_after, begin_ahead_ms) = (store.flushed(), stages.process.ahead_ms());
        let log = tidegate_log::LogConfig { begin_after, begin_ahead_ms, ..config.log.clone() };
        let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(log)?);
        let known = Known::of(log.as_ref(), checkpoint_at)?;
        known.check_history(store.flushed(), store.directory(), &config.accepted)?;
        known.check_sessions(config.sessions.is_empty(), &config.accepted)?;
        let sessions = SessionStore::open(config.sessions.clone())?;
        let last_ms = last_received_ms(log.as_ref())?.or_else(|| stages.process.last_received_ms());
        let from = checkpoint_at.unwrap_or(Position::START);
        let (from, reader) = reader(log.as_ref(), from, store.flushed())?;
        let hub = Arc::new(Hub::new(config.views.clone(), config.live.clone(), now_ms));
        let problems = Arc::new(Ledger::new(store.clone()));
        let figures = Arc::new(Figures::default());
        let kept = Kept::find(&config.data, checkpoint_at, log.as_ref(), sinks.progress(), sinks.log_bytes_max);
        let (log_writer, runtime) = (log.clone(), Handle::current());
        let writer = Writer { log: log_writer, sessions: sessions.clone(), checkpoint, runtime, kept };
        let (applied_sender, applied) = watch::channel(from);
        let pipeline = Pipeline {
            log: log.clone(),
            stages,
            followers: vec![Box::new(ViewsFollower(hub.clone())), Box::new(store.clone())],
            taps: Taps(sinks.progress()),
            problems: problems.clone(),
            applied: applied_sender,
            figures: figures.clone(),
            restored: Followed { position: from, received_ms: i64::MIN },
            // As long as files have something of a device, entries that name it may be in the log's newest segment.
            erased: store.is_erasing().then(|| store.flushed().max(from)),
        };
        Ok(Rooms { log, store, sessions, hub, pipeline, reader, from, applied, figures, problems, writer, last_ms })
    }

    /// The time goes on after that of an earlier run, by the system's clock.
    pub fn begin_time(&self, config: &ClockConfig) -> Begun {
        clock::configure(config, self.store.aged().and_then(|aged| aged.surely_ms).unwrap_or(i64::MIN));
        let jump = self.last_ms.and_then(|last_ms| clock::go_on_after(last_ms, self.log.ahead_ms()));
        if config.trusted {
            clock::trust();
        }
        let begins_ms = jump.map_or_else(clock::now_ms, |jump| jump.at_ms);
        let age_figures = Arc::new(AgeFigures::default());
        let (problems, begins) = (self.problems.clone(), (begins_ms, config.trusted));
        let ages = Ages::begin(&self.store, begins, config.age_rate_max, problems, age_figures.clone());
        Begun { jump, ages, age_figures }
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
