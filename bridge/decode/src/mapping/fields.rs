//! Values that stand where the configuration says.

use std::collections::HashSet;
use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value as Json};
use smallvec::SmallVec;
use tidegate_telemetry::{Decoded, Description, MetricFacts, Reading, Reason, Rejection, Value};

use super::decimal::with_decimal_point;
use super::leaves::Leaves;
use super::levels::Levels;
use super::path::Path;
use super::template::Template;
use super::{Mapping, filled};
use crate::config::{FieldConfig, MappingConfig};
use crate::flaws::Flaws;
use crate::format::Input;
use crate::words::{self, Meaning};
use crate::{non_finite, time};

/// Groups of a pattern that are no metrics.
const NOT_METRICS: [&str; 3] = ["device", "group", "time"];

/// Where the values of a source stand.
#[derive(Debug)]
pub(super) struct Fields {
    pattern: Option<Regex>,
    readings: Option<(String, Path)>,
    time: Option<Path>,
    time_format: Option<String>,
    decimal_comma: bool,
    /// None: everything that is there.
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    metric: Template,
    path: Path,
    config: FieldConfig,
    facts: Option<Arc<MetricFacts>>,
}

/// What a reading is made of.
struct Found {
    metrics: SmallVec<[(Arc<str>, Value); 6]>,
    without_value: Vec<Arc<str>>,
    facts: Vec<(Arc<str>, Arc<MetricFacts>)>,
    names: HashSet<Arc<str>>,
}

impl Fields {
    /// `None`: the configuration says nothing about where values stand.
    pub(super) fn new(config: &MappingConfig, levels: &Levels) -> Result<Option<Fields>, (&'static str, String)> {
        let MappingConfig { readings, time, time_format, decimal_comma, pattern, fields, .. } = config;
        let says_more = readings.is_some() || time.is_some() || time_format.is_some() || *decimal_comma;
        if fields.is_empty() && pattern.is_none() && !says_more {
            return Ok(None);
        }
        let pattern = match pattern {
            None => None,
            Some(text) => {
                let pattern = Regex::new(text).map_err(|error| ("pattern", no_pattern(&error)))?;
                if pattern.capture_names().flatten().next().is_none() {
                    let example =
                        "has no group with a name: write the value of temperature as (?<temperature>[-0-9.]+)";
                    return Err(("pattern", example.to_owned()));
                }
                Some(pattern)
            }
        };
        if let Some(format) = time_format {
            time::check_format(format).map_err(|wrong| ("time_format", wrong))?;
        }
        let fields = fields.iter().map(|field| Field::new(field, levels)).collect::<Result<_, _>>();
        let parsed = |text: &String| Path::parse(text);
        Ok(Some(Fields {
            time: time.as_ref().map(parsed).or_else(|| pattern.as_ref().map(|_| Path::parse("time"))),
            pattern,
            readings: readings.clone().map(|path| (path.clone(), Path::parse(&path))),
            time_format: time_format.clone(),
            decimal_comma: *decimal_comma,
            fields: fields.map_err(|wrong| ("fields", wrong))?,
        }))
    }

    pub(super) fn read(&self, mapping: &Mapping, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let text = input.text()?;
        let mut flaws = Flaws::default();
        match &self.pattern {
            Some(pattern) => self.matches(pattern, text, mapping, input, out, &mut flaws)?,
            None => self.json(text, mapping, input, out, &mut flaws)?,
        }
        flaws.into_result(&mut out.further)
    }

    /// Each match is a reading.
    fn matches(
        &self,
        pattern: &Regex,
        text: &str,
        mapping: &Mapping,
        input: &mut Input<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let max = input.config.readings_max;
        let mut matches = pattern.captures_iter(text);
        let mut is_any = false;
        for captures in matches.by_ref().take(max) {
            is_any = true;
            let groups = pattern.capture_names().flatten();
            let found = groups.filter_map(|name| Some((name.to_owned(), captures.name(name)?.as_str().into())));
            let record = Json::Object(found.collect::<Map<_, _>>());
            self.record(&record, &record, mapping, input, out, flaws);
        }
        if !is_any {
            let shown: String = text.chars().take(80).collect();
            let detail = format!(
                "{shown:?} does not match the pattern of its [[source]]: mend the pattern, or publish it elsewhere"
            );
            return Err(Rejection::new(Reason::NotUnderstood, detail));
        }
        let left = matches.count();
        if left > 0 {
            flaws.add(too_many(max, left));
        }
        Ok(())
    }

