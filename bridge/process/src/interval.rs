//! How often a device reports, learnt from its reports.

use serde::{Deserialize, Serialize};

use crate::silences::Silences;
use crate::time::Moment;

/// Readings that arrive closer together than this are one report.
const REPORT_GAP_MS: i64 = 500;
/// Gaps kept; their median forgets an outage, and follows a new interval after four reports.
const GAPS: usize = 7;
/// Gaps needed before the median alone counts.
const GAPS_TRUSTED: usize = 3;
/// How much a gap counts beside those before it in their average deviation.
const DEVIATION_WEIGHT: f32 = 1.0 / 16.0;
/// More than this an outage does not count.
const DEVIATION_MAX: f32 = 2.0;
/// From this deviation on a device speaks when something happens, and not by a clock.
const IRREGULAR: f32 = 0.3;
/// A gap of so many halves of the median is a silence to remember: it is more than one report that was lost.
const SILENCE_HALVES: i64 = 5;
/// No interval is taken to be shorter.
const INTERVAL_MIN_MS: i64 = 1_000;

/// How often a device reports, learnt from its reports.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Interval {
    gaps_ms: [u32; GAPS],
    known: u8,
    next: u8,
    last: Option<Report>,
    /// How far gaps are from their median on average, in parts of it; [`DEVIATION_MAX`] at most each.
    #[serde(default)]
    deviation: f32,
    /// `None`: it always kept to its interval.
    #[serde(default)]
    silences: Option<Box<Silences>>,
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
        if self.known > 0 {
            self.learn_silence(gap_ms, heard);
        }
        self.gaps_ms[usize::from(self.next)] = u32::try_from(gap_ms).unwrap_or(u32::MAX);
        self.next = (self.next + 1) % GAPS as u8;
        self.known = (self.known + 1).min(GAPS as u8);
        true
    }

    fn learn_silence(&mut self, gap_ms: i64, heard: Moment) {
        let median_ms = self.ms(INTERVAL_MIN_MS);
        let deviation = ((gap_ms - median_ms).abs() as f32 / median_ms as f32).min(DEVIATION_MAX);
        self.deviation += (deviation - self.deviation) * DEVIATION_WEIGHT;
        if gap_ms * 2 > median_ms * SILENCE_HALVES {
            self.silences.get_or_insert_default().add(heard, gap_ms);
        }
    }

    /// How long it is silent at times, from a report at `heard` on, without anything being wrong, ms; 0 for one that keeps to its
    /// interval at this time of day.
    pub(crate) fn usual_silence_ms(&mut self, heard: Moment) -> i64 {
        let (interval_ms, is_irregular) = (self.ms(INTERVAL_MIN_MS), self.deviation > IRREGULAR);
        let Some(silences) = &mut self.silences else { return 0 };
        silences.usual_ms(heard, interval_ms, is_irregular)
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
