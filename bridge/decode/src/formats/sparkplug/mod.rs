//! Sparkplug B (Eclipse Sparkplug 3.0): plants whose nodes say what they have in births, and from then on what changed, by
//! number.
//!
//! - `topic`: who says what
//! - `wire`: the Protobuf of a message
//! - `state`: what is remembered of a node
//! - `take`: metrics on their way into readings
//!
//! Tidegate is a host application that observes: it asks for births it missed, and publishes no `STATE` of its own, for which
//! a node would have to be configured to wait.

mod state;
mod take;
mod topic;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use tidegate_telemetry::{Availability, Decoded, Effect, Frozen, Qos, Reason, Rejection};

use crate::config::DecodeConfig;
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::gather::Place;
use crate::sources::Sources;
use state::{Node, Table};
use take::Take;
use topic::{Message, Subject, Topic};
use wire::{Metric, Payload, Raw};

pub(super) const SPARKPLUG: FormatEntry =
    FormatEntry { name: "sparkplug", meaning: "Sparkplug B", new: |config| Box::new(Sparkplug::new(config)) };

/// Of all that is remembered one node may have this part.
const PART_OF_NODE: usize = 8;

#[derive(Debug)]
struct Sparkplug {
    nodes: Sources<Node>,
    node_bytes_max: usize,
    /// Room for the name of the node at hand.
    name: String,
}

impl Sparkplug {
    fn new(config: &DecodeConfig) -> Self {
        let nodes = Sources::bounded(config.sources_max, config.sources_bytes_max);
        Sparkplug { nodes, node_bytes_max: config.sources_bytes_max / PART_OF_NODE, name: String::new() }
    }
}

impl Format for Sparkplug {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        input.topic.strip_prefix(topic::NAMESPACE).is_some_and(|rest| rest.starts_with('/'))
            || is_state_of_before(input)
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let topic = match Subject::of(input.topic) {
            Subject::Telemetry(topic) => topic,
            Subject::Nothing => return Ok(()),
            Subject::Unknown if is_state_of_before(input) => return Ok(()),
            Subject::Unknown => return Err(unknown_topic()),
        };
        let payload = Payload::read(input.payload).map_err(|_| broken())?;
        self.name.clear();
        self.name.extend([topic.group, "/", topic.node]);
        let mut flaws = Flaws::default();
        match topic.message {
            Message::Birth => self.birth(&topic, payload, input, out, &mut flaws)?,
            Message::Data => self.data(&topic, payload, input, out, &mut flaws)?,
            Message::Death => self.death(&topic, payload, input, out)?,
        }
        flaws.into_result(&mut out.further)
    }

    /// A node goes with all that it said; of a device its own birth, and the node is asked for it if it speaks again.
    fn forget(&mut self, device: &str) {
        self.nodes.remove(device);
        if let Some((node, level)) = device.rsplit_once('/')
            && let Some(node) = self.nodes.of_known(node)
            && node.devices.contains_key(level)
        {
            Arc::make_mut(&mut node.devices).remove(level);
        }
    }

    fn remembers(&self, device: &str) -> bool {
        let behind =
            device.rsplit_once('/').and_then(|(node, level)| Some(self.nodes.get(node)?.devices.contains_key(level)));
        self.nodes.get(device).is_some() || behind == Some(true)
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.nodes.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.nodes.restore(state)
    }
}

impl Sparkplug {
    fn birth(
        &mut self,
        topic: &Topic<'_>,
        payload: Payload<'_>,
        input: &mut Input<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        self.is_its(input)?;
        let place = place(topic, input)?;
        let (seq, position) = (seq(payload), input.position);
        let (table, bd_seq) = read_birth(payload, &place, input, out, flaws);
        out.availability.push(Availability { device: place.device, is_connected: true });
        let node = self.nodes.of(&self.name, position);
        node.belongs_to(input.principal());
        match topic.device {
            None => node.is_born(Arc::new(table), seq, bd_seq),
            Some(device) => {
                node.count(seq);
                if node.born.is_none() {
                    node.needs_birth();
                }
                let devices = Arc::make_mut(&mut node.devices);
                devices.insert(device.into(), Some(Arc::new(table)));
            }
        }
        self.bound(topic, flaws);
        self.ask(topic, input, out);
        Ok(())
    }

    /// Whether the node at hand is the publisher's: what others say of it is not remembered.
    fn is_its(&self, input: &Input<'_>) -> Result<(), Rejection> {
        let owner = self.nodes.get(&self.name).and_then(|node| node.owner_other_than(input.principal()));
        owner.map_or(Ok(()), |owner| Err(conflict(&self.name, owner, input.principal())))
    }

