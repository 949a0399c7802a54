//! One connection to the server, and one request at a time.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

use crate::answer::Answer;
use crate::config::{Endpoint, InfluxConfig};
use crate::connection::{connect, host, percent};
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
}

impl Client {
    pub fn new(config: InfluxConfig, endpoint: Endpoint) -> Result<Client, TlsError> {
        let tls = endpoint.is_tls.then(|| tls::connector(config.ca_file.as_deref())).transpose()?;
        let (org, bucket) = (percent(&config.org), percent(&config.bucket));
        let path = format!("{}/api/v2/write?org={org}&bucket={bucket}&precision=ns", endpoint.path);
        Ok(Client { config, endpoint, path, tls, runtime: None, connection: None })
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
        let connected = connect(&self.endpoint, self.tls.as_ref()).await;
        connected.map_err(|source| Failure::Unreachable { url: self.config.url.clone(), source })
    }

    fn request(&self, token: &HeaderValue, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.extend(HeaderValue::try_from(host(&self.endpoint)).ok().map(|host| (HOST, host)));
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
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Ok(Answer { status: head.status.as_u16(), retry_after, body: String::from_utf8_lossy(&body).into_owned() })
}
