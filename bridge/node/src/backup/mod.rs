//! Backups of a data folder.
//!
//! - `gather`: the files at one position of the log, of a node that runs or of a folder that nobody uses
//! - `serve`: the stream of them, while the node goes on

mod gather;
mod serve;

pub use gather::{GatherError, Gathered, Running, gather_stopped, position_files};
pub use serve::{BackupConfig, Backups};
