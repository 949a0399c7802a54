//! What was refused or not understood, within bounds, so that people see it and it can be decoded again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tidegate_telemetry::history::ProblemGroup;
use tidegate_telemetry::{Holder, Problem, Reason, Shares};

use crate::config::StoreConfig;

type Key = (Reason, Arc<str>);

/// Problems by reason and topic. Of each the newest payloads are kept, and a total. Past a bound whoever has most gives
/// way with what was quiet for longest: who makes many problems of its own pushes out nobody else's.
#[derive(Debug)]
pub(crate) struct Quarantine {
    bounds: Bounds,
    groups: FxHashMap<Key, Group>,
    /// The group's key by the sequence number of its newest problem: who was quiet for longest comes first.
    by_newest: BTreeMap<u64, Key>,
    /// The same numbers by whose group it is.
    by_holder: BTreeSet<(Holder, u64)>,
    held: Held,
    dropped: u64,
    next: u64,
    /// Problems below are in the file.
    saved: u64,
    /// Of those, the ones that left since.
    removed: Vec<u64>,
}

#[derive(Debug)]
struct Bounds {
    bytes: usize,
    groups: usize,
    payloads_per_group: usize,
    payload_bytes: usize,
}

/// Who has how much.
#[derive(Debug, Default)]
struct Held {
    groups: Shares,
    bytes: Shares,
}

#[derive(Debug)]
struct Group {
    count: u64,
    first_ms: i64,
    kept: VecDeque<(u64, Problem)>,
}

/// One problem as the file keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) sequence: u64,
    /// How many its group had with it.
    pub(crate) count: u64,
    /// When its group began, Unix ms.
    pub(crate) first_ms: i64,
    pub(crate) problem: Problem,
}

/// What changed since the file was written.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) added: Vec<Row>,
    pub(crate) removed: Vec<u64>,
    saved: u64,
}

impl Quarantine {
    /// Starts with what the file keeps, oldest first.
    pub(crate) fn load(config: &StoreConfig, rows: Vec<Row>) -> Self {
        let bounds = Bounds {
            bytes: config.quarantine_bytes_max,
            groups: config.quarantine_groups_max.max(1),
            payloads_per_group: config.quarantine_payloads_per_group_max.max(1),
            payload_bytes: config.quarantine_payload_bytes_max,
        };
        let mut quarantine = Quarantine {
            bounds,
            groups: FxHashMap::default(),
            by_newest: BTreeMap::new(),
            by_holder: BTreeSet::new(),
            held: Held::default(),
            dropped: 0,
            next: 0,
            saved: 0,
            removed: Vec::new(),
        };
        for row in rows {
            quarantine.next = row.sequence;
            quarantine.saved = row.sequence + 1;
            quarantine.insert(row.problem, Some((row.count, row.first_ms)));
        }
        // What the bounds drop now was counted when it was dropped the first time.
        quarantine.dropped = 0;
        quarantine
    }

    pub(crate) fn report(&mut self, mut problem: Problem) {
        problem.payload =
            Bytes::copy_from_slice(&problem.payload[..problem.payload.len().min(self.bounds.payload_bytes)]);
        self.insert(problem, None);
    }

    fn insert(&mut self, problem: Problem, totals: Option<(u64, i64)>) {
        let sequence = self.next;
        self.next += 1;
        let key = (problem.reason, problem.topic.clone());
        self.change(&key, |group, max| {
            let group = group.get_or_insert_with(|| Group::new(problem.received_ms));
            (group.count, group.first_ms) = totals.unwrap_or((group.count + 1, group.first_ms));
            group.kept.push_back((sequence, problem));
            if group.kept.len() > max { Some(group.most_crowding()) } else { None }
        });
        self.shrink();
    }

    /// Back within the bounds: of whoever has most, what was quiet for longest goes first.
    fn shrink(&mut self) {
        loop {
            let largest = match &self.held {
                held if held.bytes.total() > self.bounds.bytes => held.bytes.largest(),
                held if held.groups.total() > self.bounds.groups => held.groups.largest(),
                _ => return,
            };
            let Some(largest) = largest else { return };
            let quietest = self.by_holder.range((largest, 0)..).next();
            let Some(key) = quietest.and_then(|(_, newest)| self.by_newest.get(newest)).cloned() else { return };
            self.change(&key, |_, _| Some(0));
        }
    }

    /// Changes a group, and then drops the problem at the place that the change says.
    fn change(&mut self, key: &Key, change: impl FnOnce(&mut Option<Group>, usize) -> Option<usize>) {
        let mut group = self.groups.remove(key);
        if let Some((holder, newest, bytes)) = group.as_ref().and_then(Group::standing) {
            self.by_newest.remove(&newest);
            self.held.remove(&holder, bytes);
            self.by_holder.remove(&(holder, newest));
        }
        let drop_at = change(&mut group, self.bounds.payloads_per_group);
        let dropped = drop_at.zip(group.as_mut()).and_then(|(at, group)| group.kept.remove(at));
        if let Some((sequence, _)) = dropped {
            self.dropped += 1;
            if sequence < self.saved {
                self.removed.push(sequence);
            }
        }
        let Some(group) = group else { return };
        if let Some((holder, newest, bytes)) = group.standing() {
            self.by_newest.insert(newest, key.clone());
            self.held.add(&holder, bytes);
            self.by_holder.insert((holder, newest));
            self.groups.insert(key.clone(), group);
        }
    }

