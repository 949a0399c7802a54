//! What a publication means, as decoding hands it to processing.

use std::sync::Arc;

use bytes::Bytes;

use crate::command::{CommandId, CommandMessage};
use crate::facts::{DeviceFacts, MetricFacts};
use crate::import::ImportedSeries;
use crate::position::Position;
use crate::problem::Rejection;
use crate::publication::{Publication, Qos};
use crate::reading::Reading;

/// What a publication means. Processing takes it in the place of the payload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// What devices measured, in the order sent.
    pub readings: Vec<Reading>,
    /// What devices measured before, and kept until they could send it: history, and nothing else. It counts after the readings.
    pub history: Vec<ImportedSeries>,
    /// What is known of devices. They count after that.
    pub devices: Vec<DeviceDescription>,
    /// What is known of metrics. They count after that.
    pub descriptions: Vec<Description>,
    /// Devices that the publication says to be connected or gone. They count after that.
    pub availability: Vec<Availability>,
    /// Messages that the format asks the publisher with.
    pub effects: Vec<Effect>,
    /// Why a part of it, or all of it, could not be taken.
    pub rejection: Option<Rejection>,
    /// Why further parts could not be taken: one for each other reason.
    pub further: Vec<Rejection>,
}

impl Decoded {
    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.readings.clear();
        self.history.clear();
        self.devices.clear();
        self.descriptions.clear();
        self.availability.clear();
        self.effects.clear();
        self.rejection = None;
        self.further.clear();
    }

    /// Whether the publication says nothing about any device, and that is no problem.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let said = self.readings.len()
            + self.history.len()
            + self.devices.len()
            + self.descriptions.len()
            + self.availability.len();
        said == 0 && self.rejection.is_none()
    }
}

/// What is known of a device, as it or its gateway says. A format says it with each reading again: it costs a look at a pointer
/// where it is the same in memory, and whoever sent the reading first takes nothing away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceDescription {
    /// Full identifier of the device. One that never sent a reading is not taken in for this.
    pub device: Arc<str>,
    /// What is known of it: all of it, what was known before goes.
    pub facts: Arc<DeviceFacts>,
}

/// What is known of a metric, as its device says. What the configuration says of the metric counts more, what its name
/// suggests less. As [`DeviceDescription`] it is said with each reading again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Full identifier of the device.
    pub device: Arc<str>,
    /// Name of the metric. One that never had a value is not taken in for this.
    pub metric: Arc<str>,
    /// What is known of it: all of it, what was known before goes.
    pub facts: Arc<MetricFacts>,
}

/// A publication says that a device came or went, as a certificate of birth or death does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// Full identifier of the device. One that never sent a reading is not taken in for this.
    pub device: Arc<str>,
    /// Whether it is connected now. One that is not counts as lost at once, until it is heard again.
    pub is_connected: bool,
}

/// A message to publish because of what was decoded, such as a request to send all metrics again.
///
/// It is published at most once: not while the log is replayed, and not again after a crash. A format that needs an answer
/// asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Topic name.
    pub topic: String,
    /// Application message.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: Qos,
}

/// How long an effect may wait for its receiver, ms.
const EFFECT_EXPIRES_MS: i64 = 60_000;

impl Effect {
    /// The effect of the entry at `position`, which was received at `now_ms` (Unix ms). It goes the way of commands, with an
    /// identifier that no command has: only intents bring commands about.
    #[must_use]
    pub fn into_message(self, position: Position, now_ms: i64) -> CommandMessage {
        let publication = Publication {
            received_ms: now_ms,
            client: String::new(),
            principal: String::new(),
            session: 0,
            packet_id: 0,
            topic: self.topic,
            payload: self.payload,
            qos: self.qos,
            retain: false,
            dup: false,
            properties: None,
            scope: None,
            address: None,
        };
        let deadline_ms = now_ms.saturating_add(EFFECT_EXPIRES_MS);
        CommandMessage { command: CommandId(position), deadline_ms, publication }
    }
}
