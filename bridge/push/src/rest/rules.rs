use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use tidegate_telemetry::scope::glob_matches;

use super::Api;
use super::devices::find;
use super::error::ApiError;
use super::parameters::Parameters;
use crate::ports::Rule;

/// What raises alerts.
#[derive(Debug, Serialize)]
pub struct Rules {
    rules: Vec<Standing>,
}

/// A rule, and how many of its alerts hold.
#[derive(Debug, Serialize)]
struct Standing {
    #[serde(flatten)]
    rule: Rule,
    active: usize,
}

/// `GET /v1/rules`: all of them, or those that are about one device.
pub async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<Rules>, ApiError> {
    let parameters = Parameters::of(&uri, &["device"])?;
    let mut rules = api.operations.rules().to_vec();
    if let Some(name) = parameters.text("device") {
        let device = api.hub.read(|views| find(views, name))?;
        let fits = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|it| glob_matches(it, text));
        rules.retain(|rule| fits(&rule.device, &device.id) && fits(&rule.group, &device.group));
    }
    let standing = |rule: Rule| Standing { active: api.hub.read(|views| views.active_alerts_of(&rule.name)), rule };
    Ok(Json(Rules { rules: rules.into_iter().map(standing).collect() }))
}
