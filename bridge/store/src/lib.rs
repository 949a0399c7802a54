//! History: what was measured, what was alarming, and what could not be understood.

mod buffer;
mod catalogue;
mod chunk;
mod close;
mod codec;
mod config;
mod counters;
mod day;
mod error;
mod files;
mod flush;
mod head;
mod hour;
mod maintain;
mod memory;
mod month;
mod point;
mod quarantine;
mod query;
mod sqlite;
mod store;
mod summary;

pub use config::StoreConfig;
pub use error::{OpenError, StoreError};
pub use flush::{Flush, FlushReport};
pub use maintain::MaintainReport;
pub use store::Store;
