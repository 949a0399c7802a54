//! One SQLite file: its settings, its connections, and the errors that name it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::codec::Damaged;
use crate::error::StoreError;

/// Bytes of a page; chunks of an hour fill it well, and flash writes no less.
const PAGE_BYTES: u64 = 8192;
/// Bytes in the write-ahead log before each page (SQLite file format, section 4.1).
const FRAME_HEADER_BYTES: u64 = 24;
/// Page cache of a connection. The operating system caches files too, so it only spares system calls.
const CACHE_KIB: u32 = 512;
/// Idle connections for queries kept open per file.
const IDLE_READERS_MAX: usize = 2;

/// Without this a statement whose parameters bound a range is planned anew for each values of theirs, which takes several
/// times as long as to run it (SQLite, "The Query Planner Stability Guarantee").
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// By which rules a file was thinned. Programs that know no such table leave it alone.
const THINNED: &str =
    "CREATE TABLE IF NOT EXISTS thinned (one INTEGER PRIMARY KEY CHECK (one = 1), rules INTEGER NOT NULL)";

/// Stands for no rules: the file was thinned, and something was merged into it since.
pub(crate) const UNTHINNED: u32 = 0;

/// By which rules the file was thinned last, as a number that stands for them.
pub(crate) fn thinned(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    let has = "SELECT count(*) FROM sqlite_schema WHERE name = 'thinned'";
    if connection.query_row(has, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    connection.query_row("SELECT rules FROM thinned", [], |row| row.get(0)).optional()
}

/// Notes by which rules the file is thinned.
pub(crate) fn note_thinned(connection: &Connection, rules: u32) -> rusqlite::Result<()> {
    connection.execute_batch(THINNED)?;
    connection.execute("INSERT OR REPLACE INTO thinned VALUES (1, ?)", [rules]).map(|_| ())
}

/// A file in write-ahead mode with one writer and any number of readers.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    idle_readers: Mutex<Vec<Connection>>,
}

impl Database {
    /// Opens the file, makes it with `schema` when it is missing, and refuses a newer format. An older one is for the
    /// caller to bring up to date.
    pub(crate) fn open(path: PathBuf, schema: &str, supported: i64) -> Result<Self, StoreError> {
        let database = Database { path, idle_readers: Mutex::new(Vec::new()) };
        let format = if database.path.exists() { database.format()? } else { 0 };
        if format > supported {
            return Err(StoreError::Format { file: database.path, format, supported });
        }
        if format == 0 {
            // New, or the crash came before its first commit.
            let create = format!("BEGIN IMMEDIATE;{schema};PRAGMA user_version = {supported};COMMIT");
            database.writer()?.execute_batch(&create).map_err(|error| database.error(error))?;
        }
        Ok(database)
    }