    fn json(
        &self,
        text: &str,
        mapping: &Mapping,
        input: &mut Input<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let payload = self.parsed(text, flaws)?;
        let Some((shown, path)) = &self.readings else {
            self.record(&payload, &payload, mapping, input, out, flaws);
            return Ok(());
        };
        let Some(Json::Array(records)) = path.of(&payload) else {
            let detail = format!(
                "there is no array at {shown:?}, where `readings` of its [[source]] says: {}",
                what_is_there(&payload)
            );
            return Err(Rejection::new(Reason::NotUnderstood, detail));
        };
        let max = input.config.readings_max;
        for record in records.iter().take(max) {
            self.record(record, &payload, mapping, input, out, flaws);
        }
        if records.len() > max {
            flaws.add(too_many(max, records.len() - max));
        }
        Ok(())
    }

    /// JSON; else a text, which is the whole payload.
    fn parsed(&self, text: &str, flaws: &mut Flaws) -> Result<Json, Rejection> {
        let error = match serde_json::from_str(text) {
            Ok(payload) => return Ok(payload),
            Err(_) if !text.starts_with(['{', '[']) => return Ok(Json::String(text.to_owned())),
            Err(error) => error,
        };
        if let Some((repaired, refusal)) = non_finite::replace_with_null(text)
            && let Ok(payload) = serde_json::from_str(&repaired)
        {
            flaws.add(refusal);
            return Ok(payload);
        }
        let detail = format!("not well-formed JSON ({error}): nothing of it was taken");
        Err(Rejection::new(Reason::InvalidJson, detail))
    }

    /// Takes a reading; what is common to all stands in the payload around it.
    fn record(
        &self,
        record: &Json,
        payload: &Json,
        mapping: &Mapping,
        input: &mut Input<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) {
        let around = [record, payload];
        let placed = self.device(&around, mapping, input).and_then(|device| {
            let named = mapping.group(input, &around)?;
            let own = self.pattern.as_ref().and_then(|_| record.get("group")?.as_str());
            let group = match (named, own) {
                (Some(group), _) => group,
                (None, Some(group)) => input.names.group_of_location(group)?,
                (None, None) => input.names.group_of_topic(input.topic, Some(&device))?,
            };
            Ok((device, group))
        });
        let (device, group) = match placed {
            Ok(placed) => placed,
            Err(rejection) => return flaws.add(rejection),
        };
        let time_ms = self.time(&around, input).unwrap_or_else(|flaw| {
            flaws.add(flaw);
            None
        });
        let before = flaws.is_empty();
        let found = self.values(&around, input, flaws);
        if found.metrics.is_empty() && found.without_value.is_empty() {
            if before && flaws.is_empty() {
                flaws.add(self.nothing_found(record));
            }
            return;
        }
        for (metric, facts) in found.facts {
            out.descriptions.push(Description { device: device.clone(), metric, facts });
        }
        let Found { metrics, without_value, .. } = found;
        out.readings.push(Reading { device, group, time_ms, corrects: false, metrics, without_value });
    }

    fn device(&self, around: &[&Json], mapping: &Mapping, input: &mut Input<'_>) -> Result<Arc<str>, Rejection> {
        if let Some(device) = mapping.device(input, around)? {
            return Ok(device);
        }
        let keys = &input.config.identifier_keys;
        let own = keys.iter().map(String::as_str).chain(["device"].into_iter().filter(|_| self.pattern.is_some()));
        let found = own.filter_map(|key| around.iter().find_map(|payload| payload.get(key))).find_map(|id| match id {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        });
        match found {
            Some(id) => input.name("device identifier", &id),
            None => input.name("topic", input.topic),
        }
    }

    fn time(&self, around: &[&Json], input: &Input<'_>) -> Result<Option<i64>, Rejection> {
        let at = match &self.time {
            Some(path) => around.iter().find_map(|payload| path.of(payload)),
            None => {
                let mut keys = input.config.time_keys.iter();
                keys.find_map(|key| around.iter().find_map(|payload| payload.get(key.as_str())))
            }
        };
        match (at, &self.time_format) {
            (None | Some(Json::Null), _) => Ok(None),
            (Some(Json::String(text)), Some(format)) => time::in_format(text, format, input.zone).map(Some),
            (Some(Json::String(text)), None) => time::from_text(text, input.zone).map(Some),
            (Some(Json::Number(number)), None) => match number.as_i64() {
                Some(integer) => time::from_integer(integer).map(Some),
                None => time::from_number(number.as_f64().unwrap_or(f64::NAN)).map(Some),
            },
            (Some(Json::Number(number)), Some(format)) => {
                time::in_format(&number.to_string(), format, input.zone).map(Some)
            }
            (Some(_), _) => Err(time::neither_number_nor_text()),
        }
    }

