//! Metrics of one message on their way into readings.

use std::sync::Arc;

use tidegate_telemetry::{Decoded, Description, DeviceDescription, DeviceFacts, ImportedSeries, MetricFacts, Reading};
use tidegate_telemetry::{Reason, Rejection, Value, unix_ms};

use crate::flaws::Flaws;
use crate::format::Input;
use crate::gather::{Gather, Place};
use crate::single::widened;
use crate::words::{self, EXACT_MAX};
use crate::{non_finite, time, units};

use super::state::Known;
use super::wire::{Metric, Raw, Template};

/// So many of the last series of history are looked at for one of the same metric.
const SEARCHED_MAX: usize = 8;
/// What was kept may be stamped so much after its receipt, ms: clocks differ.
const AHEAD_MAX_MS: i64 = 60_000;
/// `Quality` of a value that is good (Eclipse Sparkplug 3.0 section 6.4.13); bad is 0, stale is 500.
const GOOD: u64 = 192;

/// One message while it is read.
pub(super) struct Take<'t, 'i, 'o> {
    pub(super) input: &'t mut Input<'i>,
    pub(super) flaws: &'t mut Flaws,
    pub(super) place: &'t Place,
    gather: Gather<'o>,
    history: &'o mut Vec<ImportedSeries>,
    descriptions: &'o mut Vec<Description>,
    devices: &'o mut Vec<DeviceDescription>,
    /// Unix ms at which it was published, where it says so.
    sent_ms: Option<i64>,
    /// Metrics that are no single value.
    not_taken: usize,
    first_not_taken: Option<Arc<str>>,
}

impl<'t, 'i, 'o> Take<'t, 'i, 'o> {
    pub(super) fn new(
        input: &'t mut Input<'i>,
        flaws: &'t mut Flaws,
        place: &'t Place,
        sent: Option<u64>,
        out: &'o mut Decoded,
    ) -> Self {
        let gather = Gather::new(input.config, &mut out.readings);
        let mut take = Take {
            input,
            flaws,
            place,
            gather,
            history: &mut out.history,
            descriptions: &mut out.descriptions,
            devices: &mut out.devices,
            sent_ms: None,
            not_taken: 0,
            first_not_taken: None,
        };
        take.sent_ms = take.time(sent);
        take
    }

    fn time(&mut self, timestamp: Option<u64>) -> Option<i64> {
        let timestamp = i64::try_from(timestamp?).unwrap_or(i64::MAX);
        time::from_integer(timestamp).map_err(|flaw| self.flaws.add(flaw)).ok()
    }

    /// Takes the value of a metric whose meaning is known.
    pub(super) fn metric(&mut self, known: &Known, metric: &Metric<'_>) {
        let datatype = if metric.datatype == 0 { known.datatype } else { metric.datatype };
        let value = match self.value(&known.name, datatype, metric) {
            Ok(value) => value,
            Err(Untaken::NoScalar) => {
                self.not_taken += 1;
                self.first_not_taken.get_or_insert_with(|| Arc::clone(&known.name));
                return;
            }
            Err(Untaken::Flaw(flaw)) => return self.flaws.add(flaw),
        };
        let time_ms = match metric.timestamp {
            Some(own) if Some(own as i64) != self.sent_ms => self.time(Some(own)).or(self.sent_ms),
            _ => self.sent_ms,
        };
        if metric.is_historical {
            return self.historical(&known.name, time_ms, value);
        }
        let name = Arc::clone(&known.name);
        let is_taken = self.gather.add(self.place, time_ms, Arc::clone(&name), value);
        if let Some(facts) = known.facts.as_ref().filter(|_| is_taken) {
            let (device, facts) = (Arc::clone(&self.place.device), Arc::clone(facts));
            self.descriptions.push(Description { device, metric: name, facts });
        }
    }

