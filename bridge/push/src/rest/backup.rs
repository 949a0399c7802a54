use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Api;
use super::intent;
use super::parameters::Parameters;
use crate::error::{ApiError, Kind};
use crate::ports::{BackupError, BackupRequest, HeldFile};

const MEDIA_TYPE: &str = "application/x-tar";

/// Slower it would take for ever.
const BYTES_PER_SECOND_MIN: u64 = 1 << 20;
const BYTES_PER_SECOND_MAX: u64 = 1 << 40;

const EXPECTED: &str =
    r#"send {"held":[{"name":"store/raw-2026-11-22.db","bytes":8192,"sha256":"…"}]}, or GET everything"#;

/// What [`beside`] is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    held: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(deserialize_with = "whole_bytes")]
    bytes: u64,
    sha256: String,
}

/// What every program that writes numbers can write exactly (RFC 8259 section 6).
const BYTES_MAX: u64 = (1 << 53) - 1;

/// JSON Schema's integers may be written `5.0`.
fn whole_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number = f64::deserialize(from)?;
    let is_whole = number.fract() == 0.0 && (0.0..=BYTES_MAX as f64).contains(&number);
    if is_whole { Ok(number as u64) } else { Err(D::Error::custom(format!("{number} is no number of bytes"))) }
}

/// `HEAD /v1/backup`: that there is one to be had, and no backup is begun for it.
pub async fn head() -> impl IntoResponse {
    [(header::CONTENT_TYPE, MEDIA_TYPE)]
}

/// `GET /v1/backup`
pub async fn whole(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, ApiError> {
    taken(&api, &uri, Vec::new()).await
}

/// `POST /v1/backup`: without what is held.
pub async fn beside(State(api): State<Arc<Api>>, uri: Uri, body: Body) -> Result<Response, ApiError> {
    let body = intent::body(&api, body).await?;
    let Held { held } = intent::read(&body, EXPECTED)?;
    let held = held.into_iter().map(|File { name, bytes, sha256 }| HeldFile { name, bytes, sha256 });
    taken(&api, &uri, held.collect()).await
}

async fn taken(api: &Api, uri: &Uri, held: Vec<HeldFile>) -> Result<Response, ApiError> {
    let parameters = Parameters::of(uri, &["bytes_per_second"])?;
    let bytes_per_second = match parameters.text("bytes_per_second") {
        Some(_) => Some(parameters.number("bytes_per_second", BYTES_PER_SECOND_MIN..=BYTES_PER_SECOND_MAX, 0)?),
        None => None,
    };
    let stream = api.operations.backup(BackupRequest { held, bytes_per_second }).await?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], Body::from_stream(stream)).into_response())
}

impl From<BackupError> for ApiError {
    fn from(error: BackupError) -> Self {
        let kind = match error {
            BackupError::Running => Kind::BackupRunning,
            BackupError::Unreadable(_) => Kind::BackupUnreadable,
        };
        ApiError::new(kind, error.to_string())
    }
}
