use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tidegate_telemetry::{CommandId, CommandRequest, Intent, Qos};
use tidegate_views::Views;
use tidegate_views::read::Lookup;

use super::parameters::{NO_TOPIC, Name, Parameters, is_topic};
use super::payload::Payload;
use super::{Api, intent, lookup};
use crate::api::Command;
use crate::config::CommandsConfig;
use crate::error::{ApiError, Kind};

/// What to send.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Asked {
    topic: Option<String>,
    payload: Option<Payload>,
    #[serde(default, deserialize_with = "whole")]
    qos: Option<u32>,
    response_topic: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    expires_in_s: Option<u32>,
    key: Option<String>,
    by: Option<String>,
}

/// Commands, and what the next one is when a request does not say.
#[derive(Debug, Serialize)]
pub struct Listed {
    commands: Vec<Command>,
    next: Option<String>,
    defaults: Defaults,
}

#[derive(Debug, Serialize)]
struct Defaults {
    topic: String,
    response_topic: String,
    qos: u8,
    expires_in_s: u32,
    expires_in_max_s: u32,
    payload_bytes_max: usize,
}

impl Defaults {
    fn of(device: &str, config: &CommandsConfig) -> Self {
        Defaults {
            topic: config.topic_of(device),
            response_topic: config.response_topic_of(device),
            qos: QOS_DEFAULT.level(),
            expires_in_s: config.expires_in_s(),
            expires_in_max_s: config.expires_in_max_s(),
            payload_bytes_max: config.payload_bytes_max,
        }
    }
}

/// An integer as JSON Schema has it: also `60.0`.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(from)? else { return Ok(None) };
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // as was just checked
    if is_whole { Ok(Some(number as u32)) } else { Err(D::Error::custom(format!("{number} is not a whole number"))) }
}

const QOS_DEFAULT: Qos = Qos::AtLeastOnce;
const EXPECTED: &str = "send {\"payload\":{\"text\":\"on\"}}; see docs/rest.md for the other keys";

/// Whether a path under `/v1/devices/` may be about a device's commands.
pub fn is_about_commands(uri: &Uri) -> bool {
    uri.path().strip_prefix("/v1/devices/").is_some_and(|rest| rest.ends_with(SUFFIX))
}

/// Whether the name that a path ends with is that of a device whose last level is `commands`, and no device is known of
/// whose commands it could be about. With `%2F` in front of that level it is always the device.
pub fn is_device(views: &Views, name: &str) -> bool {
    let is_known = |name: &str| matches!(views.device(name), Lookup::Unique(device) if *device.id == *name);
    !is_known(device_of(name)) && is_known(name)
}

const SUFFIX: &str = "/commands";

/// `POST /v1/devices/{id}/commands`
///
/// The first request of a key in the log counts. Asking again with the key is answered with the same command.
pub async fn send(
    State(api): State<Arc<Api>>,
    Name(path): Name,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    Parameters::of(&uri, &[])?;
    if !is_about_commands(&uri) {
        let detail = "nothing is posted to a device: commands go to /v1/devices/{id}/commands";
        return Ok(super::of_a_device(ApiError::new(Kind::MethodNotAllowed, detail)));
    }
    let header_key = intent::idempotency_key(&headers)?;
    let asked: Asked = intent::read(&intent::body(&api, body).await?, EXPECTED)?;
    let by = intent::name(asked.by.clone(), EXPECTED)?;
    let device = api.hub.read(|views| lookup::find(views, device_of(&path)))?.id;
    let request = request(&api, device, asked, header_key)?;
    if let Some(known) = known(&api, &request)? {
        return Ok(accepted(known));
    }
    let asked = Intent::SendCommand { received_ms: api.hub.now_ms(), by, request: Box::new(request.clone()) };
    let id = CommandId(intent::submit(&api, asked).await?);
    let command = match api.hub.read(|views| views.command(id)) {
        Some(command) => Some(command),
        None => known(&api, &request)?,
    };
    let full = || {
        let detail = format!(
            "as many commands wait for {} (or for all devices) as commands.per_device_max, total_max and bytes_max \
             allow: try again when some are delivered or expired",
            request.device
        );
        ApiError::new(Kind::CommandsFull, detail)
    };
    command.map(accepted).ok_or_else(full)
}

