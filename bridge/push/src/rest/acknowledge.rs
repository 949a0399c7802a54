use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tidegate_telemetry::{AlertChange, AlertState, Intent};

use super::parameters::{Name, Parameters};
use super::{Api, alert_history, intent};
use crate::api;
use crate::archive::Asker;
use crate::error::{ApiError, Kind};

type Alert = api::Alert<Arc<AlertChange>>;

/// Who acknowledges, and what they have to say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Acknowledge {
    by: Option<String>,
    comment: Option<String>,
}

/// Who takes an acknowledgement back.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Unacknowledge {
    by: Option<String>,
}

const EXPECTED: &str = "send {\"by\":\"your name\"}, also with \"comment\":\"…\", or nothing";
const EXPECTED_BACK: &str = "send {\"by\":\"your name\"} or nothing";
/// Longest comment, in characters.
const COMMENT_MAX: usize = 500;

/// `POST /v1/alerts/{id}/acknowledge`
///
/// The first acknowledgement in the log wins. Asking again is answered with who it was: what was wanted is so.
pub async fn acknowledge(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Name(id): Name,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Alert>, ApiError> {
    let asked: Acknowledge = wish(&api, &uri, &headers, body, EXPECTED).await?;
    let (by, comment) = (intent::name(asked.by, EXPECTED)?, comment(asked.comment)?);
    let wanted = Intent::AcknowledgeAlert { received_ms: api.hub.now_ms(), alert: id.clone(), by, comment };
    bring_to(&api, asker, &id, AlertState::Acknowledged, wanted).await
}

/// `POST /v1/alerts/{id}/unacknowledge`
///
/// Whoever it was that acknowledged. Where nobody did, what was wanted is so.
pub async fn unacknowledge(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Name(id): Name,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Alert>, ApiError> {
    let asked: Unacknowledge = wish(&api, &uri, &headers, body, EXPECTED_BACK).await?;
    let by = intent::name(asked.by, EXPECTED_BACK)?;
    let wanted = Intent::UnacknowledgeAlert { received_ms: api.hub.now_ms(), alert: id.clone(), by };
    bring_to(&api, asker, &id, AlertState::Raised, wanted).await
}

/// What a request asks for.
async fn wish<T: DeserializeOwned + Default>(
    api: &Api,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
    expected: &str,
) -> Result<T, ApiError> {
    Parameters::of(uri, &[])?;
    // Repeating is safe by itself, so the key needs no remembering.
    intent::idempotency_key(headers)?;
    let body = intent::body(api, body).await?;
    if body.is_empty() { Ok(T::default()) } else { intent::read(&body, expected) }
}

fn comment(comment: Option<String>) -> Result<Option<String>, ApiError> {
    let comment = comment.map(|comment| comment.trim().to_owned()).filter(|comment| !comment.is_empty());
    let is_wrong = |text: &String| {
        text.chars().count() > COMMENT_MAX || text.chars().any(|char| char.is_control() && char != '\n')
    };
    match comment.as_ref().is_some_and(is_wrong) {
        true => Err(intent::invalid("comment has at most 500 characters that can be shown", EXPECTED)),
        false => Ok(comment),
    }
}

/// Has the log take what brings an alert to a state, unless it is there.
async fn bring_to(
    api: &Api,
    asker: Asker,
    id: &str,
    state: AlertState,
    intent: Intent,
) -> Result<Json<Alert>, ApiError> {
    let alert = holding(api, asker, id).await?;
    if alert.state == state {
        return Ok(Json(api::Alert(alert)));
    }
    intent::submit(api, intent).await?;
    holding(api, asker, id).await.map(api::Alert).map(Json)
}

/// The alert, if it holds.
async fn holding(api: &Api, asker: Asker, id: &str) -> Result<Arc<AlertChange>, ApiError> {
    let Some(alert) = api.hub.read(|views| views.alert(id)) else { return Err(gone(api, asker, id).await) };
    if alert.state != AlertState::Cleared {
        return Ok(alert);
    }
    let detail = format!("{id} holds no longer: there is nothing to take on");
    let alert = serde_json::to_value(api::Alert(alert)).expect("an alert has no keys but strings");
    Err(ApiError::new(Kind::AlertCleared, detail).with("alert", alert))
}

/// Why an alert that the views do not hold cannot be acknowledged. They hold every one that did not clear long ago.
async fn gone(api: &Api, asker: Asker, id: &str) -> ApiError {
    let wanted = id.to_owned();
    match api.archive.ask(asker, move |history, still| alert_history::was_raised((history, still), &wanted)).await {
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
