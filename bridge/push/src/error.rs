//! Why a request was not answered as asked: problem documents (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tidegate_telemetry::HistoryError;

use crate::ports::IntentError;

/// Why a request was not answered as asked: a problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct ApiError {
    kind: Kind,
    detail: String,
    fields: Map<String, Value>,
}

/// The kinds of problems; each has a `type` that does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A query parameter or header is unknown, missing, repeated or out of range.
    InvalidParameter,
    /// The body is not what the method takes.
    InvalidBody,
    /// There is no `Host`, or several.
    InvalidHost,
    /// A page of another origin wants to open a stream or change something.
    OriginRefused,
    /// Nothing is served at this path.
    UnknownPath,
    /// No device has the name.
    UnknownDevice,
    /// The device has no such metric.
    UnknownMetric,
    /// No zone has that name.
    UnknownTimezone,
    /// No alert has the identifier.
    UnknownAlert,
    /// No MQTT client has the identifier.
    UnknownClient,
    /// No command with the identifier is remembered.
    UnknownCommand,
    /// The path does not take the method.
    MethodNotAllowed,
    /// Several devices have the short name.
    AmbiguousDevice,
    /// MQTT clients of several principals have the identifier.
    AmbiguousClient,
    /// The alert holds no longer.
    AlertCleared,
    /// As many commands wait as may.
    CommandsFull,
    /// As much is said of devices as may be.
    RegisterFull,
    /// The header and the body of a command have different keys.
    KeysDiffer,
    /// The key belongs to another command.
    KeyReused,
    /// A question asks for more than one may.
    TooMuch,
    /// The body is larger than it may be.
    BodyTooLarge,
    /// The body took too long.
    BodyTooSlow,
    /// The server is not known under the name in `Host`.
    HostRefused,
    /// A file of the history could not be read.
    HistoryUnreadable,
    /// Something that cannot be happened.
    Internal,
    /// The MQTT engine that runs cannot do it.
    Unsupported,
    /// The program does not do its work yet, or no longer.
    NotReady,
    /// A bound on work done at the same time was met.
    Busy,
    /// A backup is being taken already.
    BackupRunning,
    /// The data folder cannot be read for a backup.
    BackupUnreadable,
    /// The path speaks WebSocket only.
    UpgradeRequired,
}

impl Kind {
    const fn describe(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Kind::InvalidParameter => (StatusCode::BAD_REQUEST, "invalid-parameter", "Invalid parameter"),
            Kind::InvalidBody => (StatusCode::BAD_REQUEST, "invalid-body", "Invalid body"),
            Kind::InvalidHost => (StatusCode::BAD_REQUEST, "invalid-host", "Invalid host"),
            Kind::OriginRefused => (StatusCode::FORBIDDEN, "origin-refused", "Origin refused"),
            Kind::UnknownPath => (StatusCode::NOT_FOUND, "unknown-path", "Unknown path"),
            Kind::UnknownDevice => (StatusCode::NOT_FOUND, "unknown-device", "Unknown device"),
            Kind::UnknownMetric => (StatusCode::NOT_FOUND, "unknown-metric", "Unknown metric"),
            Kind::UnknownTimezone => (StatusCode::NOT_FOUND, "unknown-timezone", "Unknown timezone"),
            Kind::UnknownAlert => (StatusCode::NOT_FOUND, "unknown-alert", "Unknown alert"),
            Kind::UnknownClient => (StatusCode::NOT_FOUND, "unknown-client", "Unknown client"),
            Kind::UnknownCommand => (StatusCode::NOT_FOUND, "unknown-command", "Unknown command"),
            Kind::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Kind::AmbiguousDevice => (StatusCode::CONFLICT, "ambiguous-device", "Ambiguous device"),
            Kind::AmbiguousClient => (StatusCode::CONFLICT, "ambiguous-client", "Ambiguous client"),
            Kind::AlertCleared => (StatusCode::CONFLICT, "alert-cleared", "Alert cleared"),
            Kind::CommandsFull => (StatusCode::CONFLICT, "commands-full", "Too many commands wait"),
            Kind::RegisterFull => (StatusCode::CONFLICT, "register-full", "Too much is said of devices"),
            Kind::KeysDiffer => (StatusCode::CONFLICT, "keys-differ", "Two different keys"),
            Kind::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "key-reused", "Key used for another command"),
            Kind::TooMuch => (StatusCode::UNPROCESSABLE_ENTITY, "too-much", "Too much for one question"),
            Kind::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            Kind::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body-too-slow", "Body too slow"),
            Kind::HostRefused => (StatusCode::MISDIRECTED_REQUEST, "host-refused", "Host refused"),
            Kind::HistoryUnreadable => (StatusCode::INTERNAL_SERVER_ERROR, "history-unreadable", "History unreadable"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Kind::Unsupported => (StatusCode::NOT_IMPLEMENTED, "unsupported", "Unsupported"),
            Kind::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready"),
            Kind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy"),
            Kind::BackupRunning => (StatusCode::CONFLICT, "backup-running", "A backup is running"),
            Kind::BackupUnreadable => (StatusCode::INTERNAL_SERVER_ERROR, "backup-unreadable", "Backup unreadable"),
            Kind::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, "upgrade-required", "Upgrade required"),
        }
    }
}

impl ApiError {
    /// `detail` says what went wrong here and what to do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        ApiError { kind, detail: detail.into(), fields: Map::new() }
    }

    /// A parameter or header that is not as it should be.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        ApiError::new(Kind::InvalidParameter, detail).with("parameter", name)
    }

    /// Adds a member to the document.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.kind.describe().0
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, name, title) = self.kind.describe();
        let mut document = json!({
            "type": format!("urn:tidegate:{name}"), "title": title, "status": status.as_u16(), "detail": self.detail,
        });
        if let Some(members) = document.as_object_mut() {
            members.extend(self.fields);
        }
        let media_type = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, media_type)], document.to_string()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

impl From<HistoryError> for ApiError {
    fn from(error: HistoryError) -> Self {
        ApiError::new(Kind::HistoryUnreadable, error.to_string())
    }
}

impl From<IntentError> for ApiError {
    fn from(error: IntentError) -> Self {
        let kind = match error {
            IntentError::Stopping => Kind::NotReady,
            IntentError::Overloaded => Kind::Busy,
            IntentError::Refused(_) => Kind::Internal,
        };
        ApiError::new(kind, error.to_string())
    }
}
