use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use metrics::counter;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite;

use super::accepted::Accepted;
use super::config::{ListenAddress, ListenerConfig};
use super::proxy::{self, ProxyError};
use super::spoken::{ListenerAddresses, Spoken};
use super::tls::{self, Reload, Tls, TlsError};
use super::unix::UnixSocket;
use super::websocket::{self, WebSocket, WebSocketRules};
use super::{Peer, Transport, certificate};

/// A bound listener.
pub(crate) struct Listener {
    pub handshakes: Arc<Handshakes>,
    at: ListenAddress,
    socket: Bound,
}

enum Bound {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// What a connection of a listener goes through before it speaks MQTT.
pub(crate) struct Handshakes {
    pub transport: Transport,
    proxy_protocol: bool,
    tls: Option<Tls>,
    websocket: WebSocketRules,
    /// Every listener, this one included.
    addresses: Arc<ListenerAddresses>,
}

/// Why a listener does not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address or path cannot be listened on.
    #[error("cannot listen on {at} ({}): {source}", transport.name())]
    Address {
        /// Where.
        at: ListenAddress,
        /// For what.
        transport: Transport,
        /// What the system says.
        source: io::Error,
    },
    /// Its certificates cannot be used.
    #[error("the listener on {at} ({}) has no certificate it can use: {source}", transport.name())]
    Tls {
        /// Where.
        at: ListenAddress,
        /// For what.
        transport: Transport,
        /// What is wrong with them.
        source: Box<TlsError>,
    },
}

/// A connection that is through its handshakes.
pub(crate) enum Opened {
    Tls(Box<TlsStream<TcpStream>>),
    WebSocket(Box<WebSocket<TcpStream>>),
    Wss(Box<WebSocket<TlsStream<TcpStream>>>),
}

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The whole of what its listener begins with, or something that is refused later.
    Known,
    /// Something that another listener may serve.
    Other(Spoken),
}

/// Why a connection did not get as far as MQTT.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("no whole CONNECT came within mqtt.connect_timeout")]
    Timeout,
    #[error("it was lost: {0}")]
    Lost(#[from] io::Error),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("{}", tls::words(.0))]
    Tls(io::Error),
    #[error("the client's certificate cannot be read")]
    Certificate,
    #[error("{detail}")]
    OtherProtocol { detail: String, answer: &'static [u8] },
    #[error("the WebSocket handshake failed: {}", websocket::words(.0))]
    WebSocket(Box<tungstenite::Error>),
}

/// The same, with the stream where the client may still be sending.
pub(crate) type Unopened = (OpenError, Option<TcpStream>);

impl OpenError {
    /// Every value of the `reason` label.
    pub(crate) const REASONS: [&str; 9] = [
        "timeout",
        "lost",
        "proxy_header",
        "other_protocol",
        "tls",
        "client_certificate",
        "server_certificate",
        "origin",
        "websocket",
    ];

    /// Value of the `reason` label.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            OpenError::Timeout => "timeout",
            OpenError::Lost(_) | OpenError::Proxy(ProxyError::Lost(_)) => "lost",
            OpenError::Proxy(_) => "proxy_header",
            OpenError::OtherProtocol { .. } => "other_protocol",
            OpenError::Tls(error) => tls::reason_of(error),
            OpenError::Certificate => "client_certificate",
            OpenError::WebSocket(error) => match error.as_ref() {
                tungstenite::Error::Http(response) if response.status() == 403 => "origin",
                tungstenite::Error::Io(_) => "lost",
                _ => "websocket",
            },
        }
    }
}

impl Listener {
    /// The plain listener of `mqtt.listen`, and the further ones behind it.
    pub(crate) fn bind_all(
        plain: SocketAddr,
        further: &[ListenerConfig],
        backlog: u32,
        packet_bytes_max: usize,
    ) -> Result<Vec<Listener>, BindError> {
        let first = ListenerConfig::new(Transport::Tcp, ListenAddress::Tcp(plain));
        let all = std::iter::once(&first).chain(further);
        let bound = all.map(|config| Listener::bind(config, backlog, packet_bytes_max));
        let mut bound = bound.collect::<Result<Vec<Listener>, BindError>>()?;
        let addresses: Arc<ListenerAddresses> =
            bound.iter().map(|one| (one.handshakes.transport, one.at.clone())).collect();
        for handshakes in bound.iter_mut().filter_map(|listener| Arc::get_mut(&mut listener.handshakes)) {
            handshakes.addresses = Arc::clone(&addresses);
        }
        Ok(bound)
    }

