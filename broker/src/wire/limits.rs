use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tidegate_telemetry::Position;

use crate::topics::TopicLimits;

/// Limits on what one client may do.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub topics: TopicLimits,
    pub connect_timeout: Duration,
    pub packet_timeout: Duration,
    pub packet_bytes_max: usize,
    pub client_id_bytes_max: usize,
    pub topic_alias_max: u16,
    pub receive_max: u16,
    pub inflight_bytes_max: usize,
    pub delivery_inflight_max: u16,
    pub keep_alive_max_s: u16,
    pub properties: PropertyLimits,
}

/// Limits on the properties of a publication or will.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PropertyLimits {
    pub bytes_max: usize,
    pub user_max: usize,
    /// A payload that says it is UTF-8 has to be.
    pub checks_payload_format: bool,
}

impl Default for PropertyLimits {
    fn default() -> Self {
        PropertyLimits { bytes_max: usize::MAX, user_max: usize::MAX, checks_payload_format: false }
    }
}

/// The present, passed in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub instant: Instant,
    pub unix_ms: i64,
}

/// A connection that is let in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Admission {
    pub session: u64,
    pub session_present: bool,
    /// The session outlives the connection.
    pub keeps: bool,
    /// QoS 2 identifiers of the session that are not yet released.
    pub received: BTreeMap<u16, Position>,
    pub assigned_client_id: Option<String>,
    /// Set when the session is kept for another time than the client asked for.
    pub expiry_s: Option<u32>,
}
