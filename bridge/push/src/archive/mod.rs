//! History, read where blocking is allowed: by a bounded number of readers, in turns among those who ask, and only as
//! long as somebody waits for the answer.
//!
//! - [`turns`]: whose turn it is

mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::counter;
use tidegate_telemetry::history::Wanted;
use tidegate_telemetry::{History, HistoryError};

pub(crate) use turns::{Asker, Turn, Turns};

/// So many questions may wait for another history, for each that reads this one: they wait, and read little here.
const ACROSS_A_READER: usize = 16;

/// The history and the turns at it.
#[derive(Clone)]
pub(crate) struct Archive {
    history: Arc<dyn History>,
    turns: HistoryTurns,
    /// The question at hand is one that waits for another history.
    is_across: bool,
}

/// Turns at history, of one kind of asker.
#[derive(Debug, Clone)]
pub(crate) struct HistoryTurns {
    here: Arc<Turns>,
    /// For questions that another history has the older part of: nobody else waits for that one.
    across: Arc<Turns>,
}

impl HistoryTurns {
    /// `at_once` at the same time; each asker may have `waiting_max` questions waiting.
    pub fn new(from: &'static str, at_once: usize, waiting_max: usize) -> Self {
        let turns = |at_once| Turns::new(from, at_once, waiting_max);
        HistoryTurns { here: turns(at_once), across: turns(at_once.saturating_mul(ACROSS_A_READER)) }
    }

    /// Questions of an asker that wait.
    #[cfg(test)]
    pub fn waiting_of(&self, asker: Asker) -> usize {
        self.here.waiting_of(asker)
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("too many questions to the history at the same time: try again in a few seconds")]
    Busy,
    #[error(transparent)]
    Failed(#[from] HistoryError),
}

impl Archive {
    pub fn new(history: Arc<dyn History>, turns: HistoryTurns) -> Self {
        Archive { history, turns, is_across: false }
    }

    /// The same for questions about what is from a time (Unix ms) on.
    pub fn from(&self, from_ms: i64) -> Archive {
        Archive { is_across: self.history.is_across(from_ms), ..self.clone() }
    }

    /// Readings of before are not kept, Unix ms.
    pub fn kept_from_ms(&self) -> i64 {
        self.history.kept_from_ms()
    }

    /// Of what is received now (Unix ms), readings of before are not kept, Unix ms; and the key that says so.
    pub fn keeps_from_ms(&self, now_ms: i64) -> (i64, &'static str) {
        self.history.keeps_from_ms(now_ms)
    }

    /// Waits for a turn of the asker, and asks. To drop the future withdraws the question: before its turn it leaves the
    /// queue, and one that is being answered ends before its next hour.
    ///
    /// # Errors
    /// [`Unanswered`]
    pub async fn ask<T, F>(&self, asker: Asker, question: F) -> Result<T, Unanswered>
    where
        T: Send + 'static,
        F: FnOnce(&dyn History, Wanted<'_>) -> Result<T, HistoryError> + Send + 'static,
    {
        let turn = self.turn(asker).await?;
        self.read(turn, question).await
    }

    /// Waits for a turn of the asker.
    ///
    /// # Errors
    /// [`Unanswered::Busy`] when too much of the asker waits already.
    pub async fn turn(&self, asker: Asker) -> Result<Turn, Unanswered> {
        let turns = if self.is_across { &self.turns.across } else { &self.turns.here };
        turns.take(asker).await.ok_or(Unanswered::Busy)
    }

    /// Asks, in a turn; withdrawn as [`Archive::ask`] is.
    ///
    /// # Errors
    /// [`Unanswered::Failed`]
    pub async fn read<T, F>(&self, turn: Turn, question: F) -> Result<T, Unanswered>
    where
        T: Send + 'static,
        F: FnOnce(&dyn History, Wanted<'_>) -> Result<T, HistoryError> + Send + 'static,
    {
        let history = Arc::clone(&self.history);
        let (interest, from) = (Interest::default(), self.turns.here.from);
        let is_wanted = Arc::clone(&interest.0);
        // The turn goes along: who hangs up makes no room for more work than there is.
        let asked = tokio::task::spawn_blocking(move || {
            let wanted = || is_wanted.load(Ordering::Relaxed);
            let answer = if wanted() { question(&*history, &wanted) } else { Err(HistoryError::Withdrawn) };
            count(from, &answer);
            drop(turn);
            answer
        });
        let answer = asked.await;
        drop(interest);
        Ok(answer.unwrap_or_else(|_| Err(HistoryError::Storage("reading it was broken off".to_owned())))?)
    }
}

/// Somebody waits for an answer, until it is dropped.
struct Interest(Arc<AtomicBool>);

impl Default for Interest {
    fn default() -> Self {
        Interest(Arc::new(AtomicBool::new(true)))
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn count<T>(from: &'static str, answer: &Result<T, HistoryError>) {
    let outcome = match answer {
        Ok(_) => "answered",
        Err(HistoryError::Withdrawn) => "withdrawn",
        Err(_) => "failed",
    };
    counter!("tidegate_history_questions_total", "from" => from, "outcome" => outcome).increment(1);
}
