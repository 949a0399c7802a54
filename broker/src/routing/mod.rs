//! From a publication to those who are to get it.
//!
//! - [`Routes`]: who subscribed to what
//!   - `plain`: filters without `+`, by a hash; `trie`: filters with `+`, by level
//!   - `shared`: shared subscriptions, of whose members one gets each message
//! - [`Retained`]: the newest retained message of each topic
//! - `by_number`: a few values or many, by number

mod by_number;
mod plain;
mod retained;
mod routes;
mod shared;
mod subscriber;
mod trie;

#[cfg(any(test, fuzzing))]
pub(crate) use plain::{PlainFilters, is_plain};
pub(crate) use retained::{Kept, Put, Retained};
pub(crate) use routes::{Routed, Routes, durable_for};
pub(crate) use subscriber::Subscriber;
#[cfg(any(test, fuzzing))]
pub(crate) use trie::TopicTrie;
