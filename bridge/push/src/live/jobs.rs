//! What a session has read from history while it goes on serving.

use std::future::Future;
use std::time::Duration;

use tidegate_telemetry::Position;
use tidegate_telemetry::history::{Across, AlertEvent, SeriesAnswer, SeriesQuery};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::sleep;

use crate::archive::{Archive, Asker, Unanswered};

/// Time until history is asked again, or offered again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(5);
/// So often: two seconds in all.
pub(crate) const ATTEMPTS_MAX: u32 = 400;

/// An answer, and what it was asked for.
#[derive(Debug)]
pub(crate) struct Answer {
    pub subscription: u32,
    /// Of all questions of the session; [`Questions::take`] tells whether it is still wanted.
    pub number: u64,
    pub content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Chart {
        line: usize,
        query: SeriesQuery,
        attempt: u32,
        answer: Result<Across<SeriesAnswer>, Unanswered>,
    },
    /// `Ok` with whether it is complete; oldest first.
    Events {
        span: (u64, u64),
        answer: Result<(Vec<AlertEvent>, bool), Unanswered>,
    },
}

/// Questions of a session under way.
pub(crate) struct Jobs {
    archive: Archive,
    asker: Asker,
    asked: u64,
    tasks: JoinSet<Answer>,
}

/// Questions of one subscription under way, one for each line of its chart at most. They are withdrawn when it is
/// dropped.
#[derive(Debug, Default)]
pub(crate) struct Questions(Vec<Question>);

#[derive(Debug)]
struct Question {
    number: u64,
    line: usize,
    task: AbortHandle,
}

impl Jobs {
    pub fn new(archive: Archive, asker: Asker) -> Self {
        Jobs { archive, asker, asked: 0, tasks: JoinSet::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Asks for a line of a chart; what was asked for it before is withdrawn.
    pub fn chart(
        &mut self,
        (subscription, questions): (u32, &mut Questions),
        line: usize,
        query: SeriesQuery,
        attempt: u32,
    ) {
        let (archive, asker) = (self.archive.clone(), self.asker);
        self.ask(subscription, questions, line, async move {
            if attempt > 0 {
                sleep(RETRY_AFTER).await;
            }
            let asked = query.clone();
            let archive = archive.from(asked.from_ms);
            let answer = archive.ask(asker, move |history, wanted| history.series_across(&asked, wanted)).await;
            Content::Chart { line, query, attempt, answer }
        });
    }

    /// Offers an answer for a line once more, a little later.
    pub fn again(
        &mut self,
        (subscription, questions): (u32, &mut Questions),
        line: usize,
        query: SeriesQuery,
        attempt: u32,
        answer: Across<SeriesAnswer>,
    ) {
        self.ask(subscription, questions, line, async move {
            sleep(RETRY_AFTER).await;
            Content::Chart { line, query, attempt, answer: Ok(answer) }
        });
    }

    /// Asks for the changes of alerts after a position up to another, `events_max` at most.
    pub fn events(&mut self, (subscription, questions): (u32, &mut Questions), span: (u64, u64), events_max: usize) {
        let (archive, asker) = (self.archive.clone(), self.asker);
        self.ask(subscription, questions, 0, async move {
            let answer = archive.ask(asker, move |history, _| {
                let mut events = history.alert_events(Some(Position(span.1).next()), events_max)?;
                let is_before = |oldest: &AlertEvent| oldest.position.0 <= span.0;
                let complete = events.len() < events_max || events.last().is_some_and(is_before);
                events.reverse();
                Ok((events, complete))
            });
            Content::Events { span, answer: answer.await }
        });
    }

    fn ask(
        &mut self,
        subscription: u32,
        questions: &mut Questions,
        line: usize,
        question: impl Future<Output = Content> + Send + 'static,
    ) {
        self.asked += 1;
        let number = self.asked;
        let task = self.tasks.spawn(async move { Answer { subscription, number, content: question.await } });
        questions.0.retain(|before| before.line != line);
        questions.0.push(Question { number, line, task });
    }

    /// An answer that is there already. Forgets questions that were withdrawn: call it often.
    pub fn ready(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = given(self.tasks.try_join_next()?) {
                return Some(answer);
            }
        }
    }

    /// The next answer, when there is one. Nothing is lost when the future is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Answer> {
        given(self.tasks.join_next().await?)
    }
}

impl Questions {
    /// Whether an answer is to one of these; it is under way no longer.
    pub fn take(&mut self, number: u64) -> bool {
        let before = self.0.len();
        self.0.retain(|question| question.number != number);
        self.0.len() < before
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `None` for a question that was withdrawn.
fn given(answer: Result<Answer, JoinError>) -> Option<Answer> {
    answer.ok()
}
