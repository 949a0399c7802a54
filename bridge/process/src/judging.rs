//! How readings meet the rules.

use std::sync::Arc;

use tidegate_telemetry::{AlertChange, AlertState, DeviceIndex, MetricIndex};

use crate::alerts::AlertKey;
use crate::catalogue::Style;
use crate::checkpoint::State;
use crate::deadlines::{Deadlines, Waiting};
use crate::device::Device;
use crate::output::Output;
use crate::process::Process;
use crate::rules::{RuleIdentity, Rules};
use crate::watch::{Standing, Verdict, Watch};

impl Process {
    /// Lets the rules look at the reading at hand.
    pub(crate) fn judge(&mut self, index: DeviceIndex, time_ms: i64, now_ms: i64, output: &mut Output) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        if device.watches.is_empty() {
            return;
        }
        let mut watches = std::mem::take(&mut device.watches);
        for watch in &mut watches {
            let Some(value) = self.news(index, watch.metric) else { continue };
            let condition = self.rules.get(watch.rule).config.condition;
            match watch.heard(&condition, value, time_ms, now_ms) {
                Verdict::Nothing => {}
                Verdict::Raise => watch.standing = Standing::Active(self.raise(index, watch, now_ms, output)),
                Verdict::Clear(alert) => self.state.alerts.clear(alert, value, now_ms, &self.config, output),
            }
            schedule(&mut self.deadlines, &self.rules, index, watch, now_ms);
        }
        self.state.fleet.get_mut(index).expect("the caller has found it").watches = watches;
    }

    /// The device has no value for these metrics just now: what waited for one to last waits anew. An alert that was
    /// raised stays, since nothing says that its reason has gone.
    pub(crate) fn hold_off(&mut self, index: DeviceIndex, without_value: &[Arc<str>]) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        for name in without_value {
            let Some(place) = device.metric(name, 0) else { continue };
            let metric = Some(MetricIndex(place as u16));
            let heard_ms = device.cells[place].heard_ms;
            for watch in device.watches.iter_mut().filter(|watch| watch.metric == metric) {
                watch.hold_off();
                schedule(&mut self.deadlines, &self.rules, index, watch, heard_ms);
            }
        }
    }

    /// What the reading at hand says of a metric, or of the device: `None` when it has nothing of it, `Some(None)` when
    /// it has, but no number that is the newest.
    fn news(&self, index: DeviceIndex, metric: Option<MetricIndex>) -> Option<Option<f64>> {
        let Some(metric) = metric else { return Some(None) };
        let &(_, latest) = self.touched.iter().find(|(touched, _)| *touched == metric)?;
        Some(if latest { self.newest_number(index, metric) } else { None })
    }

    fn newest_number(&self, index: DeviceIndex, metric: MetricIndex) -> Option<f64> {
        self.state.fleet.get(index)?.cells.get(usize::from(metric.0))?.value.as_number()
    }

    /// The deadline of a watch came up: raises if it is due, else waits on. Whether it raised.
    pub(crate) fn fire_watch(
        &mut self,
        at_ms: i64,
        index: DeviceIndex,
        key: (u16, Option<MetricIndex>),
        output: &mut Output,
    ) -> bool {
        let Some(device) = self.state.fleet.get_mut(index) else { return false };
        let Ok(place) = device.watches.binary_search_by_key(&key, Watch::key) else { return false };
        let mut watch = device.watches[place].clone();
        let heard_ms = heard_ms(device, watch.metric);
        watch.wake_ms = None;
        let condition = self.rules.get(watch.rule).config.condition;
        let is_due = watch.due_ms(&condition, heard_ms).is_some_and(|due_ms| due_ms <= at_ms);
        if is_due {
            watch.standing = Standing::Active(self.raise(index, &watch, at_ms, output));
        }
        schedule(&mut self.deadlines, &self.rules, index, &mut watch, heard_ms);
        self.state.fleet.get_mut(index).expect("it was there a moment ago").watches[place] = watch;
        is_due
    }

    /// Raises the alert of a watch.
    fn raise(&mut self, index: DeviceIndex, watch: &Watch, at_ms: i64, output: &mut Output) -> AlertKey {
        let State { fleet, alerts, .. } = &mut self.state;
        let device = fleet.get(index).expect("the caller has found it");
        let rule = self.rules.get(watch.rule);
        let cell = watch.metric.map(|metric| &device.cells[usize::from(metric.0)]);
        let style = cell.map_or_else(Style::default, |cell| cell.style(&self.catalogue));
        let value = if rule.is_about_silence() { None } else { cell.and_then(|cell| cell.value.as_number()) };
        let alert = AlertChange {
            id: "".into(),
            rule: rule.name.clone(),
            severity: rule.config.severity,
            device: index,
            device_id: device.id.clone(),
            group: device.group.clone(),
            metric: cell.map(|cell| cell.name.clone()),
            text: rule.text(cell.map(|cell| &*cell.name), &style).into(),
            state: AlertState::Raised,
            value,
            raised_ms: at_ms,
            acknowledged: None,
            cleared_ms: None,
        };
        alerts.raise(alert, output)
    }

    /// After a device came, moved or got a metric: other rules may be meant for it. Alerts of those that no longer are
    /// end.
    pub(crate) fn rewatch(&mut self, index: DeviceIndex, now_ms: i64, output: &mut Output) {
        for ended in self.choose_watches(index) {
            self.state.alerts.clear(ended, None, now_ms, &self.config, output);
        }
    }

    /// Chooses the rules meant for a device, keeps where those stand that were so before, and names the alerts of those
    /// that are not any more.
    pub(crate) fn choose_watches(&mut self, index: DeviceIndex) -> Vec<AlertKey> {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        if self.rules.is_empty() && device.watches.is_empty() {
            return Vec::new();
        }
        let mut before = std::mem::take(&mut device.watches);
        unschedule(&mut self.deadlines, index, &mut before);
        for (rule, metric) in self.rules.meant_for(device) {
            let known = before.iter().position(|watch| watch.key() == (rule, metric));
            let mut watch = known.map_or_else(|| Watch::new(rule, metric), |place| before.swap_remove(place));
            schedule(&mut self.deadlines, &self.rules, index, &mut watch, heard_ms(device, metric));
            device.watches.push(watch);
        }
        before.sort_unstable_by_key(Watch::key);
        before.iter().filter_map(Watch::alert).collect()
    }

    /// Has every watch of a device looked at when it is due; nothing of them stands among the deadlines.
    pub(crate) fn schedule_watches(&mut self, index: DeviceIndex) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let mut watches = std::mem::take(&mut device.watches);
        for watch in &mut watches {
            schedule(&mut self.deadlines, &self.rules, index, watch, heard_ms(device, watch.metric));
        }
        device.watches = watches;
    }

    /// After a restart: turns the numbers of the rules as they were then into those of now.
    pub(crate) fn renumber_rules(&mut self, then: &[RuleIdentity]) {
        let now = self.rules.identities();
        let number_now: Vec<Option<u16>> =
            then.iter().map(|rule| now.iter().position(|known| known == rule).map(|place| place as u16)).collect();
        for index in self.state.fleet.indexes() {
            let device = self.state.fleet.get_mut(index).expect("indexes() names devices that exist");
            device.watches.retain_mut(|watch| match number_now.get(usize::from(watch.rule)).copied().flatten() {
                Some(number) => {
                    watch.rule = number;
                    true
                }
                None => false,
            });
        }
    }
}

