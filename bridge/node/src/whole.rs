//! Whether the files belong together: what one of them knows of, no other may have lost in silence.
//!
//! A flush writes history, then the checkpoint, and the log forgets only what history and mailboxes have. So history that
//! ends before the checkpoint, or before the log begins, is not the one that was written; nor is an empty file of sessions
//! beside a log that has entries.

use std::path::Path;

use tidegate_log::{Log, LogReader, ReadError};
use tidegate_telemetry::Position;

/// What a person goes on without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Readings, alert events and the quarantine.
    History,
    /// MQTT sessions, mailboxes, retained messages and wills.
    Sessions,
}

/// Something is gone that the log or the checkpoint knows of.
#[derive(Debug, thiserror::Error)]
#[error("{what}: restore the data folder from a backup, or start once with --accept-loss {name} to go on without")]
pub struct Missing {
    what: String,
    name: &'static str,
}

/// What the log and the checkpoint know of.
pub struct Known {
    checkpoint: Position,
    begins_after: Position,
    appended: Position,
}

impl Known {
    /// Asks them.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn of(log: &dyn Log, checkpoint: Option<Position>) -> Result<Known, ReadError> {
        let begins_after = match log.reader(Position::START).map(|_: Box<dyn LogReader>| ()) {
            Err(ReadError::Trimmed { first_kept, .. }) => first_kept,
            all => all.map(|()| Position::START)?,
        };
        Ok(Known { checkpoint: checkpoint.unwrap_or(Position::START), begins_after, appended: log.appended() })
    }

    /// History has everything up to `flushed`.
    ///
    /// # Errors
    /// When there was more, which is not accepted as lost.
    pub fn check_history(&self, flushed: Position, directory: &Path, accepted: &[Loss]) -> Result<(), Missing> {
        let wanted = self.checkpoint.max(self.begins_after);
        if flushed >= wanted {
            return Ok(());
        }
        let what =
            format!("history in {} ends at entry {flushed} of the log, and went up to {wanted}", directory.display());
        lost(&what, Loss::History, accepted)
    }

    /// Whether there were sessions is not known from a file that `is_empty`.
    ///
    /// # Errors
    /// When there may have been, which is not accepted as lost.
    pub fn check_sessions(&self, is_empty: bool, accepted: &[Loss]) -> Result<(), Missing> {
        if !is_empty || self.checkpoint.max(self.appended) == Position::START {
            return Ok(());
        }
        lost("sessions.sqlite is missing or empty, and the program ran before", Loss::Sessions, accepted)
    }
}

fn lost(what: &str, loss: Loss, accepted: &[Loss]) -> Result<(), Missing> {
    let name = if loss == Loss::History { "history" } else { "sessions" };
    if !accepted.contains(&loss) {
        return Err(Missing { what: what.to_owned(), name });
    }
    tracing::warn!("{what}: it is gone, as was accepted; {name} begins anew");
    Ok(())
}
