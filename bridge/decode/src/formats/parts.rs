//! JSON messages of known shape, part by part: one part that is not as it should be takes nothing else away.

use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_telemetry::{Reason, Rejection};

use crate::flaws::Flaws;
use crate::format::Input;
use crate::time;

/// The payload as an object of `what`.
pub(super) fn whole<'a, T: Deserialize<'a>>(input: &Input<'a>, what: &str) -> Result<T, Rejection> {
    serde_json::from_str(input.text()?).map_err(|error| broken(what, error))
}

fn broken(what: &str, error: impl Display) -> Rejection {
    Rejection::new(Reason::InvalidJson, format!("no JSON object as {what} has it ({error}): nothing of it was taken"))
}

/// A part of it; `None` where it is absent, `null`, or something else, which is told.
pub(super) fn part<'a, T: Deserialize<'a>>(name: &str, raw: Option<&'a RawValue>, flaws: &mut Flaws) -> Option<T> {
    let raw = raw.filter(|raw| raw.get() != "null")?;
    let told = |error| Rejection::new(Reason::NotUnderstood, format!("{name} is left out: {error}"));
    serde_json::from_str(raw.get()).map_err(|error| flaws.add(told(error))).ok()
}

/// A time as text or number.
pub(super) fn date(raw: Option<&RawValue>, input: &Input<'_>, flaws: &mut Flaws) -> Option<i64> {
    let raw = raw.filter(|raw| raw.get() != "null")?;
    let ms = match serde_json::from_str::<String>(raw.get()) {
        Ok(text) => time::from_text(&text, input.zone),
        Err(_) => match (raw.get().parse::<i64>(), raw.get().parse::<f64>()) {
            (Ok(integer), _) => time::from_integer(integer),
            (_, Ok(number)) => time::from_number(number),
            _ => Err(time::neither_number_nor_text()),
        },
    };
    ms.map_err(|flaw| flaws.add(flaw)).ok()
}
