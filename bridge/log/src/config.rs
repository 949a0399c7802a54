//! What the embedded log can be told, and why it may refuse to open.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_settings::{Reader, section};
use tidegate_telemetry::{EntryError, Position};

section! {
    /// Settings of the embedded log.
    #[derive(Debug, Clone)]
    pub struct LogConfig {
        /// Folder of the segments; made when missing. One process at a time.
        pub directory: PathBuf = PathBuf::from("log"),
        /// An empty directory begins after this position: what the store already holds, when the log was set aside.
        pub begin_after: Position = Position::START,
        /// In an empty directory times of receipt are so far ahead of the time that has passed, ms: as they were in the log that
        /// was set aside.
        pub begin_ahead_ms: i64 = 0,
        /// What happens after a write or sync has failed.
        pub on_failure: FailureAction = FailureAction::default(),
    }
    /// The durable log: what is acknowledged is here first.
    [log] {
        /// Size of a segment file, allocated at once.
        ///
        /// Segments are deleted as a whole.
        pub segment_bytes: u64 = bytes(64 << 20),
        /// A commit starts as soon as this many bytes wait.
        pub commit_bytes: usize = bytes(64 << 10),
        /// And this long after the one before at the latest: what finds none so recent waits for the disk alone.
        pub commit_interval: Duration = duration(Duration::from_millis(2)),
        /// Bytes of the disk that stay free: below it publications are refused until there is room.
        ///
        /// No segment is made that would leave fewer. What writes history and sessions needs them to go on. 0 keeps none.
        pub disk_reserve_bytes: u64 = bytes(128 << 20),
        /// Largest entry.
        ///
        /// Encoded.
        pub record_bytes_max: usize = bytes(1 << 20),
        /// Bytes that may wait for the disk.
        ///
        /// Past it there is no room.
        pub undurable_bytes_max: u64 = bytes(16 << 20),
        /// Bytes that may wait for processing.
        ///
        /// Not yet read by the slowest reader; past it there is no room.
        pub unread_bytes_max: u64 = bytes(64 << 20),
        /// Bytes that may wait for history and mailboxes: about what a restart replays at most.
        ///
        /// After the position that was trimmed last; past it there is no room. What was there when the log was opened does
        /// not count, so that there is room as soon as it is open.
        pub replay_bytes_max: u64 = bytes(48 << 20),
        /// Newest bytes kept in memory for readers that are behind.
        ///
        /// Encoded, of durable entries; further behind readers read files.
        pub tail_bytes_max: u64 = bytes(8 << 20),
        /// Entries processed in one pass.
        pub read_entries_max: usize = count(512),
    }
    then LogConfig::read_on;
}

/// What happens after a write or sync has failed, when an ERROR line has been logged.
///
/// The default ends the process with `abort`: nobody knows what is on disk, and the kernel may report the failure of a
/// page only once, so trying again could acknowledge what is lost. A test puts its own function here; when that
/// returns, the log is closed, nothing more becomes durable, and readers get an error.
#[derive(Clone)]
pub struct FailureAction(Arc<dyn Fn() + Send + Sync>);

impl FailureAction {
    /// Runs `action` instead of ending the process.
    #[must_use]
    pub fn run(action: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(action))
    }

    pub(crate) fn take(&self) {
        (self.0)();
    }
}

impl Default for FailureAction {
    fn default() -> Self {
        Self(Arc::new(|| std::process::abort()))
    }
}

impl fmt::Debug for FailureAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailureAction")
    }
}

/// Version of the layout of segments and frames.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Why the log could not be opened. Nothing was changed on disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A limit makes no sense.
    #[error("log.{key} is {value}, it must be {must}")]
    Config {
        /// Name of the setting.
        key: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        must: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{} is in use by another process: stop that one, or give this one another --data directory", path.display())]
    InUse {
        /// The log's directory.
        path: PathBuf,
    },
    /// The file does not begin like a segment.
    #[error(
        "{} is not a log segment, or its header is damaged: if it belongs to something else move it away, else \
         check the disk and restore it from a backup",
        path.display()
    )]
    NotASegment {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer program.
    #[error(
        "{} has format version {version}, this program reads {CURRENT}: start the newer program that wrote it",
        path.display(),
        CURRENT = FORMAT_VERSION
    )]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Something durable was changed or lost.
    #[error(
        "{} is damaged at byte {offset} (entry {position}), with later entries behind it: this is no torn tail, \
         acknowledged entries are lost. Check the disk, keep a copy of the directory and restore it from a backup; to go on \
         without entries {position} and later, move the directory away and start again",
        path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// The first entry that cannot be read.
        position: Position,
    },
    /// A segment between two others is gone.
    #[error(
        "the log lacks entries {from} to {through}, which should be before {}: restore the missing segment from \
         a backup, or move the directory away and start again",
        path.display()
    )]
    Missing {
        /// First missing entry.
        from: Position,
        /// Last missing entry.
        through: Position,
        /// The segment after the gap.
        path: PathBuf,
    },
    /// The newest entry cannot be understood.
    #[error("{}: {source}", path.display())]
    Entry {
        /// The segment.
        path: PathBuf,
        /// Why.
        source: EntryError,
    },
}

impl LogConfig {
    fn read_on(&mut self, reader: &mut Reader) {
        for (key, value, must) in self.mistakes() {
            reader.at("log").wrong_key(key, &format!("is {value}, it must be {must}"));
        }
    }

    /// Limits that make no sense: key, value, and what it must be.
    fn mistakes(&self) -> Vec<(&'static str, u64, &'static str)> {
        let record_bytes_max = self.record_bytes_max as u64;
        let wrong = [
            (self.segment_bytes < 4096, ("segment_bytes", self.segment_bytes, "at least 4096")),
            (
                record_bytes_max == 0 || record_bytes_max > 256 << 20,
                ("record_bytes_max", record_bytes_max, "between 1 and 268435456"),
            ),
            (self.read_entries_max == 0, ("read_entries_max", 0, "at least 1")),
        ];
        wrong.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, mistake)| mistake).collect()
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        match self.mistakes().first() {
            Some(&(key, value, must)) => Err(OpenError::Config { key, value, must }),
            None => Ok(()),
        }
    }
}
