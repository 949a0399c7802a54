//! Aggregates by group and metric, and devices by state.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use tidegate_telemetry::{AggregateChange, StateCounts};

use crate::directory::is_within;

/// All groups, in order of their paths.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<Arc<str>, Group>,
    /// Version at which any group last changed.
    pub version: u64,
}

/// One group. A figure of a group that has no device any more stays as a tombstone: groups are few.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub counts: StateCounts,
    pub counts_version: u64,
    pub metrics: BTreeMap<Arc<str>, Aggregate>,
    pub version: u64,
}

/// Newest figures of one metric.
#[derive(Debug)]
pub(crate) struct Aggregate {
    pub figures: AggregateChange,
    pub version: u64,
}

impl Aggregate {
    pub fn is_gone(&self) -> bool {
        self.figures.devices == 0
    }
}

impl Group {
    pub fn is_gone(&self) -> bool {
        self.counts == StateCounts::default()
    }
}

impl Groups {
    pub fn aggregate(&mut self, change: &AggregateChange, version: u64) {
        let group = self.group_mut(&change.group, version);
        group.metrics.insert(Arc::clone(&change.metric), Aggregate { figures: change.clone(), version });
    }

    pub fn states(&mut self, path: &Arc<str>, counts: StateCounts, version: u64) {
        let group = self.group_mut(path, version);
        group.counts = counts;
        group.counts_version = version;
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.groups.iter()
    }

    pub fn get(&self, path: &str) -> Option<&Group> {
        self.groups.get(path)
    }

    /// A group and what lies below it, `depth` levels deep.
    pub fn below<'a>(&'a self, path: &'a str, depth: usize) -> impl Iterator<Item = (&'a Arc<str>, &'a Group)> {
        let level = levels(path);
        let from_path = self.groups.range::<str, _>((Bound::Included(path), Bound::Unbounded));
        from_path
            .take_while(move |(other, _)| other.starts_with(path))
            .filter(move |(other, _)| is_within(other, path) && levels(other) <= level + depth)
    }

    fn group_mut(&mut self, path: &Arc<str>, version: u64) -> &mut Group {
        self.version = version;
        let group = self.groups.entry(Arc::clone(path)).or_default();
        group.version = version;
        group
    }
}

fn levels(path: &str) -> usize {
    if path.is_empty() { 0 } else { path.split('/').count() }
}
