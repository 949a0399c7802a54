//! What was discovered: the states on each topic, the devices, and what each configuration brought.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{DeviceFacts, Frozen, MetricFacts, Position, record};

use crate::format::StateError;
use crate::meaning::Meaning;
use crate::sources::Sources;

/// Most different lists of availability topics of one device.
const WATCHES_MAX: usize = 8;

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
    pub(super) devices: BTreeSet<Arc<str>>,
    pub(super) topics: BTreeSet<Arc<str>>,
}

/// A device.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Device {
    pub(super) facts: Arc<DeviceFacts>,
    pub(super) group: Arc<str>,
    /// The configurations and states in them that its metrics are.
    names: BTreeMap<Arc<str>, Arc<str>>,
    configs: BTreeSet<Arc<str>>,
    pub(super) watches: Vec<Arc<Watch>>,
    /// What was said last on topics of availability.
    said: BTreeMap<Arc<str>, bool>,
}

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
    pub(super) fn give_name(&mut self, candidates: &[Arc<str>], state: &str) -> Option<Arc<str>> {
        let is_free = |name: &&Arc<str>| self.names.get(*name).is_none_or(|holder| **holder == *state);
        let name = candidates.iter().find(is_free)?.clone();
        self.names.insert(name.clone(), state.into());
        Some(name)
    }

    pub(super) fn watch(&mut self, watch: &Arc<Watch>) {
        if self.watches.len() < WATCHES_MAX && !self.watches.contains(watch) {
            self.watches.push(Arc::clone(watch));
        }
    }

    /// Notes what a topic of availability said. Whether the device is there now.
    pub(super) fn hear(&mut self, topic: &str, is_available: bool) -> bool {
        self.said.insert(topic.into(), is_available);
        let said = |item: &Item| self.said.get(&item.topic).copied().unwrap_or(false);
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
}

impl Register {
    pub(super) fn new(max: usize) -> Self {
        Register { topics: Sources::new(max), configs: Sources::new(max), devices: Sources::new(max) }
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
        for topic in &known.topics {
            self.forget_topic(topic, config, position);
        }
        for id in known.devices {
            if self.devices.get(&id).is_none() {
                continue;
            }
            let device = self.devices.of(&id, position);
            device.configs.remove(config);
            device.names.retain(|_, state| state.split_once('\n').is_none_or(|(of, _)| of != config));
            if device.configs.is_empty() {
                let watches = std::mem::take(&mut device.watches);
                self.devices.remove(&id);
                watches.iter().flat_map(|watch| &watch.items).for_each(|item| self.unwatch(&item.topic, &id, position));
            }
        }
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
        device.configs.insert(Arc::clone(config));
        device
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
        self.devices.restore(devices)
    }
}
