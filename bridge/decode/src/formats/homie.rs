//! Homie 5 (`homie/5/{device}/{node}/{property}`, described by `$description`) and Homie 4 (`homie/{device}/{node}/{property}`,
//! described by an attribute a topic).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::smallvec;
use tidegate_telemetry::{
    Availability, Decoded, Description, DeviceDescription, DeviceFacts, Frozen, MetricFacts, Reading, Reason,
    Rejection, Value,
};

use crate::config::DecodeConfig;
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::sources::Sources;
use crate::words::{self, Meaning};
use crate::{non_finite, units};

use super::parts::whole;

pub(super) const HOMIE: FormatEntry = FormatEntry {
    name: "homie",
    meaning: "Homie 5 and 4",
    new: |config| Box::new(Homie { devices: Sources::bounded(config.sources_max, config.sources_bytes_max) }),
};

/// Properties that attributes of Homie 4 describe, of one device at most.
const PROPERTIES_MAX: usize = 1024;
/// Longest name or unit of a property that is kept, bytes.
const WORDS_BYTES_MAX: usize = 128;

#[derive(Debug)]
struct Homie {
    devices: Sources<Known>,
}

/// What a device said of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Known {
    described: Arc<Described>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Described {
    facts: Option<Arc<DeviceFacts>>,
    /// The device at the root of its tree, where that is another one.
    root: Option<Arc<str>>,
    children: Vec<Arc<str>>,
    /// By `node.property`.
    properties: BTreeMap<Arc<str>, Property>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Property {
    datatype: Datatype,
    facts: Option<Arc<MetricFacts>>,
}

/// How a property writes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Datatype {
    /// Nobody said: as a plain value.
    #[default]
    Unknown,
    Number,
    Boolean,
    Text,
}

impl Datatype {
    fn of(word: &str) -> Self {
        match word {
            "integer" | "float" => Datatype::Number,
            "boolean" => Datatype::Boolean,
            _ => Datatype::Text,
        }
    }
}

/// `$description` of Homie 5.
#[derive(Debug, Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    root: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    children: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    nodes: BTreeMap<Cow<'a, str>, Node<'a>>,
}

#[derive(Debug, Deserialize)]
struct Node<'a> {
    #[serde(borrow, default)]
    properties: BTreeMap<Cow<'a, str>, PropertyDocument<'a>>,
}

#[derive(Debug, Deserialize)]
struct PropertyDocument<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    datatype: Cow<'a, str>,
    #[serde(borrow, default)]
    format: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    unit: Option<Cow<'a, str>>,
}

/// What a topic is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject<'t> {
    State,
    Description,
    /// An attribute of the device, Homie 4.
    Attribute(&'t str),
    /// An attribute of a property, Homie 4.
    PropertyAttribute(&'t str, &'t str, &'t str),
    Value(&'t str, &'t str),
    /// Commands, targets, logs, alerts, broadcasts.
    Nothing,
}

impl Format for Homie {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        match input.topic.strip_prefix("homie/").and_then(subject) {
            // What nobody described, and is JSON, is read as such.
            Some((device, Subject::Value(node, property))) if input.text.is_ok_and(|text| text.starts_with('{')) => {
                let name = format!("{node}.{property}");
                self.devices.get(device).is_some_and(|known| known.described.properties.contains_key(&*name))
            }
            subject => subject.is_some(),
        }
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let rest =
            input.topic.strip_prefix("homie/").or_else(|| input.topic.split_once("/homie/").map(|(_, rest)| rest));
        let (device, subject) = rest.and_then(subject).ok_or_else(unknown_topic)?;
        let id = input.name("device of Homie", device)?;
        match subject {
            Subject::State => self.state(&id, input, out),
            Subject::Description => self.description(&id, input),
            Subject::Attribute("$name") => {
                let name = kept(input.text()?);
                self.describe(&id, input, |known| {
                    let facts = DeviceFacts { name, ..DeviceFacts::default() };
                    known.facts = Some(Arc::new(facts));
                });
                Ok(())
            }
            Subject::PropertyAttribute(node, property, attribute) => {
                self.attribute(&id, node, property, attribute, input)
            }
            Subject::Value(node, property) => self.value(&id, node, property, input, out),
            Subject::Attribute(_) | Subject::Nothing => Ok(()),
        }
    }

    fn forget(&mut self, device: &str) {
        self.devices.remove(device);
        let named: Vec<Arc<str>> = self.names(device).map(Arc::clone).collect();
        for other in named {
            let Some(known) = self.devices.of_known(&other) else { continue };
            let described = Arc::make_mut(&mut known.described);
            described.children.retain(|child| **child != *device);
            described.root.take_if(|root| **root == *device);
        }
    }

    fn remembers(&self, device: &str) -> bool {
        self.devices.get(device).is_some() || self.names(device).next().is_some()
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.devices.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.devices.restore(state)
    }
}

