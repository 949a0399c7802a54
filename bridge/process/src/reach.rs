//! What each rule looks at, for people who wonder why it never raises.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use tidegate_telemetry::Rule;

use crate::fleet::Fleet;
use crate::rule_state::RuleState;
use crate::rules::Rules;

/// The rules, and what each looks at just now; follows from the state. One thread counts, others may look.
#[derive(Debug, Default)]
pub struct Reach(RwLock<Vec<Line>>);

/// What one rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleReach {
    /// Devices that its patterns choose.
    pub devices: u32,
    /// Metrics of these, or devices as a whole, that it looks at.
    pub series: u32,
    /// Of these, metrics whose newest value is a text: no threshold is above or below it.
    pub texts: u32,
}

#[derive(Debug)]
struct Line {
    /// `None`: it was taken away.
    rule: Option<Arc<Rule>>,
    /// The first rule about the same devices: it counts them.
    scope: u16,
    devices: AtomicU32,
    series: AtomicU32,
    texts: AtomicU32,
}

impl Reach {
    /// Every rule, in the order of their numbers, with what it looks at.
    #[must_use]
    pub fn rules(&self) -> Vec<(Arc<Rule>, RuleReach)> {
        let lines = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of = |line: &Line| {
            let devices = lines.get(usize::from(line.scope)).map_or(0, |scope| scope.devices.load(Relaxed));
            let reach = RuleReach { devices, series: line.series.load(Relaxed), texts: line.texts.load(Relaxed) };
            Some((Arc::clone(line.rule.as_ref()?), reach))
        };
        lines.iter().filter_map(of).collect()
    }

    /// A device came to be of the scopes.
    pub(crate) fn add_device(&self, scopes: impl Iterator<Item = u16>) {
        self.each(scopes, |line| line.devices.fetch_add(1, Relaxed));
    }

    /// A device is no longer of the scopes.
    pub(crate) fn remove_device(&self, scopes: impl Iterator<Item = u16>) {
        self.each(scopes, |line| line.devices.fetch_sub(1, Relaxed));
    }

    /// Rules look at more.
    pub(crate) fn add(&self, rule_states: &[RuleState]) {
        let texts = rule_states.iter().filter(|rule_state| rule_state.is_text).map(|rule_state| rule_state.rule);
        self.each(rule_states.iter().map(|rule_state| rule_state.rule), |line| line.series.fetch_add(1, Relaxed));
        self.each(texts, |line| line.texts.fetch_add(1, Relaxed));
    }

    /// Rules look at less.
    pub(crate) fn remove(&self, rule_states: &[RuleState]) {
        let texts = rule_states.iter().filter(|rule_state| rule_state.is_text).map(|rule_state| rule_state.rule);
        self.each(rule_states.iter().map(|rule_state| rule_state.rule), |line| line.series.fetch_sub(1, Relaxed));
        self.each(texts, |line| line.texts.fetch_sub(1, Relaxed));
    }

    /// The newest value that a rule state looks at is a text, or is none.
    pub(crate) fn saw(&self, rule_state: &mut RuleState, is_text: bool) {
        if rule_state.is_text != is_text {
            rule_state.is_text = is_text;
            self.each(std::iter::once(rule_state.rule), |line| match is_text {
                true => line.texts.fetch_add(1, Relaxed),
                false => line.texts.fetch_sub(1, Relaxed),
            });
        }
    }

    /// A rule came that has no state anywhere yet, about devices of the scope; so many are.
    pub(crate) fn put(&self, number: u16, rule: Arc<Rule>, (scope, devices): (u16, usize)) {
        let mut lines = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let devices = if scope == number { devices as u32 } else { 0 };
        let line = Line { rule: Some(rule), scope, devices: devices.into(), series: 0.into(), texts: 0.into() };
        match lines.get_mut(usize::from(number)) {
            Some(free) => *free = line,
            None => lines.push(line),
        }
    }

    /// After a restart, or when rules were changed or taken away: all there is.
    pub(crate) fn count(&self, rules: &Rules, fleet: &Fleet) {
        let line = |(rule, scope): (Option<Arc<Rule>>, &u16)| {
            let [devices, series, texts] = [0; 3].map(AtomicU32::new);
            Line { rule, scope: *scope, devices, series, texts }
        };
        let lines = rules.all().into_iter().zip(rules.scopes()).map(line).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = lines;
        for (_, device) in fleet.iter() {
            self.add_device(rules.scopes_of(device));
            self.add(&device.rule_states);
        }
    }

    fn each(&self, rules: impl Iterator<Item = u16>, change: impl Fn(&Line) -> u32) {
        let lines = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for line in rules.filter_map(|rule| lines.get(usize::from(rule))) {
            change(line);
        }
    }
}
