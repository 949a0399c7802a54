//! Figures of groups, summed up from their devices and from the groups below, some times a minute.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_settings::millis;
use tidegate_telemetry::{AggregateChange, Change, DeviceIndex, DeviceState, InAlert, StateCounts};

use crate::config::ProcessConfig;
use crate::device::{AggregateSlot, Cell};
use crate::fleet::Fleet;
use crate::group_index::GroupIndex;
use crate::names::{Figures, NameIndex, Names};
use crate::partial::{Partial, Partials, Summing};
use crate::shards::{Places, Shards};
use crate::time::Moment;

const ROOT: GroupIndex = GroupIndex(0);

/// Aggregates of every group and its ancestors, up to the whole fleet.
///
/// A reading only marks its group. Once in a while the marked groups are summed up from their own devices, and the
/// sums merged upwards; what moved is told. A group that has no device any more, nor one below it, is gone then.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: Shards<Group>,
    /// Which metrics have figures; partials are by their places.
    names: Names,
    /// Groups to sum up, in the order they were marked.
    marked: Vec<GroupIndex>,
    /// When the last round was.
    round: Moment,
    by_path: HashMap<Arc<str>, GroupIndex>,
    summing: Summing,
}

/// Groups as they are at one moment: as a checkpoint has them.
#[derive(Debug)]
pub(crate) struct GroupsThen {
    pub(crate) groups: Places<Group>,
    pub(crate) rounds: Rounds,
}

/// Where the summing up stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rounds {
    /// Which metrics have figures, by place.
    pub(crate) figures: Vec<Figures>,
    pub(crate) marked: Vec<GroupIndex>,
    pub(crate) round: Moment,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) path: Arc<str>,
    pub(crate) parent: Option<GroupIndex>,
    /// By number, as the members.
    pub(crate) children: Vec<GroupIndex>,
    /// Devices right in it, by number, so that sums come out the same in every run.
    pub(crate) members: Vec<DeviceIndex>,
    pub(crate) marked: bool,
    pub(crate) own: Sums,
    /// With everything below; as last told.
    pub(crate) total: Sums,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sums {
    pub(crate) partials: Partials,
    pub(crate) states: StateCounts,
    pub(crate) in_alert: InAlert,
}

impl Groups {
    pub(crate) fn new() -> Self {
        let root = [Some(Group::new("".into(), None))].into_iter().collect();
        Groups::of(root, Rounds { figures: Vec::new(), marked: Vec::new(), round: Moment::START })
    }

    /// As a checkpoint has them; to be [rebuilt](Groups::rebuild).
    pub(crate) fn of(groups: Shards<Group>, rounds: Rounds) -> Self {
        let Rounds { figures, marked, round } = rounds;
        let (by_path, summing) = Default::default();
        let mut groups = Groups { groups, names: Names::new(figures), marked, round, by_path, summing };
        groups.find_paths();
        groups
    }

    /// The groups of these devices; the next round sums them all up.
    pub(crate) fn of_devices(fleet: &mut Fleet, config: &ProcessConfig) -> Self {
        let mut groups = Groups::new();
        for index in fleet.indexes() {
            let device = fleet.get_mut(index).expect("indexes() names devices that exist");
            device.counted_in = groups.group(&device.group, config.groups_max);
            groups.join(device.counted_in, index);
        }
        groups.rebuild(fleet);
        groups.names.settle(config.aggregate_metrics_max);
        groups
    }

    /// Has the next round sum up every group.
    pub(crate) fn mark_all(&mut self) {
        let all: Vec<GroupIndex> = self.groups.iter().map(|(index, _)| GroupIndex(index)).collect();
        all.into_iter().for_each(|group| self.mark(group));
    }

    /// Numbers the names of the devices' metrics, which a checkpoint does not.
    pub(crate) fn rebuild(&mut self, fleet: &mut Fleet) {
        for index in fleet.indexes() {
            let device = fleet.get_mut(index).expect("indexes() names devices that exist");
            let vote = device.vote();
            for cell in device.cells.iter_mut().filter(|cell| cell.aggregate != AggregateSlot::NotYet) {
                cell.aggregate = AggregateSlot::Metric(self.names.count(&cell.name, vote));
            }
        }
        self.names.find_places();
    }

    fn find_paths(&mut self) {
        let paths = self.groups.iter();
        self.by_path = paths.map(|(index, group)| (group.path.clone(), GroupIndex(index))).collect();
    }

    /// The group of this path, made with its ancestors if there is room, else the nearest ancestor.
    pub(crate) fn group(&mut self, path: &str, groups_max: usize) -> GroupIndex {
        if let Some(&known) = self.by_path.get(path) {
            return known;
        }
        let parent = match path.rsplit_once('/') {
            Some((above, _)) => self.group(above, groups_max),
            None => ROOT,
        };
        let is_child = path.rsplit_once('/').map_or("", |(above, _)| above) == &*self.at(parent).path;
        if !is_child || self.groups.len() >= groups_max {
            return parent;
        }
        let path: Arc<str> = path.into();
        let index = GroupIndex(self.groups.insert(Group::new(path.clone(), Some(parent))));
        self.by_path.insert(path, index);
        add(&mut self.at_mut(parent).children, index);
        index
    }