/// `GET /v1/devices/{id}/commands`
pub fn list(api: &Api, path: &str, uri: &Uri) -> Result<Json<Listed>, ApiError> {
    let parameters = Parameters::of(uri, &["limit", "cursor"])?;
    let limit = parameters.number("limit", 1..=api.config.page_max, api.config.page_default)?;
    let before = parameters.cursor::<CursorId>()?.map(|cursor| cursor.0);
    api.hub.read(|views| {
        let device = lookup::find(views, device_of(path))?;
        let page = views.commands(&device.id, before, limit);
        Ok(Json(Listed {
            commands: page.commands.into_iter().map(Command).collect(),
            next: page.next.map(|id| id.to_string()),
            defaults: Defaults::of(&device.id, &api.config.commands),
        }))
    })
}

/// `GET /v1/commands/{id}`
pub async fn one(State(api): State<Arc<Api>>, Name(id): Name, uri: Uri) -> Result<Json<Command>, ApiError> {
    Parameters::of(&uri, &[])?;
    let command = CommandId::parse(&id).and_then(|id| api.hub.read(|views| views.command(id)));
    command.map(Command).map(Json).ok_or_else(|| {
        let detail = format!("no command {id:?} is remembered: GET /v1/devices/{{id}}/commands lists those that are");
        ApiError::new(Kind::UnknownCommand, detail)
    })
}

struct CursorId(CommandId);

impl std::str::FromStr for CursorId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.strip_prefix("c-").ok_or(())?;
        let is_number = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        CommandId::parse(text).filter(|_| is_number).map(CursorId).ok_or(())
    }
}

fn device_of(path: &str) -> &str {
    path.strip_suffix(SUFFIX).unwrap_or(path)
}

/// The command that was asked for with the request's key before.
fn known(api: &Api, request: &CommandRequest) -> Result<Option<Arc<tidegate_telemetry::Command>>, ApiError> {
    let Some(key) = &request.key else { return Ok(None) };
    let known = api.hub.read(|views| views.command_of_key(&request.device, key));
    match known {
        Some(known) if known.request != *request => {
            let detail = format!("the key {key:?} was used for another command ({}): take a new key", known.id);
            Err(ApiError::new(Kind::KeyReused, detail).with("command", known.id.to_string()))
        }
        known => Ok(known),
    }
}

fn accepted(command: Arc<tidegate_telemetry::Command>) -> Response {
    let location = HeaderValue::try_from(format!("/v1/commands/{}", command.id)).expect("an identifier is ASCII");
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(Command(command))).into_response()
}

fn request(api: &Api, device: Arc<str>, asked: Asked, header_key: Option<String>) -> Result<CommandRequest, ApiError> {
    let config = &api.config.commands;
    let invalid = |what: String| intent::invalid(&what, EXPECTED);
    let topic = |topic: String, field: &str| -> Result<Arc<str>, ApiError> {
        match is_topic(&topic) {
            true => Ok(topic.into()),
            false => Err(invalid(format!("{field} {topic:?} is {NO_TOPIC}"))),
        }
    };
    let topic_name = topic(asked.topic.unwrap_or_else(|| config.topic_of(&device)), "topic")?;
    let response_topic = asked.response_topic.unwrap_or_else(|| config.response_topic_of(&device));
    let response_topic = topic(response_topic, "response_topic")?;
    let (payload, content_type) = match asked.payload {
        None => (Bytes::new(), None),
        Some(payload) => payload.into_bytes().map_err(invalid)?,
    };
    if payload.len() > config.payload_bytes_max {
        let detail = format!("the payload is over commands.payload_bytes_max ({})", config.payload_bytes_max);
        return Err(ApiError::new(Kind::BodyTooLarge, detail));
    }
    let qos = asked.qos.map_or(Some(QOS_DEFAULT), |qos| Qos::from_level(u8::try_from(qos).ok()?));
    let qos = qos.ok_or_else(|| invalid("qos is 0, 1 or 2".to_owned()))?;
    let expires_in_s = asked.expires_in_s.unwrap_or_else(|| config.expires_in_s());
    if !(1..=config.expires_in_max_s()).contains(&expires_in_s) {
        return Err(invalid(format!("expires_in_s is from 1 to {}", config.expires_in_max_s())));
    }
    let key = match (header_key, asked.key) {
        (Some(header), Some(field)) if header != field => {
            return Err(ApiError::new(Kind::KeysDiffer, "key and Idempotency-Key differ: give one of them"));
        }
        (header, field) => header.or(field),
    };
    if key.as_deref().is_some_and(|key| !intent::is_key(key)) {
        return Err(invalid("key needs 1 to 255 printable ASCII characters".to_owned()));
    }
    let (content_type, key) = (content_type.map(Arc::from), key.map(Arc::from));
    Ok(CommandRequest { device, topic: topic_name, payload, content_type, qos, response_topic, expires_in_s, key })
}
