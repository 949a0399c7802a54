//! Deadlines come due: devices become late or lost, rules raise, devices are forgotten.

use tidegate_telemetry::{Change, DeviceIndex};

use crate::deadlines::Waiting;
use crate::judging::unschedule;
use crate::liveness::{self, Next};
use crate::output::Output;
use crate::process::Process;
use crate::rule_state::RuleState;
use crate::time::Moment;

impl Process {
    /// Lets happen what is due, in the order in which it came due, up to `due_per_entry_max`: the rest with the next entry,
    /// which a tick is if no other comes. So what happens to the whole fleet at once is many entries, with readings between.
    pub(crate) fn fire_due(&mut self, output: &mut Output) {
        let (now, mut happened) = (self.state.time.moment(), 0);
        while happened < self.config.due_per_entry_max
            && let Some((at, index, waiting)) = self.deadlines.pop_due(now)
        {
            // Deadlines stand in the queue early after a restart too, or not: only what truly happens may be counted.
            happened += usize::from(self.fire(at, index, waiting, output));
        }
    }

    /// Lets happen what is due for one device: before it is heard again.
    pub(crate) fn fire_due_of(&mut self, index: DeviceIndex, output: &mut Output) {
        while let Some((at, waiting)) = self.first_due_of(index) {
            self.deadlines.remove(at, index, waiting);
            self.fire(at, index, waiting, output);
        }
    }

    /// Whether there is anything that is due and did not happen.
    pub(crate) fn is_behind(&self) -> bool {
        self.deadlines.first().is_some_and(|first| first <= self.state.time.moment())
    }

    fn first_due_of(&self, index: DeviceIndex) -> Option<(Moment, Waiting)> {
        let (now, device) = (self.state.time.moment(), self.state.fleet.get(index)?);
        let rule_states = device
            .rule_states
            .iter()
            .map(|rule_state| (rule_state.wake, Waiting::Rule(rule_state.rule, rule_state.metric)));
        let all = rule_states.chain([(device.wake, Waiting::State)]);
        all.filter_map(|(at, waiting)| Some((at.filter(|at| *at <= now)?, waiting))).min()
    }

    /// A deadline came up; whether anything happened.
    fn fire(&mut self, at: Moment, index: DeviceIndex, waiting: Waiting, output: &mut Output) -> bool {
        match waiting {
            Waiting::Rule(rule, metric) => self.fire_rule(at, index, (rule, metric), output),
            Waiting::State => self.fire_state(at, index, output),
            Waiting::Unheard(rule) => self.fire_wait(at, rule, output),
        }
    }

    /// The deadline of a device's state came up: changes it if that is due, else waits on.
    fn fire_state(&mut self, at: Moment, index: DeviceIndex, output: &mut Output) -> bool {
        let standing = self.state.fleet.standing(index);
        let Some(device) = self.state.fleet.get_mut(index) else { return false };
        device.wake = None;
        let next = liveness::next(&self.config, device.state, device.expected(&self.config), device.heard);
        let due = next.filter(|(due, _)| *due <= at);
        match due {
            Some((due, Next::State(state))) => {
                device.state = state;
                device.since_ms = self.state.time.shown_ms(due);
                self.state.groups.mark(device.counted_in);
                output.changes.push(Change::State { device: index, state, since_ms: device.since_ms });
            }
            Some((_, Next::Forgotten)) => {
                self.forget(index, self.state.time.shown_ms(at), output);
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
        let next = liveness::next(&self.config, device.state, device.expected(&self.config), device.heard);
        let due = next.map(|(due, _)| due);
        match (device.wake, due) {
            (Some(wake), Some(due)) if wake <= due => return,
            (Some(wake), _) => self.deadlines.remove(wake, index, Waiting::State),
            (None, _) => {}
        }
        self.state.fleet.get_mut(index).expect("the caller has found it").wake = due;
        if let Some(due) = due {
            self.deadlines.insert(due, index, Waiting::State);
        }
    }

    pub(crate) fn forget(&mut self, index: DeviceIndex, at_ms: i64, output: &mut Output) {
        let Some(mut device) = self.state.fleet.remove(index) else { return };
        unschedule(&mut self.deadlines, index, &mut device.rule_states);
        self.reach.remove(&device.rule_states);
        self.reach.remove_device(self.rules.scopes_of(&device));
        for alert in device.rule_states.iter().filter_map(RuleState::alert) {
            // Whoever may have its number next has none of them.
            self.state.alerts.clear(alert, None, at_ms, &self.state.time, &self.config, output);
        }
        self.state.groups.leave(device.counted_in, index);
        device.voted().for_each(|name| self.state.groups.names_mut().leave(name, device.vote()));
        output.changes.push(Change::Removed { device: index });
        if let Some(said) = device.said.take() {
            let now = self.state.time.moment();
            output.counts.register_forgotten += self.state.register.keep(&device.id, said, now, &self.config.register);
        }
        self.settle_waits(&device.id, at_ms, output);
        output.counts.devices_forgotten += 1;
    }
}
