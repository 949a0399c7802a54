//! rumqttd, the crate's own server, in this process: a listener for each version and a link that reads everything. What
//! it promises less is in docs/engines.md.
//!
//! - `server`: the engine, there with the feature `rumqttd`: the crate brings many others with it

#[cfg(feature = "rumqttd")]
mod server;

use std::sync::Arc;

use tidegate_log::Log;
use tidegate_telemetry::ProblemSink;

use super::Engine;
use crate::config::{BrokerConfig, RumqttdConfig};
use crate::engines::BrokerError;

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
