//! History on its way into a view: buckets of charts, events of alerts.

use std::sync::Arc;

use tidegate_telemetry::AlertState;
use tidegate_telemetry::history::{AlertEvent, Seam, SeriesAnswer, SeriesQuery};

use super::Seeded;
use crate::subscriber::{Lane, SubscriberId};
use crate::subscription::{SeriesLine, Subscription, View};
use crate::views::Views;

impl Views {
    /// History that a chart waits for. Ask it where blocking is allowed, and hand the answers to [`Views::seed`].
    #[must_use]
    pub fn wanted_history(&self, subscription: &Subscription) -> Vec<(usize, SeriesQuery)> {
        let View::Series(view) = &subscription.view else { return Vec::new() };
        let waiting = view.lines.iter().enumerate().filter(|(_, line)| line.waiting);
        let query = |line: &SeriesLine| {
            let row = self.rows.get_any(line.key.row)?;
            let metric = &row.columns.get(usize::from(line.key.column))?.name;
            Some(SeriesQuery {
                device: Arc::clone(&row.id),
                metric: Arc::clone(metric),
                from_ms: view.from_ms,
                to_ms: line.key.closed.map_or(i64::MAX, |(_, to_ms)| to_ms),
                rung: view.rung,
            })
        };
        waiting.filter_map(|(index, line)| Some((index, query(line)?))).collect()
    }

    /// Puts an answer of history into a chart: `line` and `query` are one of [`Views::wanted_history`].
    pub fn seed(
        &mut self,
        subscription: &mut Subscription,
        line: usize,
        query: &SeriesQuery,
        answer: &SeriesAnswer,
    ) -> Seeded {
        let View::Series(view) = &mut subscription.view else { return Seeded::Done };
        if answer.through.0 > self.version {
            return Seeded::ViewsBehind;
        }
        // The window may have been changed while history was read: that answer is nobody's.
        let fits = query.from_ms == view.from_ms && query.rung == view.rung;
        let Some(line) = view.lines.get_mut(line).filter(|line| fits && line.waiting) else { return Seeded::Done };
        let seeded = self.charts.seed(line.key, view.from_ms, answer, self.now_ms);
        if !seeded {
            return Seeded::HistoryBehind;
        }
        line.waiting = false;
        if view.lines.iter().all(|line| !line.waiting) {
            subscription.phase.end_waiting();
        }
        Seeded::Done
    }

    /// Where the history of a line of a chart is from, after [`Views::seed`] took it; names whom that concerns.
    pub fn tell_seam(
        &mut self,
        subscription: &Subscription,
        line: usize,
        seam: &Seam,
        dirty: &mut impl FnMut(SubscriberId, Lane),
    ) {
        let View::Series(view) = &subscription.view else { return };
        if let Some(line) = view.lines.get(line) {
            self.charts.tell_seam(line.key, seam, &mut |watcher| dirty(watcher, Lane::Views));
        }
    }

    /// Gives the events that [`Frame::WantsEvents`](crate::Frame::WantsEvents) asked for, oldest first; `complete` when
    /// none since the client's position is missing.
    /// Without them the client gets a receipt for a snapshot.
    pub fn supply_events(
        &mut self,
        subscription: &mut Subscription,
        (after, through): (u64, u64),
        events: Vec<AlertEvent>,
        complete: bool,
    ) {
        let View::Alerts(view) = &mut subscription.view else { return };
        if !complete {
            return self.restart_with_gap(subscription);
        }
        let is_told_alone = |event: &AlertEvent| {
            let held = self.alerts.get(&event.alert.id);
            event.alert.state == AlertState::Acknowledged || held.is_none_or(|alert| alert.burst.is_none())
        };
        let wanted = |event: &AlertEvent| {
            event.position.0 > after
                && event.position.0 <= through
                && view.scope.has(&event.alert)
                && is_told_alone(event)
        };
        let wanted: Vec<AlertEvent> = events.into_iter().filter(wanted).collect();
        view.supplied.extend(wanted);
        view.receipt = Some((after, through));
        view.events_from = through;
    }
}
