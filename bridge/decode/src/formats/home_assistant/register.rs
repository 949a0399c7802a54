//! What was discovered: the states on each topic, the devices, and what each configuration brought.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{DeviceFacts, Frozen, MetricFacts, Position, record};

use crate::format::StateError;
use crate::meaning::Meaning;
use crate::sources::Sources;

/// Most different lists of availability topics of one device.
const WATCHES_MAX: usize = 8;

/// Most metrics of one device.
const NAMES_MAX: usize = 1_024;

/// A state that comes on a topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// The topic of its configuration.
    pub(super) config: Arc<str>,
    pub(super) device: Arc<str>,
    pub(super) metric: Arc<str>,
    pub(super) template: Option<Arc<str>>,
    pub(super) meaning: Meaning,
    pub(super) facts: Arc<MetricFacts>,
}

/// What is known of a topic; nothing, where it is known to hold no telemetry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Topic {
    pub(super) parts: Vec<Part>,
    /// Devices that are there or not by what comes on it.
    pub(super) watched_by: BTreeSet<Arc<str>>,
}

/// What a configuration brought.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Config {
    /// A hash of its payload.
    pub(super) digest: u64,
    /// Length of its payload, to which what is kept of it is in proportion.
    bytes: u64,
    devices: Names,
    topics: Names,
}

/// Names in order: mostly one or few, which a vector has in little room.
type Names = Vec<Arc<str>>;

fn insert(names: &mut Names, name: &Arc<str>) {
    if let Err(place) = names.binary_search(name) {
        names.insert(place, Arc::clone(name));
    }
}

impl Config {
    pub(super) fn new(digest: u64, bytes: usize) -> Config {
        Config { digest, bytes: bytes as u64, ..Config::default() }
    }
}

/// A device.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Device {
    pub(super) facts: Arc<DeviceFacts>,
    pub(super) group: Arc<str>,
    /// Its metrics, in order.
    names: Vec<Named>,
    configs: Names,
    pub(super) watches: Vec<Arc<Watch>>,
    /// What was said last on topics of availability.
    said: Vec<(Arc<str>, bool)>,
}

/// A metric: its name, its configuration, and the state in that, as a hash.
type Named = (Arc<str>, Arc<str>, u64);

/// A list of topics of availability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) mode: Mode,
    pub(super) items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mode {
    Latest,
    All,
    Any,
}

/// A topic of availability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) topic: Arc<str>,
    pub(super) available: Arc<str>,
    pub(super) gone: Arc<str>,
    pub(super) template: Option<Arc<str>>,
}

impl Device {
    /// Gives one of these names to a state, the first that no other state of the device has.
    pub(super) fn give_name(&mut self, candidates: &[Arc<str>], config: &Arc<str>, state: u64) -> Option<Arc<str>> {
        for name in candidates {
            match self.names.binary_search_by(|(known, ..)| known.cmp(name)) {
                Ok(place) if self.names[place].1 == *config && self.names[place].2 == state => {
                    return Some(name.clone());
                }
                Ok(_) => {}
                Err(_) if self.names.len() >= NAMES_MAX => return None,
                Err(place) => {
                    self.names.insert(place, (name.clone(), Arc::clone(config), state));
                    return Some(name.clone());
                }
            }
        }
        None
    }

    pub(super) fn watch(&mut self, watch: &Arc<Watch>) {
        if self.watches.len() < WATCHES_MAX && !self.watches.contains(watch) {
            self.watches.push(Arc::clone(watch));
        }
    }

    /// Notes what a topic of availability said. Whether the device is there now.
    pub(super) fn hear(&mut self, topic: &str, is_available: bool) -> bool {
        match self.said.iter_mut().find(|(known, _)| **known == *topic) {
            Some((_, said)) => *said = is_available,
            None => self.said.push((topic.into(), is_available)),
        }
        let said = |item: &Item| self.said.iter().any(|(topic, said)| *topic == item.topic && *said);
        self.watches.iter().any(|watch| match watch.mode {
            Mode::All => watch.items.iter().all(said),
            Mode::Any => watch.items.iter().any(said),
            Mode::Latest if watch.items.iter().any(|item| *item.topic == *topic) => is_available,
            Mode::Latest => watch.items.iter().any(said),
        })
    }
}

/// All of it.
#[derive(Debug)]
pub(super) struct Register {
    pub(super) topics: Sources<Topic>,
    pub(super) configs: Sources<Config>,
    pub(super) devices: Sources<Device>,
    /// Bytes of all configurations, or more where some were forgotten since they were counted.
    bytes: u64,
    counted: Position,
}

/// Most bytes of all configurations.
const BYTES_MAX: u64 = 128 << 20;
/// So many entries of the log later the bytes are counted again.
const COUNT_AGAIN: u64 = 4_096;

