use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::MetricIndex;

use crate::catalogue::Style;
use crate::config::{Condition, RuleConfig};
use crate::device::Device;
use crate::selection::Selection;

/// The rules, by number.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    identities: Arc<[RuleIdentity]>,
    /// Those about a device as a whole.
    of_devices: Selection,
    /// Those about each metric of a device.
    of_any_metric: Selection,
    of_metric: HashMap<String, Selection>,
    /// Of the rules about the same devices the first.
    of_scopes: Selection,
    /// That one, for each rule.
    scopes: Arc<[u16]>,
    /// Rules of silence that name one device, by its identifier.
    naming: HashMap<Arc<str>, Vec<u16>>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) config: RuleConfig,
}

/// What makes a rule the same one over a restart: standings under another one mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RuleIdentity {
    name: String,
    metric: Option<String>,
    kind: u8,
}

impl Rules {
    pub(crate) fn new(rules: &[RuleConfig]) -> Self {
        let rule = |config: &RuleConfig| Rule { name: config.name.as_str().into(), config: config.clone() };
        let rules: Vec<Rule> = rules.iter().take(usize::from(u16::MAX)).map(rule).collect();
        let identities = rules.iter().map(Rule::identity).collect();
        let mut all = Rules {
            rules,
            identities,
            of_devices: Selection::default(),
            of_any_metric: Selection::default(),
            of_metric: HashMap::new(),
            of_scopes: Selection::default(),
            scopes: Arc::from([]),
            naming: HashMap::new(),
        };
        let (mut scopes, mut first_of) = (Vec::with_capacity(all.rules.len()), HashMap::new());
        for (number, rule) in (0u16..).zip(&all.rules) {
            let selection = match (&rule.config.metric, rule.config.condition) {
                (None, Condition::NoReading { .. }) => &mut all.of_devices,
                (None, _) => &mut all.of_any_metric,
                (Some(metric), _) => all.of_metric.entry(metric.clone()).or_default(),
            };
            selection.add(number, &rule.config);
            let first = *first_of.entry((&rule.config.device, &rule.config.group)).or_insert(number);
            if first == number {
                all.of_scopes.add(number, &rule.config);
            }
            scopes.push(first);
            if let Some(device) = rule.config.awaits() {
                all.naming.entry(device.into()).or_default().push(number);
            }
        }
        all.scopes = scopes.into();
        all
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn get(&self, rule: u16) -> &Rule {
        &self.rules[usize::from(rule)]
    }

    pub(crate) fn identities(&self) -> Arc<[RuleIdentity]> {
        Arc::clone(&self.identities)
    }

    /// For each rule the first that is about the same devices.
    pub(crate) fn scopes(&self) -> Arc<[u16]> {
        Arc::clone(&self.scopes)
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
        let whole = self.about(&self.of_devices, device).map(|number| (number, None));
        let mut meant: Vec<_> = whole.chain(self.meant_for_metrics(device, 0)).collect();
        meant.sort_unstable();
        meant
    }

    /// Which rule is meant for which metric of a device from the one of this number on, in no order.
    pub(crate) fn meant_for_metrics(&self, device: &Device, from: usize) -> Vec<(u16, Option<MetricIndex>)> {
        let of_any_metric: Vec<u16> = self.about(&self.of_any_metric, device).collect();
        let mut meant = Vec::new();
        for (index, cell) in (0u16..).zip(&device.cells).skip(from) {
            let named = self.of_metric.get(&*cell.name).into_iter().flat_map(|rules| self.about(rules, device));
            let numbers = named.chain(of_any_metric.iter().copied());
            meant.extend(numbers.map(|number| (number, Some(MetricIndex(index)))));
        }
        meant
    }

    fn about(&self, rules: &Selection, device: &Device) -> impl Iterator<Item = u16> {
        rules.perhaps_about(device).filter(|&number| self.get(number).config.selects(&device.id, &device.group))
    }
}

impl Rule {
    /// The rule for people: `Above 8.0 °C for 30 s`.
    pub(crate) fn text(&self, metric: Option<&str>, style: &Style) -> String {
        let threshold = |threshold: f64| {
            let number = match style.decimals {
                Some(decimals) => format!("{threshold:.*}", usize::from(decimals)),
                None => threshold.to_string(),
            };
            match style.unit.as_deref() {
                Some("%") => format!("{number}%"),
                Some(unit) => format!("{number} {unit}"),
                None => number,
            }
        };
        let lasting = |for_ms: i64| if for_ms > 0 { format!(" for {}", span(for_ms)) } else { String::new() };
        match self.config.condition {
            Condition::Above { threshold: limit, for_ms, .. } => {
                format!("Above {}{}", threshold(limit), lasting(for_ms))
            }
            Condition::Below { threshold: limit, for_ms, .. } => {
                format!("Below {}{}", threshold(limit), lasting(for_ms))
            }
            Condition::NoReading { for_ms } => format!("No {}{}", metric.unwrap_or("reading"), lasting(for_ms)),
        }
    }

    pub(crate) fn is_about_silence(&self) -> bool {
        matches!(self.config.condition, Condition::NoReading { .. })
    }

    fn identity(&self) -> RuleIdentity {
        let kind = match self.config.condition {
            Condition::Above { .. } => 0,
            Condition::Below { .. } => 1,
            Condition::NoReading { .. } => 2,
        };
        RuleIdentity { name: self.config.name.clone(), metric: self.config.metric.clone(), kind }
    }
}

/// A span of time for people, in the largest unit that leaves a whole number: `90 s`, `5 min`, `250 ms`.
fn span(ms: i64) -> String {
    for (unit_ms, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if ms % unit_ms == 0 {
            return format!("{} {unit}", ms / unit_ms);
        }
    }
    format!("{ms} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_largest_whole_unit() {
        let told: Vec<String> = [30_000, 90_000, 300_000, 250, 7_200_000, 86_400_000].map(span).into();
        assert_eq!(told, ["30 s", "90 s", "5 min", "250 ms", "2 h", "1 d"]);
    }
}
