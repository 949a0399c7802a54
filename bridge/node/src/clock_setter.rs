//! When the system's clock is set: the log is told, then the new time counts. What waits is measured in time that passed, and
//! does not notice. A clock that leaps is doubted first.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tidegate_log::{AppendError, Log};
use tidegate_telemetry::{Entry, ProblemSink};
use tokio_util::sync::CancellationToken;

use crate::ages::problem;
use crate::clock::{self, ClockState, Jump};

/// How often it is looked whether it was; until then time goes on as before.
const INTERVAL: Duration = Duration::from_millis(250);

/// Sets the time for all who measure it.
pub struct ClockSetter {
    /// Where it stands.
    pub log: Arc<dyn Log>,
    /// Where people see it.
    pub problems: Arc<dyn ProblemSink>,
}

impl ClockSetter {
    /// Looks until `cancel`. While the log does not take a jump the time before goes on.
    pub async fn follow(self, cancel: CancellationToken) {
        let (mut interval, mut is_doubted) = (tokio::time::interval(INTERVAL), false);
        while cancel.run_until_cancelled(interval.tick()).await.is_some() {
            if let Some(jump) = clock::jump()
                && let Err(error) = self.set(jump)
            {
                tracing::debug!(%error, "the clock was set, which is not followed yet");
            }
            let state = clock::state();
            if std::mem::replace(&mut is_doubted, state.is_doubted) != state.is_doubted {
                self.tell_doubt(state);
            }
        }
    }

    /// The jump stands in the log before the first entry that is stamped by the new time.
    ///
    /// # Errors
    /// When the log does not take it: nothing is changed.
    pub fn set(&self, jump: Jump) -> Result<(), AppendError> {
        let set = Entry::ClockSet { at_ms: jump.at_ms, by_ms: jump.by_ms };
        let position = self.log.append(&mut vec![set])?;
        clock::follow(jump);
        let by = span(jump.by_ms);
        if jump.by_ms < 0 {
            counter!("tidegate_clock_set_back_total").increment(1);
            let detail = format!(
                "the time was set back by {by}, to the system's clock: what was received before is stamped that much too \
                 late, where devices sent no time"
            );
            tracing::warn!(%position, "{detail}");
            self.problems.report(problem(detail, jump.at_ms));
        } else {
            counter!("tidegate_clock_set_forward_total").increment(1);
            tracing::warn!(%by, %position, "the system's clock was set forward: readings get the new time, and \
                what waits goes on waiting as long as before");
        }
        Ok(())
    }

    fn tell_doubt(&self, state: ClockState) {
        if !state.is_doubted {
            tracing::warn!("the system's clock and the time agree again");
            return;
        }
        let way = if state.ahead_ms < 0 { "behind" } else { "ahead" };
        let until = state.followed_in_ms.map_or_else(
            || "it is not set, and is not followed".to_owned(),
            |in_ms| format!("it is followed when that lasts for {}, or at the next start", span(in_ms)),
        );
        let detail = format!(
            "the system's clock leapt and is {} {way} of the time that passed: {until}; until then readings are stamped \
             as if it had not",
            span(state.ahead_ms)
        );
        tracing::error!("{detail}");
        self.problems.report(problem(detail, clock::now_ms()));
    }
}

/// In days, hours, minutes and seconds, the two largest; without the sign.
fn span(ms: i64) -> String {
    let seconds = ms.unsigned_abs() / 1000;
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let words = parts[first..].iter().take(2).filter(|(count, _)| *count > 0 || first == 3);
    words.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        for (ms, words) in
            [(0, "0 s"), (7_250, "7 s"), (-90_000, "1 min 30 s"), (7_200_000, "2 h"), (34_650_000_000, "401 d 1 h")]
        {
            assert_eq!(span(ms), words);
        }
    }
}
