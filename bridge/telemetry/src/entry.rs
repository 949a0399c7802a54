//! What the log holds; how it is written down says [`crate::log_entry`].

use serde::{Deserialize, Serialize};

use crate::command::{CommandMessage, CommandReport, CommandRequest};
use crate::import::Import;
use crate::publication::Publication;
use crate::register::WordChange;
use crate::rule::Rule;

/// 2023-01-01 in Unix ms: no program that writes this log is older, so a system's clock that says less is not set.
pub const UNSET_BEFORE_MS: i64 = 1_672_531_200_000;

impl Publication {
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
    /// Have everything of a device be gone, for good: what is known of it now, and its history.
    EraseDevice {
        /// Unix ms at which it was asked.
        received_ms: i64,
        /// Who asks.
        by: String,
        /// Its full identifier.
        device: String,
    },
    /// Say something of a device.
    DescribeDevice {
        /// Unix ms at which it was asked.
        received_ms: i64,
        /// Who says it.
        by: String,
        /// Its full identifier.
        device: String,
        /// What, in this order.
        changes: Vec<WordChange>,
    },
}

impl Intent {
    fn received_ms(&self) -> i64 {
        match self {
            Intent::AcknowledgeAlert { received_ms, .. }
            | Intent::SendCommand { received_ms, .. }
            | Intent::UnacknowledgeAlert { received_ms, .. }
            | Intent::PutRule { received_ms, .. }
            | Intent::RemoveRule { received_ms, .. }
            | Intent::EraseDevice { received_ms, .. }
            | Intent::DescribeDevice { received_ms, .. } => *received_ms,
        }
    }

    fn received_ms_mut(&mut self) -> &mut i64 {
        match self {
            Intent::AcknowledgeAlert { received_ms, .. }
            | Intent::SendCommand { received_ms, .. }
            | Intent::UnacknowledgeAlert { received_ms, .. }
            | Intent::PutRule { received_ms, .. }
            | Intent::RemoveRule { received_ms, .. }
            | Intent::EraseDevice { received_ms, .. }
            | Intent::DescribeDevice { received_ms, .. } => received_ms,
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
    /// Somebody brings readings of before.
    Import(Import),
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
            Entry::Import(import) => import.received_ms,
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
            Entry::Import(import) => &mut import.received_ms,
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
