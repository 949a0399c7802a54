//! Aggregates by group and metric, and devices by state.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tidegate_telemetry::{AggregateChange, StateCounts};

use crate::directory::is_within;

/// All groups, in order of their paths.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<Arc<str>, Group>,
    gone: VecDeque<Gone>,
    /// Figures that went at or below this version are forgotten.
    pub gone_horizon: u64,
    /// Version at which any group last changed.
    pub version: u64,
}

/// One group. A figure that no device has any more stays as a tombstone, as long as that it went is remembered.
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

/// A figure that no device has any more; without a metric: the devices by state.
#[derive(Debug)]
struct Gone {
    version: u64,
    group: Arc<str>,
    metric: Option<Arc<str>>,
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
    pub fn aggregate(&mut self, change: &AggregateChange, version: u64, gone_max: usize) {
        let group = self.group_mut(&change.group, version);
        group.metrics.insert(Arc::clone(&change.metric), Aggregate { figures: change.clone(), version });
        if change.devices == 0 {
            let (group, metric) = (Arc::clone(&change.group), Some(Arc::clone(&change.metric)));
            self.note_gone(Gone { version, group, metric }, gone_max);
        }
    }

    pub fn states(&mut self, path: &Arc<str>, counts: StateCounts, version: u64, gone_max: usize) {
        let group = self.group_mut(path, version);
        group.counts = counts;
        group.counts_version = version;
        if group.is_gone() {
            self.note_gone(Gone { version, group: Arc::clone(path), metric: None }, gone_max);
        }
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

    /// Remembers that a figure went. Beyond `gone_max` the oldest is forgotten, and its tombstone with it.
    fn note_gone(&mut self, gone: Gone, gone_max: usize) {
        self.gone.push_back(gone);
        if self.gone.len() <= gone_max {
            return;
        }
        let Some(Gone { version, group: path, metric }) = self.gone.pop_front() else { return };
        self.gone_horizon = version;
        let Some(group) = self.groups.get_mut(&path) else { return };
        if let Some(metric) = metric
            && group.metrics.get(&metric).is_some_and(|figures| figures.is_gone() && figures.version <= version)
        {
            group.metrics.remove(&metric);
        }
        if group.is_gone() && group.counts_version <= version && group.metrics.is_empty() {
            self.groups.remove(&path);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_generations_of_groups_leave_as_many_tombstones_as_are_remembered() {
        let mut groups = Groups::default();
        let mut version = 0;
        for generation in 0..200 {
            for devices in [1, 0] {
                for n in 0..100 {
                    let group: Arc<str> = format!("g{generation}-{n}").into();
                    let metric = "t".into();
                    version += 1;
                    let counts = StateCounts { fresh: devices, ..StateCounts::default() };
                    groups.states(&group, counts, version, 50);
                    let (count, sum, min, max, oldest_ms) = (devices, 1.0, 1.0, 1.0, None);
                    let figures = AggregateChange { group, metric, count, devices, sum, min, max, oldest_ms };
                    groups.aggregate(&figures, version, 50);
                }
            }
        }
        assert_eq!((groups.gone.len(), groups.groups.len()), (50, 25));
    }

    #[test]
    fn a_group_that_came_again_stays_when_it_is_forgotten_that_it_had_gone() {
        let mut groups = Groups::default();
        let (path, other) = (Arc::from("a"), Arc::from("b"));
        for (version, fresh) in [(1, 1), (2, 0), (3, 1)] {
            groups.states(&path, StateCounts { fresh, ..StateCounts::default() }, version, 1);
        }
        groups.states(&other, StateCounts::default(), 4, 1);
        assert_eq!(groups.gone_horizon, 2);
        assert!(groups.get("a").is_some());
    }
}
