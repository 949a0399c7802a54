//! What the log counts.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Handles taken once, when the log is opened: the recorder must be installed by then.
pub(crate) struct Meters {
    entries: Counter,
    appended_bytes: Counter,
    commits: Counter,
    commit_seconds: Histogram,
    written_bytes: Counter,
    pub(crate) segments: Gauge,
    pub(crate) undurable_bytes: Gauge,
    pub(crate) unread_bytes: Gauge,
    pub(crate) disk_free_bytes: Gauge,
    pub(crate) disk_full: Gauge,
    torn_tails: Counter,
    torn_tail_bytes: Counter,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            entries: counter!("tidegate_log_entries_total"),
            appended_bytes: counter!("tidegate_log_appended_bytes_total"),
            commits: counter!("tidegate_log_commits_total"),
            commit_seconds: histogram!("tidegate_log_commit_seconds"),
            written_bytes: counter!("tidegate_log_written_bytes_total"),
            segments: gauge!("tidegate_log_segments"),
            undurable_bytes: gauge!("tidegate_log_undurable_bytes"),
            unread_bytes: gauge!("tidegate_log_unread_bytes"),
            disk_free_bytes: gauge!("tidegate_log_disk_free_bytes"),
            disk_full: gauge!("tidegate_log_disk_full"),
            torn_tails: counter!("tidegate_log_torn_tails_total"),
            torn_tail_bytes: counter!("tidegate_log_torn_tail_bytes_total"),
        }
    }

    /// A commit of `entries` in `bytes`, for which the device got `written_bytes` in whole pages.
    pub(crate) fn committed(&self, entries: u64, bytes: u64, written_bytes: u64, took: Duration) {
        self.entries.increment(entries);
        self.appended_bytes.increment(bytes);
        self.commits.increment(1);
        self.commit_seconds.record(took.as_secs_f64());
        self.written_bytes.increment(written_bytes);
    }

    pub(crate) fn torn_tail(&self, bytes: u64) {
        self.torn_tails.increment(1);
        self.torn_tail_bytes.increment(bytes);
    }
}
