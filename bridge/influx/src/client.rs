//! One connection to the server, and one request at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

use crate::answer::{self, Answer};
use crate::config::{Endpoint, InfluxConfig};
use crate::connection::{connect, host, percent};
use crate::tls::{self, TlsError};

/// Bytes of an answer to a write that are read: its reason is short.
const ANSWER_MAX: usize = 64 << 10;

/// Bytes of an answer to a question.
const POINTS_BYTES_MAX: usize = 256 << 20;

/// How often somebody who waits for an answer is looked for.
const WANTED_EVERY: Duration = Duration::from_millis(50);

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
    #[error("{0} did not answer within {1:?}")]
    TooLate(String, Duration),
    /// Nobody waits for the answer any more.
    #[error("the question was withdrawn")]
    Withdrawn,
    /// The system gives no sockets.
    #[error("no connection can be made: {0}")]
    System(#[source] io::Error),
}

/// Writes to one bucket, or asks it.
pub struct Client {
    pub config: InfluxConfig,
    endpoint: Endpoint,
    tls: Option<TlsConnector>,
    /// Made on the thread that writes.
    runtime: Option<Runtime>,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// A line that it took: to write it again changes nothing.
    pub taken: Option<String>,
}

/// What is asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Write,
    Query,
}

impl Client {
    pub fn new(config: InfluxConfig, endpoint: Endpoint) -> Result<Client, TlsError> {
        let tls = endpoint.is_tls.then(|| tls::connector(config.ca_file.as_deref())).transpose()?;
        Ok(Client { config, endpoint, tls, runtime: None, connection: None, taken: None })
    }

    /// Sends lines, compressed by gzip, and waits for the answer.
    ///
    /// # Errors
    /// When there is none: whether the lines are there is not known then.
    pub fn write(&mut self, gzipped: Bytes) -> Result<Answer, Failure> {
        let limit = self.config.request_timeout;
        self.ask(Way::Write, gzipped, limit, &|| true)
    }

    /// Asks by Flux, and waits for the answer in CSV: so long at most, and as long as it is wanted.
    ///
    /// # Errors
    /// When there is none.
    pub fn query(&mut self, flux: Bytes, limit: Duration, wanted: &dyn Fn() -> bool) -> Result<Answer, Failure> {
        self.ask(Way::Query, flux, limit, wanted)
    }

    fn ask(&mut self, way: Way, body: Bytes, limit: Duration, wanted: &dyn Fn() -> bool) -> Result<Answer, Failure> {
        let token = self.token()?;
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => Builder::new_current_thread().enable_all().build().map_err(Failure::System)?,
        };
        let late = Failure::TooLate(self.config.url.clone(), limit);
        let answer = runtime.block_on(async {
            let unwanted = async {
                while wanted() {
                    tokio::time::sleep(WANTED_EVERY).await;
                }
            };
            tokio::select! {
                answer = tokio::time::timeout(limit, self.send(way, &token, body)) => answer.unwrap_or(Err(late)),
                () = unwanted => Err(Failure::Withdrawn),
            }
        });
        self.runtime = Some(runtime);
        answer
    }

    async fn send(&mut self, way: Way, token: &HeaderValue, body: Bytes) -> Result<Answer, Failure> {
        // One that was left open may be gone by now; then the lines are sent again, which changes nothing.
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
            && let Ok(answer) = exchange(way, &mut connection, self.request(way, token, body.clone())).await
        {
            self.connection = Some(connection);
            return Ok(answer);
        }
        let mut connection = self.connect().await?;
        let answer = exchange(way, &mut connection, self.request(way, token, body)).await;
        let answer = answer.map_err(|source| Failure::BrokeOff { url: self.config.url.clone(), source })?;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let connected = connect(&self.endpoint, self.tls.as_ref()).await;
        connected.map_err(|source| Failure::Unreachable { url: self.config.url.clone(), source })
    }

    fn request(&self, way: Way, token: &HeaderValue, body: Bytes) -> Request<Full<Bytes>> {
        let (org, bucket) = (percent(&self.config.org), percent(&self.config.bucket));
        let path = match way {
            Way::Write => format!("{}/api/v2/write?org={org}&bucket={bucket}&precision=ns", self.endpoint.path),
            Way::Query => format!("{}/api/v2/query?org={org}", self.endpoint.path),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.extend(HeaderValue::try_from(host(&self.endpoint)).ok().map(|host| (HOST, host)));
        headers.insert(AUTHORIZATION, token.clone());
        match way {
            Way::Write => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            }
            Way::Query => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/vnd.flux"));
                headers.insert(ACCEPT, HeaderValue::from_static("application/csv"));
            }
        }
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

impl Drop for Client {
    /// Wherever it is: it may be where nobody may wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    way: Way,
    connection: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Broken> {
    let (head, body) = connection.send_request(request).await?.into_parts();
    let bytes_max = if way == Way::Query { POINTS_BYTES_MAX } else { ANSWER_MAX };
    let body = Limited::new(body, bytes_max).collect().await?.to_bytes();
    let said = |name: HeaderName| Some(head.headers.get(name)?.to_str().ok()?.trim());
    let retry_after = said(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
    let ahead_s = said(DATE).and_then(answer::ahead_s);
    Ok(Answer { status: head.status.as_u16(), retry_after, ahead_s, body: String::from_utf8_lossy(&body).into_owned() })
}
