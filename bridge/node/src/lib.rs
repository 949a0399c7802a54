//! Every room of Tidegate, wired as one node: what the program runs, and what tests run.
//!
//! An entry goes from the broker into the log, from there through processing, then to the views and to history. A flush
//! makes history durable, then the checkpoint; only then does the log forget.
//!
//! - [`Node`]: a node that runs, from [`Node::start`] to [`Node::stop`]; [`NodeConfig`]: what it is told
//! - `rooms`: what is opened, in which order, and from where each room goes on
//! - [`Sinks`]: who follows to the outside
//! - [`Steps`]: the same rooms without ways in and threads, taken step by step: for tests
//! - `pipeline`, `batch`: the way of an entry; `replay`: the same at start, for what the files lack
//! - `flush`, `checkpoint`, `ages`: what is written and deleted, in which order
//! - `clock`, `clock_setter`: the one place that asks for the time of day, and what happens when it is set
//! - `intents`, `clients`, `operations`: what the HTTP server asks of the other rooms
//! - `figures`, `helps`, `exposition`, `problems`: what is counted
//! - `backup`: the data folder's files at one position, and the stream of them; `inspect`: whether they are what was written
//! - `whole`: whether the files belong together

mod ages;
mod backup;
mod batch;
mod checkpoint;
mod clients;
mod clock;
mod clock_setter;
mod config;
mod error;
mod exposition;
mod figures;
mod flush;
mod helps;
mod inspect;
mod intents;

mod node;
mod operations;
mod pipeline;
mod problems;
mod replay;
mod rooms;
mod sinks;
mod steps;
mod whole;

pub use backup::{BackupConfig, GatherError, Gathered, gather_stopped};
pub use clock::ClockConfig;
pub use config::{FlushConfig, NodeConfig};
pub use error::{StartError, StopError};
pub use exposition::Metrics;
pub use inspect::{Flaw, Formats, Found, check_formats, traces_of, verify_backup, verify_data};
pub use node::Node;
pub use sinks::Sinks;
pub use steps::{Batch, Steps};
pub use whole::Loss;
