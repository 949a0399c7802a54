//! Sessions, mailboxes, retained messages and wills on disk.
//!
//! - [`SessionStore`]: what the others hold of it; `config`: where it is, and how much it takes
//! - `writer`: the thread that writes; `queue`: what it shares with those who ask it to
//! - `batch`: changes that wait to be written, with what undoes itself left out
//! - `database`: the SQLite file; `write`: changes, one transaction at a time; `schema`, `columns`: what stands in it
//! - `recovery`: what the file holds when it is opened
//! - `copies`: the file as it is at one moment, for a backup, and whether it is what was written; `traces`: what it has of a device

mod batch;
mod columns;
mod config;
mod copies;
mod database;
mod queue;
mod recovery;
mod schema;
mod store;
mod traces;
mod write;
mod writer;

pub(crate) use batch::SessionChange;
pub use config::{SessionStoreConfig, SessionStoreError};
pub use copies::{SESSIONS_FILE, SessionsImage, SessionsReport, check_sessions, sessions_format};
pub(crate) use queue::MailboxReader;
pub(crate) use recovery::{Recovered, RecoveredSession};
pub use store::SessionStore;
pub use traces::traces_in_sessions;
#[cfg(test)]
pub(crate) use writer::Cut;
#[cfg(any(test, fuzzing))]
pub(crate) use writer::Writer;
