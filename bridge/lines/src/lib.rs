//! Readings as lines of text, as other systems take and give them. Pure.
//!
//! - [`line`]: the line protocol of InfluxDB, written; [`parse`]: read
//! - [`csv`]: fields and records of CSV (RFC 4180), both ways
//! - [`naming`]: the device and the metric of a series of InfluxDB
//! - [`records`]: where one record ends and the next begins, in either

pub mod csv;
pub mod line;
pub mod naming;
pub mod parse;
pub mod records;

pub use naming::Naming;
pub use records::Format;
