//! The rows that a view holds.

use std::collections::BTreeSet;

/// Row numbers in order. One is found in few steps; to look at all, as most frames do, they stand side by side as well.
#[derive(Debug, Default)]
pub(crate) struct RowSet {
    rows: BTreeSet<u32>,
    /// The same rows, unless it is empty: then it is made when it is asked for next.
    side_by_side: Vec<u32>,
}

impl RowSet {
    pub fn contains(&self, row: u32) -> bool {
        self.rows.contains(&row)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// `true` when it was not there.
    pub fn insert(&mut self, row: u32) -> bool {
        self.side_by_side = Vec::new();
        self.rows.insert(row)
    }

    /// `true` when it was there.
    pub fn remove(&mut self, row: u32) -> bool {
        self.side_by_side = Vec::new();
        self.rows.remove(&row)
    }

    /// Takes the first one out.
    pub fn pop_first(&mut self) -> Option<u32> {
        self.side_by_side = Vec::new();
        self.rows.pop_first()
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.rows.iter().copied()
    }

    /// Those from a number on.
    pub fn from(&self, first: u32) -> impl Iterator<Item = u32> {
        self.rows.range(first..).copied()
    }

    /// All of them, for who looks at each.
    pub fn side_by_side(&mut self) -> &[u32] {
        if self.side_by_side.is_empty() {
            self.side_by_side = self.rows.iter().copied().collect();
        }
        &self.side_by_side
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_stands_side_by_side_is_what_is_held(steps in prop::collection::vec((0u32..8, 0..3), 0..40)) {
            let mut rows = RowSet::default();
            for (row, step) in steps {
                match step {
                    0 => prop_assert_eq!(rows.contains(row), !rows.insert(row)),
                    1 => prop_assert_eq!(rows.contains(row), rows.remove(row)),
                    _ => _ = rows.pop_first(),
                }
                let held: Vec<u32> = rows.iter().collect();
                prop_assert_eq!(rows.side_by_side(), held);
            }
        }
    }
}
