//! What of a client outlives its connection (MQTT 5.0 section 4.1), and what survives the program.
//!
//! - `session`: one session, its queue and the way to its mailbox
//!   - `message`: a publication on its way to subscribers; `subscriptions`: filters and options
//!   - `asleep`: what memory holds of it while its client is away, packed
//!   - `handle`: what others hold of the connection that serves it: they wake it, or end it
//! - `key`: under what the session of a client is held and kept
//! - `parked`: the sessions of clients that are away; `rows`: a table in order
//! - `disk`, [`SessionStore`]: sessions, mailboxes, retained messages and wills on disk
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
mod disk;
mod handle;
mod key;
mod message;
mod parked;
mod rows;
mod session;
mod subscriptions;

pub(crate) use asleep::{Asleep, Received};
#[cfg(test)]
pub(crate) use disk::Cut;
#[cfg(any(test, fuzzing))]
pub(crate) use disk::Writer;
pub(crate) use disk::{Recovered, RecoveredSession, SessionChange};
pub use disk::{SESSIONS_FILE, SessionsImage, SessionsReport, check_sessions, sessions_format, traces_in_sessions};
pub use disk::{SessionStore, SessionStoreConfig, SessionStoreError};
pub(crate) use handle::{ConnectionHandle, EndOrder};
pub(crate) use key::{client_and_principal, session_key};
pub(crate) use message::{Delivery, Message};
pub(crate) use parked::Parked;
pub(crate) use session::{Due, NotQueued, QueueBounds, QueueContext, Rank, RetainedBacklog, Session, Sleeper};
pub use subscriptions::SubscriptionOptions;
pub(crate) use subscriptions::Subscriptions;
