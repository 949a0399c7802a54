//! The clock of a device, as its readings show it: whether it is ahead, or was set back, and so which time a reading ranks by.

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{TimeOrigin, UNSET_BEFORE_MS};

use crate::time::{Moment, Time};

/// Readings in a row that must be behind before a clock counts as stepped back.
const STEPPED_BACK_AFTER: u8 = 3;
/// Readings that arrive closer together than this are one witness: a batch says once where the clock stands.
const WITNESS_GAP_MS: i64 = 500;
/// How far a clock and the receipts may drift apart between two witnesses.
const DRIFT_MS: i64 = 2_000;

/// A device's clock: which time its readings rank by.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct DeviceClock {
    /// Event time of the newest reading, Unix ms.
    newest_ms: Option<i64>,
    /// Grows when the clock stepped back for good: times of another baseline do not compare.
    pub(crate) baseline: u32,
    /// Smoothed difference of the device's time to the moment of the receipt, ms; positive when it is ahead. `None` without
    /// times.
    skew_ms: Option<i64>,
    behind: Option<Behind>,
}

/// Readings in a row that were older than the newest.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Behind {
    count: u8,
    time_ms: i64,
    heard: Moment,
}

/// The time a reading ranks by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranked {
    pub(crate) time_ms: i64,
    /// Whose time that is.
    pub(crate) origin: TimeOrigin,
    /// Its own time lay too far ahead of its receipt.
    pub(crate) skewed: bool,
    /// With it a new baseline begins.
    pub(crate) rebased: bool,
}

impl Ranked {
    /// The time on a scale on which it is seen how long something lasts, whatever the clock is set to: the device's own, or
    /// the moment of the receipt where it has that.
    pub(crate) fn lasting_ms(&self, heard: Moment) -> i64 {
        if self.origin == TimeOrigin::Receipt { heard.0 } else { self.time_ms }
    }
}

impl DeviceClock {
    /// Ranks a reading by the time it sent, or by its receipt. `sent_as` says whose time the one that it sent is.
    pub(crate) fn rank(
        &mut self,
        sent_ms: Option<i64>,
        sent_as: TimeOrigin,
        time: &Time,
        future_max_ms: i64,
    ) -> Ranked {
        let (received_ms, heard) = (time.now_ms(), time.moment());
        if let Some(sent_ms) = sent_ms {
            self.measure(sent_ms.saturating_sub(heard.0));
        }
        // As long as nobody has set the clock here, the device's is the better one.
        let is_set = received_ms >= UNSET_BEFORE_MS;
        let skewed = is_set && sent_ms.is_some_and(|sent_ms| sent_ms > received_ms + future_max_ms);
        let own_ms = sent_ms.filter(|_| !skewed);
        let (time_ms, origin) = own_ms.map_or((received_ms, TimeOrigin::Receipt), |own_ms| (own_ms, sent_as));
        let behind = self.newest_ms.is_some_and(|newest_ms| time_ms < newest_ms);
        let rebased = behind && self.has_stepped_back(time_ms, heard);
        if !behind || rebased {
            self.newest_ms = Some(time_ms);
            self.behind = None;
            self.baseline += u32::from(rebased);
        }
        Ranked { time_ms, origin, skewed, rebased }
    }

    /// Whether it sent any time.
    pub(crate) fn has_times(&self) -> bool {
        self.skew_ms.is_some()
    }

    /// How far it is ahead of the receipts, by the clock as it is set now, ms.
    pub(crate) fn skew_ms(&self, time: &Time) -> Option<i64> {
        self.skew_ms.map(|skew_ms| skew_ms.saturating_sub(time.ahead_ms()))
    }

    /// Event time of the newest reading, Unix ms.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        self.newest_ms
    }

    /// Times after `latest_ms` (Unix ms) were stamped by a clock that was set back since: they do not compare to those that come.
    pub(crate) fn compare_none_after(&mut self, latest_ms: i64) {
        if self.newest_ms.is_some_and(|newest_ms| newest_ms > latest_ms) {
            (self.newest_ms, self.behind) = (None, None);
            self.baseline += 1;
        }
    }

    fn measure(&mut self, skew_ms: i64) {
        self.skew_ms = Some(self.skew_ms.map_or(skew_ms, |known| known + (skew_ms - known) / 8));
    }

    /// Takes a reading that is behind as a witness of a clock that now runs, but earlier.
    ///
    /// A clock advances as fast as the receipts do. A backlog is behind, too, and each of its readings newer than the
    /// last, but it arrives faster than it was measured: it must not count, or "latest" would move backwards.
    fn has_stepped_back(&mut self, time_ms: i64, heard: Moment) -> bool {
        let mut count = 1;
        if let Some(last) = &self.behind {
            let waited_ms = heard.since(last.heard);
            if waited_ms < WITNESS_GAP_MS {
                return false;
            }
            let advanced_ms = time_ms - last.time_ms;
            if advanced_ms > 0 && (advanced_ms - waited_ms).abs() <= DRIFT_MS.max(waited_ms / 2) {
                count = last.count + 1;
            }
        }
        self.behind = Some(Behind { count, time_ms, heard });
        count >= STEPPED_BACK_AFTER
    }
}
