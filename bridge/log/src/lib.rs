//! The durable log: every entry is here before it is acknowledged.
//!
//! - [`Log`], [`LogReader`]: the seam; one contract suite runs against every implementation

mod seam;

pub use seam::{AppendError, Log, LogReader, ReadError, Room};
