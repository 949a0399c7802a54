//! The ladder of time buckets: fixed widths that every chart, rollup and live series snaps to.
//!
//! Pure arithmetic. A [`Bucket`] summarises the points of one series in `[start, start + width)` and
//! merges with another bucket of the same span, so raw points, rollup rows and partial aggregates of
//! several nodes all combine in the same way.

mod bucket;
mod rung;

pub use bucket::{Bucket, mean};
pub use rung::Rung;
