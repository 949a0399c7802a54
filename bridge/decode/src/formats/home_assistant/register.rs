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

/// Most states on one topic.
pub(super) const PARTS_MAX: usize = 64;

/// Most metrics of one device.
const NAMES_MAX: usize = 1_024;

/// A state that comes on a topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// The topic of its configuration.
    pub(super) config: Arc<str>,
    /// Whose configuration it is.
    pub(super) by: Arc<str>,
    pub(super) device: Arc<str>,
    pub(super) metric: Arc<str>,
    pub(super) template: Option<Arc<str>>,
    pub(super) meaning: Meaning,
    pub(super) facts: Arc<MetricFacts>,
}

/// What comes on a topic and is not read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Aside {
    /// The topic of its configuration.
    pub(super) config: Arc<str>,
    /// Whose configuration it is.
    pub(super) by: Arc<str>,
    /// A state that is off by default, and not the log or a command of a node.
    pub(super) is_state: bool,
}

/// Devices that a topic says to be there or not, each with a configuration that says so.
type Watchers = BTreeSet<(Arc<str>, Arc<str>)>;

/// What is known of a topic.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Topic {
    pub(super) parts: Vec<Part>,
    pub(super) asides: Vec<Aside>,
    /// Devices that are there or not by what comes on it, and the configurations that say so, by whose these are.
    pub(super) watched_by: BTreeMap<Arc<str>, Watchers>,
}

impl Topic {
    fn unwatch(&mut self, by: &str, device: &Arc<str>, config: &str) {
        let Some(watched) = self.watched_by.get_mut(by) else { return };
        watched.remove(&(Arc::clone(device), config.into()));
        if watched.is_empty() {
            self.watched_by.remove(by);
        }
    }
}

/// What a configuration brought.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Config {
    /// Who published it: it counts for what the same one publishes.
    pub(super) by: Arc<str>,
    /// A hash of its payload.
    pub(super) digest: u64,
    /// Length of its payload, to which what is kept of it is in proportion, and that of its lists of availability topics.
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
    pub(super) fn new(by: &Arc<str>, digest: u64, bytes: usize) -> Config {
        Config { by: Arc::clone(by), digest, bytes: bytes as u64, ..Config::default() }
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
    pub(super) watches: Vec<Watched>,
    /// What was said last on topics of availability.
    said: Vec<(Arc<str>, bool)>,
}

/// A metric: its name, its configuration, and the state in that, as a hash.
type Named = (Arc<str>, Arc<str>, u64);

/// What says whether a device is there, and which configurations say so.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Watched {
    pub(super) watch: Arc<Watch>,
    configs: Names,
}

/// A list of topics of availability.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) mode: Mode,
    pub(super) items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Mode {
    Latest,
    All,
    Any,
}

/// A topic of availability.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) topic: Arc<str>,
    pub(super) available: Arc<str>,
    pub(super) gone: Arc<str>,
    pub(super) template: Option<Arc<str>>,
}

impl Watch {
    /// What it takes, about.
    fn bytes(&self) -> u64 {
        let of = |item: &Item| {
            let template = item.template.as_ref().map_or(0, |template| template.len());
            128 + item.topic.len() + item.available.len() + item.gone.len() + template
        };
        self.items.iter().map(of).sum::<usize>() as u64
    }
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

    /// Takes back what a configuration says of its availability, and what came on topics that nothing else names. All that the
    /// configuration named.
    fn unwatch(&mut self, config: &str) -> Vec<Arc<Watch>> {
        let mut unwatched = Vec::new();
        self.watches.retain_mut(|watched| {
            let known = watched.configs.len();
            watched.configs.retain(|known| **known != *config);
            if watched.configs.len() < known {
                unwatched.push(Arc::clone(&watched.watch));
            }
            !watched.configs.is_empty()
        });
        let watches = &self.watches;
        let is_named = |topic: &str| watches.iter().flat_map(|it| &it.watch.items).any(|item| *item.topic == *topic);
        self.said.retain(|(topic, _)| is_named(topic));
        unwatched
    }

