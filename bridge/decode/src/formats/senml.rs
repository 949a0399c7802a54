//! SenML (RFC 8428) in JSON and CBOR: packs of records, whose base fields hold for all that follow.
//!
//! A record's name is base name and name together. The base name is the device, the name the metric; where there is one of
//! them alone, a device URN (RFC 9039) is the device and its component the metric, and of any other name the last part is the
//! metric. A record without a name of its own is named by its unit, as in RFC 8428 section 5.1.4.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use tidegate_telemetry::{Decoded, Description, DeviceDescription, DeviceFacts, MetricFacts, Reason, Rejection};
use tidegate_telemetry::{StateClass, Value, unix_ms};

use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input};
use crate::gather::{Gather, Place};
use crate::{non_finite, time, units};

use super::packed::{Packing, Unpacked};

pub(super) const SENML: FormatEntry =
    FormatEntry { name: "senml", meaning: "SenML in JSON", new: |_| Box::new(SenMl::new(None)) };

pub(super) const SENML_CBOR: FormatEntry =
    FormatEntry { name: "senml-cbor", meaning: "SenML in CBOR", new: |_| Box::new(SenMl::new(Some(Packing::Cbor))) };

/// Times below this are relative to now, s (section 4.5.3).
const RELATIVE_BELOW_S: f64 = (1_u64 << 28) as f64;
/// Units of which the facts are kept, so that they are the same in memory.
const UNITS_KEPT_MAX: usize = 256;

#[derive(Debug)]
struct SenMl {
    packing: Option<Packing>,
    /// A cache: it never shows.
    facts: HashMap<Box<str>, Arc<MetricFacts>>,
}

/// A record (sections 4.1, 4.2); the numbers are the labels in CBOR (section 6).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow, alias = "-2")]
    bn: Option<Cow<'a, str>>,
    #[serde(alias = "-3")]
    bt: Option<f64>,
    #[serde(borrow, alias = "-4")]
    bu: Option<Cow<'a, str>>,
    #[serde(alias = "-5")]
    bv: Option<f64>,
    #[serde(alias = "-6")]
    bs: Option<f64>,
    #[serde(borrow, alias = "0")]
    n: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "1")]
    u: Option<Cow<'a, str>>,
    #[serde(alias = "2")]
    v: Option<f64>,
    #[serde(borrow, alias = "3")]
    vs: Option<Cow<'a, str>>,
    #[serde(alias = "4")]
    vb: Option<bool>,
    #[serde(alias = "8")]
    vd: Option<serde::de::IgnoredAny>,
    #[serde(alias = "5")]
    s: Option<f64>,
    #[serde(alias = "6")]
    t: Option<f64>,
    #[serde(alias = "7")]
    ut: Option<f64>,
}

/// What holds for the records that follow.
#[derive(Debug, Default)]
struct Base<'a> {
    name: Cow<'a, str>,
    time_s: Option<f64>,
    unit: Cow<'a, str>,
    value: f64,
    sum: Option<f64>,
}

impl SenMl {
    fn new(packing: Option<Packing>) -> Self {
        SenMl { packing, facts: HashMap::new() }
    }
}

impl Format for SenMl {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        match self.packing {
            Some(_) => input.is_of_type("application/senml+cbor") || input.is_of_type("application/sensml+cbor"),
            None => {
                input.is_of_type("application/senml+json")
                    || input.is_of_type("application/sensml+json")
                    || input.text.is_ok_and(names_a_device)
            }
        }
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let unpacked;
        let text = match self.packing {
            None => input.text()?,
            Some(packing) => {
                unpacked = packing.unpack(input.payload)?;
                let Unpacked { text, .. } = &unpacked;
                text
            }
        };
        let mut flaws = Flaws::default();
        self.pack(text, input, out, &mut flaws)?;
        flaws.into_result(&mut out.further)
    }
}

