//! What each figure of `/metrics` tells, in the words of its HELP line.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Tells the recorder; to be called once it is installed.
pub fn describe() {
    COUNTERS.iter().for_each(|(name, help)| describe_counter!(*name, *help));
    GAUGES.iter().for_each(|(name, help)| describe_gauge!(*name, *help));
    HISTOGRAMS.iter().for_each(|(name, help)| describe_histogram!(*name, *help));
}

/// What only grows.
const COUNTERS: &[(&str, &str)] = &[
    ("tidegate_backup_bytes_total", "Bytes of backups that were sent."),
    ("tidegate_backups_total", "Backups that were asked for, by how they ended."),
    ("tidegate_clock_set_back_total", "Times that the time went back to a system clock that was set."),
    ("tidegate_clock_set_forward_total", "Times that the time went forward to a system clock that was set."),
    ("tidegate_commands_total", "Commands to devices, by what happened to them."),
    ("tidegate_engine_failures_total", "Connections to the broker elsewhere that failed or ended."),
    ("tidegate_engine_reconnects_total", "Connections to the broker elsewhere after the first."),
    ("tidegate_engine_repeated_total", "Publications that the broker elsewhere sent again and that were known."),
    (
        "tidegate_flush_failures_total",
        "Flushes of history, checkpoint or log that failed; what they held stays in the log.",
    ),
    ("tidegate_follow_behind_total", "Times that a follower was behind for longer than its queue lasts."),
    ("tidegate_follow_failures_total", "Times that a follower could not write or read what it was to, by follower."),
    (
        "tidegate_follow_refused_total",
        "Readings that a follower, or whoever it writes to, did not take for good, by follower.",
    ),
    ("tidegate_history_questions_total", "Questions to the history, by who asked and how they ended."),
    (
        "tidegate_history_refused_total",
        "Questions to the history that asked for more than one may, by the key of the limit.",
    ),
    ("tidegate_http_refused_total", "HTTP requests and connections refused, by reason."),
    ("tidegate_http_requests_total", "HTTP requests, by route and status."),
    ("tidegate_identity_accepted_total", "Clients let in, by what they proved."),
    ("tidegate_identity_files_read_total", "Password and key files read, by outcome."),
    ("tidegate_identity_refused_total", "Clients not let in, by reason."),
    ("tidegate_import_points_total", "Points of imports, by what became of them; of flawed lines, each counts as one."),
    ("tidegate_influxdb_answers_total", "Answers of InfluxDB to writes, by status."),
    ("tidegate_influxdb_points_total", "Points that InfluxDB has taken."),
    (
        "tidegate_influxdb_questions_total",
        "Questions to InfluxDB about what is no longer kept here, by how they ended.",
    ),
    ("tidegate_influxdb_set_aside_total", "Points that InfluxDB refuses for good."),
    ("tidegate_live_bytes_total", "Bytes sent to live sessions."),
    ("tidegate_live_chart_mend_failures_total", "Readings of history for open charts that failed."),
    ("tidegate_live_chart_mends_total", "Spans of open charts read from history again."),
    (
        "tidegate_live_cleared_alerts_crowded_out_total",
        "Cleared alerts that left the views before their time, for their number.",
    ),
    ("tidegate_live_deltas_total", "Deltas sent to live sessions."),
    ("tidegate_live_errors_total", "Errors told to live sessions, by code."),
    ("tidegate_live_frames_total", "Frames sent to live sessions."),
    ("tidegate_live_held_back_total", "Times that updates of a live session were held back, by reason."),
    ("tidegate_live_refused_total", "Live sessions refused, by reason."),
    ("tidegate_log_appended_bytes_total", "Bytes of entries appended to the log."),
    ("tidegate_log_commits_total", "Commits of the log to disk."),
    ("tidegate_log_entries_total", "Entries appended to the log."),
    ("tidegate_log_torn_tail_bytes_total", "Bytes of torn ends cut off at starts."),
    ("tidegate_log_torn_tails_total", "Torn ends of the log cut off at starts."),
    ("tidegate_log_written_bytes_total", "Bytes written to segments of the log, padding included."),
    ("tidegate_mqtt_acknowledgements_total", "Acknowledgements sent to publishers."),
    ("tidegate_mqtt_certificate_reloads_total", "Certificates of listeners read again, by result."),
    ("tidegate_mqtt_connections_accepted_total", "MQTT connections accepted."),
    ("tidegate_mqtt_connections_closed_total", "MQTT connections that ended, by reason."),
    ("tidegate_mqtt_connections_unopened_total", "Connections that ended before MQTT began, by reason."),
    ("tidegate_mqtt_deliveries_total", "Messages sent to subscribers, by QoS."),
    ("tidegate_mqtt_dropped_total", "Messages dropped, by reason."),
    ("tidegate_mqtt_limits_met_total", "Times that a limit was met, by its key."),
    ("tidegate_mqtt_publication_bytes_total", "Payload bytes received from publishers."),
    ("tidegate_mqtt_publications_total", "Publications received, by QoS."),
    ("tidegate_mqtt_reason_codes_total", "Reason codes of MQTT packets, by direction and packet."),
    ("tidegate_mqtt_refused_total", "Publications and requests refused, by reason."),
    ("tidegate_mqtt_trace_missed_total", "Lines of traces lost, since their reader was too slow."),
    ("tidegate_mqtt_traces_refused_total", "Traces refused, since as many run as may."),
    ("tidegate_problems_total", "What was refused or not understood, by reason."),
    ("tidegate_process_alerts_cleared_total", "Alerts cleared."),
    ("tidegate_process_alerts_raised_total", "Alerts raised."),
    ("tidegate_process_clocks_rebased_total", "Clocks of devices that had stepped back for good."),
    ("tidegate_process_devices_added_total", "Devices that appeared."),
    ("tidegate_process_devices_forgotten_total", "Devices that were forgotten."),
    ("tidegate_process_devices_erased_total", "Devices that were erased, with everything there was of them."),
    ("tidegate_store_removed_points_total", "Points that were deleted, by reason."),
    ("tidegate_store_removed_summaries_total", "Hourly summaries that were deleted by a rule."),
    ("tidegate_store_erased_series_total", "Series of erased devices of which the files have nothing any more."),
    ("tidegate_process_devices_gave_way_total", "Devices that were forgotten to make room for those of others."),
    (
        "tidegate_process_metrics_without_figures_total",
        "Metrics that came without figures by group, or lost them to others.",
    ),
    ("tidegate_process_publications_ignored_total", "Publications without a reading that are no problem."),
    ("tidegate_process_publications_redelivered_total", "Publications that were sent again and had come before."),
    ("tidegate_process_publications_total", "Publications processed."),
    ("tidegate_process_values_imported_total", "Values that were brought by imports: history only."),
    ("tidegate_process_readings_from_before_total", "Readings that another broker had kept from before."),
    (
        "tidegate_process_readings_skewed_total",
        "Readings whose time was too far ahead: they count as of their receipt.",
    ),
    ("tidegate_register_total", "Changes of what people say of devices, by what became of them."),
    ("tidegate_process_rules_rejected_total", "Rules that were not put: there are too many."),
    ("tidegate_process_ticks_total", "Ticks: entries that only bring the time."),
    ("tidegate_process_values_absent_total", "Metrics that devices named and had no value for."),
    ("tidegate_process_values_duplicate_total", "Values that a device had given for the same time before."),
    ("tidegate_process_values_late_total", "Values older than the newest of their metric."),
    ("tidegate_process_values_total", "Values applied."),
    ("tidegate_sessions_failures_total", "Writes of the sessions file that failed."),
    ("tidegate_store_closed_hours_total", "Hours of history written for good."),
    ("tidegate_store_deleted_events_total", "Alert events deleted for their age or number."),
    ("tidegate_store_deleted_files_total", "Files of history deleted for their age or bytes."),
    ("tidegate_store_flushed_points_total", "Points of history written to files."),
    (
        "tidegate_store_forgotten_devices_total",
        "Devices whose names left the catalogue, since nothing of them was left.",
    ),
    ("tidegate_store_refused_points_total", "Points not taken into history, by reason."),
    ("tidegate_store_rollups_rebuilt_total", "Damaged files of summaries made again from raw readings."),
    ("tidegate_store_written_bytes_total", "Bytes of history written to files."),
];

