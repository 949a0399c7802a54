//! The keys of each room.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tidegate_broker::{Acknowledge, BrokerConfig, SessionStoreConfig};
use tidegate_decode::DecodeConfig;
use tidegate_log::LogConfig;
use tidegate_process::ProcessConfig;
use tidegate_push::{LiveConfig, PushConfig};
use tidegate_store::StoreConfig;
use tidegate_views::ViewsConfig;

use super::FlushConfig;
use super::reader::Reader;
use super::rules;
use crate::clock::ClockConfig;

pub fn broker(reader: &mut Reader) -> BrokerConfig {
    let d = BrokerConfig::default();
    let mut s = reader.section("mqtt", "The MQTT listener and what a client may do.");
    BrokerConfig {
        engine: d.engine,
        listen: s.address("listen", d.listen, "Address of the listener; port 0 picks one; --mqtt overrides it."),
        listeners: Vec::new(),
        backlog: s.count("backlog", d.backlog, "Connections the system holds until they are accepted."),
        connections_max: s.count("connections_max", d.connections_max, "Connections at one time."),
        connections_refused_waiting_max: s.count(
            "connections_refused_waiting_max",
            d.connections_refused_waiting_max,
            "Refused connections kept for up to 2 s to be told why; further ones are closed at once.",
        ),
        authority: d.authority,
        connections_per_address_max: s.count(
            "connections_per_address_max",
            d.connections_per_address_max,
            "Connections of one address (IPv6: of a /64) at one time; 0: no limit.",
        ),
        connect_rate_per_address: s.count(
            "connect_rate_per_address",
            d.connect_rate_per_address,
            "Connections an address may open a second, past its burst; 0: no limit.",
        ),
        connect_burst_per_address: s.count(
            "connect_burst_per_address",
            d.connect_burst_per_address,
            "Connections an address may open at once.",
        ),
        publish_rate_max: s.count(
            "publish_rate_max",
            d.publish_rate_max,
            "Publications of one client a second; past it the client is read slower. 0: no limit.",
        ),
        publish_bytes_rate_max: s.bytes(
            "publish_bytes_rate_max",
            d.publish_bytes_rate_max,
            "Bytes one client publishes a second; past it the client is read slower. 0: no limit.",
        ),
        connect_timeout: s.timeout("connect_timeout", d.connect_timeout, "Time until a connection has to say CONNECT, handshakes included."),
        packet_timeout: s.timeout("packet_timeout", d.packet_timeout, "Time to send a packet, once begun, and a second more for each KiB of it; then the connection ends."),
        acknowledge: s.choice(
"acknowledge",
                &[("durable", Acknowledge::Durable), ("appended", Acknowledge::Appended)],
                "When PUBACK leaves. \"durable\": when the reading is on disk. \"appended\": at once; a crash loses what was not committed yet.",
            ),
        packet_bytes_max: s.bytes("packet_bytes_max", d.packet_bytes_max, "Largest MQTT packet, its header included."),
        client_id_bytes_max: s.bytes("client_id_bytes_max", d.client_id_bytes_max, "Longest client identifier."),
        topic_bytes_max: s.bytes("topic_bytes_max", d.topic_bytes_max, "Longest topic name or filter."),
        topic_levels_max: s.count("topic_levels_max", d.topic_levels_max, "Most levels of a topic name or filter."),
        properties_bytes_max: s.bytes(
            "properties_bytes_max",
            d.properties_bytes_max,
            "Bytes of the properties of a publication or will.",
        ),
        user_properties_max: s.count(
            "user_properties_max",
            d.user_properties_max,
            "User properties of a publication or will.",
        ),
        check_payload_format: s.choice(
            "payload_format",
            &[("trusted", false), ("checked", true)],
            "Whether a payload that says it is UTF-8 (MQTT 5) is refused where it is not.",
        ),
        topic_alias_max: s.count("topic_alias_max", d.topic_alias_max, "Topic aliases of an MQTT 5 client, each way."),
        receive_max: s.count("receive_max", d.receive_max, "Publications of one client that wait for their acknowledgement."),
        inflight_bytes_max: s.bytes("inflight_bytes_max", d.inflight_bytes_max, "Bytes of one client that wait for it."),
        delivery_inflight_max: s.count(
            "delivery_inflight_max",
            d.delivery_inflight_max,
            "Messages on their way to one subscriber that it has not acknowledged.",
        ),
        queue_bytes_max: s.bytes("queue_bytes_max", d.queue_bytes_max, "Bytes queued for one subscriber; past it dropped."),
        queue_bytes_total_max: s.bytes(
            "queue_bytes_total_max",
            d.queue_bytes_total_max,
            "Bytes queued for all subscribers together; past it dropped.",
        ),
        subscriptions_per_client_max: s.count(
            "subscriptions_per_client_max",
            d.subscriptions_per_client_max,
            "Subscriptions of one client.",
        ),
        subscriptions_max: s.count("subscriptions_max", d.subscriptions_max, "Subscriptions of all clients together."),
        retained_max: s.count("retained_max", d.retained_max, "Retained messages; past it the oldest of whoever has most go."),
        retained_bytes_max: s.bytes("retained_bytes_max", d.retained_bytes_max, "Bytes of the retained messages."),
        sessions_max: s.count("sessions_max", d.sessions_max, "Sessions kept for clients that are away; past it whoever has most gives way."),
        session_expiry_max: s.duration("session_expiry_max", d.session_expiry_max, "Longest time such a session is kept."),
        keep_alive_max: s.duration(
            "keep_alive_max",
            d.keep_alive_max,
            "Longest keep-alive of MQTT 5 clients, told to those that ask for more; \"0 ms\": as they ask.",
        ),
        ends_max: s.count("ends_max", d.ends_max, "Clients that went, for which it is remembered why."),
        refusals_max: s.count(
            "refusals_max",
            d.refusals_max,
            "Refused connections that are remembered, by address and reason; past it the oldest of whoever has most go.",
        ),
        traces_max: s.count("traces_max", d.traces_max, "Traces of clients at one time; past it 503."),
        linger: s.duration("linger", d.linger, "How long a connection that the server ended is read on, so that its client reads why."),
        linger_bytes_max: s.bytes("linger_bytes_max", d.linger_bytes_max, "Bytes that are read then at most."),
        shutdown_grace: s.duration("shutdown_grace", d.shutdown_grace, "At shutdown: longest wait for acknowledgements."),
    }
}