    /// Notes what a topic of availability said. Whether the device is there now.
    pub(super) fn hear(&mut self, topic: &str, is_available: bool) -> bool {
        match self.said.iter_mut().find(|(known, _)| **known == *topic) {
            Some((_, said)) => *said = is_available,
            None => self.said.push((topic.into(), is_available)),
        }
        let said = |item: &Item| self.said.iter().any(|(topic, said)| *topic == item.topic && *said);
        self.watches.iter().map(|watched| &watched.watch).any(|watch| match watch.mode {
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
    /// Bytes of all configurations.
    bytes: u64,
}

/// Most bytes of all configurations.
const BYTES_MAX: u64 = 128 << 20;

impl Register {
    pub(super) fn new(max: usize) -> Self {
        Register { topics: Sources::new(max), configs: Sources::new(max), devices: Sources::new(max), bytes: 0 }
    }

    /// Takes a configuration in, with nothing of it before. Whether there is room for one of so many bytes.
    pub(super) fn take(&mut self, topic: &str, config: Config, position: Position) -> bool {
        let (bytes, known) = (config.bytes, self.configs.len());
        if self.bytes + bytes > BYTES_MAX {
            return false;
        }
        *self.configs.of(topic, position) = config;
        self.bytes += bytes;
        if self.configs.len() <= known {
            // Others went to make room for it.
            self.bytes = self.configs.states().map(|known| known.bytes).sum();
        }
        true
    }

    /// Takes in that a configuration has a device watched. Whether it is watched by that: a device has so many lists at most.
    /// `None` where there is no room for its bytes.
    pub(super) fn watch(
        &mut self,
        config: &Arc<str>,
        device: &Arc<str>,
        watch: &Arc<Watch>,
        position: Position,
    ) -> Option<bool> {
        let of = self.devices.of(device, position);
        let known = of.watches.iter().position(|known| known.watch == *watch);
        match known {
            Some(place) if of.watches[place].configs.contains(config) => return Some(true),
            None if of.watches.len() >= WATCHES_MAX => return Some(false),
            _ => {}
        }
        let bytes = watch.bytes();
        if self.bytes + bytes > BYTES_MAX {
            return None;
        }
        self.bytes += bytes;
        self.configs.of(config, position).bytes += bytes;
        let place = known.unwrap_or_else(|| {
            of.watches.push(Watched { watch: Arc::clone(watch), configs: Names::new() });
            of.watches.len() - 1
        });
        insert(&mut of.watches[place].configs, config);
        Some(true)
    }

    /// Whether a configuration came before as it is, of the same principal, and nothing of it was forgotten since.
    pub(super) fn has(&self, config: &str, digest: u64, by: &str) -> bool {
        self.configs.get(config).is_some_and(|known| {
            known.digest == digest
                && *known.by == *by
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
            self.change(topic, position, |topic| {
                topic.parts.retain(|part| *part.config != *config);
                topic.asides.retain(|aside| *aside.config != *config);
            });
        }
        for id in known.devices {
            if self.devices.get(&id).is_none() {
                continue;
            }
            let device = self.devices.of(&id, position);
            device.configs.retain(|known| **known != *config);
            device.names.retain(|(_, of, _)| **of != *config);
            let unwatched = device.unwatch(config);
            if device.configs.is_empty() {
                self.devices.remove(&id);
            }
            for item in unwatched.iter().flat_map(|watch| &watch.items) {
                self.change(&item.topic, position, |topic| topic.unwatch(&known.by, &id, config));
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

    /// Changes what is known of a topic, and forgets it where that is nothing any more.
    fn change(&mut self, topic: &str, position: Position, change: impl FnOnce(&mut Topic)) {
        if self.topics.get(topic).is_none() {
            return;
        }
        let known = self.topics.of(topic, position);
        change(known);
        if known.parts.is_empty() && known.asides.is_empty() && known.watched_by.is_empty() {
            self.topics.remove(topic);
        }
    }

    /// Notes that a device is of a configuration.
    pub(super) fn device(&mut self, id: &Arc<str>, config: &Arc<str>, position: Position) -> &mut Device {
        let device = self.devices.of(id, position);
        insert(&mut device.configs, config);
        insert(&mut self.configs.of(config, position).devices, id);
        device
    }

    /// Whether a topic has as many states as one may have.
    pub(super) fn is_full(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|known| known.parts.len() >= PARTS_MAX)
    }

    /// Notes a state that comes on a topic.
    pub(super) fn part(&mut self, topic: &Arc<str>, part: Part, position: Position) {
        insert(&mut self.configs.of(&part.config, position).topics, topic);
        self.topics.of(topic, position).parts.push(part);
    }

    /// Notes a topic on which comes what is not read.
    pub(super) fn aside(&mut self, topic: &Arc<str>, aside: Aside, position: Position) {
        let known = self.topics.of(topic, position);
        if known.asides.len() < PARTS_MAX && !known.asides.contains(&aside) {
            insert(&mut self.configs.of(&aside.config, position).topics, topic);
            self.topics.of(topic, position).asides.push(aside);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_what_is_there_whatever_went_to_make_room() {
        let mut register = Register::new(4);
        for n in 1..=20 {
            assert!(register.take(&format!("a/{n}"), Config::new(&"ann".into(), n, 100 * n as usize), Position(n)));
            let of_all: u64 = register.configs.states().map(|known| known.bytes).sum();
            assert_eq!(register.bytes, of_all, "{n}");
        }
        assert!(register.configs.len() <= 4);
    }
}
