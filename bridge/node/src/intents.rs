//! What people do enters by the log, like everything else.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidegate_log::{AppendError, Log};
use tidegate_push::{IntentError, Intents};
use tidegate_telemetry::{Entry, Import, Intent, Position};
use tokio::sync::watch;

/// Appends intents and imports, and waits until they are on disk and applied.
pub struct LogIntents {
    /// Where they go.
    pub log: Arc<dyn Log>,
    /// How far the views are.
    pub applied: watch::Receiver<Position>,
}

impl Intents for LogIntents {
    fn submit(&self, intent: Intent) -> BoxFuture<'static, Result<Position, IntentError>> {
        self.enter(vec![Entry::Intent(intent)])
    }

    fn import(&self, imports: Vec<Import>) -> BoxFuture<'static, Result<Position, IntentError>> {
        self.enter(imports.into_iter().map(Entry::Import).collect())
    }
}

impl LogIntents {
    fn enter(&self, entries: Vec<Entry>) -> BoxFuture<'static, Result<Position, IntentError>> {
        let appended = if self.log.has_room() { self.append(entries) } else { Err(IntentError::Overloaded) };
        let (mut durable, mut applied) = (self.log.durable(), self.applied.clone());
        Box::pin(async move {
            let position = appended?;
            let stopping = |_| IntentError::Stopping;
            durable.wait_for(|durable| *durable >= position).await.map_err(stopping)?;
            applied.wait_for(|applied| *applied >= position).await.map_err(stopping)?;
            Ok(position)
        })
    }

    fn append(&self, mut entries: Vec<Entry>) -> Result<Position, IntentError> {
        self.log.append(&mut entries).map_err(|error| match error {
            AppendError::Closed => IntentError::Stopping,
            AppendError::DiskFull => IntentError::Overloaded,
            other => IntentError::Refused(other.to_string()),
        })
    }
}
