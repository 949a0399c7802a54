//! When rows are gone through for extremes that no viewer is owed any more, and which rows are next.

use std::ops::Range;

/// Rows looked at with each entry while a sweep is under way.
const ROWS_A_STEP: u32 = 64;

/// One pass over all rows at a time, some rows a step. It takes no memory for who left when: rows and branches know until
/// when they keep what they have, and however often that changes, one more pass is due.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// When the next pass begins, Unix ms; `i64::MAX`: none is due.
    due_ms: i64,
    /// The latest time at which something may go, Unix ms.
    requested_ms: i64,
    begun_ms: i64,
    next: u32,
}

impl Default for Sweep {
    fn default() -> Self {
        Sweep { due_ms: i64::MAX, requested_ms: i64::MIN, begun_ms: 0, next: 0 }
    }
}

impl Sweep {
    /// Something may go at a time, Unix ms.
    pub fn request(&mut self, at_ms: i64) {
        self.requested_ms = self.requested_ms.max(at_ms);
        self.due_ms = self.due_ms.min(at_ms);
    }

    /// Rows to look at now, of those below `end`.
    pub fn step(&mut self, now_ms: i64, end: u32) -> Range<u32> {
        if now_ms < self.due_ms {
            return 0..0;
        }
        if self.next == 0 {
            self.begun_ms = now_ms;
        }
        let rows = self.next..end.min(self.next.saturating_add(ROWS_A_STEP));
        self.next = rows.end;
        if rows.end >= end {
            self.next = 0;
            self.due_ms = if self.requested_ms > self.begun_ms { self.requested_ms } else { i64::MAX };
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_looked_at_once_after_the_last_request() {
        let mut sweep = Sweep::default();
        assert!(sweep.step(1_000, 200).is_empty(), "nothing was asked for");
        sweep.request(50);
        sweep.request(60);
        assert!(sweep.step(49, 200).is_empty());
        let first: Vec<u32> = (0..4).flat_map(|_| sweep.step(55, 200)).collect();
        assert_eq!(first, (0..200).collect::<Vec<_>>());
        assert!(sweep.step(59, 200).is_empty());
        let second: Vec<u32> = (0..4).flat_map(|_| sweep.step(60, 200)).collect();
        assert_eq!(second, first);
        assert!(sweep.step(i64::MAX - 1, 200).is_empty());
    }
}
