//! What the log has no more, from history.

use smallvec::smallvec;
use tidegate_follow::{Changes, Followed, Names};
use tidegate_telemetry::history::{AlertEvent, ReadingsCursor, ReadingsQuery};
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, History, HistoryError, MetricIndex, TimeOrigin,
    Value,
};

/// Readings of one answer.
const PAGE: usize = 4_096;

/// Tells of every series in `names` what is from the receipt of `from` to that of `to`, then what happened to alerts, all
/// at `to`. Readings have the time that they are kept with; one that came late and is of before is not among them.
/// `tell` says whether to go on.
///
/// # Errors
/// When history cannot be read.
pub fn refill(
    history: &dyn History,
    names: &Names,
    (from, to): (Followed, Followed),
    tell: &mut dyn FnMut(&Changes) -> bool,
) -> Result<(), HistoryError> {
    for (device, metric, id, name) in names.iter() {
        let (mut next, mut before_ms) = (Some(ReadingsCursor::from(from.received_ms)), None);
        while let Some(from) = next {
            let (device_id, metric_name, to_ms) = (id.clone(), name.clone(), to.received_ms.saturating_add(1));
            let query = ReadingsQuery { device: device_id, metric: metric_name, from, to_ms, limit: PAGE };
            let page = history.readings(&query, &|| true)?;
            let readings = page.points.into_iter().map(|point| {
                let is_new = before_ms.replace(point.0) != Some(point.0);
                reading((device, metric), point, is_new)
            });
            let readings = readings.collect();
            if !tell(&Changes::at(to, readings)) {
                return Ok(());
            }
            next = page.next;
        }
    }
    let alerts = alerts(history, (from, to))?;
    tell(&Changes::at(to, alerts.into_iter().map(|event| Change::Alert(event.alert)).collect()));
    Ok(())
}

/// `is_new`: it is the first of its time.
fn reading((device, metric): (DeviceIndex, MetricIndex), (time_ms, value): (i64, Value), is_new: bool) -> Change {
    let cells = smallvec![AppliedCell { metric, value, latest: false, is_new }];
    let (origin, class) = (TimeOrigin::Device, DeliveryClass::Latest);
    Change::Reading(AppliedReading { device, time_ms, origin, received_ms: time_ms, class, cells })
}

/// What happened to alerts after one entry and up to another, oldest first.
fn alerts(history: &dyn History, (from, to): (Followed, Followed)) -> Result<Vec<AlertEvent>, HistoryError> {
    let (mut events, mut before) = (Vec::new(), Some(to.position.next()));
    while let Some(position) = before {
        let page = history.alert_events(Some(position), PAGE)?;
        before = page.last().map(|event| event.position).filter(|position| *position > from.position);
        events.extend(page.into_iter().filter(|event| event.position > from.position));
    }
    events.reverse();
    Ok(events)
}
