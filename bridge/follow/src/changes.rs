//! What a batch of entries changed, entry by entry.

use tidegate_telemetry::{Change, Position};

/// Changes in the order in which they happened, and which of them each entry of the log led to.
///
/// One list for the whole batch: nothing is allocated for a single change or entry.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    list: Vec<Change>,
    /// Each entry, and where its changes end in the list.
    ends: Vec<(Followed, usize)>,
}

/// How far a follower is: the last entry whose changes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// Position of that entry.
    pub position: Position,
    /// When that entry was received, Unix ms.
    pub received_ms: i64,
}

impl Followed {
    /// Before the first entry.
    pub const NOTHING: Followed = Followed { position: Position::START, received_ms: i64::MIN };
}

impl Changes {
    /// The changes that belong to one position.
    #[must_use]
    pub fn at(followed: Followed, list: Vec<Change>) -> Changes {
        Changes { ends: vec![(followed, list.len())], list }
    }

    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.ends.clear();
    }

    /// The list, to add to.
    pub fn list(&mut self) -> &mut Vec<Change> {
        &mut self.list
    }

    /// What was added to the list since the last call is what this entry led to.
    pub fn end(&mut self, followed: Followed) {
        self.ends.push((followed, self.list.len()));
    }

    /// Position and time of receipt (Unix ms) of each entry, with what it changed, perhaps nothing.
    pub fn entries(&self) -> impl Iterator<Item = (Position, i64, &[Change])> {
        let mut start = 0;
        self.ends.iter().map(move |&(Followed { position, received_ms }, end)| {
            let changes = &self.list[start..end];
            start = end;
            (position, received_ms, changes)
        })
    }

    /// The last entry; `None` when there is none.
    #[must_use]
    pub fn last(&self) -> Option<Followed> {
        self.ends.last().map(|(followed, _)| *followed)
    }

    /// How many changes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A copy of what the entries after a position changed.
    #[must_use]
    pub fn after(&self, position: Position) -> Changes {
        let mut rest = Changes::default();
        for (at, received_ms, changes) in self.entries().filter(|(at, ..)| *at > position) {
            rest.list.extend_from_slice(changes);
            rest.end(Followed { position: at, received_ms });
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use tidegate_telemetry::DeviceIndex;

    use super::*;

    #[test]
    fn each_entry_has_its_own_changes_and_those_after_a_position_can_be_had_alone() {
        let removed = |number| Change::Removed { device: DeviceIndex(number) };
        let mut changes = Changes::default();
        for (position, count) in [(3, 2), (4, 0), (5, 1)] {
            changes.list().extend((0..count).map(|number| removed(position as u32 * 10 + number)));
            changes.end(Followed { position: Position(position), received_ms: position as i64 });
        }
        let shown: Vec<_> = changes.entries().map(|(position, _, changes)| (position.0, changes.len())).collect();
        assert_eq!(shown, [(3, 2), (4, 0), (5, 1)]);
        let rest = changes.after(Position(3));
        let shown: Vec<_> = rest.entries().map(|(position, _, changes)| (position.0, changes.to_vec())).collect();
        assert_eq!(shown, [(4, vec![]), (5, vec![removed(50)])]);
    }
}
