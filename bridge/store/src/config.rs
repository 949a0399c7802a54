use std::path::PathBuf;
use std::time::Duration;

use tidegate_settings::{Reader, section};

use crate::retention::{RetentionRule, rules};

section! {
    /// Where the store is and how much it may hold.
    #[derive(Debug, Clone)]
    pub struct StoreConfig {
        /// Directory of the store's files; made when it is missing.
        pub directory: PathBuf = PathBuf::from("data/store"),
        /// What is kept for a shorter time than the rest.
        pub rules: Vec<RetentionRule> = Vec::new(),
    }
    /// History: how much, for how long.
    [store] {
        /// Days that raw readings are kept.
        ///
        /// They are deleted a file (a day of UTC) at a time. Readings that are older when they arrive are refused and
        /// counted.
        pub retention_age_days: u32 = count(400),
        /// Days that hourly summaries are kept; 0: for ever.
        ///
        /// They are deleted a file (a month) at a time.
        pub rollup_retention_age_days: u32 = count(0),
        /// Bytes of all files; past it the oldest days go.
        ///
        /// Then the oldest months of summaries. The newest day stays whatever its size. Readings of days that went are
        /// refused and counted.
        pub retention_bytes: u64 = bytes(10 << 30),
        /// Bytes of points in memory that ask for a flush.
        ///
        /// Then [`Store::wants_flush`](crate::Store::wants_flush) says so.
        pub memory_bytes_max: usize = bytes(64 << 20),
        /// Time after its end at which an hour is written for good.
        ///
        /// Its parts become one, its summary is written.
        pub hour_close_delay: Duration = duration(Duration::from_secs(120)),
        /// Parts of late data at which a past hour is merged.
        ///
        /// Even while more keeps coming.
        pub late_parts_max: usize = count(16),
        /// Alert events kept.
        ///
        /// The oldest go first.
        pub events_max: usize = count(100_000),
        /// Days that alert events are kept.
        pub events_age_days: u32 = count(366),
        /// Bytes of payloads not understood; past it whoever has most gives way.
        ///
        /// Of what it has, the problem goes that was quiet for longest.
        pub quarantine_bytes_max: usize = bytes(16 << 20),
        /// Problems (topic and reason) kept; past it whoever has most gives way.
        ///
        /// As for the bytes.
        pub quarantine_groups_max: usize = count(1_000),
        /// Payloads kept of one problem.
        ///
        /// The newest stay, so that one device cannot push out the others'.
        pub quarantine_payloads_per_group_max: usize = count(16),
        /// Bytes kept of one payload.
        pub quarantine_payload_bytes_max: usize = bytes(4 << 10),
    }
    then StoreConfig::read_rules;
}

impl StoreConfig {
    fn read_rules(&mut self, reader: &mut Reader) {
        self.rules = rules(reader, self.retention_age_days, self.rollup_retention_age_days);
    }
}
