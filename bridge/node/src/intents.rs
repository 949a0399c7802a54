//! What people do enters by the log, like everything else.

use std::sync::Arc;

use tidegate_log::{AppendError, Log};
use tidegate_push::{IntentError, Intents};
use tidegate_telemetry::{Entry, Intent, Position};
use tokio::sync::watch;

/// Appends intents, and waits until they are on disk and applied.
pub struct LogIntents {
    /// Where they go.
    pub log: Arc<dyn Log>,
    /// How far the views are.
    pub applied: watch::Receiver<Position>,
}

impl Intents for LogIntents {
    fn submit(&self, intent: Intent) -> futures_util::future::BoxFuture<'static, Result<Position, IntentError>> {
        let appended = if self.log.has_room() { self.append(intent) } else { Err(IntentError::Overloaded) };
        let (mut durable, mut applied) = (self.log.durable(), self.applied.clone());
        Box::pin(async move {
            let position = appended?;
            let stopping = |_| IntentError::Stopping;
            durable.wait_for(|durable| *durable >= position).await.map_err(stopping)?;
            applied.wait_for(|applied| *applied >= position).await.map_err(stopping)?;
            Ok(position)
        })
    }
}

impl LogIntents {
    fn append(&self, intent: Intent) -> Result<Position, IntentError> {
        self.log.append(&mut vec![Entry::Intent(intent)]).map_err(|error| match error {
            AppendError::Closed => IntentError::Stopping,
            AppendError::DiskFull => IntentError::Overloaded,
            other => IntentError::Refused(other.to_string()),
        })
    }
}
