//! A publication on its way to subscribers.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_telemetry::{CommandId, CommandMessage, Position, Publication, PublishProperties, Qos};

/// Messages of commands are numbered from here, by the command; so a mailbox says of which command a message is.
pub(crate) const FIRST_COMMAND: u64 = 1 << 62;

/// A publication on its way to subscribers; shared by all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Number among all messages, also those of former runs that are still in a mailbox.
    pub id: u64,
    pub topic: Arc<str>,
    pub payload: Bytes,
    pub qos: Qos,
    pub retain: bool,
    /// When it was received, ms, as `GateState::waiting_ms` counts them.
    pub received_ms: i64,
    pub properties: Option<Box<PublishProperties>>,
}

impl Message {
    /// Of a publication that was received at `received_ms`, by the time that counts for what waits.
    pub(crate) fn of(publication: &Publication, id: u64, received_ms: i64) -> Self {
        Message {
            id,
            topic: Arc::from(publication.topic.as_str()),
            payload: publication.payload.clone(),
            qos: publication.qos,
            retain: publication.retain,
            received_ms,
            properties: publication.properties.clone(),
        }
    }

    /// Received, for its expiry, as long before its deadline as it may wait.
    pub(crate) fn of_command(message: &CommandMessage, received_ms: i64) -> Self {
        let publication = &message.publication;
        let expiry = publication.properties.as_ref().and_then(|properties| properties.message_expiry_interval_s);
        let left_ms = message.deadline_ms.saturating_sub(publication.received_ms);
        let waited_ms = i64::from(expiry.unwrap_or(0)) * 1000 - left_ms;
        Message::of(publication, Message::number_of(message.command), received_ms.saturating_sub(waited_ms))
    }

    /// The number of a command's message.
    pub(crate) fn number_of(CommandId(Position(position)): CommandId) -> u64 {
        FIRST_COMMAND + position
    }

    /// The command it carries, if it does. Nothing a client publishes can pass for one.
    pub(crate) fn command(&self) -> Option<CommandId> {
        self.id.checked_sub(FIRST_COMMAND).map(|position| CommandId(Position(position)))
    }

    /// What it counts as in queues and among the retained: topic, payload, and a little for the rest.
    pub(crate) fn bytes(&self) -> usize {
        let properties = self.properties.as_ref().map_or(0, |properties| properties.bytes());
        64 + self.topic.len() + self.payload.len() + properties
    }

    #[cfg(test)]
    pub(crate) fn for_tests(topic: &str, payload: &'static [u8]) -> Self {
        Message {
            id: 1,
            topic: Arc::from(topic),
            payload: Bytes::from_static(payload),
            qos: Qos::AtLeastOnce,
            retain: true,
            received_ms: 0,
            properties: None,
        }
    }
}

/// A message as one subscriber gets it.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub message: Arc<Message>,
    /// The lower of the publication's and the subscription's.
    pub qos: Qos,
    /// Retain flag towards this subscriber (MQTT-3.3.1-8 to 13).
    pub retain: bool,
    /// Not to be sent before this is durable; `Position::START` where being appended is enough.
    pub after: Position,
    /// Number in the session's mailbox; 0 where it is in none.
    pub number: u64,
    /// Identifiers of the subscriptions that matched.
    pub identifiers: Vec<u32>,
    /// The packet identifier it was sent with before; 0 when it was not.
    pub packet_id: u16,
    /// The client has it, only its PUBREL is to be sent again.
    pub is_released: bool,
}

impl Delivery {
    pub(crate) fn new(message: Arc<Message>, qos: Qos, retain: bool, after: Position) -> Self {
        Delivery { message, qos, retain, after, number: 0, identifiers: Vec::new(), packet_id: 0, is_released: false }
    }

    /// Whether the store learns the packet identifier when it is sent rather than when it is lined up: a command that
    /// never left may still expire. Until then nothing is lined up behind it: the store would know the identifier of
    /// what is behind and not this one, and the next connection might give it that very identifier.
    pub(crate) fn is_noted_when_sent(&self) -> bool {
        self.number > 0 && self.qos == Qos::AtLeastOnce && self.message.command().is_some()
    }

    #[cfg(test)]
    pub(crate) fn for_tests(topic: &str, payload: &'static [u8]) -> Self {
        let message = Arc::new(Message::for_tests(topic, payload));
        Delivery::new(message, Qos::AtLeastOnce, false, Position::START)
    }
}
