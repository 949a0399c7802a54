use std::sync::Arc;
use std::time::Duration;

use tidegate_telemetry::{History, HistoryError};
use tokio::sync::Semaphore;
use tracing::error;

use super::error::{ApiError, Kind};
use crate::config::PushConfig;
use crate::http::security::refused;

/// The history, read where blocking is allowed and by a bounded number of readers at a time.
#[derive(Clone)]
pub struct Archive {
    history: Arc<dyn History>,
    turns: Arc<Semaphore>,
    wait: Duration,
}

impl Archive {
    pub fn new(history: Arc<dyn History>, config: &PushConfig) -> Self {
        let turns = Arc::new(Semaphore::new(config.history_concurrency.max(1)));
        Archive { history, turns, wait: Duration::from_millis(config.history_wait_ms) }
    }

    /// Asks the history when it is this question's turn.
    ///
    /// # Errors
    /// 503 when the turn did not come in time, 500 when a file could not be read.
    pub async fn ask<T, F>(&self, question: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn History) -> Result<T, HistoryError> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(self.wait, turn).await else {
            let detail = "too many questions to the history at the same time: try again in a few seconds";
            return Err(refused("history_busy", ApiError::new(Kind::Busy, detail)));
        };
        let history = Arc::clone(&self.history);
        // The turn goes along: a client that hangs up does not make room for more work than there is.
        let answered = tokio::task::spawn_blocking(move || {
            let answer = question(&*history);
            drop(turn);
            answer
        });
        match answered.await {
            Ok(answer) => answer.map_err(|unreadable| {
                error!(%unreadable, "a question to the history was not answered");
                unreadable.into()
            }),
            Err(panicked) => {
                error!(%panicked, "a question to the history broke off");
                Err(ApiError::new(Kind::Internal, "the answer broke off; see the log of the program"))
            }
        }
    }
}
