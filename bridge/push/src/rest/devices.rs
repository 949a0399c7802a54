use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use tidegate_views::Views;
use tidegate_views::read::{Device, DevicesPage, DevicesQuery, Group, Lookup};

use super::Api;
use super::error::{ApiError, Kind};
use super::parameters::Parameters;

/// `GET /v1/devices`
pub async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<DevicesPage>, ApiError> {
    let parameters = Parameters::of(&uri, &["group", "q", "limit", "cursor"])?;
    let query = DevicesQuery {
        group: parameters.text("group").unwrap_or_default(),
        q: parameters.text("q").unwrap_or_default(),
        cursor: parameters.text("cursor"),
        limit: parameters.number("limit", 1..=api.config.page_max, api.config.page_default)?,
    };
    Ok(Json(api.hub.read(|views| views.devices(&query))))
}

/// `GET /v1/devices/{id}`
pub async fn one(State(api): State<Arc<Api>>, Path(id): Path<String>, uri: Uri) -> Result<Json<Device>, ApiError> {
    Parameters::of(&uri, &[])?;
    api.hub.read(|views| find(views, &id)).map(Json)
}

/// `GET /v1/groups`
pub async fn groups(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<Groups>, ApiError> {
    Parameters::of(&uri, &[])?;
    Ok(Json(Groups { groups: api.hub.read(Views::groups) }))
}

/// Every group.
#[derive(Debug, Serialize)]
pub struct Groups {
    groups: Vec<Group>,
}

/// A device and one of its metrics, as a query names them; both by their full names.
pub fn find_series(views: &Views, parameters: &Parameters) -> Result<(Arc<str>, Arc<str>), ApiError> {
    let (name, metric) = (parameters.required("device")?, parameters.required("metric")?);
    let device = find(views, name)?;
    match device.metrics.0.iter().find(|(known, _)| **known == *metric) {
        Some((metric, _)) => Ok((device.id, Arc::clone(metric))),
        None => {
            let known: Vec<&str> = device.metrics.0.iter().map(|(known, _)| &**known).collect();
            let detail = format!("{} has no metric {metric:?}: ask for one of the candidates", device.id);
            Err(ApiError::new(Kind::UnknownMetric, detail).with("candidates", known))
        }
    }
}

fn find(views: &Views, name: &str) -> Result<Device, ApiError> {
    match views.device(name) {
        Lookup::Unique(device) => Ok(device),
        Lookup::Ambiguous(candidates) => {
            let detail =
                format!("{} devices are called {name:?}: ask by one of the full identifiers", candidates.len());
            let candidates: Vec<&str> = candidates.iter().map(|id| &**id).collect();
            Err(ApiError::new(Kind::AmbiguousDevice, detail).with("candidates", candidates))
        }
        Lookup::Unknown => {
            let detail = format!("no device {name:?} was ever heard of: GET /v1/devices lists those that were");
            Err(ApiError::new(Kind::UnknownDevice, detail))
        }
    }
}
