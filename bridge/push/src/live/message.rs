//! What clients say, and what the server says besides frames of views (docs/protocol.md).

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use tidegate_views::{NotAPosition, StreamPosition, UpdateSpec, ViewError, ViewSpec, WindowSpec};

use super::position::{PositionForm, ToldPosition};

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", expecting = "an object with a `type`")]
pub(crate) enum ClientMessage {
    Hello(Hello),
    Subscribe(Subscribe),
    Update(Update),
    Unsubscribe { id: u32 },
    Pause,
    Continue,
    Seen { bytes: u64 },
    Ping { n: i64 },
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Hello {
    pub protocol: u32,
    pub encoding: String,
    pub max_rate: Option<f64>,
    pub max_bytes_per_second: Option<u64>,
    pub epoch: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Subscribe {
    pub id: u32,
    /// Understood in a second step, so that a mistake in it is told as such.
    pub view: serde_json::Value,
    /// So is this.
    pub since: Option<serde_json::Value>,
    pub rate: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Update {
    pub id: u32,
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
    from: Option<i64>,
    to: Option<i64>,
    last: Option<i64>,
    width: Option<u32>,
    metric: Option<String>,
    pub rate: Option<f64>,
}

impl Subscribe {
    pub fn spec(&self) -> Result<ViewSpec, ErrorMessage> {
        ViewSpec::deserialize(&self.view)
            .map_err(|error| ErrorMessage::new(Code::View, Some(self.id), format!("`view` is not right: {error}")))
    }

    /// The position that the client brings, in the form in which it is told them. `epoch`: of numbers.
    pub fn since<'a>(&'a self, form: PositionForm, epoch: &'a str) -> Result<Option<StreamPosition<'a>>, ErrorMessage> {
        let Some(since) = &self.since else { return Ok(None) };
        let wrong = |what: &dyn Display| {
            ErrorMessage::new(Code::NotUnderstood, Some(self.id), format!("`since` ({since}) is {what}"))
        };
        match form {
            PositionForm::Number => {
                let version = since.as_u64().ok_or_else(|| wrong(&"no number that protocol 1 has for positions"))?;
                Ok(Some(StreamPosition { epoch, version }))
            }
            PositionForm::Text => {
                let text = since.as_str().ok_or(NotAPosition);
                text.and_then(StreamPosition::parse).map(Some).map_err(|error| wrong(&error))
            }
        }
    }
}

impl Update {
    pub fn spec(self) -> UpdateSpec {
        let window = WindowSpec { from: self.from, to: self.to, last: self.last, width: self.width };
        UpdateSpec {
            add: self.add,
            remove: self.remove,
            window: (window != WindowSpec::default()).then_some(window),
            metric: self.metric,
        }
    }
}

/// A message of the server that does not belong to a view's content.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ServerMessage<'a> {
    Welcome {
        protocol: u32,
        session: &'a str,
        epoch: &'a str,
        time_base: i64,
        time: i64,
        pulse_ms: u64,
        pulse_paused_ms: u64,
        max_rate: Option<f64>,
        max_bytes_per_second: Option<u64>,
        limits: Limits,
    },
    /// Deltas a second at most; `None`: as the link allows.
    Subscribed {
        id: u32,
        rate: Option<f64>,
    },
    Updated {
        id: u32,
        rate: Option<f64>,
    },
    Unsubscribed {
        id: u32,
    },
    Pace {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u32>,
        rate: Option<f64>,
        reason: &'static str,
    },
    Pulse {
        time: i64,
        at: ToldPosition<'a>,
        sent: u64,
    },
    Pong {
        n: i64,
        time: i64,
    },
    Goaway {
        reconnect_after_ms: u64,
    },
    Error(ErrorMessage),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Limits {
    pub subscriptions: usize,
    pub rows: usize,
    pub message_bytes: usize,
    pub bytes_in_flight_start: u64,
    pub bytes_in_flight_max: u64,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ErrorMessage {
    pub code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    pub message: String,
    pub retry: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// The numbers of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Code {
    NotUnderstood = 4000,
    NoHello = 4001,
    Unsupported = 4002,
    MessageTooLarge = 4003,
    SubscriptionNumber = 4100,
    View = 4101,
    Ambiguous = 4102,
    TooMany = 4103,
    Closing = 4200,
}

impl ErrorMessage {
    pub fn new(code: Code, id: Option<u32>, message: impl Into<String>) -> Self {
        let retry = code == Code::Closing;
        ErrorMessage { code: code as u16, id, message: message.into(), retry, retry_after_ms: None }
    }

    pub fn of_view(id: u32, error: &ViewError) -> Self {
        let code = match error {
            ViewError::Ambiguous { .. } => Code::Ambiguous,
            ViewError::TooLarge { .. } => Code::TooMany,
            _ => Code::View,
        };
        ErrorMessage::new(code, Some(id), error.to_string())
    }
}
