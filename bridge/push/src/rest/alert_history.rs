//! Alerts that only history knows. Blocking: belongs into [`super::archive::Archive::ask`].

use tidegate_telemetry::history::AlertEvent;
use tidegate_telemetry::{AlertState, History, HistoryError, Position};
use tidegate_views::read::AlertObject;

use super::alerts::{Alerts, Cursor};

/// Changes read from history at a time.
const BATCH: usize = 512;
/// Changes looked at for one page; a page that finds few among so many ends early and names where to go on.
const SCANNED_MAX: usize = 65_536;

/// Adds `wanted` alerts in the order they cleared, last first, until the page has `limit`.
///
/// Every alert clears once, so each is found once, in its final state, whatever happened between two pages.
pub fn fill_with_cleared(
    history: &dyn History,
    page: &mut Alerts,
    start: Option<(Position, usize)>,
    limit: usize,
    wanted: impl Fn(&AlertObject) -> bool,
) -> Result<(), HistoryError> {
    let (mut at, mut seen_there) = (Position::START, 0);
    let mut scanned = 0;
    each_event(history, start.map(|(position, _)| position.next()), |event| {
        if event.position != at {
            (at, seen_there) = (event.position, 0);
        }
        if page.alerts.len() >= limit || scanned >= SCANNED_MAX {
            page.next = Some(Cursor::Cleared(at, seen_there));
            return false;
        }
        (seen_there, scanned) = (seen_there + 1, scanned + 1);
        let given_before = start.is_some_and(|(position, skipped)| position == at && seen_there <= skipped);
        if event.alert.state == AlertState::Cleared && !given_before {
            page.alerts.extend(Some(AlertObject::from(&event.alert)).filter(&wanted));
        }
        true
    })
}

/// Whether history knows the alert. Its identifier, `a-<position>-<n>`, says where it was raised.
pub fn was_raised(history: &dyn History, id: &str) -> Result<bool, HistoryError> {
    let position = id.strip_prefix("a-").and_then(|rest| rest.split('-').next()?.parse().ok()).map(Position);
    let Some(position) = position.filter(|position| position.0 < u64::MAX) else { return Ok(false) };
    let mut found = false;
    each_event(history, Some(position.next()), |event| {
        found = event.position == position && *event.alert.id == *id;
        event.position == position && !found
    })?;
    Ok(found)
}

/// Shows `look` every change before `before`, newest first, until it answers `false`.
///
/// One entry of the log may change many alerts. History goes on before a position, not within one, so a batch that
/// may have ended within one leaves its last position to the next batch.
fn each_event(
    history: &dyn History,
    mut before: Option<Position>,
    mut look: impl FnMut(AlertEvent) -> bool,
) -> Result<(), HistoryError> {
    let mut batch = BATCH;
    loop {
        let mut events = history.alert_events(before, batch)?;
        let is_last = events.len() < batch;
        if let Some(oldest) = events.last().map(|event| event.position).filter(|_| !is_last) {
            events.retain(|event| event.position > oldest);
            before = Some(oldest.next());
        }
        batch = if events.is_empty() { batch.saturating_mul(2) } else { BATCH };
        if !events.into_iter().all(&mut look) || is_last {
            return Ok(());
        }
    }
}
