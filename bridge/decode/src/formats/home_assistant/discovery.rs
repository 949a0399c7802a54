//! Configurations: what they say of devices and states (<https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>).

use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tidegate_telemetry::{DeviceFacts, MetricFacts, Reason, Rejection, StateClass};

use super::components::{self, Role};
use super::keys::Keys;
use super::register::{Aside, Config, Item, Mode, PARTS_MAX, Part, Watch};
use super::{HomeAssistant, is_of_another, principal};
use crate::flaws::Flaws;
use crate::format::Input;
use crate::formats::esphome;
use crate::meaning::Meaning;
use crate::topic;

/// What the components of a device have in common.
const SHARED: &[&str] = &[
    "state_topic",
    "availability",
    "availability_topic",
    "availability_template",
    "availability_mode",
    "payload_available",
    "payload_not_available",
];

/// Most components of a device in one configuration.
const COMPONENTS_MAX: usize = 1_024;

/// Most topics in one list of availability.
const ITEMS_MAX: usize = 15;

/// A topic of a configuration: `{component}/[{node}/]{object}` below the prefix.
#[derive(Debug)]
pub(super) struct Subject<'t> {
    component: &'t str,
    object: &'t str,
}

impl<'t> Subject<'t> {
    /// `None` for a topic that is none of a configuration.
    pub(super) fn of(below: &'t str) -> Option<Subject<'t>> {
        let path = below.strip_suffix("/config")?;
        let (component, rest) = path.split_once('/')?;
        match rest.split('/').collect::<Vec<_>>()[..] {
            [object] | [_, object] if !component.is_empty() => Some(Subject { component, object }),
            _ => None,
        }
    }
}

/// A component in a configuration.
struct Entity<'j> {
    component: &'j str,
    /// What it is called in the topic, or among the components.
    object: &'j str,
    keys: Keys<'j>,
}

/// What the configuration says of the device.
struct Owner<'j> {
    /// `None`: it says nothing of a device.
    id: Option<String>,
    keys: Option<Keys<'j>>,
    group: Option<&'j str>,
    system: Option<&'j str>,
}

