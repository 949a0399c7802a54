//! Finds the rules that may be about a device by what their patterns begin with, without a look at every rule.

use std::collections::HashMap;

use tidegate_telemetry::Rule;

use crate::device::Device;

/// Numbers of rules, by what the identifiers or groups they are about begin with.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    by_device: Prefixes,
    by_group: Prefixes,
    /// Nothing tells beforehand what they are not about.
    rest: Vec<u16>,
}

impl Selection {
    pub(crate) fn add(&mut self, number: u16, rule: &Rule) {
        let (device, group) = (prefix(rule.device.as_deref()), prefix(rule.group.as_deref()));
        match (device, group) {
            ("", "") => self.rest.push(number),
            ("", group) => self.by_group.add(group, number),
            (device, _) => self.by_device.add(device, number),
        }
    }

    /// Every rule that is about a device, and perhaps others, in no order.
    pub(crate) fn perhaps_about(&self, device: &Device) -> impl Iterator<Item = u16> {
        self.by_device.of(&device.id).chain(self.by_group.of(&device.group)).chain(self.rest.iter().copied())
    }
}

/// What every text begins with that a pattern matches.
fn prefix(pattern: Option<&str>) -> &str {
    pattern.and_then(|pattern| pattern.split(['*', '?']).next()).unwrap_or_default()
}

/// Numbers by prefix: a text has one look-up for each length of a prefix there is.
#[derive(Debug, Default)]
struct Prefixes {
    numbers: HashMap<Box<str>, Vec<u16>>,
    /// Each once.
    lengths: Vec<usize>,
}

impl Prefixes {
    fn add(&mut self, prefix: &str, number: u16) {
        self.numbers.entry(prefix.into()).or_default().push(number);
        if let Err(place) = self.lengths.binary_search(&prefix.len()) {
            self.lengths.insert(place, prefix.len());
        }
    }

    fn of(&self, text: &str) -> impl Iterator<Item = u16> {
        let prefixes = self.lengths.iter().map_while(move |&length| (length <= text.len()).then(|| text.get(..length)));
        prefixes.flatten().filter_map(|prefix| self.numbers.get(prefix)).flatten().copied()
    }
}
