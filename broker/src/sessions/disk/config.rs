use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::schema::FILE_NAME;

/// Where sessions are kept, and how much.
#[derive(Debug, Clone)]
pub struct SessionStoreConfig {
    /// Directory of `sessions.sqlite`; made when it is missing. `None`: in memory, gone with the program.
    pub directory: Option<PathBuf>,
    /// Longest time a change waits that nobody waits for.
    pub commit_interval: Duration,
    /// Message bytes that may wait to be written; past it clients are not read until there is room.
    pub unwritten_bytes_max: usize,
    /// Bytes of one session's mailbox; past it its oldest messages are dropped and counted.
    pub mailbox_bytes_max: u64,
    /// Bytes of all mailboxes, each message counted for every session; past it the largest one's oldest are dropped.
    pub mailbox_bytes_total_max: u64,
    /// Age at which a message in a mailbox is dropped and counted.
    pub mailbox_age_max: Duration,
}

impl Default for SessionStoreConfig {
    fn default() -> Self {
        SessionStoreConfig {
            directory: None,
            commit_interval: Duration::from_millis(50),
            unwritten_bytes_max: 16 * 1024 * 1024,
            mailbox_bytes_max: 16 * 1024 * 1024,
            mailbox_bytes_total_max: 1024 * 1024 * 1024,
            mailbox_age_max: Duration::from_secs(7 * 24 * 3600),
        }
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
