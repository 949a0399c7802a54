//! A reading is judged by the rules about its device: alerts are raised, go on, and clear.

use std::sync::Arc;

use tidegate_telemetry::{AlertChange, AlertState, DeviceIndex, MetricIndex};

use crate::alerts::AlertKey;
use crate::catalogue::Style;
use crate::deadlines::{Deadlines, Waiting};
use crate::device::Device;
use crate::device_clock::Ranked;
use crate::news::News;
use crate::output::Output;
use crate::process::Process;
use crate::rule_state::{RulePhase, RuleState, Verdict};
use crate::rules::kind::Heard;
use crate::rules::{Judged, Rules};
use crate::state::State;
use crate::time::Moment;

impl Process {
    /// Lets the rules look at the reading at hand.
    pub(crate) fn judge(&mut self, index: DeviceIndex, ranked: Ranked, output: &mut Output) {
        if self.state.fleet.get(index).expect("the caller has found it").rule_states.is_empty() {
            return;
        }
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let mut rule_states = std::mem::take(&mut device.rule_states);
        let news = std::mem::take(&mut self.news);
        let (now_ms, now) = (self.state.time.now_ms(), self.state.time.moment());
        let time_ms = ranked.lasting_ms(now);
        for rule_state in &mut rule_states {
            let Some(value) = self.said(&news, index, rule_state.metric) else { continue };
            if rule_state.metric.is_some_and(|metric| news.of(metric) == Some(true)) {
                self.reach.saw(rule_state, value.is_none());
            }
            let kind = &self.rules.get(rule_state.rule).kind;
            match kind.heard(&mut rule_state.phase, Heard { value, time_ms, at: now }) {
                Verdict::Nothing => self.hold(rule_state, value, output),
                Verdict::Raise => rule_state.phase = RulePhase::Active(self.raise(index, rule_state, now_ms, output)),
                Verdict::Clear(alert) => self.end_alert(alert, value, now_ms, output),
            }
            schedule(&mut self.deadlines, &self.rules, index, rule_state, now);
        }
        self.state.fleet.get_mut(index).expect("the caller has found it").rule_states = rule_states;
        self.news = news;
    }

    /// The device has no value for these metrics just now: what waited for one to last waits anew. An alert that was
    /// raised stays, since nothing says that its reason has gone.
    pub(crate) fn hold_off(&mut self, index: DeviceIndex, without_value: &[Arc<str>]) {
        if without_value.is_empty() {
            return;
        }
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        self.news.clear();
        let mut hint = 0;
        for place in without_value.iter().filter_map(|name| device.metric(name, hint).inspect(|place| hint = place + 1))
        {
            self.news.add(MetricIndex(place as u16), false);
        }
        let Device { rule_states, cells, .. } = device;
        for rule_state in rule_states.iter_mut() {
            let Some(metric) = rule_state.metric.filter(|metric| self.news.of(*metric).is_some()) else { continue };
            self.rules.get(rule_state.rule).kind.without_value(&mut rule_state.phase);
            let heard = cells[usize::from(metric.0)].heard;
            schedule(&mut self.deadlines, &self.rules, index, rule_state, heard);
        }
    }

    /// What the reading at hand says of a metric, or of the device: `None` when it has nothing of it, `Some(None)` when
    /// it has, but no number that is the newest.
    fn said(&self, news: &News, index: DeviceIndex, metric: Option<MetricIndex>) -> Option<Option<f64>> {
        let Some(metric) = metric else { return Some(None) };
        let is_newest = news.of(metric)?;
        Some(if is_newest { self.newest_number(index, metric) } else { None })
    }

    fn newest_number(&self, index: DeviceIndex, metric: MetricIndex) -> Option<f64> {
        self.state.fleet.get(index)?.cells.get(usize::from(metric.0))?.value.as_number()
    }

