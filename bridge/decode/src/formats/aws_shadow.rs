//! Device shadows of AWS IoT: `$aws/things/{thing}/shadow[/name/{name}]/update`, also what the service answers there
//! (`update/accepted`, `update/documents`). What is reported is what was measured; what is desired is not.

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_telemetry::{Decoded, Rejection};

use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input};
use crate::gather::Place;

use super::json;
use super::parts::{date, part, whole};

pub(super) const AWS_SHADOW: FormatEntry =
    FormatEntry { name: "aws-shadow", meaning: "device shadows of AWS IoT", new: |_| Box::new(AwsShadow) };

/// What all topics of things begin with.
pub(super) const THINGS: &str = "$aws/things/";

#[derive(Debug)]
struct AwsShadow;

#[derive(Debug, Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    state: Option<&'a RawValue>,
    /// Of `update/documents`.
    current: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct State<'a> {
    #[serde(borrow)]
    reported: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Current<'a> {
    #[serde(borrow)]
    state: Option<State<'a>>,
}

impl Format for AwsShadow {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        input.topic.starts_with(THINGS)
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let Some((thing, shadow, verb)) = split(input.topic) else { return Ok(()) };
        if !matches!(verb, "update" | "update/accepted" | "update/documents") {
            return Ok(());
        }
        let said: Document<'_> = whole(input, "a shadow")?;
        let mut flaws = Flaws::default();
        let current = part::<Current<'_>>("current", said.current, &mut flaws).and_then(|current| current.state);
        let state = current.or_else(|| part("state", said.state, &mut flaws));
        if let Some(reported) = state.and_then(|state| state.reported).filter(|reported| reported.get() != "null") {
            let time_ms = date(said.timestamp, input, &mut flaws);
            let place = Place { device: input.name("thing", thing)?, group: Default::default() };
            if let Some(mut reading) = json::object(input, &mut flaws, reported.get(), &place, time_ms) {
                let named = shadow.map(|shadow| json::below(&mut reading, shadow, input)).unwrap_or(Ok(()));
                named.map(|()| out.readings.push(reading)).unwrap_or_else(|flaw| flaws.add(flaw));
            }
        }
        flaws.into_result(&mut out.further)
    }
}

/// Thing, shadow where it has a name, and what is done to it.
fn split(topic: &str) -> Option<(&str, Option<&str>, &str)> {
    let (thing, rest) =
        topic.strip_prefix(THINGS).or_else(|| Some(topic.split_once(THINGS)?.1))?.split_once("/shadow/")?;
    match rest.strip_prefix("name/") {
        Some(named) => named.split_once('/').map(|(shadow, verb)| (thing, Some(shadow), verb)),
        None => Some((thing, None, rest)),
    }
}

/// Why no format would be asked otherwise: names below `$` belong to brokers and clouds.
pub(super) fn is_of_things(topic: &str) -> bool {
    topic.starts_with(THINGS) && !topic[THINGS.len()..].is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_the_thing_and_its_shadow() {
        assert_eq!(split("$aws/things/pump/shadow/update"), Some(("pump", None, "update")));
        let named = Some(("pump", Some("motor"), "update/accepted"));
        assert_eq!(split("$aws/things/pump/shadow/name/motor/update/accepted"), named);
        assert_eq!(split("$aws/things/pump/jobs/notify"), None);
    }
}
