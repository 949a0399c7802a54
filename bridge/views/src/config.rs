use std::sync::Arc;

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

/// Bounds of what is remembered.
#[derive(Debug, Clone)]
pub struct ViewsConfig {
    /// Appearances, moves and removals of devices, forgotten commands, and figures that groups have no more: so many of
    /// each are remembered, so that a cursor can follow them.
    pub membership_entries_max: usize,
    /// Alert events that are remembered.
    pub alert_events_max: usize,
    /// Cleared alerts that are held, at most.
    pub cleared_alerts_max: usize,
    /// Lines of a view of alerts, at most: of those that hold, and of those that cleared.
    pub alerts_shown_max: usize,
    /// So many alerts of one rule ...
    pub alert_burst_min: usize,
    /// ... raised within this span, in milliseconds, are one line. 0 alerts: none ever are.
    pub alert_burst_window_ms: i64,
    /// How long a cleared alert stays in the `alerts` view, in milliseconds.
    pub cleared_alert_ms: i64,
    /// How long envelopes of a row that nobody watches any more are kept, so that a page may come back, in milliseconds.
    pub envelope_linger_ms: i64,
    /// Rows (devices, or buckets of charts) one subscription may have.
    pub rows_max: usize,
    /// Series one subscription may have.
    pub series_max: usize,
    /// Rows, names or moves that a list or a page looks at under one hold of the lock: at 1,024, half a millisecond.
    pub rows_per_lock: usize,
    /// Readings kept for one chart while its history is being read; past it the reading starts anew.
    pub chart_recording_max: usize,
}

impl Default for ViewsConfig {
    fn default() -> Self {
        ViewsConfig {
            membership_entries_max: 16_384,
            alert_events_max: 1_024,
            cleared_alerts_max: 1_000,
            alerts_shown_max: 1_000,
            alert_burst_min: 20,
            alert_burst_window_ms: 10_000,
            cleared_alert_ms: 3_600_000,
            envelope_linger_ms: 120_000,
            rows_max: 20_000,
            series_max: 32,
            rows_per_lock: 1_024,
            chart_recording_max: 65_536,
        }
    }
}

impl ViewsConfig {
    pub(crate) fn alert_bounds(&self) -> Bounds {
        let bursts = BurstBounds { alerts_min: self.alert_burst_min, window_ms: self.alert_burst_window_ms };
        Bounds { events_max: self.alert_events_max, cleared_max: self.cleared_alerts_max, bursts }
    }
}
