//! Commands that are remembered, by device, and which were forgotten lately.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tidegate_telemetry::{Command, CommandId};

/// Every command that processing remembers.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    commands: BTreeMap<CommandId, CommandCell>,
    by_device: FxHashMap<Arc<str>, BTreeSet<CommandId>>,
    forgotten: VecDeque<Forgotten>,
    /// What was forgotten at or below this version is no longer known.
    forgotten_horizon: u64,
    /// Version at which anything last changed.
    pub version: u64,
}

/// One command, the version at which it came and the one at which it last changed.
#[derive(Debug)]
pub(crate) struct CommandCell {
    pub command: Arc<Command>,
    pub version: u64,
    since: u64,
}

/// A command that was there from one version on until another.
#[derive(Debug)]
struct Forgotten {
    id: CommandId,
    device: Arc<str>,
    since: u64,
    until: u64,
}

impl Commands {
    pub fn take(&mut self, command: &Arc<Command>, version: u64) {
        self.version = version;
        self.by_device.entry(Arc::clone(&command.request.device)).or_default().insert(command.id);
        let since = self.commands.get(&command.id).map_or(version, |known| known.since);
        self.commands.insert(command.id, CommandCell { command: Arc::clone(command), version, since });
    }

    /// Forgets a command; that it was there is remembered of `forgotten_max` of them.
    pub fn forget(&mut self, id: CommandId, version: u64, forgotten_max: usize) {
        let Some(CommandCell { command, since, .. }) = self.commands.remove(&id) else { return };
        self.version = version;
        let device = Arc::clone(&command.request.device);
        if let Some(of_device) = self.by_device.get_mut(&device) {
            of_device.remove(&id);
            if of_device.is_empty() {
                self.by_device.remove(&device);
            }
        }
        self.forgotten.push_back(Forgotten { id, device, since, until: version });
        while self.forgotten.len() > forgotten_max {
            self.forgotten_horizon = self.forgotten.pop_front().map_or(0, |oldest| oldest.until);
        }
    }

    pub fn get(&self, id: CommandId) -> Option<&CommandCell> {
        self.commands.get(&id)
    }

    /// Commands of a device, or of all, the newest first.
    pub fn newest<'a>(&'a self, device: Option<&str>) -> Box<dyn Iterator<Item = CommandId> + 'a> {
        match device {
            None => Box::new(self.commands.keys().rev().copied()),
            Some(device) => Box::new(self.by_device.get(device).into_iter().flat_map(|ids| ids.iter().rev().copied())),
        }
    }

    /// The newest of a device, or of all, as they were at a version, the newest first; `None` when that is no longer
    /// known.
    pub fn newest_at(&self, version: u64, device: Option<&str>, limit: usize) -> Option<Vec<CommandId>> {
        if version < self.forgotten_horizon {
            return None;
        }
        let was_there = |id: &CommandId| self.commands.get(id).is_some_and(|cell| cell.since <= version);
        let first = self.forgotten.partition_point(|forgotten| forgotten.until <= version);
        let forgotten = self
            .forgotten
            .range(first..)
            .filter(|forgotten| forgotten.since <= version && device.is_none_or(|device| *forgotten.device == *device));
        let mut ids: Vec<CommandId> = self.newest(device).filter(was_there).take(limit).collect();
        ids.extend(forgotten.map(|forgotten| forgotten.id));
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.truncate(limit);
        Some(ids)
    }
}