/// What goes up and down.
const GAUGES: &[(&str, &str)] = &[
    ("tidegate_backup_completed_seconds", "When the last backup was complete, Unix time; 0: none was since the start."),
    ("tidegate_backup_position", "Up to which entry of the log the last complete backup goes."),
    ("tidegate_backup_running", "Whether a backup is being taken: 1 or 0."),
    (
        "tidegate_clock_ahead_seconds",
        "How far the system clock is ahead of the time that is given, seconds; negative: behind.",
    ),
    ("tidegate_clock_confirmed", "1 once the system clock has agreed with the time that passed for long enough."),
    ("tidegate_clock_doubted", "1 while the system clock leapt and is not followed."),
    ("tidegate_engine_connected", "1 while connected to the broker elsewhere."),
    ("tidegate_follow_behind_entries", "Entries of the log that a follower has not written yet, by follower."),
    (
        "tidegate_follow_behind_seconds",
        "For how long a follower has not had everything, seconds, by follower; a second or two when it keeps up.",
    ),
    ("tidegate_history_waiting", "Questions to the history that wait for their turn, by who asked."),
    ("tidegate_identity_failures_remembered", "Addresses and users whose failed proofs are remembered."),
    ("tidegate_live_sessions", "Live sessions open."),
    ("tidegate_live_subscriptions", "Subscriptions of live sessions."),
    ("tidegate_log_disk_free_bytes", "Free bytes of the disk of the log."),
    ("tidegate_log_disk_full", "1 while publications are refused because the disk is full."),
    ("tidegate_log_replay_bytes", "Bytes of the log that a restart would replay."),
    ("tidegate_log_segments", "Segment files of the log."),
    ("tidegate_log_unapplied_entries", "Entries of the log that the views do not show yet."),
    ("tidegate_log_undurable_bytes", "Bytes of the log that wait for the disk."),
    ("tidegate_log_unread_bytes", "Bytes of the log that the slowest reader has not read."),
    ("tidegate_mqtt_connections", "MQTT connections open."),
    ("tidegate_mqtt_connections_arriving", "Connections that have not said CONNECT yet."),
    ("tidegate_mqtt_inflight", "Publications that wait for their acknowledgement."),
    ("tidegate_mqtt_mailbox_bytes", "Bytes kept for clients that are away."),
    (
        "tidegate_mqtt_paused_seconds",
        "How long the program stood still, seconds since the start; no silence of clients.",
    ),
    ("tidegate_mqtt_retained", "Retained messages."),
    ("tidegate_mqtt_retained_bytes", "Bytes of the retained messages."),
    ("tidegate_mqtt_subscriptions", "Subscriptions of MQTT clients."),
    ("tidegate_mqtt_traces", "Traces of clients that run."),
    (
        "tidegate_process_metrics_without_figures",
        "Metrics that have no figures by group now, since others have more devices.",
    ),
    ("tidegate_process_redelivery_bytes", "Memory for messages that are known when they are sent again, bytes."),
    ("tidegate_register_bytes", "Bytes, about, of what people said of devices."),
    ("tidegate_resident_bytes", "Resident memory of the program, bytes."),
    (
        "tidegate_store_ages_behind_seconds",
        "How much longer than told history is kept because no clock was confirmed, seconds.",
    ),
    ("tidegate_store_file_bytes", "Bytes of the files of history."),
    ("tidegate_store_memory_bytes", "Bytes of history that is in memory only."),
    ("tidegate_store_points", "Points of history."),
    ("tidegate_store_series", "Series of history."),
    ("tidegate_store_values_ahead", "Values in history that are stamped later than now."),
];

