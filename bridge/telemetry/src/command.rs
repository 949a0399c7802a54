//! Commands to devices: what is asked for, what became of it, and what the log holds of that.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::position::Position;
use crate::publication::{Publication, PublishProperties, Qos};

/// Identity of a command: the place in the log of the intent that asked for it. Written `c-17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommandId(pub Position);

impl CommandId {
    /// Reads what [`fmt::Display`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<CommandId> {
        let id = CommandId(Position(text.strip_prefix("c-")?.parse().ok()?));
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c-{}", self.0)
    }
}

/// What a person wants a device to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// The device's full identifier.
    pub device: Arc<str>,
    /// Topic name it is published to.
    pub topic: Arc<str>,
    /// Application message.
    pub payload: Bytes,
    /// Media type of the payload; text where there is one.
    pub content_type: Option<Arc<str>>,
    /// Quality of service it is published with.
    pub qos: Qos,
    /// Topic name on which an answer is awaited.
    pub response_topic: Arc<str>,
    /// Seconds it may wait for the device.
    pub expires_in_s: u32,
    /// Of two requests for a device with one key only the first in the log counts.
    pub key: Option<Arc<str>>,
}

impl CommandRequest {
    /// What it counts as against limits.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let key = self.key.as_ref().map_or(0, |key| key.len());
        self.device.len() + self.topic.len() + self.response_topic.len() + self.payload.len() + key
    }
}

/// Where a command stands. Later ones are further along; [`CommandState::Expired`] and [`CommandState::Refused`] are
/// ends of commands that were not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandState {
    /// It is in the log, on disk.
    Accepted,
    /// It was handed to the device's connection.
    Sent,
    /// The device acknowledged it (PUBACK or PUBCOMP).
    Delivered,
    /// The device answered on the response topic.
    Answered,
    /// Its deadline passed before it was sent.
    Expired,
    /// It could not be delivered, or the device did not want it.
    Refused,
}

/// Why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandRefusal {
    /// Nobody has a subscription to its topic.
    NoSubscriber,
    /// The device takes no packets that large.
    TooLarge,
    /// The device refused it with a reason code of 0x80 or above (MQTT 5.0 section 3.4.2.1).
    ByDevice,
    /// Nothing that serves MQTT here can send commands.
    Unsupported,
}

/// A command and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Its identity.
    pub id: CommandId,
    /// What was asked for.
    pub request: CommandRequest,
    /// Who asked.
    pub by: Arc<str>,
    /// Unix ms after which it is not sent any more.
    pub deadline_ms: i64,
    /// Each state it was in, and since when (Unix ms of the log); the last one is where it stands.
    pub steps: SmallVec<[(CommandState, i64); 4]>,
    /// Client identifier of whom it was sent to.
    pub client: Option<Arc<str>>,
    /// Why it was refused.
    pub refusal: Option<CommandRefusal>,
    /// What the device answered.
    pub answer: Option<Bytes>,
}

impl Command {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> CommandState {
        self.steps.last().map_or(CommandState::Accepted, |&(state, _)| state)
    }

    /// Unix ms at which it was accepted.
    #[must_use]
    pub fn accepted_ms(&self) -> i64 {
        self.steps.first().map_or(0, |&(_, at_ms)| at_ms)
    }

    /// What it counts as against limits.
    #[must_use]
    pub fn bytes(&self) -> usize {
        128 + self.request.bytes() + self.answer.as_ref().map_or(0, Bytes::len)
    }
}

/// A command as it is handed to subscribers. It stands in the log once for each command that is the first of its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandMessage {
    /// Which.
    pub command: CommandId,
    /// Unix ms at which delivery to the device must have begun.
    pub deadline_ms: i64,
    /// What subscribers get.
    pub publication: Publication,
}

impl CommandReport {
    /// The command goes no further, and no subscriber has to do with that.
    #[must_use]
    pub fn refused(command: CommandId, received_ms: i64, refusal: CommandRefusal) -> Self {
        let progress = CommandProgress::Refused(refusal);
        CommandReport { received_ms, command, client: String::new(), session: 0, progress }
    }
}

impl CommandMessage {
    /// The publication of a command, received at `now_ms` (Unix ms).
    #[must_use]
    pub fn of(command: &Command, now_ms: i64) -> Self {
        let request = &command.request;
        let properties = PublishProperties {
            payload_format_indicator: request.content_type.as_ref().map(|_| 1),
            message_expiry_interval_s: Some(request.expires_in_s),
            content_type: request.content_type.as_ref().map(|text| text.to_string()),
            response_topic: Some(request.response_topic.to_string()),
            correlation_data: Some(Bytes::from(command.id.to_string())),
            user_properties: Vec::new(),
        };
        let publication = Publication {
            received_ms: now_ms,
            client: String::new(),
            principal: command.by.to_string(),
            session: 0,
            packet_id: 0,
            topic: request.topic.to_string(),
            payload: request.payload.clone(),
            qos: request.qos,
            retain: false,
            dup: false,
            properties: Some(Box::new(properties)),
            scope: None,
            address: None,
        };
        CommandMessage { command: command.id, deadline_ms: command.deadline_ms, publication }
    }
}

/// What the MQTT edge says became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandReport {
    /// Unix ms.
    pub received_ms: i64,
    /// Which.
    pub command: CommandId,
    /// Client identifier of the subscriber; empty when it is about none.
    pub client: String,
    /// Number of the subscriber's session; 0 when it is about none.
    pub session: u64,
    /// What.
    pub progress: CommandProgress,
}

/// What happened to a command at a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandProgress {
    /// It was handed to the subscriber's connection.
    Sent {
        /// A filter of the subscriber spells the topic out up to its last level, as a device's own does and that of
        /// somebody who listens to many does not.
        by_name: bool,
    },
    /// The subscriber has it.
    Delivered,
    /// It goes no further.
    Refused(CommandRefusal),
}
