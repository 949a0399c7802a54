//! Turns what devices publish into readings.
//!
//! Pure: no I/O, no clock, no threads. The format of a publication follows from the configuration of its topic, else
//! from the first format that recognizes it; no format is tried after another one failed.
//!
//! - [`decoder`]: one publication at a time, by the format that is meant
//! - [`format`](mod@format): what a format is, and what it gets to read
//! - [`formats`]: the formats, a file or folder each, and the list of them
//! - [`sources`]: what a format remembers of each of its sources
//! - [`config`]: limits, formats by topic, and which key of a payload means what; `configured`: the tables `[[source]]`
//! - [`trial`]: what would come of a publication; `proposal`: what may have it understood
//! - `mapping`: what the configuration says of names, and of where values stand
//! - `flaws`: what went wrong in one publication; `described`: readings with what is known of them; `gather`: metrics that come
//!   one by one; `quantities`: what quantities are called; `meaning`: what a text means whose kind is known; `topic`, `time`,
//!   `names`, `words`, `units`, `single`, `non_finite`, `surroundings`: what formats share

pub mod config;
mod configured;
pub mod decoder;
mod described;

mod flaws;
pub mod format;
pub mod formats;
mod gather;
mod mapping;
mod meaning;
mod names;
mod non_finite;
mod proposal;
mod quantities;
mod single;
pub mod sources;
mod surroundings;
mod time;
mod topic;
pub mod trial;
mod units;
mod words;

pub use config::{DecodeConfig, FieldConfig, FormatChoice, MappingConfig, SameTime, SourceConfig};
pub use decoder::{Decoder, ReadBy};
pub use format::{Format, FormatEntry, Input, StateError};
pub use formats::FORMATS;
pub use sources::Sources;
pub use tidegate_telemetry::{Frozen, Rejection};
pub use trial::Trial;
