//! Why the store could not be opened, read or written.

use std::io;
use std::path::{Path, PathBuf};

use tidegate_telemetry::HistoryError;

use crate::codec::Damaged;

/// Why the store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory could not be made, listed or cleaned.
    #[error(
        "the store's directory {directory} cannot be used: {source}; check that it is writable and has space",
        directory = directory.display()
    )]
    Directory {
        /// Which.
        directory: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("the store's file {file} cannot be used: {source}; check the disk's space and rights", file = file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A file does not hold what was written to it.
    #[error(
        "the store's file {file} is damaged ({what}): restore it from a backup, or move it away to go on \
         without what it holds (with head.db the whole folder, and start once with --accept-loss history)", file = file.display()
    )]
    Damaged {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Days of history are there, and `head.db` is not, or is empty: whose readings they hold stood in it.
    #[error(
        "head.db is missing or empty in {directory}, and nobody knows without it whose readings the other files hold: \
         restore it from a backup, or move {directory} away and start once with --accept-loss history", directory = directory.display()
    )]
    HeadMissing {
        /// Where.
        directory: PathBuf,
    },
    /// A file was written by a newer program.
    #[error("the store's file {file} has format {format}, this program reads {supported}: start the newer program", file = file.display())]
    Format {
        /// Which.
        file: PathBuf,
        /// Its format.
        format: i64,
        /// What this program reads.
        supported: i64,
    },
}

/// Why a store could not be opened.
pub type OpenError = StoreError;

impl StoreError {
    pub(crate) fn sqlite(file: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match source.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => {
                StoreError::Damaged { file: file.to_owned(), what: source.to_string() }
            }
            _ => StoreError::File { file: file.to_owned(), source },
        }
    }

    pub(crate) fn damaged(file: &Path, what: Damaged) -> Self {
        StoreError::Damaged { file: file.to_owned(), what: what.to_string() }
    }
}

impl From<StoreError> for HistoryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { file, what } => HistoryError::Corrupt { file: file.display().to_string(), what },
            other => HistoryError::Storage(other.to_string()),
        }
    }
}