/// What is distributed.
const HISTOGRAMS: &[(&str, &str)] = &[
    ("tidegate_influxdb_question_seconds", "Duration of a question to InfluxDB, seconds."),
    ("tidegate_influxdb_request_seconds", "Duration of a write to InfluxDB, seconds."),
    ("tidegate_live_latency_seconds", "From the receipt of a publication to the frame that shows it, seconds."),
    ("tidegate_log_commit_seconds", "Duration of a commit of the log, seconds."),
    ("tidegate_sessions_commit_seconds", "Duration of a commit of the sessions file, seconds."),
    ("tidegate_store_flush_seconds", "Duration of a flush of history, seconds."),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("helps.rs") {
                found.push(path);
            }
        }
    }

    /// Texts of a source that are a figure's name and nothing else.
    fn names(text: &str) -> impl Iterator<Item = &str> {
        let is_name =
            |text: &&str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        text.split('"').filter(|text| text.starts_with("tidegate_")).filter(is_name)
    }

    #[test]
    fn every_figure_of_every_room_has_its_words_and_no_words_are_left_over() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        for room in std::fs::read_dir(root.join("bridge")).unwrap() {
            sources(&room.unwrap().path().join("src"), &mut files);
        }
        sources(&root.join("broker/src"), &mut files);
        let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let used: BTreeSet<&str> = texts.iter().flat_map(|text| names(text)).collect();
        let described: BTreeSet<&str> =
            [COUNTERS, GAUGES, HISTOGRAMS].concat().into_iter().map(|(name, _)| name).collect();
        let lacking: Vec<_> = used.difference(&described).collect();
        assert!(lacking.is_empty(), "write what they tell into helps.rs: {lacking:?}");
        let left_over: Vec<_> = described.difference(&used).collect();
        assert!(left_over.is_empty(), "nobody counts these any more: {left_over:?}");
    }
}
