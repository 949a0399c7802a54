//! JSON readings: `{"deviceId":"sensor_001","temperature":23.5,"timestamp":1704723845000,"location":"Building A"}`,
//! or an array of them.

mod draft;
mod flatten;
mod scalar;

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tidegate_telemetry::{Decoded, Reading, Reason, Rejection};

use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input};
use crate::gather::Place;
use crate::non_finite;
use crate::surroundings::without_surroundings;
use draft::Draft;
pub(super) use draft::Found;

/// It was there first, hence the name that configurations have.
pub(super) const JSON: FormatEntry = FormatEntry { name: "reference", meaning: "JSON", new: |_| Box::new(Json) };

#[derive(Debug)]
struct Json;

impl Format for Json {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        match input.text {
            Ok(text) => text.starts_with(['{', '[']),
            Err(_) => matches!(input.payload.trim_ascii_start(), [b'{' | b'[', ..]),
        }
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let flaws = match input.text() {
            Ok(text) => decode(input, text, &mut out.readings)?,
            Err(not_utf8) => decode_beside(input, not_utf8, &mut out.readings)?,
        };
        flaws.into_result(&mut out.further)
    }
}

/// Puts the metrics of a reading below a name.
pub(super) fn below(reading: &mut Reading, name: &str, input: &mut Input<'_>) -> Result<(), Rejection> {
    let metrics = reading.metrics.iter_mut().map(|(metric, _)| metric);
    for metric in metrics.chain(&mut reading.without_value) {
        *metric = input.name("metric name", &format!("{name}.{metric}"))?;
    }
    Ok(())
}

/// Reads what another format has written as JSON.
pub(super) fn text(input: &mut Input<'_>, text: &str, out: &mut Decoded) -> Result<(), Rejection> {
    decode(input, text, &mut out.readings)?.into_result(&mut out.further)
}

/// Reads a JSON object of metrics, objects within it by names with dots, as what was measured at one place and time. What
/// is no object, and what is no JSON, is told.
pub(super) fn object(
    input: &mut Input<'_>,
    flaws: &mut Flaws,
    text: &str,
    place: &Place,
    time_ms: Option<i64>,
) -> Option<Reading> {
    let mut draft = Draft::of_metrics(input, flaws);
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Metrics { draft: &mut draft }.deserialize(&mut json).and_then(|()| json.end());
    let reading = draft.finish_at(place, time_ms);
    match read {
        Ok(()) => reading,
        Err(error) => {
            flaws.add(broken(&error));
            None
        }
    }
}

/// Reads an object of metrics.
struct Metrics<'d, 'a> {
    draft: &'d mut Draft<'a>,
}

impl<'de> DeserializeSeed<'de> for Metrics<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Metrics<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of metrics")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        flatten::read(self.draft, map)
    }
}

fn decode(input: &mut Input<'_>, text: &str, out: &mut Vec<Reading>) -> Result<Flaws, Rejection> {
    let mut flaws = Flaws::default();
    if let Err(whole) = read(input, text, out, &mut flaws) {
        lines(input, text, out, &mut flaws).ok_or(whole)?;
    }
    Ok(flaws)
}

/// Takes what stands beside bytes that are not UTF-8, such as a `°` of Latin-1 in a text. Names that hold such bytes may be
/// the same without being one: a device of such a name, and a metric, is left out.
fn decode_beside(input: &mut Input<'_>, not_utf8: Rejection, out: &mut Vec<Reading>) -> Result<Flaws, Rejection> {
    let (before, text) = (out.len(), String::from_utf8_lossy(input.payload));
    let Ok(found) = decode(input, without_surroundings(&text), out) else { return Err(not_utf8) };
    let is_whole = |name: &Arc<str>| !name.contains(char::REPLACEMENT_CHARACTER);
    let taken = out.drain(before..).filter(|reading| is_whole(&reading.device)).filter_map(|mut reading| {
        reading.metrics.retain(|(name, _)| is_whole(name));
        reading.without_value.retain(is_whole);
        (!reading.metrics.is_empty() || !reading.without_value.is_empty()).then_some(reading)
    });
    let taken: Vec<Reading> = taken.collect();
    out.extend(taken);
    let mut flaws = Flaws::default();
    flaws.add(Rejection { detail: format!("{}; what stands beside it counts", not_utf8.detail), ..not_utf8 });
    flaws.extend(found);
    Ok(flaws)
}

