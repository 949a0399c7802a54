//! Who the clients of the MQTT edge are, and what they say: the words for operators.

use std::sync::Arc;

use serde::Serialize;

/// Which client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName {
    /// Its identifier.
    pub id: String,
    /// Who it is, where clients of several principals use the identifier.
    pub principal: Option<String>,
}

/// Which clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientsQuery {
    /// Text that the identifier, the principal or the address contains, whatever its case; empty: all.
    pub q: String,
    /// In that state; `None`: in any.
    pub state: Option<ClientState>,
    /// Those that subscribed to this topic name, also among others; `None`: all.
    pub topic: Option<String>,
    /// Clients at most.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Why a question about clients was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientsError {
    /// Nobody has the identifier.
    #[error("no client {0:?} is connected, sleeps or ended lately: GET /v1/clients lists those that do")]
    Unknown(String),
    /// Clients of several principals have it.
    #[error("clients of several principals have the identifier: add principal=…")]
    Ambiguous(Vec<String>),
    /// As many traces run as may.
    #[error("{0} traces run already (mqtt.traces_max): end one")]
    TooManyTraces(usize),
    /// The connection did not end in time.
    #[error("the connection has not ended yet: ask again, repeating is safe")]
    Busy,
    /// Another engine serves MQTT, and does not know.
    #[error("the MQTT engine of this server does not tell about its clients: use broker.engine = \"gate\"")]
    Unsupported,
}

/// How a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientState {
    /// It has a connection.
    Connected,
    /// It is away, and its session is kept.
    Sleeping,
    /// It is away without a session; listed while it is remembered why.
    Gone,
}

/// Some clients.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClientsPage {
    /// Ascending by identifier, then principal.
    pub clients: Vec<Client>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
    /// How many there are in all, whatever was asked for.
    pub counts: ClientCounts,
}

/// Clients by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ClientCounts {
    /// With a connection.
    pub connected: u64,
    /// Away, with a session.
    pub sleeping: u64,
}

/// A client. What is not known (any more) is `None`: little of a client that is away.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Client {
    /// Its identifier.
    pub id: Arc<str>,
    /// Who it proved to be; `None` where it was turned away before.
    pub principal: Option<Arc<str>>,
    /// How it was proved: `anonymous`, `password`, `token`, `certificate`.
    pub proof: Option<&'static str>,
    /// How it stands.
    pub state: ClientState,
    /// Unix ms since when.
    pub since: Option<i64>,
    /// Of MQTT: `3.1`, `3.1.1` or `5.0`.
    pub version: Option<&'static str>,
    /// `tcp`, `tls`, `websocket`, `wss`, `unix`.
    pub transport: Option<&'static str>,
    /// Address and port.
    pub address: Option<String>,
    /// Longest silence it promised, in seconds; 0: none was promised.
    pub keep_alive_s: Option<u16>,
    /// It began without the session it had.
    pub clean: Option<bool>,
    /// Time its session is kept once it is away, in seconds.
    pub expiry_s: Option<u32>,
    /// Unix ms at which the session of a sleeping client ends.
    pub expires: Option<i64>,
    /// Unix ms of the last bytes from it.
    pub heard: Option<i64>,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Since it connected.
    pub totals: Option<ClientTotals>,
    /// Over the last seconds.
    pub rates: Option<ClientRates>,
    /// QoS 1 and 2 messages under way.
    pub in_flight: ClientInFlight,
    /// Messages that wait for it, in memory and on disk.
    pub queued: ClientQueue,
    /// Why its last connection ended or was refused.
    pub last_end: Option<ClientEnd>,
}

/// Counts since a client connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ClientTotals {
    /// From it.
    pub publications: u64,
    /// Of their topics and payloads.
    pub publication_bytes: u64,
    /// To it.
    pub deliveries: u64,
}

/// Rates of a client, over the last seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ClientRates {
    /// From it.
    pub publications_per_second: f64,
    /// Of their topics and payloads.
    pub bytes_per_second: f64,
    /// To it.
    pub deliveries_per_second: f64,
}

