//! The one place that asks for the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds; 0 when the clock stands before 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
