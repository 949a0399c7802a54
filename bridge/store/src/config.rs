use std::path::PathBuf;

/// Where the store is and how much it may hold. Every field is a key of the configuration.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Directory of the store's files; made when it is missing.
    pub directory: PathBuf,
    /// Raw readings older than this many days are deleted, a file (a day of UTC) at a time. Readings that are older
    /// when they arrive are refused and counted.
    pub retention_age_days: u32,
    /// Hourly summaries older than this many days are deleted, a file (a month) at a time.
    pub rollup_retention_age_days: u32,
    /// Bytes of all files together; past it the oldest days go first, then the oldest months of summaries. The
    /// newest day stays whatever its size. Readings of days that went are refused and counted.
    pub retention_bytes: u64,
    /// Bytes of points in memory past which [`Store::wants_flush`](crate::Store::wants_flush) says so.
    pub memory_bytes_max: usize,
    /// Milliseconds after its end at which an hour is closed: its parts become one, its summary is written.
    pub hour_close_delay_ms: i64,
    /// Parts of a past hour at which late data is merged into it even while more keeps coming.
    pub late_parts_max: usize,
    /// Alert events kept; the oldest go first.
    pub events_max: usize,
    /// Alert events older than this many days are deleted.
    pub events_age_days: u32,
    /// Bytes of payloads in the quarantine; past it the problem goes that was quiet for longest of whoever has most.
    pub quarantine_bytes_max: usize,
    /// Problems (topic and reason) in the quarantine; past it, as for the bytes.
    pub quarantine_groups_max: usize,
    /// Payloads kept of one topic and reason; the newest stay, so that one device cannot push out the others'.
    pub quarantine_payloads_per_group_max: usize,
    /// Bytes kept of one payload.
    pub quarantine_payload_bytes_max: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            directory: PathBuf::from("data/store"),
            retention_age_days: 400,
            rollup_retention_age_days: 731,
            retention_bytes: 10 << 30,
            memory_bytes_max: 64 << 20,
            hour_close_delay_ms: 120_000,
            late_parts_max: 16,
            events_max: 100_000,
            events_age_days: 366,
            quarantine_bytes_max: 16 << 20,
            quarantine_groups_max: 1_000,
            quarantine_payloads_per_group_max: 16,
            quarantine_payload_bytes_max: 4 << 10,
        }
    }
}
