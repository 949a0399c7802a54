use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tidegate_settings::section;

use super::schema::FILE_NAME;

section! {
    /// Where sessions are kept, and how much.
    #[derive(Debug, Clone)]
    pub struct SessionStoreConfig {
        /// Directory of `sessions.sqlite`; made when it is missing. `None`: in memory, gone with the program.
        pub directory: Option<PathBuf> = None,
    }
    /// What survives a restart for MQTT clients: sessions, mailboxes, retained, wills.
    [sessions] {
        /// Longest wait of a change nobody waits for.
        pub commit_interval: Duration = duration(Duration::from_millis(50)),
        /// Message bytes that may wait for the disk; past it clients are read slower.
        pub unwritten_bytes_max: usize = bytes(16 * 1024 * 1024),
        /// Bytes kept for one client that is away; past it the oldest messages go.
        ///
        /// They are counted.
        pub mailbox_bytes_max: u64 = bytes(16 * 1024 * 1024),
        /// Bytes kept for all of them; past it the oldest of the largest go.
        ///
        /// Each message counts for every session.
        pub mailbox_bytes_total_max: u64 = bytes(1024 * 1024 * 1024),
        /// Age at which such a message goes.
        ///
        /// It is counted.
        pub mailbox_age_max: Duration = duration(Duration::from_secs(7 * 24 * 3600)),
    }
}

impl SessionStoreConfig {
    /// Whether there is no file yet, or nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let file = self.directory.as_ref().map(|directory| directory.join(FILE_NAME));
        file.is_some_and(|file| file.metadata().map_or(true, |metadata| metadata.len() == 0))
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionStoreError {
    /// The directory cannot be made.
    #[error("the directory of the sessions cannot be made: {0}")]
    Directory(#[from] io::Error),
    /// The file cannot be read or written.
    #[error(
        "sessions.sqlite cannot be used: {0}; restore it from a backup, or move it away and start once with --accept-loss sessions"
    )]
    Database(#[from] rusqlite::Error),
    /// A program of a later version wrote it.
    #[error("sessions.sqlite has format {0}, this version reads up to 2: start the version that wrote it")]
    Format(i64),
    /// It holds something else than was written.
    #[error(
        "sessions.sqlite holds a message that cannot be read; move it away and start once with --accept-loss sessions"
    )]
    Damaged,
}