    fn values(&self, around: &[&Json], input: &mut Input<'_>, flaws: &mut Flaws) -> Found {
        let mut found =
            Found { metrics: SmallVec::new(), without_value: Vec::new(), facts: Vec::new(), names: HashSet::new() };
        if self.fields.is_empty() {
            let plain = FieldConfig::default();
            for (name, value) in self.everything(around[0], input, flaws) {
                self.take(&name, &plain, None, value, input, &mut found, flaws);
            }
            return found;
        }
        for field in &self.fields {
            let Some(value) = around.iter().find_map(|payload| field.path.of(payload)) else { continue };
            match filled(&field.metric, input, around, "metric") {
                Ok(name) => self.take(&name, &field.config, field.facts.as_ref(), value, input, &mut found, flaws),
                Err(rejection) => flaws.add(rejection),
            }
        }
        found
    }

    #[allow(clippy::too_many_arguments)] // each is needed by name, and a struct of them would be made for one call
    fn take(
        &self,
        name: &str,
        config: &FieldConfig,
        facts: Option<&Arc<MetricFacts>>,
        value: &Json,
        input: &mut Input<'_>,
        found: &mut Found,
        flaws: &mut Flaws,
    ) {
        let metric = match input.name("metric name", name) {
            Ok(metric) => metric,
            Err(rejection) => return flaws.add(rejection),
        };
        if found.metrics.len() >= input.config.metrics_max {
            let detail = format!(
                "more than decode.metrics_max ({}) metrics in one reading: {name:?} was left out",
                input.config.metrics_max
            );
            return flaws.add(Rejection::new(Reason::TooManyMetrics, detail));
        }
        if !found.names.insert(metric.clone()) {
            let detail = format!("{name:?} has several values in one reading: the first counts; name them apart");
            return flaws.add(Rejection::new(Reason::SeveralValues, detail));
        }
        match self.value(name, config, value, input, flaws) {
            Ok(Some(value)) => {
                found.metrics.push((metric.clone(), value));
                found.facts.extend(facts.map(|facts| (metric, facts.clone())));
            }
            Ok(None) => found.without_value.push(metric),
            Err(rejection) => flaws.add(rejection),
        }
    }

    /// `None`: there is none just now.
    fn value(
        &self,
        name: &str,
        config: &FieldConfig,
        value: &Json,
        input: &mut Input<'_>,
        flaws: &mut Flaws,
    ) -> Result<Option<Value>, Rejection> {
        let meant = match value {
            Json::Null => return Ok(None),
            Json::Bool(on) => Value::Bool(*on),
            Json::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
            Json::String(text) if config.on.as_ref() == Some(text) => Value::Bool(true),
            Json::String(text) if config.off.as_ref() == Some(text) => Value::Bool(false),
            Json::String(text) => match self.text(name, text, input, flaws)? {
                Some(value) => value,
                None => return Ok(None),
            },
            Json::Array(_) | Json::Object(_) => {
                let detail = format!(
                    "{name} stands where several values are ({}): name one of them in its path",
                    what_is_there(value)
                );
                return Err(Rejection::new(Reason::NotUnderstood, detail));
            }
        };
        match (meant, config.scale, config.offset) {
            (meant, None, None) => Ok(Some(meant)),
            (Value::Number(number), scale, offset) => {
                let number = number * scale.unwrap_or(1.0) + offset.unwrap_or(0.0);
                Ok(Some(Value::Number(number)).filter(|_| number.is_finite()))
            }
            (other, ..) => {
                let detail =
                    format!("{name} is {other:?}, and its scale wants a number: mend its path, or leave the scale out");
                Err(Rejection::new(Reason::NotUnderstood, detail))
            }
        }
    }

