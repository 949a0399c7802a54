/// The time, as whoever runs the broker tells it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Unix ms: the time of receipt.
    pub now_ms: fn() -> i64,
    /// What an earlier result of `now_ms` counts as for what waits: less what the clock was set forward by between the
    /// start of the program and then.
    pub waiting_at: fn(i64) -> i64,
}

impl Clock {
    /// A clock that nobody sets.
    #[must_use]
    pub fn never_set(now_ms: fn() -> i64) -> Clock {
        Clock { now_ms, waiting_at: |unix_ms| unix_ms }
    }
}