impl SenMl {
    fn pack(
        &mut self,
        text: &str,
        input: &mut Input<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let raw: Vec<&serde_json::value::RawValue> = serde_json::from_str(text).map_err(no_pack)?;
        let (mut base, mut gather) = (Base::default(), Gather::new(input.config, &mut out.readings));
        let mut not_taken = 0;
        for raw in raw {
            let record: Record<'_> = match serde_json::from_str(raw.get()) {
                Ok(record) => record,
                Err(error) => {
                    flaws.add(no_record(&error));
                    continue;
                }
            };
            let record = base.take(record);
            if let Some(flaw) = must_understand(raw.get()) {
                flaws.add(flaw);
                continue;
            }
            not_taken += usize::from(record.vd.is_some());
            let told = self.record(&record, &base, input, &mut gather, &mut out.descriptions, flaws);
            match told {
                Ok(Some(place)) => out.devices.extend(reports(&place, &record)),
                Ok(None) => {}
                Err(flaw) => flaws.add(flaw),
            }
        }
        gather.finish(flaws);
        if not_taken > 0 {
            let detail =
                format!("{not_taken} values are bytes (vd), which is no number, text or switch: they were left out");
            flaws.add(Rejection::new(Reason::NotUnderstood, detail));
        }
        Ok(())
    }

    /// Takes a record; whose it is, where it has a value.
    fn record(
        &mut self,
        record: &Record<'_>,
        base: &Base<'_>,
        input: &mut Input<'_>,
        gather: &mut Gather<'_>,
        descriptions: &mut Vec<Description>,
        flaws: &mut Flaws,
    ) -> Result<Option<Place>, Rejection> {
        let value = base.value_of(record, input)?;
        let sum = (record.s.is_some() || base.sum.is_some() && value.is_none() && record.vd.is_none())
            .then(|| record.s.unwrap_or(0.0) + base.sum.unwrap_or(0.0));
        if value.is_none() && sum.is_none() {
            return Ok(None);
        }
        let time_ms = base.time_of(record, input).map_err(|flaw| flaws.add(flaw)).ok().flatten();
        let unit = record.u.as_deref().unwrap_or(&base.unit);
        let name = Name::of(&base.name, record.n.as_deref().unwrap_or_default(), unit);
        let device = match name.device {
            Some(device) => input.name("SenML name", device)?,
            None => input.name("topic", input.topic)?,
        };
        let group = input.names.group_of_topic(input.topic, name.device)?;
        let place = Place { device, group };
        let mut add = |metric: Arc<str>, value, flaws: &mut Flaws| {
            if gather.add(&place, time_ms, Arc::clone(&metric), Some(value))
                && let Some(facts) = self.facts_of(unit, flaws)
            {
                descriptions.push(Description { device: Arc::clone(&place.device), metric, facts });
            }
        };
        if let Some(value) = value {
            add(input.name("SenML name", &name.metric)?, value, flaws);
        }
        if let Some(sum) = sum {
            if !sum.is_finite() {
                return Err(non_finite::refusal(&sum.to_string()));
            }
            add(input.name("SenML name", &format!("{}.sum", name.metric))?, Value::Number(sum), flaws);
        }
        Ok(Some(place))
    }

    fn facts_of(&mut self, unit: &str, flaws: &mut Flaws) -> Option<Arc<MetricFacts>> {
        if unit.is_empty() {
            return None;
        }
        if let Some(known) = self.facts.get(unit) {
            return Some(Arc::clone(known));
        }
        if unit.len() > UNIT_BYTES_MAX {
            flaws.add(Rejection::new(Reason::InvalidName, format!("a unit of {} bytes is none", unit.len())));
            return None;
        }
        let facts = Arc::new(MetricFacts {
            unit: Some(units::for_people(unit).into()),
            class: of_unit(unit).and_then(|(_, class)| class).map(Into::into),
            state_class: Some(StateClass::Measurement),
            ..MetricFacts::default()
        });
        if self.facts.len() >= UNITS_KEPT_MAX {
            self.facts.clear();
        }
        self.facts.insert(unit.into(), Arc::clone(&facts));
        Some(facts)
    }
}

/// What is longer is no unit.
const UNIT_BYTES_MAX: usize = 64;

