//! What the log holds; how it is written down says [`crate::log_entry`].

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::command::{CommandMessage, CommandReport, CommandRequest};
use crate::rule::Rule;
use crate::scope::DeviceScope;
use crate::shares::Owner;

/// 2023-01-01 in Unix ms: no program that writes this log is older, so a system's clock that says less is not set.
pub const UNSET_BEFORE_MS: i64 = 1_672_531_200_000;

/// A place in the log: the ordinal of an entry, counted from 1. `Position::START` lies before the first entry.
///
/// A position says "everything up to and including this entry". It only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Position(pub u64);

impl Position {
    /// Before the first entry.
    pub const START: Position = Position(0);

    /// The position right after this one.
    #[must_use]
    pub const fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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
    /// Unix ms at which the broker received it; in the log it never steps back but at [`Entry::ClockSet`].
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

    /// Appends its scope, where it has one, to its other bytes.
    pub fn encode_scope_into(&self, out: &mut Vec<u8>) {
        if let Some(scope) = &self.scope {
            encode(scope, out);
        }
    }

    /// Reads back the scope that [`Publication::encode_scope_into`] wrote.
    ///
    /// # Errors
    /// [`EntryError::Malformed`] when the bytes hold none.
    pub fn decode_scope(&mut self, bytes: &[u8]) -> Result<(), EntryError> {
        self.scope = Some(postcard::from_bytes(bytes).map_err(|_| EntryError::Malformed)?);
        Ok(())
    }
}

/// What a person wants; enters the log like a publication so that the log decides the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Intent {
    /// Take an alert on; the first one in the log wins.
    AcknowledgeAlert {
        /// Unix ms at which it was asked.
        received_ms: i64,
        /// The alert's identifier.
        alert: String,
        /// Who acknowledges.
        by: String,
        /// What they have to say. Most have nothing, so it is no part of its bytes.
        #[serde(skip)]
        comment: Option<String>,
    },
    /// Have a device do something; of two with one key the first in the log counts.
    SendCommand {
        /// Unix ms at which it was asked.
        received_ms: i64,
        /// Who asks.
        by: String,
        /// What.
        request: Box<CommandRequest>,
    },
    /// Take an acknowledgement back: the alert is nobody's again.
    UnacknowledgeAlert {
        /// Unix ms at which it was asked.
        received_ms: i64,
        /// The alert's identifier.
        alert: String,
        /// Who takes it back.
        by: String,
    },
    /// Have a rule hold, in the place of the one with its identifier if there is one.
    PutRule {
        /// Unix ms at which it was asked.
        received_ms: i64,
        /// Who asks.
        by: String,
        /// The rule.
        rule: Box<Rule>,
    },
    /// Have a rule hold no longer; its alerts are cleared.
    RemoveRule {
        /// Unix ms at which it was asked.
        received_ms: i64,
        /// Who asks.
        by: String,
        /// The rule's identifier.
        rule: String,
    },
}

impl Intent {
    fn received_ms(&self) -> i64 {
        match self {
            Intent::AcknowledgeAlert { received_ms, .. }
            | Intent::SendCommand { received_ms, .. }
            | Intent::UnacknowledgeAlert { received_ms, .. }
            | Intent::PutRule { received_ms, .. }
            | Intent::RemoveRule { received_ms, .. } => *received_ms,
        }
    }

    fn received_ms_mut(&mut self) -> &mut i64 {
        match self {
            Intent::AcknowledgeAlert { received_ms, .. }
            | Intent::SendCommand { received_ms, .. }
            | Intent::UnacknowledgeAlert { received_ms, .. }
            | Intent::PutRule { received_ms, .. }
            | Intent::RemoveRule { received_ms, .. } => received_ms,
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// A device said something.
    Publication(Publication),
    /// A person wants something.
    Intent(Intent),
    /// Time passed (Unix ms); written only while something waits for time.
    Tick(i64),
    /// A command goes out to subscribers.
    Command(CommandMessage),
    /// What became of it there.
    CommandReport(CommandReport),
    /// The time was set to another: entries after it have the new time, and no more time passed than before. With it alone
    /// the times of receipt may step back.
    ClockSet {
        /// Unix ms, by the new time.
        at_ms: i64,
        /// By how much it was set, ms; negative: back.
        by_ms: i64,
    },
}

/// Why bytes are not an entry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryError {
    /// Written by a newer program.
    #[error(
        "the entry has format version {0}, this program reads up to {WITH_HEAD}: start the newer program that wrote it"
    )]
    UnknownVersion(u8),
    /// Written by a newer program, which knows more kinds.
    #[error("the entry is of kind {0}, which this program does not know: start the newer program that wrote it")]
    UnknownKind(u8),
    /// The bytes do not hold an entry.
    #[error("the bytes do not hold a log entry; the log was damaged or is not a Tidegate log")]
    Malformed,
}

/// First byte of an entry with a [head](crate::log_entry).
pub(crate) const WITH_HEAD: u8 = 8;
/// Before entries had a [head](crate::log_entry) their first byte said the oldest version that had it, and what came with a
/// later one hung behind the rest.
const FIRST: u8 = 1;
/// Since then publications may have a scope.
const SCOPES: u8 = 3;
/// Since then publications may have an address.
const ADDRESSES: u8 = 5;
/// Since then acknowledgements may have a comment and may be taken back.
const COMMENTS: u8 = 6;
/// Since then rules may be put and taken away.
const RULES: u8 = 7;

impl Entry {
    /// Unix ms at which the entry was received.
    #[must_use]
    pub fn received_ms(&self) -> i64 {
        match self {
            Entry::Publication(publication) => publication.received_ms,
            Entry::Intent(intent) => intent.received_ms(),
            Entry::Tick(at_ms) => *at_ms,
            Entry::Command(message) => message.publication.received_ms,
            Entry::CommandReport(report) => report.received_ms,
            Entry::ClockSet { at_ms, .. } => *at_ms,
        }
    }

    /// Sets the time of receipt, Unix ms.
    pub fn set_received_ms(&mut self, unix_ms: i64) {
        let at_ms = match self {
            Entry::Publication(publication) => &mut publication.received_ms,
            Entry::Intent(intent) => intent.received_ms_mut(),
            Entry::Tick(at_ms) => at_ms,
            Entry::Command(message) => &mut message.publication.received_ms,
            Entry::CommandReport(report) => &mut report.received_ms,
            Entry::ClockSet { at_ms, .. } => at_ms,
        };
        *at_ms = unix_ms;
    }

    /// Reads what programs wrote that had no heads; `None` for bytes that are not of a version that they had.
    pub(crate) fn decode_bare(version: u8, bytes: &[u8]) -> Option<Entry> {
        if !(FIRST..=RULES).contains(&version) {
            return None;
        }
        let (mut entry, rest) = postcard::take_from_bytes(bytes).ok()?;
        match &mut entry {
            Entry::Publication(publication) if version == SCOPES => publication.decode_scope(rest).ok()?,
            Entry::Publication(publication) if version == ADDRESSES => {
                let (address, scope) = postcard::from_bytes(rest).ok()?;
                (publication.address, publication.scope) = (Some(address), scope);
            }
            Entry::Intent(Intent::AcknowledgeAlert { comment, .. }) if version == COMMENTS => {
                *comment = Some(postcard::from_bytes(rest).ok()?);
            }
            _ => {}
        }
        Some(entry)
    }
}

fn encode(value: &impl Serialize, out: &mut Vec<u8>) {
    let buffer = std::mem::take(out);
    *out = postcard::to_extend(value, buffer).expect("writing to a Vec never fails, and entries hold no unsized maps");
}