    /// Drops the problems that name a device and were received up to a time (Unix ms); later ones are of another device.
    pub(crate) fn erase(&mut self, device: &str, at_ms: i64) {
        let names = |problem: &Problem| problem.received_ms <= at_ms && problem.names(device);
        let is_its = |group: &Group| group.kept.iter().any(|(_, problem)| names(problem));
        let of_device: Vec<Key> = self.groups.iter().filter(|(_, it)| is_its(it)).map(|(key, _)| key.clone()).collect();
        let dropped = self.dropped;
        for key in &of_device {
            let place = |group: &Group| group.kept.iter().position(|(_, problem)| names(problem));
            while let Some(place) = self.groups.get(key).and_then(place) {
                self.change(key, |_, _| Some(place));
            }
        }
        self.dropped = dropped;
    }

    /// Groups, newest first, and how many problems were dropped for the bounds.
    pub(crate) fn groups(&self, limit: usize) -> (Vec<ProblemGroup>, u64) {
        let newest_first = self.by_newest.values().rev().take(limit);
        let groups = newest_first.filter_map(|key| self.groups.get(key).and_then(Group::summary)).collect();
        (groups, self.dropped)
    }

    /// Every problem that is kept, oldest first.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut kept: Vec<_> = self.groups.values().flat_map(|group| &group.kept).collect();
        kept.sort_unstable_by_key(|(sequence, _)| *sequence);
        kept.into_iter().map(|(_, problem)| problem.clone()).collect()
    }

    /// What the file has to learn.
    pub(crate) fn changes(&self) -> Changes {
        if self.next == self.saved && self.removed.is_empty() {
            return Changes { saved: self.saved, ..Changes::default() };
        }
        let mut added: Vec<Row> = self.groups.values().flat_map(|group| group.rows(self.saved)).collect();
        added.sort_unstable_by_key(|row| row.sequence);
        let mut removed = self.removed.clone();
        removed.sort_unstable();
        Changes { added, removed, saved: self.next }
    }

    /// The file has learnt it.
    pub(crate) fn saved(&mut self, changes: &Changes) {
        // What left between the two calls was not in the file when it left, and is now.
        let kept = |sequence: &u64| changes.removed.binary_search(sequence).is_err();
        self.removed.retain(kept);
        let gone = changes.added.iter().filter(|row| !self.holds(row)).map(|row| row.sequence);
        let gone: Vec<u64> = gone.collect();
        self.removed.extend(gone);
        self.saved = changes.saved;
    }

    fn holds(&self, row: &Row) -> bool {
        let key = (row.problem.reason, row.problem.topic.clone());
        self.groups.get(&key).is_some_and(|group| group.kept.iter().any(|(sequence, _)| *sequence == row.sequence))
    }
}

impl Held {
    fn add(&mut self, holder: &Holder, bytes: usize) {
        self.groups.add(holder, 1);
        self.bytes.add(holder, bytes);
    }

    fn remove(&mut self, holder: &Holder, bytes: usize) {
        self.groups.remove(holder, 1);
        self.bytes.remove(holder, bytes);
    }
}

impl Group {
    fn new(first_ms: i64) -> Self {
        Group { count: 0, first_ms, kept: VecDeque::new() }
    }

    /// Whose it is, which is whose problem it has had for longest; the newest problem's number; the bytes of all.
    fn standing(&self) -> Option<(Holder, u64, usize)> {
        let ((_, oldest), (newest, _)) = (self.kept.front()?, self.kept.back()?);
        Some((holder(oldest), *newest, self.kept.iter().map(|(_, problem)| weight(problem)).sum()))
    }

    /// The place of the oldest problem of whoever has most of them.
    fn most_crowding(&self) -> usize {
        let is_like = |a: &Problem, b: &Problem| (&a.owner, &a.client) == (&b.owner, &b.client);
        let count = |of: &Problem| self.kept.iter().filter(|(_, problem)| is_like(problem, of)).count();
        let places = self.kept.iter().enumerate().rev().map(|(place, (_, problem))| (count(problem), place));
        places.max_by_key(|(count, _)| *count).map_or(0, |(_, place)| place)
    }

    fn summary(&self) -> Option<ProblemGroup> {
        let (_, newest) = self.kept.back()?;
        Some(ProblemGroup {
            reason: newest.reason,
            topic: newest.topic.clone(),
            client: newest.client.clone(),
            detail: newest.detail.as_str().into(),
            count: self.count,
            first_ms: self.first_ms,
            last_ms: newest.received_ms,
            sample: newest.payload.clone(),
        })
    }

    fn rows(&self, from: u64) -> impl Iterator<Item = Row> {
        let fresh = self.kept.iter().filter(move |(sequence, _)| *sequence >= from);
        fresh.map(|(sequence, problem)| Row {
            sequence: *sequence,
            count: self.count,
            first_ms: self.first_ms,
            problem: problem.clone(),
        })
    }
}

fn holder(problem: &Problem) -> Holder {
    (problem.owner.clone(), problem.client.clone())
}

fn weight(problem: &Problem) -> usize {
    problem.payload.len() + problem.detail.len() + problem.topic.len() + problem.client.len() + size_of::<Problem>()
}
