use std::cmp::Ordering;

/// Rows in order, in pieces of up to [`PIECE_MAX`]: a row costs its own size and a little room, and adding one moves no
/// more than a piece. What the order is, callers say with each step, so that a row need not hold what it is ordered by.
#[derive(Debug)]
pub(super) struct Rows<T> {
    /// None is empty.
    pieces: Vec<Vec<T>>,
    len: usize,
}

const PIECE_MAX: usize = 256;

/// Which piece, and which row of it.
type RowIndex = (usize, usize);

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { pieces: Vec::new(), len: 0 }
    }
}

impl<T> Rows<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The row that `order` calls equal.
    pub(super) fn get(&self, order: impl Fn(&T) -> Ordering) -> Option<&T> {
        let (piece, row) = self.find(order).ok()?;
        Some(&self.pieces[piece][row])
    }

    /// Adds a row, of which `order` says how others stand to it. Gives it back where there is one like it.
    pub(super) fn insert(&mut self, new: T, order: impl Fn(&T) -> Ordering) -> Result<(), T> {
        let Err((piece, row)) = self.find(order) else { return Err(new) };
        self.len += 1;
        match self.pieces.get_mut(piece) {
            None => self.pieces.push(vec![new]),
            Some(rows) if rows.len() < PIECE_MAX => rows.insert(row, new),
            // Rows that come in order leave full pieces behind.
            Some(rows) if row == rows.len() => self.pieces.insert(piece + 1, vec![new]),
            Some(rows) => {
                let mut upper = rows.split_off(PIECE_MAX / 2);
                match row.checked_sub(PIECE_MAX / 2) {
                    Some(row) => upper.insert(row, new),
                    None => rows.insert(row, new),
                }
                self.pieces.insert(piece + 1, upper);
            }
        }
        Ok(())
    }

    /// Takes the row out that `order` calls equal.
    pub(super) fn remove(&mut self, order: impl Fn(&T) -> Ordering) -> Option<T> {
        let (piece, row) = self.find(order).ok()?;
        let removed = self.pieces[piece].remove(row);
        self.len -= 1;
        let next = self.pieces.get(piece + 1).map_or(0, Vec::len);
        if self.pieces[piece].is_empty() {
            self.pieces.remove(piece);
        } else if next > 0 && self.pieces[piece].len() + next <= PIECE_MAX / 2 {
            let upper = self.pieces.remove(piece + 1);
            self.pieces[piece].extend(upper);
        }
        Some(removed)
    }

    /// The rows behind where `order` turns to greater, ascending.
    pub(super) fn after(&self, order: impl Fn(&T) -> Ordering) -> impl Iterator<Item = &T> {
        let (piece, row) = match self.find(order) {
            Ok((piece, row)) => (piece, row + 1),
            Err(place) => place,
        };
        let first = self.pieces.get(piece).map_or(&[][..], |rows| &rows[row..]);
        first.iter().chain(self.pieces.iter().skip(piece + 1).flatten())
    }

    /// Where a row is, or where it belongs.
    fn find(&self, order: impl Fn(&T) -> Ordering) -> Result<RowIndex, RowIndex> {
        let behind = self.pieces.partition_point(|rows| order(&rows[0]) != Ordering::Greater);
        let piece = behind.saturating_sub(1);
        match self.pieces.get(piece) {
            Some(rows) => rows.binary_search_by(order).map(|row| (piece, row)).map_err(|row| (piece, row)),
            None => Err((0, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Rows from a range come or go, one after the other or in any order.
    #[derive(Debug, Clone)]
    enum Step {
        Add(u16),
        AddAll(u16, u16),
        Remove(u16),
        RemoveAll(u16, u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        let row = 0..2000_u16;
        prop_oneof![
            row.clone().prop_map(Step::Add),
            (row.clone(), 0..600_u16).prop_map(|(from, count)| Step::AddAll(from, count)),
            row.clone().prop_map(Step::Remove),
            (row, 0..600_u16).prop_map(|(from, count)| Step::RemoveAll(from, count)),
        ]
    }

    proptest! {
        #[test]
        fn rows_are_what_an_ordered_set_is(steps in prop::collection::vec(step(), 0..60), after in 0..2000_u16) {
            let (mut rows, mut set) = (Rows::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Add(row) => prop_assert_eq!(rows.insert(row, |r| r.cmp(&row)).is_ok(), set.insert(row)),
                    Step::AddAll(from, count) => for row in from..from + count {
                        prop_assert_eq!(rows.insert(row, |r| r.cmp(&row)).is_ok(), set.insert(row));
                    },
                    Step::Remove(row) => prop_assert_eq!(rows.remove(|r| r.cmp(&row)).is_some(), set.remove(&row)),
                    Step::RemoveAll(from, count) => for row in from..from + count {
                        prop_assert_eq!(rows.remove(|r| r.cmp(&row)), set.take(&row));
                    },
                }
                prop_assert_eq!(rows.len(), set.len());
                prop_assert!(rows.pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE_MAX));
                let full = set.len().div_ceil(PIECE_MAX);
                prop_assert!(rows.pieces.len() <= 1 + 8 * full, "{} pieces for {}", rows.pieces.len(), set.len());
            }
            prop_assert!(rows.after(|_| Ordering::Greater).eq(&set));
            prop_assert!(rows.after(|r| r.cmp(&after)).eq(set.range(after + 1..)));
            prop_assert_eq!(rows.get(|r| r.cmp(&after)), set.get(&after));
        }
    }
}
