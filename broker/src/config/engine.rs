use std::net::{Ipv4Addr, SocketAddr};

use super::external::ExternalConfig;

/// Which engine serves MQTT, with what it is told beyond the rest of [`crate::BrokerConfig`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EngineConfig {
    /// Tidegate's own.
    #[default]
    Gate,
    /// The crate's server, in this process.
    Rumqttd(RumqttdConfig),
    /// A broker elsewhere, of which this program is a client.
    External(Box<ExternalConfig>),
}

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