impl Homie {
    /// Devices whose tree has another one in it.
    fn names(&self, device: &str) -> impl Iterator<Item = &Arc<str>> {
        let has = move |described: &Described| {
            described.root.as_deref() == Some(device) || described.children.iter().any(|child| **child == *device)
        };
        self.devices.iter().filter(move |(_, known)| has(&known.described)).map(|(name, _)| name)
    }

    /// A device that sleeps, or begins, says nothing about whether it is there. With a root all below it are gone.
    fn state(&mut self, id: &Arc<str>, input: &Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let is_connected = match input.text()? {
            "ready" | "alert" => true,
            "lost" | "disconnected" => false,
            _ => return Ok(()),
        };
        let known = &self.devices.of(id, input.position).described;
        let below = known.children.iter().filter(|_| !is_connected);
        let all = std::iter::once(id).chain(below);
        out.availability.extend(all.map(|device| Availability { device: Arc::clone(device), is_connected }));
        Ok(())
    }

    fn description(&mut self, id: &Arc<str>, input: &mut Input<'_>) -> Result<(), Rejection> {
        let said: Document<'_> = whole(input, "Homie's $description")?;
        let mut described = Described {
            root: said.root.filter(|root| **root != **id).and_then(|root| kept(&root)),
            children: said.children.iter().filter_map(|child| kept(child)).collect(),
            ..Described::default()
        };
        let facts = DeviceFacts {
            name: said.name.and_then(|name| kept(&name)),
            model: said.r#type.and_then(|model| kept(&model)),
            ..DeviceFacts::default()
        };
        described.facts = (facts != DeviceFacts::default()).then(|| Arc::new(facts));
        for (node, of) in &said.nodes {
            for (property, said) in &of.properties {
                let Ok(metric) = input.name("property", &format!("{node}.{property}")) else { continue };
                let facts = MetricFacts {
                    name: said.name.as_deref().and_then(kept),
                    unit: said.unit.as_deref().map(units::for_people).and_then(kept),
                    words: if said.datatype == "boolean" { said.format.as_deref().and_then(two_words) } else { None },
                    ..MetricFacts::default()
                };
                let facts = (facts != MetricFacts::default()).then(|| Arc::new(facts));
                let property = Property { datatype: Datatype::of(&said.datatype), facts };
                described.properties.insert(metric, property);
            }
        }
        self.describe(id, input, |known| *known = described);
        Ok(())
    }

    fn describe(&mut self, id: &Arc<str>, input: &Input<'_>, change: impl FnOnce(&mut Described)) {
        let known = &mut self.devices.of(id, input.position).described;
        change(Arc::make_mut(known));
        let of_property = |(name, _): (&Arc<str>, &Property)| 256 + name.len();
        let bytes = 256 + 64 * known.children.len() + known.properties.iter().map(of_property).sum::<usize>();
        self.devices.set_bytes(id, bytes);
    }

    fn attribute(
        &mut self,
        id: &Arc<str>,
        node: &str,
        property: &str,
        attribute: &str,
        input: &mut Input<'_>,
    ) -> Result<(), Rejection> {
        let text = input.text()?;
        let metric = input.name("property", &format!("{node}.{property}"))?;
        self.describe(id, input, |known| {
            let is_full = known.properties.len() >= PROPERTIES_MAX && !known.properties.contains_key(&metric);
            if is_full || !matches!(attribute, "$datatype" | "$unit" | "$name") {
                return;
            }
            let property = known.properties.entry(metric).or_default();
            if attribute == "$datatype" {
                property.datatype = Datatype::of(text);
                return;
            }
            let facts = Arc::make_mut(property.facts.get_or_insert_default());
            match attribute {
                "$unit" => facts.unit = kept(units::for_people(text)),
                _ => facts.name = kept(text),
            }
        });
        Ok(())
    }

