//! What was refused or could not be understood.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::import::Import;
use crate::mention::{is_named_in, is_topic_of};
use crate::publication::Publication;
use crate::shares::Owner;

/// Why a message, or a part of it, was not applied. The snake-case name is the `reason` label of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not an MQTT packet.
    MalformedPacket,
    /// A packet larger than `mqtt.packet_bytes_max`.
    PacketTooLarge,
    /// A topic that is too long, too deep, not UTF-8 or holds wildcards.
    InvalidTopic,
    /// A limit on connections, subscriptions or queued bytes was met.
    ClientLimit,
    /// A user, password, token or certificate that is wrong, or too many of them.
    BadCredentials,
    /// Something the client has no right to.
    NotAuthorized,
    /// A panic inside one connection.
    Internal,
    /// The payload is not UTF-8.
    NotUtf8,
    /// The payload is neither a plain value nor JSON.
    NotUnderstood,
    /// JSON that breaks off or is not well-formed.
    InvalidJson,
    /// Nested deeper than `decode.depth_max`.
    TooDeep,
    /// Larger than `decode.payload_bytes_max`.
    PayloadTooLarge,
    /// More metrics than `decode.metrics_max`, or more readings than `decode.readings_max`.
    TooManyMetrics,
    /// No number, boolean or short text in it.
    NoMetrics,
    /// NaN, an infinity or a number beyond binary64.
    NotFinite,
    /// A device or metric name that is empty, too long or holds control characters.
    InvalidName,
    /// A time that is none, or is not between 2001 and 2200; the values count as of their receipt.
    InvalidTime,
    /// More devices than `process.devices_max` or `process.devices_per_client_max`.
    DeviceLimit,
    /// More metrics of one device than `process.metrics_per_device_max`.
    MetricLimit,
    /// The payload's device identifier is already used by another principal.
    IdentityConflict,
    /// Dropped because the server was past a limit (QoS 0 only).
    Overload,
    /// The disk has no room for publications.
    DiskFull,
    /// A reading of a device that its publisher may not speak for.
    NotItsDevice,
    /// An integer that binary64 cannot hold; taken as the nearest number.
    NotExact,
    /// One metric spelled in two ways within a reading; taken as two.
    TwoSpellings,
    /// One metric with several values in a reading; the last was taken.
    SeveralValues,
    /// The system's clock is not believed, or what was received is stamped by one that was wrong.
    ClockSet,
    /// A reading of before what history keeps; it is shown as the newest of its device, and in no chart.
    OlderThanRetention,
    /// A local time of a source whose zone nobody has said; the values count as of their receipt.
    TimeWithoutOffset,
    /// The time of a device's clock that was never set (1970 or 2000); the values count as of their receipt.
    DeviceClockUnset,
    /// A time further ahead of its receipt than `process.future_max`; the values count as of their receipt.
    TimeAhead,
    /// A value that whoever it was written to refuses for good: InfluxDB, for a field of another type.
    RefusedBySink,
    /// What follows to the outside is behind, and why.
    SinkBehind,
}

impl Reason {
    /// Every reason, so that counters exist from the start.
    pub const ALL: [Reason; 33] = [
        Reason::MalformedPacket,
        Reason::PacketTooLarge,
        Reason::InvalidTopic,
        Reason::ClientLimit,
        Reason::BadCredentials,
        Reason::NotAuthorized,
        Reason::Internal,
        Reason::NotUtf8,
        Reason::NotUnderstood,
        Reason::InvalidJson,
        Reason::TooDeep,
        Reason::PayloadTooLarge,
        Reason::TooManyMetrics,
        Reason::NoMetrics,
        Reason::NotFinite,
        Reason::InvalidName,
        Reason::InvalidTime,
        Reason::DeviceLimit,
        Reason::MetricLimit,
        Reason::IdentityConflict,
        Reason::Overload,
        Reason::DiskFull,
        Reason::NotItsDevice,
        Reason::NotExact,
        Reason::TwoSpellings,
        Reason::SeveralValues,
        Reason::ClockSet,
        Reason::OlderThanRetention,
        Reason::TimeWithoutOffset,
        Reason::DeviceClockUnset,
        Reason::TimeAhead,
        Reason::RefusedBySink,
        Reason::SinkBehind,
    ];

