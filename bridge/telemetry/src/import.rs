//! Readings of before that somebody brings, as one entry of the log.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::reading::Value;

/// Readings that are history: they move no newest value, raise no alert, and their devices are not heard of by them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Import {
    /// Unix ms at which they were brought.
    pub received_ms: i64,
    /// By series, each at most once.
    pub series: Vec<ImportedSeries>,
}

/// Readings of one metric of one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportedSeries {
    /// Full identifier of the device.
    pub device: Arc<str>,
    /// Its group path, where it is not known yet; empty for none.
    pub group: Arc<str>,
    /// Metric name.
    pub metric: Arc<str>,
    /// Time (Unix ms) and value, in the order in which they were brought.
    pub points: Vec<(i64, Value)>,
}
