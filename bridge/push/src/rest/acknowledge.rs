use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use tidegate_identity::Principal;
use tidegate_telemetry::{AlertState, Intent};
use tidegate_views::read::AlertObject;

use super::error::{ApiError, Kind};
use super::parameters::{Name, Parameters};
use super::{Api, alert_history, now_ms};
use crate::http::security::refused;

/// Who acknowledges.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledge {
    by: Option<String>,
}

/// `POST /v1/alerts/{id}/acknowledge`
///
/// The first acknowledgement in the log wins. Asking again is answered with who it was: what was wanted is so.
pub async fn acknowledge(
    State(api): State<Arc<Api>>,
    Name(id): Name,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AlertObject>, ApiError> {
    Parameters::of(&uri, &[])?;
    check_idempotency_key(&headers)?;
    let by = acknowledger(&api, body).await?;
    if let Some(answer) = standing(&api, &id).await? {
        return Ok(Json(answer));
    }
    let intent = Intent::AcknowledgeAlert { received_ms: now_ms(), alert: id.clone(), by };
    let wait = Duration::from_millis(api.config.intent_timeout_ms);
    match tokio::time::timeout(wait, api.intents.submit(intent)).await {
        Ok(applied) => applied?,
        Err(_) => {
            let detail = "the acknowledgement is not on disk yet: ask again, repeating is safe";
            return Err(refused("intent_timeout", ApiError::new(Kind::Busy, detail)));
        }
    };
    let unchanged = || ApiError::new(Kind::Internal, format!("{id} was not acknowledged; see the log of the program"));
    standing(&api, &id).await?.map(Json).ok_or_else(unchanged)
}

/// The alert once it is acknowledged, `None` while nobody did.
async fn standing(api: &Api, id: &str) -> Result<Option<AlertObject>, ApiError> {
    let Some(alert) = api.hub.read(|views| views.alert(id)) else { return Err(gone(api, id).await) };
    match alert.state {
        AlertState::Raised => Ok(None),
        AlertState::Acknowledged => Ok(Some(alert)),
        AlertState::Cleared => {
            let detail = format!("{id} holds no longer: there is nothing to take on");
            let alert = serde_json::to_value(&alert).expect("an alert has no keys but strings");
            Err(ApiError::new(Kind::AlertCleared, detail).with("alert", alert))
        }
    }
}

/// Why an alert that the views do not hold cannot be acknowledged. They hold every one that did not clear long ago.
async fn gone(api: &Api, id: &str) -> ApiError {
    let wanted = id.to_owned();
    match api.archive.ask(move |history| alert_history::was_raised(history, &wanted)).await {
        Ok(true) => {
            ApiError::new(Kind::AlertCleared, format!("{id} cleared long ago: there is nothing to take on any more"))
        }
        Ok(false) => {
            let detail = format!("no alert {id:?} was ever raised: GET /v1/alerts lists those that were");
            ApiError::new(Kind::UnknownAlert, detail)
        }
        Err(error) => error,
    }
}

/// Repeating is safe by itself, so the key needs no remembering; a key that cannot be one is a mistake all the same.
fn check_idempotency_key(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(()) };
    match key.to_str() {
        Ok(text) if (1..=255).contains(&text.len()) => Ok(()),
        _ => Err(ApiError::parameter("Idempotency-Key", "Idempotency-Key needs 1 to 255 printable ASCII characters")),
    }
}

async fn acknowledger(api: &Api, body: Body) -> Result<String, ApiError> {
    let wait = Duration::from_millis(api.config.body_timeout_ms);
    let body = match tokio::time::timeout(wait, axum::body::to_bytes(body, api.config.body_bytes_max)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let detail = format!("the body is broken or over http.body_bytes_max ({})", api.config.body_bytes_max);
            return Err(refused("body_too_large", ApiError::new(Kind::BodyTooLarge, detail)));
        }
        Err(_) => {
            let detail = "the body did not come in time: send it at once";
            return Err(refused("body_timeout", ApiError::new(Kind::BodyTooSlow, detail)));
        }
    };
    if body.is_empty() {
        return Ok(Principal::anonymous().name().to_owned());
    }
    let invalid =
        |what: String| ApiError::new(Kind::InvalidBody, format!("{what}: send {{\"by\":\"your name\"}} or nothing"));
    let Acknowledge { by } = serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()))?;
    let by = by.unwrap_or_else(|| Principal::anonymous().name().to_owned());
    if (1..=64).contains(&by.chars().count()) && !by.chars().any(char::is_control) {
        Ok(by)
    } else {
        Err(invalid("by needs 1 to 64 characters that can be shown".to_owned()))
    }
}
