//! What is remembered of a node: what its births said, and how far its messages are counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{DeviceFacts, MetricFacts};

use crate::gather::Place;

/// A node that does not answer is asked again after this, ms, and each time after twice that.
const ASK_AGAIN_MS: i64 = 10_000;
/// So often the time between two requests doubles.
const DOUBLINGS_MAX: u8 = 6;
/// A node of which nothing was missing for this long, ms, is asked without a pause again.
const QUIET_MS: i64 = 600_000;

/// A node and the devices behind it. Tables are shared with what a checkpoint holds: between births a message changes only the
/// numbers beside them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Node {
    /// The node's own metrics, since it was born.
    pub(super) born: Option<Arc<Table>>,
    /// By the last level of its topic each device that was born; without a table: not since the node was.
    pub(super) devices: Arc<BTreeMap<Arc<str>, Option<Arc<Table>>>>,
    /// Number of its last message.
    seq: u8,
    /// Number of the session that was born last.
    pub(super) bd_seq: Option<u64>,
    /// Whether something of it is not known for want of a birth.
    wants_birth: bool,
    /// Unix ms at which it was asked last.
    asked_ms: Option<i64>,
    /// How often it was asked in vain.
    asked: u8,
    /// Unix ms at which a birth was wanted last.
    #[serde(default)]
    wanted_ms: Option<i64>,
    /// Who was first to send a birth of it: nobody else may say what it has. `None`: nobody proved or was named yet.
    #[serde(default)]
    owner: Option<Arc<str>>,
}

impl Node {
    /// Who it belongs to, where that is somebody else. A publisher that is not named, as behind another broker, may be anybody.
    pub(super) fn owner_other_than(&self, principal: &str) -> Option<&Arc<str>> {
        self.owner.as_ref().filter(|owner| !principal.is_empty() && ***owner != *principal)
    }

    /// Has it belong to the first who is named.
    pub(super) fn belongs_to(&mut self, principal: &str) {
        if self.owner.is_none() && !principal.is_empty() {
            self.owner = Some(principal.into());
        }
    }

    /// One of which nothing is known, but that it was asked, and by whom it is spoken for.
    fn unborn(&self) -> Node {
        let Node { asked_ms, asked, wanted_ms, .. } = *self;
        Node { bd_seq: self.bd_seq, asked_ms, asked, wanted_ms, owner: self.owner.clone(), ..Node::default() }
    }

    /// Counts a message. One that was lost before it may have been a birth.
    pub(super) fn count(&mut self, seq: u8) {
        let is_again = seq == self.seq;
        self.wants_birth |= !is_again && seq != self.seq.wrapping_add(1);
        self.seq = seq;
    }

    /// The node says all of it anew: so will its devices.
    pub(super) fn is_born(&mut self, table: Arc<Table>, seq: u8, bd_seq: Option<u64>) {
        Arc::make_mut(&mut self.devices).values_mut().for_each(|device| *device = None);
        let devices = Arc::clone(&self.devices);
        *self = Node { born: Some(table), devices, seq, bd_seq, ..self.unborn() };
    }

    /// Nothing it said before holds.
    pub(super) fn is_dead(&mut self) {
        *self = self.unborn();
    }

    pub(super) fn needs_birth(&mut self) {
        self.wants_birth = true;
    }

    /// Whether it is to be asked for its births now (Unix ms). A request may be lost, so it is repeated; a node that never
    /// answers is asked less and less, and so is one whose births do not say what is missing.
    pub(super) fn is_to_be_asked(&mut self, now_ms: i64) -> bool {
        if !self.wants_birth {
            return false;
        }
        let was_quiet = self.wanted_ms.is_none_or(|wanted_ms| !(wanted_ms..wanted_ms + QUIET_MS).contains(&now_ms));
        if was_quiet {
            (self.asked_ms, self.asked) = (None, 0);
        }
        self.wanted_ms = Some(now_ms);
        let pause_ms = ASK_AGAIN_MS << self.asked.saturating_sub(1).min(DOUBLINGS_MAX);
        let is_due = self.asked_ms.is_none_or(|asked_ms| !(asked_ms..asked_ms + pause_ms).contains(&now_ms));
        if !is_due {
            return false;
        }
        (self.asked_ms, self.asked) = (Some(now_ms), self.asked.saturating_add(1));
        true
    }

    pub(super) fn bytes(&self) -> usize {
        let of_table = |table: &Option<Arc<Table>>| table.as_ref().map_or(0, |table| table.bytes());
        let devices = self.devices.iter().map(|(name, table)| 64 + name.len() + of_table(table));
        of_table(&self.born) + devices.sum::<usize>()
    }
}

/// The metrics of a node or device, as its birth said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Table {
    device: Arc<str>,
    group: Arc<str>,
    pub(super) facts: Option<Arc<DeviceFacts>>,
    metrics: Vec<Known>,
    /// Aliases and places in `metrics`, in order.
    by_alias: Vec<(u64, u32)>,
    /// Places in `metrics`, by their names in order.
    by_name: Vec<u32>,
}

/// A metric that a birth named.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) name: Arc<str>,
    pub(super) datatype: u32,
    pub(super) facts: Option<Arc<MetricFacts>>,
}

impl Table {
    pub(super) fn new(place: &Place, facts: Option<Arc<DeviceFacts>>, metrics: Vec<(Option<u64>, Known)>) -> Self {
        let mut by_alias = Vec::new();
        let numbered = metrics.into_iter().zip(0_u32..).map(|((alias, known), number)| {
            by_alias.extend(alias.map(|alias| (alias, number)));
            known
        });
        let metrics: Vec<Known> = numbered.collect();
        let mut by_name: Vec<u32> = (0..metrics.len() as u32).collect();
        by_alias.sort_unstable();
        by_name.sort_by(|a, b| metrics[*a as usize].name.cmp(&metrics[*b as usize].name));
        let (device, group) = (Arc::clone(&place.device), Arc::clone(&place.group));
        Table { device, group, facts, metrics, by_alias, by_name }
    }

    pub(super) fn place(&self) -> Place {
        Place { device: Arc::clone(&self.device), group: Arc::clone(&self.group) }
    }

    pub(super) fn device(&self) -> &Arc<str> {
        &self.device
    }

    pub(super) fn of_alias(&self, alias: u64) -> Option<&Known> {
        // Most births number their metrics without a hole.
        let guess = self.by_alias.first().and_then(|(first, _)| usize::try_from(alias.checked_sub(*first)?).ok());
        let place = match guess.and_then(|guess| self.by_alias.get(guess)) {
            Some((known, place)) if *known == alias => *place,
            _ => self.by_alias[self.by_alias.binary_search_by_key(&alias, |(known, _)| *known).ok()?].1,
        };
        self.metrics.get(place as usize)
    }

    pub(super) fn of_name(&self, name: &str) -> Option<&Known> {
        let known = |place: &u32| self.metrics.get(*place as usize);
        let found =
            self.by_name.binary_search_by(|place| known(place).map_or("", |known| &known.name).cmp(name)).ok()?;
        known(&self.by_name[found])
    }

    fn bytes(&self) -> usize {
        let metric = |known: &Known| 96 + known.name.len() + known.facts.as_ref().map_or(0, |_| 160);
        self.metrics.iter().map(metric).sum::<usize>() + 256
    }
}