    fn bind(config: &ListenerConfig, backlog: u32, packet_bytes_max: usize) -> Result<Listener, BindError> {
        let refused = |source| BindError::Address { at: config.at.clone(), transport: config.transport, source };
        let tls = match config.tls.as_ref().filter(|_| config.transport.is_encrypted()) {
            Some(files) => {
                // The protocol inside, so that no other server's client is talked into it (RFC 7301, ALPACA).
                let alpn: &[u8] = if config.transport.is_websocket() { b"http/1.1" } else { b"mqtt" };
                let loaded = Tls::load(files.clone(), alpn);
                Some(loaded.map_err(|source| BindError::Tls {
                    at: config.at.clone(),
                    transport: config.transport,
                    source: Box::new(source),
                })?)
            }
            None if config.transport.is_encrypted() => {
                return Err(refused(io::Error::new(io::ErrorKind::InvalidInput, "it needs a certificate and a key")));
            }
            None => None,
        };
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        let (socket, at) = match &config.at {
            ListenAddress::Tcp(address) => {
                let socket = listen(*address, backlog).map_err(refused)?;
                let bound = socket.local_addr().map_err(refused)?;
                (Bound::Tcp(socket), ListenAddress::Tcp(bound))
            }
            ListenAddress::Unix(path) => {
                let socket = UnixSocket::bind(path, config.socket_mode, backlog).map_err(refused)?;
                (Bound::Unix(socket), config.at.clone())
            }
        };
        let websocket = WebSocketRules {
            origins: config.origins.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
            // A client may put several packets into one message; a whole one of the largest must pass.
            message_bytes_max: packet_bytes_max.max(MESSAGE_BYTES_MIN),
        };
        let (transport, proxy_protocol) = (config.transport, config.proxy_protocol);
        let handshakes = Handshakes { transport, proxy_protocol, tls, websocket, addresses: Arc::new([]) };
        Ok(Listener { handshakes: Arc::new(handshakes), at, socket })
    }

    /// Where it is, with the port that was picked.
    pub(crate) fn at(&self) -> &ListenAddress {
        &self.at
    }

    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            Bound::Tcp(listener) => listener.accept().await.map(|(stream, from)| Accepted::Tcp(stream, from)),
            Bound::Unix(listener) => listener.accept().await.map(Accepted::Unix),
        }
    }

    /// Follows the files of the certificates; never ends.
    pub(crate) async fn follow_certificates(&self) {
        let Some(interval) = self.handshakes.tls.as_ref().map(Tls::check_interval) else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(interval).await;
            let handshakes = Arc::clone(&self.handshakes);
            let looked = tokio::task::spawn_blocking(move || handshakes.tls.as_ref().map(Tls::reload)).await;
            match looked {
                Ok(Some(Reload::Loaded)) => {
                    counter!("tidegate_mqtt_certificate_reloads_total", "result" => "loaded").increment(1);
                    tracing::info!(listener = %self.at, "new certificates are in use");
                }
                Ok(Some(Reload::Refused(error))) => {
                    counter!("tidegate_mqtt_certificate_reloads_total", "result" => "refused").increment(1);
                    tracing::error!(listener = %self.at, %error, "changed certificates cannot be used, the ones before stay");
                }
                Ok(Some(Reload::Unchanged) | None) | Err(_) => {}
            }
        }
    }
}

/// Messages up to this size are taken even where packets have to be smaller.
const MESSAGE_BYTES_MIN: usize = 64 * 1024;