    /// Format of the file; a program refuses what a newer one wrote.
    pub(crate) fn format(&self) -> Result<i64, StoreError> {
        self.read(|connection| connection.pragma_query_value(None, "user_version", |row| row.get(0)))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection that may write. The caller sees to it that there is one at a time.
    pub(crate) fn writer(&self) -> Result<Connection, StoreError> {
        let open = || {
            let connection = Connection::open(&self.path)?;
            keep_plans(&connection)?;
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            // Takes effect when the file is made.
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            // What is deleted from a page is overwritten there; pages that hold nothing any more are given back to the disk.
            connection.pragma_update(None, "secure_delete", "FAST")?;
            // Checkpoints are made after the commit, where no query waits for them.
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            connection.pragma_update(None, "cache_size", -i64::from(8 * CACHE_KIB))?;
            connection.set_prepared_statement_cache_capacity(32);
            Ok(connection)
        };
        open().map_err(|error| self.error(error))
    }

    /// As [`Database::writer`]; what it deletes is overwritten wherever it stands (SQLite, `PRAGMA secure_delete`).
    pub(crate) fn eraser(&self) -> Result<Connection, StoreError> {
        let connection = self.writer()?;
        connection.pragma_update(None, "secure_delete", "ON").map_err(|error| self.error(error))?;
        Ok(connection)
    }

    /// Runs a query on a connection that only reads.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StoreError> {
        let idle = self.idle_readers.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.reader().map_err(|error| self.error(error))?,
        };
        let answer = query(&connection).map_err(|error| self.error(error))?;
        let mut idle = self.idle_readers.lock();
        if idle.len() < IDLE_READERS_MAX {
            idle.push(connection);
        }
        Ok(answer)
    }

    fn reader(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        keep_plans(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
        Ok(connection)
    }

    /// Closes connections that no query uses.
    pub(crate) fn close_idle(&self) {
        self.idle_readers.lock().clear();
    }

    /// Copies committed pages from the write-ahead log to their place, and counts what both took.
    pub(crate) fn checkpoint(&self, writer: &Connection, written_bytes: &AtomicU64) -> Result<(), StoreError> {
        let frames = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        let (logged, copied) =
            writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], frames).map_err(|error| self.error(error))?;
        let logged_bytes = u64::try_from(logged).unwrap_or(0) * (PAGE_BYTES + FRAME_HEADER_BYTES);
        let copied_bytes = u64::try_from(copied).unwrap_or(0) * PAGE_BYTES;
        written_bytes.fetch_add(logged_bytes + copied_bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Gives the bytes of the write-ahead log back to the disk once a checkpoint has copied all of it; while a query
    /// still reads it, it stays.
    pub(crate) fn empty_log(&self, writer: &Connection) -> Result<(), StoreError> {
        let empty = || {
            // The query is not waited for: there is a next time.
            writer.busy_timeout(Duration::ZERO)?;
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        empty().map_err(|error| self.error(error))
    }

    /// Gives pages that hold nothing any more back to the disk, those of the write-ahead log too.
    pub(crate) fn shrink(&self, written_bytes: &AtomicU64) -> Result<(), StoreError> {
        let writer = self.writer()?;
        let step_through = |sql: &str| -> rusqlite::Result<()> {
            let mut statement = writer.prepare(sql)?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        };
        step_through("PRAGMA incremental_vacuum").map_err(|error| self.error(error))?;
        self.checkpoint(&writer, written_bytes)?;
        // Neither a query nor a backup is waited for.
        self.empty_log(&writer)
    }

    /// Bytes of the file and of its write-ahead log.
    pub(crate) fn bytes(&self) -> u64 {
        self.files().iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// Deletes the file. The caller sees to it that nobody reads it.
    pub(crate) fn unlink(&self) -> std::io::Result<()> {
        self.close_idle();
        for path in self.files() {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The file, then the two that SQLite puts next to it.
    fn files(&self) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|suffix| with_suffix(&self.path, suffix))
    }

    pub(crate) fn error(&self, error: rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, error)
    }

    pub(crate) fn damaged(&self, what: Damaged) -> StoreError {
        StoreError::damaged(&self.path, what)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_write_ahead_log_is_empty_after_a_checkpoint_unless_a_query_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(directory.path().join("a.db"), "CREATE TABLE word (word TEXT)", 1).unwrap();
        let (writer, written_bytes) = (database.writer().unwrap(), AtomicU64::new(0));
        let write = || {
            writer.execute("INSERT INTO word VALUES ('one')", []).unwrap();
            database.checkpoint(&writer, &written_bytes).unwrap();
            database.empty_log(&writer).unwrap();
        };
        let log_bytes = || with_suffix(&database.path, "-wal").metadata().unwrap().len();
        write();
        let words = database.read(|reader| {
            assert_eq!(log_bytes(), 0);
            let mut statement = reader.prepare("SELECT word FROM word")?;
            let mut rows = statement.query([])?;
            rows.next()?;
            let begun = std::time::Instant::now();
            write();
            write();
            assert!(log_bytes() > 0 && begun.elapsed() < Duration::from_secs(4), "the query is not waited for");
            Ok(1 + std::iter::from_fn(|| rows.next().unwrap().map(|_| ())).count())
        });
        assert_eq!(words.unwrap(), 1, "a query sees what there was when it began");
        write();
        assert_eq!(log_bytes(), 0);
        let count = |reader: &Connection| reader.query_row("SELECT count(*) FROM word", [], |row| row.get::<_, i64>(0));
        assert_eq!(database.read(count).unwrap(), 4);
    }
}
