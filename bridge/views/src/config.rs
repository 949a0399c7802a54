use std::sync::Arc;
use std::time::Duration;

use tidegate_settings::{millis, section};

use crate::alerts::{Bounds, BurstBounds};
use crate::position::name_of;

/// One life of the state: positions and row numbers mean something within it only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Its name, three characters as [`StreamPosition`](crate::StreamPosition) has them; a new one with every start of the
    /// program.
    pub name: Arc<str>,
    /// Unix ms that relative times in frames count from.
    pub time_base_ms: i64,
}

impl Epoch {
    /// One that begins now, by a name made of a random number.
    #[must_use]
    pub fn begun(random: u64, time_base_ms: i64) -> Self {
        Epoch { name: name_of(random), time_base_ms }
    }
}

section! {
    /// Bounds of what is remembered.
    #[derive(Debug, Clone)]
    pub struct ViewsConfig {
        /// Cleared alerts that are held, at most: as many as processing remembers.
        pub cleared_alerts_max: usize = 1_000,
    }
    /// What is remembered for viewers that come back.
    [views] {
        /// Comings, moves and removals of devices, forgotten commands, figures that groups no longer have: so many of each
        /// a client that comes back can follow.
        pub membership_entries_max: usize = count(16_384),
        /// Alert events in memory.
        pub alert_events_max: usize = count(1_024),
        /// Lines of a view of alerts: of those that hold, and of those that cleared.
        pub alerts_shown_max: usize = count(1_000),
        /// So many alerts of one rule, raised within alert_burst_window, are shown as one line; 0: never.
        pub alert_burst_min: usize = count(20),
        /// The line goes on as long as so many come within this time.
        pub alert_burst_window: Duration = duration(Duration::from_secs(10)),
        /// Time a cleared alert stays in sight.
        ///
        /// In the `alerts` view.
        pub cleared_alert_time: Duration = duration(Duration::from_secs(3_600)),
        /// Time the extremes of a row nobody watches any more are kept.
        ///
        /// So that a page may come back.
        pub envelope_linger: Duration = duration(Duration::from_secs(120)),
        /// Rows one subscription may have.
        ///
        /// Devices, or buckets of charts.
        pub rows_max: usize = count(20_000),
        /// Series one chart may have.
        pub series_max: usize = count(32),
        /// Rows, names or moves that a list or a page looks at before others have their turn.
        ///
        /// At 1,024 the lock is held for half a millisecond.
        pub rows_per_lock: usize = count(1_024),
        /// Readings kept for a chart while its history is read.
        ///
        /// Past it the reading starts anew.
        pub chart_recording_max: usize = count(65_536),
    }
}

impl ViewsConfig {
    pub(crate) fn alert_bounds(&self) -> Bounds {
        let bursts = BurstBounds { alerts_min: self.alert_burst_min, window_ms: millis(self.alert_burst_window) };
        Bounds { events_max: self.alert_events_max, cleared_max: self.cleared_alerts_max, bursts }
    }
}
