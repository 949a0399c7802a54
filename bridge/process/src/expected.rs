//! How often a device is to be heard: as its reports taught, and as it promises.

use tidegate_settings::millis;

use crate::config::ProcessConfig;

/// A device that promises its next report is late when half as long again has passed, as MQTT has it for the keep-alive
/// (MQTT 5.0 section 3.1.2.10): its clock need not be ours, and the way to us is not always as long.
const PATIENCE: (i64, i64) = (3, 2);

/// Longest time between two reports that somebody said, in seconds; 0: nobody did. Follows from what is known of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Promise {
    /// By the device.
    declared_s: u32,
    /// By people.
    said_s: u32,
}

/// When a device that stays silent is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Time between two of its reports, ms.
    pub(crate) interval_ms: i64,
    /// It is late when so much has passed since it was heard, ms.
    pub(crate) late_ms: i64,
    /// It is lost then, ms.
    pub(crate) lost_ms: i64,
}

/// A device that is silent at times is late a quarter after it should have been heard, and lost after four such times.
const USUAL_LATE: (i64, i64) = (5, 4);
const USUAL_LOST: i64 = 4;

impl Promise {
    /// What a device declares and what people say of it, ms.
    pub(crate) fn of(declared_ms: Option<i64>, said_ms: Option<i64>) -> Self {
        Promise { declared_s: seconds(declared_ms), said_s: seconds(said_ms) }
    }

    /// Beside the interval that was learnt and the silence that is usual, ms. What a device declares is the longest time between two
    /// reports: it may report more often, and is not late for that. Of one that does not keep to it the habit counts. What people
    /// say outweighs all.
    pub(crate) fn expected(self, learnt_ms: i64, usual_ms: i64, config: &ProcessConfig) -> Expected {
        let late_min_ms = millis(config.late_after_min);
        let expected = |interval_ms: i64, late_ms: i64| {
            let lost_ms = interval_ms.saturating_mul(i64::from(config.lost_after_intervals));
            let late_ms = late_ms.max(late_min_ms);
            Expected { interval_ms, late_ms, lost_ms: lost_ms.max(millis(config.lost_after_min)).max(late_ms) }
        };
        if self.said_s > 0 {
            let interval_ms = i64::from(self.said_s) * 1_000;
            return expected(interval_ms, late_of(interval_ms));
        }
        let declared_ms = i64::from(self.declared_s) * 1_000;
        let learnt = match late_of(declared_ms) {
            late_ms if learnt_ms <= late_ms => expected(learnt_ms.max(declared_ms), late_ms),
            _ => expected(learnt_ms, learnt_ms.saturating_mul(i64::from(config.late_after_intervals))),
        };
        let late_ms = learnt.late_ms.max(usual_ms.saturating_mul(USUAL_LATE.0) / USUAL_LATE.1);
        Expected { late_ms, lost_ms: learnt.lost_ms.max(usual_ms.saturating_mul(USUAL_LOST)).max(late_ms), ..learnt }
    }
}

/// Whole seconds, rounded up; 0 for nothing.
fn seconds(ms: Option<i64>) -> u32 {
    let whole = |ms: i64| u32::try_from(ms.saturating_add(999) / 1_000).unwrap_or(u32::MAX);
    ms.filter(|ms| *ms > 0).map_or(0, whole)
}

fn late_of(promised_ms: i64) -> i64 {
    promised_ms.saturating_mul(PATIENCE.0) / PATIENCE.1
}
