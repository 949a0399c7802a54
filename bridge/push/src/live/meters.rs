//! What live sessions count.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Figures of all live sessions.
#[derive(Debug)]
pub(crate) struct Meters {
    pub sessions: Gauge,
    pub subscriptions: Gauge,
    pub frames: Counter,
    pub deltas: Counter,
    pub bytes: Counter,
    /// Receipt of the first change to the frame that shows it, in seconds; only frames that nothing held back.
    pub latency: Histogram,
    pub held_slow_link: Counter,
    pub held_unseen: Counter,
    pub held_byte_limit: Counter,
    pub held_rate_limit: Counter,
    pub held_paused: Counter,
    pub held_late: Counter,
    pub chart_refreshes: Counter,
    pub chart_refresh_failures: Counter,
    /// Cleared alerts that made room for others before their time.
    pub cleared_alerts_crowded_out: Counter,
}

impl Meters {
    pub fn new() -> Self {
        let held = |reason: &'static str| counter!("tidegate_live_held_back_total", "reason" => reason);
        Meters {
            sessions: gauge!("tidegate_live_sessions"),
            subscriptions: gauge!("tidegate_live_subscriptions"),
            frames: counter!("tidegate_live_frames_total"),
            deltas: counter!("tidegate_live_deltas_total"),
            bytes: counter!("tidegate_live_bytes_total"),
            latency: histogram!("tidegate_live_latency_seconds"),
            held_slow_link: held("slow_link"),
            held_unseen: held("unseen"),
            held_byte_limit: held("byte_limit"),
            held_rate_limit: held("rate_limit"),
            held_paused: held("paused"),
            held_late: held("late"),
            chart_refreshes: counter!("tidegate_live_chart_mends_total"),
            chart_refresh_failures: counter!("tidegate_live_chart_mend_failures_total"),
            cleared_alerts_crowded_out: counter!("tidegate_live_cleared_alerts_crowded_out_total"),
        }
    }
}
