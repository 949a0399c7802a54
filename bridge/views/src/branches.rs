//! Groups as a tree: who is in and below each, what happened there last, and who waits for the next.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use tidegate_telemetry::Numbered;

use crate::subscriber::SubscriberId;
use crate::wait_list::WaitList;
use crate::watchers::Watchers;

/// The branch of all devices, which is always there.
pub(crate) const ROOT: u32 = 0;
/// Of a group that lies deeper, or whose path is longer, the branch is that of the group above it that does not: no device
/// and no viewer makes many branches, or large ones, with one path.
const LEVELS_MAX: usize = 16;
const PATH_BYTES_MAX: usize = 256;

/// Every group that has devices, or a view, or such a group below it; by number and by path.
#[derive(Debug)]
pub(crate) struct Branches {
    branches: Numbered<Branch>,
    by_path: BTreeMap<Arc<str>, u32>,
}

/// A group with everything below it.
#[derive(Debug, Default)]
pub(crate) struct Branch {
    pub path: Arc<str>,
    above: Option<u32>,
    /// Branches right below it.
    below: u32,
    /// Rows by full identifier.
    pub members: BTreeMap<Arc<str>, u32>,
    /// Version at which a member last changed, came or went ...
    pub changed: u64,
    /// ... and at which one last came, went, or got another group.
    pub moved: u64,
    /// Rung for the one ...
    pub changes: WaitList,
    /// ... and for the other.
    pub moves: WaitList,
    /// Views of it; those of them that are owed the extremes of every member; and how many of those who come.
    views: u32,
    owed: Watchers,
    owed_newcomers: u32,
    /// Extremes are kept until then though no view is owed them, Unix ms.
    kept_until_ms: i64,
}

/// Whose extremes must be kept for a view of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owed {
    /// Every member's, for a view of this session.
    All(SubscriberId),
    /// Those of a device that comes, from its first value on: it may be one that the view has a row for.
    Newcomers,
    Nobody,
}

impl Default for Branches {
    fn default() -> Self {
        let mut branches = Numbered::default();
        let root = Branch::default();
        let by_path = BTreeMap::from([(Arc::clone(&root.path), branches.insert(root))]);
        Branches { branches, by_path }
    }
}

impl Branches {
    pub fn get(&self, branch: u32) -> Option<&Branch> {
        self.branches.get(branch)
    }

    pub fn root(&self) -> &Branch {
        self.branches.get(ROOT).expect("the root is never removed")
    }

    /// The branch that has every device of a group, and others where the group lies too deep to have one of its own.
    pub fn of(&self, path: &str) -> Option<&Branch> {
        self.branches.get(*self.by_path.get(indexed(path))?)
    }

    /// Takes a row in; answers its branch.
    pub fn insert(&mut self, path: &str, id: &Arc<str>, row: u32, version: u64) -> u32 {
        let branch = self.ensure(indexed(path), version);
        self.each_above(branch, |branch| {
            branch.members.insert(Arc::clone(id), row);
        });
        branch
    }

    pub fn remove(&mut self, branch: u32, id: &str) {
        self.each_above(branch, |branch| {
            branch.members.remove(id);
        });
        self.prune(branch);
    }

    /// A view of a group is opened.
    pub fn enter(&mut self, path: &str, owed: Owed, version: u64) -> u32 {
        let number = self.ensure(indexed(path), version);
        if let Some(branch) = self.branches.get_mut(number) {
            branch.views += 1;
            match owed {
                Owed::All(subscriber) => branch.owed.add(subscriber),
                Owed::Newcomers => branch.owed_newcomers += 1,
                Owed::Nobody => {}
            }
        }
        number
    }

    /// It is closed; what it was owed is kept until then, Unix ms.
    pub fn leave(&mut self, number: u32, owed: Owed, keep_until_ms: i64) {
        if let Some(branch) = self.branches.get_mut(number) {
            branch.views -= 1;
            branch.changes.shrink(branch.views);
            branch.moves.shrink(branch.views);
            match owed {
                Owed::All(subscriber) => {
                    branch.owed.remove(subscriber);
                    branch.kept_until_ms = keep_until_ms;
                }
                Owed::Newcomers => branch.owed_newcomers -= 1,
                Owed::Nobody => {}
            }
        }
        self.prune(number);
    }

    /// Whether some view of the branch, or of one above it, is owed the extremes of its rows.
    pub fn keeps_extremes(&self, branch: u32, now_ms: i64) -> bool {
        self.up_from(branch).any(|branch| !branch.owed.is_empty() || now_ms < branch.kept_until_ms)
    }

    /// Whether some view of the branch, or of one above it, is owed the extremes of a device that comes.
    pub fn owes_newcomers(&self, branch: u32) -> bool {
        self.up_from(branch).any(|branch| branch.owed_newcomers > 0)
    }

    /// Sessions with views that are owed the extremes of a branch's rows.
    pub fn owed(&self, branch: u32) -> impl Iterator<Item = SubscriberId> {
        self.up_from(branch).flat_map(|branch| branch.owed.iter())
    }

