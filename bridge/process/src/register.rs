//! What people say of devices. Of one that is there it stands with the device; here is what was said of those that are gone, until
//! they come again, and how much all of it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::SaidOfDevice;

use crate::config::RegisterConfig;
use crate::fleet::Fleet;
use crate::output::Output;
use crate::time::Moment;

/// What was said of a device that is gone; a record, as what it is of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Absent {
    said: Arc<SaidOfDevice>,
    /// When it went.
    gone: Moment,
}

/// What people say of devices that are gone, and the size of all that they say.
#[derive(Debug, Default)]
pub(crate) struct Register {
    /// Shared with a checkpoint that is being written.
    absent: Arc<BTreeMap<Arc<str>, Absent>>,
    by_age: BTreeSet<(Moment, Arc<str>)>,
    /// Of all devices, those that are there among them.
    bytes: usize,
}

impl Register {
    /// As a checkpoint has it.
    pub(crate) fn of(absent: BTreeMap<Arc<str>, Absent>, fleet: &Fleet) -> Self {
        let present = fleet.iter().filter_map(|(_, device)| device.said.as_ref());
        let all = present.chain(absent.values().map(|absent| &absent.said));
        let bytes = all.map(|said| said.bytes()).sum();
        let by_age = absent.iter().map(|(id, absent)| (absent.gone, Arc::clone(id))).collect();
        Register { absent: Arc::new(absent), by_age, bytes }
    }

    /// As it is now, for a checkpoint.
    pub(crate) fn then(&self) -> Arc<BTreeMap<Arc<str>, Absent>> {
        Arc::clone(&self.absent)
    }

    /// Bytes, about, of all that is said.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A device goes. Answers of how many others it is forgotten what was said.
    pub(crate) fn keep(&mut self, id: &Arc<str>, said: Arc<SaidOfDevice>, now: Moment, config: &RegisterConfig) -> u64 {
        if said.word.is_empty() {
            self.bytes -= said.bytes();
            return 0;
        }
        Arc::make_mut(&mut self.absent).insert(Arc::clone(id), Absent { said, gone: now });
        self.by_age.insert((now, Arc::clone(id)));
        let mut forgotten = 0;
        while self.absent.len() > config.absent_max && self.forget_oldest() {
            forgotten += 1;
        }
        forgotten
    }

    /// A device comes, perhaps again.
    pub(crate) fn take(&mut self, id: &str) -> Option<Arc<SaidOfDevice>> {
        if !self.absent.contains_key(id) {
            return None;
        }
        let (id, Absent { said, gone }) = Arc::make_mut(&mut self.absent).remove_entry(id)?;
        self.by_age.remove(&(gone, id));
        Some(said)
    }

    /// Nothing of it stays.
    pub(crate) fn erase(&mut self, id: &str) {
        self.bytes -= self.take(id).map_or(0, |said| said.bytes());
    }

    /// Whether something is remembered of a device that is gone.
    pub(crate) fn names(&self, id: &str) -> bool {
        self.absent.contains_key(id)
    }

    /// Makes room for what takes the place of something else; `false` where there is none. Less always has room.
    pub(crate) fn make_room(
        &mut self,
        before: usize,
        now: usize,
        config: &RegisterConfig,
        output: &mut Output,
    ) -> bool {
        while self.bytes - before + now > config.bytes_max && now > before {
            if !self.forget_oldest() {
                return false;
            }
            output.counts.register_forgotten += 1;
        }
        self.bytes = self.bytes - before + now;
        true
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, id)) = self.by_age.first() else { return false };
        let id = Arc::clone(id);
        self.erase(&id);
        true
    }
}
