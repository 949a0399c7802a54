//! What of a client outlives its connection (MQTT 5.0 section 4.1), and what survives the program.
//!
//! - `parked`: sessions of clients that are away, in memory: subscriptions and identifiers, no messages
//!   - `asleep`: one of them, packed; `rows`: a table in order
//! - `subscriptions`: of a session whose client is connected
//! - [`SessionStore`]: sessions, mailboxes, retained messages and wills on disk
//!   - `writer`: the thread that writes; `queue`: what it shares with those who ask it to
//!   - `batch`: changes that wait to be written, with what undoes itself left out
//!   - `database`: the SQLite file; `write`: changes, one transaction at a time; `columns`: what stands in it
//!   - `recovery`: what the file holds when it is opened
//!
//! A mailbox holds the payload once and a reference for each session. It is a view of the log:
//!
//! **Invariant.** The file says `complete`, a position of the log. For every session in it and every entry up to
//! `complete` that a subscription of the session matched with QoS 1 or 2, the mailbox holds the delivery, or the client
//! has acknowledged it, or a named limit dropped it (and was counted). Entries after `complete` are still in the log
//! ([`SessionStore::complete`] bounds its trim) and are routed again when the program starts.
//!
//! It holds because a batch is cut while nobody stands between an append and what follows from it (the routing of a
//! publication, the settling of a command), is written as one transaction together with `complete`, and only once the
//! log is durable up to there. What follows:
//!
//! - A PUBACK needs the log alone: what sleepers are owed can be derived from it.
//! - QoS 1: a delivery acknowledged after the last commit is delivered again, which QoS 1 allows.
//! - QoS 2 towards subscribers: PUBLISH leaves once its packet identifier is in the file, PUBREL once the PUBREC is;
//!   so after a crash the same identifier is used again, or only the PUBREL is.
//! - QoS 2 from publishers: an identifier is known from the file or from the log after `complete`; PUBCOMP leaves once
//!   its release is in the file.
//! - SUBACK and UNSUBACK of such a session, and a CONNACK that makes or ends one, wait for the file.

mod asleep;
mod batch;
mod columns;
mod database;
mod parked;
mod queue;
mod recovery;
mod rows;
mod store;
mod subscriptions;
mod write;
mod writer;

use tidegate_telemetry::Qos;

pub(crate) use asleep::{Asleep, Received};
pub(crate) use batch::Change;
pub(crate) use parked::{Parked, Rank, Sleeper};
pub(crate) use recovery::{Recovered, RecoveredSession};
pub use store::{SessionStore, SessionStoreConfig, SessionStoreError};
pub(crate) use subscriptions::Subscriptions;
#[cfg(test)]
pub(crate) use writer::Cut;
#[cfg(any(test, fuzzing))]
pub(crate) use writer::Writer;

/// How a client subscribed to a filter (MQTT 5.0 section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// Highest quality of service the client wants.
    pub qos: Qos,
    /// What the client published itself does not come back.
    pub no_local: bool,
    /// The retain flag is passed on as published.
    pub retain_as_published: bool,
    /// Goes with every delivery the subscription causes (section 3.8.2.1.2).
    pub identifier: Option<u32>,
}
