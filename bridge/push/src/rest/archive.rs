//! History for requests: each waits its turn, and is withdrawn when its client hangs up.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use tidegate_telemetry::history::Wanted;
use tidegate_telemetry::{History, HistoryError};
use tracing::error;

use crate::archive::{Archive, Asker, HistoryTurns, Turn, Turns, Unanswered};
use crate::config::PushConfig;
use crate::error::{ApiError, Kind};
use crate::http::security::refused;

/// The history, for requests.
#[derive(Clone)]
pub struct RequestArchive {
    archive: Archive,
    wait: Duration,
}

impl RequestArchive {
    pub fn new(history: Arc<dyn History>, config: &PushConfig) -> Self {
        let turns = HistoryTurns::new("rest", config.history_concurrency, config.history_waiting_max);
        let archive = Archive::new(history, turns);
        RequestArchive { archive, wait: config.history_wait }
    }

    /// The same for questions about what is from a time (Unix ms) on.
    pub fn from(&self, from_ms: i64) -> RequestArchive {
        RequestArchive { archive: self.archive.from(from_ms), wait: self.wait }
    }

    /// The same for what comes after a first part, of which the client has something or for which work was done: it waits as
    /// long as the client does.
    pub fn going_on(&self) -> RequestArchive {
        RequestArchive { wait: Duration::MAX, ..self.clone() }
    }

    /// Readings of before are not kept, Unix ms.
    pub fn kept_from_ms(&self) -> i64 {
        self.archive.kept_from_ms()
    }

    /// Of what is received now (Unix ms), readings of before are not kept, Unix ms; and the key that says so.
    pub fn keeps_from_ms(&self, now_ms: i64) -> (i64, &'static str) {
        self.archive.keeps_from_ms(now_ms)
    }

    /// Asks the history when it is the asker's turn. A client that hangs up withdraws its question.
    ///
    /// # Errors
    /// 503 when the turn did not come in time, or too much of the client waits; 500 when a file could not be read.
    pub async fn ask<T, F>(&self, asker: Asker, question: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn History, Wanted<'_>) -> Result<T, HistoryError> + Send + 'static,
    {
        let turn = tokio::time::timeout(self.wait, self.archive.turn(asker)).await;
        let answer = match turn.unwrap_or(Err(Unanswered::Busy)) {
            Ok(turn) => self.archive.read(turn, question).await,
            Err(busy) => Err(busy),
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(busy @ Unanswered::Busy) => Err(refused("history_busy", ApiError::new(Kind::Busy, busy.to_string()))),
            Err(Unanswered::Failed(unreadable)) => {
                error!(%unreadable, "a question to the history was not answered");
                Err(unreadable.into())
            }
        }
    }
}

/// Turns at something that costs much, for requests: of each address once in a round.
pub struct RequestTurns {
    turns: Arc<Turns>,
    wait: Duration,
    reason: &'static str,
    key: &'static str,
}

impl RequestTurns {
    /// Who gets no turn within `wait` is refused and counted by a reason, and told the key that says how many there are.
    pub fn new(
        (reason, key): (&'static str, &'static str),
        at_once: usize,
        config: &PushConfig,
        wait: Duration,
    ) -> RequestTurns {
        RequestTurns { turns: Turns::new(reason, at_once, config.history_waiting_max), wait, reason, key }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// 503 when it did not come in time, or too much of the client waits.
    pub async fn take(&self, asker: Asker) -> Result<Turn, ApiError> {
        let turn = tokio::time::timeout(self.wait, self.turns.take(asker)).await;
        turn.ok().flatten().ok_or_else(|| {
            let detail = format!("others have all the turns that there are ({}): ask again", self.key);
            refused(self.reason, ApiError::new(Kind::Busy, detail))
        })
    }
}

/// Requests of one address share its turns, as the server's connections tell it.
impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asker, ApiError> {
        let peer = ConnectInfo::from_request_parts(parts, state).await;
        let ConnectInfo(peer) = peer.map_err(|_| ApiError::new(Kind::Internal, "the server did not say who asks"))?;
        Ok(Asker::at(peer))
    }
}
