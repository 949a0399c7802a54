use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use tidegate_telemetry::{AlertState, Intent};
use tidegate_views::read::AlertObject;

use super::error::{ApiError, Kind};
use super::parameters::{Name, Parameters};
use super::{Api, alert_history, intent};
use crate::archive::Asker;

/// Who acknowledges.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Acknowledge {
    by: Option<String>,
}

const EXPECTED: &str = "send {\"by\":\"your name\"} or nothing";

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
) -> Result<Json<AlertObject>, ApiError> {
    Parameters::of(&uri, &[])?;
    // Repeating is safe by itself, so the key needs no remembering.
    intent::idempotency_key(&headers)?;
    let body = intent::body(&api, body).await?;
    let asked = if body.is_empty() { Acknowledge::default() } else { intent::read(&body, EXPECTED)? };
    let by = intent::name(asked.by, EXPECTED)?;
    if let Some(answer) = standing(&api, asker, &id).await? {
        return Ok(Json(answer));
    }
    let intent = Intent::AcknowledgeAlert { received_ms: api.hub.now_ms(), alert: id.clone(), by };
    intent::submit(&api, intent).await?;
    let unchanged = || ApiError::new(Kind::Internal, format!("{id} was not acknowledged; see the log of the program"));
    standing(&api, asker, &id).await?.map(Json).ok_or_else(unchanged)
}

/// The alert once it is acknowledged, `None` while nobody did.
async fn standing(api: &Api, asker: Asker, id: &str) -> Result<Option<AlertObject>, ApiError> {
    let Some(alert) = api.hub.read(|views| views.alert(id)) else { return Err(gone(api, asker, id).await) };
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
