//! What a session has read from history while it goes on serving.

use std::sync::Arc;
use std::time::Duration;

use tidegate_telemetry::history::{AlertEvent, SeriesAnswer, SeriesQuery};
use tidegate_telemetry::{History, HistoryError, Position};
use tokio::sync::Semaphore;

/// Time until history is asked again, or offered again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(5);
/// So often: two seconds in all.
pub(crate) const ATTEMPTS_MAX: u32 = 400;

/// An answer, and what it was asked for.
#[derive(Debug)]
pub(crate) enum Answer {
    Chart {
        id: u32,
        line: usize,
        query: SeriesQuery,
        attempt: u32,
        answer: Result<SeriesAnswer, HistoryError>,
    },
    /// `Ok` with whether it is complete; oldest first.
    Events {
        id: u32,
        span: (u64, u64),
        answer: Result<(Vec<AlertEvent>, bool), HistoryError>,
    },
}

/// Where answers come from.
#[derive(Clone)]
pub(crate) struct Reader {
    pub history: Arc<dyn History>,
    pub permits: Arc<Semaphore>,
}

impl Reader {
    pub async fn chart(self, id: u32, line: usize, query: SeriesQuery, attempt: u32) -> Answer {
        if attempt > 0 {
            tokio::time::sleep(RETRY_AFTER).await;
        }
        let answer = self.series(&query).await;
        Answer::Chart { id, line, query, attempt, answer }
    }

    pub async fn series(self, query: &SeriesQuery) -> Result<SeriesAnswer, HistoryError> {
        let query = query.clone();
        self.ask(move |history| history.series(&query)).await
    }

    pub async fn again(id: u32, line: usize, query: SeriesQuery, attempt: u32, answer: SeriesAnswer) -> Answer {
        tokio::time::sleep(RETRY_AFTER).await;
        Answer::Chart { id, line, query, attempt, answer: Ok(answer) }
    }

    pub async fn events(self, id: u32, span: (u64, u64), events_max: usize) -> Answer {
        let answer = self.ask(move |history| {
            let mut events = history.alert_events(Some(Position(span.1).next()), events_max)?;
            let complete = events.len() < events_max || events.last().is_some_and(|oldest| oldest.position.0 <= span.0);
            events.reverse();
            Ok((events, complete))
        });
        Answer::Events { id, span, answer: answer.await }
    }

    async fn ask<T: Send + 'static>(
        self,
        question: impl FnOnce(&dyn History) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let _permit = self.permits.acquire().await;
        let history = self.history;
        let asked = tokio::task::spawn_blocking(move || question(&*history));
        asked.await.unwrap_or_else(|_| Err(HistoryError::Storage("reading it was broken off".to_owned())))
    }
}
