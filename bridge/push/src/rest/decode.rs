use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use tidegate_telemetry::{Publication, PublishProperties, Qos};

use super::parameters::{NO_TOPIC, Parameters, is_topic};
use super::payload::Payload;
use super::{Api, intent};
use crate::api::Trial;
use crate::error::{ApiError, Kind};

/// What is to be tried.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Asked {
    topic: String,
    payload: Payload,
    content_type: Option<String>,
    client: Option<String>,
}

const EXPECTED: &str = "send {\"topic\":\"site/dev7/data\",\"payload\":{\"text\":\"…\"}}; see docs/rest.md";

/// `POST /v1/decode`: what would come of a publication, by which format or source, and what may have it understood. Nothing of
/// it is kept.
pub async fn decode(State(api): State<Arc<Api>>, uri: Uri, body: Body) -> Result<Json<Trial>, ApiError> {
    Parameters::of(&uri, &[])?;
    let asked: Asked = intent::read(&intent::body(&api, body).await?, EXPECTED)?;
    if !is_topic(&asked.topic) {
        return Err(intent::invalid(&format!("topic {:?} is {NO_TOPIC}", asked.topic), EXPECTED));
    }
    let (payload, _) = asked.payload.into_bytes().map_err(|wrong| intent::invalid(&wrong, EXPECTED))?;
    let content_type = asked.content_type;
    let publication = Publication {
        received_ms: api.hub.now_ms(),
        client: asked.client.unwrap_or_default(),
        principal: String::new(),
        session: 0,
        packet_id: 0,
        topic: asked.topic,
        payload,
        qos: Qos::AtMostOnce,
        retain: false,
        dup: false,
        properties: content_type
            .map(|it| Box::new(PublishProperties { content_type: Some(it), ..PublishProperties::default() })),
        scope: None,
        address: None,
    };
    // The configuration's patterns are made ready for each: one at a time, and not where sessions are served.
    let _turn = api.trials.acquire().await;
    let operations = Arc::clone(&api.operations);
    let trial = tokio::task::spawn_blocking(move || operations.decode(&publication)).await;
    trial
        .map(|trial| Json(trial.into()))
        .map_err(|_| ApiError::new(Kind::Internal, "trying the payload broke off: report it"))
}
