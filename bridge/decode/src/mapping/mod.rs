//! What a `[[source]]` says of names, and of where values stand in its payloads.
//!
//! - [`Mapping::place`]: other names for what a format found; [`fields`]: values that stand where the configuration says
//! - `leaves`: all values of a payload; `decimal`: numbers with a decimal comma
//! - `levels`: a topic filter whose levels have names; `template`: names with gaps; `path`: where something stands in a payload

mod decimal;
mod fields;
mod leaves;
mod levels;
mod path;
mod template;

use std::sync::Arc;

use serde_json::Value;
use tidegate_telemetry::{Decoded, Reading, Reason, Rejection};

use crate::config::{MappingConfig, SourceConfig};
use crate::format::Input;
use fields::Fields;
use levels::Levels;
use template::Template;

/// The level that is the device, with those named before it.
const DEVICE: &str = "device";
/// The level that is the metric.
const METRIC: &str = "metric";

/// What a source says of names and places; made once.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    /// The topic filter, without names of levels.
    pub(crate) filter: String,
    device: Option<Template>,
    group: Option<Template>,
    metric: Option<Template>,
    fields: Option<Fields>,
}

impl Mapping {
    /// Makes what a source says ready.
    ///
    /// # Errors
    /// The key that is wrong, and what to write instead.
    pub(crate) fn new(source: &SourceConfig) -> Result<Mapping, (&'static str, String)> {
        let levels = Levels::parse(&source.topic).ok_or_else(|| ("topic", NO_FILTER.to_owned()))?;
        let MappingConfig { device, group, metric, .. } = &source.mapping;
        let template = |key: &'static str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => Template::parse(text, &levels).map(Some).map_err(|wrong| (key, wrong)),
        };
        let before_device = || levels.named().take_while(|(name, _)| *name != DEVICE).map(|(_, level)| level);
        let device_level = levels.of(DEVICE);
        let places = levels.named().filter(|(name, _)| ![DEVICE, METRIC].contains(name)).map(|(_, level)| level);
        let of_places = || match device_level {
            Some(_) => Some(Template::of_levels(before_device())),
            None => (places.clone().next().is_some()).then(|| Template::of_levels(places)),
        };
        let of_device = || device_level.map(|level| Template::of_levels(before_device().chain([level])));
        let of_metric = || levels.of(METRIC).map(|level| Template::of_levels([level].into_iter()));
        let fields = Fields::new(&source.mapping, &levels)?;
        let mapping = Mapping {
            device: template("device", device)?.or_else(of_device),
            group: template("group", group)?.or_else(of_places),
            metric: template("metric", metric)?.or_else(of_metric),
            fields,
            filter: levels.filter,
        };
        if mapping.fields.is_none() {
            for (key, template) in [("device", &mapping.device), ("group", &mapping.group), ("metric", &mapping.metric)]
            {
                if let Some(path) = template.as_ref().and_then(Template::first_path) {
                    return Err((
                        key,
                        format!("names {path:?}, which is no level of the topic: name one +{path}, or give fields"),
                    ));
                }
            }
        }
        Ok(mapping)
    }

    /// Whether it says where values stand: then no format is asked.
    pub(crate) fn reads_fields(&self) -> bool {
        self.fields.is_some()
    }

    /// Reads the values that stand where it says.
    pub(crate) fn read(&self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        match &self.fields {
            Some(fields) => fields.read(self, input, out),
            None => Ok(()),
        }
    }

    /// Gives what a format found the names that it says: one device's, which the topic is about.
    ///
    /// # Errors
    /// [`Reason::InvalidName`]: what cannot be named is left out.
    pub(crate) fn place(&self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let named = self.device(input, &[]).and_then(|device| Ok((device, self.group(input, &[])?)));
        let (device, group) = match named {
            Ok(named) => named,
            Err(rejection) => {
                let further = std::mem::take(&mut out.further);
                out.clear();
                out.further = further;
                return Err(rejection);
            }
        };
        if let Some(device) = device {
            let readings = out.readings.iter_mut().map(|reading| &mut reading.device);
            let history = out.history.iter_mut().map(|series| &mut series.device);
            let devices = out.devices.iter_mut().map(|said| &mut said.device);
            let metrics = out.descriptions.iter_mut().map(|said| &mut said.device);
            let there = out.availability.iter_mut().map(|said| &mut said.device);
            for known in readings.chain(history).chain(devices).chain(metrics).chain(there) {
                known.clone_from(&device);
            }
        }
        if let Some(group) = group {
            let readings = out.readings.iter_mut().map(|reading| &mut reading.group);
            let history = out.history.iter_mut().map(|series| &mut series.group);
            readings.chain(history).for_each(|known| known.clone_from(&group));
        }
        self.place_metrics(input, out)
    }

    fn place_metrics(&self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let Some(metric) = &self.metric else { return Ok(()) };
        let name = filled(metric, input, &[], METRIC)?;
        let count = |reading: &Reading| reading.metrics.len() + reading.without_value.len();
        let is_one = out.readings.iter().map(count).sum::<usize>() + out.history.len() == 1;
        let readings = out
            .readings
            .iter_mut()
            .flat_map(|reading| reading.metrics.iter_mut().map(|(name, _)| name).chain(&mut reading.without_value));
        let history = out.history.iter_mut().map(|series| &mut series.metric);
        let described = out.descriptions.iter_mut().map(|said| &mut said.metric);
        for known in readings.chain(history).chain(described) {
            let full = if is_one { name.clone() } else { format!("{name}.{known}") };
            *known = input.name("metric name", &full)?;
        }
        Ok(())
    }

    fn device(&self, input: &mut Input<'_>, payloads: &[&Value]) -> Result<Option<Arc<str>>, Rejection> {
        let Some(template) = &self.device else { return Ok(None) };
        let name = filled(template, input, payloads, DEVICE)?;
        input.name("device identifier", &name).map(Some)
    }

    fn group(&self, input: &mut Input<'_>, payloads: &[&Value]) -> Result<Option<Arc<str>>, Rejection> {
        let Some(template) = &self.group else { return Ok(None) };
        let name = filled(template, input, payloads, "group")?;
        input.names.group_of_location(&name).map(Some)
    }
}

/// A name whose gaps are filled.
fn filled(template: &Template, input: &Input<'_>, payloads: &[&Value], what: &str) -> Result<String, Rejection> {
    template.fill(input.topic, payloads).map_err(|gap| {
        let detail = format!(
            "{what} is to be called by {gap:?}, which is no text and no number there: send it, or change `{what}` of the \
             [[source]]"
        );
        Rejection::new(Reason::InvalidName, detail)
    })
}

const NO_FILTER: &str = "uses a wildcard where none may stand, or is empty, or names two levels alike: + fills a level, # is \
                         the last level, and each may have a name behind it, such as plant/+line/+device/data";
