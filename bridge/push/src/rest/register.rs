//! What people say of devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tidegate_telemetry::register::{INTERVAL_MS_MAX, LABEL_CHARS_MAX, LABELS_MAX, NAME_CHARS_MAX, NOTES_CHARS_MAX};
use tidegate_telemetry::{DeviceWord, Intent, WordChange};

use super::lookup::find;
use super::parameters::{Name, Parameters};
use super::{Api, commands, devices, intent};
use crate::error::{ApiError, Kind};

/// What somebody says of a device: what is not there stays as it is, `null` takes back what was said.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Describe {
    by: Option<String>,
    #[serde(default, deserialize_with = "said")]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    group: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    labels: Option<Option<BTreeMap<String, Option<String>>>>,
    #[serde(default, deserialize_with = "said")]
    notes: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    hidden: Option<Option<bool>>,
    #[serde(default, deserialize_with = "whole")]
    interval_ms: Option<Option<i64>>,
}

/// A field that is there, and may be `null`.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// An integer as JSON Schema has it: also `60.0`. What is no time between two reports is told with the others.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<i64>>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(from)? else { return Ok(Some(None)) };
    #[allow(clippy::cast_possible_truncation)] // as was just checked
    let whole = (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64);
    whole
        .map(|ms| Some(Some(ms)))
        .ok_or_else(|| D::Error::custom(format!("interval_ms {number} is not a whole number")))
}

const EXPECTED: &str = "send {\"name\":\"Cellar\",\"group\":\"House/Cellar\",\"labels\":{\"floor\":\"-1\"},\"notes\":\"…\",\
                        \"hidden\":false,\"interval_ms\":600000,\"by\":\"your name\"}, or some of it; null takes back what was said";

/// `PATCH /v1/devices/{id}`
///
/// As a JSON Merge Patch (RFC 7396) of what people say. What is said already is answered as it is.
pub async fn describe(
    State(api): State<Arc<Api>>,
    Name(id): Name,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if commands::is_about_commands(&uri) && !api.hub.read(|views| commands::is_device(views, &id)) {
        let detail = "commands of a device are not changed: send a new one";
        return Ok(super::of_commands(ApiError::new(Kind::MethodNotAllowed, detail)));
    }
    Parameters::of(&uri, &[])?;
    // Repeating is safe by itself, so the key needs no remembering.
    intent::idempotency_key(&headers)?;
    let asked: Describe = intent::read(&intent::body(&api, body).await?, EXPECTED)?;
    let by = intent::name(asked.by.clone(), EXPECTED)?;
    let device = api.hub.read(|views| find(views, &id))?;
    let before = device.said.as_ref().map(|said| said.word.clone()).unwrap_or_default();
    let changes = changes(asked, &before)?;
    if before.clone().change(&changes).is_empty() {
        return Ok(Json(devices::shown(&device, &api)).into_response());
    }
    check_labels(&before, &changes)?;
    let id = device.id.to_string();
    let wanted_changes = changes.clone();
    let wanted = Intent::DescribeDevice { received_ms: api.hub.now_ms(), by, device: id.clone(), changes };
    intent::submit(&api, wanted).await?;
    let now = api.hub.read(|views| find(views, &id))?;
    let word = now.said.as_ref().map(|said| said.word.clone());
    if !word.unwrap_or_default().change(&wanted_changes).is_empty() {
        let detail = "what people say of all devices takes as many bytes as register.bytes_max allows: take back or shorten \
                      some notes, or raise the key";
        return Err(ApiError::new(Kind::RegisterFull, detail));
    }
    Ok(Json(devices::shown(&now, &api)).into_response())
}

/// What is asked for, each as it may be.
fn changes(asked: Describe, before: &DeviceWord) -> Result<Vec<WordChange>, ApiError> {
    let Describe { name, group, labels, notes, hidden, interval_ms, .. } = asked;
    let mut changes = Vec::new();
    if let Some(name) = name {
        changes.push(WordChange::Name(name.map(|name| line("name", &name, NAME_CHARS_MAX)).transpose()?));
    }
    if let Some(group) = group {
        changes.push(WordChange::Group(group.map(|group| path(&group)).transpose()?));
    }
    match labels {
        None => {}
        Some(None) => changes.extend(before.labels.iter().map(|(key, _)| WordChange::Label(Arc::clone(key), None))),
        Some(Some(labels)) => {
            for (key, value) in labels {
                let key = line("the key of a label", &key, LABEL_CHARS_MAX)?;
                if key.contains('=') {
                    return Err(invalid(&format!("the key {key:?} of a label has a \"=\" in it")));
                }
                let what = format!("the value of the label {key:?}");
                let value = value.map(|value| line(&what, &value, LABEL_CHARS_MAX)).transpose()?;
                changes.push(WordChange::Label(key, value));
            }
        }
    }
    if let Some(text) = notes {
        changes.push(WordChange::Notes(text.map(|text| notes_of(&text)).transpose()?));
    }
    if let Some(hidden) = hidden {
        changes.push(WordChange::Hidden(hidden.unwrap_or(false)));
    }
    if let Some(interval_ms) = interval_ms {
        if interval_ms.is_some_and(|ms| !(1_000..=INTERVAL_MS_MAX).contains(&ms)) {
            return Err(invalid("interval_ms is from 1000 (1 s) to 31622400000 (a year)"));
        }
        changes.push(WordChange::ReportMs(interval_ms));
    }
    Ok(changes)
}

fn check_labels(before: &DeviceWord, changes: &[WordChange]) -> Result<(), ApiError> {
    let mut after = before.clone();
    after.change(changes);
    match after.labels.len() {
        // Two who say something at once may have left more.
        count if count <= LABELS_MAX.max(before.labels.len()) => Ok(()),
        count => Err(invalid(&format!("the device would have {count} labels, at most {LABELS_MAX} are kept"))),
    }
}

/// Text of one line, without what stands around it.
fn line(what: &str, text: &str, chars_max: usize) -> Result<Arc<str>, ApiError> {
    let text = text.trim();
    let is_shown = !text.chars().any(char::is_control);
    match text.chars().count() {
        0 => Err(invalid(&format!("{what} is empty: null takes it back"))),
        count if count > chars_max => {
            Err(invalid(&format!("{what} has {count} characters, at most {chars_max} are kept")))
        }
        _ if !is_shown => Err(invalid(&format!("{what} has characters that cannot be shown"))),
        _ => Ok(text.into()),
    }
}

/// A group path: levels joined by `/`, none of them empty; the empty path is no group.
fn path(text: &str) -> Result<Arc<str>, ApiError> {
    if text.trim().is_empty() {
        return Ok("".into());
    }
    let path = line("group", text, NAME_CHARS_MAX)?;
    match path.split('/').any(|level| level.trim().is_empty()) {
        true => Err(invalid(&format!("group {path:?} has a level without a name: join levels by single slashes"))),
        false => Ok(path),
    }
}

fn notes_of(text: &str) -> Result<Arc<str>, ApiError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid("notes are empty: null takes them back"));
    }
    let count = text.chars().count();
    if count > NOTES_CHARS_MAX {
        return Err(invalid(&format!("notes have {count} characters, at most {NOTES_CHARS_MAX} are kept")));
    }
    match text.chars().any(|char| char.is_control() && char != '\n' && char != '\t') {
        true => Err(invalid("notes have characters that cannot be shown")),
        false => Ok(text.into()),
    }
}

fn invalid(what: &str) -> ApiError {
    intent::invalid(what, EXPECTED)
}
