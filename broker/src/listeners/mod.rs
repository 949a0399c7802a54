//! The ways in: what a connection comes over before it speaks MQTT.
//!
//! - [`Peer`]: who is at the other end, as far as the way tells

mod certificate;
mod peer;

pub use certificate::PeerCertificate;
pub use peer::{Peer, Transport};
