use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;
use tidegate_telemetry::clients::{
    ClientDetails, ClientName, ClientState, ClientsError, ClientsPage, ClientsQuery, RefusalsPage, RefusalsQuery,
};

use super::Api;
use super::parameters::{NO_TOPIC, Name, Parameters, is_topic};
use crate::error::{ApiError, Kind};

/// How often a trace without packets sends an empty line, so that a reader that is gone is noticed.
const BEAT: Duration = Duration::from_secs(15);

/// `GET /v1/clients`
pub async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<ClientsPage>, ApiError> {
    let parameters = Parameters::of(&uri, &["q", "state", "topic", "limit", "cursor"])?;
    let state = match parameters.text("state") {
        None | Some("all") => None,
        Some("connected") => Some(ClientState::Connected),
        Some("sleeping") => Some(ClientState::Sleeping),
        Some("gone") => Some(ClientState::Gone),
        Some(other) => {
            let detail = format!("state={other:?} is none of connected, sleeping, gone, all");
            return Err(ApiError::parameter("state", detail));
        }
    };
    let query = ClientsQuery {
        q: parameters.text("q").unwrap_or_default().to_lowercase(),
        state,
        topic: topic(&parameters)?,
        limit: parameters.number("limit", 1..=PAGE_MAX.min(api.config.page_max), PAGE_DEFAULT)?,
        cursor: parameters.cursor()?,
    };
    Ok(Json(api.clients.list(query).await?))
}

fn topic(parameters: &Parameters) -> Result<Option<String>, ApiError> {
    match parameters.text("topic") {
        Some(topic) if !is_topic(topic) => Err(ApiError::parameter("topic", format!("topic={topic:?} is {NO_TOPIC}"))),
        topic => Ok(topic.map(str::to_owned)),
    }
}

/// A client takes a hundred times the room of a reading.
pub const PAGE_MAX: usize = 1000;
const PAGE_DEFAULT: usize = 100;

/// `GET /v1/refusals`
pub async fn refusals(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<RefusalsPage>, ApiError> {
    let parameters = Parameters::of(&uri, &["q", "limit"])?;
    let query = RefusalsQuery {
        q: parameters.text("q").unwrap_or_default().to_lowercase(),
        limit: parameters.number("limit", 1..=PAGE_MAX.min(api.config.page_max), PAGE_DEFAULT)?,
    };
    Ok(Json(api.clients.refusals(&query)?))
}

/// `GET /v1/clients/{id}`
pub async fn one(State(api): State<Arc<Api>>, Name(id): Name, uri: Uri) -> Result<Json<ClientDetails>, ApiError> {
    let parameters = Parameters::of(&uri, &["principal"])?;
    Ok(Json(api.clients.one(named(id, &parameters)).await?))
}

/// `DELETE /v1/clients/{id}`
pub async fn disconnect(State(api): State<Arc<Api>>, Name(id): Name, uri: Uri) -> Result<StatusCode, ApiError> {
    let parameters = Parameters::of(&uri, &["principal", "session"])?;
    let session = flag(&parameters, "session")?;
    api.clients.disconnect(named(id, &parameters), session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/clients/{id}/trace`: a JSON object a line, until the reader goes.
pub async fn trace(State(api): State<Arc<Api>>, Name(id): Name, uri: Uri) -> Result<Response, ApiError> {
    let parameters = Parameters::of(&uri, &["payloads"])?;
    let lines = api.clients.trace(&id, flag(&parameters, "payloads")?)?;
    let lines = lines.map(|line| {
        let mut text = serde_json::to_vec(&line).expect("a line of plain values");
        text.push(b'\n');
        Some(Bytes::from(text))
    });
    // The end of the lines ends the answer, though the beat would go on.
    let lines = lines.chain(stream::iter([None]));
    let beat = stream::unfold((), |()| async {
        tokio::time::sleep(BEAT).await;
        Some((Some(Bytes::from_static(b"\n")), ()))
    });
    let body = stream::select(lines, beat).take_while(|line| std::future::ready(line.is_some()));
    let body = Body::from_stream(body.map(|line| Ok::<_, Infallible>(line.unwrap_or_default())));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn named(id: String, parameters: &Parameters) -> ClientName {
    ClientName { id, principal: parameters.text("principal").map(str::to_owned) }
}

fn flag(parameters: &Parameters, name: &str) -> Result<bool, ApiError> {
    match parameters.text(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(ApiError::parameter(name, format!("{name}={other:?} is neither true nor false"))),
    }
}

impl From<ClientsError> for ApiError {
    fn from(error: ClientsError) -> Self {
        let detail = error.to_string();
        match error {
            ClientsError::Unknown(_) => ApiError::new(Kind::UnknownClient, detail),
            ClientsError::Ambiguous(principals) => {
                ApiError::new(Kind::AmbiguousClient, detail).with("candidates", principals)
            }
            ClientsError::TooManyTraces(_) | ClientsError::Busy => ApiError::new(Kind::Busy, detail),
            ClientsError::Unsupported => ApiError::new(Kind::Unsupported, detail),
        }
    }
}
