//! The store, and what is done with it as a whole: `flush`, `close` (hours), `erase` (devices), `thin` (what is
//! kept for a shorter time), `names` (that leave), `maintain`.

mod close;
mod erase;
mod flush;
mod maintain;
mod names;
mod thin;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tidegate_telemetry::history::StoreStats;
use tidegate_telemetry::{Change, Position, Problem, ProblemSink};

pub use self::flush::{Flush, FlushReport};
pub use self::maintain::MaintainReport;
use self::maintain::Maintenance;
use crate::aged::Aged;
use crate::config::StoreConfig;
use crate::error::{OpenError, StoreError};
use crate::files::Files;
use crate::memory::{Memory, TooOld};
use crate::quarantine::Quarantine;

/// History of every series, alert events and the quarantine. Clones share one store.
///
/// What was applied is in memory until a flush has written it. Replaying the log from [`Store::flushed`] on after a
/// crash gives the same store.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// Locks are taken in the order of the fields. `apply` takes `memory` only.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: StoreConfig,
    /// Held by who writes files: one flush or maintenance at a time.
    pub(crate) writing: Mutex<Maintenance>,
    /// Queries hold it shared from their look into memory to their last row, commits exclusively: so a query sees
    /// each point where it was at the beginning.
    pub(crate) files: RwLock<Files>,
    pub(crate) memory: Mutex<Memory>,
    pub(crate) quarantine: Mutex<Quarantine>,
    pub(crate) written_bytes: AtomicU64,
    /// As the memory says it, without its lock.
    pub(crate) kept_from_ms: Arc<AtomicI64>,
}

impl Store {
    /// Opens the store in its directory, or makes an empty one. Reads names and the list of files, no points.
    ///
    /// # Errors
    /// When the directory or a file cannot be used, is damaged, or was written by a newer program. A damaged file of
    /// summaries is no error: it is moved aside and made again from the raw readings that are still there.
    pub fn open(config: StoreConfig) -> Result<Self, OpenError> {
        let directory = &config.directory;
        std::fs::create_dir_all(directory)
            .map_err(|source| StoreError::Directory { directory: directory.clone(), source })?;
        let (files, loaded) = Files::open(directory)?;
        let retention_age_ms = i64::from(config.retention_age_days) * 86_400_000;
        let mut memory = Memory::new(loaded.catalogue, loaded.flushed, retention_age_ms, files.raw_from_ms());
        memory.aged = loaded.aged;
        memory.catalogue.keep_by(config.rules.clone());
        let quarantine = Quarantine::load(&config, loaded.problems);
        Ok(Store {
            inner: Arc::new(Inner {
                config,
                writing: Mutex::new(Maintenance::begin(loaded.aged)),
                files: RwLock::new(files),
                kept_from_ms: memory.kept_from_ms.clone(),
                memory: Mutex::new(memory),
                quarantine: Mutex::new(quarantine),
                written_bytes: AtomicU64::new(0),
            }),
        })
    }

    /// Last position whose data is in the files: replay the log after it.
    #[must_use]
    pub fn flushed(&self) -> Position {
        self.inner.memory.lock().flushed
    }

    /// Last position that was applied; at start it equals [`Store::flushed`].
    #[must_use]
    pub fn applied(&self) -> Position {
        self.inner.memory.lock().applied
    }

    /// Takes what processing made of the entry at `position`. Data of positions up to [`Store::flushed`] is in the
    /// files and skipped; names are taken each time. Positions must not step back.
    pub fn apply(&self, position: Position, changes: &[Change]) {
        let _ = self.apply_all([(position, changes)]);
    }

    /// Like [`Store::apply`] for several entries under one lock; `entries` gives each entry's position and changes.
    /// Answers what of all that was applied is too old to be kept.
    pub fn apply_all<'a>(&self, entries: impl IntoIterator<Item = (Position, &'a [Change])>) -> Vec<TooOld> {
        let mut memory = self.inner.memory.lock();
        let mut erased = Vec::new();
        for (position, changes) in entries {
            memory.apply(position, changes);
            erased.extend(changes.iter().filter_map(|change| match change {
                Change::Erased { device, at_ms } => Some((device, *at_ms)),
                _ => None,
            }));
        }
        let too_old = memory.take_too_old();
        drop(memory);
        for (device, at_ms) in erased {
            self.inner.quarantine.lock().erase(device, at_ms);
        }
        too_old
    }

    /// Sets apart what was applied up to now, to be written by [`Flush::run`]. `through` is the position of the last
    /// entry that was read, whether or not it changed anything. Cheap: it belongs on the thread that applies.
    #[must_use = "nothing is written before the flush runs"]
    pub fn seal(&self, through: Position) -> Flush {
        let through = self.inner.memory.lock().seal(through);
        Flush { store: self.clone(), through }
    }

    /// Whether memory holds more than `memory_bytes_max`, or a device is to be erased: seal and flush now.
    #[must_use]
    pub fn wants_flush(&self) -> bool {
        let memory = self.inner.memory.lock();
        memory.active.bytes > self.inner.config.memory_bytes_max || !memory.active.erased.is_empty()
    }

    /// Whether something of an erased device is still in the files, or on its way there.
    #[must_use]
    pub fn is_erasing(&self) -> bool {
        self.figures().erasing > 0
    }

    /// What ages are measured to, as was said last, also in an earlier run; `None`: nobody has said so yet.
    #[must_use]
    pub fn aged(&self) -> Option<Aged> {
        self.inner.memory.lock().aged
    }

    /// What ages are measured to from now on, where the time is not before it: a clock that is wrong for a moment shall
    /// delete nothing and refuse nothing.
    pub fn age_to(&self, aged: Aged) {
        self.inner.memory.lock().aged = Some(aged);
    }

    /// The end of the newest hour that is in the files, Unix ms.
    #[must_use]
    pub fn newest_ms(&self) -> Option<i64> {
        self.inner.files.read().newest_ms()
    }

    /// Points in the files of hours that begin after `time_ms` (Unix ms).
    #[must_use]
    pub fn points_after(&self, time_ms: i64) -> u64 {
        self.inner.files.read().points_after(time_ms)
    }

    /// The payloads in the quarantine, oldest first, to be decoded again when the mapping has been corrected.
    #[must_use]
    pub fn quarantined(&self) -> Vec<Problem> {
        self.inner.quarantine.lock().problems()
    }

    pub(crate) fn figures(&self) -> StoreStats {
        let files = self.inner.files.read();
        let memory = self.inner.memory.lock();
        StoreStats {
            series: memory.catalogue.series_count() as u64,
            points: memory.points() + files.points(),
            memory_bytes: memory.bytes() as u64,
            file_bytes: files.bytes(),
            written_bytes: self.inner.written_bytes.load(Ordering::Relaxed),
            flushed: memory.flushed,
            oldest_ms: files.oldest_ms(),
            raw: files.raw_tier(self.inner.config.retention_age_days),
            hours: files.hours_tier(self.inner.config.rollup_retention_age_days),
            bytes_max: self.inner.config.retention_bytes,
            erasing: memory.erased().map(|erased| erased.series.len().max(1) as u64).sum::<u64>()
                + files.erasing.len() as u64,
        }
    }

    /// Where the files are.
    #[must_use]
    pub fn directory(&self) -> &PathBuf {
        &self.inner.config.directory
    }
}

impl ProblemSink for Store {
    fn report(&self, problem: Problem) {
        self.inner.quarantine.lock().report(problem);
    }
}
