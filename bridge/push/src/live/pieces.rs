//! What is applied while the state is locked once.

use std::collections::VecDeque;
use std::iter::Peekable;

use tidegate_telemetry::{Change, Position};

/// What one entry of the log changed, and when it was received (Unix ms).
pub(crate) type Applied<'a> = (Position, i64, &'a [Change]);

/// A part of a batch.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    /// Whole entries, but for figures that came ahead.
    Entries(Vec<Applied<'a>>),
    /// Figures of some groups of an entry that follows.
    Figures(Position, &'a [Change]),
}

/// Cuts a batch into pieces of about `max` changes.
///
/// Figures of groups are what an entry ends with; where it is large they come ahead of it, all of a group at once. All else
/// that an entry changed stays together: it has one version.
#[derive(Debug)]
pub(crate) struct Pieces<'a, I: Iterator<Item = Applied<'a>>> {
    entries: Peekable<I>,
    ahead: VecDeque<Piece<'a>>,
    max: usize,
}

impl<'a, I: Iterator<Item = Applied<'a>>> Pieces<'a, I> {
    pub fn new(entries: I, max: usize) -> Self {
        Pieces { entries: entries.peekable(), ahead: VecDeque::new(), max: max.max(1) }
    }

    fn cut(&mut self, (position, received_ms, changes): Applied<'a>) {
        let end = changes.iter().rposition(|change| change.group().is_none()).map_or(0, |last| last + 1);
        let (rest, mut figures) = changes.split_at(end);
        while !figures.is_empty() {
            let least = figures.len().min(self.max);
            let last = figures[least - 1].group();
            let of_last = figures[least..].iter().take_while(|change| change.group() == last).count();
            let (some, later) = figures.split_at(least + of_last);
            self.ahead.push_back(Piece::Figures(position, some));
            figures = later;
        }
        self.ahead.push_back(Piece::Entries(vec![(position, received_ms, rest)]));
    }
}

impl<'a, I: Iterator<Item = Applied<'a>>> Iterator for Pieces<'a, I> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(piece) = self.ahead.pop_front() {
            return Some(piece);
        }
        let max = self.max;
        if let Some(large) = self.entries.next_if(|(_, _, changes)| changes.len() > max) {
            self.cut(large);
            return self.ahead.pop_front();
        }
        let (mut some, mut room) = (Vec::new(), max);
        while let Some(entry) = self.entries.next_if(|(_, _, changes)| changes.len() <= room) {
            room -= entry.2.len();
            some.push(entry);
        }
        (!some.is_empty()).then_some(Piece::Entries(some))
    }
}

#[cfg(test)]
mod tests {
    use tidegate_telemetry::{DeviceIndex, DeviceState, InAlert, StateCounts};

    use super::*;

    fn states(count: usize) -> Vec<Change> {
        let state = |n: usize| Change::State { device: DeviceIndex(n as u32), state: DeviceState::Lost, since_ms: 0 };
        (0..count).map(state).collect()
    }

    /// Two figures each of so many groups.
    fn figures(groups: usize) -> Vec<Change> {
        let (counts, in_alert) = (StateCounts::default(), InAlert::default());
        let figures = |n| Change::States { group: format!("g{}", n / 2).into(), counts, in_alert };
        (0..2 * groups).map(figures).collect()
    }

    #[test]
    fn no_piece_is_larger_than_it_may_be_and_together_they_are_the_batch() {
        let mut large = states(7);
        large.extend(figures(1_000));
        let batch = [states(3), states(0), states(60), large, states(99), states(2), states(250), figures(1)];
        let entries = (1..).map(Position).zip(&batch).map(|(position, changes)| (position, 0, &changes[..]));
        let (mut applied, mut entries_done) = (Vec::new(), Vec::new());
        for piece in Pieces::new(entries, 101) {
            let (size, whole) = match piece {
                Piece::Figures(position, some) => {
                    applied.extend(some);
                    assert_eq!(position.0, 4, "only the large entry is cut");
                    assert!(some.len() % 2 == 0, "no group is cut in two");
                    (some.len(), false)
                }
                Piece::Entries(some) => {
                    applied.extend(some.iter().flat_map(|(_, _, changes)| *changes));
                    entries_done.extend(some.iter().map(|(position, ..)| position.0));
                    (some.iter().map(|(_, _, changes)| changes.len()).sum(), some.len() == 1)
                }
            };
            assert!(size <= 102 || whole, "{size} changes");
        }
        assert_eq!(entries_done, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(applied.len(), batch.iter().map(Vec::len).sum::<usize>());
    }
}
