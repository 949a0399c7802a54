//! Aggregates by group and metric, and devices by state; who watches which of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tidegate_telemetry::{AggregateChange, InAlert, Numbered, StateCounts};

use crate::directory::is_within;
use crate::subscriber::SubscriberId;

/// All groups. Numbers of those that are forgotten are used again.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: Numbered<Group>,
    /// Numbers by level and path: of each level, what lies below a group stands together.
    levels: Vec<BTreeMap<Arc<str>, u32>>,
    /// Every group by the version at which it last changed.
    changed: BTreeSet<(u64, u32)>,
    watchers: PathWatchers,
    gone: VecDeque<Gone>,
    /// Figures that went at or below this version are forgotten.
    pub gone_horizon: u64,
    /// Version at which any group last changed.
    pub version: u64,
}

/// Whom to wake, by the path of their view, and how deep each looks.
type PathWatchers = FxHashMap<Box<str>, SmallVec<[(usize, SubscriberId); 2]>>;

/// A group and what lies below it, so many levels deep.
#[derive(Debug)]
pub(crate) struct Subtree {
    pub path: Box<str>,
    pub depth: usize,
}

/// One group. A figure that no device has any more stays as a tombstone, as long as that it went is remembered.
#[derive(Debug)]
pub(crate) struct Group {
    pub path: Arc<str>,
    pub counts: StateCounts,
    pub in_alert: InAlert,
    /// Version of the counts and of those in alert.
    pub counts_version: u64,
    /// In order of their names.
    pub metrics: Vec<Aggregate>,
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
    fn new(path: Arc<str>) -> Self {
        let (counts, in_alert) = (StateCounts::default(), InAlert::default());
        Group { path, counts, in_alert, counts_version: 0, metrics: Vec::new(), version: 0 }
    }

    pub fn is_gone(&self) -> bool {
        self.counts == StateCounts::default()
    }

    /// Figures of a metric.
    pub fn metric(&self, name: &str) -> Option<&Aggregate> {
        self.place(name).ok().map(|at| &self.metrics[at])
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.metrics.binary_search_by(|aggregate| (*aggregate.figures.metric).cmp(name))
    }

    fn put(&mut self, aggregate: Aggregate) {
        match self.place(&aggregate.figures.metric) {
            Ok(at) => self.metrics[at] = aggregate,
            Err(at) => {
                // Groups are many and their metrics stay as they are.
                self.metrics.reserve_exact(1);
                self.metrics.insert(at, aggregate);
            }
        }
    }
}

impl Subtree {
    pub fn has(&self, path: &str) -> bool {
        is_within(path, &self.path) && level_of(path) - level_of(&self.path) <= self.depth
    }
}

impl Groups {
    /// Takes figures of a metric; names whom that concerns.
    pub fn aggregate(
        &mut self,
        change: &AggregateChange,
        version: u64,
        gone_max: usize,
        wake: &mut impl FnMut(SubscriberId),
    ) {
        let group = self.touch(&change.group, version, wake);
        group.put(Aggregate { figures: change.clone(), version });
        if change.devices == 0 {
            let (group, metric) = (Arc::clone(&change.group), Some(Arc::clone(&change.metric)));
            self.note_gone(Gone { version, group, metric }, gone_max);
        }
    }

    /// Takes the devices by state, and those in alert; names whom that concerns.
    pub fn states(
        &mut self,
        path: &Arc<str>,
        (counts, in_alert): (StateCounts, InAlert),
        version: u64,
        gone_max: usize,
        wake: &mut impl FnMut(SubscriberId),
    ) {
        let group = self.touch(path, version, wake);
        (group.counts, group.in_alert) = (counts, in_alert);
        group.counts_version = version;
        if group.is_gone() {
            self.note_gone(Gone { version, group: Arc::clone(path), metric: None }, gone_max);
        }
    }

    pub fn get(&self, path: &str) -> Option<&Group> {
        self.groups.get(self.number_of(path)?)
    }

    /// The group of this number, while a view has it.
    pub fn get_in(&self, view: &Subtree, number: u32) -> Option<&Group> {
        self.groups.get(number).filter(|group| view.has(&group.path))
    }

    /// At most `limit` groups by level and path, after that of a path.
    pub fn after(&self, path: Option<&str>, limit: usize) -> impl Iterator<Item = &Group> {
        let level = path.map_or(0, level_of);
        let start = path.map_or(Bound::Unbounded, Bound::Excluded);
        let of_level =
            self.levels.get(level).into_iter().flat_map(move |level| level.range::<str, _>((start, Bound::Unbounded)));
        let deeper = self.levels.iter().skip(level + 1).flatten();
        of_level.chain(deeper).take(limit).filter_map(|(_, &number)| self.groups.get(number))
    }

    /// Numbers of what a view has, by level and path.
    pub fn within(&self, view: &Subtree) -> impl Iterator<Item = u32> {
        // '0' is the character after '/'.
        let (first, end) = (format!("{}/", view.path), format!("{}0", view.path));
        let is_all = view.path.is_empty();
        let own = self.number_of(&view.path).into_iter();
        let deeper = self.levels.iter().skip(level_of(&view.path) + 1).take(view.depth);
        own.chain(deeper.flat_map(move |level| {
            let below = (Bound::Included(&*first), Bound::Excluded(&*end));
            let range = if is_all { (Bound::Unbounded, Bound::Unbounded) } else { below };
            level.range::<str, _>(range).map(|(_, &number)| number)
        }))
    }

