//! Listeners beside the plain one: the sections `[[listener]]`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tidegate_settings::{Item, Reader, Section, chosen, parse_duration, text, texts};

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

const LISTENER_SAMPLE: &str = r#"
# Listeners besides mqtt.listen, any number of them. What they are for: docs/listeners.md.
# [[listener]]
# kind = "tls"                   # "tcp", "tls", "websocket", "wss" or "unix"
# address = "0.0.0.0:8883"       # port 0 picks one
# certificate = "server.pem"     # tls and wss: the server's certificate and those between it and the root, in PEM
# key = "server.key"             # and its private key; changed files are used without a restart
# client_ca = "devices-ca.pem"   # authorities whose client certificates are accepted
# require_certificate = true     # refuse clients without one; default false
# check_interval = "5 s"         # how often the files are looked at
# proxy_protocol = false         # true: each connection starts with a PROXY protocol v2 header
#
# [[listener]]
# kind = "websocket"
# address = "127.0.0.1:9001"
# origins = ["https://wall.example"]  # pages that may connect, besides those of the same address; "*": all
#
# [[listener]]
# kind = "unix"
# path = "/run/tidegate/mqtt.sock"
# mode = "0660"                  # permissions of the socket's file
"#;

impl ListenerConfig {
    /// Reads each `[[listener]]`.
    pub(crate) fn read_all(reader: &mut Reader) -> Vec<ListenerConfig> {
        let paths = reader.list("listener", LISTENER_SAMPLE);
        paths.iter().filter_map(|path| listener(&mut reader.at(path))).collect()
    }
}

/// The keys of a listener, as they stand in the file.
struct Keys {
    address: Option<SocketAddr>,
    path: Option<String>,
    mode: Option<u32>,
    certificate: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    require_certificate: bool,
    check_interval: Option<Duration>,
    proxy_protocol: bool,
    origins: Option<Vec<String>>,
}

fn listener(section: &mut Section<'_>) -> Option<ListenerConfig> {
    let kinds = [Transport::Tcp, Transport::Tls, Transport::WebSocket, Transport::Wss, Transport::Unix];
    let kind = section.optional("kind", |item| chosen(item, &kinds.map(|kind| (kind.name(), kind))));
    let keys = Keys {
        address: section.optional("address", address),
        path: section.optional("path", text),
        mode: section.optional("mode", mode),
        certificate: section.optional("certificate", text),
        key: section.optional("key", text),
        client_ca: section.optional("client_ca", text),
        require_certificate: flag(section, "require_certificate"),
        check_interval: section.optional("check_interval", interval),
        proxy_protocol: flag(section, "proxy_protocol"),
        origins: section.optional("origins", origins),
    };
    let Some(transport) = kind else {
        section.wrong("needs a kind: kind = \"tls\", for example");
        return None;
    };
    match keys.mistake(transport) {
        Some(what) => {
            section.wrong(what);
            None
        }
        None => keys.listener(transport),
    }
}

impl Keys {
    /// What does not go together.
    fn mistake(&self, transport: Transport) -> Option<&'static str> {
        let has_files = self.certificate.is_some() || self.key.is_some() || self.client_ca.is_some();
        let is_unix = transport == Transport::Unix;
        if is_unix && (self.path.is_none() || self.address.is_some() || self.proxy_protocol) {
            Some("of kind \"unix\" needs a path, and has no address and no proxy_protocol")
        } else if !is_unix && (self.address.is_none() || self.path.is_some() || self.mode.is_some()) {
            Some("needs an address; path and mode are for kind = \"unix\"")
        } else if transport.is_encrypted() && (self.certificate.is_none() || self.key.is_none()) {
            Some("needs a certificate and a key")
        } else if !transport.is_encrypted() && (has_files || self.require_certificate || self.check_interval.is_some())
        {
            Some("has certificates only with kind = \"tls\" or \"wss\"")
        } else if self.require_certificate && self.client_ca.is_none() {
            Some("needs a client_ca to tell which certificates it requires")
        } else if !transport.is_websocket() && self.origins.is_some() {
            Some("has origins only with kind = \"websocket\" or \"wss\"")
        } else {
            None
        }
    }

    fn listener(self, transport: Transport) -> Option<ListenerConfig> {
        let at = match self.path {
            Some(path) => ListenAddress::Unix(PathBuf::from(path)),
            None => ListenAddress::Tcp(self.address?),
        };
        let files = self.certificate.zip(self.key);
        let tls = files.map(|(certificate, key)| TlsConfig {
            client_ca: self.client_ca.map(PathBuf::from),
            require_certificate: self.require_certificate,
            check_interval: self.check_interval.unwrap_or(CERTIFICATE_CHECK_INTERVAL),
            ..TlsConfig::new(PathBuf::from(certificate), PathBuf::from(key))
        });
        Some(ListenerConfig {
            tls,
            proxy_protocol: self.proxy_protocol,
            origins: self.origins.unwrap_or_default(),
            socket_mode: self.mode.unwrap_or(SOCKET_MODE),
            ..ListenerConfig::new(transport, at)
        })
    }
}

