//! What a fuzzer drives, which the crate keeps to itself otherwise. Compiled by `cargo fuzz` (`cfg(fuzzing)`) and for
//! the crate's own tests; no feature, and nothing of it is in the program.
//!
//! Each target is a function of bytes that panics when a promise is broken; `broker/fuzz` hands them what libFuzzer
//! finds, and the tests hand them noise of printed seeds and what was found before.
//!
//! - [`packets`]: bytes into a connection's state machine, of both versions, cut anywhere
//! - [`session_store`]: changes of sessions against a model, with the file reopened in between
//! - [`topic_trie`]: subscriptions and topics, by hash and in the trie, against a filter-by-filter match
//! - `specimens`: one valid packet of each kind and version, to start from
//! - `mutations`: every single-byte mutation and truncation of the specimens
//! - `noise`: numbers out of bytes, and bytes out of a seed

#[cfg(test)]
mod mutations;
mod noise;
mod packets;
mod session_model;
mod sessions;
mod silent_log;
mod specimens;
mod topics;

#[cfg(test)]
pub(crate) use noise::{Numbers, cases};
pub use packets::packets;
pub use sessions::session_store;
#[cfg(test)]
pub(crate) use silent_log::SilentLog;
pub use topics::topic_trie;
