//! The alerts that hold and the newest that cleared: raised, acknowledged, cleared, forgotten.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_settings::millis;
use tidegate_telemetry::{AlertChange, AlertState, Change, Position, Severity};

use crate::config::ProcessConfig;
use crate::output::Output;
use crate::shelves::Shelves;
use crate::time::{Moment, Time};

/// Identity of an alert: the entry that raised it, and its number among those raised there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AlertKey {
    position: u64,
    number: u32,
}

/// An alert that is cleared. In checkpoints the beginning of it is the alert's key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cleared {
    position: u64,
    number: u32,
    /// When; programs that did not count the time that passed said it in the alert alone.
    #[serde(default)]
    at: Option<Moment>,
}

impl Cleared {
    pub(crate) fn new(AlertKey { position, number }: AlertKey, at: Moment) -> Self {
        Cleared { position, number, at: Some(at) }
    }

    fn key(self) -> AlertKey {
        AlertKey { position: self.position, number: self.number }
    }
}

/// Active and recent alerts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alerts {
    alerts: Shelves<AlertKey, AlertChange>,
    /// Those that are cleared, in that order.
    cleared: VecDeque<Cleared>,
    next: Option<AlertKey>,
}

impl AlertKey {
    fn id(self) -> Arc<str> {
        format!("a-{}-{}", self.position, self.number).into()
    }

    fn parse(id: &str) -> Option<AlertKey> {
        let (position, number) = id.strip_prefix("a-")?.split_once('-')?;
        let key = AlertKey { position: position.parse().ok()?, number: number.parse().ok()? };
        (*key.id() == *id).then_some(key)
    }
}

impl Alerts {
    /// As a checkpoint had them.
    pub(crate) fn of(alerts: Shelves<AlertKey, AlertChange>, mut cleared: VecDeque<Cleared>) -> Self {
        for cleared in cleared.iter_mut().filter(|cleared| cleared.at.is_none()) {
            cleared.at = alerts.get(&cleared.key()).and_then(|alert| alert.cleared_ms).map(Moment);
        }
        Alerts { alerts, cleared, next: None }
    }

    /// All of them, and those that are cleared in that order: what a checkpoint has.
    pub(crate) fn parts(&self) -> (&Shelves<AlertKey, AlertChange>, &VecDeque<Cleared>) {
        (&self.alerts, &self.cleared)
    }

    /// From here on alerts are raised by the entry at `position`.
    pub(crate) fn begin(&mut self, position: Position) {
        self.next = Some(AlertKey { position: position.0, number: 0 });
    }

    /// Raises an alert; its identifier is set here.
    pub(crate) fn raise(&mut self, mut alert: AlertChange, output: &mut Output) -> AlertKey {
        let next = self.next.as_mut().expect("begin() comes before every entry");
        let key = *next;
        next.number += 1;
        alert.id = key.id();
        self.alerts.push(key, alert.clone());
        output.changes.push(Change::Alert(alert));
        output.counts.alerts_raised += 1;
        key
    }

    /// A value came while it holds.
    pub(crate) fn hold(
        &mut self,
        key: AlertKey,
        value: f64,
        is_beyond: impl Fn(f64, f64) -> bool,
        output: &mut Output,
    ) {
        let is_peak = |alert: &AlertChange| alert.peak.is_none_or(|peak| is_beyond(value, peak));
        if self.alerts.get(&key).is_some_and(is_peak)
            && let Some(alert) = self.alerts.get_mut(&key)
        {
            alert.peak = Some(value);
            output.changes.push(Change::AlertPeak(alert.clone()));
        }
    }

    /// Whose alert it was, and how grave, if there was one.
    pub(crate) fn clear(
        &mut self,
        key: AlertKey,
        value: Option<f64>,
        at_ms: i64,
        time: &Time,
        config: &ProcessConfig,
        output: &mut Output,
    ) -> Option<(Arc<str>, Severity)> {
        let alert = self.alerts.get_mut(&key)?;
        let whose = (alert.device_id.clone(), alert.severity);
        alert.state = AlertState::Cleared;
        alert.cleared_ms = Some(at_ms);
        alert.value = value;
        output.changes.push(Change::Alert(alert.clone()));
        output.counts.alerts_cleared += 1;
        let at = time.moment_at(at_ms);
        self.cleared.push_back(Cleared::new(key, at));
        self.forget_old(at, config);
        Some(whose)
    }