    /// The name in counters, REST answers and the dashboard.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::MalformedPacket => "malformed_packet",
            Reason::PacketTooLarge => "packet_too_large",
            Reason::InvalidTopic => "invalid_topic",
            Reason::ClientLimit => "client_limit",
            Reason::BadCredentials => "bad_credentials",
            Reason::NotAuthorized => "not_authorized",
            Reason::Internal => "internal",
            Reason::NotUtf8 => "not_utf8",
            Reason::NotUnderstood => "not_understood",
            Reason::InvalidJson => "invalid_json",
            Reason::TooDeep => "too_deep",
            Reason::PayloadTooLarge => "payload_too_large",
            Reason::TooManyMetrics => "too_many_metrics",
            Reason::NoMetrics => "no_metrics",
            Reason::NotFinite => "not_finite",
            Reason::InvalidName => "invalid_name",
            Reason::InvalidTime => "invalid_time",
            Reason::DeviceLimit => "device_limit",
            Reason::MetricLimit => "metric_limit",
            Reason::IdentityConflict => "identity_conflict",
            Reason::Overload => "overload",
            Reason::DiskFull => "disk_full",
            Reason::NotItsDevice => "not_its_device",
            Reason::NotExact => "not_exact",
            Reason::TwoSpellings => "two_spellings",
            Reason::SeveralValues => "several_values",
            Reason::ClockSet => "clock_set",
            Reason::OlderThanRetention => "older_than_retention",
            Reason::TimeWithoutOffset => "time_without_offset",
            Reason::DeviceClockUnset => "device_clock_unset",
            Reason::TimeAhead => "time_ahead",
            Reason::RefusedBySink => "refused_by_sink",
            Reason::SinkBehind => "sink_behind",
        }
    }
}

/// Why a message, or a part of it, was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Rejection {
    /// For counters.
    pub reason: Reason,
    /// For people: what exactly, and what to do about it.
    pub detail: String,
}

impl Rejection {
    /// A rejection for this reason, with what a person can do about it.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Rejection { reason, detail: detail.into() }
    }
}

/// One message that was refused or not understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Why.
    pub reason: Reason,
    /// What exactly, and what to do about it, for people.
    pub detail: String,
    /// Topic; empty when it never got that far.
    pub topic: Arc<str>,
    /// Client identifier, or the peer address before a CONNECT.
    pub client: Arc<str>,
    /// In whose share of the quarantine it counts.
    pub owner: Owner,
    /// Unix ms.
    pub received_ms: i64,
    /// The payload or packet; the receiver keeps as much as its bounds allow.
    pub payload: Bytes,
}

impl Problem {
    /// That of a publication that came through.
    #[must_use]
    pub fn of(publication: &Publication, reason: Reason, detail: String) -> Problem {
        Problem {
            reason,
            detail,
            topic: publication.topic.as_str().into(),
            client: publication.client.as_str().into(),
            owner: publication.owner(),
            received_ms: publication.received_ms,
            payload: publication.payload.clone(),
        }
    }

    /// Whether it is about a device: by its topic, or where its words or its payload name it.
    #[must_use]
    pub fn names(&self, device: &str) -> bool {
        is_topic_of(&self.topic, device)
            || is_named_in(self.detail.as_bytes(), device)
            || is_named_in(&self.payload, device)
    }

    /// That of readings that were brought.
    #[must_use]
    pub fn of_import(import: &Import, reason: Reason, detail: String) -> Problem {
        let (topic, client) = ("".into(), "import".into());
        let (owner, payload) = (Owner::Unknown, Bytes::new());
        Problem { reason, detail, topic, client, owner, received_ms: import.received_ms, payload }
    }
}

/// Where problems go: counted, and kept for the *Problems* page. Must not block.
pub trait ProblemSink: Send + Sync {
    /// Takes one problem.
    fn report(&self, problem: Problem);
}