    /// The deadline of a rule state came up: raises if it is due, else waits on. Whether it raised.
    pub(crate) fn fire_rule(
        &mut self,
        at: Moment,
        index: DeviceIndex,
        key: (u16, Option<MetricIndex>),
        output: &mut Output,
    ) -> bool {
        let Some(device) = self.state.fleet.get_mut(index) else { return false };
        let Ok(place) = device.rule_states.binary_search_by_key(&key, RuleState::key) else { return false };
        let mut rule_state = device.rule_states[place].clone();
        let heard = heard(device, rule_state.metric);
        rule_state.wake = None;
        let due = self.rules.get(rule_state.rule).kind.due(rule_state.phase, heard);
        let is_due = due.is_some_and(|due| due <= at);
        if is_due {
            let at_ms = self.state.time.shown_ms(at);
            rule_state.phase = RulePhase::Active(self.raise(index, &rule_state, at_ms, output));
        }
        schedule(&mut self.deadlines, &self.rules, index, &mut rule_state, heard);
        self.state.fleet.get_mut(index).expect("it was there a moment ago").rule_states[place] = rule_state;
        is_due
    }

    /// The alert of a rule state, if there is one, goes on: perhaps further beyond its threshold than before.
    fn hold(&mut self, rule_state: &RuleState, value: Option<f64>, output: &mut Output) {
        let (Some(alert), Some(value)) = (rule_state.alert(), value) else { return };
        let Judged { rule, kind } = self.rules.get(rule_state.rule);
        if !rule.condition.is_about_silence() {
            self.state.alerts.hold(alert, value, |value, peak| kind.is_further(value, peak), output);
        }
    }

    /// An alert holds no longer; `value` cleared it, if one did.
    pub(crate) fn end_alert(&mut self, alert: AlertKey, value: Option<f64>, now_ms: i64, output: &mut Output) {
        let State { alerts, fleet, groups, time, .. } = &mut self.state;
        let ended = alerts.clear(alert, value, now_ms, time, &self.config, output);
        // It may have outlasted its device.
        if let Some((id, severity)) = ended
            && let Some(device) = fleet.find(&id).and_then(|index| fleet.get_mut(index))
        {
            let count = &mut device.alerts[severity as usize];
            *count = count.saturating_sub(1);
            groups.mark(device.counted_in);
        }
    }

    /// Raises the alert of a rule state.
    fn raise(&mut self, index: DeviceIndex, rule_state: &RuleState, at_ms: i64, output: &mut Output) -> AlertKey {
        let device = self.state.fleet.get(index).expect("the caller has found it");
        let rule = &self.rules.get(rule_state.rule).rule;
        let cell = rule_state.metric.map(|metric| &device.cells[usize::from(metric.0)]);
        let style = cell.map_or_else(Style::default, |cell| cell.style(&self.catalogue));
        let value = if rule.condition.is_about_silence() { None } else { cell.and_then(|cell| cell.value.as_number()) };
        let alert = AlertChange {
            id: "".into(),
            rule: rule.name.clone(),
            severity: rule.severity,
            device_id: device.id.clone(),
            group: device.group.clone(),
            metric: cell.map(|cell| cell.name.clone()),
            condition: Some(rule.condition),
            unit: style.unit,
            decimals: style.decimals,
            words: Arc::default(),
            state: AlertState::Raised,
            value,
            raised_ms: at_ms,
            acknowledged: None,
            cleared_ms: None,
            raised_value: value,
            peak: value,
            comment: None,
            unacknowledged: None,
        };
        self.begin_alert(alert, output)
    }

    /// An alert holds from now on, and counts for its device where that is known.
    pub(crate) fn begin_alert(&mut self, alert: AlertChange, output: &mut Output) -> AlertKey {
        let State { fleet, alerts, groups, .. } = &mut self.state;
        if let Some(device) = fleet.find(&alert.device_id).and_then(|index| fleet.get_mut(index)) {
            device.alerts[alert.severity as usize] += 1;
            groups.mark(device.counted_in);
        }
        alerts.raise(alert, output)
    }

    /// After a device came or moved: other rules may be meant for it. Alerts of those that no longer are end.
    pub(crate) fn reselect_rules(&mut self, index: DeviceIndex, now_ms: i64, output: &mut Output) {
        for ended in self.select_rules(index) {
            self.end_alert(ended, None, now_ms, output);
        }
        let device = self.state.fleet.get(index).expect("the caller has found it").id.clone();
        self.settle_waits(&device, now_ms, output);
    }

