//! Rules of silence begin to wait for a device that was never heard, raise, and stop waiting when it speaks.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_telemetry::{AlertChange, AlertState, DeviceIndex};

use crate::deadlines::Waiting;
use crate::output::Output;
use crate::process::Process;
use crate::time::Moment;
use crate::unheard::Wait;

impl Process {
    /// At the start: rules that wait go on waiting, and those that came begin with the first entry, which brings the time.
    pub(crate) fn go_on_waiting(&mut self) {
        let named: BTreeMap<u16, Arc<str>> = self.rules.named().collect();
        let mut unheard = std::mem::take(&mut self.state.unheard);
        unheard.retain(|rule, wait| named.get(rule).is_some_and(|device| *device == wait.device) && self.waits(*rule));
        unheard.iter().for_each(|(rule, wait)| self.wake_for(*rule, wait));
        self.waits_to_begin =
            named.into_keys().filter(|rule| !unheard.contains_key(rule) && self.waits(*rule)).collect();
        self.state.unheard = unheard;
    }

    /// Rules that came with this start begin to wait.
    pub(crate) fn begin_to_wait(&mut self) {
        for rule in std::mem::take(&mut self.waits_to_begin) {
            self.wait_from(rule, self.state.time.moment());
        }
    }

    /// After a device came, moved, got metrics or was forgotten: rules that name it may wait for it, or not any more.
    pub(crate) fn settle_waits(&mut self, device: &str, now_ms: i64, output: &mut Output) {
        for rule in self.rules.naming(device) {
            match (self.waits(rule), self.state.unheard.contains_key(&rule)) {
                (true, false) => self.wait_from(rule, self.state.time.moment_at(now_ms)),
                (false, true) => self.end_wait(rule, now_ms, output),
                _ => {}
            }
        }
    }

    /// A rule has waited for long enough; whether it raised.
    pub(crate) fn fire_wait(&mut self, at: Moment, rule: u16, output: &mut Output) -> bool {
        let Some(wait) = self.state.unheard.get(&rule).filter(|wait| wait.alert.is_none()) else { return false };
        let alert = self.alert_of_wait(rule, &wait.device, self.state.time.shown_ms(at));
        let key = self.begin_alert(alert, output);
        if let Some(wait) = self.state.unheard.get_mut(&rule) {
            wait.alert = Some(key);
        }
        true
    }

    /// How many alerts hold for a device that comes, by severity: rules waited for it, or its rule is gone.
    pub(crate) fn alerts_of_newcomer(&self, id: &str) -> [u32; 3] {
        let waits = self.rules.naming(id).into_iter().filter_map(|rule| self.state.unheard.get(&rule)?.alert);
        let mut alerts = [0; 3];
        for alert in waits.chain(self.orphans.iter().copied()).filter_map(|key| self.state.alerts.get(key)) {
            alerts[alert.severity as usize] += u32::from(*alert.device_id == *id);
        }
        alerts
    }

    /// Whether a rule that names a device has nothing of it to look at.
    fn waits(&self, rule: u16) -> bool {
        let rule_now = &self.rules.get(rule).rule;
        let device = rule_now.device.as_deref().and_then(|id| self.state.fleet.get(self.state.fleet.find(id)?));
        device.is_none_or(|device| {
            rule_now.selects(&device.id, &device.group)
                && !device.rule_states.iter().any(|rule_state| rule_state.rule == rule)
        })
    }

    /// A rule waits no longer.
    pub(crate) fn end_wait(&mut self, rule: u16, now_ms: i64, output: &mut Output) {
        if let Some(alert) = self.take_wait(rule).and_then(|wait| wait.alert) {
            self.end_alert(alert, None, now_ms, output);
        }
    }

    /// Rules that name a device, and whose alert about its silence is gone, wait as if they had not yet.
    pub(crate) fn wait_anew(&mut self, device: &str) {
        for rule in self.rules.naming(device) {
            if self.take_wait(rule).is_some() {
                self.wait_from(rule, self.state.time.moment());
            }
        }
    }

    /// Takes a wait out, for [`Process::go_on_with_wait`] once another rule is in the place of this one.
    pub(crate) fn take_wait(&mut self, rule: u16) -> Option<Wait> {
        let wait = self.state.unheard.remove(&rule)?;
        if let Some(due) = self.wait_is_over(rule, &wait) {
            self.deadlines.remove(due, DeviceIndex::NONE, Waiting::Unheard(rule));
        }
        Some(wait)
    }

    /// A rule was put: it waits where there is nothing to look at of the device that it names, and has waited for as long as
    /// the one in whose place it is, if that named the same.
    pub(crate) fn go_on_with_wait(&mut self, rule: u16, wait: Option<Wait>, now_ms: i64, output: &mut Output) {
        let awaited: Option<Arc<str>> = self.rules.get(rule).rule.awaits().map(Arc::from);
        match (awaited.filter(|_| self.waits(rule)), wait) {
            (Some(device), Some(wait)) if device == wait.device => {
                self.wake_for(rule, &wait);
                self.state.unheard.insert(rule, wait);
            }
            (awaited, wait) => {
                if let Some(alert) = wait.and_then(|wait| wait.alert) {
                    self.end_alert(alert, None, now_ms, output);
                }
                if awaited.is_some() {
                    self.wait_from(rule, self.state.time.moment());
                }
            }
        }
    }

    fn wait_from(&mut self, rule: u16, since: Moment) {
        let Some(device) = self.rules.get(rule).rule.device.as_deref() else { return };
        let wait = Wait { device: device.into(), since, alert: None };
        self.wake_for(rule, &wait);
        self.state.unheard.insert(rule, wait);
    }

    fn wake_for(&mut self, rule: u16, wait: &Wait) {
        if let Some(due) = self.wait_is_over(rule, wait) {
            self.deadlines.insert(due, DeviceIndex::NONE, Waiting::Unheard(rule));
        }
    }

    /// When it raises; `None`: it has.
    fn wait_is_over(&self, rule: u16, wait: &Wait) -> Option<Moment> {
        wait.alert.is_none().then(|| wait.since.plus(self.rules.get(rule).rule.condition.for_ms()))
    }

    fn alert_of_wait(&self, rule: u16, device_id: &Arc<str>, raised_ms: i64) -> AlertChange {
        let rule = &self.rules.get(rule).rule;
        let known = self.state.fleet.find(device_id);
        let group = known.and_then(|index| self.state.fleet.get(index)).map(|device| device.group.clone());
        let metric = rule.metric.as_deref();
        AlertChange {
            id: "".into(),
            rule: rule.name.clone(),
            severity: rule.severity,
            device_id: device_id.clone(),
            group: group.unwrap_or_else(|| group_by_name(device_id)),
            metric: metric.map(Arc::from),
            condition: Some(rule.condition),
            unit: None,
            decimals: None,
            words: Arc::default(),
            state: AlertState::Raised,
            value: None,
            raised_ms,
            acknowledged: None,
            cleared_ms: None,
            raised_value: None,
            peak: None,
            comment: None,
            unacknowledged: None,
        }
    }
}

/// The group of a device that only its identifier tells of: the levels above the last one.
fn group_by_name(device: &str) -> Arc<str> {
    device.rsplit_once('/').map_or("", |(above, _)| above.trim_matches('/')).into()
}
