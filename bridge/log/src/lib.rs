//! The durable log: every entry is here before it is acknowledged.
//!
//! - [`Log`], [`LogReader`]: the traits (`seam`); one contract suite runs against every implementation
//! - [`EmbeddedLog`]: the log in files of this machine
//!   - `times`: when entries count as received, and how much time had passed then
//!   - `shared`, `state`, `tail`: what threads share; pending entries and the newest ones in memory
//!   - `writer`: the thread that commits
//!   - `space`, `storage`: whether the disk has room, and the segments on it that the writer fills
//!   - `reader`, `file_cursor`, `window`: from files piece by piece, then from memory
//!   - `frame`, `segment`, `segments`: what lies on disk, and where
//!   - `recovery`: what is checked and cut when the log is opened
//!   - `files`: the same files as they are at one position, for a backup, and whether they are what was written
//! - `contract` (a feature): what every implementation of the seam must do, as tests

mod config;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod embedded;
mod file_cursor;
mod files;
mod frame;
mod meters;
mod reader;
mod recovery;
mod seam;
mod segment;
mod segments;
mod shared;
mod space;
mod state;
mod storage;
mod tail;
#[cfg(test)]
mod tests;
mod times;
mod window;
mod writer;

pub use config::{FailureAction, LogConfig, OpenError};
pub use embedded::EmbeddedLog;
pub use files::{LogFile, LogFiles, LogReport, OpenFiles, check, check_each, held_alone, segments};
pub use seam::{AppendError, Log, LogReader, ReadError, Room};
