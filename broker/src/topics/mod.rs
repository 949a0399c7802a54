//! Topic names and filters (MQTT 5.0 section 4.7): what they may be, and which match.
//!
//! - `name`: names and filters, their limits, and whether one matches the other
//! - `ordered`: topic names in order by level
//! - `walk`: a look through such an order for what a filter matches

mod name;
mod ordered;
mod walk;

pub(crate) use name::{TopicError, TopicLimits, matches, shared_filter};
pub(crate) use ordered::Topic;
pub(crate) use walk::Walk;
