//! What viewers get: HTTP, live sessions, and what is remembered for them.

use std::net::{Ipv4Addr, SocketAddr};

use tidegate_push::{LiveConfig, PrometheusConfig, PushConfig};
use tidegate_views::ViewsConfig;

use super::reader::Reader;

pub fn views(reader: &mut Reader) -> ViewsConfig {
    let d = ViewsConfig::default();
    let mut s = reader.section("views", "What is remembered for viewers that come back.");
    ViewsConfig {
        membership_entries_max: s.count(
            "membership_entries_max",
            d.membership_entries_max,
            "Comings, moves and removals of devices, forgotten commands, figures that groups no longer have: so \
                many of each a cursor can follow.",
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
        prometheus: d.prometheus,
    };
    (listen, push)
}

pub fn prometheus(reader: &mut Reader) -> PrometheusConfig {
    let d = PrometheusConfig::default();
    let mut s = reader.section("prometheus", "Questions in PromQL, as Grafana asks them, below /prometheus.");
    PrometheusConfig {
        lookback_ms: s.duration_ms(
            "lookback",
            d.lookback_ms,
            "How long after its last point a series still has a value, where the request does not say.",
        ),
        series_max: s.count("series_max", d.series_max, "Series that one selector may choose."),
        points_max: s.count(
            "points_max",
            d.points_max,
            "Points that one question may read, and look at in windows that overlap.",
        ),
        values_max: s.count(
            "values_max",
            d.values_max,
            "Values of all series that a question's selectors choose, by steps; points of one that are read at once.",
        ),
    }
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
