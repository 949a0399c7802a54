//! The rules by number, and which of them are about which devices and metrics.

pub(crate) mod kind;
mod kinds;
mod selection;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{Condition, MetricIndex, Rule};

use crate::device::Device;
use kind::Kind;
use selection::Selection;

/// The rules, by number. The number of one that was taken away is the next one's.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<Option<Judged>>,
    by_id: HashMap<Arc<str>, u16>,
    /// Those about a device as a whole.
    of_devices: Selection,
    /// Those about each metric of a device.
    of_any_metric: Selection,
    of_metric: HashMap<String, Selection>,
    /// Of the rules about the same devices the first.
    of_scopes: Selection,
    /// That one, by what devices and groups they are about ...
    first_of: HashMap<(Option<String>, Option<String>), u16>,
    /// ... and for each rule.
    scopes: Vec<u16>,
    /// Rules of silence that name one device, by its identifier.
    naming: HashMap<Arc<str>, Vec<u16>>,
}

/// A rule, and what judges its condition.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) rule: Arc<Rule>,
    pub(crate) kind: Box<dyn Kind>,
}

/// What checkpoints had of a rule before rules were in the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuleIdentity {
    name: String,
    metric: Option<String>,
    kind: u8,
}

impl Rules {
    /// The rules with these numbers.
    pub(crate) fn of(rules: impl IntoIterator<Item = Option<Arc<Rule>>>) -> Self {
        let mut all = Rules::default();
        for rule in rules {
            let number = all.rules.len() as u16;
            all.rules.push(None);
            all.scopes.push(number);
            if let Some(rule) = rule {
                all.set(number, rule);
            }
        }
        all
    }

    /// By number, as [`Rules::of`] takes them.
    pub(crate) fn all(&self) -> Vec<Option<Arc<Rule>>> {
        self.rules.iter().map(|judged| judged.as_ref().map(|judged| Arc::clone(&judged.rule))).collect()
    }

    /// Adds a rule with an identifier that none has, and gives its number; `None` where there are too many.
    pub(crate) fn add(&mut self, rule: Arc<Rule>) -> Option<u16> {
        let free = self.rules.iter().position(Option::is_none).unwrap_or(self.rules.len());
        let number = u16::try_from(free).ok().filter(|number| *number < u16::MAX)?;
        if free == self.rules.len() {
            self.rules.push(None);
            self.scopes.push(number);
        }
        self.set(number, rule);
        Some(number)
    }

    /// Puts a rule in the place of another one, or takes that away.
    pub(crate) fn replace(&mut self, number: u16, rule: Option<Arc<Rule>>) {
        let mut rules = self.all();
        rules[usize::from(number)] = rule;
        *self = Rules::of(rules);
    }

    fn set(&mut self, number: u16, rule: Arc<Rule>) {
        let selection = match &rule.metric {
            None if rule.condition.is_about_silence() => &mut self.of_devices,
            None => &mut self.of_any_metric,
            Some(metric) => self.of_metric.entry(metric.clone()).or_default(),
        };
        selection.add(number, &rule);
        let first = *self.first_of.entry((rule.device.clone(), rule.group.clone())).or_insert(number);
        if first == number {
            self.of_scopes.add(number, &rule);
        }
        self.scopes[usize::from(number)] = first;
        if let Some(device) = rule.awaits() {
            self.naming.entry(device.into()).or_default().push(number);
        }
        self.by_id.insert(Arc::clone(&rule.id), number);
        self.rules[usize::from(number)] = Some(Judged { kind: kinds::of(&rule.condition), rule });
    }

    pub(crate) fn number_of(&self, id: &str) -> Option<u16> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn get(&self, rule: u16) -> &Judged {
        self.rules[usize::from(rule)].as_ref().expect("what has a rule's number goes before the rule does")
    }

    /// For each number the first rule that is about the same devices.
    pub(crate) fn scopes(&self) -> &[u16] {
        &self.scopes
    }

    /// Those of [`Rules::scopes`] that are about a device.
    pub(crate) fn scopes_of(&self, device: &Device) -> impl Iterator<Item = u16> {
        self.about(&self.of_scopes, device)
    }

    /// Rules of silence that name one device, with its identifier.
    pub(crate) fn named(&self) -> impl Iterator<Item = (u16, Arc<str>)> {
        self.naming.iter().flat_map(|(device, rules)| rules.iter().map(|rule| (*rule, Arc::clone(device))))
    }

    /// Rules of silence that name this device.
    pub(crate) fn naming(&self, device: &str) -> Vec<u16> {
        self.naming.get(device).cloned().unwrap_or_default()
    }

    /// Which rule is meant for what of a device, in order.
    pub(crate) fn meant_for(&self, device: &Device) -> Vec<(u16, Option<MetricIndex>)> {
        if device.is_imported {
            return Vec::new();
        }
        let whole = self.about(&self.of_devices, device).map(|number| (number, None));
        let mut meant: Vec<_> = whole.chain(self.meant_for_metrics(device, 0)).collect();
        meant.sort_unstable();
        meant
    }

    /// What a rule is meant for of a device that it selects, in order.
    pub(crate) fn meant_by(&self, number: u16, device: &Device) -> Vec<(u16, Option<MetricIndex>)> {
        if device.is_imported {
            return Vec::new();
        }
        let rule = &self.get(number).rule;
        if rule.metric.is_none() && rule.condition.is_about_silence() {
            return vec![(number, None)];
        }
        let cells = (0u16..).zip(&device.cells).filter(|(_, cell)| !cell.is_imported);
        let meant = cells.filter(|(_, cell)| rule.metric.as_deref().is_none_or(|metric| *metric == *cell.name));
        meant.map(|(index, _)| (number, Some(MetricIndex(index)))).collect()
    }

    /// Which rule is meant for which metric of a device from the one of this number on, in no order.
    pub(crate) fn meant_for_metrics(&self, device: &Device, from: usize) -> Vec<(u16, Option<MetricIndex>)> {
        let of_any_metric: Vec<u16> = self.about(&self.of_any_metric, device).collect();
        let mut meant = Vec::new();
        let cells = (0u16..).zip(&device.cells).skip(from).filter(|(_, cell)| !cell.is_imported);
        for (index, cell) in cells {
            let named = self.of_metric.get(&*cell.name).into_iter().flat_map(|rules| self.about(rules, device));
            let numbers = named.chain(of_any_metric.iter().copied());
            meant.extend(numbers.map(|number| (number, Some(MetricIndex(index)))));
        }
        meant
    }

    fn about(&self, rules: &Selection, device: &Device) -> impl Iterator<Item = u16> {
        rules.perhaps_about(device).filter(|&number| self.get(number).rule.selects(&device.id, &device.group))
    }
}

impl RuleIdentity {
    /// Whether a rule was known by it.
    pub(crate) fn is_of(&self, rule: &Rule) -> bool {
        let kind = match rule.condition {
            Condition::Above { .. } => 0,
            Condition::Below { .. } => 1,
            Condition::NoReading { .. } => 2,
        };
        (&*rule.name, &rule.metric, kind) == (&*self.name, &self.metric, self.kind)
    }
}
