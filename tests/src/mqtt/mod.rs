//! A faithful MQTT client: it keeps its half of the session as the standard asks, over any number of connections.
//!
//! - [`Client`]: a session and the connection it has at the moment
//! - [`Session`]: what the client remembers; no I/O
//! - [`Packet`]: the packets of a server, and those of a client as bytes
//! - [`publish_numbers`]: readings that can be told apart

mod client;
mod numbers;
mod packet;
mod session;

pub use client::Client;
pub use numbers::publish_numbers;
pub use packet::{Outgoing, Packet, Will, code};
pub use session::{Message, Session};
