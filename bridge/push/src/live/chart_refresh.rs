//! What readings alone cannot keep right of open charts is read from history again.
//!
//! One task for all charts asks one question at a time, so that it takes little from those who open charts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegate_telemetry::History;
use tidegate_telemetry::history::Across;
use tidegate_views::{Seeded, UncertainBuckets, Views};
use tokio::time::{Instant, sleep};

use super::jobs::{ATTEMPTS_MAX, RETRY_AFTER};
use crate::archive::{Archive, Asker};
use crate::live::hub::Hub;

/// Has the task run from now on, if it does not yet.
pub(crate) fn begin(hub: &Arc<Hub>, history: &Arc<dyn History>) {
    if !hub.refreshes_charts.swap(true, Ordering::SeqCst) {
        hub.tasks.spawn(run(Arc::clone(hub), Arc::clone(history)));
    }
}

/// Runs until sessions are told to go.
async fn run(hub: Arc<Hub>, history: Arc<dyn History>) {
    let archive = Archive::new(history, hub.turns.clone());
    tokio::select! {
        biased;
        () = hub.closing.cancelled() => {}
        () = refresh_all(&hub, &archive) => {}
    }
}

/// Each chart once in a round. Between two rounds there is a pause, at least as long as the round was.
async fn refresh_all(hub: &Hub, archive: &Archive) {
    let interval = hub.config.chart_mend_interval;
    let mut is_told = false;
    loop {
        hub.uncertain.notified().await;
        let (began, mut fails) = (Instant::now(), false);
        let charts = hub.read(Views::uncertain_charts);
        for _ in 0..charts {
            let Some(buckets) = hub.write(Views::next_uncertain) else { break };
            if let Err(why) = refresh(hub, archive, &buckets).await {
                hub.write(|views| views.leave_uncertain(&buckets));
                hub.meters.chart_refresh_failures.increment(1);
                fails = true;
                if !std::mem::replace(&mut is_told, true) {
                    let device = &*buckets.query.device;
                    tracing::warn!(device, why, "a correction is not shown in an open chart yet; tried again");
                }
            }
        }
        if charts > 0 {
            is_told &= fails;
            sleep(interval.max(began.elapsed())).await;
        }
        if fails {
            // Nothing else may come that would wake it.
            hub.uncertain.notify_one();
        }
    }
}

async fn refresh(hub: &Hub, archive: &Archive, buckets: &UncertainBuckets) -> Result<(), String> {
    for _ in 0..ATTEMPTS_MAX {
        let query = buckets.query.clone();
        let archive = archive.from(query.from_ms);
        let answer = archive.ask(Asker::ChartRefresh, move |history, wanted| history.series_across(&query, wanted));
        let answer = answer.await;
        let Across { answer, seam } = answer.map_err(|error| error.to_string())?;
        if let Some(why) = seam.as_ref().and_then(|seam| seam.missing.as_deref()) {
            return Err(why.to_owned());
        }
        let now_ms = hub.now_ms();
        let refreshed = hub.change(|views, marks| {
            let mut mark = |subscriber, lane| marks.mark(subscriber, lane, now_ms);
            let refreshed = views.refresh(buckets, &answer, &mut mark);
            if let (Seeded::Done, Some(seam)) = (&refreshed, &seam) {
                views.refreshed_across(buckets, seam, &mut mark);
            }
            refreshed
        });
        match refreshed {
            Seeded::Done => {
                hub.meters.chart_refreshes.increment(1);
                return Ok(());
            }
            Seeded::HistoryBehind | Seeded::ViewsBehind => sleep(RETRY_AFTER).await,
        }
    }
    Err("history is behind".to_owned())
}
