//! The log, history, and when they are written.

use tidegate_log::LogConfig;
use tidegate_node::FlushConfig;
use tidegate_store::StoreConfig;

use super::reader::Reader;

pub fn log(reader: &mut Reader) -> LogConfig {
    let d = LogConfig::default();
    let mut s = reader.section("log", "The durable log: what is acknowledged is here first.");
    LogConfig {
        segment_bytes: s.bytes("segment_bytes", d.segment_bytes, "Size of a segment file, allocated at once."),
        commit_bytes: s.bytes("commit_bytes", d.commit_bytes, "A commit starts as soon as this many bytes wait."),
        commit_interval: s.duration(
            "commit_interval",
            d.commit_interval,
            "And this long after the one before at the latest: what finds none so recent waits for the disk alone.",
        ),
        disk_reserve_bytes: s.bytes(
            "disk_reserve_bytes",
            d.disk_reserve_bytes,
            "Bytes of the disk that stay free: below it publications are refused until there is room.",
        ),
        record_bytes_max: s.bytes("record_bytes_max", d.record_bytes_max, "Largest entry."),
        undurable_bytes_max: s.bytes("undurable_bytes_max", d.undurable_bytes_max, "Bytes that may wait for the disk."),
        unread_bytes_max: s.bytes("unread_bytes_max", d.unread_bytes_max, "Bytes that may wait for processing."),
        replay_bytes_max: s.bytes(
            "replay_bytes_max",
            d.replay_bytes_max,
            "Bytes that may wait for history and mailboxes: about what a restart replays at most.",
        ),
        tail_bytes_max: s.bytes(
            "tail_bytes_max",
            d.tail_bytes_max,
            "Newest bytes kept in memory for readers that are behind.",
        ),
        read_entries_max: s.count("read_entries_max", d.read_entries_max, "Entries processed in one pass."),
        ..d
    }
}

pub fn flush(reader: &mut Reader) -> FlushConfig {
    let d = FlushConfig::default();
    let mut s = reader.section("flush", "When the newest history and the state of processing go to their files.");
    FlushConfig {
        log_bytes: s.bytes(
            "log_bytes",
            d.log_bytes,
            "Bytes of log after which they do; at most half of log.replay_bytes_max counts.",
        ),
        interval: s.duration("interval", d.interval, "Time after which they do in any case."),
    }
}

pub fn store(reader: &mut Reader) -> StoreConfig {
    let d = StoreConfig::default();
    let mut s = reader.section("store", "History: how much, for how long.");
    StoreConfig {
        retention_age_days: s.count("retention_age_days", d.retention_age_days, "Days that raw readings are kept."),
        rollup_retention_age_days: s.count(
            "rollup_retention_age_days",
            d.rollup_retention_age_days,
            "Days that hourly summaries are kept.",
        ),
        retention_bytes: s.bytes(
            "retention_bytes",
            d.retention_bytes,
            "Bytes of all files; past it the oldest days go.",
        ),
        memory_bytes_max: s.bytes(
            "memory_bytes_max",
            d.memory_bytes_max,
            "Bytes of points in memory that ask for a flush.",
        ),
        hour_close_delay_ms: s.duration_ms(
            "hour_close_delay",
            d.hour_close_delay_ms,
            "Time after its end at which an hour is written for good.",
        ),
        late_parts_max: s.count(
            "late_parts_max",
            d.late_parts_max,
            "Parts of late data at which a past hour is merged.",
        ),
        events_max: s.count("events_max", d.events_max, "Alert events kept."),
        events_age_days: s.count("events_age_days", d.events_age_days, "Days that alert events are kept."),
        quarantine_bytes_max: s.bytes(
            "quarantine_bytes_max",
            d.quarantine_bytes_max,
            "Bytes of payloads not understood; past it whoever has most gives way.",
        ),
        quarantine_groups_max: s.count(
            "quarantine_groups_max",
            d.quarantine_groups_max,
            "Problems (topic and reason) kept; past it whoever has most gives way.",
        ),
        quarantine_payloads_per_group_max: s.count(
            "quarantine_payloads_per_group_max",
            d.quarantine_payloads_per_group_max,
            "Payloads kept of one problem.",
        ),
        quarantine_payload_bytes_max: s.bytes(
            "quarantine_payload_bytes_max",
            d.quarantine_payload_bytes_max,
            "Bytes kept of one payload.",
        ),
        ..d
    }
}
