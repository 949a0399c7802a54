//! How readings become devices, and by which time.

use std::time::Duration;

use tidegate_decode::DecodeConfig;
use tidegate_node::ClockConfig;
use tidegate_process::ProcessConfig;

use super::reader::Reader;
use super::rules;

/// A leap back has to be longer than who stamped an entry may take to append it.
const BACK_MIN: Duration = Duration::from_secs(600);

pub fn clock(reader: &mut Reader) -> ClockConfig {
    let d = ClockConfig::default();
    let mut s = reader.section("clock", "What is believed of the system's clock.");
    let config = ClockConfig {
        forward_max: s.timeout(
            "forward_max",
            d.forward_max,
            "It is followed when it is set forward by so much; more has to last first. A longer time in which \
                the program was down does not count for what waits.",
        ),
        back_max: s.timeout(
            "back_max",
            d.back_max,
            "Set back by so much, time goes at half its speed until the two meet; more has to last first, then \
                the time goes back. 10 min or more.",
        ),
        confirm_after: s.timeout(
            "confirm_after",
            d.confirm_after,
            "How long it has to agree with the time that passed until it is confirmed. Nothing is deleted by \
                age before, and one that leaps from then on has to last as long.",
        ),
        age_rate_max: s.count(
            "age_rate_max",
            d.age_rate_max,
            "How many times as fast as confirmed time passes history may get older, to make up for the time that the program was down.",
        ),
        trusted: d.trusted,
    };
    if config.back_max < BACK_MIN {
        s.wrong_key("back_max", "has to be 10 min or more");
    }
    config
}

pub fn decode(reader: &mut Reader) -> DecodeConfig {
    let sources = rules::sources(reader);
    let d = DecodeConfig::default();
    let mut s = reader.section("decode", "How payloads are read, and how large they may be.");
    DecodeConfig {
        payload_bytes_max: s.bytes("payload_bytes_max", d.payload_bytes_max, "Largest payload."),
        depth_max: s.count("depth_max", d.depth_max, "Deepest nesting within a reading; 1 is a flat object."),
        metrics_max: s.count("metrics_max", d.metrics_max, "Most metrics of one reading."),
        readings_max: s.count("readings_max", d.readings_max, "Most readings of one publication."),
        text_bytes_max: s.bytes("text_bytes_max", d.text_bytes_max, "Longest text that counts as a value."),
        name_bytes_max: s.bytes(
            "name_bytes_max",
            d.name_bytes_max,
            "Longest device identifier, group path or metric name.",
        ),
        names_cached_max: s.count(
            "names_cached_max",
            d.names_cached_max,
            "Names kept so that a repeated one costs nothing.",
        ),
        identifier_keys: s.texts("identifier_keys", &d.identifier_keys, "JSON keys that name the device, best first."),
        time_keys: s.texts("time_keys", &d.time_keys, "JSON keys that hold the time, best first."),
        location_keys: s.texts(
            "location_keys",
            &d.location_keys,
            "JSON keys that say where the device is, best first.",
        ),
        label_words: s.texts(
            "label_words",
            &d.label_words,
            "Words in the name of a metric that make it a label: its texts stay texts, even of digits.",
        ),
        sources_max: d.sources_max,
        sources,
    }
}

/// Processing, and the section of each rule.
pub fn process(reader: &mut Reader) -> (ProcessConfig, Vec<String>) {
    let ((rules, sections), metrics) = (rules::rules(reader), rules::metrics(reader));
    let d = ProcessConfig::default();
    let mut s = reader.section("process", "Devices, groups and when a device counts as late, asleep or lost.");
    let config = ProcessConfig {
        rules,
        metrics,
        commands: d.commands,
        devices_max: s.count(
            "devices_max",
            d.devices_max,
            "Most devices; past it those of whoever has most give way that reported once or are lost, else new ones are refused.",
        ),
        devices_per_client_max: s.count(
            "devices_per_client_max",
            d.devices_per_client_max,
            "Most devices that one MQTT client may bring in.",
        ),
        metrics_per_device_max: s.count(
            "metrics_per_device_max",
            d.metrics_per_device_max,
            "Most metrics of one device.",
        ),
        groups_max: s.count(
            "groups_max",
            d.groups_max,
            "Most groups with devices; devices of further ones count in an ancestor.",
        ),
        aggregate_metrics_max: s.count(
            "aggregate_metrics_max",
            d.aggregate_metrics_max,
            "Most metric names with aggregates by group; past it those have them that most devices share.",
        ),
        aggregate_interval_ms: s.duration_ms(
            "aggregate_interval",
            d.aggregate_interval_ms,
            "Shortest time between two rounds of aggregates.",
        ),
        due_per_entry_max: s.count(
            "due_per_entry_max",
            d.due_per_entry_max,
            "Changes of states and alerts that time brings about at once; the rest follows, with readings between.",
        ),
        future_max_ms: s.duration_ms(
            "future_max",
            d.future_max_ms,
            "A time further ahead than this counts as its receipt.",
        ),
        interval_default_ms: s.duration_ms(
            "interval_default",
            d.interval_default_ms,
            "Interval of a device until its own is learnt.",
        ),
        late_after_intervals: s.count("late_after_intervals", d.late_after_intervals, "Late after so many intervals…"),
        late_after_min_ms: s.duration_ms("late_after_min", d.late_after_min_ms, "…but not before this time."),
        lost_after_intervals: s.count("lost_after_intervals", d.lost_after_intervals, "Lost after so many intervals…"),
        lost_after_min_ms: s.duration_ms("lost_after_min", d.lost_after_min_ms, "…but not before this time."),
        sleeper_interval_ms: s.duration_ms(
            "sleeper_interval",
            d.sleeper_interval_ms,
            "A device that reports this rarely, or rarer, sleeps between its reports.",
        ),
        asleep_after_ms: s.duration_ms(
            "asleep_after",
            d.asleep_after_ms,
            "It counts as asleep this long after a report.",
        ),
        forget_after_ms: Some(s.duration_ms(
            "forget_after",
            d.forget_after_ms.unwrap_or(0),
            "A lost device is forgotten this long after its last reading; \"0 ms\": never.",
        ))
        .filter(|after| *after > 0),
        redelivery_per_client_max: s.count(
            "redelivery_per_client_max",
            d.redelivery_per_client_max,
            "QoS 1 messages of a client whose readings have no time that are known when they are sent again…",
        ),
        redelivery_bytes_max: s.bytes(
            "redelivery_bytes_max",
            d.redelivery_bytes_max,
            "…and memory for those of all clients; then who sent most is remembered less.",
        ),
        alerts_recent_ms: s.duration_ms("alerts_recent", d.alerts_recent_ms, "Time a cleared alert is remembered…"),
        alerts_recent_max: s.count("alerts_recent_max", d.alerts_recent_max, "…and so many at most, for viewers too."),
    };
    (config, sections)
}
