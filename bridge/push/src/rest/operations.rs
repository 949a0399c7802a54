use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::IntoResponse;
use serde::Serialize;
use tidegate_telemetry::history::{ProblemGroup, StoreStats};
use tidegate_telemetry::{Position, StateCounts};

use super::Api;
use super::outlook::Outlook;
use super::parameters::Parameters;
use crate::archive::Asker;
use crate::config::PushConfig;
use crate::error::{ApiError, Kind};
use crate::ports::{OperationStats, Readiness};

/// `GET /v1/problems`
pub async fn problems(State(api): State<Arc<Api>>, asker: Asker, uri: Uri) -> Result<Json<Problems>, ApiError> {
    let parameters = Parameters::of(&uri, &["limit"])?;
    let limit = parameters.number("limit", 1..=api.config.page_max, api.config.page_default)?;
    let (groups, dropped) = api.archive.ask(asker, move |history, _| Ok(history.problems(limit))).await?;
    Ok(Json(Problems { problems: groups.into_iter().map(Refused::from).collect(), dropped }))
}

/// `GET /v1/stats`
pub async fn stats(State(api): State<Arc<Api>>, asker: Asker, uri: Uri) -> Result<Json<Stats>, ApiError> {
    Parameters::of(&uri, &[])?;
    let store = api.archive.ask(asker, |history, _| Ok(history.stats())).await?;
    let (operation, now_ms) = (api.operations.stats(), api.hub.now_ms());
    Ok(Json(Stats {
        version: env!("CARGO_PKG_VERSION"),
        time: now_ms,
        viewers: api.hub.sessions(),
        devices: api.hub.read(|views| views.group("").map(|fleet| fleet.devices)).unwrap_or_default(),
        store: Store::of(&store, api.archive.kept_from_ms()),
        retention: Outlook::of(&store, operation.disk_free_bytes, now_ms),
        operation,
    }))
}

/// `GET /v1/openapi.json`
pub async fn description(State(api): State<Arc<Api>>, uri: Uri) -> Result<impl IntoResponse, ApiError> {
    Parameters::of(&uri, &[])?;
    Ok(([(header::CONTENT_TYPE, "application/json")], describe(&api.config)))
}

/// The description, with the limits that hold.
fn describe(config: &PushConfig) -> String {
    let mut description: serde_json::Value =
        serde_json::from_str(include_str!("openapi.json")).expect("every test reads it");
    let limits = [
        ("/components/parameters/limit/schema/maximum", config.page_max as u64),
        ("/components/parameters/limit/schema/default", config.page_default as u64),
        ("/components/parameters/width/schema/maximum", u64::from(config.width_max)),
        ("/components/parameters/clients/schema/maximum", super::clients::PAGE_MAX.min(config.page_max) as u64),
        ("/components/schemas/SendCommand/properties/expires_in_s/maximum", config.commands.expires_in_max_s().into()),
    ];
    for (place, limit) in limits {
        *description.pointer_mut(place).expect("the description has it") = limit.into();
    }
    description.to_string()
}

/// `GET /healthz`
pub async fn health() -> &'static str {
    "ok\n"
}

/// `GET /readyz`
pub async fn readiness(State(api): State<Arc<Api>>) -> Result<&'static str, ApiError> {
    match api.operations.ready() {
        Readiness::Ready => Ok("ready\n"),
        Readiness::NotReady(reason) => Err(ApiError::new(Kind::NotReady, reason)),
    }
}

/// `GET /metrics`, in the Prometheus text exposition format.
pub async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let text = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, text)], api.operations.metrics_text())
}

/// Figures of the whole program.
#[derive(Debug, Serialize)]
pub struct Stats {
    version: &'static str,
    time: i64,
    viewers: usize,
    devices: StateCounts,
    store: Store,
    retention: Outlook,
    #[serde(flatten)]
    operation: OperationStats,
}

#[derive(Debug, Serialize)]
struct Store {
    series: u64,
    points: u64,
    memory_bytes: u64,
    file_bytes: u64,
    written_bytes: u64,
    flushed: Position,
    erasing: u64,
    oldest: Option<i64>,
    kept_from: Option<i64>,
}

impl Store {
    fn of(stats: &StoreStats, kept_from_ms: i64) -> Self {
        Store {
            series: stats.series,
            points: stats.points,
            memory_bytes: stats.memory_bytes,
            file_bytes: stats.file_bytes,
            written_bytes: stats.written_bytes,
            flushed: stats.flushed,
            erasing: stats.erasing,
            oldest: stats.oldest_ms,
            // Before the first reading, and before a clock is believed, nothing is too old.
            kept_from: Some(kept_from_ms).filter(|kept_from_ms| *kept_from_ms > 0),
        }
    }
}

/// What was refused or not understood.
#[derive(Debug, Serialize)]
pub struct Problems {
    problems: Vec<Refused>,
    dropped: u64,
}

#[derive(Debug, Serialize)]
struct Refused {
    reason: &'static str,
    topic: Arc<str>,
    client: Arc<str>,
    detail: Arc<str>,
    count: u64,
    first: i64,
    last: i64,
    sample: String,
    sample_hex: String,
}

impl From<ProblemGroup> for Refused {
    fn from(group: ProblemGroup) -> Self {
        Refused {
            reason: group.reason.name(),
            topic: group.topic,
            client: group.client,
            detail: group.detail,
            count: group.count,
            first: group.first_ms,
            last: group.last_ms,
            sample: String::from_utf8_lossy(&group.sample).into_owned(),
            sample_hex: hex(&group.sample),
        }
    }
}

fn hex(bytes: &Bytes) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
