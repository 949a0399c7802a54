//! Where the series come from.

use std::sync::Arc;

use tidegate_buckets::{Bucket, Rung};

use crate::error::QueryError;
use crate::labels::{Labels, Matcher};

/// One series that a selector chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What names it in answers.
    pub labels: Labels,
    /// The device's full identifier.
    pub device: Arc<str>,
    /// The metric, as the device calls it.
    pub metric: Arc<str>,
}

/// Has series and their points. Times are Unix ms, spans closed on the left and open on the right.
pub trait Source {
    /// Series that fit all matchers, each once, in any order; where there are more than `max`, some more than that.
    ///
    /// # Errors
    /// When they cannot be read.
    fn select(&self, matchers: &[Matcher], max: usize) -> Result<Vec<Series>, QueryError>;

    /// Adds the points of a span, oldest first. `false`: there are more than `max`, and not all were added.
    ///
    /// # Errors
    /// When they cannot be read, or nobody waits any more.
    fn points(
        &self,
        series: &Series,
        from_ms: i64,
        to_ms: i64,
        max: usize,
        into: &mut Vec<(i64, f64)>,
    ) -> Result<bool, QueryError>;

    /// Summaries by hours or days, which the span consists of: the start of each, and its bucket.
    ///
    /// # Errors
    /// As [`Source::points`].
    fn buckets(&self, series: &Series, from_ms: i64, to_ms: i64, rung: Rung) -> Result<Vec<(i64, Bucket)>, QueryError>;
}
