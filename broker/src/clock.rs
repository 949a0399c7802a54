//! What time it is for the broker, and how much has passed.

/// The time, as whoever runs the broker tells it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Unix ms: the time of receipt.
    pub now_ms: fn() -> i64,
    /// How much time had passed at an earlier result of `now_ms`, as the log counts it
    /// ([`tidegate_telemetry::LogEntry::elapsed_ms`]), ms: less what the clock was set by until then.
    pub elapsed_at: fn(i64) -> i64,
}

impl Clock {
    /// A clock that nobody sets.
    #[must_use]
    pub fn never_set(now_ms: fn() -> i64) -> Clock {
        Clock { now_ms, elapsed_at: |unix_ms| unix_ms }
    }
}
