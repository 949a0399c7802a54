//! The newest state of the fleet as keyed, versioned cells, and what changed in a view since a version.
//!
//! Pure: no clock, no threads, no I/O. One writer calls [`Views::apply`] for each entry of the log; any number of
//! readers ask [`Views::frame`] what their [`Subscription`] is sent next. What a frame consists of is decided here and said in
//! words ([`message`]); how they are written is an [`Encoding`]'s, which the session brings. See `docs/protocol.md`.
//!
//! - [`Views`]: the state and how changes enter it; its parts are `rows`, `directory`, `groups`, `alerts`, `commands`, `charts`
//! - `branches`: the tree of groups with their devices; `recency`: rows in the order of their last change; `newest`: what
//!   is written of one once; `row_set`: the rows that a view holds
//! - `subscriber`: whom to wake; `wait_list`, `watchers`: who is woken
//! - `envelope`: the extremes a slow viewer must not miss; `stands`: from where each is owed them; `sweep`: when they go
//! - `chart_refresh`: buckets of charts that history has to say again
//! - [`ViewSpec`], [`Subscription`], `open`, `frame`: the way out to a client; [`StreamPosition`]: where it stands
//! - [`read`]: answers about the newest state

mod alerts;

mod branches;
mod chart_refresh;
mod charts;
mod commands;
mod config;
mod directory;
mod encoding;
mod envelope;
mod frame;
mod groups;

pub mod message;
mod newest;
mod open;
mod position;
pub mod read;
mod recency;
mod row_set;
mod rows;
mod spec;
mod stands;
mod subscriber;
mod subscription;
mod sweep;
mod views;
mod wait_list;
mod watchers;

pub use chart_refresh::UncertainBuckets;
pub use config::{Epoch, ViewsConfig};
pub use encoding::Encoding;
pub use envelope::Extremes;
pub use frame::Frame;
pub use open::Seeded;
pub use position::{NotAPosition, StreamPosition};
pub use read::CommandsPage;
pub use spec::{SeriesSpec, UpdateSpec, ViewError, ViewSpec, WindowSpec};
pub use subscriber::{Lane, SubscriberId};
pub use subscription::Subscription;
pub use views::Views;