/// Unix ms at which a metric, or the device as a whole, was last heard.
fn heard_ms(device: &Device, metric: Option<MetricIndex>) -> i64 {
    metric.and_then(|metric| device.cells.get(usize::from(metric.0))).map_or(device.heard_ms, |cell| cell.heard_ms)
}

/// Sees to it that a watch comes up no later than it is due.
fn schedule(deadlines: &mut Deadlines, rules: &Rules, index: DeviceIndex, watch: &mut Watch, heard_ms: i64) {
    let due_ms = watch.due_ms(&rules.get(watch.rule).config.condition, heard_ms);
    if due_ms.is_some_and(|due_ms| watch.wake_ms.is_some_and(|wake_ms| wake_ms <= due_ms)) {
        return;
    }
    let waiting = Waiting::Watch(watch.rule, watch.metric);
    if let Some(wake_ms) = watch.wake_ms {
        deadlines.remove(wake_ms, index, waiting);
    }
    watch.wake_ms = due_ms;
    if let Some(due_ms) = due_ms {
        deadlines.insert(due_ms, index, waiting);
    }
}

/// Takes back the deadlines of watches.
pub(crate) fn unschedule(deadlines: &mut Deadlines, index: DeviceIndex, watches: &mut [Watch]) {
    for watch in watches {
        if let Some(wake_ms) = watch.wake_ms.take() {
            deadlines.remove(wake_ms, index, Waiting::Watch(watch.rule, watch.metric));
        }
    }
}
