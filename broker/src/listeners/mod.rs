//! The ways in: what a connection comes over before it speaks MQTT.
//!
//! - [`ListenerConfig`]: a listener with settings of its own; [`Listener`]: the same, bound
//! - [`Peer`]: who is at the other end, as far as the way tells
//! - [`Accepted`]: a connection nothing is known of yet
//! - `spoken`: what the first bytes of a connection speak
//! - `proxy`, `tls`, `websocket`, `unix`: a file a way; the only ones that name the crates for it

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
pub(crate) use listener::{Begun, Listener, OpenError, Opened, Way};
pub use peer::{Peer, Transport};
pub use tls::TlsError;
