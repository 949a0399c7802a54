//! rumqttd, the crate's own server, in this process: a listener for each version and a link that reads everything. What
//! it promises less is in docs/engines.md.
//!
//! - [`RumqttdConfig`]: what it is told
//! - `server`: the engine, there with the feature `rumqttd`: the crate brings many others with it

#[cfg(feature = "rumqttd")]
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tidegate_log::Log;
use tidegate_telemetry::ProblemSink;

use super::Engine;
use crate::broker::BrokerError;
use crate::config::BrokerConfig;

/// Settings of rumqttd besides those of the plain listener, which serves 3.1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RumqttdConfig {
    /// Address of the listener for MQTT 5: rumqttd serves one version on a port. Port 0 picks one.
    pub listen_v5: SocketAddr,
    /// Bytes of messages rumqttd keeps in memory for each filter that was ever subscribed to; a subscriber that is
    /// further behind loses the oldest.
    pub filter_bytes_max: usize,
}

impl Default for RumqttdConfig {
    fn default() -> Self {
        RumqttdConfig { listen_v5: SocketAddr::from((Ipv4Addr::LOCALHOST, 1884)), filter_bytes_max: 8 * 1024 * 1024 }
    }
}

/// Starts the server.
///
/// # Errors
/// When an address cannot be listened on.
#[cfg(feature = "rumqttd")]
pub(crate) fn start(
    config: &BrokerConfig,
    own: &RumqttdConfig,
    log: Arc<dyn Log>,
    problems: Arc<dyn ProblemSink>,
    clock: fn() -> i64,
) -> Result<Arc<dyn Engine>, BrokerError> {
    Ok(Arc::new(server::Rumqttd::start(config, own, log, problems, clock)?))
}

/// Says that it is not there.
#[cfg(not(feature = "rumqttd"))]
pub(crate) fn start(
    _config: &BrokerConfig,
    _own: &RumqttdConfig,
    _log: Arc<dyn Log>,
    _problems: Arc<dyn ProblemSink>,
    _clock: fn() -> i64,
) -> Result<Arc<dyn Engine>, BrokerError> {
    Err(BrokerError::WithoutRumqttd)
}
