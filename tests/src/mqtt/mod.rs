//! A faithful MQTT client: it keeps its half of the session as the standard asks, over any number of connections.
//!
//! - [`Client`]: a session and the connection it has at the moment
//! - [`Session`]: what the client remembers; no I/O
//! - [`Packet`]: the packets of a server, and those of a client as bytes

mod client;
mod packet;
mod session;

pub use client::Client;
pub use packet::{Outgoing, Packet, Will, code};
pub use session::{Message, Session};
