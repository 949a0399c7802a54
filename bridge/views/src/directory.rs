//! Who is there, by name and by group, who came, moved and went lately, and who waits for a name.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::branches::Branches;
use crate::rows::short_name;
use crate::subscriber::SubscriberId;
use crate::watchers::Watchers;

/// Devices named to somebody whose name fits several: a last level such as `sensor` may be that of all.
const CANDIDATES_MAX: usize = 20;

/// Devices by full identifier, by last level and by group, and the bounded log of their coming and going.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub branches: Branches,
    /// Rows by last level, in order.
    by_short: BTreeMap<Box<str>, SmallVec<[u32; 1]>>,
    /// Names that views wait for, as they were asked for.
    wanted: BTreeMap<Arc<str>, Watchers>,
    log: VecDeque<Move>,
    /// So many moves before those of the log are forgotten.
    forgotten: u64,
    /// Moves at or below this version are forgotten.
    pub horizon: u64,
}

/// A device came, changed its group, was hidden or shown again, or went.
#[derive(Debug)]
pub(crate) struct Move {
    pub version: u64,
    pub row: u32,
    /// Where it was before; `None` when it was not there.
    pub before: Option<Before>,
}

/// Where a device was.
#[derive(Debug)]
pub(crate) struct Before {
    pub group: Arc<str>,
    pub was_hidden: bool,
}

impl Move {
    /// Whether it was in a view of a group before.
    pub fn was_in(&self, group: &str, with_hidden: bool) -> bool {
        self.before
            .as_ref()
            .is_some_and(|before| is_within(&before.group, group) && (with_hidden || !before.was_hidden))
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Unique(u32),
    /// Some of the devices that it may mean.
    Ambiguous(&'a [u32]),
    Unknown,
}

impl Directory {
    /// Takes a device in; answers the number of its branch.
    pub fn insert(&mut self, id: &Arc<str>, group: &str, row: u32, version: u64) -> u32 {
        let rows = self.by_short.entry(short_name(id).into()).or_default();
        rows.insert(rows.partition_point(|&other| other < row), row);
        self.branches.insert(group, id, row, version)
    }

    pub fn remove(&mut self, id: &str, branch: u32, row: u32) {
        self.branches.remove(branch, id);
        if let Some(rows) = self.by_short.get_mut(short_name(id)) {
            if let Ok(at) = rows.binary_search(&row) {
                rows.remove(at);
            }
            if rows.is_empty() {
                self.by_short.remove(short_name(id));
            }
        }
    }

    /// Remembers a move. Beyond `entries_max` the oldest is forgotten: the answer is its row.
    pub fn note(&mut self, moved: Move, entries_max: usize) -> Option<u32> {
        self.log.push_back(moved);
        let oldest = if self.log.len() > entries_max { self.log.pop_front()? } else { return None };
        self.horizon = oldest.version;
        self.forgotten += 1;
        Some(oldest.row)
    }

    /// The row of a full identifier.
    pub fn row_of(&self, id: &str) -> Option<u32> {
        self.branches.root().members.get(id).copied()
    }

    /// A full identifier, or a last level that only one device has.
    pub fn find(&self, name: &str) -> Found<'_> {
        if let Some(row) = self.row_of(name) {
            return Found::Unique(row);
        }
        match self.by_short.get(name).map(SmallVec::as_slice) {
            None | Some([]) => Found::Unknown,
            Some([row]) => Found::Unique(*row),
            Some(rows) => Found::Ambiguous(&rows[..rows.len().min(CANDIDATES_MAX)]),
        }
    }

    pub fn len(&self) -> usize {
        self.branches.root().members.len()
    }

    /// So many devices came, moved and went so far: the number of the next move.
    pub fn moves(&self) -> u64 {
        self.forgotten + self.log.len() as u64
    }

    /// The number of the first move after a version; of the first that is known, if that is later.
    pub fn first_move_after(&self, version: u64) -> u64 {
        self.forgotten + self.log.partition_point(|moved| moved.version <= version) as u64
    }

    /// Moves by number, from one on; `None` when it is forgotten.
    pub fn moves_from(&self, number: u64) -> Option<impl Iterator<Item = &Move>> {
        let index = usize::try_from(number.checked_sub(self.forgotten)?).ok()?;
        Some(self.log.range(index.min(self.log.len())..))
    }

    /// Moves after a version, as far as they are known.
    pub fn moves_after(&self, version: u64) -> impl Iterator<Item = &Move> {
        self.log.range(self.log.partition_point(|moved| moved.version <= version)..)
    }

    /// A session waits for a name, until [`Directory::unwant`].
    pub fn want(&mut self, name: &Arc<str>, subscriber: SubscriberId) {
        self.wanted.entry(Arc::clone(name)).or_default().add(subscriber);
    }

    pub fn unwant(&mut self, name: &str, subscriber: SubscriberId) {
        if let Some(watchers) = self.wanted.get_mut(name) {
            watchers.remove(subscriber);
            if watchers.is_empty() {
                self.wanted.remove(name);
            }
        }
    }

    pub fn wants(&self, name: &str, subscriber: SubscriberId) -> bool {
        self.wanted.get(name).is_some_and(|watchers| watchers.contains(subscriber))
    }

    /// Who waits for a device, by its identifier or by its last level.
    pub fn who_wants(&self, id: &str) -> impl Iterator<Item = SubscriberId> {
        let short = Some(short_name(id)).filter(|short| *short != id);
        let watchers = [Some(id), short].into_iter().flatten().filter_map(|name| self.wanted.get(name));
        watchers.flat_map(Watchers::iter)
    }
}

/// Whether a group path is a group or lies below it. The empty path is above all.
#[must_use]
pub fn is_within(path: &str, group: &str) -> bool {
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
        let in_a = directory.insert(&"a/dev7".into(), "a", 1, 1);
        assert_eq!(directory.find("dev7"), Found::Unique(1));
        directory.insert(&"b/dev7".into(), "b", 2, 1);
        assert_eq!(directory.find("dev7"), Found::Ambiguous(&[1, 2]));
        assert_eq!(directory.find("b/dev7"), Found::Unique(2));
        directory.remove("a/dev7", in_a, 1);
        assert_eq!(directory.find("dev7"), Found::Unique(2));
        assert_eq!(directory.find("dev8"), Found::Unknown);
    }
}