    /// Takes an alert on. The first one in the log wins; whatever comes later changes nothing.
    pub(crate) fn acknowledge(&mut self, id: &str, by: &str, comment: Option<&str>, at_ms: i64, output: &mut Output) {
        let alert = AlertKey::parse(id).and_then(|key| self.alerts.get_mut(&key));
        let Some(alert) = alert.filter(|alert| alert.state == AlertState::Raised) else {
            output.counts.acknowledgements_ignored += 1;
            return;
        };
        alert.state = AlertState::Acknowledged;
        alert.acknowledged = Some((at_ms, by.into()));
        (alert.comment, alert.unacknowledged) = (comment.map(Arc::from), None);
        output.changes.push(Change::Alert(alert.clone()));
        output.counts.acknowledgements += 1;
    }

    /// Takes an acknowledgement back, whosever it was; of an alert that nobody took on it changes nothing.
    pub(crate) fn unacknowledge(&mut self, id: &str, by: &str, at_ms: i64, output: &mut Output) {
        let alert = AlertKey::parse(id).and_then(|key| self.alerts.get_mut(&key));
        let Some(alert) = alert.filter(|alert| alert.state == AlertState::Acknowledged) else {
            output.counts.acknowledgements_ignored += 1;
            return;
        };
        alert.state = AlertState::Raised;
        (alert.acknowledged, alert.comment, alert.unacknowledged) = (None, None, Some((at_ms, by.into())));
        output.changes.push(Change::Alert(alert.clone()));
        output.counts.acknowledgements_taken_back += 1;
    }

    /// Nothing is known of a device's alerts any more.
    pub(crate) fn erase(&mut self, device: &str) {
        let of_device = self.alerts.iter().filter(|(_, alert)| *alert.device_id == *device);
        for key in of_device.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.alerts.remove(&key);
        }
        let Alerts { alerts, cleared, .. } = self;
        cleared.retain(|cleared| alerts.get(&cleared.key()).is_some());
    }

    /// Whether there is one of a device.
    pub(crate) fn names(&self, device: &str) -> bool {
        self.alerts.iter().any(|(_, alert)| *alert.device_id == *device)
    }

    pub(crate) fn get(&self, key: AlertKey) -> Option<&AlertChange> {
        self.alerts.get(&key)
    }

    /// Whose alerts hold, and how grave they are.
    pub(crate) fn active(&self) -> impl Iterator<Item = (&Arc<str>, Severity)> {
        let active = self.alerts.iter().filter(|(_, alert)| alert.cleared_ms.is_none());
        active.map(|(_, alert)| (&alert.device_id, alert.severity))
    }

    /// What is cleared was so by `at_ms` (Unix ms) at the latest.
    pub(crate) fn show_none_cleared_after(&mut self, at_ms: i64) {
        for cleared in &self.cleared {
            let cleared_ms = self.alerts.get_mut(&cleared.key()).and_then(|alert| alert.cleared_ms.as_mut());
            cleared_ms.into_iter().for_each(|cleared_ms| *cleared_ms = at_ms.min(*cleared_ms));
        }
    }

    /// Every active alert, and those cleared lately, oldest first.
    pub(crate) fn changes(&self, now: Moment, config: &ProcessConfig) -> impl Iterator<Item = Change> {
        let since = now.minus(millis(config.alerts_recent));
        let old: BTreeSet<AlertKey> =
            self.cleared.iter().filter(|cleared| cleared.at.is_none_or(|at| at < since)).map(|of| of.key()).collect();
        let shown = self.alerts.iter().filter(move |(key, _)| !old.contains(key));
        shown.map(|(_, alert)| Change::Alert(alert.clone()))
    }

    /// Active alerts that are none of `known`: their rule is gone.
    pub(crate) fn orphans(&self, known: &BTreeSet<AlertKey>) -> Vec<AlertKey> {
        let active = self.alerts.iter().filter(|(_, alert)| alert.cleared_ms.is_none());
        active.map(|(key, _)| *key).filter(|key| !known.contains(key)).collect()
    }

    fn forget_old(&mut self, now: Moment, config: &ProcessConfig) {
        let since = now.minus(millis(config.alerts_recent));
        while let Some(cleared) = self.cleared.front() {
            let old = cleared.at.is_none_or(|at| at < since);
            if !old && self.cleared.len() <= config.alerts_recent_max {
                return;
            }
            self.alerts.remove(&cleared.key());
            self.cleared.pop_front();
        }
    }
}
