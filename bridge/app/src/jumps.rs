//! When the system's clock is set forward: who measures time is told, then the new time counts.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tidegate_broker::SessionStore;
use tidegate_log::Log;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// How often it is looked whether it was; until then time goes on as before.
const INTERVAL: Duration = Duration::from_millis(250);

/// Looks until `cancel`. The jump stands in the log before the first entry that is stamped by the new time. While the log
/// does not take it the time before goes on.
pub async fn follow(log: Arc<dyn Log>, sessions: SessionStore, cancel: CancellationToken) {
    let followed = counter!("tidegate_clock_set_forward_total");
    let mut interval = tokio::time::interval(INTERVAL);
    while cancel.run_until_cancelled(interval.tick()).await.is_some() {
        let Some(jump) = clock::jump() else { continue };
        match sessions.set_clock(log.as_ref(), jump.at_ms, jump.by_ms) {
            Ok(position) => {
                clock::follow(jump);
                followed.increment(1);
                let by = Duration::from_millis(jump.by_ms.unsigned_abs());
                tracing::warn!(?by, %position, "the system's clock was set forward: readings get the new time, and what waits goes on waiting as long as before");
            }
            Err(error) => tracing::debug!(%error, "the clock was set forward, which is not followed yet"),
        }
    }
}