impl HomeAssistant {
    /// Takes a configuration in. What was of it before goes.
    pub(super) fn configure(
        &mut self,
        input: &mut Input<'_>,
        subject: &Subject<'_>,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let (topic, position) = (input.topic(), input.position());
        let text = input.text()?;
        let (digest, by) = (digest(text), principal(input));
        if self.register.has(topic, digest, by) {
            return Ok(());
        }
        let json: Map<String, Json> = serde_json::from_str(text).map_err(|error| {
            Rejection::new(Reason::InvalidJson, format!("the configuration is no JSON object ({error})"))
        })?;
        self.register.forget(topic, position);
        let keys = Keys::of(&json);
        let owner = Owner::of(&keys);
        let config = input.name("topic", topic)?;
        let by = self.shared_text(by);
        if !self.register.take(topic, Config::new(&by, digest, text.len()), position) {
            return Err(too_much());
        }
        self.templates.begin(true);
        for entity in entities(subject, &keys, flaws) {
            if let Err(rejection) = self.take(input, &config, &owner, &entity, flaws) {
                flaws.add(rejection);
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        input: &mut Input<'_>,
        config: &Arc<str>,
        owner: &Owner<'_>,
        entity: &Entity<'_>,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let Some(roles) = components::roles(entity.component, &entity.keys) else {
            let detail = format!("the component {:?} is not known: its states are not read", entity.component);
            return Err(Rejection::new(Reason::NotUnderstood, detail));
        };
        for role in roles {
            if let Err(rejection) = self.take_state(input, config, owner, entity, role) {
                flaws.add(rejection);
            }
        }
        for command in entity.keys.topics_ending("command_topic") {
            // Of others nobody knows what else comes on their topic.
            if esphome::node_aside(&command, "").is_some() {
                self.aside(input, config, &command, false);
            }
        }
        Ok(())
    }

    /// Takes one state of an entity in.
    fn take_state(
        &mut self,
        input: &mut Input<'_>,
        config: &Arc<str>,
        owner: &Owner<'_>,
        entity: &Entity<'_>,
        role: &Role,
    ) -> Result<(), Rejection> {
        let keys = &entity.keys;
        let Some(topic) = keys.topic(role.topic) else { return Ok(()) };
        if is_of_another(input, &topic) {
            return Ok(());
        }
        if topic.contains(['+', '#']) {
            let detail = format!("the topic {topic:?} has a wildcard: name one topic");
            return Err(Rejection::new(Reason::NotUnderstood, detail));
        }
        if keys.get("enabled_by_default") == Some(&Json::Bool(false)) {
            self.aside(input, config, &topic, true);
            return Ok(());
        }
        let topic = input.name("topic", &topic)?;
        if self.register.is_full(&topic) {
            let detail = format!("{topic:?} has {PARTS_MAX} states, and no room for another: use more topics");
            return Err(Rejection::new(Reason::TooManyMetrics, detail));
        }
        let template = keys.text(role.template).or(role.implied).map(|text| self.shared_text(text));
        if let Some(template) = &template {
            self.templates.check(template)?;
        }
        let path = template.as_ref().and_then(|template| self.templates.path(template));
        let node = esphome::Subject::of_state(&topic);
        let id = match (&node, &owner.id) {
            (Some(node), _) => node.node.to_owned(),
            (None, Some(id)) => format!("homeassistant/{id}"),
            (None, None) if template.is_some() => topic.to_string(),
            (None, None) => topic::split_last(&topic).map_or(&*topic, |(above, _)| above).to_owned(),
        };
        let device = input.name("device identifier", &id)?;
        let group = match (owner.group, &node, &owner.id) {
            (Some(area), ..) => input.name("suggested area", area)?,
            (None, Some(_), _) => input.name("group", esphome::GROUP)?,
            (None, None, Some(_)) => input.name("origin's name", owner.system.unwrap_or(super::GROUP))?,
            (None, None, None) => match topic::group_above(&id) {
                above if above.is_empty() => Arc::default(),
                above => input.name("group", &above)?,
            },
        };
        let names = names(
            input,
            entity,
            role,
            path.as_deref(),
            node.as_ref(),
            (owner.id.is_none() && template.is_none()).then_some(&*topic),
        );
        let watch = watch(input, keys)?.map(|watch| self.watches.one_of(watch));
        for item in watch.iter().flat_map(|watch| &watch.items) {
            item.template.iter().try_for_each(|template| self.templates.check(template))?;
        }
        let facts = self.facts(input, owner, keys, &id);
        let position = input.position();
        let known = self.register.device(&device, config, position);
        if *known.facts != facts {
            known.facts = Arc::new(merged(&known.facts, facts));
        }
        // Some say their area only once.
        if owner.group.is_some() || known.group.is_empty() {
            known.group = group;
        }
        let state = digest(&format!("{}\n{}", entity.object, role.name));
        let metric = known.give_name(&names, config, state).ok_or_else(|| no_name(entity.object))?;
        let meaning = match &node {
            Some(node) if node.component == "text_sensor" => Meaning::Text,
            _ => role.meaning(keys),
        };
        let facts = self.metric_facts(keys, role, &meaning);
        let by = self.shared_text(principal(input));
        if let Some(watch) = &watch {
            let is_watched = self.register.watch(config, &device, watch, position).ok_or_else(too_much)?;
            let items = watch.items.iter().filter(|item| is_watched && !is_of_another(input, &item.topic));
            for item in items {
                let topic = self.register.topics.of(&item.topic, position);
                let watched = topic.watched_by.entry(by.clone()).or_default();
                watched.insert((device.clone(), config.clone()));
            }
        }
        if let Some(node) = &node {
            // Its log is no telemetry.
            self.aside(input, config, &format!("{}/debug", node.node), false);
        }
        let part = Part { config: config.clone(), by, device, metric, template, meaning, facts };
        self.register.part(&topic, part, position);
        Ok(())
    }

    /// Notes a topic on which comes what is not read: a state that is off, or else what a node logs and is commanded.
    fn aside(&mut self, input: &mut Input<'_>, config: &Arc<str>, topic: &str, is_state: bool) {
        let by = self.shared_text(principal(input));
        if !is_of_another(input, topic)
            && let Ok(topic) = input.name("topic", topic)
        {
            self.register.aside(&topic, Aside { config: config.clone(), by, is_state }, input.position());
        }
    }

    fn facts(&mut self, input: &mut Input<'_>, owner: &Owner<'_>, keys: &Keys<'_>, id: &str) -> DeviceFacts {
        let of = owner.keys.as_ref();
        let mut text = |key: &str| of.and_then(|of| of.text(key)).and_then(|text| input.name("description", text).ok());
        let expires = keys.get("expire_after").and_then(Json::as_f64).filter(|s| (1.0..1e9).contains(s));
        DeviceFacts {
            name: text("name").filter(|name| **name != *id),
            model: text("model"),
            maker: text("manufacturer"),
            firmware: text("sw_version"),
            power: None,
            report_ms: expires.map(|s| (s * 1e3) as i64),
        }
    }

    fn metric_facts(&mut self, keys: &Keys<'_>, role: &Role, meaning: &Meaning) -> Arc<MetricFacts> {
        let is_number = matches!(meaning, Meaning::Number);
        let unit = keys.text("unit_of_measurement").or(match role.class() {
            Some("temperature") if !role.name.is_empty() => Some(match keys.text("temperature_unit") {
                Some("F") => "°F",
                _ => "°C",
            }),
            Some("humidity" | "battery") if !role.name.is_empty() => Some("%"),
            _ => None,
        });
        let class = keys.text("device_class").filter(|_| role.name.is_empty()).or_else(|| role.class());
        let words = match meaning {
            Meaning::Switch(on, off) if !is_switch(on) && !is_switch(off) => Some([off.clone(), on.clone()]),
            _ => None,
        };
        let facts = MetricFacts {
            unit: if is_number { unit.map(Arc::from) } else { Some(unit.unwrap_or_default().into()) },
            decimals: keys
                .get("suggested_display_precision")
                .and_then(Json::as_u64)
                .and_then(|it| u8::try_from(it).ok()),
            class: class.map(Arc::from),
            state_class: match keys.text("state_class") {
                Some("total") => Some(StateClass::Total),
                Some("total_increasing") => Some(StateClass::TotalIncreasing),
                Some(_) => Some(StateClass::Measurement),
                None => None,
            },
            words,
            name: keys.text("name").filter(|_| role.name.is_empty()).map(Arc::from),
        };
        self.kept.one_of(facts)
    }

    /// A text that is in memory once.
    fn shared_text(&mut self, text: &str) -> Arc<str> {
        self.texts.one_of(text)
    }
}

/// The components of a configuration.
fn entities<'j>(subject: &Subject<'j>, keys: &Keys<'j>, flaws: &mut Flaws) -> Vec<Entity<'j>> {
    if subject.component != "device" {
        return vec![Entity { component: subject.component, object: subject.object, keys: keys.clone() }];
    }
    let Some(components) = keys.object("components") else {
        flaws.add(Rejection::new(Reason::NotUnderstood, "a device's configuration without components (cmps)"));
        return Vec::new();
    };
    if components.len() > COMPONENTS_MAX {
        let detail = format!("{} components are more than {COMPONENTS_MAX}: the others are left out", components.len());
        flaws.add(Rejection::new(Reason::TooManyMetrics, detail));
    }
    let mut entities = Vec::new();
    for (object, component) in components.iter().take(COMPONENTS_MAX) {
        let within = component.as_object().map(|component| keys.within(component, SHARED));
        match within.as_ref().and_then(|within| within.text("platform")) {
            Some(platform) => entities.extend(within.map(|keys| Entity { component: platform, object, keys })),
            None => {
                let detail = format!("the component {object:?} does not say its platform (p)");
                flaws.add(Rejection::new(Reason::NotUnderstood, detail));
            }
        }
    }
    entities
}

impl<'j> Owner<'j> {
    fn of(config: &Keys<'j>) -> Owner<'j> {
        let keys = config.object("device").map(Keys::of);
        let first = |json: &'j Json| match json {
            Json::Array(list) => list.first(),
            other => Some(other),
        };
        let text = |json: &'j Json| match json {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let id = keys.as_ref().and_then(|keys| {
            let identifier = keys.get("identifiers").and_then(first).and_then(text);
            // A connection is a pair: ["mac", "02:5b:26:a8:dc:12"].
            let connection = || keys.get("connections").and_then(first)?.as_array()?.get(1).and_then(text);
            identifier.or_else(connection).filter(|id| !id.is_empty())
        });
        let group = keys.as_ref().and_then(|keys| keys.text("suggested_area"));
        let system = config.object("origin").map(Keys::of).and_then(|origin| origin.text("name"));
        Owner { id, keys, group, system }
    }
}