/// What records are named that have no name of their own, and the class of what they measure.
const NAMES_OF_UNITS: &[(&str, (&str, Option<&str>))] = &[
    ("%EL", ("battery", Some("battery"))),
    ("%RH", ("humidity", Some("humidity"))),
    ("A", ("current", Some("current"))),
    ("Cel", ("temperature", Some("temperature"))),
    ("Hz", ("frequency", Some("frequency"))),
    ("J", ("energy", Some("energy"))),
    ("Pa", ("pressure", Some("pressure"))),
    ("V", ("voltage", Some("voltage"))),
    ("W", ("power", Some("power"))),
    ("lat", ("latitude", None)),
    ("lon", ("longitude", None)),
    ("lx", ("illuminance", Some("illuminance"))),
    ("m/s", ("speed", Some("speed"))),
];

fn of_unit(unit: &str) -> Option<(&'static str, Option<&'static str>)> {
    NAMES_OF_UNITS.iter().find(|(known, _)| *known == unit).map(|(_, meaning)| *meaning)
}

impl<'a> Base<'a> {
    /// Takes the base fields of a record, and leaves the others.
    fn take(&mut self, mut record: Record<'a>) -> Record<'a> {
        if let Some(name) = record.bn.take() {
            self.name = name;
        }
        if let Some(unit) = record.bu.take() {
            self.unit = unit;
        }
        self.time_s = record.bt.or(self.time_s);
        self.value = record.bv.unwrap_or(self.value);
        self.sum = record.bs.or(self.sum);
        record
    }

    fn value_of(&self, record: &Record<'_>, input: &mut Input<'_>) -> Result<Option<Value>, Rejection> {
        if let Some(number) = record.v {
            let number = number + self.value;
            let is_finite = number.is_finite();
            return is_finite.then_some(Some(Value::Number(number))).ok_or_else(|| non_finite::refusal("a sum"));
        }
        if let Some(on) = record.vb {
            return Ok(Some(Value::Bool(on)));
        }
        let Some(text) = &record.vs else { return Ok(None) };
        let max = input.config.text_bytes_max;
        if text.len() > max {
            let detail =
                format!("a text of {} bytes is more than decode.text_bytes_max ({max}): shorten it", text.len());
            return Err(Rejection::new(Reason::PayloadTooLarge, detail));
        }
        Ok(Some(Value::Text(input.names.text(text))))
    }

    /// Unix ms; `None`: as of the receipt. Times that are small are relative to it (section 4.5.3).
    fn time_of(&self, record: &Record<'_>, input: &Input<'_>) -> Result<Option<i64>, Rejection> {
        if self.time_s.is_none() && record.t.is_none() {
            return Ok(None);
        }
        let seconds = self.time_s.unwrap_or(0.0) + record.t.unwrap_or(0.0);
        if seconds >= RELATIVE_BELOW_S {
            return time::from_number(seconds).map(Some);
        }
        let since_ms = (seconds * 1e3).round();
        if since_ms == 0.0 {
            return Ok(None);
        }
        let received_ms = input.received_ms();
        let at_ms = received_ms.saturating_add(since_ms as i64);
        let is_plausible =
            if is_dated(received_ms) { is_dated(at_ms) } else { since_ms.abs() < RELATIVE_BELOW_S * 1e3 };
        if is_plausible { Ok(Some(at_ms)) } else { Err(implausible(seconds)) }
    }
}

/// Whether a time, Unix ms, is between 2001 and 2200.
fn is_dated(ms: i64) -> bool {
    unix_ms(ms) == Some(ms)
}

fn implausible(seconds: f64) -> Rejection {
    let detail = format!(
        "a time {seconds} s from the receipt is not between 2001 and 2200: correct it; the values count as of their receipt"
    );
    Rejection::new(Reason::InvalidTime, detail)
}

/// Device and metric of a record.
#[derive(Debug, PartialEq)]
struct Name<'n> {
    /// `None`: the topic.
    device: Option<&'n str>,
    metric: Cow<'n, str>,
}

/// What may stand between the parts of a name (section 4.5.1), and does so in practice.
const SEPARATORS: [char; 3] = [':', '/', '_'];

impl<'n> Name<'n> {
    fn of(base: &'n str, own: &'n str, unit: &'n str) -> Self {
        let (device, own) = (base.trim_end_matches(SEPARATORS), own.trim_matches(SEPARATORS));
        match (device.is_empty(), own.is_empty()) {
            (false, false) => Name { device: Some(device), metric: own.into() },
            (true, false) => Name::of_one(own, unit),
            (false, true) => Name::of_one(device, unit),
            (true, true) => Name { device: None, metric: metric_of(unit).into() },
        }
    }

