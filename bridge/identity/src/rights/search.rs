use std::collections::BTreeSet;

use super::Subject;
use super::trie::{Access, Grant, Search};

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
        patterns.extend(devices.of(self.subject));
    }

    fn is_over(&self) -> bool {
        self.patterns.is_none()
    }
}
