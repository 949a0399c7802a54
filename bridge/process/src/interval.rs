//! How often a device reports, learnt from its reports.

use serde::{Deserialize, Serialize};

use crate::time::Moment;

/// Readings that arrive closer together than this are one report.
const REPORT_GAP_MS: i64 = 500;
/// Gaps kept; their median forgets an outage, and follows a new interval after four reports.
const GAPS: usize = 7;
/// Gaps needed before the median alone counts.
const GAPS_TRUSTED: usize = 3;
/// No interval is taken to be shorter.
const INTERVAL_MIN_MS: i64 = 1_000;

/// How often a device reports, learnt from its reports.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Interval {
    gaps_ms: [u32; GAPS],
    known: u8,
    next: u8,
    last: Option<Report>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Report {
    heard: Moment,
    /// Event time, on the scale of [`Ranked::lasting_ms`](crate::device_clock::Ranked::lasting_ms).
    time_ms: i64,
}

impl Interval {
    /// Takes a reading; `true` when the interval may have changed.
    ///
    /// The gap between receipts is what counts, since that is what "overdue" is measured by. A backlog arrives faster
    /// than it was measured and says nothing about it; nor do late readings.
    pub(crate) fn learn(&mut self, time_ms: i64, heard: Moment, rebased: bool) -> bool {
        let report = Report { heard, time_ms };
        let Some(last) = &self.last else {
            self.last = Some(report);
            return false;
        };
        let gap_ms = heard.since(last.heard);
        let measured_ms = time_ms - last.time_ms;
        if gap_ms < REPORT_GAP_MS || (measured_ms <= 0 && !rebased) {
            return false;
        }
        self.last = Some(report);
        if measured_ms > 2 * gap_ms + 1_000 {
            return false;
        }
        self.gaps_ms[usize::from(self.next)] = u32::try_from(gap_ms).unwrap_or(u32::MAX);
        self.next = (self.next + 1) % GAPS as u8;
        self.known = (self.known + 1).min(GAPS as u8);
        true
    }

    /// Whether it reported once at most.
    pub(crate) fn is_unknown(&self) -> bool {
        self.known == 0
    }

    /// The interval, ms.
    pub(crate) fn ms(&self, default_ms: i64) -> i64 {
        let known = usize::from(self.known);
        if known == 0 {
            return default_ms;
        }
        let mut gaps = self.gaps_ms;
        let gaps = &mut gaps[..known];
        gaps.sort_unstable();
        let median = i64::from(gaps[(known - 1) / 2]);
        // Of few gaps, one may be a hiccup: better a device that is called late too late than one that flaps.
        if known < GAPS_TRUSTED { median.max(default_ms) } else { median.max(INTERVAL_MIN_MS) }
    }
}
