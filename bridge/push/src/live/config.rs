use std::time::Duration;

use tidegate_settings::section;

section! {
    /// Limits of live sessions.
    #[derive(Debug, Clone)]
    pub struct LiveConfig {}
    /// Sessions of the live protocol.
    [live] {
        /// Time to say hello.
        pub hello_timeout: Duration = duration(Duration::from_secs(10)),
        /// Between two pulses.
        pub pulse: Duration = duration(Duration::from_secs(5)),
        /// Between two pulses of a hidden page.
        pub pulse_paused: Duration = duration(Duration::from_secs(30)),
        /// Between two deltas of a group view at least.
        pub group_interval: Duration = duration(Duration::from_secs(1)),
        /// Between two deltas of a fleet view at least.
        pub fleet_interval: Duration = duration(Duration::from_millis(100)),
        /// Deltas later than this on average are late;
        pub late_after: Duration = duration(Duration::from_millis(25)),
        /// then the next one of the session waits for so long at least.
        pub late_gap: Duration = duration(Duration::from_millis(20)),
        /// Updates held back for so long are told to the client.
        pub pace_after: Duration = duration(Duration::from_secs(1)),
        /// Clients come back within this time after a shutdown.
        pub reconnect_spread: Duration = duration(Duration::from_secs(5)),
        /// Time to tell clients to go at shutdown.
        pub goaway_timeout: Duration = duration(Duration::from_secs(3)),
        /// Between two readings from history of what an open chart shows, after corrections and late readings.
        ///
        /// After readings for times that it has, each of its buckets that they came into is read from history again.
        pub chart_mend_interval: Duration = duration(Duration::from_secs(1)),
        /// Sessions; past it 503.
        pub sessions_max: usize = count(15_000),
        /// Sessions of one address; past it 503.
        pub sessions_per_address_max: usize = count(10_000),
        /// Subscriptions of one session.
        pub subscriptions_max: usize = count(64),
        /// Rows of all subscriptions of one session.
        pub rows_max: usize = count(20_000),
        /// Largest message of a client.
        pub message_bytes_max: usize = bytes(64 * 1024),
        /// Largest frame, but for one row that is larger.
        ///
        /// Each connection keeps a buffer of its largest.
        pub frame_bytes_max: usize = bytes(4 * 1024),
        /// Bytes sent and not yet seen, until the link was measured.
        pub bytes_in_flight_start: u64 = bytes(16 * 1024),
        /// Bytes sent and not yet seen at most.
        pub bytes_in_flight_max: u64 = bytes(1024 * 1024),
        /// Charts whose history is read at the same time.
        pub history_concurrency: usize = count(4),
        /// Alert events read from the store for a client that comes back; past it a snapshot.
        pub event_fill_max: usize = count(1_000),
        /// Changes applied while no session can look, but for an entry that brings more.
        pub changes_per_lock_max: usize = count(512),
    }
}
