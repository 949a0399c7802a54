//! Who is there, by name, and who came, moved and went lately.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::rows::short_name;

/// Devices by full identifier and by last level, and the bounded log of their coming and going.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    by_id: BTreeMap<Arc<str>, u32>,
    by_short: FxHashMap<Box<str>, SmallVec<[u32; 1]>>,
    log: VecDeque<Move>,
    /// Moves at or below this version are forgotten.
    pub horizon: u64,
    /// Version of the newest move.
    pub newest: u64,
}

/// A device came, changed its group, or went.
#[derive(Debug)]
pub(crate) struct Move {
    pub version: u64,
    pub row: u32,
    /// Its group before; `None` when it was not there.
    pub before: Option<Arc<str>>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Unique(u32),
    Ambiguous(SmallVec<[u32; 4]>),
    Unknown,
}

impl Directory {
    pub fn insert(&mut self, id: &Arc<str>, row: u32) {
        self.by_id.insert(Arc::clone(id), row);
        self.by_short.entry(short_name(id).into()).or_default().push(row);
    }

    pub fn remove(&mut self, id: &str, row: u32) {
        self.by_id.remove(id);
        if let Some(rows) = self.by_short.get_mut(short_name(id)) {
            rows.retain(|&mut other| other != row);
            if rows.is_empty() {
                self.by_short.remove(short_name(id));
            }
        }
    }

    /// Remembers a move. Beyond `entries_max` the oldest is forgotten: the answer is its row.
    pub fn note(&mut self, moved: Move, entries_max: usize) -> Option<u32> {
        self.newest = moved.version;
        self.log.push_back(moved);
        let oldest = if self.log.len() > entries_max { self.log.pop_front()? } else { return None };
        self.horizon = oldest.version;
        Some(oldest.row)
    }

    /// A full identifier, or a last level that only one device has.
    pub fn find(&self, name: &str) -> Found {
        if let Some(&row) = self.by_id.get(name) {
            return Found::Unique(row);
        }
        match self.by_short.get(name).map(SmallVec::as_slice) {
            None | Some([]) => Found::Unknown,
            Some([row]) => Found::Unique(*row),
            Some(rows) => Found::Ambiguous(rows.into()),
        }
    }

    /// Rows in order of their identifiers, after `after`.
    pub fn after<'a>(&'a self, after: Option<&'a str>) -> impl Iterator<Item = (&'a Arc<str>, u32)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_id.range::<str, _>((start, Bound::Unbounded)).map(|(id, &row)| (id, row))
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The first move of each device after `since`: where it was then.
    pub fn moved_since(&self, since: u64) -> SmallVec<[&Move; 4]> {
        if self.newest <= since {
            return SmallVec::new();
        }
        let first = self.log.partition_point(|moved| moved.version <= since);
        let mut seen = FxHashSet::default();
        self.log.range(first..).filter(|moved| seen.insert(moved.row)).collect()
    }
}

/// Whether a group path is a group or lies below it. The empty path is above all.
pub(crate) fn is_within(path: &str, group: &str) -> bool {
    group.is_empty() || path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_holds_what_is_below_it_and_no_namesake() {
        assert!(is_within("Building A/Floor 3", "Building A"));
        assert!(is_within("Building A", "Building A"));
        assert!(!is_within("Building AB", "Building A"));
        assert!(is_within("", "") && !is_within("", "x"));
    }

    #[test]
    fn a_short_name_finds_a_device_while_only_one_has_it() {
        let mut directory = Directory::default();
        directory.insert(&"a/dev7".into(), 1);
        assert_eq!(directory.find("dev7"), Found::Unique(1));
        directory.insert(&"b/dev7".into(), 2);
        assert_eq!(directory.find("dev7"), Found::Ambiguous([1, 2].as_slice().into()));
        assert_eq!(directory.find("b/dev7"), Found::Unique(2));
        directory.remove("a/dev7", 1);
        assert_eq!(directory.find("dev7"), Found::Unique(2));
        assert_eq!(directory.find("dev8"), Found::Unknown);
    }
}
