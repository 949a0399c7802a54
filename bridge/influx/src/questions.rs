//! Questions in Flux to a server, whose answers are read as they come (InfluxDB 2.7, "Query with the InfluxDB API").

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

use crate::config::{Endpoint, InfluxConfig};
use crate::connection::{connect, host, percent};
use crate::tls::{self, TlsError};

/// Bytes of a refusal that are read.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// Where it is asked.
    #[error("{0:?} is not where an InfluxDB is: name it as http://host:8086 or https://host:8086")]
    NoUrl(String),
    /// The token.
    #[error("the token in {path} cannot be read: {source}")]
    NoToken {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A token that no header can hold.
    #[error("the first line of {} is no token", .0.display())]
    BadToken(PathBuf),
    /// Its certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody is there, or nobody is any more.
    #[error("{url} cannot be reached: {source}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the system says.
        source: io::Error,
    },
    /// The answer broke off, or did not come in time.
    #[error("the answer of {url} broke off: {why}")]
    BrokeOff {
        /// Where.
        url: String,
        /// How.
        why: String,
    },
    /// The server does not answer it.
    #[error("InfluxDB refuses the question ({status}): {reason}")]
    Refused {
        /// The status of its answer.
        status: u16,
        /// Its own words.
        reason: String,
    },
}

/// Asks one server, in one organization.
pub struct Questions {
    url: String,
    path: String,
    endpoint: Endpoint,
    token: HeaderValue,
    tls: Option<TlsConnector>,
    silence_max: Duration,
    runtime: Runtime,
}

impl Questions {
    /// Of the server at a URL, which may be silent for so long. The first line of the file of the token is the token; without
    /// a file of authorities, those of the system are trusted.
    ///
    /// # Errors
    /// When one of them cannot be used; nobody is asked yet.
    pub fn open(
        url: &str,
        org: &str,
        token_file: &Path,
        ca_file: Option<&Path>,
        silence_max: Duration,
    ) -> Result<Questions, QuestionError> {
        let of = InfluxConfig { url: url.to_owned(), ..InfluxConfig::default() };
        let endpoint = of.endpoint().ok_or_else(|| QuestionError::NoUrl(url.to_owned()))?;
        let tls = endpoint.is_tls.then(|| tls::connector(ca_file)).transpose()?;
        let text = std::fs::read_to_string(token_file);
        let text = text.map_err(|source| QuestionError::NoToken { path: token_file.to_owned(), source })?;
        let token = text.lines().next().unwrap_or_default().trim();
        let header = HeaderValue::try_from(format!("Token {token}")).ok().filter(|_| !token.is_empty());
        let mut token = header.ok_or_else(|| QuestionError::BadToken(token_file.to_owned()))?;
        token.set_sensitive(true);
        let path = format!("{}/api/v2/query?org={}", endpoint.path, percent(org));
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| QuestionError::Unreachable { url: url.to_owned(), source })?;
        Ok(Questions { url: url.to_owned(), path, endpoint, token, tls, silence_max, runtime })
    }

    /// Asks, and hands on what is answered, annotated CSV, a piece at a time. `take` breaks it off with its error.
    ///
    /// # Errors
    /// When there is no answer, or not all of it; or that of `take`.
    pub fn ask<E: From<QuestionError>>(
        &self,
        flux: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut answer = self.runtime.block_on(self.answer(flux))?;
        while let Some(piece) = self.runtime.block_on(self.piece(&mut answer))? {
            take(&piece)?;
        }
        Ok(())
    }

    async fn answer(&self, flux: &str) -> Result<Response<Incoming>, QuestionError> {
        let mut connection = self.connect().await?;
        let asking = tokio::time::timeout(self.silence_max, connection.send_request(self.request(flux)));
        let answer = asking.await.map_err(|_| self.broke_off(&"it did not come in time"))?;
        let mut answer = answer.map_err(|error| self.broke_off(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let mut said = Vec::new();
        while let Some(piece) = self.piece(&mut answer).await?.filter(|_| said.len() < REFUSAL_BYTES_MAX) {
            said.extend_from_slice(&piece);
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        let message = serde_json::from_str::<serde_json::Value>(&said).unwrap_or_default()["message"].take();
        let reason = message.as_str().map_or(said, str::to_owned);
        Err(QuestionError::Refused { status: answer.status().as_u16(), reason })
    }

    async fn piece(&self, answer: &mut Response<Incoming>) -> Result<Option<Bytes>, QuestionError> {
        loop {
            let coming = tokio::time::timeout(self.silence_max, answer.frame()).await;
            let frame = coming.map_err(|_| self.broke_off(&"nothing more came in time"))?;
            let Some(frame) = frame else { return Ok(None) };
            if let Ok(piece) = frame.map_err(|error| self.broke_off(&error))?.into_data() {
                return Ok(Some(piece));
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, QuestionError> {
        let connecting = tokio::time::timeout(self.silence_max, connect(&self.endpoint, self.tls.as_ref())).await;
        let connected = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        connected.map_err(|source| QuestionError::Unreachable { url: self.url.clone(), source })
    }

    fn request(&self, flux: &str) -> Request<Full<Bytes>> {
        let dialect = json!({ "annotations": ["datatype"], "header": true });
        let body = json!({ "query": flux, "type": "flux", "dialect": dialect }).to_string();
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.extend(HeaderValue::try_from(host(&self.endpoint)).ok().map(|host| (HOST, host)));
        headers.insert(AUTHORIZATION, self.token.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("tidegate"));
        request
    }

    fn broke_off(&self, why: &dyn std::fmt::Display) -> QuestionError {
        QuestionError::BrokeOff { url: self.url.clone(), why: why.to_string() }
    }
}