    /// Forgets what was born last where a node says more than there is room for.
    fn bound(&mut self, topic: &Topic<'_>, flaws: &mut Flaws) {
        let node = self.nodes.of_known(&self.name).expect("it was just born");
        if node.bytes() > self.node_bytes_max {
            match topic.device {
                None => node.is_dead(),
                Some(device) => drop(Arc::make_mut(&mut node.devices).remove(device)),
            }
            let detail = format!("the births of {:?} name more metrics than there is room for", self.name);
            flaws.add(Rejection::new(Reason::TooManyMetrics, detail));
        }
        let bytes = node.bytes();
        self.nodes.set_bytes(&self.name, bytes);
    }

    fn data(
        &mut self,
        topic: &Topic<'_>,
        payload: Payload<'_>,
        input: &mut Input<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let is_its = self.is_its(input).is_ok();
        let node = self.nodes.of(&self.name, input.position);
        let table = match topic.device {
            None => node.born.clone(),
            Some(device) => node.devices.get(device).cloned().flatten(),
        };
        if node.born.is_some() && is_its {
            node.count(seq(payload));
        }
        let place = match &table {
            Some(table) => table.place(),
            None => place(topic, input)?,
        };
        let is_complete = read_data(payload, &place, table.as_deref(), input, out, flaws);
        if is_its {
            if node.born.is_none() || table.is_none() || !is_complete {
                node.needs_birth();
            }
            self.ask(topic, input, out);
        }
        Ok(())
    }

    /// Those who are gone. Of a node that is the session that was born last: the will of one before may come late.
    fn death(
        &mut self,
        topic: &Topic<'_>,
        payload: Payload<'_>,
        input: &mut Input<'_>,
        out: &mut Decoded,
    ) -> Result<(), Rejection> {
        self.is_its(input)?;
        let device = input.name("Sparkplug topic", &topic.device_id())?;
        let node = self.nodes.of(&self.name, input.position);
        let gone = |device| Availability { device, is_connected: false };
        if let Some(level) = topic.device {
            if node.born.is_some() {
                node.count(seq(payload));
            }
            if let Some(known) = Arc::make_mut(&mut node.devices).get_mut(level) {
                *known = None;
            }
            out.availability.push(gone(device));
            self.ask(topic, input, out);
            return Ok(());
        }
        let of_session = payload.metrics().flatten().find(|metric| metric.name == Some(BD_SEQ)).and_then(integer);
        if of_session.is_some() && node.bd_seq.is_some() && of_session != node.bd_seq {
            return Ok(());
        }
        let behind: Vec<Availability> = node
            .devices
            .iter()
            .map(|(level, table)| match table {
                Some(table) => gone(Arc::clone(table.device())),
                None => gone(format!("{device}/{level}").into()),
            })
            .collect();
        out.availability.push(gone(device));
        out.availability.extend(behind);
        node.is_dead();
        self.nodes.set_bytes(&self.name, 0);
        Ok(())
    }

    /// Asks a node for its births where something of it is not known.
    fn ask(&mut self, topic: &Topic<'_>, input: &Input<'_>, out: &mut Decoded) {
        let now_ms = input.received_ms();
        if self.nodes.of_known(&self.name).is_some_and(|node| node.is_to_be_asked(now_ms)) {
            let payload = Bytes::from(wire::rebirth(now_ms));
            out.effects.push(Effect { topic: topic.of_node_commands(), payload, qos: Qos::AtMostOnce });
        }
    }
}

const BD_SEQ: &str = "bdSeq";

/// What a birth says: values, and the metrics they are of.
fn read_birth(
    payload: Payload<'_>,
    place: &Place,
    input: &mut Input<'_>,
    out: &mut Decoded,
    flaws: &mut Flaws,
) -> (Table, Option<u64>) {
    let (mut metrics, mut bd_seq, before) = (Vec::new(), None, out.readings.len());
    let mut take = Take::new(input, flaws, place, payload.timestamp, out);
    for metric in payload.metrics() {
        let Ok(metric) = metric else {
            take.flaws.add(take::broken_metric());
            continue;
        };
        match (metric.name, metric.value) {
            (Some(BD_SEQ), _) => bd_seq = integer(metric),
            (Some(name), _) if is_control(name) => {}
            (Some(name), Some(Raw::Template(template))) => {
                metrics.extend(take.known(name, &metric).map(|known| (metric.alias, known)));
                take.template(name, template, 1, &mut |take, path, member| {
                    let known = take.known(path, member)?;
                    metrics.push((member.alias, known.clone()));
                    Some(known)
                });
            }
            (name, _) => {
                let Some(known) = take.known(name.unwrap_or_default(), &metric) else { continue };
                take.metric(&known, &metric);
                metrics.push((metric.alias, known));
            }
        }
    }
    take.finish(None);
    let facts = take::device_facts(&out.readings[before..]);
    if let Some(facts) = &facts {
        let (device, facts) = (Arc::clone(&place.device), Arc::clone(facts));
        out.devices.push(tidegate_telemetry::DeviceDescription { device, facts });
    }
    (Table::new(place, facts, metrics), bd_seq)
}