    /// What was kept while the node could not send.
    fn historical(&mut self, metric: &Arc<str>, time_ms: Option<i64>, value: Option<Value>) {
        let Some(value) = value else { return };
        let Some(time_ms) = time_ms else {
            let detail = format!("{metric:?} is a historical value without a time: it was left out, send it with one");
            return self.flaws.add(Rejection::new(Reason::InvalidTime, detail));
        };
        if self.is_ahead(time_ms) {
            let detail = format!(
                "{metric:?} is a historical value of a time to come: it was left out, set the clock of {:?}",
                self.place.device
            );
            return self.flaws.add(Rejection::new(Reason::TimeAhead, detail));
        }
        let Place { device, group } = self.place;
        let last = self.history.iter_mut().rev().take(SEARCHED_MAX).find(|series| series.metric == *metric);
        match last {
            Some(series) => series.points.push((time_ms, value)),
            None => self.history.push(ImportedSeries {
                device: Arc::clone(device),
                group: Arc::clone(group),
                metric: Arc::clone(metric),
                points: vec![(time_ms, value)],
            }),
        }
    }

    /// Whether a time lies after the receipt, by a clock of ours that is set.
    fn is_ahead(&self, time_ms: i64) -> bool {
        let received_ms = self.input.received_ms();
        unix_ms(received_ms) == Some(received_ms) && time_ms > received_ms.saturating_add(AHEAD_MAX_MS)
    }

    fn value(&mut self, name: &str, datatype: u32, metric: &Metric<'_>) -> Result<Option<Value>, Untaken> {
        let Some(raw) = metric.value.filter(|_| !metric.is_null && is_good(metric)) else { return Ok(None) };
        Ok(match raw {
            Raw::Integer(integer) => Some(self.integer(name, datatype, integer)),
            Raw::Float(single) => Some(finite(widened(single))?),
            Raw::Double(double) => Some(finite(double)?),
            Raw::Boolean(on) => Some(Value::Bool(on)),
            Raw::Text("") => None,
            Raw::Text(text) => Some(self.text(name, text)?),
            Raw::Template(_) | Raw::NoScalar => return Err(Untaken::NoScalar),
        })
    }

    /// Signed ones come in fields without a sign (section 6.4.16): the data type says how many bits count.
    fn integer(&mut self, name: &str, datatype: u32, integer: u64) -> Value {
        let meant: i128 = match datatype {
            1 => (integer as i8).into(),
            2 => (integer as i16).into(),
            3 => (integer as i32).into(),
            4 => (integer as i64).into(),
            11 => return Value::Bool(integer != 0),
            _ => integer.into(),
        };
        let number = meant as f64;
        if meant.unsigned_abs() > u128::from(EXACT_MAX) && number as i128 != meant {
            self.flaws.add(words::not_exact(name, &meant.to_string(), number));
        }
        Value::Number(number)
    }

    fn text(&mut self, name: &str, text: &str) -> Result<Value, Untaken> {
        let max = self.input.config.text_bytes_max;
        if text.len() > max {
            let detail = format!(
                "the text of {name:?} has {} bytes, more than decode.text_bytes_max ({max}): shorten it, or leave it out",
                text.len()
            );
            return Err(Untaken::Flaw(Rejection::new(Reason::PayloadTooLarge, detail)));
        }
        Ok(Value::Text(self.input.names.text(text)))
    }