    /// Whether a device of the group of this path that counts in `group` could count nearer to it: there was no room when
    /// it came, and perhaps there is now.
    pub(crate) fn has_room_nearer(&self, group: GroupIndex, path: &str, groups_max: usize) -> bool {
        self.groups.len() < groups_max && *self.at(group).path != *path
    }

    pub(crate) fn join(&mut self, group: GroupIndex, device: DeviceIndex) {
        add(&mut self.at_mut(group).members, device);
        self.mark(group);
    }

    pub(crate) fn leave(&mut self, group: GroupIndex, device: DeviceIndex) {
        remove(&mut self.at_mut(group).members, device);
        self.mark(group);
    }

    /// Something in this group moved.
    pub(crate) fn mark(&mut self, group: GroupIndex) {
        let entry = self.at_mut(group);
        if !entry.marked {
            entry.marked = true;
            self.marked.push(group);
        }
    }

    /// The names of metrics that devices have numbers of.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// When the next round is due; `None` while nothing moved.
    pub(crate) fn due(&self, config: &ProcessConfig) -> Option<Moment> {
        (!self.marked.is_empty()).then(|| self.round.plus(millis(config.aggregate_interval)))
    }

    /// The next round is due at once: somebody is not to be named any longer as who has the extremes.
    pub(crate) fn hurry(&mut self, now: Moment, config: &ProcessConfig) {
        self.round = now.minus(millis(config.aggregate_interval));
    }

    /// Sums up what moved, if a round is due. Returns the metrics that lost their figures to others.
    pub(crate) fn round(
        &mut self,
        now: Moment,
        config: &ProcessConfig,
        fleet: &Fleet,
        changes: &mut Vec<Change>,
    ) -> Vec<Arc<str>> {
        if self.due(config).is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.round = now;
        let lost = self.names.contest(config.aggregate_metrics_max);
        if !lost.is_empty() {
            self.mark_ending();
        }
        let mut moved = std::mem::take(&mut self.marked);
        for &index in &moved {
            let group = self.groups.get_mut(index.0).expect("marked groups stay");
            group.own = sum_up(&group.members, fleet, &self.names, &mut self.summing);
        }
        self.mark_ancestors(&mut moved);
        // A path is longer than those above it, so every total is ready when its parent needs it.
        moved.sort_unstable_by_key(|&index| (std::cmp::Reverse(self.at(index).path.len()), index));
        for index in moved {
            let total = self.total_of(index);
            let group = self.groups.get_mut(index.0).expect("marked groups stay");
            group.marked = false;
            let before = std::mem::replace(&mut group.total, total);
            group.tell(&before, &self.names, fleet, changes);
            self.remove_if_empty(index);
        }
        let begun = self.names.settle(config.aggregate_metrics_max);
        self.mark_beginning(&begun, fleet);
        lost
    }

    /// Marks the groups that have numbers of metrics that have figures from now on: perhaps nothing else moves them for long.
    fn mark_beginning(&mut self, begun: &[NameIndex], fleet: &Fleet) {
        if begun.is_empty() {
            return;
        }
        let has_begun =
            |cell: &Cell| matches!(cell.aggregate, AggregateSlot::Metric(name) if begun.binary_search(&name).is_ok());
        for index in fleet.indexes() {
            if let Some(device) = fleet.get(index).filter(|device| device.cells.iter().any(has_begun)) {
                self.mark(device.counted_in);
            }
        }
    }

    /// Marks the groups that have figures of metrics that have them no longer.
    fn mark_ending(&mut self) {
        let has_ending = |group: &Group| group.own.partials.iter().any(|(place, _)| self.names.is_ending(*place));
        let ending = self.groups.iter().filter(|(_, group)| has_ending(group)).map(|(index, _)| GroupIndex(index));
        ending.collect::<Vec<_>>().into_iter().for_each(|group| self.mark(group));
    }

    fn remove_if_empty(&mut self, index: GroupIndex) {
        let group = self.at(index);
        if let Some(parent) = group.parent
            && group.is_empty()
        {
            let path = group.path.clone();
            self.by_path.remove(&path);
            self.groups.remove(index.0);
            remove(&mut self.at_mut(parent).children, index);
        }
    }

    /// Every aggregate as last told.
    pub(crate) fn changes(&self, fleet: &Fleet) -> impl Iterator<Item = Change> {
        self.groups.iter().flat_map(|(_, group)| {
            let mut changes = Vec::new();
            group.tell(&Sums::default(), &self.names, fleet, &mut changes);
            changes
        })
    }

    /// As they are now, for a checkpoint.
    pub(crate) fn then(&self) -> GroupsThen {
        let Groups { names, marked, round, .. } = self;
        let rounds = Rounds { figures: names.figures().to_vec(), marked: marked.clone(), round: *round };
        GroupsThen { groups: self.groups.places(), rounds }
    }

