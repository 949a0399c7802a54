//! History: what was measured, what was alarming, and what could not be understood.
//!
//! A point is in memory until a flush wrote it, in a part of `head.db` until its hour is closed, then in the file of
//! its day. Retention unlinks days.
//!
//! - memory: `catalogue` (names), `memory` (what is not in files yet), `buffer` (one series), `point`, `codec`
//! - files: `head` (all that a flush writes, with its position), `day` and `month` (closed hours and their
//!   summaries), `bundle`, `chunk` and `summary` (their rows), `files` (which there are), `sqlite`; `head::upgrade`: from
//!   older formats
//! - what is done: `store` with `flush`, `close` (hours, late data), `erase` (devices) `thin` and `maintain` (retention: some series, and
//!   all); `retention`: what is kept for a shorter time; `query` and `at_times` (the `History` port); `aged`:
//!   what ages are measured to
//! - `images`: the files as they are at one moment, for a backup; `check`: whether they are what was written; `absence`:
//!   whether anything of a device is left in them
//! - `follow`: the store as a follower of the changes
//! - `quarantine`: what was refused, within bounds. Its totals are about right after a crash: what was reported
//!   since the last flush is reported again by the replay, or lost when it never entered the log.
//!
//! Counters: `tidegate_store_refused_points_total` (by `reason`: `not_finite`, `older_than_retention`,
//! `unknown_series`), `tidegate_store_flushed_points_total`, `tidegate_store_written_bytes_total`,
//! `tidegate_store_flush_seconds`, `tidegate_store_closed_hours_total`, `tidegate_store_deleted_files_total`,
//! `tidegate_store_deleted_events_total`, `tidegate_store_rollups_rebuilt_total`, `tidegate_store_removed_points_total` (by `reason`:
//! `age`, `bytes`, `rule`, `erased`), `tidegate_store_removed_summaries_total`, `tidegate_store_erased_series_total`.

mod absence;
mod aged;
mod at_times;
mod buffer;
mod bundle;
mod catalogue;
mod check;
mod chunk;
mod codec;
mod config;
mod counters;
mod day;
mod error;
mod files;
mod follow;
mod head;
mod hour;
mod images;
mod memory;
mod month;
mod point;
mod quarantine;
mod query;
mod retention;
mod sqlite;
mod store;
mod summary;

pub use absence::traces_in_store;
pub use aged::Aged;
pub use check::{StoreFormat, StoreReport, check_store, store_files, store_formats};
pub use config::StoreConfig;
pub use error::{OpenError, StoreError};
pub use images::StoreImages;
pub use memory::TooOld;
pub use retention::RetentionRule;
pub use store::{Flush, FlushReport, MaintainReport, Store};
