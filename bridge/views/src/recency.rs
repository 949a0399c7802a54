//! Rows in the order in which they last changed.

/// No row.
const NONE: u32 = u32::MAX;

/// A list through all rows (8 bytes each): what changed since a version is its end, however many rows there are.
#[derive(Debug)]
pub(crate) struct Recency {
    links: Vec<Link>,
    newest: u32,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    older: u32,
    newer: u32,
}

const UNLINKED: Link = Link { older: NONE, newer: NONE };

impl Default for Recency {
    fn default() -> Self {
        Recency { links: Vec::new(), newest: NONE }
    }
}

impl Recency {
    /// A row changed: it is the newest now.
    pub fn touch(&mut self, row: u32) {
        if self.newest == row {
            return;
        }
        if self.links.len() <= row as usize {
            self.links.resize(row as usize + 1, UNLINKED);
        }
        self.remove(row);
        self.links[row as usize] = Link { older: self.newest, newer: NONE };
        if let Some(before) = self.links.get_mut(self.newest as usize) {
            before.newer = row;
        }
        self.newest = row;
    }

    /// Takes a row out, if it is in.
    pub fn remove(&mut self, row: u32) {
        let Some(Link { older, newer }) = self.links.get_mut(row as usize).map(|it| std::mem::replace(it, UNLINKED))
        else {
            return;
        };
        if let Some(link) = self.links.get_mut(older as usize) {
            link.newer = newer;
        }
        match self.links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None if self.newest == row => self.newest = older,
            None => {}
        }
    }

    /// Gives back the room of rows at and behind `end`, which are out.
    pub fn truncate(&mut self, end: usize) {
        self.links.truncate(end);
        if self.links.capacity() > 4 * end.max(64) {
            self.links.shrink_to(2 * end);
        }
    }

    /// All rows, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let older = |&row: &u32| self.links.get(row as usize).map(|link| link.older).filter(|&older| older != NONE);
        std::iter::successors(Some(self.newest).filter(|&row| row != NONE), older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_stand_in_the_order_of_their_last_change(steps in prop::collection::vec((0u32..12, any::<bool>()), 0..60)) {
            let (mut recency, mut model) = (Recency::default(), Vec::new());
            for (row, is_touched) in steps {
                model.retain(|&other| other != row);
                if is_touched {
                    model.push(row);
                    recency.touch(row);
                } else {
                    recency.remove(row);
                }
                prop_assert!(recency.iter().eq(model.iter().rev().copied()));
            }
        }
    }
}