pub fn sessions(reader: &mut Reader) -> SessionStoreConfig {
    let d = SessionStoreConfig::default();
    let mut s =
        reader.section("sessions", "What survives a restart for MQTT clients: sessions, mailboxes, retained, wills.");
    SessionStoreConfig {
        commit_interval: s.duration("commit_interval", d.commit_interval, "Longest wait of a change nobody waits for."),
        unwritten_bytes_max: s.bytes(
            "unwritten_bytes_max",
            d.unwritten_bytes_max,
            "Message bytes that may wait for the disk; past it clients are read slower.",
        ),
        mailbox_bytes_max: s.bytes(
            "mailbox_bytes_max",
            d.mailbox_bytes_max,
            "Bytes kept for one client that is away; past it the oldest messages go.",
        ),
        mailbox_bytes_total_max: s.bytes(
            "mailbox_bytes_total_max",
            d.mailbox_bytes_total_max,
            "Bytes kept for all of them; past it the oldest of the largest go.",
        ),
        mailbox_age_max: s.duration("mailbox_age_max", d.mailbox_age_max, "Age at which such a message goes."),
        ..d
    }
}

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

/// A leap back has to be longer than who stamped an entry may take to append it.
const BACK_MIN: Duration = Duration::from_secs(600);

pub fn clock(reader: &mut Reader) -> ClockConfig {
    let d = ClockConfig::default();
    let mut s = reader.section("clock", "What is believed of the system's clock.");
    let config = ClockConfig {
        forward_max: s.timeout(
            "forward_max",
            d.forward_max,
            "It is followed when it is set forward by so much; more has to last first. A longer time in which the program was down does not count for what waits.",
        ),
        back_max: s.timeout(
            "back_max",
            d.back_max,
            "Set back by so much, time goes at half its speed until the two meet; more has to last first, then the time goes back. 10 min or more.",
        ),
        confirm_after: s.timeout(
            "confirm_after",
            d.confirm_after,
            "How long it has to agree with the time that passed until it is confirmed. Nothing is deleted by age before, and one that leaps from then on has to last as long.",
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

pub fn views(reader: &mut Reader) -> ViewsConfig {
    let d = ViewsConfig::default();
    let mut s = reader.section("views", "What is remembered for viewers that come back.");
    ViewsConfig {
        membership_entries_max: s.count(
            "membership_entries_max",
            d.membership_entries_max,
            "Comings, moves and removals of devices, forgotten commands, figures that groups no longer have: so many of each a cursor can follow.",
        ),
        alert_events_max: s.count("alert_events_max", d.alert_events_max, "Alert events in memory."),
        cleared_alerts_max: d.cleared_alerts_max,
        alerts_shown_max: s.count(
            "alerts_shown_max",
            d.alerts_shown_max,
            "Lines of a view of alerts: of those that hold, and of those that cleared.",
        ),
        alert_burst_min: s.count(
            "alert_burst_min",
            d.alert_burst_min,
            "So many alerts of one rule, raised within alert_burst_window, are shown as one line; 0: never.",
        ),
        alert_burst_window_ms: s.duration_ms(
            "alert_burst_window",
            d.alert_burst_window_ms,
            "The line goes on as long as so many come within this time.",
        ),
        cleared_alert_ms: s.duration_ms(
            "cleared_alert_time",
            d.cleared_alert_ms,
            "Time a cleared alert stays in sight.",
        ),
        envelope_linger_ms: s.duration_ms(
            "envelope_linger",
            d.envelope_linger_ms,
            "Time the extremes of a row nobody watches any more are kept.",
        ),
        rows_max: s.count("rows_max", d.rows_max, "Rows one subscription may have."),
        series_max: s.count("series_max", d.series_max, "Series one chart may have."),
        rows_per_lock: s.count(
            "rows_per_lock",
            d.rows_per_lock,
            "Rows, names or moves that a list or a page looks at before others have their turn.",
        ),
        chart_recording_max: s.count(
            "chart_recording_max",
            d.chart_recording_max,
            "Readings kept for a chart while its history is read.",
        ),
    }
}

pub fn push(reader: &mut Reader) -> (SocketAddr, PushConfig) {
    let d = PushConfig::default();
    let mut s = reader.section("http", "The dashboard, REST and the live protocol.");
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let listen = s.address("listen", listen, "Address of the listener; port 0 picks one; --http overrides it.");
    let push = PushConfig {
        hosts: s.texts("hosts", &d.hosts, "Host names besides loopback's under which the server may be asked."),
        origins: s.texts(
            "origins",
            &d.origins,
            "Origins besides its own whose pages may open streams and change things.",
        ),
        connections_max: s.count("connections_max", d.connections_max, "Connections at one time; past it 503."),
        header_timeout_ms: millis(s.duration_ms(
            "header_timeout",
            signed(d.header_timeout_ms),
            "Time to send a request's headers.",
        )),
        header_bytes_max: s.bytes("header_bytes_max", d.header_bytes_max, "Bytes of a request's headers."),
        body_timeout_ms: millis(s.duration_ms(
            "body_timeout",
            signed(d.body_timeout_ms),
            "Time to send a request's body.",
        )),
        body_bytes_max: s.bytes("body_bytes_max", d.body_bytes_max, "Bytes of a request's body."),
        write_timeout_ms: millis(s.duration_ms(
            "write_timeout",
            signed(d.write_timeout_ms),
            "Time a client that takes nothing of its answer is waited for; live sessions are not meant.",
        )),
        csv_formulas: s.choice(
            "csv_formulas",
            &[("harmless", false), ("as_they_are", true)],
            "Texts of CSV that a spreadsheet would take for formulas: with an apostrophe in front, or as they are.",
        ),
        drain_timeout_ms: millis(s.duration_ms(
            "drain_timeout",
            signed(d.drain_timeout_ms),
            "At shutdown: time for requests under way.",
        )),
        page_default: s.count("page_default", d.page_default, "Entries of a page when the request names no limit."),
        page_max: s.count("page_max", d.page_max, "Entries of a page at most."),
        width_max: s.count("width_max", d.width_max, "Width of a chart at most, pixels."),
        history_concurrency: s.count(
            "history_concurrency",
            d.history_concurrency,
            "Questions to the history at the same time.",
        ),
        history_waiting_max: s.count(
            "history_waiting_max",
            d.history_waiting_max,
            "Questions to the history of one address that wait for their turn; past it 503.",
        ),
        history_wait_ms: millis(s.duration_ms(
            "history_wait",
            signed(d.history_wait_ms),
            "Time a question waits for its turn; then 503.",
        )),
        intent_timeout_ms: millis(s.duration_ms(
            "intent_timeout",
            signed(d.intent_timeout_ms),
            "Time an acknowledgement or command may take; then 503.",
        )),
        commands: d.commands,
    };
    (listen, push)
}

pub fn live(reader: &mut Reader) -> LiveConfig {
    let d = LiveConfig::default();
    let mut s = reader.section("live", "Sessions of the live protocol.");
    let mut time = |key, default, meaning| millis(s.duration_ms(key, signed(default), meaning));
    let hello_timeout_ms = time("hello_timeout", d.hello_timeout_ms, "Time to say hello.");
    let pulse_ms = time("pulse", d.pulse_ms, "Between two pulses.");
    let pulse_paused_ms = time("pulse_paused", d.pulse_paused_ms, "Between two pulses of a hidden page.");
    let group_interval_ms = time("group_interval", d.group_interval_ms, "Between two deltas of a group view at least.");
    let fleet_interval_ms = time("fleet_interval", d.fleet_interval_ms, "Between two deltas of a fleet view at least.");
    let late_after_ms = time("late_after", d.late_after_ms, "Deltas later than this on average are late;");
    let late_gap_ms = time("late_gap", d.late_gap_ms, "then the next one of the session waits for so long at least.");
    let pace_after_ms = time("pace_after", d.pace_after_ms, "Updates held back for so long are told to the client.");
    let reconnect_spread_ms =
        time("reconnect_spread", d.reconnect_spread_ms, "Clients come back within this time after a shutdown.");
    let goaway_timeout_ms = time("goaway_timeout", d.goaway_timeout_ms, "Time to tell clients to go at shutdown.");
    let chart_mend_interval_ms = time(
        "chart_mend_interval",
        d.chart_mend_interval_ms,
        "Between two readings from history of what an open chart shows, after corrections and late readings.",
    );
    LiveConfig {
        sessions_max: s.count("sessions_max", d.sessions_max, "Sessions; past it 503."),
        sessions_per_address_max: s.count(
            "sessions_per_address_max",
            d.sessions_per_address_max,
            "Sessions of one address; past it 503.",
        ),
        subscriptions_max: s.count("subscriptions_max", d.subscriptions_max, "Subscriptions of one session."),
        rows_max: s.count("rows_max", d.rows_max, "Rows of all subscriptions of one session."),
        message_bytes_max: s.bytes("message_bytes_max", d.message_bytes_max, "Largest message of a client."),
        frame_bytes_max: s.bytes(
            "frame_bytes_max",
            d.frame_bytes_max,
            "Largest frame, but for one row that is larger.",
        ),
        bytes_in_flight_start: s.bytes(
            "bytes_in_flight_start",
            d.bytes_in_flight_start,
            "Bytes sent and not yet seen, until the link was measured.",
        ),
        bytes_in_flight_max: s.bytes(
            "bytes_in_flight_max",
            d.bytes_in_flight_max,
            "Bytes sent and not yet seen at most.",
        ),
        history_concurrency: s.count(
            "history_concurrency",
            d.history_concurrency,
            "Charts whose history is read at the same time.",
        ),
        event_fill_max: s.count(
            "event_fill_max",
            d.event_fill_max,
            "Alert events read from the store for a client that comes back; past it a snapshot.",
        ),
        changes_per_lock_max: s.count(
            "changes_per_lock_max",
            d.changes_per_lock_max,
            "Changes applied while no session can look, but for an entry that brings more.",
        ),
        hello_timeout_ms,
        pulse_ms,
        pulse_paused_ms,
        group_interval_ms,
        fleet_interval_ms,
        late_after_ms,
        late_gap_ms,
        pace_after_ms,
        reconnect_spread_ms,
        goaway_timeout_ms,
        chart_mend_interval_ms,
    }
}

fn signed(duration_ms: u64) -> i64 {
    i64::try_from(duration_ms).unwrap_or(i64::MAX)
}

fn millis(duration_ms: i64) -> u64 {
    duration_ms.unsigned_abs()
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
        sources,
    }
}

pub fn process(reader: &mut Reader) -> ProcessConfig {
    let (decode, rules, metrics) = (decode(reader), rules::rules(reader), rules::metrics(reader));
    let d = ProcessConfig::default();
    let mut s = reader.section("process", "Devices, groups and when a device counts as late, asleep or lost.");
    ProcessConfig {
        decode,
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
    }
}