/// Reads a JSON text on each line (<https://jsonlines.org>). `None` when the first line is none.
fn lines(input: &mut Input<'_>, text: &str, out: &mut Vec<Reading>, flaws: &mut Flaws) -> Option<()> {
    let (before, max) = (out.len(), input.config.readings_max);
    let mut lines = (1_usize..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    read(input, lines.next()?.1, out, flaws).ok()?;
    for (number, line) in lines.by_ref() {
        if let Err(broken) = read(input, line, out, flaws) {
            let what = broken.detail.replace(" at line 1 column", " at column");
            let detail = format!("line {number} of the publication is {what}; the other lines count");
            flaws.add(Rejection::new(broken.reason, detail));
        }
        if out.len() - before >= max {
            break;
        }
    }
    let left = lines.count();
    if left > 0 {
        flaws.add(too_many_readings(max, left));
    }
    Some(())
}

/// Reads one JSON text. What is not finite in it is a flaw; of a text that is not JSON nothing is taken.
fn read(input: &mut Input<'_>, text: &str, out: &mut Vec<Reading>, flaws: &mut Flaws) -> Result<(), Rejection> {
    let (before, mut found) = (out.len(), Flaws::default());
    let mut result = parse(&mut Readings { input, out, flaws: &mut found }, text);
    if result.is_err()
        && let Some((repaired, refusal)) = non_finite::replace_with_null(text)
    {
        out.truncate(before);
        found = Flaws::default();
        found.add(refusal);
        result = parse(&mut Readings { input, out, flaws: &mut found }, &repaired);
    }
    if let Err(error) = result {
        out.truncate(before);
        return Err(broken(&error));
    }
    flaws.extend(found);
    Ok(())
}

/// Reads one JSON object for a format that knows whose it is; `time_keys` are those that hold the time.
pub(super) fn found(
    input: &mut Input<'_>,
    text: &str,
    time_keys: &'static [&'static str],
    flaws: &mut Flaws,
) -> Result<Found, Rejection> {
    let (first_try, found) = read_object(input, text, time_keys);
    let (found, result) = match found {
        Ok(found) => (first_try, Ok(found)),
        Err(error) => match non_finite::replace_with_null(text) {
            Some((repaired, refusal)) => {
                flaws.add(refusal);
                read_object(input, &repaired, time_keys)
            }
            None => (first_try, Err(error)),
        },
    };
    flaws.extend(found);
    result.map_err(|error| broken(&error))
}

fn read_object(
    input: &mut Input<'_>,
    text: &str,
    time_keys: &'static [&'static str],
) -> (Flaws, serde_json::Result<Found>) {
    let mut flaws = Flaws::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let draft = Draft::with_time_keys(input, time_keys, &mut flaws);
    let found = json.deserialize_map(Object(draft)).and_then(|found| json.end().map(|()| found));
    (flaws, found)
}

/// Reads one object, and nothing else.
struct Object<'a>(Draft<'a>);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<Found, A::Error> {
        flatten::read(&mut self.0, map)?;
        Ok(self.0.into_found())
    }
}

fn parse(readings: &mut Readings<'_, '_>, text: &str) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    readings.deserialize(&mut json)?;
    json.end()
}

fn broken(error: &serde_json::Error) -> Rejection {
    Rejection::new(Reason::InvalidJson, format!("not well-formed JSON ({error}): nothing of it was taken"))
}

/// Reads one object as one reading, an array as one for each element. Only malformed text ends it early; whatever
/// is well-formed but cannot be taken becomes a flaw.
struct Readings<'a, 'i> {
    input: &'a mut Input<'i>,
    out: &'a mut Vec<Reading>,
    flaws: &'a mut Flaws,
}

impl<'de> DeserializeSeed<'de> for &mut Readings<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Readings<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reading or an array of readings")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        Reader { readings: self }.visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let max = self.input.config.readings_max;
        let mut taken = 0;
        while taken < max {
            if elements.next_element_seed(Reader { readings: self })?.is_none() {
                if taken == 0 {
                    self.flaws.add(no_reading("an empty array"));
                }
                return Ok(());
            }
            taken += 1;
        }
        let mut left = 0;
        while elements.next_element::<IgnoredAny>()?.is_some() {
            left += 1;
        }
        if left > 0 {
            self.flaws.add(too_many_readings(max, left));
        }
        Ok(())
    }

    // Reached for a topic that is configured as JSON, and for nothing else: what is recognized begins with a brace or bracket.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.flaws.add(no_reading("null"));
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.visit_unit()
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.visit_unit()
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.visit_unit()
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.visit_unit()
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.visit_unit()
    }
}

/// Reads one element: an object is a reading, anything else a flaw.
struct Reader<'r, 'a, 'i> {
    readings: &'r mut Readings<'a, 'i>,
}

impl Reader<'_, '_, '_> {
    fn not_an_object<E>(self) -> Result<(), E> {
        self.readings.flaws.add(no_reading("an element that is not an object"));
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reading")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Readings { input, out, flaws } = self.readings;
        let topic = input.topic;
        let mut draft = Draft::new(input, flaws);
        flatten::read(&mut draft, map)?;
        if let Some(reading) = draft.finish(topic) {
            out.push(reading);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        self.not_an_object()
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.not_an_object()
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.not_an_object()
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.not_an_object()
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.not_an_object()
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.not_an_object()
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.not_an_object()
    }
}

fn too_many_readings(max: usize, left: usize) -> Rejection {
    let detail = format!("more than decode.readings_max ({max}) readings: {left} were left out, publish fewer");
    Rejection::new(Reason::TooManyMetrics, detail)
}

fn no_reading(what: &str) -> Rejection {
    let detail = format!("{what} holds no reading: publish an object of metrics, or an array of such objects");
    Rejection::new(Reason::NoMetrics, detail)
}
