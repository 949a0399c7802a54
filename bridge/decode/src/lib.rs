//! Turns what devices publish into readings.
//!
//! Pure: no I/O, no clock, no threads. The format is chosen by topic and configuration; the payload is asked one
//! question only, whether it is a JSON object or array. Nothing is ever tried format after format.
//!
//! - [`config`]: limits, and which key of a payload means what
//! - `chooser`: from topic to format
//! - `reference`, `flatten`, `scalar`: JSON readings (objects, nested objects, arrays of readings)
//! - `plain`: one value on `…/{group levels}/{device}/{metric}`
//! - `topic`, `time`, `names`, `words`, `non_finite`: what the formats share

mod chooser;
pub mod config;
mod decoder;
mod flatten;
mod input;
mod names;
mod non_finite;
mod plain;
mod reference;
mod rejection;
mod scalar;
mod time;
mod topic;
mod words;

pub use config::{DecodeConfig, Format, SameTime, SourceConfig};
pub use decoder::Decoder;
pub use rejection::Rejection;