    fn value(
        &mut self,
        id: &Arc<str>,
        node: &str,
        property: &str,
        input: &mut Input<'_>,
        out: &mut Decoded,
    ) -> Result<(), Rejection> {
        let metric = input.name("property", &format!("{node}.{property}"))?;
        let known = Arc::clone(&self.devices.of(id, input.position).described);
        let of = known.properties.get(&metric);
        let mut flaws = Flaws::default();
        let value = value(of.map_or(Datatype::Unknown, |of| of.datatype), &metric, input, &mut flaws)?;
        let group = match &known.root {
            Some(root) => input.name("root of Homie", &format!("homie/{root}"))?,
            None => input.name("group", "homie")?,
        };
        let (metrics, without_value) = match value {
            Some(value) => (smallvec![(Arc::clone(&metric), value)], Vec::new()),
            None => (smallvec![], vec![Arc::clone(&metric)]),
        };
        let device = Arc::clone(id);
        out.readings.push(Reading { device, group, time_ms: None, corrects: false, metrics, without_value });
        if let Some(facts) = &known.facts {
            out.devices.push(DeviceDescription { device: Arc::clone(id), facts: Arc::clone(facts) });
        }
        if let Some(facts) = of.and_then(|of| of.facts.as_ref()) {
            out.descriptions.push(Description { device: Arc::clone(id), metric, facts: Arc::clone(facts) });
        }
        flaws.into_result(&mut out.further)
    }
}

/// `None` where there is none: a text of no length comes as a NUL.
fn value(
    datatype: Datatype,
    metric: &str,
    input: &mut Input<'_>,
    flaws: &mut Flaws,
) -> Result<Option<Value>, Rejection> {
    let (text, DecodeConfig { text_bytes_max, label_words, .. }) = (input.text()?, input.config);
    let wrong = |what: &str| {
        let shown: String = text.chars().take(40).collect();
        Rejection::new(
            Reason::NotUnderstood,
            format!("{metric} is {shown:?}, which is no {what}, as its datatype says"),
        )
    };
    let meaning = match datatype {
        _ if text.is_empty() => return Ok(None),
        Datatype::Boolean => match text {
            "true" => Meaning::Switch(true),
            "false" => Meaning::Switch(false),
            _ => return Err(wrong("boolean")),
        },
        Datatype::Number => Meaning::Number(text.parse().map_err(|_| wrong("number"))?),
        Datatype::Text => Meaning::Text(text),
        Datatype::Unknown => words::read(label_words, metric, text)?,
    };
    Ok(match meaning {
        Meaning::Number(number) if !number.is_finite() => return Err(non_finite::refusal(text)),
        Meaning::Number(number) => Some(Value::Number(number)),
        Meaning::Switch(on) => Some(Value::Bool(on)),
        Meaning::NoValue => None,
        Meaning::LongInteger(digits, number) => {
            flaws.add(words::not_exact(metric, digits, number));
            Some(Value::Number(number))
        }
        Meaning::Text(text) if text.len() > *text_bytes_max => {
            let detail = format!("the text of {metric} is longer than decode.text_bytes_max ({text_bytes_max})");
            return Err(Rejection::new(Reason::PayloadTooLarge, detail));
        }
        Meaning::Text(text) => Some(Value::Text(input.names.text(text))),
    })
}

/// Device and subject of the levels below `homie`; `None` for what is no topic of Homie.
fn subject(rest: &str) -> Option<(&str, Subject<'_>)> {
    let (is_5, rest) = match rest.strip_prefix("5/") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let mut levels = rest.split('/');
    let (device, first) = (levels.next().filter(|device| !device.is_empty())?, levels.next()?);
    if device == "$broadcast" {
        return Some((device, Subject::Nothing));
    }
    let (second, third, more) = (levels.next(), levels.next(), levels.next());
    let subject = match (first, second, third) {
        ("$state", None, None) => Subject::State,
        ("$description", None, None) if is_5 => Subject::Description,
        (attribute, None, None) if attribute.starts_with('$') && !is_5 => Subject::Attribute(attribute),
        (attribute, ..) if attribute.starts_with('$') => Subject::Nothing,
        (_, Some(attribute), None) if attribute.starts_with('$') => Subject::Nothing,
        (node, Some(property), None) => Subject::Value(node, property),
        (node, Some(property), Some(attribute)) if attribute.starts_with('$') && !is_5 && more.is_none() => {
            Subject::PropertyAttribute(node, property, attribute)
        }
        (_, Some(_), Some("set" | "$target")) if more.is_none() => Subject::Nothing,
        _ => return None,
    };
    Some((device, subject))
}

fn kept(text: &str) -> Option<Arc<str>> {
    let text = text.trim();
    let is_kept = !text.is_empty() && text.len() <= WORDS_BYTES_MAX && !text.contains(char::is_control);
    is_kept.then(|| text.into())
}

/// `close,open`: the words for false and true.
fn two_words(format: &str) -> Option<[Arc<str>; 2]> {
    let (of_false, of_true) = format.split_once(',')?;
    Some([kept(of_false)?, kept(of_true)?])
}

fn unknown_topic() -> Rejection {
    let detail = "no topic of Homie: it is homie/5/{device}/{node}/{property}";
    Rejection::new(Reason::NotUnderstood, detail)
}
