//! What history answered goes into the view that asked.

use tidegate_telemetry::history::Across;
use tidegate_views::Seeded;

use super::Session;
use crate::live::jobs::{ATTEMPTS_MAX, Answer, Content};
use crate::live::message::{Code, ErrorMessage};
use crate::live::transport::{Gone, Transport};

impl<T: Transport> Session<T> {
    pub(super) async fn take_answer(&mut self, answer: Answer) -> Result<(), Gone> {
        let Answer { subscription: id, number, content } = answer;
        let Some(open) = self.subscriptions.iter_mut().find(|open| open.subscription.id() == id) else { return Ok(()) };
        // Its number may be another subscription's by now, and its window another.
        if !open.questions.take(number) {
            return Ok(());
        }
        match content {
            Content::Chart { line, query, attempt, answer } => {
                let answer = match answer {
                    Ok(answer) => answer,
                    Err(error) => return self.give_up(id, error.to_string()).await,
                };
                let Across { answer: buckets, seam } = &answer;
                let seeded = self.hub.write(|views| views.seed(&mut open.subscription, line, &query, buckets));
                if let (Seeded::Done, Some(seam)) = (&seeded, seam) {
                    let now_ms = self.hub.now_ms();
                    self.hub.change(|views, marks| {
                        let mut mark = |subscriber, lane| marks.mark(subscriber, lane, now_ms);
                        views.tell_seam(&open.subscription, line, seam, &mut mark);
                    });
                }
                open.dirty = true;
                let asking = (id, &mut open.questions);
                match seeded {
                    Seeded::Done => {}
                    _ if attempt >= ATTEMPTS_MAX => {
                        return self.give_up(id, "history is behind; try again".to_owned()).await;
                    }
                    Seeded::HistoryBehind => self.jobs.chart(asking, line, query, attempt + 1),
                    Seeded::ViewsBehind => self.jobs.again(asking, line, query, attempt + 1, answer),
                }
            }
            Content::Events { span, answer } => {
                // Without the store the client is told that it gets a snapshot instead.
                let (events, complete) = answer.unwrap_or((Vec::new(), false));
                self.hub.write(|views| views.supply_events(&mut open.subscription, span, events, complete));
                (open.dirty, open.reading) = (true, false);
            }
        }
        Ok(())
    }

    async fn give_up(&mut self, id: u32, message: String) -> Result<(), Gone> {
        if self.unsubscribe(id).is_ok() {
            let mut error = ErrorMessage::new(Code::View, Some(id), message);
            (error.retry, error.retry_after_ms) = (true, Some(1_000));
            self.say_error(error).await?;
        }
        Ok(())
    }
}
