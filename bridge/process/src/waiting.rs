//! What time alone brings about.

use tidegate_telemetry::{Change, DeviceIndex};

use crate::deadlines::Waiting;
use crate::judging::unschedule;
use crate::liveness::{self, Next};
use crate::output::Output;
use crate::process::Process;
use crate::watch::Watch;

impl Process {
    /// Lets happen what is due, in the order in which it came due, up to `due_per_entry_max`: the rest with the next entry,
    /// which a tick is if no other comes. So what happens to the whole fleet at once is many entries, with readings between.
    pub(crate) fn fire_due(&mut self, now_ms: i64, output: &mut Output) {
        let mut happened = 0;
        while happened < self.config.due_per_entry_max
            && let Some((at_ms, index, waiting)) = self.deadlines.pop_due(now_ms)
        {
            // Deadlines stand in the queue early after a restart too, or not: only what truly happens may be counted.
            happened += usize::from(self.fire(at_ms, index, waiting, output));
        }
    }

    /// Lets happen what is due for one device: before it is heard again.
    pub(crate) fn fire_due_of(&mut self, index: DeviceIndex, now_ms: i64, output: &mut Output) {
        while let Some((at_ms, waiting)) = self.first_due_of(index, now_ms) {
            self.deadlines.remove(at_ms, index, waiting);
            self.fire(at_ms, index, waiting, output);
        }
    }

    /// Whether there is anything that is due and did not happen.
    pub(crate) fn is_behind(&self, now_ms: i64) -> bool {
        self.deadlines.first_ms().is_some_and(|first_ms| first_ms <= now_ms)
    }

    fn first_due_of(&self, index: DeviceIndex, now_ms: i64) -> Option<(i64, Waiting)> {
        let device = self.state.fleet.get(index)?;
        let watches = device.watches.iter().map(|watch| (watch.wake_ms, Waiting::Watch(watch.rule, watch.metric)));
        let all = watches.chain([(device.wake_ms, Waiting::State)]);
        all.filter_map(|(at_ms, waiting)| Some((at_ms.filter(|at_ms| *at_ms <= now_ms)?, waiting))).min()
    }

    /// A deadline came up; whether anything happened.
    fn fire(&mut self, at_ms: i64, index: DeviceIndex, waiting: Waiting, output: &mut Output) -> bool {
        match waiting {
            Waiting::Watch(rule, metric) => self.fire_watch(at_ms, index, (rule, metric), output),
            Waiting::State => self.fire_state(at_ms, index, output),
            Waiting::Unheard(rule) => self.fire_wait(at_ms, rule, output),
        }
    }

    /// The deadline of a device's state came up: changes it if that is due, else waits on.
    fn fire_state(&mut self, at_ms: i64, index: DeviceIndex, output: &mut Output) -> bool {
        let standing = self.state.fleet.standing(index);
        let Some(device) = self.state.fleet.get_mut(index) else { return false };
        device.wake_ms = None;
        let next = liveness::next(&self.config, device.state, device.interval_ms, device.heard_ms);
        let due = next.filter(|(due_ms, _)| *due_ms <= at_ms);
        match due {
            Some((due_ms, Next::State(state))) => {
                device.state = state;
                device.since_ms = due_ms;
                self.state.groups.mark(device.counted_in);
                output.changes.push(Change::State { device: index, state, since_ms: due_ms });
            }
            Some((_, Next::Forgotten)) => {
                self.forget(index, at_ms, output);
                return true;
            }
            None => {}
        }
        self.state.fleet.settle(index, standing);
        self.wake_later(index);
        due.is_some()
    }

    /// Sees to it that a device's state comes up no later than it is due. Mostly it stands there already, somewhat
    /// early: then there is nothing to do.
    pub(crate) fn wake_later(&mut self, index: DeviceIndex) {
        let device = self.state.fleet.get(index).expect("the caller has found it");
        let next = liveness::next(&self.config, device.state, device.interval_ms, device.heard_ms);
        let due_ms = next.map(|(due_ms, _)| due_ms);
        match (device.wake_ms, due_ms) {
            (Some(wake_ms), Some(due_ms)) if wake_ms <= due_ms => return,
            (Some(wake_ms), _) => self.deadlines.remove(wake_ms, index, Waiting::State),
            (None, _) => {}
        }
        self.state.fleet.get_mut(index).expect("the caller has found it").wake_ms = due_ms;
        if let Some(due_ms) = due_ms {
            self.deadlines.insert(due_ms, index, Waiting::State);
        }
    }

    pub(crate) fn forget(&mut self, index: DeviceIndex, at_ms: i64, output: &mut Output) {
        let Some(mut device) = self.state.fleet.remove(index) else { return };
        unschedule(&mut self.deadlines, index, &mut device.watches);
        self.reach.remove(&device.watches);
        self.reach.remove_device(self.rules.scopes_of(&device));
        for alert in device.watches.iter().filter_map(Watch::alert) {
            // Whoever may have its number next has none of them.
            self.state.alerts.clear(alert, None, at_ms, &self.config, output);
        }
        self.state.groups.leave(device.counted_in, index);
        device.voted().for_each(|name| self.state.groups.names_mut().leave(name, device.vote()));
        output.changes.push(Change::Removed { device: index });
        self.settle_waits(&device.id, at_ms, output);
        output.counts.devices_forgotten += 1;
    }
}