/// What a state may be called, best first.
fn names(
    input: &mut Input<'_>,
    entity: &Entity<'_>,
    role: &Role,
    path: Option<&str>,
    node: Option<&esphome::Subject<'_>>,
    topic: Option<&str>,
) -> Vec<Arc<str>> {
    let with_role = |name: &str| match role.name {
        "" => name.to_owned(),
        role => format!("{name}.{role}"),
    };
    let object = slug(entity.object);
    let candidates = [
        node.map(|node| node.metric(path)),
        path.map(str::to_owned),
        topic.and_then(topic::split_last).map(|(_, last)| with_role(last)),
        entity.keys.text("name").map(slug).filter(|name| !name.is_empty()).map(|name| with_role(&name)),
        Some(with_role(&object)),
        Some(with_role(&format!("{}.{object}", entity.component))),
        entity.keys.text("unique_id").map(with_role),
    ];
    candidates.into_iter().flatten().filter_map(|name| input.name("metric name", &name).ok()).collect()
}

/// A name as Home Assistant makes identifiers of it: letters and digits in small, others are underscores.
fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_alphanumeric() {
            slug.extend(character.to_lowercase());
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
    }
    slug.truncate(slug.trim_end_matches('_').len());
    slug
}

fn is_switch(text: &str) -> bool {
    ["on", "off", "true", "false", "yes", "no", "1", "0"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// What is said later of a device, on top of what was said before: some say their name only once.
fn merged(before: &DeviceFacts, now: DeviceFacts) -> DeviceFacts {
    let shorter = before.report_ms.into_iter().chain(now.report_ms).min();
    DeviceFacts {
        name: now.name.or_else(|| before.name.clone()),
        model: now.model.or_else(|| before.model.clone()),
        maker: now.maker.or_else(|| before.maker.clone()),
        firmware: now.firmware.or_else(|| before.firmware.clone()),
        power: now.power.or(before.power),
        report_ms: shorter,
    }
}

/// The topics that say whether an entity is there.
fn watch(input: &mut Input<'_>, keys: &Keys<'_>) -> Result<Option<Watch>, Rejection> {
    let mut item = |of: &Keys<'_>, topic: &str, template: &str| {
        let Some(topic) = of.topic(topic).filter(|topic| !topic.contains(['+', '#'])) else { return Ok(None) };
        let topic = input.name("availability topic", &topic)?;
        let mut payload = |key, default: &str| {
            let word = of.payload(key).unwrap_or(default.into());
            let max = input.config.text_bytes_max;
            if word.len() > max {
                let detail = format!("{key} is longer than decode.text_bytes_max ({max}): shorten it");
                return Err(Rejection::new(Reason::PayloadTooLarge, detail));
            }
            Ok(input.names.text(&word))
        };
        let (available, gone) = (payload("payload_available", "online")?, payload("payload_not_available", "offline")?);
        Ok(Some(Item { topic, available, gone, template: of.text(template).map(Arc::from) }))
    };
    let listed = match keys.get("availability") {
        Some(Json::Array(list)) => list.iter().filter_map(Json::as_object).collect(),
        Some(Json::Object(one)) => vec![one],
        _ => Vec::new(),
    };
    let mut items = Vec::new();
    for one in listed.into_iter().take(ITEMS_MAX) {
        items.extend(item(&keys.within(one, &[]), "topic", "value_template")?);
    }
    items.extend(item(keys, "availability_topic", "availability_template")?);
    let mode = match keys.text("availability_mode") {
        Some("all") => Mode::All,
        Some("any") => Mode::Any,
        _ => Mode::Latest,
    };
    Ok((!items.is_empty()).then_some(Watch { mode, items }))
}

/// FNV-1a (Fowler, Noll, Vo).
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn too_much() -> Rejection {
    let detail = "what is discovered is more than is kept: clear retained configurations of devices that are gone";
    Rejection::new(Reason::PayloadTooLarge, detail)
}

fn no_name(object: &str) -> Rejection {
    let detail = format!("{object:?} has no name that another state of its device has not: give it a unique_id");
    Rejection::new(Reason::InvalidName, detail)
}
