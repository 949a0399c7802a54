//! What the store does to its files besides flushing.

use crate::error::StoreError;
use crate::head::HeadWriter;
use crate::store::Store;

/// What [`Store::maintain`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaintainReport {
    /// Alert events deleted by age or number.
    pub events_deleted: usize,
}

impl Store {
    /// Keeps the store within its bounds. Call it after each flush and at least once a minute, on the thread that
    /// flushes; blocks for the disk.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is damaged.
    pub fn maintain(&self, now_ms: i64) -> Result<MaintainReport, StoreError> {
        let inner = &self.inner;
        let _writing = inner.writing.lock();
        let head = inner.files.read().head.clone();
        let connection = head.database.writer()?;
        let oldest_ms = now_ms - i64::from(inner.config.events_age_days) * 86_400_000;
        let trimmed = HeadWriter { connection: &connection }.trim_events(inner.config.events_max, oldest_ms);
        let events_deleted = trimmed.map_err(|error| head.database.error(error))?;
        head.database.checkpoint(&connection, &inner.written_bytes)?;
        Ok(MaintainReport { events_deleted })
    }
}
