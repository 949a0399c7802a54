use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidegate_views::Views;
use tidegate_views::read::{Device, DevicesPage, DevicesQuery, Group, Lookup};

use super::error::{ApiError, Kind};
use super::parameters::{Name, Parameters};
use super::{Api, commands};

/// Devices, or groups, read from the views at a time.
const AT_A_TIME: usize = 256;

/// `GET /v1/devices`
pub async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<DevicesPage>, ApiError> {
    let parameters = Parameters::of(&uri, &["group", "q", "limit", "cursor"])?;
    let limit = parameters.number("limit", 1..=api.config.page_max, api.config.page_default)?;
    let (group, q) = (parameters.text("group").unwrap_or_default(), parameters.text("q").unwrap_or_default());
    let mut devices = Vec::new();
    let mut next = parameters.text("cursor").map(Arc::from);
    // A few at a time, so that what devices say in between does not wait for a long page.
    while devices.len() < limit {
        let cursor: Option<Arc<str>> = next.take();
        let query = DevicesQuery { group, q, cursor: cursor.as_deref(), limit: AT_A_TIME.min(limit - devices.len()) };
        let part = api.hub.read(|views| views.devices(&query));
        devices.extend(part.devices);
        next = part.next;
        if next.is_none() {
            break;
        }
    }
    Ok(Json(DevicesPage { devices, next }))
}

/// `GET /v1/devices/{id}`, and of its commands: an identifier may hold slashes, so one route takes both.
pub async fn one(State(api): State<Arc<Api>>, Name(id): Name, uri: Uri) -> Result<Response, ApiError> {
    if commands::is_about_commands(&uri) {
        return commands::list(&api, &id, &uri).map(IntoResponse::into_response);
    }
    Parameters::of(&uri, &[])?;
    api.hub.read(|views| find(views, &id)).map(|device| Json(device).into_response())
}

/// `GET /v1/groups`
pub async fn groups(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<Groups>, ApiError> {
    Parameters::of(&uri, &[])?;
    let (mut groups, mut after) = (Vec::new(), None::<Arc<str>>);
    loop {
        let (part, next) = api.hub.read(|views| views.groups(after.as_deref(), AT_A_TIME));
        groups.extend(part);
        after = next;
        if after.is_none() {
            break;
        }
    }
    groups.sort_unstable_by(|one: &Group, other| one.path.cmp(&other.path));
    Ok(Json(Groups { groups }))
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

/// The device of a full identifier, or of a last level that only one has.
pub fn find(views: &Views, name: &str) -> Result<Device, ApiError> {
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
