//! Simulated fleets of devices and of viewers, replay of recorded series, and the load tool of the benchmarks.
//!
//! - [`model`]: what devices measure and say; pure, from a seed
//! - [`mqtt`]: a publishing client without I/O, and TCP connections in great number
//! - [`fleet`]: devices over real MQTT connections
//! - [`latency`]: from device to viewer, exactly
//! - [`replay`]: recorded series with their own times
//! - [`viewers`]: WebSocket sessions that measure what reaches a page
//! - [`bench`]: the figures of Tidegate and of its peer under the same load
//! - [`cli`]: the commands

pub mod bench;
pub mod cli;
pub mod fleet;
pub mod latency;
pub mod model;
pub mod mqtt;
pub mod replay;
pub mod viewers;

/// Now, in Unix milliseconds.
pub fn unix_ms() -> i64 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as i64)
}
