//! Alerts that only history knows. Blocking: belongs into [`super::archive::RequestArchive::ask`].

use std::sync::Arc;

use tidegate_telemetry::history::{AlertEvent, Wanted};
use tidegate_telemetry::{AlertChange, AlertState, History, HistoryError, Position};

use super::alert_page::{Alerts, Cursor};
use crate::api::Alert;

/// Changes read from history at a time.
const BATCH: usize = 512;
/// Changes looked at for one page; a page that finds few among so many ends early and names where to go on.
const SCANNED_MAX: usize = 65_536;

/// Adds `wanted` alerts in the order they cleared, last first, until the page has `limit`.
///
/// Every alert clears once, so each is found once, in its final state, whatever happened between two pages.
pub fn fill_with_cleared(
    history: (&dyn History, Wanted<'_>),
    page: &mut Alerts,
    start: Option<(Position, usize)>,
    limit: usize,
    wanted: impl Fn(&AlertChange) -> bool,
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
        seen_there += 1;
        if start.is_some_and(|(position, skipped)| position == at && seen_there <= skipped) {
            return true;
        }
        scanned += 1;
        if event.alert.state == AlertState::Cleared {
            page.alerts.extend(Some(event.alert).filter(&wanted).map(|alert| Alert(Arc::new(alert))));
        }
        true
    })
}

/// Whether history knows the alert. Its identifier, `a-<position>-<n>`, says where it was raised.
pub fn was_raised(history: (&dyn History, Wanted<'_>), id: &str) -> Result<bool, HistoryError> {
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
    (history, wanted): (&dyn History, Wanted<'_>),
    mut before: Option<Position>,
    mut look: impl FnMut(AlertEvent) -> bool,
) -> Result<(), HistoryError> {
    let mut batch = BATCH;
    loop {
        if !wanted() {
            return Err(HistoryError::Withdrawn);
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tidegate_telemetry::Severity;
    use tidegate_telemetry::history::{
        ProblemGroup, ReadingsPage, ReadingsQuery, SeriesAnswer, SeriesQuery, StoreStats,
    };

    use super::*;

    /// Positions of changes, newest first.
    struct Changes(Vec<u64>);

    impl History for Changes {
        fn alert_events(&self, before: Option<Position>, limit: usize) -> Result<Vec<AlertEvent>, HistoryError> {
            let earlier = self.0.iter().filter(|&&at| before.is_none_or(|before| at < before.0));
            Ok(earlier.take(limit).map(|&at| cleared(at)).collect())
        }

        fn readings(&self, _: &ReadingsQuery, _: Wanted<'_>) -> Result<ReadingsPage, HistoryError> {
            unreachable!("only alerts are asked for")
        }

        fn series(&self, _: &SeriesQuery, _: Wanted<'_>) -> Result<SeriesAnswer, HistoryError> {
            unreachable!("only alerts are asked for")
        }

        fn has_device(&self, _: &str) -> bool {
            unreachable!("only alerts are asked for")
        }

        fn names(&self, _: usize, _: usize) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
            unreachable!("only alerts are asked for")
        }

        fn problems(&self, _: usize) -> (Vec<ProblemGroup>, u64) {
            unreachable!("only alerts are asked for")
        }

        fn stats(&self) -> StoreStats {
            unreachable!("only alerts are asked for")
        }
    }

    fn cleared(at: u64) -> AlertEvent {
        let name: Arc<str> = "x".into();
        let alert = AlertChange {
            id: format!("a-{at}-0").into(),
            rule: Arc::clone(&name),
            severity: Severity::Info,
            device_id: Arc::clone(&name),
            group: Arc::clone(&name),
            metric: None,
            words: name,
            condition: None,
            unit: None,
            decimals: None,
            state: AlertState::Cleared,
            value: None,
            raised_ms: 0,
            acknowledged: None,
            cleared_ms: Some(0),
            raised_value: None,
            peak: None,
            comment: None,
            unacknowledged: None,
        };
        AlertEvent { position: Position(at), at_ms: 0, alert }
    }

    #[test]
    fn changes_that_one_entry_caused_are_never_parted() {
        for at_once in [1, 2, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH] {
            let positions: Vec<u64> = [3, 2, 1].into_iter().flat_map(|at| vec![at; at_once]).collect();
            let mut seen = Vec::new();
            let look = |event: AlertEvent| {
                seen.push(event.position.0);
                true
            };
            each_event((&Changes(positions.clone()), &|| true), None, look).unwrap();
            assert_eq!(seen, positions, "{at_once} at once");
        }
    }

    #[test]
    fn a_page_that_finds_nothing_among_many_ends_and_says_where_to_go_on() {
        let many = (1..=SCANNED_MAX as u64 + 10).rev().collect();
        let (mut page, history) = (Alerts::default(), Changes(many));
        fill_with_cleared((&history, &|| true), &mut page, None, 5, |_| false).unwrap();
        assert_eq!(page.next, Some(Cursor::Cleared(Position(10), 0)));
        page.next = None;
        fill_with_cleared((&history, &|| true), &mut page, Some((Position(10), 0)), 50, |_| true).unwrap();
        assert_eq!((page.alerts.len(), page.next), (10, None));
    }
}