    /// Takes the metrics of a template's instance, each below its name. `known` says what is known of one, or takes it in.
    pub(super) fn template(
        &mut self,
        name: &str,
        bytes: &[u8],
        depth: usize,
        known: &mut impl FnMut(&mut Self, &str, &Metric<'_>) -> Option<Known>,
    ) {
        let Ok(template) = Template::read(bytes) else { return self.flaws.add(broken_metric()) };
        if template.is_definition {
            return;
        }
        // Each member is below this name: a long one would be copied for each.
        let max = self.input.config.name_bytes_max;
        if name.len() > max {
            let detail = format!(
                "a template has a name of {} bytes, more than decode.name_bytes_max ({max}): it was left out",
                name.len()
            );
            return self.flaws.add(Rejection::new(Reason::InvalidName, detail));
        }
        if depth >= self.input.config.depth_max {
            let max = self.input.config.depth_max;
            let detail =
                format!("the template {name:?} is nested deeper than decode.depth_max ({max}): it was left out");
            return self.flaws.add(Rejection::new(Reason::TooDeep, detail));
        }
        for member in template.metrics() {
            let Ok(member) = member else {
                self.flaws.add(broken_metric());
                continue;
            };
            let path = format!("{name}/{}", member.name.unwrap_or_default());
            match member.value {
                Some(Raw::Template(inner)) => self.template(&path, inner, depth + 1, known),
                _ => {
                    if let Some(known) = known(self, &path, &member) {
                        self.metric(&known, &member);
                    }
                }
            }
        }
    }

    /// A metric by the name that a birth, or the message itself, gives it.
    pub(super) fn known(&mut self, name: &str, metric: &Metric<'_>) -> Option<Known> {
        let name = self.input.name("metric name", name).map_err(|flaw| self.flaws.add(flaw)).ok()?;
        Some(Known { name, datatype: metric.datatype, facts: facts(metric).map(Arc::new) })
    }

    /// Ends the message.
    pub(super) fn finish(self, facts: Option<&Arc<DeviceFacts>>) {
        self.gather.finish(self.flaws);
        if let Some(facts) = facts {
            let (device, facts) = (Arc::clone(&self.place.device), Arc::clone(facts));
            self.devices.push(DeviceDescription { device, facts });
        }
        if let Some(first) = self.first_not_taken {
            let detail = format!(
                "{first:?} is a data set, a file, bytes or an array, which is no single value: {} of these were left out",
                self.not_taken
            );
            self.flaws.add(Rejection::new(Reason::NotUnderstood, detail));
        }
    }
}

/// Why there is no value.
enum Untaken {
    NoScalar,
    Flaw(Rejection),
}

fn finite(number: f64) -> Result<Value, Untaken> {
    let is_finite = number.is_finite();
    is_finite.then_some(Value::Number(number)).ok_or_else(|| Untaken::Flaw(non_finite::refusal(&number.to_string())))
}

/// Whether nothing says that the value is bad or stale.
fn is_good(metric: &Metric<'_>) -> bool {
    let quality = metric.properties().find(|(key, _)| key.eq_ignore_ascii_case("quality"));
    !matches!(quality, Some((_, Raw::Integer(quality))) if quality < GOOD || quality == 500)
}

/// What its properties say of a metric.
fn facts(metric: &Metric<'_>) -> Option<MetricFacts> {
    let mut facts = MetricFacts::default();
    for (key, value) in metric.properties() {
        if let Raw::Text(unit) = value
            && ["engUnit", "Engineering Units", "unit"].iter().any(|known| known.eq_ignore_ascii_case(key))
            && unit.len() <= UNIT_BYTES_MAX
        {
            facts.unit = Some(units::for_people(unit).into());
        }
    }
    (facts != MetricFacts::default()).then_some(facts)
}

/// What is longer is no unit.
const UNIT_BYTES_MAX: usize = 32;

/// What the metrics of a birth say of the node or device (section 6.4.19: `Properties/Hardware Make`).
pub(super) fn device_facts(readings: &[Reading]) -> Option<Arc<DeviceFacts>> {
    let mut facts = DeviceFacts::default();
    for (name, value) in readings.iter().flat_map(|reading| &reading.metrics) {
        let (Value::Text(text), Some(property)) = (value, name.strip_prefix("Properties/")) else { continue };
        let fact = match property {
            "Hardware Make" | "Manufacturer" | "Make" => &mut facts.maker,
            "Hardware Model" | "Model" => &mut facts.model,
            "FW" | "Firmware" | "Firmware Version" | "SW" | "Version" => &mut facts.firmware,
            _ => continue,
        };
        *fact = Some(Arc::clone(text));
    }
    (facts != DeviceFacts::default()).then(|| Arc::new(facts))
}

/// Why a metric could not be read.
pub(super) fn broken_metric() -> Rejection {
    Rejection::new(Reason::NotUnderstood, "a metric of the message is no Sparkplug B metric; the others count")
}
