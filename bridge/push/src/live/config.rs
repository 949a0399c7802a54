/// Limits of live sessions.
#[derive(Debug, Clone)]
pub struct LiveConfig {
    /// Sessions open at most; more are answered 503.
    pub sessions_max: usize,
    /// Sessions of one address at most; more are answered 503.
    pub sessions_per_address_max: usize,
    /// Subscriptions of one session at most.
    pub subscriptions_max: usize,
    /// Rows of all subscriptions of one session at most.
    pub rows_max: usize,
    /// Bytes of a client's message at most.
    pub message_bytes_max: usize,
    /// Bytes of a frame at most, but for a single row that is larger. Each connection keeps a buffer of its largest.
    pub frame_bytes_max: usize,
    /// Bytes sent and not yet seen, before the link was measured.
    pub bytes_in_flight_start: u64,
    /// Bytes sent and not yet seen at most, on the fastest link.
    pub bytes_in_flight_max: u64,
    /// Time a client has to say hello, in milliseconds.
    pub hello_timeout_ms: u64,
    /// Between two pulses, in milliseconds.
    pub pulse_ms: u64,
    /// Between two pulses of a paused session, in milliseconds.
    pub pulse_paused_ms: u64,
    /// Between two deltas of a `group` view at least, in milliseconds.
    pub group_interval_ms: u64,
    /// Between two deltas of a `fleet` view at least, in milliseconds.
    pub fleet_interval_ms: u64,
    /// Deltas that go out later than this on average, in milliseconds, are late ...
    pub late_after_ms: u64,
    /// ... and then the next one of the session waits for so long at least, in milliseconds.
    pub late_gap_ms: u64,
    /// Updates held back for so long, in milliseconds, are told to the client.
    pub pace_after_ms: u64,
    /// Span over which clients are asked to come back after a shutdown, in milliseconds.
    pub reconnect_spread_ms: u64,
    /// Time to tell clients to go at shutdown, in milliseconds.
    pub goaway_timeout_ms: u64,
    /// Questions of charts to history answered at the same time.
    pub history_concurrency: usize,
    /// Between two readings of what a chart already shows, in milliseconds: after readings for times that it has, each of
    /// its buckets that they came into is read from history again.
    pub chart_mend_interval_ms: u64,
    /// Alert events read from the store for one receipt at most; past it the client gets a snapshot.
    pub event_fill_max: usize,
    /// Changes applied while no session can look, but for an entry that brings more.
    pub changes_per_lock_max: usize,
}

impl Default for LiveConfig {
    fn default() -> Self {
        LiveConfig {
            sessions_max: 15_000,
            sessions_per_address_max: 10_000,
            subscriptions_max: 64,
            rows_max: 20_000,
            message_bytes_max: 65_536,
            frame_bytes_max: 4_096,
            bytes_in_flight_start: 16_384,
            bytes_in_flight_max: 1_048_576,
            hello_timeout_ms: 10_000,
            pulse_ms: 5_000,
            pulse_paused_ms: 30_000,
            group_interval_ms: 1_000,
            fleet_interval_ms: 100,
            late_after_ms: 25,
            late_gap_ms: 20,
            pace_after_ms: 1_000,
            reconnect_spread_ms: 5_000,
            goaway_timeout_ms: 3_000,
            history_concurrency: 4,
            chart_mend_interval_ms: 1_000,
            event_fill_max: 1_000,
            changes_per_lock_max: 512,
        }
    }
}
