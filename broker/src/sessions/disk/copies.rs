use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use tidegate_backup::{Access, Image, ImageError};
use tidegate_telemetry::Position;

use super::columns::{message, number, undecodable, will};
use super::config::SessionStoreError;
use super::schema::{FILE_NAME, FORMAT_CLOCK_SET};

/// Name of the file in the sessions' folder.
pub const SESSIONS_FILE: &str = FILE_NAME;

/// The file of the sessions as it was at one moment.
#[derive(Debug)]
pub struct SessionsImage {
    /// The file.
    pub image: Image,
    /// What it holds.
    pub holds: SessionsReport,
}

/// What a file of sessions holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionsReport {
    /// Up to where mailboxes are complete.
    pub complete: Position,
    /// MQTT sessions.
    pub sessions: u64,
    /// Messages in their mailboxes.
    pub waiting: u64,
    /// Retained messages.
    pub retained: u64,
}

impl SessionsImage {
    /// The file in a folder as it is now; `None`: there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(directory: &Path, access: Access) -> Result<Option<SessionsImage>, SessionStoreError> {
        let path = directory.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        let image = Image::open(&path, access)?;
        let holds = image.ask(counts)?;
        Ok(Some(SessionsImage { image, holds }))
    }
}

/// The format that a file has, and the newest one that this program reads. What it reads it leaves as it is.
///
/// # Errors
/// When the file cannot be read.
pub fn sessions_format(file: &Path, access: Access) -> Result<(i64, i64), SessionStoreError> {
    let format = |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get(0));
    Ok((Image::open(file, access)?.ask(format)?, FORMAT_CLOCK_SET))
}

/// Reads everything in a file of sessions.
///
/// # Errors
/// When it is not what was written.
pub fn check_sessions(file: &Path, access: Access) -> Result<SessionsReport, SessionStoreError> {
    let (format, supported) = sessions_format(file, access)?;
    if format > supported {
        return Err(SessionStoreError::Format(format));
    }
    let image = Image::open(file, access)?;
    image.ask(|connection| {
        let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(undecodable(0, std::io::Error::other(found.replace('\n', "; "))));
        }
        read_all(connection)
    })?;
    Ok(image.ask(counts)?)
}

fn read_all(connection: &Connection) -> rusqlite::Result<()> {
    for bodies in ["SELECT body FROM messages", "SELECT body FROM retained"] {
        let mut statement = connection.prepare(bodies)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            message(0, row, 0)?;
        }
    }
    let mut statement = connection.prepare("SELECT body FROM wills")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        will(row, 0)?;
    }
    Ok(())
}

fn counts(connection: &Connection) -> rusqlite::Result<SessionsReport> {
    // A file that was just made has no place in the log yet, or not even tables.
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(SessionsReport::default());
    }
    let complete = connection.query_row("SELECT complete FROM progress", [], |row| number(row, 0)).optional()?;
    let count = |table: &str| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| number(row, 0));
    Ok(SessionsReport {
        complete: complete.map_or(Position::START, Position),
        sessions: count("sessions")?,
        waiting: count("mailbox")?,
        retained: count("retained")?,
    })
}

impl From<ImageError> for SessionStoreError {
    fn from(error: ImageError) -> Self {
        SessionStoreError::Database(error.source)
    }
}