impl Register {
    pub(super) fn new(max: usize) -> Self {
        Register {
            topics: Sources::new(max),
            configs: Sources::new(max),
            devices: Sources::new(max),
            bytes: 0,
            counted: Position(0),
        }
    }

    /// Takes a configuration in. Whether there is room for one of so many bytes.
    pub(super) fn take(&mut self, topic: &str, config: Config, position: Position) -> bool {
        if self.bytes + config.bytes > BYTES_MAX {
            if self.counted.0 + COUNT_AGAIN > position.0 && self.counted.0 > 0 {
                return false;
            }
            self.counted = position;
            self.bytes = self.configs.states().map(|known| known.bytes).sum();
        }
        let has_room = self.bytes + config.bytes <= BYTES_MAX;
        if has_room {
            self.bytes += config.bytes;
            *self.configs.of(topic, position) = config;
        }
        has_room
    }

    /// Whether a configuration came before as it is, and nothing of it was forgotten since.
    pub(super) fn has(&self, config: &str, digest: u64) -> bool {
        self.configs.get(config).is_some_and(|known| {
            known.digest == digest
                && known.topics.iter().all(|topic| self.topics.get(topic).is_some())
                && known.devices.iter().all(|device| self.devices.get(device).is_some())
        })
    }

    /// Takes back what a configuration brought.
    pub(super) fn forget(&mut self, config: &str, position: Position) {
        let Some(known) = self.configs.get(config).cloned() else { return };
        self.configs.remove(config);
        self.bytes = self.bytes.saturating_sub(known.bytes);
        for topic in &known.topics {
            self.forget_topic(topic, config, position);
        }
        for id in known.devices {
            if self.devices.get(&id).is_none() {
                continue;
            }
            let device = self.devices.of(&id, position);
            device.configs.retain(|known| **known != *config);
            device.names.retain(|(_, of, _)| **of != *config);
            if device.configs.is_empty() {
                let watches = std::mem::take(&mut device.watches);
                self.devices.remove(&id);
                watches.iter().flat_map(|watch| &watch.items).for_each(|item| self.unwatch(&item.topic, &id, position));
            }
        }
    }

    /// Takes back all that configurations brought of a device: it is not known any more until one of them comes again.
    pub(super) fn forget_device(&mut self, device: &str) {
        let configs = self.devices.get(device).map(|known| known.configs.clone()).unwrap_or_default();
        // What is left of its topics is others', and counts as used when they use it.
        configs.iter().for_each(|config| self.forget(config, Position(0)));
        self.devices.remove(device);
    }

    fn forget_topic(&mut self, topic: &str, config: &str, position: Position) {
        if self.topics.get(topic).is_none() {
            return;
        }
        let known = self.topics.of(topic, position);
        known.parts.retain(|part| *part.config != *config);
        if known.parts.is_empty() && known.watched_by.is_empty() {
            self.topics.remove(topic);
        }
    }

    fn unwatch(&mut self, topic: &str, device: &str, position: Position) {
        if self.topics.get(topic).is_some_and(|known| known.watched_by.contains(device)) {
            let known = self.topics.of(topic, position);
            known.watched_by.remove(device);
            if known.parts.is_empty() && known.watched_by.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// Notes that a device is of a configuration.
    pub(super) fn device(&mut self, id: &Arc<str>, config: &Arc<str>, position: Position) -> &mut Device {
        let device = self.devices.of(id, position);
        insert(&mut device.configs, config);
        insert(&mut self.configs.of(config, position).devices, id);
        device
    }

    /// Notes what comes on a topic of a configuration; no part: nothing that is a state.
    pub(super) fn note(&mut self, topic: &Arc<str>, config: &Arc<str>, part: Option<Part>, position: Position) {
        self.topics.of(topic, position).parts.extend(part);
        insert(&mut self.configs.of(config, position).topics, topic);
    }

    pub(super) fn freeze(&self) -> Frozen {
        let parts = [self.topics.freeze(), self.configs.freeze(), self.devices.freeze()];
        // A checkpoint is written by another thread, one part after the other.
        let parts = std::sync::Mutex::new(parts);
        Frozen::new(move || {
            let parts = parts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let parts: Vec<Vec<u8>> = parts.iter().map(Frozen::to_bytes).collect();
            let mut bytes = Vec::new();
            record::write(&parts, &mut bytes).expect("lists of bytes can be written");
            bytes
        })
    }

    pub(super) fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let parts: Vec<Vec<u8>> = record::read(state).map_err(|_| StateError)?;
        let [topics, configs, devices] = &parts[..] else { return Err(StateError) };
        self.topics.restore(topics)?;
        self.configs.restore(configs)?;
        self.bytes = self.configs.states().map(|known| known.bytes).sum();
        self.devices.restore(devices)
    }
}
