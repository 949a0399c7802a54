//! Listeners: what a connection comes over before it speaks MQTT.
//!
//! - [`ListenerConfig`]: a listener with settings of its own; [`Listener`]: the same, bound
//! - [`Handshakes`]: what a connection of a listener goes through before it speaks MQTT
//! - [`Peer`]: who is at the other end, as far as the transport tells
//! - [`Accepted`]: a connection nothing is known of yet
//! - `spoken`: what the first bytes of a connection speak
//! - `proxy`, `tls`, `websocket`, `unix`: a file for each transport; the only ones that name the crates for it

mod accepted;
mod certificate;
mod config;
mod listener;
mod peer;
mod proxy;
mod spoken;
mod tls;
mod unix;
mod websocket;

pub(crate) use accepted::Accepted;
pub use config::{CERTIFICATE_CHECK_INTERVAL, ListenAddress, ListenerConfig, SOCKET_MODE, TlsConfig};
pub use listener::BindError;
pub(crate) use listener::{Begun, Handshakes, Listener, OpenError, Opened};
pub use peer::{Peer, Transport};
pub use tls::TlsError;
