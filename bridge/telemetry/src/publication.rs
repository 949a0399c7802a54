//! A message as MQTT carries it, with who sent it and when it was received.

use std::net::IpAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::scope::DeviceScope;
use crate::shares::Owner;

/// Quality of service of an MQTT publication (MQTT 5.0 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Qos {
    /// 0: at most once.
    AtMostOnce,
    /// 1: at least once.
    AtLeastOnce,
    /// 2: exactly once.
    ExactlyOnce,
}

impl Qos {
    /// The number on the wire.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => 1,
            Qos::ExactlyOnce => 2,
        }
    }

    /// From the number on the wire; `None` for 3 and above.
    #[must_use]
    pub const fn from_level(level: u8) -> Option<Qos> {
        match level {
            0 => Some(Qos::AtMostOnce),
            1 => Some(Qos::AtLeastOnce),
            2 => Some(Qos::ExactlyOnce),
            _ => None,
        }
    }
}

/// The MQTT 5 properties of a publication that matter after the broker (MQTT 5.0 section 3.3.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublishProperties {
    /// 0: bytes, 1: UTF-8 text.
    pub payload_format_indicator: Option<u8>,
    /// Seconds.
    pub message_expiry_interval_s: Option<u32>,
    /// Media type of the payload.
    pub content_type: Option<String>,
    /// Where an answer goes.
    pub response_topic: Option<String>,
    /// What ties an answer to its question.
    pub correlation_data: Option<Bytes>,
    /// In the order sent.
    pub user_properties: Vec<(String, String)>,
}

impl PublishProperties {
    /// Bytes of its texts and data, which is what it takes to keep them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let user: usize = self.user_properties.iter().map(|(key, value)| key.len() + value.len()).sum();
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let data = self.correlation_data.as_ref().map_or(0, |data| data.len());
        user + text(&self.content_type) + text(&self.response_topic) + data
    }
}

/// One message a device published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Unix ms at which the broker received it; in the log it never steps back but at [`Entry::ClockSet`](crate::entry::Entry::ClockSet).
    pub received_ms: i64,
    /// MQTT client identifier; empty where the engine does not know it.
    pub client: String,
    /// Whom the client proved to be; `"anonymous"` without identity.
    pub principal: String,
    /// Number of the client's session; differs between two sessions of one client identifier. 0 where the engine does
    /// not know it.
    pub session: u64,
    /// Packet identifier; 0 for QoS 0.
    pub packet_id: u16,
    /// Topic name, never a filter.
    pub topic: String,
    /// Application message.
    pub payload: Bytes,
    /// Quality of service it was sent with.
    pub qos: Qos,
    /// Retain flag as sent; with session 0 as handed over by another broker ([`Publication::is_retained_copy`]).
    pub retain: bool,
    /// Re-delivery flag as sent.
    pub dup: bool,
    /// MQTT 5 properties; `None` when there were none (always for 3.1.1).
    pub properties: Option<Box<PublishProperties>>,
    /// The devices it may name, as the rights stood when it came in; `None`: any. Most have none, so it is no part of its
    /// bytes ([`Publication::encode_scope_into`]).
    #[serde(skip)]
    pub scope: Option<DeviceScope>,
    /// Where a client is that proved nothing, for its share of what is bounded; an IPv6 address stands for its /64.
    /// No part of its bytes, as the scope.
    #[serde(skip)]
    pub address: Option<IpAddr>,
}

impl Publication {
    /// In whose share of what is bounded it counts.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner::of(&self.principal, self.address)
    }

    /// Whether another broker had kept it, and handed it over because it was subscribed to: it says nothing about now. An
    /// engine that is not told who publishes sets the flag for nothing else.
    #[must_use]
    pub fn is_retained_copy(&self) -> bool {
        self.retain && self.session == 0
    }
}
