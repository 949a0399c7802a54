//! Topic names and filters (MQTT 5.0 section 4.7), who subscribed to what, and what is retained.

mod by_number;
mod name;
mod plain;
mod retained;
mod trie;
mod walk;

pub(crate) use name::{TopicError, TopicLimits, matches};
pub(crate) use plain::{PlainFilters, is_plain};
pub(crate) use retained::{Kept, Put, Retained};
pub(crate) use trie::TopicTrie;
pub(crate) use walk::Walk;
