use std::collections::BTreeSet;

use super::Subject;
use super::pattern::Template;
use super::trie::{Access, Grant, Search};

/// The devices that a rule's publications may name.
#[derive(Debug)]
pub(super) struct Devices(Box<[Pattern]>);

#[derive(Debug)]
enum Pattern {
    Plain(Box<str>),
    Template(Template),
}

/// Bytes of a rule's patterns at most: they stand in the log with each publication.
const BYTES_MAX: usize = 4096;

impl Devices {
    pub(super) fn new(patterns: &[String]) -> Self {
        let pattern = |text: &String| match Template::parse(text) {
            Some(template) => Pattern::Template(template),
            None => Pattern::Plain(text.as_str().into()),
        };
        Devices(patterns.iter().map(pattern).collect())
    }

    /// What is wrong with a rule's patterns.
    pub(super) fn check(patterns: &[String]) -> Result<(), &'static str> {
        if patterns.is_empty() || patterns.iter().any(String::is_empty) {
            return Err("devices needs patterns that are not empty; without the key any device may be named");
        }
        if patterns.iter().map(String::len).sum::<usize>() > BYTES_MAX {
            return Err("devices has more than 4096 bytes, and stands in the log with each publication: use * and ?");
        }
        Ok(())
    }
}

/// Looks for all devices that someone's publications to a topic may name.
pub(super) struct DeviceSearch<'a> {
    subject: Subject<'a>,
    /// `None`: any.
    patterns: Option<BTreeSet<String>>,
}

impl<'a> DeviceSearch<'a> {
    pub(super) fn new(subject: Subject<'a>) -> Self {
        DeviceSearch { subject, patterns: Some(BTreeSet::new()) }
    }

    pub(super) fn patterns(self) -> Option<BTreeSet<String>> {
        self.patterns
    }
}

impl Search for DeviceSearch<'_> {
    fn found(&mut self, grant: &Grant) {
        if !grant.access.holds(Access::new(true, false, false)) {
            return;
        }
        let (Some(patterns), Some(devices)) = (&mut self.patterns, &grant.devices) else {
            self.patterns = None;
            return;
        };
        let Subject { client, user, .. } = self.subject;
        patterns.extend(devices.0.iter().filter_map(|pattern| match pattern {
            Pattern::Plain(text) => Some(text.to_string()),
            Pattern::Template(template) => template.device_pattern(client, user),
        }));
    }

    fn is_over(&self) -> bool {
        self.patterns.is_none()
    }
}
