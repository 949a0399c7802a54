//! What requests that change something have in common.

use std::error::Error as _;

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use tidegate_identity::Principal;
use tidegate_telemetry::{Import, Intent, Position};

use super::Api;
use crate::error::{ApiError, Kind};
use crate::http::security::refused;
use crate::ports::IntentError;

/// Longest key, in characters.
const KEY_MAX: usize = 255;

/// The whole body, within its limits of size and time.
pub async fn body(api: &Api, body: Body) -> Result<Bytes, ApiError> {
    body_within(api, body, "http.body_bytes_max", api.config.body_bytes_max).await
}

/// The whole body, within a limit of size that a key says, and that of time.
pub async fn body_within(api: &Api, body: Body, key: &str, bytes_max: usize) -> Result<Bytes, ApiError> {
    let wait = api.config.body_timeout;
    match tokio::time::timeout(wait, axum::body::to_bytes(body, bytes_max)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            let detail = format!("the body is larger than {key} ({bytes_max} bytes): send less");
            Err(refused("body_too_large", ApiError::new(Kind::BodyTooLarge, detail)))
        }
        Ok(Err(_)) => {
            let detail = "the body broke off: send it again";
            Err(refused("body_broken", ApiError::new(Kind::InvalidBody, detail)))
        }
        Err(_) => {
            let detail = "the body did not come in time: send it at once";
            Err(refused("body_timeout", ApiError::new(Kind::BodyTooSlow, detail)))
        }
    }
}

/// The body as JSON; `expected` says what to send instead.
pub fn read<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| invalid(&error.to_string(), expected))
}

/// A body that is not as it should be.
pub fn invalid(what: &str, expected: &str) -> ApiError {
    ApiError::new(Kind::InvalidBody, format!("{what}: {expected}"))
}

/// Who wants it.
pub fn name(by: Option<String>, expected: &str) -> Result<String, ApiError> {
    let by = by.unwrap_or_else(|| Principal::anonymous().name().to_owned());
    match (1..=64).contains(&by.chars().count()) && !by.chars().any(char::is_control) {
        true => Ok(by),
        false => Err(invalid("by needs 1 to 64 characters that can be shown", expected)),
    }
}

/// The key of `Idempotency-Key`, with or without the quotes of a structured field (draft-ietf-httpapi-idempotency-key).
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let unquoted = |text| Some(text).and_then(|text: &str| text.strip_prefix('"')?.strip_suffix('"'));
    let text = key.to_str().ok().map(|text| unquoted(text).filter(|inner| !inner.is_empty()).unwrap_or(text));
    match text.filter(|text| is_key(text)) {
        Some(text) => Ok(Some(text.to_owned())),
        None => {
            Err(ApiError::parameter("Idempotency-Key", "Idempotency-Key needs 1 to 255 printable ASCII characters"))
        }
    }
}

/// Whether a text can be a key.
pub fn is_key(text: &str) -> bool {
    (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Has the log take it, and waits until it is on disk and applied.
pub async fn submit(api: &Api, intent: Intent) -> Result<Position, ApiError> {
    entered(api, api.intents.submit(intent)).await
}

/// Has the log take readings of before at once; ready when they are on disk and applied.
pub fn import(api: &Api, import: Import) -> impl Future<Output = Result<Position, ApiError>> + use<'_> {
    let entering = api.intents.import(vec![import]);
    entered(api, entering)
}

async fn entered(
    api: &Api,
    entering: impl Future<Output = Result<Position, IntentError>>,
) -> Result<Position, ApiError> {
    let wait = api.config.intent_timeout;
    match tokio::time::timeout(wait, entering).await {
        Ok(applied) => Ok(applied?),
        Err(_) => {
            let detail = "it is not on disk yet: ask again, with the key you gave; repeating is safe then";
            Err(refused("intent_timeout", ApiError::new(Kind::Busy, detail)))
        }
    }
}
