//! The store follows the changes of the fleet.

use tidegate_follow::{Changes, FlushError, Flushing, Followed, Follower, Refused};
use tidegate_telemetry::Reason;

use crate::memory::TooOld;
use crate::store::Flush;
use crate::store::Store;

impl Follower for Store {
    fn position(&self) -> Option<Followed> {
        Some(Followed { position: self.flushed(), ..Followed::NOTHING })
    }

    fn apply(&mut self, changes: &Changes, refused: &mut Vec<Refused>) {
        let too_old = self.apply_all(changes.entries().map(|(position, _, changes)| (position, changes)));
        refused.extend(too_old.iter().map(|it| Refused {
            position: it.position,
            reason: Reason::OlderThanRetention,
            detail: detail(it),
        }));
    }

    fn flush(&mut self, through: Followed) -> Option<Box<dyn Flushing>> {
        Some(Box::new(self.seal(through.position)))
    }

    fn wants_flush(&self) -> bool {
        Store::wants_flush(self)
    }
}

impl Flushing for Flush {
    fn run(&mut self) -> Result<(), FlushError> {
        let report = Flush::run(self)?;
        tracing::debug!(?report, "flushed");
        Ok(())
    }
}

/// What was refused, and what to do, for people.
fn detail(refused: &TooOld) -> String {
    let TooOld { device, time_ms, kept_from_ms, for_bytes, values, .. } = refused;
    let limit = if *for_bytes { "store.retention_bytes" } else { "store.retention_age_days" };
    let more = if *values > 1 { format!(" ({values} values in this publication)") } else { String::new() };
    format!(
        "device {device:?} gave the time {}{more}, and history keeps what is of {} or later ({limit}): its newest values \
         are shown, but are in no chart; set its clock, or raise the limit",
        rfc3339(*time_ms),
        rfc3339(*kept_from_ms)
    )
}

fn rfc3339(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms).map_or_else(|_| format!("{unix_ms} ms"), |time| format!("{time:.0}"))
}
