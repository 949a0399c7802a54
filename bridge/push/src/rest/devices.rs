use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidegate_telemetry::{DeviceState, Intent, Position};
use tidegate_views::read::{Device, DevicesQuery, Group, Hidden};

use super::listing::{self, AT_A_TIME, Listing};
use super::lookup::find;
use super::parameters::{Name, Parameters};
use super::{Api, commands, intent};
use crate::api;
use crate::archive::Asker;
use crate::error::{ApiError, Kind};

/// Why nothing of a device that is heard comes into history.
const NOT_KEPT: &str = "its readings are older than what history keeps: the newest are shown here, and are in no chart; set its \
                        clock, or raise store.retention_age_days";

pub fn shown<'a>(device: &'a Device, api: &Api) -> api::Device<'a> {
    let kept_from_ms = api.archive.kept_from_ms();
    let mut times = device.metrics.0.iter().filter_map(|(_, metric)| metric.time).peekable();
    let is_heard = device.state != DeviceState::Lost && times.peek().is_some();
    let not_kept = (is_heard && times.all(|time_ms| time_ms < kept_from_ms)).then_some(NOT_KEPT);
    api::Device::of(device, not_kept)
}

/// `GET /v1/devices`
pub async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, ApiError> {
    let parameters =
        Parameters::with_several(&uri, &["id", "group", "q", "label", "hidden", "limit", "cursor"], &["label"])?;
    let limit = parameters.number("limit", 1..=api.config.page_max, api.config.page_default)?;
    let labels = parameters.all("label").map(label).collect::<Result<Vec<_>, _>>()?;
    let mut page = Listing::of("devices");
    let mut last: Option<Arc<str>> = None;
    let mut cursor = parameters.cursor::<String>()?.map(Arc::from);
    let id = parameters.text("id");
    let asked = DevicesQuery {
        group: parameters.text("group").unwrap_or_default(),
        q: parameters.text("q").unwrap_or_default(),
        labels: &labels,
        hidden: hidden(parameters.text("hidden"), id.is_some())?,
        ..DevicesQuery::default()
    };
    if let Some(id) = id {
        return Ok(named(&api, id, &DevicesQuery { cursor: cursor.as_deref(), limit, ..asked }));
    }
    loop {
        let part = {
            let (cursor, looked_at_max) = (cursor.as_deref(), Some(AT_A_TIME));
            let limit = AT_A_TIME.min(limit + 1 - page.count);
            let query = DevicesQuery { cursor, limit, looked_at_max, ..asked.clone() };
            api.hub.read(|views| views.devices(&query))
        };
        for device in part.devices {
            if page.count == limit {
                return Ok(page.end_with_next(last.as_deref()));
            }
            page.push(&shown(&device, &api));
            last = Some(device.id);
        }
        if part.next.is_none() {
            return Ok(page.end_with_next(None));
        }
        cursor = part.next;
        listing::pause().await;
    }
}

/// A label that devices are to have: `key=value`.
fn label(text: &str) -> Result<(&str, &str), ApiError> {
    text.split_once('=').ok_or_else(|| ApiError::parameter("label", "label is key=value, such as label=floor%3D2"))
}

/// Whether devices that people hid are meant; one that is named is, unless it is said otherwise.
fn hidden(text: Option<&str>, is_named: bool) -> Result<Hidden, ApiError> {
    match text {
        None if is_named => Ok(Hidden::Too),
        None | Some("false") => Ok(Hidden::Not),
        Some("true") => Ok(Hidden::Too),
        Some("only") => Ok(Hidden::Only),
        Some(_) => Err(ApiError::parameter("hidden", "hidden is false, true (those as well) or only")),
    }
}

/// The device of a full identifier, whatever is in it, as a page: if the rest of the question fits it too.
fn named(api: &Api, id: &str, query: &DevicesQuery<'_>) -> Response {
    let mut page = Listing::of("devices");
    if let Some(device) = api.hub.read(|views| views.device_that_fits(id, query)) {
        page.push(&shown(&device, api));
    }
    page.end_with_next(None)
}

/// `GET /v1/devices/{id}`, and of its commands: an identifier may hold slashes, so one route takes both.
pub async fn one(State(api): State<Arc<Api>>, Name(id): Name, uri: Uri) -> Result<Response, ApiError> {
    if commands::is_about_commands(&uri) && !api.hub.read(|views| commands::is_device(views, &id)) {
        return commands::list(&api, &id, &uri).map(IntoResponse::into_response);
    }
    Parameters::of(&uri, &[])?;
    api.hub.read(|views| find(views, &id)).map(|device| Json(shown(&device, &api)).into_response())
}

/// A device of which nothing stays.
#[derive(Debug, Serialize)]
pub struct Erased {
    device: String,
    position: Position,
}

/// `DELETE /v1/devices/{id}`: everything there ever was of the device goes. Only its full identifier will do.
pub async fn erase(State(api): State<Arc<Api>>, asker: Asker, Name(id): Name, uri: Uri) -> Result<Response, ApiError> {
    if commands::is_about_commands(&uri) && !api.hub.read(|views| commands::is_device(views, &id)) {
        let detail = "commands of a device are not deleted one by one: they are forgotten with it, or by their age";
        return Ok(super::of_commands(ApiError::new(Kind::MethodNotAllowed, detail)));
    }
    let parameters = Parameters::of(&uri, &["by"])?;
    let by = intent::name(parameters.text("by").map(str::to_owned), "give it as by=")?;
    let is_known = api.hub.read(|views| views.group_of(&id).is_some() || views.has_alerts_of(&id));
    let device = id.clone();
    if !is_known && !api.archive.ask(asker, move |history, _| Ok(history.has_device(&device))).await? {
        let detail = format!("no device has the full identifier {id:?}, here or in history: nothing was erased");
        return Err(ApiError::new(Kind::UnknownDevice, detail));
    }
    let intent = Intent::EraseDevice { received_ms: api.hub.now_ms(), by, device: id.clone() };
    let position = intent::submit(&api, intent).await?;
    Ok(Json(Erased { device: id, position }).into_response())
}

/// `GET /v1/groups`
pub async fn groups(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, ApiError> {
    Parameters::of(&uri, &[])?;
    let (mut groups, mut after) = (Vec::new(), None::<Arc<str>>);
    loop {
        let (part, next) = api.hub.read(|views| views.groups(after.as_deref(), AT_A_TIME));
        groups.extend(part);
        after = next;
        if after.is_none() {
            break;
        }
        listing::pause().await;
    }
    groups.sort_unstable_by(|one: &Group, other| one.path.cmp(&other.path));
    let mut all = Listing::of("groups");
    for part in groups.chunks(AT_A_TIME) {
        part.iter().for_each(|group| all.push(&api::Group::from(group)));
        listing::pause().await;
    }
    Ok(all.end())
}
