//! Whether the disk has room for what is appended: known before anything is promised. No I/O.
//!
//! The next segment is made while the newest is still being filled. As long as it stands ready everything fits. When it
//! cannot be made, what is left of the newest segment is all there is, and an entry that does not fit is not taken.

use std::io;

use crate::config::LogConfig;

/// What the program itself writes, ticks and people's intents, may use this much when publications may not any more.
const OWN_BYTES: u64 = 64 << 10;

/// What the log knows of its disk.
#[derive(Debug, Default)]
pub(crate) struct Space {
    /// Bytes that may still be appended; `None` while the next segment stands ready.
    left_bytes: Option<u64>,
    /// Fewer bytes are free than are to be kept free.
    is_low: bool,
    /// A publication was refused, so all are until there is room: a smaller one must not overtake it.
    has_refused: bool,
}

impl Space {
    /// Takes room for `bytes` if there is any.
    pub(crate) fn take(&mut self, bytes: u64, is_publication: bool) -> bool {
        if is_publication && self.is_full() {
            return false;
        }
        let Some(left_bytes) = self.left_bytes else { return true };
        let kept_bytes = if is_publication { OWN_BYTES } else { 0 };
        let fits = bytes.saturating_add(kept_bytes) <= left_bytes;
        match fits {
            true => self.left_bytes = Some(left_bytes - bytes),
            false => self.has_refused |= is_publication,
        }
        fits
    }

    /// Whether publications are refused.
    pub(crate) fn is_full(&self) -> bool {
        self.is_low || self.has_refused || self.left_bytes == Some(0)
    }

    /// The next segment stands ready.
    pub(crate) fn is_ample(&mut self) {
        self.left_bytes = None;
        self.has_refused = false;
    }

    /// There is no next segment: `left_bytes` may still be appended.
    pub(crate) fn ends_after(&mut self, left_bytes: u64) {
        self.left_bytes = Some(left_bytes);
    }

    /// So many bytes are free on the disk. The bound has two sides, so that publications are not refused and taken by
    /// turns.
    pub(crate) fn sees_free(&mut self, free_bytes: u64, reserve_bytes: u64) {
        let wanted_bytes = if self.is_low { reserve_bytes + reserve_bytes / 8 } else { reserve_bytes };
        self.is_low = free_bytes < wanted_bytes;
    }
}

/// Whether a segment more leaves the reserve alone.
pub(crate) fn may_grow(config: &LogConfig, free_bytes: u64) -> bool {
    free_bytes >= config.disk_reserve_bytes.saturating_add(config.segment_bytes)
}

/// Whether a write failed because there is no room, so that nothing of it is in doubt and it may be tried again.
pub(crate) fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_the_next_segment_stands_ready_everything_fits() {
        let mut space = Space::default();
        assert!(space.take(u64::MAX, true));
        assert!(!space.is_full());
    }

    #[test]
    fn without_one_only_what_is_left_is_taken_and_the_programs_own_a_little_longer() {
        let mut space = Space::default();
        space.ends_after(OWN_BYTES + 100);
        assert!(space.take(60, true));
        assert!(!space.is_full());
        assert!(!space.take(60, true), "it does not fit");
        assert!(!space.take(1, true), "a smaller one does not overtake it");
        assert!(space.take(OWN_BYTES, false));
        assert!(space.take(40, false));
        assert!(!space.take(1, false));
        space.is_ample();
        assert!(space.take(60, true));
    }

    #[test]
    fn too_few_free_bytes_refuse_publications_until_there_are_a_good_deal_more() {
        let mut space = Space::default();
        for (free_bytes, is_full) in [(800, false), (799, true), (800, true), (899, true), (900, false), (800, false)] {
            space.sees_free(free_bytes, 800);
            assert_eq!(space.is_full(), is_full, "{free_bytes} bytes free");
            assert!(space.take(1, false));
        }
    }
}
