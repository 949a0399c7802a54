//! How an entry stands in the log.
//!
//! ```text
//! 8 | kind u8 | received zigzag | ahead zigzag | number of extensions varint
//! for each extension: tag varint | length varint | bytes
//! then what is of the kind, as postcard, up to the end
//! ```
//! *Received* is Unix ms. *Ahead* is by how much that is ahead of the elapsed time ([`LogEntry::elapsed_ms`]), which is 0 until
//! the clock is set for the first time.
//!
//! What is to be said of an entry that it did not have before becomes an extension with a new tag. A program that does not
//! know a tag skips it, and carries it along: whoever writes the entry on writes the extension too. Entries of programs that
//! had no heads begin with 1 to 7.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::command::{CommandMessage, CommandReport};
use crate::entry::{Entry, EntryError, Intent, WITH_HEAD};
use crate::import::{Import, ImportedSeries};
use crate::publication::{Publication, PublishProperties, Qos};
use crate::record::{put_length, read_varint, unzigzag, write_varint, zigzag};

/// What an entry can be; numbers are never used again.
mod kind {
    pub const PUBLICATION: u8 = 0;
    pub const INTENT: u8 = 1;
    pub const TICK: u8 = 2;
    pub const COMMAND: u8 = 3;
    pub const COMMAND_REPORT: u8 = 4;
    pub const CLOCK_SET: u8 = 5;
    pub const IMPORT: u8 = 6;
    /// An intent of its own kind, so that programs which do not know it say so.
    pub const ERASURE: u8 = 7;
    /// An intent of its own kind for the same reason.
    pub const DESCRIPTION: u8 = 8;
}

/// What is said of some entries; numbers are never used again.
mod tag {
    /// For which devices a publication may speak.
    pub const SCOPE: u64 = 1;
    /// Where the client is.
    pub const ADDRESS: u64 = 2;
    /// What somebody has to say about an alert.
    pub const COMMENT: u64 = 3;
}

/// An entry as the log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Time that passed, ms: ages, silences and deadlines are measured by it. It never steps back, and goes on from entry to
    /// entry as the time of receipt does, but for what the clock was set by. So it is Unix ms as if the clock had never been
    /// set since the log was begun. `None`: whoever wrote the entry did not count it, and it follows from the times of receipt
    /// ([`Elapsed`]).
    pub elapsed_ms: Option<i64>,
    /// What is in it.
    pub entry: Entry,
    /// Extensions that this program does not know, by tag.
    pub unknown: Vec<(u64, Bytes)>,
}

impl From<Entry> for LogEntry {
    /// An entry of which nothing is said, not even the time that has passed.
    fn from(entry: Entry) -> Self {
        LogEntry { elapsed_ms: None, entry, unknown: Vec::new() }
    }
}

impl LogEntry {
    /// An entry that came when so much time had passed.
    #[must_use]
    pub fn new(entry: Entry, elapsed_ms: i64) -> Self {
        LogEntry { elapsed_ms: Some(elapsed_ms), ..entry.into() }
    }

    /// Unix ms at which the entry was received.
    #[must_use]
    pub fn received_ms(&self) -> i64 {
        self.entry.received_ms()
    }

    /// By how much the time of receipt is ahead of the time that passed, ms; 0 where nobody counted that.
    #[must_use]
    pub fn ahead_ms(&self) -> i64 {
        let received_ms = self.received_ms();
        self.elapsed_ms.map_or(0, |elapsed_ms| received_ms.wrapping_sub(elapsed_ms))
    }

