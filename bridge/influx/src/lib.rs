//! InfluxDB 2 as a follower: every reading gets there once, through outages of days.
//!
//! Each value of a reading is a line of the line protocol, written by `POST /api/v2/write`. InfluxDB replaces what has the
//! same series, field and time, so writing a batch again after a broken answer changes nothing; and two values of one
//! millisecond get nanoseconds of their own ([`moment`]), which are the same each time the log is read.
//!
//! - [`Influx`]: the follower; [`InfluxConfig`]: what it is told
//! - `series`: the part of a line that stays; `moment`: the nanosecond of a value
//! - `batch`: lines that wait; `delivery`: what becomes of them, and which of them are set aside
//! - `connection`: to the server; `client`: one of them, kept; `answer`: what the server's answers mean
//! - [`Questions`]: what it is asked in Flux by who imports
//!
//! And the way back: history that goes on in InfluxDB where this program's own ends ([`Influx::across`]).
//!
//! - `across`: the seam; `reader`: asks; `flux`: questions as texts; `table`: answers

mod across;
mod answer;
mod batch;
mod client;
mod config;
mod connection;
mod delivery;
mod flux;
mod moment;
mod questions;
mod reader;
mod series;
mod sink;
mod table;
mod tls;

pub use config::{HistoryConfig, HistoryRead, InfluxConfig};
pub use questions::{QuestionError, Questions};
pub use sink::{Influx, InfluxError};
pub use tls::TlsError;
