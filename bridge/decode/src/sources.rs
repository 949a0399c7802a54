//! What a format remembers of each of its sources, bounded and cheap to copy.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_telemetry::{Frozen, Position, record};

use crate::format::StateError;

/// So many entries of the log later it is noted again that a source was used.
const USED_AGAIN: u64 = 4_096;

/// Parts that sources are in by their names: one is copied when it changes while a checkpoint is written.
const PARTS: usize = 256;

/// A state for each source of a format. What a source is, the format decides: a gateway whose messages name metrics by
/// number, a meter that sends differences.
///
/// Past the limit those go that were used longest ago, a quarter of all at once: their sources have to say again what they
/// had said.
#[derive(Debug)]
pub struct Sources<T> {
    parts: Vec<Part<T>>,
    /// Hashes of all names, and perhaps of some that went: most names that are looked for are none of them.
    hashes: FxHashSet<u64>,
    len: usize,
    max: usize,
    bytes: usize,
    bytes_max: usize,
}

type Part<T> = Arc<BTreeMap<Arc<str>, Source<T>>>;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Source<T> {
    /// Where in the log it was used last.
    used: Position,
    state: T,
    /// What it takes, as the format said.
    #[serde(default)]
    bytes: usize,
}

impl<T: Clone + Default> Sources<T> {
    /// No source yet, and so many at most.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Sources::bounded(max, usize::MAX)
    }

    /// No source yet, so many at most, and together no more than so many bytes of those that [`Sources::set_bytes`] tells of.
    #[must_use]
    pub fn bounded(max: usize, bytes_max: usize) -> Self {
        let parts = (0..PARTS).map(|_| Arc::default()).collect();
        Sources { parts, hashes: FxHashSet::default(), len: 0, max: max.max(1), bytes: 0, bytes_max }
    }

    /// Number of sources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The state of a source, for the publication at `position`; a new one where there is none.
    pub fn of(&mut self, source: &str, position: Position) -> &mut T {
        let hash = hash_of(source);
        let part = part_of(hash);
        if !self.parts[part].contains_key(source) {
            if self.len >= self.max {
                self.make_room();
            }
            self.hashes.insert(hash);
            let new = Source { used: position, state: T::default(), bytes: 0 };
            Arc::make_mut(&mut self.parts[part]).insert(source.into(), new);
            self.len += 1;
        }
        let known = Arc::make_mut(&mut self.parts[part]).get_mut(source).expect("it is there or was just added");
        known.used = position;
        &mut known.state
    }

    /// The state of a source that is known; it does not count as used by that.
    pub fn of_known(&mut self, source: &str) -> Option<&mut T> {
        let part = &mut self.parts[part_of(hash_of(source))];
        part.contains_key(source).then(|| &mut Arc::make_mut(part).get_mut(source).expect("it is there").state)
    }

    /// All names and states.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &T)> {
        self.parts.iter().flat_map(|part| part.iter()).map(|(name, known)| (name, &known.state))
    }

    /// Says what a source takes now, and has others go where that is too much. One that is larger than all may be alone is
    /// the format's to refuse.
    pub fn set_bytes(&mut self, source: &str, bytes: usize) {
        let part = &mut self.parts[part_of(hash_of(source))];
        let Some(known) = Arc::make_mut(part).get_mut(source) else { return };
        self.bytes = self.bytes - known.bytes + bytes;
        known.bytes = bytes;
        while self.bytes > self.bytes_max && self.len > 1 {
            self.make_room();
        }
    }

    /// The state of a source that is known.
    #[must_use]
    pub fn get(&self, source: &str) -> Option<&T> {
        if self.hashes.is_empty() {
            return None;
        }
        let hash = hash_of(source);
        if !self.hashes.contains(&hash) {
            return None;
        }
        self.parts[part_of(hash)].get(source).map(|known| &known.state)
    }

    /// As [`Sources::get`], for a publication at `position` that uses it.
    pub fn used(&mut self, source: &str, position: Position) -> Option<&T> {
        let part = part_of(hash_of(source));
        let is_old = self.parts[part].get(source)?.used.0.saturating_add(USED_AGAIN) < position.0;
        if is_old && let Some(known) = Arc::make_mut(&mut self.parts[part]).get_mut(source) {
            known.used = position;
        }
        self.parts[part].get(source).map(|known| &known.state)
    }

    /// Forgets a source.
    pub fn remove(&mut self, source: &str) {
        let part = part_of(hash_of(source));
        if self.parts[part].contains_key(source)
            && let Some(gone) = Arc::make_mut(&mut self.parts[part]).remove(source)
        {
            self.len -= 1;
            self.bytes -= gone.bytes;
        }
    }

    /// Each of the states.
    pub fn states(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flat_map(|part| part.values()).map(|known| &known.state)
    }

    /// Each of the states, to be changed in what does not matter.
    pub fn states_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.parts.iter_mut().flat_map(|part| Arc::make_mut(part).values_mut()).map(|known| &mut known.state)
    }

    fn make_room(&mut self) {
        let mut used: Vec<Position> =
            self.parts.iter().flat_map(|part| part.values()).map(|known| known.used).collect();
        let (_, last_to_go, _) = used.select_nth_unstable(self.len / 4);
        let last_to_go = *last_to_go;
        self.parts.iter_mut().for_each(|part| Arc::make_mut(part).retain(|_, known| known.used > last_to_go));
        self.count();
    }

    fn count(&mut self) {
        self.len = self.parts.iter().map(|part| part.len()).sum();
        self.bytes = self.parts.iter().flat_map(|part| part.values()).map(|known| known.bytes).sum();
        self.hashes = self.parts.iter().flat_map(|part| part.keys()).map(|name| hash_of(name)).collect();
    }
}

impl<T: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static> Sources<T> {
    /// As they are now, at next to no cost.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        let parts = self.parts.clone();
        Frozen::new(move || {
            let all: Vec<_> = parts.iter().flat_map(|part| part.iter()).collect();
            let mut bytes = Vec::new();
            record::write(&all, &mut bytes).expect("what formats remember is plain data");
            bytes
        })
    }

    /// Puts what [`Sources::freeze`] gave in the place of what there is.
    ///
    /// # Errors
    /// [`StateError`] when the bytes are something else.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let all: Vec<(Arc<str>, Source<T>)> = record::read(state).map_err(|_| StateError)?;
        *self = Sources::bounded(self.max, self.bytes_max);
        for (name, known) in all {
            let hash = hash_of(&name);
            self.hashes.insert(hash);
            Arc::make_mut(&mut self.parts[part_of(hash)]).insert(name, known);
        }
        self.count();
        Ok(())
    }
}

/// FNV-1a (Fowler, Noll, Vo): the same in each run, so that checkpoints of one state are the same bytes.
fn hash_of(source: &str) -> u64 {
    source.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn part_of(hash: u64) -> usize {
    (hash ^ (hash >> 32)) as usize % PARTS
}