/// Messages that are not acknowledged yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ClientInFlight {
    /// From it.
    #[serde(rename = "in")]
    pub incoming: u64,
    /// To it.
    #[serde(rename = "out")]
    pub outgoing: u64,
}

/// Messages that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ClientQueue {
    /// How many.
    pub messages: u64,
    /// Of topics and payloads, and a little for the rest.
    pub bytes: u64,
}

/// The end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientEnd {
    /// Unix ms.
    pub time: i64,
    /// The value of the `reason` label of `tidegate_mqtt_connections_closed_total`.
    pub reason: &'static str,
    /// What happened and what to do, where there is more to say.
    pub detail: String,
    /// From where it was.
    pub address: Option<String>,
}

/// Which refusals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalsQuery {
    /// Text that the address or the client identifier contains, in lower case; empty: all.
    pub q: String,
    /// Lines at most.
    pub limit: usize,
}

/// Connections that were refused, or ended for what the client did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RefusalsPage {
    /// Newest first.
    pub refusals: Vec<Refusal>,
    /// Lines that had to go for want of room.
    pub forgotten: u64,
}

/// Refusals of one address for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Unix ms of the newest.
    pub time: i64,
    /// Unix ms of the first.
    pub first: i64,
    /// How many.
    pub count: u64,
    /// Address and port of the newest; `None` on a Unix socket.
    pub address: Option<String>,
    /// `tcp`, `tls`, `websocket`, `wss`, `unix`.
    pub transport: &'static str,
    /// The value of the `reason` label of `tidegate_mqtt_connections_closed_total` or
    /// `tidegate_mqtt_connections_unopened_total`.
    pub reason: &'static str,
    /// What was wrong with the newest, and what to do.
    pub detail: String,
    /// The client identifier of the newest, where it came to say one.
    pub client: Option<String>,
}

/// A client with its subscriptions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClientDetails {
    /// What the list says.
    #[serde(flatten)]
    pub client: Client,
    /// Ascending by filter.
    pub filters: Vec<ClientSubscription>,
}

/// What a client subscribed to, and how (MQTT 5.0 section 3.8.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientSubscription {
    /// The filter, with `$share/group/` where it is a shared one.
    pub filter: Arc<str>,
    /// Highest quality of service.
    pub qos: u8,
    /// What it published itself does not come back.
    pub no_local: bool,
    /// The retain flag is passed on as published.
    pub retain_as_published: bool,
    /// The subscription's identifier.
    pub identifier: Option<u32>,
}

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TraceLine {
    /// How the client stands as the trace begins.
    Begin {
        /// Unix ms.
        time: i64,
        /// `None`: it was never heard of.
        state: Option<ClientState>,
    },
    /// A packet.
    Packet(TracedPacket),
    /// The connection ended.
    End(ClientEnd),
    /// The reader was too slow for so many lines.
    Missed {
        /// How many.
        count: u64,
    },
}

/// A packet that passed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TracedPacket {
    /// Unix ms.
    pub time: i64,
    /// `in`: from the client; `out`: to it.
    pub direction: &'static str,
    /// `PUBLISH`.
    #[serde(rename = "type")]
    pub name: &'static str,
    /// Of the whole packet.
    pub bytes: usize,
    /// Where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet_id: Option<u16>,
    /// Of a PUBLISH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<u8>,
    /// Of a PUBLISH: sent again.
    #[serde(skip_serializing_if = "is_false")]
    pub dup: bool,
    /// Of a PUBLISH.
    #[serde(skip_serializing_if = "is_false")]
    pub retain: bool,
    /// Of a PUBLISH; the one its alias stands for, where that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Of a PUBLISH (MQTT 5.0 section 3.3.2.3.4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_alias: Option<u16>,
    /// Of a PUBLISH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<usize>,
    /// Its beginning as text, where payloads were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Reason or return codes, one for each filter where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<u8>,
    /// More, in words: what a CONNECT asks for, filters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn is_false(flag: &bool) -> bool {
    !flag
}
