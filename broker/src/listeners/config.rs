use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Transport;

/// A listener beside the plain one of `mqtt.listen`, with settings of its own.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// What connections come over.
    pub transport: Transport,
    /// Where they come to.
    pub at: ListenAddress,
    /// Certificates; must be there for [`Transport::Tls`] and [`Transport::Wss`], and is not looked at otherwise.
    pub tls: Option<TlsConfig>,
    /// Every connection starts with a PROXY protocol v2 header, which says where the client is. To be switched on only
    /// where nobody but the proxy reaches the listener: whoever does may claim any address.
    pub proxy_protocol: bool,
    /// Origins (`https://wall.example`) whose pages may connect over WebSocket, besides pages of the same address;
    /// `*` for all.
    pub origins: Vec<String>,
    /// Permissions of a Unix socket's file.
    pub socket_mode: u32,
}

/// Where a listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and port; port 0 picks a free one.
    Tcp(SocketAddr),
    /// A path in the file system.
    Unix(PathBuf),
}

/// Certificates of a listener, all in PEM.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// File of the server's certificate, followed by those between it and the root.
    pub certificate: PathBuf,
    /// File of its private key.
    pub key: PathBuf,
    /// File of the authorities whose client certificates are accepted; without it clients are asked for none.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is refused. Needs `client_ca`.
    pub require_certificate: bool,
    /// How often the files are looked at; changed ones are used for connections from then on.
    pub check_interval: Duration,
}

/// Default of [`TlsConfig::check_interval`].
pub const CERTIFICATE_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Default of [`ListenerConfig::socket_mode`]: who is in the group may connect.
pub const SOCKET_MODE: u32 = 0o660;

impl ListenerConfig {
    /// A listener without certificates, proxy or further origins.
    #[must_use]
    pub fn new(transport: Transport, at: ListenAddress) -> Self {
        ListenerConfig {
            transport,
            at,
            tls: None,
            proxy_protocol: false,
            origins: Vec::new(),
            socket_mode: SOCKET_MODE,
        }
    }
}

impl TlsConfig {
    /// A server certificate, with clients that show none.
    #[must_use]
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        TlsConfig {
            certificate,
            key,
            client_ca: None,
            require_certificate: false,
            check_interval: CERTIFICATE_CHECK_INTERVAL,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => write!(f, "{address}"),
            ListenAddress::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}
