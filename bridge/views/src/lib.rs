//! The newest state of the fleet as keyed, versioned cells, and what changed in a view since a version.
//!
//! Pure: no clock, no threads, no I/O. One writer calls [`Views::apply`] for each entry of the log; any number of
//! readers ask for frames. See `docs/protocol.md` for what the frames say.
//!
//! - [`views`](Views): the state and how changes enter it; `rows`, `groups`, `alerts`, `charts`, `directory` are its parts
//! - [`envelope`]: the extremes a slow viewer must not miss
//! - [`read`]: answers for REST

mod alerts;
mod charts;
mod config;
mod directory;
mod envelope;
mod groups;
pub mod read;
mod rows;
mod views;

pub use config::{Epoch, ViewsConfig};
pub use views::{Lane, SubscriberId, Views};