    fn up_from(&self, branch: u32) -> impl Iterator<Item = &Branch> {
        std::iter::successors(self.branches.get(branch), |branch| self.branches.get(branch.above?))
    }

    /// The branch itself and all it lies below.
    pub fn each_above(&mut self, branch: u32, mut act: impl FnMut(&mut Branch)) {
        let mut next = Some(branch);
        while let Some(branch) = next.and_then(|number| self.branches.get_mut(number)) {
            act(branch);
            next = branch.above;
        }
    }

    /// The branch of a path, made with those above it; at most [`LEVELS_MAX`].
    fn ensure(&mut self, path: &str, version: u64) -> u32 {
        if let Some(&number) = self.by_path.get(path) {
            return number;
        }
        let above = self.ensure(path.rsplit_once('/').map_or("", |(above, _)| above), version);
        if let Some(above) = self.branches.get_mut(above) {
            above.below += 1;
        }
        // What happened here before is not known: a view that comes back looks.
        let (changed, moved) = (version, version);
        let branch = Branch { path: path.into(), above: Some(above), changed, moved, ..Branch::default() };
        let path = Arc::clone(&branch.path);
        let number = self.branches.insert(branch);
        self.by_path.insert(path, number);
        number
    }

    /// Frees a branch that nobody needs any more, and those above it.
    fn prune(&mut self, mut number: u32) {
        while let Some(Branch { above: Some(above), .. }) = self.branches.get(number).filter(|it| it.is_unused()) {
            let above = *above;
            if let Some(branch) = self.branches.remove(number) {
                self.by_path.remove(&branch.path);
            }
            if let Some(branch) = self.branches.get_mut(above) {
                branch.below -= 1;
            }
            number = above;
        }
    }
}

impl Branch {
    /// Members in order of their identifiers: after one, and up to one.
    pub fn between<'a>(
        &'a self,
        after: Option<&'a str>,
        last: Option<&'a str>,
    ) -> impl DoubleEndedIterator<Item = (&'a Arc<str>, u32)> {
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let end = last.filter(|&last| after.is_none_or(|after| after < last)).map_or(Bound::Unbounded, Bound::Included);
        self.members.range::<str, _>((begin, end)).map(|(id, &row)| (id, row))
    }

    fn is_unused(&self) -> bool {
        self.members.is_empty() && self.below == 0 && self.views == 0
    }
}

/// As much of a path as branches are made for.
fn indexed(path: &str) -> &str {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).take(LEVELS_MAX);
    let end = ends.take_while(|&end| end <= PATH_BYTES_MAX).last().unwrap_or(0);
    &path[..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_branch_has_what_is_below_it_and_no_namesake_and_is_freed_with_the_last_that_needs_it() {
        let mut branches = Branches::default();
        let in_a = branches.insert("a", &"dev1".into(), 1, 1);
        let in_c = branches.insert("a/b/c", &"dev2".into(), 2, 1);
        let in_ab = branches.insert("ab", &"dev3".into(), 3, 1);
        let rows =
            |branches: &Branches, path| branches.of(path).map(|it| it.members.values().copied().collect::<Vec<_>>());
        assert_eq!(rows(&branches, ""), Some(vec![1, 2, 3]));
        assert_eq!(rows(&branches, "a"), Some(vec![1, 2]));
        assert_eq!(rows(&branches, "a/b"), Some(vec![2]));
        branches.remove(in_c, "dev2");
        assert_eq!(rows(&branches, "a/b"), None);
        let owed = Owed::All(SubscriberId(4));
        let view = branches.enter("a/x/y", owed, 2);
        assert_eq!(rows(&branches, "a/x"), Some(vec![]));
        assert!(branches.keeps_extremes(view, 5) && !branches.keeps_extremes(in_ab, 5));
        branches.remove(in_a, "dev1");
        branches.remove(in_ab, "dev3");
        branches.leave(view, owed, 9);
        assert_eq!(branches.by_path.len(), 1, "{branches:?}");
    }

    #[test]
    fn a_path_of_many_levels_or_bytes_makes_few_and_small_branches() {
        let mut branches = Branches::default();
        let deep = "a/".repeat(30_000);
        let row = branches.insert(&deep, &"dev1".into(), 1, 1);
        assert_eq!(branches.by_path.len(), 1 + LEVELS_MAX);
        assert_eq!(branches.of(&deep).unwrap().path, branches.get(row).unwrap().path);
        let long = "b".repeat(60_000);
        assert_eq!(branches.enter(&long, Owed::Nobody, 1), ROOT);
        assert_eq!(branches.of(&format!("c/{long}")).map(|it| it.members.len()), None);
    }

    #[test]
    fn extremes_stay_a_while_after_the_last_view_of_a_branch() {
        let mut branches = Branches::default();
        let row = branches.insert("a/b", &"dev1".into(), 1, 1);
        let view = branches.enter("a", Owed::All(SubscriberId(4)), 2);
        assert!(branches.owed(row).eq([SubscriberId(4)]));
        branches.leave(view, Owed::All(SubscriberId(4)), 9);
        assert!(branches.keeps_extremes(row, 8) && !branches.keeps_extremes(row, 9));
    }
}
