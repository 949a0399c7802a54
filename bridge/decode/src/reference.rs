//! JSON readings: `{"deviceId":"sensor_001","temperature":23.5,"timestamp":1704723845000,"location":"Building A"}`,
//! or an array of them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tidegate_telemetry::{Reading, Reason};

use crate::config::DecodeConfig;
use crate::flatten::Draft;
use crate::names::Names;
use crate::non_finite;
use crate::rejection::{Flaws, Rejection};

pub(crate) fn decode(
    config: &DecodeConfig,
    names: &mut Names,
    topic: &str,
    text: &str,
    out: &mut Vec<Reading>,
) -> Result<(), Rejection> {
    let mut flaws = Flaws::default();
    let before = out.len();
    if let Err(error) = read(&mut Readings { config, names, topic, out, flaws: &mut flaws }, text) {
        out.truncate(before);
        flaws = Flaws::default();
        let (mended, refusal) = non_finite::replace_with_null(text).ok_or_else(|| broken(&error))?;
        flaws.add(refusal);
        if let Err(error) = read(&mut Readings { config, names, topic, out, flaws: &mut flaws }, &mended) {
            out.truncate(before);
            return Err(broken(&error));
        }
    }
    flaws.into_result()
}

fn read(readings: &mut Readings<'_>, text: &str) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    readings.deserialize(&mut json)?;
    json.end()
}

fn broken(error: &serde_json::Error) -> Rejection {
    Rejection::new(Reason::InvalidJson, format!("not well-formed JSON: {error}; nothing of it was taken"))
}

/// Reads one object as one reading, an array as one for each element. Only malformed text ends it early; whatever
/// is well-formed but cannot be taken becomes a flaw.
struct Readings<'a> {
    config: &'a DecodeConfig,
    names: &'a mut Names,
    topic: &'a str,
    out: &'a mut Vec<Reading>,
    flaws: &'a mut Flaws,
}

impl<'de> DeserializeSeed<'de> for &mut Readings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Readings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reading or an array of readings")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        Reader { readings: self }.visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let max = self.config.readings_max;
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
            let detail = format!("more than decode.readings_max ({max}) readings: {left} were left out, publish fewer");
            self.flaws.add(Rejection::new(Reason::TooManyMetrics, detail));
        }
        Ok(())
    }

    // Reached for a topic that is configured as JSON, and for nothing else: the chooser saw no brace or bracket.
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
struct Reader<'r, 'a> {
    readings: &'r mut Readings<'a>,
}

impl Reader<'_, '_> {
    fn not_an_object<E>(self) -> Result<(), E> {
        self.readings.flaws.add(no_reading("an element that is not an object"));
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reading")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Readings { config, names, topic, out, flaws } = self.readings;
        let mut draft = Draft::new(config, names, flaws);
        draft.read(map)?;
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

fn no_reading(what: &str) -> Rejection {
    let detail = format!("{what} holds no reading: publish an object of metrics, or an array of such objects");
    Rejection::new(Reason::NoMetrics, detail)
}