/// Takes what changed. Whether each metric was known.
fn read_data(
    payload: Payload<'_>,
    place: &Place,
    table: Option<&Table>,
    input: &mut Input<'_>,
    out: &mut Decoded,
    flaws: &mut Flaws,
) -> bool {
    let mut unknown = 0_usize;
    let mut take = Take::new(input, flaws, place, payload.timestamp, out);
    for metric in payload.metrics() {
        let Ok(metric) = metric else {
            take.flaws.add(take::broken_metric());
            continue;
        };
        if metric.name.is_some_and(|name| name == BD_SEQ || is_control(name)) {
            continue;
        }
        let known = match (metric.alias, metric.name) {
            (_, Some(name)) => table.and_then(|table| table.of_name(name)),
            (Some(alias), None) => table.and_then(|table| table.of_alias(alias)),
            (None, None) => None,
        };
        let told = match known {
            Some(_) => None,
            // It says itself what a birth would have said.
            None if metric.datatype != 0 && metric.name.is_some() => {
                unknown += usize::from(table.is_some());
                take.known(metric.name.unwrap_or_default(), &metric)
            }
            None => {
                unknown += 1;
                take.flaws.add(without_birth(&place.device, &metric));
                continue;
            }
        };
        let Some(known) = known.or(told.as_ref()) else { continue };
        match metric.value {
            Some(Raw::Template(template)) => {
                let name = Arc::clone(&known.name);
                take.template(&name, template, 1, &mut |take, path, member| {
                    table.and_then(|table| table.of_name(path)).cloned().or_else(|| take.known(path, member))
                });
            }
            _ => take.metric(known, &metric),
        }
    }
    take.finish(table.and_then(|table| table.facts.as_ref()));
    unknown == 0
}

/// Whose a message is.
fn place(topic: &Topic<'_>, input: &mut Input<'_>) -> Result<Place, Rejection> {
    let device = input.name("Sparkplug topic", &topic.device_id())?;
    let group = input.name("Sparkplug topic", &topic.group_path())?;
    Ok(Place { device, group })
}

/// A message without a number is one whose encoder leaves zeros out.
fn seq(payload: Payload<'_>) -> u8 {
    payload.seq.unwrap_or(0) as u8
}

fn integer(metric: Metric<'_>) -> Option<u64> {
    match metric.value? {
        Raw::Integer(integer) => Some(integer),
        _ => None,
    }
}

/// Metrics that are there to be written, and measure nothing.
fn is_control(name: &str) -> bool {
    name.starts_with("Node Control/") || name.starts_with("Device Control/")
}

/// Sparkplug 2.2 had the states of host applications on `STATE/{host}`, as words.
fn is_state_of_before(input: &Input<'_>) -> bool {
    let of_host = input.topic.strip_prefix("STATE/").is_some_and(|host| !host.contains('/'));
    of_host && matches!(input.payload, b"ONLINE" | b"OFFLINE")
}

fn without_birth(device: &str, metric: &Metric<'_>) -> Rejection {
    let what = match (metric.name, metric.alias) {
        (Some(name), _) => format!("metric {name:?}"),
        (None, Some(alias)) => format!("alias {alias}"),
        (None, None) => "a metric without name and alias".to_owned(),
    };
    let detail = format!("no birth of {device:?} said what {what} is: its node was asked to send its births again");
    Rejection::new(Reason::NotUnderstood, detail)
}

fn conflict(node: &str, owner: &str, principal: &str) -> Rejection {
    let detail = format!(
        "the node {node:?} belongs to {owner:?}, but {principal:?} sent a birth or death of it: nothing of it was taken, give \
         each node a name of its own"
    );
    Rejection::new(Reason::IdentityConflict, detail)
}

fn broken() -> Rejection {
    Rejection::new(Reason::NotUnderstood, "no Sparkplug B payload (Protobuf): nothing of it was taken")
}

fn unknown_topic() -> Rejection {
    let detail =
        "no topic of Sparkplug B: it is spBv1.0/{group}/{message}/{node} or spBv1.0/{group}/{message}/{node}/{device}";
    Rejection::new(Reason::NotUnderstood, detail)
}
