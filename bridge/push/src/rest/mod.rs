//! REST under `/v1`, and what operators ask for. `openapi.json` describes every answer.
//!
//! - [`parameters`], [`instant`], [`numbers`], [`csv`]: what requests say; [`lookup`]: which device they mean
//! - [`archive`]: history, read where blocking is allowed
//! - [`selection`]: which series a question about many of them means
//! - [`devices`], [`register`], [`readings`], [`periods`], [`series`], [`many_series`], [`aggregate`], [`alerts`], [`rules`],
//!   [`acknowledge`], [`clients`], [`commands`], [`operations`] with [`outlook`], [`backup`]: the answers;
//!   [`prometheus`]: the same history as Grafana asks for it; [`export`], [`import`]: history out and in;
//!   [`intent`]: what changes something; [`listing`]: long answers, part by part

mod acknowledge;
mod aggregate;
mod alert_history;
mod alert_page;
mod alerts;
mod archive;
mod backup;
mod clients;
mod commands;
mod csv;
mod decode;
mod devices;
mod export;
mod import;
mod instant;
mod intent;
mod listing;
mod lookup;
mod many_series;
mod numbers;
mod operations;
mod outlook;
mod parameters;
mod payload;
mod periods;
mod prometheus;
mod readings;
mod register;
mod rules;
mod seam;
mod selection;
mod series;
mod summaries;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tidegate_telemetry::History;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::clients::Clients;
use crate::config::PushConfig;
use crate::error::{ApiError, Kind};
use crate::http::{compression, dashboard, requests, security};
use crate::live::hub::Hub;
use crate::live::{self, Live};
use crate::ports::{Intents, Operations};
use archive::{RequestArchive, RequestTurns};

/// What the answers are made from.
struct Api {
    config: PushConfig,
    hub: Arc<Hub>,
    archive: RequestArchive,
    intents: Arc<dyn Intents>,
    operations: Arc<dyn Operations>,
    clients: Arc<dyn Clients>,
    /// Turns of imports.
    imports: RequestTurns,
    /// Turns of questions about groups, which hold much while they are worked at.
    questions: RequestTurns,
    /// The turn of payloads that are tried.
    trials: Semaphore,
}

/// Every path the server answers: REST, the live protocol, the dashboard. Sessions of the live protocol that wait for changes
/// are on the runtime `live`; whatever somebody asks for is done on the one that serves.
pub fn router(
    config: PushConfig,
    hub: Arc<Hub>,
    history: Arc<dyn History>,
    intents: Arc<dyn Intents>,
    operations: Arc<dyn Operations>,
    clients: Arc<dyn Clients>,
    live: Handle,
) -> Router {
    let gatekeeper = Arc::new(security::Gatekeeper::new(&config));
    let sessions = Live::new(Arc::clone(&hub), Arc::clone(&history), live);
    let archive = RequestArchive::new(history, &config);
    let turns = |what, at_once, wait| RequestTurns::new(what, at_once, &config, wait);
    let imports = turns(("imports", "http.import_concurrency"), config.import_concurrency, config.import_wait);
    let limits = &config.questions;
    let questions = turns(("questions", "questions.at_once"), limits.at_once, limits.time_max);
    Router::new()
        .route("/v1/devices", get(devices::list))
        .route(
            "/v1/devices/{*id}",
            get(devices::one).post(commands::send).patch(register::describe).delete(devices::erase),
        )
        .route("/v1/commands/{id}", get(commands::one))
        .route("/v1/readings", get(readings::list))
        .route("/v1/export", get(export::stream))
        .route("/v1/import", post(import::take))
        .route("/v1/periods", get(periods::list))
        .route("/v1/series", get(series::chart))
        .route("/v1/aggregate", get(aggregate::aggregate))
        .route("/v1/groups", get(devices::groups))
        .route("/v1/alerts", get(alerts::list))
        .route("/v1/rules", get(rules::list))
        .route("/v1/alerts/{id}/acknowledge", post(acknowledge::acknowledge))
        .route("/v1/alerts/{id}/unacknowledge", post(acknowledge::unacknowledge))
        .route("/v1/clients", get(clients::list))
        .route("/v1/refusals", get(clients::refusals))
        .route("/v1/clients/{id}", get(clients::one).delete(clients::disconnect))
        .route("/v1/clients/{id}/trace", get(clients::trace))
        .route("/v1/problems", get(operations::problems))
        .route("/v1/decode", post(decode::decode))
        .route("/v1/stats", get(operations::stats))
        .route("/v1/backup", get(backup::whole).head(backup::head).post(backup::beside))
        .route("/v1/openapi.json", get(operations::description))
        .merge(prometheus::routes())
        .route("/v1/live", get(live::upgrade).with_state(sessions))
        .route("/healthz", get(operations::health))
        .route("/readyz", get(operations::readiness))
        .route("/metrics", get(operations::metrics))
        .fallback(dashboard::fallback)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Arc::new(Api {
            config,
            hub,
            archive,
            intents,
            operations,
            clients,
            imports,
            questions,
            trials: Semaphore::new(1),
        }))
        .layer(compression::layer())
        .layer(from_fn_with_state(gatekeeper, security::guard))
        .layer(from_fn(requests::count))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not take {method}: the Allow header lists what it takes", uri.path());
    let refusal = ApiError::new(Kind::MethodNotAllowed, detail);
    // One route takes devices and their commands, and would name what is taken of both.
    match uri.path().starts_with("/v1/devices/") {
        true if commands::is_about_commands(&uri) => of_commands(refusal),
        true => of_a_device(refusal),
        false => refusal.into_response(),
    }
}

/// A refusal of a method that commands of a device do not take.
fn of_commands(refusal: ApiError) -> Response {
    ([(header::ALLOW, "GET,HEAD,POST")], refusal).into_response()
}

/// A refusal of a method that devices do not take.
fn of_a_device(refusal: ApiError) -> Response {
    ([(header::ALLOW, "GET,HEAD,PATCH,DELETE")], refusal).into_response()
}
