//! What was refused or not understood, within bounds, so that people see it and it can be decoded again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tidegate_telemetry::history::ProblemGroup;
use tidegate_telemetry::{Problem, Reason};

use crate::config::StoreConfig;

type Key = (Reason, Arc<str>);

/// Problems by reason and topic. Of each the newest payloads are kept, and a total.
#[derive(Debug)]
pub(crate) struct Quarantine {
    bounds: Bounds,
    groups: FxHashMap<Key, Group>,
    /// The group's key by the sequence number of its newest problem: who was quiet for longest comes first.
    by_newest: BTreeMap<u64, Key>,
    bytes: usize,
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
            bytes: 0,
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
        self.bytes += weight(&problem);
        let key = (problem.reason, problem.topic.clone());
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group {
            count: 0,
            first_ms: problem.received_ms,
            kept: VecDeque::new(),
        });
        if let Some((newest, _)) = group.kept.back() {
            self.by_newest.remove(newest);
        }
        (group.count, group.first_ms) = totals.unwrap_or((group.count + 1, group.first_ms));
        group.kept.push_back((sequence, problem));
        let crowded = group.kept.len() > self.bounds.payloads_per_group;
        self.by_newest.insert(sequence, key.clone());
        if crowded {
            self.drop_oldest_of(&key);
        }
        self.shrink();
    }

    /// Back within the bounds, whoever was quiet for longest first.
    fn shrink(&mut self) {
        while self.bytes > self.bounds.bytes || self.groups.len() > self.bounds.groups {
            let Some((_, key)) = self.by_newest.first_key_value() else { return };
            self.drop_oldest_of(&key.clone());
        }
    }

    fn drop_oldest_of(&mut self, key: &Key) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let Some((sequence, problem)) = group.kept.pop_front() else { return };
        self.bytes -= weight(&problem);
        self.dropped += 1;
        if sequence < self.saved {
            self.removed.push(sequence);
        }
        if group.kept.is_empty() {
            self.by_newest.remove(&sequence);
            self.groups.remove(key);
        }
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
        let kept = self.groups.get(&key).and_then(|group| group.kept.front());
        kept.is_some_and(|(oldest, _)| *oldest <= row.sequence)
    }
}

impl Group {
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

fn weight(problem: &Problem) -> usize {
    problem.payload.len() + problem.detail.len() + problem.topic.len() + problem.client.len() + size_of::<Problem>()
}
