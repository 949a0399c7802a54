//! The MQTT edge by itself: connections, sessions, topics, and the way from one MQTT client to another.
//!
//! - [`raw`]: MQTT 3.1.1 by hand
//! - [`relay`]: from publishers to subscribers
//! - [`hostile`]: the same beside clients that misbehave
//! - [`crowd`]: idle connections, all coming back at once, sleeping sessions
//! - [`topics`]: the first publication to a new topic among many subscriptions

pub mod crowd;
pub mod hostile;
pub(crate) mod raw;
pub mod relay;
pub mod topics;
