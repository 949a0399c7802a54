//! What the MQTT edge is told: settings and limits of the gate, and which engine serves in its place.

mod engine;
mod external;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tidegate_identity::Authority;

pub use self::engine::{EngineConfig, RumqttdConfig};
pub use self::external::{ExternalConfig, ExternalTls, Version};
use crate::listeners::ListenerConfig;

/// Settings and limits of the MQTT edge.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// What serves MQTT. The limits below are the gate's; of the others each heeds those it can.
    pub engine: EngineConfig,
    /// Address of the MQTT listener (TCP); port 0 picks a free one.
    pub listen: SocketAddr,
    /// Listeners besides that one.
    pub listeners: Vec<ListenerConfig>,
    /// Connections the system may hold for each listener before the gate accepts them (listen(2)).
    pub backlog: u32,
    /// Connections at one time; a further one is told and closed.
    pub connections_max: u32,
    /// Connections past a limit that are kept until their CONNECT, for two seconds at most, so that the client can be
    /// told why; further ones are closed at once.
    pub connections_refused_waiting_max: u32,
    /// Who is let in, and what they may do.
    pub authority: Arc<Authority>,
    /// Connections of one address (IPv6: of a /64) at one time, past it told and closed; 0: no limit.
    pub connections_per_address_max: u32,
    /// Connections an address may open a second, past its burst; a further one is told and closed. 0: no limit.
    pub connect_rate_per_address: u32,
    /// Connections an address may open at once.
    pub connect_burst_per_address: u32,
    /// Publications of one client a second; past it the client is not read for a while. 0: no limit.
    pub publish_rate_max: u32,
    /// Bytes of topics and payloads one client publishes a second; past it it is not read for a while. 0: no limit.
    pub publish_bytes_rate_max: usize,
    /// A connection that has not sent its CONNECT by then is closed; handshakes before it count.
    pub connect_timeout: Duration,
    /// A packet that has begun is whole by then, and a second later for each KiB of it that came; else the connection
    /// ends.
    pub packet_timeout: Duration,
    /// Largest MQTT packet a client may send, its fixed header included.
    pub packet_bytes_max: usize,
    /// When PUBACK and PUBREC leave.
    pub acknowledge: Acknowledge,
    /// Longest client identifier.
    pub client_id_bytes_max: usize,
    /// Longest topic name or filter.
    pub topic_bytes_max: usize,
    /// Most levels of a topic name or filter.
    pub topic_levels_max: usize,
    /// Bytes of the properties of a publication or will.
    pub properties_bytes_max: usize,
    /// User properties of a publication or will.
    pub user_properties_max: usize,
    /// Whether a payload that says it is UTF-8 (payload format indicator 1) is refused where it is not.
    pub check_payload_format: bool,
    /// Topic aliases a client may set up (MQTT 5.0 section 3.2.2.3.8), and that are set up towards a client.
    pub topic_alias_max: u16,
    /// QoS 1 and 2 publications of one client that are not yet acknowledged: the MQTT 5 receive maximum. A 3.1.1
    /// client past it is not read until acknowledgements went out.
    pub receive_max: u16,
    /// Payload bytes of one client that are not yet acknowledged; past it the client is not read.
    pub inflight_bytes_max: usize,
    /// QoS 1 and 2 messages on their way to one subscriber that it has not acknowledged.
    pub delivery_inflight_max: u16,
    /// Bytes queued for one subscriber; past it new messages for it are dropped and counted.
    pub queue_bytes_max: usize,
    /// Bytes queued for all subscribers together; past it new messages are dropped and counted.
    pub queue_bytes_total_max: usize,
    /// Subscriptions of one client.
    pub subscriptions_per_client_max: usize,
    /// Subscriptions of all clients together.
    pub subscriptions_max: usize,
    /// Retained messages.
    pub retained_max: usize,
    /// Bytes of topics and payloads of the retained messages.
    pub retained_bytes_max: usize,
    /// Sessions kept for clients that are away.
    pub sessions_max: usize,
    /// Longest time a session is kept for a client that is away; shortens what a client asks for.
    pub session_expiry_max: Duration,
    /// Longest keep-alive; an MQTT 5 client that asks for more, or for none, is told this one (section 3.2.2.3.14).
    /// `ZERO`: whatever the client asks for.
    pub keep_alive_max: Duration,
    /// Clients that went, for which it is remembered why.
    pub ends_max: usize,
    /// Lines about connections that were refused, one for each address and reason.
    pub refusals_max: usize,
    /// Traces of clients at one time.
    pub traces_max: usize,
    /// How long a connection is read on after the server ended it, for a client that is still sending to read why.
    pub linger: Duration,
    /// Bytes that are read then at most.
    pub linger_bytes_max: usize,
    /// At shutdown: longest wait for publications to become durable and be acknowledged.
    pub shutdown_grace: Duration,
}

/// When a publication is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledge {
    /// When it survives a crash.
    Durable,
    /// When it is in order in memory: a crash loses what was not committed yet, though it was acknowledged.
    Appended,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        BrokerConfig {
            engine: EngineConfig::Gate,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)),
            listeners: Vec::new(),
            backlog: 4096,
            connections_max: 100_000,
            connections_refused_waiting_max: 256,
            authority: Arc::new(Authority::anybody()),
            connections_per_address_max: 50_000,
            connect_rate_per_address: 2000,
            connect_burst_per_address: 50_000,
            publish_rate_max: 200_000,
            publish_bytes_rate_max: 128 * 1024 * 1024,
            connect_timeout: Duration::from_secs(10),
            packet_timeout: Duration::from_secs(30),
            packet_bytes_max: 256 * 1024,
            acknowledge: Acknowledge::Durable,
            client_id_bytes_max: 256,
            topic_bytes_max: 1024,
            topic_levels_max: 32,
            properties_bytes_max: 16 * 1024,
            user_properties_max: 64,
            check_payload_format: false,
            topic_alias_max: 64,
            receive_max: 1024,
            inflight_bytes_max: 1024 * 1024,
            delivery_inflight_max: 128,
            queue_bytes_max: 1024 * 1024,
            queue_bytes_total_max: 64 * 1024 * 1024,
            subscriptions_per_client_max: 1000,
            subscriptions_max: 1_000_000,
            retained_max: 100_000,
            retained_bytes_max: 32 * 1024 * 1024,
            sessions_max: 100_000,
            session_expiry_max: Duration::from_secs(7 * 24 * 3600),
            keep_alive_max: Duration::ZERO,
            ends_max: 10_000,
            refusals_max: 1_000,
            traces_max: 16,
            linger: Duration::from_secs(2),
            linger_bytes_max: 4 * 1024 * 1024,
            shutdown_grace: Duration::from_secs(3),
        }
    }
}
