//! What the MQTT edge is told: settings and limits of the gate, and which engine serves in its place.

mod engine;
mod external;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tidegate_identity::Authority;
use tidegate_settings::{Reader, section};

pub use self::engine::{EngineConfig, RumqttdConfig};
pub(crate) use self::external::ExternalTls;
pub use self::external::{ExternalConfig, Version};
use crate::listeners::ListenerConfig;

section! {
    /// Settings and limits of the MQTT edge.
    #[derive(Debug, Clone)]
    pub struct BrokerConfig {
        /// What serves MQTT. The limits below are the gate's; of the others each heeds those it can.
        pub engine: EngineConfig = EngineConfig::Gate,
        /// Listeners besides that one.
        pub listeners: Vec<ListenerConfig> = Vec::new(),
        /// Who is let in, and what they may do.
        pub authority: Arc<Authority> = Arc::new(Authority::anybody()),
    }
    /// The MQTT listener and what a client may do.
    [mqtt] {
        /// Address of the listener; port 0 picks one; --mqtt overrides it.
        pub listen: SocketAddr = address(SocketAddr::from((Ipv4Addr::LOCALHOST, 1883))),
        /// Connections the system holds until they are accepted.
        ///
        /// For each listener; listen(2).
        pub backlog: u32 = count(4096),
        /// Connections at one time.
        ///
        /// A further one is told and closed.
        pub connections_max: u32 = count(100_000),
        /// Refused connections kept for up to 2 s to be told why; further ones are closed at once.
        ///
        /// Past a limit; until their CONNECT, to which they are answered.
        pub connections_refused_waiting_max: u32 = count(256),
        /// Connections of one address (IPv6: of a /64) at one time; 0: no limit.
        ///
        /// Past it told and closed.
        pub connections_per_address_max: u32 = count(50_000),
        /// Connections an address may open a second, past its burst; 0: no limit.
        ///
        /// A further one is told and closed.
        pub connect_rate_per_address: u32 = count(2000),
        /// Connections an address may open at once.
        pub connect_burst_per_address: u32 = count(50_000),
        /// Publications of one client a second; past it the client is read slower. 0: no limit.
        pub publish_rate_max: u32 = count(200_000),
        /// Bytes one client publishes a second; past it the client is read slower. 0: no limit.
        ///
        /// Of topics and payloads.
        pub publish_bytes_rate_max: usize = bytes(128 * 1024 * 1024),
        /// Time until a connection has to say CONNECT, handshakes included.
        pub connect_timeout: Duration = timeout(Duration::from_secs(10)),
        /// Time to send a packet, once begun, and a second more for each KiB of it; then the connection ends.
        pub packet_timeout: Duration = timeout(Duration::from_secs(30)),
        /// When PUBACK leaves. "durable": when the reading is on disk. "appended": at once; a crash loses what was not
        /// committed yet.
        pub acknowledge: Acknowledge = choice(Acknowledge::Durable, &[
            ("durable", Acknowledge::Durable),
            ("appended", Acknowledge::Appended),
        ]),
        /// Largest MQTT packet, its header included.
        pub packet_bytes_max: usize = bytes(256 * 1024),
        /// Longest client identifier.
        pub client_id_bytes_max: usize = bytes(256),
        /// Longest topic name or filter.
        pub topic_bytes_max: usize = bytes(1024),
        /// Most levels of a topic name or filter.
        pub topic_levels_max: usize = count(32),
        /// Bytes of the properties of a publication or will.
        pub properties_bytes_max: usize = bytes(16 * 1024),
        /// User properties of a publication or will.
        pub user_properties_max: usize = count(64),
        /// Whether a payload that says it is UTF-8 (MQTT 5) is refused where it is not.
        pub payload_format: bool = choice(false, &[("trusted", false), ("checked", true)]),
        /// Topic aliases of an MQTT 5 client, each way.
        ///
        /// MQTT 5.0 section 3.2.2.3.8.
        pub topic_alias_max: u16 = count(64),
        /// Publications of one client that wait for their acknowledgement.
        ///
        /// QoS 1 and 2: the MQTT 5 receive maximum. A 3.1.1 client past it is not read until acknowledgements went out.
        pub receive_max: u16 = count(1024),
        /// Bytes of one client that wait for it.
        ///
        /// Of payloads; past it the client is not read.
        pub inflight_bytes_max: usize = bytes(1024 * 1024),
        /// Messages on their way to one subscriber that it has not acknowledged.
        pub delivery_inflight_max: u16 = count(128),
        /// Bytes queued for one subscriber; past it dropped.
        ///
        /// What is dropped is what is new; it is counted.
        pub queue_bytes_max: usize = bytes(1024 * 1024),
        /// Bytes queued for all subscribers together; past it dropped.
        ///
        /// What is dropped is what is new; it is counted.
        pub queue_bytes_total_max: usize = bytes(64 * 1024 * 1024),
        /// Subscriptions of one client.
        pub subscriptions_per_client_max: usize = count(1000),
        /// Subscriptions of all clients together.
        pub subscriptions_max: usize = count(1_000_000),
        /// Retained messages; past it the oldest of whoever has most go.
        pub retained_max: usize = count(100_000),
        /// Bytes of the retained messages.
        ///
        /// Of topics and payloads.
        pub retained_bytes_max: usize = bytes(32 * 1024 * 1024),
        /// Sessions kept for clients that are away; past it whoever has most gives way.
        pub sessions_max: usize = count(100_000),
        /// Longest time such a session is kept.
        ///
        /// Shortens what a client asks for.
        pub session_expiry_max: Duration = duration(Duration::from_secs(7 * 24 * 3600)),
        /// Longest keep-alive of MQTT 5 clients, told to those that ask for more; "0 ms": as they ask.
        ///
        /// Also to those that ask for none (MQTT 5.0 section 3.2.2.3.14).
        pub keep_alive_max: Duration = duration(Duration::ZERO),
        /// Clients that went, for which it is remembered why.
        pub ends_max: usize = count(10_000),
        /// Refused connections that are remembered, by address and reason; past it the oldest of whoever has most go.
        pub refusals_max: usize = count(1_000),
        /// Traces of clients at one time; past it 503.
        pub traces_max: usize = count(16),
        /// How long a connection that the server ended is read on, so that its client reads why.
        pub linger: Duration = duration(Duration::from_secs(2)),
        /// Bytes that are read then at most.
        pub linger_bytes_max: usize = bytes(4 * 1024 * 1024),
        /// At shutdown: longest wait for acknowledgements.
        ///
        /// For publications to become durable and be acknowledged.
        pub shutdown_grace: Duration = duration(Duration::from_secs(3)),
    }
    then BrokerConfig::read_on;
}

impl BrokerConfig {
    fn read_on(&mut self, reader: &mut Reader) {
        self.engine = EngineConfig::read(reader);
        self.listeners = ListenerConfig::read_all(reader);
    }
}

/// When a publication is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledge {
    /// When it survives a crash.
    Durable,
    /// When it is in order in memory: a crash loses what was not committed yet, though it was acknowledged.
    Appended,
}