    fn text(
        &self,
        name: &str,
        text: &str,
        input: &mut Input<'_>,
        flaws: &mut Flaws,
    ) -> Result<Option<Value>, Rejection> {
        let config = input.config;
        let with_point = if self.decimal_comma { with_decimal_point(text) } else { None };
        let text = with_point.as_deref().unwrap_or(text);
        Ok(match words::read(&config.label_words, name, text)? {
            Meaning::Number(number) => Some(Value::Number(number)),
            Meaning::Switch(on) => Some(Value::Bool(on)),
            Meaning::NoValue => None,
            Meaning::LongInteger(digits, number) => {
                flaws.add(words::not_exact(name, digits, number));
                Some(Value::Number(number))
            }
            Meaning::Text(text) if text.len() > config.text_bytes_max => {
                let max = config.text_bytes_max;
                let detail =
                    format!("the text of {name:?} has {} bytes, more than decode.text_bytes_max ({max})", text.len());
                return Err(Rejection::new(Reason::PayloadTooLarge, detail));
            }
            Meaning::Text(text) => Some(Value::Text(input.names.text(text))),
        })
    }

    /// All there is, by its path, but for what names the device and the time.
    fn everything<'v>(&self, record: &'v Json, input: &Input<'_>, flaws: &mut Flaws) -> Vec<(String, &'v Json)> {
        let config = input.config;
        // One more says that there are too many.
        let mut leaves = Leaves::new(config.name_bytes_max, config.metrics_max + NOT_METRICS.len() + 1);
        leaves.find(record, config.depth_max);
        let Leaves { mut all, too_deep, too_long, .. } = leaves;
        let time = self.time.as_ref().and_then(|path| path.of(record));
        let is_key = |name: &str| {
            let keys = config.identifier_keys.iter().chain(&config.time_keys).chain(&config.location_keys);
            keys.map(String::as_str).any(|key| key == name) || (self.pattern.is_some() && NOT_METRICS.contains(&name))
        };
        all.retain(|(name, value)| !time.is_some_and(|time| std::ptr::eq(time, *value)) && !is_key(name));
        if too_deep {
            let detail = format!(
                "what is nested deeper than decode.depth_max ({}) was left out: name it in fields",
                config.depth_max
            );
            flaws.add(Rejection::new(Reason::TooDeep, detail));
        }
        if too_long {
            let max = config.name_bytes_max;
            let detail = format!(
                "names longer than decode.name_bytes_max ({max}) were left out: name what is below them in fields"
            );
            flaws.add(Rejection::new(Reason::InvalidName, detail));
        }
        all
    }

    fn nothing_found(&self, record: &Json) -> Rejection {
        let detail =
            format!("none of the fields of its [[source]] is there: {}; mend their paths", what_is_there(record));
        Rejection::new(Reason::NoMetrics, detail)
    }
}

impl Field {
    fn new(config: &FieldConfig, levels: &Levels) -> Result<Field, String> {
        let FieldConfig { unit, class, decimals, .. } = config;
        let says_more = unit.is_some() || class.is_some() || decimals.is_some();
        let shared = |text: &Option<String>| text.as_deref().map(Arc::from);
        let facts =
            MetricFacts { unit: shared(unit), decimals: *decimals, class: shared(class), ..MetricFacts::default() };
        Ok(Field {
            metric: Template::parse(&config.metric, levels)?,
            path: Path::parse(&config.path),
            facts: says_more.then(|| Arc::new(facts)),
            config: config.clone(),
        })
    }
}

/// What a payload has at its top, for people.
fn what_is_there(payload: &Json) -> String {
    match payload {
        Json::Object(members) if members.is_empty() => "the object there is empty".to_owned(),
        Json::Object(members) => {
            let names: Vec<String> = members.keys().take(8).map(|name| format!("{:?}", short(name))).collect();
            let more = if members.len() > names.len() { " and more" } else { "" };
            format!("there are {}{more}", names.join(", "))
        }
        Json::Array(elements) => format!("there is an array of {}", elements.len()),
        other => format!("there is {}", short(&other.to_string())),
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn too_many(max: usize, left: usize) -> Rejection {
    let detail = format!("more than decode.readings_max ({max}) readings: {left} were left out, publish fewer");
    Rejection::new(Reason::TooManyMetrics, detail)
}

fn no_pattern(error: &regex::Error) -> String {
    let text = error.to_string();
    format!("is no regular expression: {}", text.lines().last().unwrap_or(&text).trim())
}