    fn mark_ancestors(&mut self, moved: &mut Vec<GroupIndex>) {
        let mut place = 0;
        while place < moved.len() {
            let parent = self.at(moved[place]).parent;
            if let Some(parent) = parent
                && !std::mem::replace(&mut self.at_mut(parent).marked, true)
            {
                moved.push(parent);
            }
            place += 1;
        }
    }

    fn total_of(&mut self, index: GroupIndex) -> Sums {
        let group = self.groups.get(index.0).expect("marked groups stay");
        let Sums { mut states, mut in_alert, .. } = group.own;
        self.summing.merge(&group.own.partials);
        for total in group.children.iter().filter_map(|child| Some(&self.groups.get(child.0)?.total)) {
            self.summing.merge(&total.partials);
            states.fresh += total.states.fresh;
            states.late += total.states.late;
            states.asleep += total.states.asleep;
            states.lost += total.states.lost;
            in_alert.add(total.in_alert);
        }
        Sums { partials: self.summing.finish(), states, in_alert }
    }

    fn at(&self, group: GroupIndex) -> &Group {
        self.groups.get(group.0).expect("a group stays while a device, a group below or a mark names it")
    }

    fn at_mut(&mut self, group: GroupIndex) -> &mut Group {
        self.groups.get_mut(group.0).expect("a group stays while a device, a group below or a mark names it")
    }
}

/// Adds to a list that is in order.
fn add<T: Ord>(list: &mut Vec<T>, new: T) {
    if let Err(place) = list.binary_search(&new) {
        list.insert(place, new);
    }
}

/// Removes from a list that is in order.
fn remove<T: Ord>(list: &mut Vec<T>, old: T) {
    if let Ok(place) = list.binary_search(&old) {
        list.remove(place);
    }
}

impl Group {
    fn new(path: Arc<str>, parent: Option<GroupIndex>) -> Self {
        Group {
            path,
            parent,
            children: Vec::new(),
            members: Vec::new(),
            marked: false,
            own: Sums::default(),
            total: Sums::default(),
        }
    }

    /// Whether there is no device right in it, nor a group below.
    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// Tells what differs from `before`; a metric that no device has any more is told with no devices, and before others:
    /// it may have got another place.
    fn tell(&self, before: &Sums, names: &Names, fleet: &Fleet, changes: &mut Vec<Change>) {
        let Sums { states: counts, in_alert, .. } = self.total;
        if (counts, in_alert) != (before.states, before.in_alert) {
            changes.push(Change::States { group: self.path.clone(), counts, in_alert });
        }
        let of = |partials: &Partials, metric: u16| {
            partials.binary_search_by_key(&metric, |(metric, _)| *metric).ok().map(|place| partials[place].1)
        };
        for (metric, _) in &before.partials {
            if of(&self.total.partials, *metric).is_none() {
                changes.push(self.change(names.text(*metric), &Partial::EMPTY, fleet));
            }
        }
        for (metric, partial) in &self.total.partials {
            if of(&before.partials, *metric) != Some(*partial) {
                changes.push(self.change(names.text(*metric), partial, fleet));
            }
        }
    }

    fn change(&self, metric: &Arc<str>, partial: &Partial, fleet: &Fleet) -> Change {
        let some = partial.count > 0;
        let whose = |device| fleet.get(device).filter(|_| some).map(|device| device.id.clone());
        Change::Aggregate(AggregateChange {
            group: self.path.clone(),
            metric: metric.clone(),
            count: partial.count,
            devices: partial.devices,
            sum: partial.sum,
            min: if some { partial.min } else { 0.0 },
            max: if some { partial.max } else { 0.0 },
            oldest_ms: some.then_some(partial.oldest_ms),
            min_device: whose(partial.min_of),
            max_device: whose(partial.max_of),
        })
    }
}

fn sum_up(members: &[DeviceIndex], fleet: &Fleet, names: &Names, summing: &mut Summing) -> Sums {
    let (mut states, mut in_alert) = (StateCounts::default(), InAlert::default());
    let shown = |index| Some((index, fleet.get(index).filter(|device| !device.is_hidden())?));
    for (index, device) in members.iter().filter_map(|&index| shown(index)) {
        if let Some(worst) = device.worst_alert() {
            *in_alert.of(worst) += 1;
        }
        match device.state {
            DeviceState::Fresh => states.fresh += 1,
            DeviceState::Late => states.late += 1,
            DeviceState::Asleep => states.asleep += 1,
            DeviceState::Lost => states.lost += 1,
        }
        for cell in &device.cells {
            let (AggregateSlot::Metric(name), Some(value)) = (cell.aggregate, cell.value.as_number()) else {
                continue;
            };
            let Some(place) = names.place(name) else { continue };
            let partial = summing.at(place);
            partial.devices += 1;
            if device.counts() {
                partial.add(value, cell.time_ms, index);
            }
        }
    }
    Sums { partials: summing.finish(), states, in_alert }
}