impl Handshakes {
    /// Whether a connection speaks MQTT from its first byte.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.transport, Transport::Tcp | Transport::Unix)
    }

    /// Whether a proxy says where the client is, before everything else.
    pub(crate) fn trusts_proxy(&self) -> bool {
        self.proxy_protocol
    }

    /// What a connection begins with, once `bytes` hold the whole of it: the TLS client's hello, the request for a
    /// WebSocket, or what `is_packet` takes for a packet. What is none of them is whole as well.
    pub(crate) fn begun(&self, bytes: &[u8], is_packet: impl Fn(&[u8]) -> bool) -> Option<Begun> {
        if let Some(other) = Spoken::of(bytes).filter(|spoken| !spoken.fits(self.transport)) {
            return Some(Begun::Other(other));
        }
        let is_whole = match (&self.tls, self.transport.is_websocket()) {
            (Some(_), _) => tls::is_record(bytes),
            (None, true) => websocket::is_request(bytes),
            (None, false) => is_packet(bytes),
        };
        is_whole.then_some(Begun::Known)
    }

    /// Why a connection that speaks something else is refused.
    pub(crate) fn refusal_of(&self, spoken: Spoken) -> OpenError {
        let (detail, answer) = (spoken.words(self.transport, &self.addresses), spoken.answer(self.transport));
        OpenError::OtherProtocol { detail, answer }
    }

    /// Takes the proxy's header off the stream, which waits until it is there.
    pub(crate) async fn meet_proxy(&self, stream: &mut Accepted, peer: &mut Peer) -> Result<(), OpenError> {
        stream.until(|bytes| proxy::is_header(bytes).then_some(())).await?;
        // Boxed: what happens once must not make every waiting connection larger.
        let met = match stream {
            Accepted::Tcp(stream, _) => Box::pin(proxy::read_header(stream)).await?,
            Accepted::Unix(stream) => Box::pin(proxy::read_header(stream)).await?,
        };
        peer.address = met.or(peer.address);
        Ok(())
    }

    /// Takes a connection through its handshakes; `peer` learns on the way. Takes as long as the client does.
    pub(crate) async fn shake_hands(&self, stream: TcpStream, peer: &mut Peer) -> Result<Opened, Unopened> {
        let Some(tls) = &self.tls else {
            return Ok(Opened::WebSocket(Box::new(self.upgrade(stream).await?)));
        };
        let accepted = tls.acceptor().accept(stream).into_fallible().await;
        let mut stream = accepted.map_err(|(error, stream)| (OpenError::Tls(error), Some(stream)))?;
        self.meet_protocol(&mut stream).await?;
        if let Some([shown, ..]) = stream.get_ref().1.peer_certificates() {
            let names = certificate::names(shown).ok_or((OpenError::Certificate, None))?;
            peer.certificate = Some(Box::new(names));
        }
        Ok(match self.transport.is_websocket() {
            true => Opened::Wss(Box::new(self.upgrade(stream).await?)),
            false => Opened::Tls(Box::new(stream)),
        })
    }

    /// Looks at the first bytes inside TLS, and refuses what this listener does not serve there.
    async fn meet_protocol(&self, stream: &mut TlsStream<TcpStream>) -> Result<(), Unopened> {
        // A connection that breaks here ends as one whose CONNECT never came whole.
        let begun = stream.fill_buf().await.unwrap_or_default();
        let Some(spoken) = Spoken::of(begun).filter(|spoken| !spoken.fits_inside(self.transport)) else {
            return Ok(());
        };
        let (detail, answer) = (spoken.words_inside(self.transport, &self.addresses), spoken.answer_inside());
        // Whether it gets there or not, the connection ends.
        let _ = async { stream.write_all(answer).await.and(stream.shutdown().await) }.await;
        Err((OpenError::OtherProtocol { detail, answer: b"" }, None))
    }

    async fn upgrade<S>(&self, stream: S) -> Result<WebSocket<S>, Unopened>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        WebSocket::accept(stream, &self.websocket).await.map_err(|error| (OpenError::WebSocket(Box::new(error)), None))
    }
}

fn listen(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the run before to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    TcpListener::from_std(socket.into())
}