fn address(item: &Item) -> Result<SocketAddr, String> {
    let text = item.as_str().unwrap_or_default();
    text.parse().map_err(|_| format!("{text:?} is not an address such as \"0.0.0.0:8883\" or \"[::]:8883\""))
}

fn origins(item: &Item) -> Result<Vec<String>, String> {
    texts(item).map_err(|_| "is a list of texts: [\"https://wall.example\"]".into())
}

fn mode(item: &Item) -> Result<u32, String> {
    let mode = item.as_str().and_then(|text| u32::from_str_radix(text, 8).ok()).filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "is three octal digits in quotes, such as \"0660\"".into())
}

fn interval(item: &Item) -> Result<Duration, String> {
    match parse_duration(item.as_str().unwrap_or_default())? {
        interval if interval >= Duration::from_millis(100) => Ok(interval),
        _ => Err("is at least \"100 ms\"".into()),
    }
}

fn flag(section: &mut Section<'_>, key: &str) -> bool {
    section.optional(key, |item| item.as_bool().ok_or_else(|| "is true or false".into())).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tidegate_settings::Mistake;

    use super::*;

    fn parse(text: &str) -> (Vec<ListenerConfig>, Vec<Mistake>) {
        let mut reader = Reader::new(text);
        let listeners = ListenerConfig::read_all(&mut reader);
        (listeners, reader.finish().0)
    }

    #[test]
    fn the_listeners_of_the_sample_load() {
        let text: String = LISTENER_SAMPLE
            .lines()
            .skip(2)
            .filter_map(|line| line.strip_prefix("# "))
            .map(|line| format!("{line}\n"))
            .collect();
        let (listeners, mistakes) = parse(&text);
        assert_eq!(mistakes, []);
        let kinds: Vec<&str> = listeners.iter().map(|listener| listener.transport.name()).collect();
        assert_eq!(kinds, ["tls", "websocket", "unix"]);
        assert!(listeners[0].tls.as_ref().unwrap().require_certificate);
        assert_eq!(listeners[1].origins, ["https://wall.example"]);
        assert_eq!(listeners[2].socket_mode, 0o660);
    }

    #[test]
    fn what_does_not_go_together_is_reported_with_its_line() {
        for (keys, what) in [
            ("address = \"127.0.0.1:1\"", "needs a kind"),
            ("kind = \"quic\"\naddress = \"127.0.0.1:1\"", "is one of \"tcp\""),
            ("kind = \"tls\"\naddress = \"127.0.0.1:1\"", "needs a certificate and a key"),
            ("kind = \"tcp\"", "needs an address"),
            ("kind = \"tcp\"\naddress = \"localhost\"", "is not an address"),
            ("kind = \"tcp\"\naddress = \"127.0.0.1:1\"\nkey = \"k\"", "has certificates only"),
            ("kind = \"tcp\"\naddress = \"127.0.0.1:1\"\norigins = [\"*\"]", "has origins only"),
            ("kind = \"unix\"\naddress = \"127.0.0.1:1\"", "needs a path"),
            ("kind = \"unix\"\npath = \"s\"\nmode = 660", "is three octal digits"),
            (
                "kind = \"wss\"\naddress = \"127.0.0.1:1\"\ncertificate = \"c\"\nkey = \"k\"\nrequire_certificate = true",
                "needs a client_ca",
            ),
            (
                "kind = \"tls\"\naddress = \"127.0.0.1:1\"\ncertificate = \"c\"\nkey = \"k\"\ncheck_interval = \"1 ms\"",
                "is at least",
            ),
        ] {
            let mistakes = parse(&format!("\n[[listener]]\n{keys}\n")).1;
            assert!(mistakes.iter().any(|m| m.what.contains(what) && m.line >= 2), "{keys}: {mistakes:?}");
        }
    }
}
