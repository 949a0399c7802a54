//! Alerts of a group and of all below it: counts by severity, and lines in the order in which they are shown.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tidegate_telemetry::{AlertChange, AlertState, Severity};

use super::Alert;
use super::bursts::{Burst, Bursts};
use crate::subscriber::SubscriberId;

/// Alerts of a group and of all below it.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub watchers: SmallVec<[SubscriberId; 2]>,
    /// Version at which anything in it last changed.
    pub version: u64,
    /// Events of it at or below this version are forgotten.
    pub events_horizon: u64,
    pub counts: Counts,
    lines: BTreeSet<Rank>,
    bursts: FxHashMap<Arc<str>, Share>,
}

/// How many alerts there are, by severity where they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub raised: SeverityCounts,
    pub acknowledged: SeverityCounts,
    pub cleared: u32,
}

/// Info, warning, critical.
type SeverityCounts = [u32; 3];

/// What a group has of a burst.
#[derive(Debug)]
pub(crate) struct Share {
    pub version: u64,
    /// Unix ms at which the first and the last of it were raised.
    pub first_ms: i64,
    pub last_ms: i64,
    /// All that came; those that are neither raised nor acknowledged have cleared.
    pub count: u32,
    pub raised: u32,
    pub acknowledged: u32,
    /// Those that cleared and are not forgotten.
    cleared: u32,
    cleared_ms: i64,
    rank: Option<Rank>,
}

/// Place of a line: what nobody took on first, then the gravest, then the newest. Of those that cleared the last first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    order: AlertOrder,
    severity: Reverse<Severity>,
    time_ms: Reverse<i64>,
    pub id: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AlertOrder {
    Raised,
    Acknowledged,
    Cleared,
}

impl Rank {
    pub fn new(state: AlertState, severity: Severity, time_ms: i64, id: &Arc<str>) -> Self {
        let (order, severity) = match state {
            AlertState::Raised => (AlertOrder::Raised, severity),
            AlertState::Acknowledged => (AlertOrder::Acknowledged, severity),
            AlertState::Cleared => (AlertOrder::Cleared, Severity::Critical),
        };
        Rank { order, severity: Reverse(severity), time_ms: Reverse(time_ms), id: Arc::clone(id) }
    }
}

impl Counts {
    pub fn add(&mut self, alert: &AlertChange) {
        *self.of(alert) += 1;
    }

    fn of(&mut self, alert: &AlertChange) -> &mut u32 {
        match alert.state {
            AlertState::Raised => &mut self.raised[alert.severity as usize],
            AlertState::Acknowledged => &mut self.acknowledged[alert.severity as usize],
            AlertState::Cleared => &mut self.cleared,
        }
    }
}

impl Default for Share {
    fn default() -> Self {
        Share {
            version: 0,
            first_ms: i64::MAX,
            last_ms: i64::MIN,
            count: 0,
            raised: 0,
            acknowledged: 0,
            cleared: 0,
            cleared_ms: 0,
            rank: None,
        }
    }
}

impl Share {
    fn of(&mut self, state: AlertState) -> &mut u32 {
        match state {
            AlertState::Raised => &mut self.raised,
            AlertState::Acknowledged => &mut self.acknowledged,
            AlertState::Cleared => &mut self.cleared,
        }
    }

    /// The line's place; `None` when nothing of it is held any more.
    fn rank_now(&self, id: &Arc<str>, burst: &Burst) -> Option<Rank> {
        let (state, time_ms) = match (self.raised, self.acknowledged, self.cleared) {
            (0, 0, 0) => return None,
            (0, 0, _) => (AlertState::Cleared, self.cleared_ms),
            (0, _, _) => (AlertState::Acknowledged, self.first_ms),
            _ => (AlertState::Raised, self.first_ms),
        };
        Some(Rank::new(state, burst.severity, time_ms, id))
    }
}

impl Scope {
    /// Nothing of it was seen since the versions given.
    pub fn new(version: u64, events_horizon: u64) -> Self {
        Scope { version, events_horizon, ..Scope::default() }
    }

    /// Nobody needs it.
    pub fn is_idle(&self) -> bool {
        self.watchers.is_empty() && self.lines.is_empty()
    }

    pub fn share(&self, burst: &str) -> Option<&Share> {
        self.bursts.get(burst)
    }

    /// Identifiers of the first `limit` lines that hold, and of the first that cleared.
    pub fn window(&self, limit: usize) -> Vec<Arc<str>> {
        let first_cleared = Rank {
            order: AlertOrder::Cleared,
            severity: Reverse(Severity::Critical),
            time_ms: Reverse(i64::MAX),
            id: "".into(),
        };
        let active = self.lines.range(..&first_cleared).take(limit);
        active.chain(self.lines.range(&first_cleared..).take(limit)).map(|rank| Arc::clone(&rank.id)).collect()
    }

    /// Puts what an alert is now in the place of what it was.
    pub fn replace(&mut self, old: Option<&Alert>, new: Option<&Alert>, version: u64, bursts: &Bursts) {
        self.version = version;
        let burst_of = |alert: Option<&Alert>| alert.and_then(|alert| alert.burst.clone());
        let (burst_before, burst) = (burst_of(old), burst_of(new));
        if let Some(old) = old {
            *self.counts.of(&old.change) -= 1;
            match &burst_before {
                None => drop(self.lines.remove(&old.rank())),
                Some(burst) => *self.bursts.entry(Arc::clone(burst)).or_default().of(old.change.state) -= 1,
            }
        }
        if let Some(new) = new {
            self.counts.add(&new.change);
            match &burst {
                None => drop(self.lines.insert(new.rank())),
                Some(burst) => self.add_to_burst(burst, &new.change, old.is_none() || burst_before.is_none()),
            }
        }
        if let Some(id) = burst.or(burst_before) {
            self.place_burst(&id, version, bursts);
        }
    }

    fn add_to_burst(&mut self, burst: &Arc<str>, alert: &AlertChange, is_new: bool) {
        let share = self.bursts.entry(Arc::clone(burst)).or_default();
        *share.of(alert.state) += 1;
        share.count += u32::from(is_new);
        share.first_ms = share.first_ms.min(alert.raised_ms);
        share.last_ms = share.last_ms.max(alert.raised_ms);
        share.cleared_ms = share.cleared_ms.max(alert.cleared_ms.unwrap_or(0));
    }

    fn place_burst(&mut self, id: &Arc<str>, version: u64, bursts: &Bursts) {
        let (Some(share), Some(burst)) = (self.bursts.get_mut(id), bursts.get(id)) else { return };
        share.version = version;
        let rank = share.rank_now(id, burst);
        if rank != share.rank {
            if let Some(before) = std::mem::replace(&mut share.rank, rank.clone()) {
                self.lines.remove(&before);
            }
            match rank {
                Some(rank) => drop(self.lines.insert(rank)),
                None => drop(self.bursts.remove(id)),
            }
        }
    }
}
