//! What a text means whose kind its format knows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{Reason, Rejection, Value};

use crate::format::Input;
use crate::words;

/// The kind of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Meaning {
    /// A number, and nothing else.
    Number,
    /// One of two texts, that for `true` first.
    Switch(Arc<str>, Arc<str>),
    /// The text as it is.
    Text,
    /// Whatever it looks like.
    Any,
}

impl Meaning {
    /// The value of a text; `None`: the sensor has none.
    pub(crate) fn read(&self, input: &mut Input<'_>, metric: &str, text: &str) -> Result<Option<Value>, Rejection> {
        let config = input.config;
        let read = words::read(if *self == Meaning::Any { &config.label_words } else { &[] }, metric, text);
        if let (Meaning::Number | Meaning::Any, Err(rejection)) = (self, &read) {
            return Err(rejection.clone());
        }
        match (self, read) {
            (Meaning::Switch(on, _), _) if *text == **on => Ok(Some(Value::Bool(true))),
            (Meaning::Switch(_, off), _) if *text == **off => Ok(Some(Value::Bool(false))),
            (_, Ok(words::Meaning::NoValue)) => Ok(None),
            (Meaning::Switch(on, off), _) => Err(not_understood(metric, text, &format!("neither {on:?} nor {off:?}"))),
            (_, Ok(words::Meaning::Number(number) | words::Meaning::LongInteger(_, number)))
                if *self != Meaning::Text =>
            {
                Ok(Some(Value::Number(number)))
            }
            (Meaning::Number, _) => Err(not_understood(metric, text, "no number")),
            (Meaning::Any, Ok(words::Meaning::Switch(on))) => Ok(Some(Value::Bool(on))),
            _ if text.len() > config.text_bytes_max => Err(too_long(metric, text.len(), config.text_bytes_max)),
            _ => Ok(Some(Value::Text(input.names.text(text)))),
        }
    }

    /// The value of a number.
    pub(crate) fn read_number(
        &self,
        input: &mut Input<'_>,
        metric: &str,
        number: f64,
    ) -> Result<Option<Value>, Rejection> {
        match self {
            Meaning::Number | Meaning::Any => Ok(Some(Value::Number(number))),
            Meaning::Text | Meaning::Switch(..) => self.read(input, metric, &number.to_string()),
        }
    }
}

fn not_understood(metric: &str, text: &str, what: &str) -> Rejection {
    let shown: String = text.chars().take(40).collect();
    let detail = format!("{metric} is {shown:?}, {what}, as its description says: correct one or the other");
    Rejection::new(Reason::NotUnderstood, detail)
}

fn too_long(metric: &str, bytes: usize, max: usize) -> Rejection {
    let detail =
        format!("the text of {metric:?} has {bytes} bytes, more than decode.text_bytes_max ({max}): shorten it");
    Rejection::new(Reason::PayloadTooLarge, detail)
}
