//! The store's counters; the list is in the crate's documentation.

/// Points that were not stored, by reason.
pub(crate) fn refused(reason: &'static str, points: usize) {
    metrics::counter!("tidegate_store_refused_points_total", "reason" => reason).increment(points as u64);
}

/// Points that are no longer stored, by reason.
pub(crate) fn removed(reason: &'static str, points: u64) {
    metrics::counter!("tidegate_store_removed_points_total", "reason" => reason).increment(points);
}
