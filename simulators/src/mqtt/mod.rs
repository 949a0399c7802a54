//! The MQTT side of a device.
//!
//! - [`client`]: a client's state without I/O: what to send again, what was acknowledged
//! - [`dial`]: TCP connections, ten thousand and more of them

pub mod client;
pub mod dial;

pub use client::{Client, ClientError, Outgoing};
pub use dial::{Dialer, raise_open_files};