    /// Whether bytes are those of an entry as older programs wrote them: without a head, which they cannot read.
    #[must_use]
    pub fn is_without_head(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|version| *version < WITH_HEAD)
    }

    /// Appends its bytes to `out`. Time that nobody counted is written as that of the receipt.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[WITH_HEAD, self.kind()]);
        write_varint(zigzag(self.received_ms()), out);
        write_varint(zigzag(self.ahead_ms()), out);
        self.encode_extensions(out);
        self.encode_body(out);
    }

    /// Reads back what [`LogEntry::encode_into`] wrote, or an entry without a head.
    ///
    /// # Errors
    /// [`EntryError::UnknownVersion`] and [`EntryError::UnknownKind`] for newer formats, [`EntryError::Malformed`] for anything
    /// else.
    pub fn decode(bytes: &[u8]) -> Result<LogEntry, EntryError> {
        let (&version, mut rest) = bytes.split_first().ok_or(EntryError::Malformed)?;
        if version > WITH_HEAD {
            return Err(EntryError::UnknownVersion(version));
        }
        if version < WITH_HEAD {
            return Entry::decode_bare(version, rest).map(LogEntry::from).ok_or(EntryError::Malformed);
        }
        let head = Head::read(&mut rest).ok_or(EntryError::Malformed)?;
        let mut entry = decode_body(head.kind, rest)?;
        entry.set_received_ms(head.received_ms);
        let mut unknown = Vec::new();
        for (tag, bytes) in head.extensions {
            if !take(&mut entry, tag, bytes).ok_or(EntryError::Malformed)? {
                unknown.push((tag, Bytes::copy_from_slice(bytes)));
            }
        }
        Ok(LogEntry { elapsed_ms: Some(head.received_ms.wrapping_sub(head.ahead_ms)), entry, unknown })
    }

    fn kind(&self) -> u8 {
        match self.entry {
            Entry::Publication(_) => kind::PUBLICATION,
            Entry::Intent(Intent::EraseDevice { .. }) => kind::ERASURE,
            Entry::Intent(Intent::DescribeDevice { .. }) => kind::DESCRIPTION,
            Entry::Intent(_) => kind::INTENT,
            Entry::Tick(_) => kind::TICK,
            Entry::Command(_) => kind::COMMAND,
            Entry::CommandReport(_) => kind::COMMAND_REPORT,
            Entry::ClockSet { .. } => kind::CLOCK_SET,
            Entry::Import(_) => kind::IMPORT,
        }
    }

    /// Those that this program knows come first.
    fn encode_extensions(&self, out: &mut Vec<u8>) {
        let (mut scope, mut address, mut comment) = (None, None, None);
        match &self.entry {
            Entry::Publication(of) => (scope, address) = (of.scope.as_ref(), of.address.as_ref()),
            Entry::Intent(Intent::AcknowledgeAlert { comment: of, .. }) => comment = of.as_ref(),
            _ => {}
        }
        let known = [scope.is_some(), address.is_some(), comment.is_some()].into_iter().filter(|is_some| *is_some);
        write_varint((known.count() + self.unknown.len()) as u64, out);
        if let Some(scope) = scope {
            encode_extension(tag::SCOPE, scope, out);
        }
        if let Some(address) = address {
            encode_extension(tag::ADDRESS, address, out);
        }
        if let Some(comment) = comment {
            encode_extension(tag::COMMENT, comment, out);
        }
        for (tag, bytes) in &self.unknown {
            write_varint(*tag, out);
            write_varint(bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
    }

    /// Appends what is of the kind. The time of receipt stands before it already.
    fn encode_body(&self, out: &mut Vec<u8>) {
        match &self.entry {
            Entry::Publication(publication) => encode(&said(publication), out),
            Entry::Intent(intent) => encode(intent, out),
            Entry::Tick(_) => {}
            Entry::Command(message) => encode(message, out),
            Entry::CommandReport(report) => encode(report, out),
            Entry::ClockSet { by_ms, .. } => encode(by_ms, out),
            Entry::Import(import) => encode(&import.series, out),
        }
    }
}

/// What stands before the body.
struct Head<'a> {
    kind: u8,
    received_ms: i64,
    ahead_ms: i64,
    extensions: Vec<(u64, &'a [u8])>,
}

impl<'a> Head<'a> {
    fn read(bytes: &mut &'a [u8]) -> Option<Head<'a>> {
        let (&kind, rest) = bytes.split_first()?;
        *bytes = rest;
        let (received_ms, ahead_ms) = (unzigzag(read_varint(bytes)?), unzigzag(read_varint(bytes)?));
        let extensions = (0..read_varint(bytes)?).map(|_| {
            let (tag, length) = (read_varint(bytes)?, usize::try_from(read_varint(bytes)?).ok()?);
            let (extension, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Some((tag, extension))
        });
        let extensions = extensions.collect::<Option<_>>()?;
        Some(Head { kind, received_ms, ahead_ms, extensions })
    }
}

/// Of a publication all but times and what is in extensions.
type Said<S, P, Q> = (S, S, u64, u16, S, P, Qos, bool, bool, Q);

fn said(publication: &Publication) -> Said<&str, &Bytes, &Option<Box<PublishProperties>>> {
    let Publication { client, principal, topic, payload, properties, .. } = publication;
    let Publication { session, packet_id, qos, retain, dup, .. } = *publication;
    (client, principal, session, packet_id, topic, payload, qos, retain, dup, properties)
}

fn publication(said: Said<String, Bytes, Option<Box<PublishProperties>>>) -> Publication {
    let (client, principal, session, packet_id, topic, payload, qos, retain, dup, properties) = said;
    let (received_ms, scope, address) = (0, None, None);
    Publication {
        received_ms,
        client,
        principal,
        session,
        packet_id,
        topic,
        payload,
        qos,
        retain,
        dup,
        properties,
        scope,
        address,
    }
}

fn decode_body(kind: u8, bytes: &[u8]) -> Result<Entry, EntryError> {
    let entry = match kind {
        kind::PUBLICATION => decoded(bytes).map(|said| Entry::Publication(publication(said))),
        kind::INTENT | kind::ERASURE | kind::DESCRIPTION => decoded::<Intent>(bytes).map(Entry::Intent),
        kind::TICK => bytes.is_empty().then_some(Entry::Tick(0)),
        kind::COMMAND => decoded::<CommandMessage>(bytes).map(Entry::Command),
        kind::COMMAND_REPORT => decoded::<CommandReport>(bytes).map(Entry::CommandReport),
        kind::CLOCK_SET => decoded(bytes).map(|by_ms| Entry::ClockSet { at_ms: 0, by_ms }),
        kind::IMPORT => {
            let series = decoded::<Vec<ImportedSeries>>(bytes);
            series.map(|series| Entry::Import(Import { received_ms: 0, series }))
        }
        other => return Err(EntryError::UnknownKind(other)),
    };
    entry.ok_or(EntryError::Malformed)
}

/// Takes an extension into the entry; `Some(false)`: it is not known, at least not of such entries.
fn take(entry: &mut Entry, tag: u64, bytes: &[u8]) -> Option<bool> {
    match (tag, entry) {
        (tag::SCOPE, Entry::Publication(publication)) => publication.scope = Some(decoded(bytes)?),
        (tag::ADDRESS, Entry::Publication(publication)) => publication.address = Some(decoded(bytes)?),
        (tag::COMMENT, Entry::Intent(Intent::AcknowledgeAlert { comment, .. })) => *comment = Some(decoded(bytes)?),
        _ => return Some(false),
    }
    Some(true)
}

fn encode(value: &impl Serialize, out: &mut Vec<u8>) {
    let buffer = std::mem::take(out);
    *out = postcard::to_extend(value, buffer).expect("writing to a Vec never fails, and entries hold no unsized maps");
}

fn encode_extension(tag: u64, value: &impl Serialize, out: &mut Vec<u8>) {
    write_varint(tag, out);
    let start = out.len();
    out.push(0);
    encode(value, out);
    put_length(out, start);
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

/// Counts the time that passed from entry to entry.
///
/// Between two entries it is what the log says, where both of them do. Else it is by how much the second was received later,
/// less what the clock was set by. It is never more than that either, so that a log that was set aside makes nothing older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Elapsed {
    /// Of the entry before, if there was one.
    before: Option<Before>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    received_ms: i64,
    /// As the log has it.
    elapsed_ms: Option<i64>,
}

impl Elapsed {
    /// Goes on after an entry that was received at `received_ms` (Unix ms), of which it is not known what the log said.
    #[must_use]
    pub fn after(received_ms: i64) -> Self {
        Elapsed { before: Some(Before { received_ms, elapsed_ms: None }) }
    }

    /// How much time passed from the entry before to this one, ms; 0 at the first.
    pub fn pass(&mut self, entry: &LogEntry) -> i64 {
        let received_ms = entry.received_ms();
        let set_by_ms = if let Entry::ClockSet { by_ms, .. } = entry.entry { by_ms } else { 0 };
        let now = Before { received_ms, elapsed_ms: entry.elapsed_ms };
        let Some(before) = self.before.replace(now) else { return 0 };
        let by_receipt_ms = received_ms.saturating_sub(set_by_ms).saturating_sub(before.received_ms);
        let as_counted_ms = before.elapsed_ms.zip(now.elapsed_ms).map(|(before, now)| now.saturating_sub(before));
        as_counted_ms.map_or(by_receipt_ms, |counted_ms| counted_ms.min(by_receipt_ms)).max(0)
    }
}

#[cfg(test)]
mod tests;