    /// Numbers of what a view has that changed after `since`. Looks at all that changed and at all that the view has, turn
    /// by turn, until it is through with one of them: it costs twice the lesser.
    pub fn changed_within(&self, view: &Subtree, since: u64) -> Vec<u32> {
        let mut changes = self.changed.range((since.saturating_add(1), 0)..).map(|&(_, number)| number);
        let mut members = self.within(view);
        let (mut of_changes, mut of_members) = (Vec::new(), Vec::new());
        loop {
            let Some(number) = changes.next() else { return of_changes };
            of_changes.extend(self.get_in(view, number).map(|_| number));
            let Some(number) = members.next() else { return of_members };
            of_members.extend(self.groups.get(number).filter(|group| group.version > since).map(|_| number));
        }
    }

    /// Has a session woken for what a view has.
    pub fn watch(&mut self, view: &Subtree, subscriber: SubscriberId) {
        self.watchers.entry(view.path.clone()).or_default().push((view.depth, subscriber));
    }

    pub fn unwatch(&mut self, view: &Subtree, subscriber: SubscriberId) {
        let Some(watchers) = self.watchers.get_mut(&view.path) else { return };
        if let Some(at) = watchers.iter().position(|&watcher| watcher == (view.depth, subscriber)) {
            watchers.swap_remove(at);
        }
        if watchers.is_empty() {
            self.watchers.remove(&view.path);
        }
    }

    /// Remembers that a figure went. Beyond `gone_max` the oldest is forgotten, and its tombstone with it.
    fn note_gone(&mut self, gone: Gone, gone_max: usize) {
        self.gone.push_back(gone);
        if self.gone.len() <= gone_max {
            return;
        }
        let Some(Gone { version, group: path, metric }) = self.gone.pop_front() else { return };
        self.gone_horizon = version;
        let Some(number) = self.number_of(&path) else { return };
        let Some(group) = self.groups.get_mut(number) else { return };
        if let Some(at) = metric.and_then(|metric| group.place(&metric).ok())
            && group.metrics[at].is_gone()
            && group.metrics[at].version <= version
        {
            group.metrics.remove(at);
        }
        if group.is_gone() && group.counts_version <= version && group.metrics.is_empty() {
            self.remove(number);
        }
    }

    fn number_of(&self, path: &str) -> Option<u32> {
        self.levels.get(level_of(path))?.get(path).copied()
    }

    /// The group of a path, now changed.
    fn touch(&mut self, path: &Arc<str>, version: u64, wake: &mut impl FnMut(SubscriberId)) -> &mut Group {
        self.version = version;
        let number = self.number_of(path).unwrap_or_else(|| self.insert(path));
        let group = self.groups.get_mut(number).expect("a path stands in `levels` with the number of its group");
        if group.version != version {
            self.changed.remove(&(group.version, number));
            self.changed.insert((version, number));
            group.version = version;
            wake_above(&self.watchers, path, wake);
        }
        group
    }

    fn insert(&mut self, path: &Arc<str>) -> u32 {
        let number = self.groups.insert(Group::new(Arc::clone(path)));
        let level = level_of(path);
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, BTreeMap::new);
        }
        self.levels[level].insert(Arc::clone(path), number);
        number
    }

    fn remove(&mut self, number: u32) {
        let Some(group) = self.groups.remove(number) else { return };
        self.changed.remove(&(group.version, number));
        self.levels[level_of(&group.path)].remove(&group.path);
    }
}

/// Wakes who watches a group, or one above it deep enough.
fn wake_above(watchers: &PathWatchers, path: &str, wake: &mut impl FnMut(SubscriberId)) {
    if watchers.is_empty() {
        return;
    }
    let level = level_of(path);
    for above in self_and_above(path) {
        let depth = level - level_of(above);
        for &(_, subscriber) in watchers.get(above).into_iter().flatten().filter(|(deepest, _)| depth <= *deepest) {
            wake(subscriber);
        }
    }
}

/// A group and those above it, up to the whole fleet.
pub(crate) fn self_and_above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rsplit_once('/') {
        Some((above, _)) => Some(above),
        None => Some("").filter(|_| !path.is_empty()),
    })
}

fn level_of(path: &str) -> usize {
    if path.is_empty() { 0 } else { 1 + path.bytes().filter(|&byte| byte == b'/').count() }
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
                    groups.states(&group, (counts, InAlert::default()), version, 50, &mut |_| ());
                    let (count, sum, min, max, oldest_ms) = (devices, 1.0, 1.0, 1.0, None);
                    let (min_device, max_device) = (None, None);
                    let figures = AggregateChange {
                        group,
                        metric,
                        count,
                        devices,
                        sum,
                        min,
                        max,
                        oldest_ms,
                        min_device,
                        max_device,
                    };
                    groups.aggregate(&figures, version, 50, &mut |_| ());
                }
            }
        }
        assert_eq!((groups.gone.len(), groups.groups.len()), (50, 25));
        assert_eq!((groups.changed.len(), groups.levels[1].len()), (25, 25));
    }

    #[test]
    fn a_group_that_came_again_stays_when_it_is_forgotten_that_it_had_gone() {
        let mut groups = Groups::default();
        let (path, other) = (Arc::from("a"), Arc::from("b"));
        for (version, fresh) in [(1, 1), (2, 0), (3, 1)] {
            let counts = StateCounts { fresh, ..StateCounts::default() };
            groups.states(&path, (counts, InAlert::default()), version, 1, &mut |_| ());
        }
        groups.states(&other, (StateCounts::default(), InAlert::default()), 4, 1, &mut |_| ());
        assert_eq!(groups.gone_horizon, 2);
        assert!(groups.get("a").is_some());
    }
}
