//! Counters and gauges of the MQTT edge. A recorder must be installed before [`crate::Broker::bind`].

use metrics::{Counter, Gauge, counter, gauge};
use tidegate_telemetry::{Qos, Reason};

use crate::listeners::OpenError;

/// Handles of what is counted often; the rest is looked up when it happens.
pub(crate) struct Metrics {
    pub publications: [Counter; 3],
    pub publication_bytes: Counter,
    pub acknowledgements: Counter,
    pub deliveries: [Counter; 3],
    pub connections: Gauge,
    pub connections_accepted: Counter,
    /// Connections whose first packet has not come yet.
    pub arriving: Gauge,
    pub subscriptions: Gauge,
    pub retained: Gauge,
    pub retained_bytes: Gauge,
    pub inflight: Gauge,
    /// For how long the program itself stood still, which is no client's silence.
    pub paused_seconds: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        for reason in [
            Reason::MalformedPacket,
            Reason::PacketTooLarge,
            Reason::InvalidTopic,
            Reason::ClientLimit,
            Reason::BadCredentials,
            Reason::NotAuthorized,
            Reason::Internal,
            Reason::DiskFull,
        ] {
            refused(reason, 0);
        }
        for why in Dropped::ALL {
            dropped(why, 0);
        }
        for reason in OpenError::REASONS {
            unopened(reason, 0);
        }
        Metrics {
            publications: ["0", "1", "2"].map(|qos| counter!("tidegate_mqtt_publications_total", "qos" => qos)),
            publication_bytes: counter!("tidegate_mqtt_publication_bytes_total"),
            acknowledgements: counter!("tidegate_mqtt_acknowledgements_total"),
            deliveries: ["0", "1", "2"].map(|qos| counter!("tidegate_mqtt_deliveries_total", "qos" => qos)),
            connections: gauge!("tidegate_mqtt_connections"),
            arriving: gauge!("tidegate_mqtt_connections_arriving"),
            connections_accepted: counter!("tidegate_mqtt_connections_accepted_total"),
            subscriptions: gauge!("tidegate_mqtt_subscriptions"),
            retained: gauge!("tidegate_mqtt_retained"),
            retained_bytes: gauge!("tidegate_mqtt_retained_bytes"),
            inflight: gauge!("tidegate_mqtt_inflight"),
            paused_seconds: gauge!("tidegate_mqtt_paused_seconds"),
        }
    }

    pub(crate) fn delivered(&self, qos: Qos) {
        self.deliveries[usize::from(qos.level())].increment(1);
    }
}

/// Why a message did not reach the log (overload) or a subscriber (the others).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// A QoS 0 publication came when the log had no room.
    Overload,
    /// The subscriber's queue, or all queues together, were full.
    QueueFull,
    /// The subscriber is away, and the message is not kept: QoS 0, or a session that ends with its connection.
    Offline,
    /// The message's expiry interval passed in the queue.
    Expired,
    /// The subscriber takes no packets that large.
    TooLarge,
    /// No room among the retained messages; it was still delivered.
    RetainedFull,
    /// The oldest of a mailbox that is too large, or the largest when all together are.
    MailboxFull,
    /// It lay in a mailbox for too long.
    MailboxAge,
}

impl Dropped {
    const ALL: [Dropped; 8] = [
        Dropped::Overload,
        Dropped::QueueFull,
        Dropped::Offline,
        Dropped::Expired,
        Dropped::TooLarge,
        Dropped::RetainedFull,
        Dropped::MailboxFull,
        Dropped::MailboxAge,
    ];

    const fn name(self) -> &'static str {
        match self {
            Dropped::Overload => Reason::Overload.name(),
            Dropped::QueueFull => "queue_full",
            Dropped::Offline => "offline",
            Dropped::Expired => "expired",
            Dropped::TooLarge => "too_large",
            Dropped::RetainedFull => "retained_full",
            Dropped::MailboxFull => "mailbox_full",
            Dropped::MailboxAge => "mailbox_age",
        }
    }
}

pub(crate) fn dropped(why: Dropped, count: u64) {
    counter!("tidegate_mqtt_dropped_total", "reason" => why.name()).increment(count);
}

pub(crate) fn refused(reason: Reason, count: u64) {
    counter!("tidegate_mqtt_refused_total", "reason" => reason.name()).increment(count);
}

/// A limit was met; `key` is its key in the configuration.
pub(crate) fn limit_met(key: &'static str, count: u64) {
    counter!("tidegate_mqtt_limits_met_total", "key" => key).increment(count);
}

/// A connection that did not get as far as MQTT.
pub(crate) fn unopened(reason: &'static str, count: u64) {
    counter!("tidegate_mqtt_connections_unopened_total", "reason" => reason).increment(count);
}

pub(crate) fn closed(why: &'static str) {
    counter!("tidegate_mqtt_connections_closed_total", "reason" => why).increment(1);
}
