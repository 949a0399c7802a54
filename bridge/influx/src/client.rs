//! One connection to the server, and one request at a time.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::answer::{self, Answer};
use crate::config::{Endpoint, InfluxConfig};
use crate::tls::{self, TlsError};

/// Bytes of an answer that are read: its reason is short.
const ANSWER_MAX: usize = 64 << 10;

/// Why a write has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The token.
    #[error("influxdb.token_file: {path} cannot be read: {source}")]
    NoToken {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A token that no header can hold.
    #[error("influxdb.token_file: the first line of {} is no token", .0.display())]
    BadToken(PathBuf),
    /// Nobody is there.
    #[error("{url} cannot be reached: {source}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke off.
    #[error("{url} broke off: {source}")]
    BrokeOff {
        /// Where.
        url: String,
        /// How.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("{0} did not answer within influxdb.request_timeout")]
    TooLate(String),
    /// The system gives no sockets.
    #[error("no connection can be made: {0}")]
    System(#[source] io::Error),
}

/// Writes to one bucket.
pub struct Client {
    pub config: InfluxConfig,
    endpoint: Endpoint,
    path: String,
    tls: Option<TlsConnector>,
    /// Made on the thread that writes.
    runtime: Option<Runtime>,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// A line that it took: to write it again changes nothing.
    pub taken: Option<String>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Client {
    pub fn new(config: InfluxConfig, endpoint: Endpoint) -> Result<Client, TlsError> {
        let tls = endpoint.is_tls.then(|| tls::connector(config.ca_file.as_deref())).transpose()?;
        let (org, bucket) = (percent(&config.org), percent(&config.bucket));
        let path = format!("{}/api/v2/write?org={org}&bucket={bucket}&precision=ns", endpoint.path);
        Ok(Client { config, endpoint, path, tls, runtime: None, connection: None, taken: None })
    }

    /// Sends lines, compressed by gzip, and waits for the answer.
    ///
    /// # Errors
    /// When there is none: whether the lines are there is not known then.
    pub fn write(&mut self, gzipped: Bytes) -> Result<Answer, Failure> {
        let token = self.token()?;
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => Builder::new_current_thread().enable_all().build().map_err(Failure::System)?,
        };
        let limit = self.config.request_timeout;
        let answer = runtime.block_on(async { tokio::time::timeout(limit, self.send(&token, gzipped)).await });
        self.runtime = Some(runtime);
        answer.unwrap_or_else(|_| Err(Failure::TooLate(self.config.url.clone())))
    }

    async fn send(&mut self, token: &HeaderValue, body: Bytes) -> Result<Answer, Failure> {
        // One that was left open may be gone by now; then the lines are sent again, which changes nothing.
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
            && let Ok(answer) = exchange(&mut connection, self.request(token, body.clone())).await
        {
            self.connection = Some(connection);
            return Ok(answer);
        }
        let mut connection = self.connect().await?;
        let answer = exchange(&mut connection, self.request(token, body)).await;
        let answer = answer.map_err(|source| Failure::BrokeOff { url: self.config.url.clone(), source })?;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let unreachable = |source| Failure::Unreachable { url: self.config.url.clone(), source };
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(|error| unreachable(io::Error::other(error)))?;
                Box::new(tls.connect(name, stream).await.map_err(unreachable)?)
            }
        };
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(io::Error::other(error)))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to InfluxDB ended");
            }
        });
        Ok(sender)
    }

    fn request(&self, token: &HeaderValue, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let Endpoint { host, port, .. } = &self.endpoint;
        let host = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let headers = request.headers_mut();
        headers.extend(HeaderValue::try_from(host).ok().map(|host| (HOST, host)));
        headers.insert(AUTHORIZATION, token.clone());
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(USER_AGENT, HeaderValue::from_static("tidegate"));
        request
    }

    fn token(&self) -> Result<HeaderValue, Failure> {
        let path = self.config.token_file.as_deref().unwrap_or(Path::new(""));
        let text =
            std::fs::read_to_string(path).map_err(|source| Failure::NoToken { path: path.to_owned(), source })?;
        let token = text.lines().next().unwrap_or_default().trim();
        let header = HeaderValue::try_from(format!("Token {token}")).ok().filter(|_| !token.is_empty());
        let mut header = header.ok_or_else(|| Failure::BadToken(path.to_owned()))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(connection: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Answer, Broken> {
    let (head, body) = connection.send_request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
    let said = |name: HeaderName| Some(head.headers.get(name)?.to_str().ok()?.trim());
    let retry_after = said(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
    let ahead_s = said(DATE).and_then(answer::ahead_s);
    Ok(Answer { status: head.status.as_u16(), retry_after, ahead_s, body: String::from_utf8_lossy(&body).into_owned() })
}

/// As a part of a query (RFC 3986 section 2.1).
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
        encoded
    })
}