    /// By a name in one piece.
    fn of_one(name: &'n str, unit: &'n str) -> Self {
        if let Some(urn) = name.strip_prefix("urn:dev:") {
            let id = urn.find(':').map_or(0, |at| at + 1);
            let split = urn[id..].find([':', '_', '/']).map(|at| name.len() - urn.len() + id + at);
            return match split {
                Some(at) => Name { device: Some(&name[..at]), metric: name[at + 1..].into() },
                None => Name { device: Some(name), metric: metric_of(unit).into() },
            };
        }
        match name.rsplit_once([':', '/']) {
            Some((device, metric)) => Name { device: Some(device), metric: metric.into() },
            None => Name { device: None, metric: name.into() },
        }
    }
}

fn metric_of(unit: &str) -> &str {
    match of_unit(unit) {
        Some((name, _)) => name,
        None if unit.is_empty() => "value",
        None => unit,
    }
}

/// Whether a text is a pack whose first field names a device by a URN. No reading begins so: it would have a metric `bn`
/// whose value is the name of a device.
fn names_a_device(text: &str) -> bool {
    let after = |text: &'_ str, token: &str| text.trim_start().strip_prefix(token).map(str::len);
    ["[", "{", "\"bn\"", ":", "\"urn:"]
        .iter()
        .try_fold(text, |rest, token| after(rest, token).map(|left| &rest[rest.len() - left..]))
        .is_some()
}

/// How long it is until the next word of it, at most.
fn reports(place: &Place, record: &Record<'_>) -> Option<DeviceDescription> {
    let ms = record.ut.map(|seconds| seconds * 1e3).filter(|ms| (1.0..1e12).contains(ms))?;
    let facts = Arc::new(DeviceFacts { report_ms: Some(ms as i64), ..DeviceFacts::default() });
    Some(DeviceDescription { device: Arc::clone(&place.device), facts })
}

fn no_pack(error: serde_json::Error) -> Rejection {
    Rejection::new(
        Reason::InvalidJson,
        format!("no SenML pack, an array of records ({error}): nothing of it was taken"),
    )
}

fn no_record(error: &serde_json::Error) -> Rejection {
    Rejection::new(Reason::NotUnderstood, format!("a record is none of SenML ({error}): the others count"))
}

/// Labels with `_` at their ends have to be understood by who takes a record (section 4.4); there is none yet.
fn must_understand(record: &str) -> Option<Rejection> {
    if !record.contains("_\"") {
        return None;
    }
    let labels: BTreeMap<Cow<'_, str>, serde::de::IgnoredAny> = serde_json::from_str(record).ok()?;
    let label: String = labels.keys().find(|label| label.ends_with('_'))?.chars().take(40).collect();
    let detail = format!("a record has {label:?}, which has to be understood and is not: the others count");
    Some(Rejection::new(Reason::NotUnderstood, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_device_and_a_metric() {
        for (base, own, unit, device, metric) in [
            ("urn:dev:ow:10e2073a01080063:", "voltage", "V", Some("urn:dev:ow:10e2073a01080063"), "voltage"),
            ("urn:dev:ow:10e2073a01080063", "", "%RH", Some("urn:dev:ow:10e2073a01080063"), "humidity"),
            ("", "urn:dev:ow:10e2073a01080063", "Cel", Some("urn:dev:ow:10e2073a01080063"), "temperature"),
            ("", "urn:dev:ow:10e2073a01080063_humid", "", Some("urn:dev:ow:10e2073a01080063"), "humid"),
            ("", "urn:dev:mac:0024befffe804ff1:a:b", "", Some("urn:dev:mac:0024befffe804ff1"), "a:b"),
            ("", "urn:dev:x", "", Some("urn:dev:x"), "value"),
            ("", "temperature", "Cel", None, "temperature"),
            ("", "hall/door", "", Some("hall"), "door"),
            ("dev1/", "temp", "", Some("dev1"), "temp"),
            ("", "", "kPa", None, "kPa"),
            ("", "", "", None, "value"),
        ] {
            assert_eq!(Name::of(base, own, unit), Name { device, metric: metric.into() }, "{base} {own}");
        }
    }
}
