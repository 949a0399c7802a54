//! What each rule looks at, for people who wonder why it never raises.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::fleet::Fleet;
use crate::rules::Rules;
use crate::watch::Watch;

/// What each rule looks at just now; follows from the state. One thread counts, others may look.
#[derive(Debug)]
pub struct Reach {
    rules: Box<[Counts]>,
    /// The first rule about the same devices: it counts them.
    scopes: Arc<[u16]>,
}

/// What one rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleReach {
    /// Devices that its patterns choose.
    pub devices: u32,
    /// Metrics of these, or devices as a whole, that it looks at.
    pub series: u32,
    /// Of these, metrics whose newest value is a text: no threshold is above or below it.
    pub texts: u32,
}

#[derive(Debug, Default)]
struct Counts {
    devices: AtomicU32,
    series: AtomicU32,
    texts: AtomicU32,
}

impl Reach {
    /// Of rules that look at nothing.
    pub(crate) fn new(rules: &Rules) -> Self {
        let scopes = rules.scopes();
        Reach { rules: scopes.iter().map(|_| Counts::default()).collect(), scopes }
    }

    /// What the rule of this number, in the order of the configuration, looks at.
    #[must_use]
    pub fn of(&self, rule: usize) -> RuleReach {
        let Some((counts, scope)) = self.rules.get(rule).zip(self.scopes.get(rule)) else {
            return RuleReach::default();
        };
        let devices = self.rules[usize::from(*scope)].devices.load(Relaxed);
        RuleReach { devices, series: counts.series.load(Relaxed), texts: counts.texts.load(Relaxed) }
    }

    /// A device came to be of the scopes.
    pub(crate) fn add_device(&self, scopes: impl Iterator<Item = u16>) {
        for scope in scopes {
            self.rules[usize::from(scope)].devices.fetch_add(1, Relaxed);
        }
    }

    /// A device is no longer of the scopes.
    pub(crate) fn remove_device(&self, scopes: impl Iterator<Item = u16>) {
        for scope in scopes {
            self.rules[usize::from(scope)].devices.fetch_sub(1, Relaxed);
        }
    }

    /// Rules look at more.
    pub(crate) fn add(&self, watches: &[Watch]) {
        for watch in watches {
            let counts = &self.rules[usize::from(watch.rule)];
            counts.series.fetch_add(1, Relaxed);
            counts.texts.fetch_add(u32::from(watch.is_text), Relaxed);
        }
    }

    /// Rules look at less.
    pub(crate) fn remove(&self, watches: &[Watch]) {
        for watch in watches {
            let counts = &self.rules[usize::from(watch.rule)];
            counts.series.fetch_sub(1, Relaxed);
            counts.texts.fetch_sub(u32::from(watch.is_text), Relaxed);
        }
    }

    /// The newest value that a watch looks at is a text, or is none.
    pub(crate) fn saw(&self, watch: &mut Watch, is_text: bool) {
        if watch.is_text != is_text {
            watch.is_text = is_text;
            let texts = &self.rules[usize::from(watch.rule)].texts;
            if is_text {
                texts.fetch_add(1, Relaxed)
            } else {
                texts.fetch_sub(1, Relaxed)
            };
        }
    }

    /// After a restart: all there is.
    pub(crate) fn count(&self, rules: &Rules, fleet: &Fleet) {
        for Counts { devices, series, texts } in &self.rules {
            [devices, series, texts].into_iter().for_each(|count| count.store(0, Relaxed));
        }
        for (_, device) in fleet.iter() {
            self.add_device(rules.scopes_of(device));
            self.add(&device.watches);
        }
    }
}
