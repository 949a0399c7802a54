//! Recorded series, published again with their own times.
//!
//! - [`date`]: a time of day and date in the usual ways of writing
//! - [`series`]: a CSV file as points, with what is wrong in which line
//! - [`publish`]: points to an MQTT server, in time or at once

pub mod date;
pub mod publish;
pub mod series;

pub use publish::{Pace, Replay, ReplayTotals};
pub use series::{Columns, LineError, Point, Series, SeriesError};
