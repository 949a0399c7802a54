//! What MQTT clients may do, and what is kept for them.

use tidegate_broker::{Acknowledge, BrokerConfig, SessionStoreConfig};

use super::reader::Reader;

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
        connect_timeout: s.timeout(
            "connect_timeout",
            d.connect_timeout,
            "Time until a connection has to say \
            CONNECT, handshakes included.",
        ),
        packet_timeout: s.timeout(
            "packet_timeout",
            d.packet_timeout,
            "Time to send a packet, once begun, and a \
            second more for each KiB of it; then the connection ends.",
        ),
        acknowledge: s.choice(
            "acknowledge",
            &[("durable", Acknowledge::Durable), ("appended", Acknowledge::Appended)],
            "When PUBACK leaves. \"durable\": when the reading is on disk. \"appended\": at once; a crash \
                    loses what was not committed yet.",
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
        receive_max: s.count(
            "receive_max",
            d.receive_max,
            "Publications of one client that wait for their acknowledgement.",
        ),
        inflight_bytes_max: s.bytes(
            "inflight_bytes_max",
            d.inflight_bytes_max,
            "Bytes of one client that wait for it.",
        ),
        delivery_inflight_max: s.count(
            "delivery_inflight_max",
            d.delivery_inflight_max,
            "Messages on their way to one subscriber that it has not acknowledged.",
        ),
        queue_bytes_max: s.bytes(
            "queue_bytes_max",
            d.queue_bytes_max,
            "Bytes queued for one subscriber; past it dropped.",
        ),
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
        retained_max: s.count(
            "retained_max",
            d.retained_max,
            "Retained messages; past it the oldest of whoever has most go.",
        ),
        retained_bytes_max: s.bytes("retained_bytes_max", d.retained_bytes_max, "Bytes of the retained messages."),
        sessions_max: s.count(
            "sessions_max",
            d.sessions_max,
            "Sessions kept for clients that are away; past it \
            whoever has most gives way.",
        ),
        session_expiry_max: s.duration(
            "session_expiry_max",
            d.session_expiry_max,
            "Longest time such a session is kept.",
        ),
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
        linger: s.duration(
            "linger",
            d.linger,
            "How long a connection that the server ended is read on, so that its client reads why.",
        ),
        linger_bytes_max: s.bytes("linger_bytes_max", d.linger_bytes_max, "Bytes that are read then at most."),
        shutdown_grace: s.duration(
            "shutdown_grace",
            d.shutdown_grace,
            "At shutdown: longest wait for acknowledgements.",
        ),
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