    /// Chooses the rules meant for a device, keeps where those stand that were so before, and names the alerts of those
    /// that are not any more.
    pub(crate) fn select_rules(&mut self, index: DeviceIndex) -> Vec<AlertKey> {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        if self.rules.is_empty() && device.rule_states.is_empty() {
            return Vec::new();
        }
        let mut before = std::mem::take(&mut device.rule_states);
        self.reach.remove(&before);
        unschedule(&mut self.deadlines, index, &mut before);
        let (mut before, mut ended) = (before.into_iter().peekable(), Vec::new());
        for key in self.rules.meant_for(device) {
            // Both are in order.
            while let Some(gone) = before.next_if(|rule_state| rule_state.key() < key) {
                ended.extend(gone.alert());
            }
            let mut rule_state =
                before.next_if(|rule_state| rule_state.key() == key).unwrap_or_else(|| RuleState::new(key.0, key.1));
            schedule(&mut self.deadlines, &self.rules, index, &mut rule_state, heard(device, key.1));
            let cell = key.1.and_then(|metric| device.cells.get(usize::from(metric.0)));
            rule_state.is_text = cell.is_some_and(|cell| cell.value.as_number().is_none());
            device.rule_states.push(rule_state);
        }
        self.reach.add(&device.rule_states);
        ended.extend(before.filter_map(|rule_state| rule_state.alert()));
        ended
    }

    /// After a device got metrics, from the one of this number on: adds the rules meant for them.
    pub(crate) fn add_rule_states_of_metrics(
        &mut self,
        index: DeviceIndex,
        from: usize,
        now_ms: i64,
        output: &mut Output,
    ) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let before = device.rule_states.len();
        for (rule, metric) in self.rules.meant_for_metrics(device, from) {
            let mut rule_state = RuleState::new(rule, metric);
            schedule(&mut self.deadlines, &self.rules, index, &mut rule_state, heard(device, metric));
            device.rule_states.push(rule_state);
        }
        self.reach.add(&device.rule_states[before..]);
        device.rule_states.sort_by_key(RuleState::key);
        let device = device.id.clone();
        self.settle_waits(&device, now_ms, output);
    }

    /// After a rule came that is about a device: it has a state for each thing it is meant for.
    pub(crate) fn add_rule_states(&mut self, index: DeviceIndex, number: u16) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        for key in self.rules.meant_by(number, device) {
            let mut rule_state = RuleState::new(key.0, key.1);
            schedule(&mut self.deadlines, &self.rules, index, &mut rule_state, heard(device, key.1));
            let cell = key.1.and_then(|metric| device.cells.get(usize::from(metric.0)));
            rule_state.is_text = cell.is_some_and(|cell| cell.value.as_number().is_none());
            self.reach.add(std::slice::from_ref(&rule_state));
            let place = device.rule_states.partition_point(|known| known.key() < key);
            device.rule_states.insert(place, rule_state);
        }
    }
}

/// When a metric, or the device as a whole, was last heard.
fn heard(device: &Device, metric: Option<MetricIndex>) -> Moment {
    metric.and_then(|metric| device.cells.get(usize::from(metric.0))).map_or(device.heard, |cell| cell.heard)
}

/// Sees to it that a rule state comes up no later than it is due.
fn schedule(deadlines: &mut Deadlines, rules: &Rules, index: DeviceIndex, rule_state: &mut RuleState, heard: Moment) {
    let due = rules.get(rule_state.rule).kind.due(rule_state.phase, heard);
    if due.is_some_and(|due| rule_state.wake.is_some_and(|wake| wake <= due)) {
        return;
    }
    let waiting = Waiting::Rule(rule_state.rule, rule_state.metric);
    if let Some(wake) = rule_state.wake {
        deadlines.remove(wake, index, waiting);
    }
    rule_state.wake = due;
    if let Some(due) = due {
        deadlines.insert(due, index, waiting);
    }
}

/// Takes back the deadlines of rule states.
pub(crate) fn unschedule(deadlines: &mut Deadlines, index: DeviceIndex, rule_states: &mut [RuleState]) {
    for rule_state in rule_states {
        if let Some(wake) = rule_state.wake.take() {
            deadlines.remove(wake, index, Waiting::Rule(rule_state.rule, rule_state.metric));
        }
    }
}
