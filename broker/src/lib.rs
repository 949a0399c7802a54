//! The MQTT edge: takes publications in over MQTT 3.1.1 and 5, brings them into the log, acknowledges them when they
//! are durable, and hands them to MQTT subscribers.
//!
//! - [`Broker`]: bind, run, figures; [`BrokerConfig`] with every limit
//!
//! The rooms, each of which uses only those before it:
//!
//! - [`Clock`]: the time, and which of it counts for what waits
//! - `topics`: names and filters
//! - `listeners`, [`ListenerConfig`], [`Peer`]: TCP, TLS, WebSocket and Unix sockets, and who came
//! - `config`: what the edge is told
//! - `sessions`, [`SessionStore`]: what outlives a connection, and what survives the program; the invariant is there
//! - `routing`: who gets a publication, and the retained messages
//! - `access`: who is let in, what they may do, and how much of it
//! - `wire`: one connection as a pure state machine; the only room that names the protocol crate
//! - `engines`, [`Engine`]: what serves MQTT; the gate is Tidegate's own

mod access;
mod broker;
mod clock;
mod config;
mod engines;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod listeners;
mod metrics;
mod routing;
mod sessions;
mod topics;
mod wire;

pub use broker::Broker;
pub use clock::Clock;
pub use config::{Acknowledge, BrokerConfig, EngineConfig, ExternalConfig, RumqttdConfig, Version};
pub use engines::{BrokerError, BrokerStats, CommandError, Engine, ExternalError};
pub use listeners::{
    BindError, CERTIFICATE_CHECK_INTERVAL, ListenAddress, ListenerConfig, Peer, SOCKET_MODE, TlsConfig, TlsError,
    Transport,
};
pub use sessions::{SESSIONS_FILE, SessionsImage, SessionsReport, check_sessions, sessions_format, traces_in_sessions};
pub use sessions::{SessionStore, SessionStoreConfig, SessionStoreError, SubscriptionOptions};
