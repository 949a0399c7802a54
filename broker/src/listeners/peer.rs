use std::fmt;
use std::net::{IpAddr, SocketAddr};

use tidegate_identity::{CertificateNames, network};
use tidegate_telemetry::Owner;

/// Who is at the other end of a connection, as far as the way it came tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The way it came.
    pub transport: Transport,
    /// Where the client is; behind a proxy, what the proxy said. A client on a Unix socket has none.
    pub address: Option<SocketAddr>,
    /// Names in the client's certificate, which was verified against the listener's `client_ca`.
    pub certificate: Option<Box<CertificateNames>>,
}

impl Peer {
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip())
    }

    /// In whose share it counts as long as it has proved nothing.
    pub(crate) fn owner(&self) -> Owner {
        self.ip().map(network).map_or(Owner::Unknown, Owner::Address)
    }
}

/// The way a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// MQTT over WebSocket.
    WebSocket,
    /// MQTT over WebSocket over TLS.
    Wss,
    /// A Unix socket.
    Unix,
}

impl Transport {
    /// The name in the configuration (`kind`), in labels and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::WebSocket => "websocket",
            Transport::Wss => "wss",
            Transport::Unix => "unix",
        }
    }

    /// Whether the connection is encrypted by this program.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Whether packets travel in WebSocket frames.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        matches!(self, Transport::WebSocket | Transport::Wss)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}"),
            None => f.write_str(self.transport.name()),
        }
    }
}
