//! Rules are put and taken away by intents, while devices report.

use std::sync::Arc;

use tidegate_telemetry::{DeviceIndex, Intent, Rule};

use crate::device::Device;
use crate::output::Output;
use crate::process::Process;

impl Process {
    /// What is to stand in the log so that the rules of the configuration hold: each that is new or another one is put, each
    /// that is gone is taken away. `received_ms` (Unix ms) is when that is asked for.
    #[must_use]
    pub fn rules_to_change(&self, received_ms: i64) -> Vec<Intent> {
        let (by, configured) = ("configuration", &self.config.rules);
        let known = self.rules.all();
        let is_known = |rule: &Rule| known.iter().flatten().any(|known| **known == *rule);
        let gone = known
            .iter()
            .flatten()
            .filter(|known| known.is_configured() && !configured.iter().any(|rule| rule.id == known.id));
        let gone = gone.map(|known| Intent::RemoveRule { received_ms, by: by.to_owned(), rule: known.id.to_string() });
        let new = configured.iter().filter(|rule| !is_known(rule));
        let new = new.map(|rule| Intent::PutRule { received_ms, by: by.to_owned(), rule: Box::new(rule.clone()) });
        gone.chain(new).collect()
    }

    /// Puts a rule: a new one, or in the place of the one with its identifier. What stands under that goes on, unless the
    /// rule looks at another metric or another kind of condition now.
    pub(crate) fn put_rule(&mut self, rule: &Rule, now_ms: i64, output: &mut Output) {
        let rule = Arc::new(rule.clone());
        let before = self.rules.number_of(&rule.id).map(|number| (number, Arc::clone(&self.rules.get(number).rule)));
        match before {
            Some((_, before)) if before == rule => {}
            Some((number, before)) if goes_on(&before, &rule) => {
                let wait = self.take_wait(number);
                self.rules.replace(number, Some(Arc::clone(&rule)));
                self.look_anew(|it| before.selects(&it.id, &it.group) || rule.selects(&it.id, &it.group));
                self.go_on_with_wait(number, wait, now_ms, output);
            }
            Some((_, before)) => {
                self.remove_rule(&before.id, now_ms, output);
                self.add_rule(rule, now_ms, output);
            }
            None => self.add_rule(rule, now_ms, output),
        }
    }

    /// Takes a rule away. Its alerts are cleared by the entries that follow.
    pub(crate) fn remove_rule(&mut self, id: &str, now_ms: i64, output: &mut Output) {
        let Some(number) = self.rules.number_of(id) else { return };
        self.end_wait(number, now_ms, output);
        self.rules.replace(number, None);
        self.look_anew(|device| device.rule_states.iter().any(|rule_state| rule_state.rule == number));
    }

    fn add_rule(&mut self, rule: Arc<Rule>, now_ms: i64, output: &mut Output) {
        let Some(number) = self.rules.add(Arc::clone(&rule)) else {
            output.counts.rules_rejected += 1;
            return;
        };
        let concerned = self.state.fleet.iter().filter(|(_, device)| rule.selects(&device.id, &device.group));
        let concerned: Vec<DeviceIndex> = concerned.map(|(index, _)| index).collect();
        self.reach.put(number, rule, (self.rules.scopes()[usize::from(number)], concerned.len()));
        for index in concerned {
            self.add_rule_states(index, number);
        }
        self.go_on_with_wait(number, None, now_ms, output);
    }

    /// Has the rules chosen anew for the devices that are concerned.
    fn look_anew(&mut self, is_concerned: impl Fn(&Device) -> bool) {
        let concerned = self.state.fleet.iter().filter(|(_, device)| is_concerned(device));
        for index in concerned.map(|(index, _)| index).collect::<Vec<DeviceIndex>>() {
            let ended = self.select_rules(index);
            self.orphans.extend(ended);
        }
        // A restart finds them in this order.
        self.orphans.sort_unstable();
        self.reach.count(&self.rules, &self.state.fleet);
    }
}

/// Whether what stands under a rule means the same under the one that takes its place.
fn goes_on(before: &Rule, now: &Rule) -> bool {
    before.metric == now.metric && before.condition.name() == now.condition.name()
}
