//! Many alerts of one rule within a short time are one line.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tidegate_telemetry::{AlertChange, Severity, words};

use super::Alert;

/// When alerts of one rule are a burst.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BurstBounds {
    /// As soon as so many were raised ...
    pub alerts_min: usize,
    /// ... within this span, ms.
    pub window_ms: i64,
}

/// Alerts of one rule that were raised close to each other.
#[derive(Debug)]
pub(crate) struct Burst {
    pub rule: Arc<str>,
    pub severity: Severity,
    pub text: String,
    /// Unix ms at which the first and the last were raised.
    pub first_ms: i64,
    pub last_ms: i64,
    /// How many of its alerts are held.
    held: usize,
}

/// Bursts that have alerts, and what was raised last by each rule.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    bursts: FxHashMap<Arc<str>, Burst>,
    rules: FxHashMap<Arc<str>, Lately>,
}

/// The newest alerts of a rule.
#[derive(Debug, Default)]
struct Lately {
    /// Unix ms of raising, identifier, whether it belongs to a burst.
    raised: VecDeque<(i64, Arc<str>, bool)>,
    burst: Option<Arc<str>>,
}

impl Bursts {
    pub fn get(&self, id: &str) -> Option<&Burst> {
        self.bursts.get(id)
    }

    /// What comes now is not of a burst that there was: the times before do not compare.
    pub fn begin_anew(&mut self) {
        self.rules.clear();
    }

    /// The burst that an alert which was just raised belongs to, and the identifiers of those before it that do so from now
    /// on. A burst goes on as long as its alerts come within its window.
    pub fn join(&mut self, alert: &AlertChange, bounds: &BurstBounds) -> Option<(Arc<str>, Vec<Arc<str>>)> {
        let lately = self.rules.entry(Arc::clone(&alert.rule)).or_default();
        lately.raised.push_back((alert.raised_ms, Arc::clone(&alert.id), false));
        while lately.raised.len() > bounds.alerts_min {
            lately.raised.pop_front();
        }
        let (first_ms, ..) = *lately.raised.front()?;
        if lately.raised.len() < bounds.alerts_min || alert.raised_ms - first_ms > bounds.window_ms {
            return None;
        }
        let since_ms = alert.raised_ms.saturating_sub(bounds.window_ms);
        let goes_on = |id: &Arc<str>| self.bursts.get(id).is_some_and(|burst| burst.last_ms >= since_ms);
        let id = match lately.burst.take().filter(goes_on) {
            Some(id) => id,
            None => format!("b-{}", alert.id.trim_start_matches("a-")).into(),
        };
        lately.burst = Some(Arc::clone(&id));
        // Once there is a burst all before belong to one.
        let joining = lately.raised.iter_mut().rev().take_while(|(_, _, belongs)| !belongs);
        let joining = joining.map(|(_, id, belongs)| {
            *belongs = true;
            Arc::clone(id)
        });
        let with = joining.skip(1).collect();
        self.bursts.entry(Arc::clone(&id)).or_insert_with(|| Burst::begun_by(alert));
        Some((id, with))
    }

    /// Puts what an alert is now in the place of what it was.
    pub fn replace(&mut self, old: Option<&Alert>, new: Option<&Alert>) {
        let burst_of = |alert: Option<&Alert>| alert.and_then(|alert| alert.burst.clone());
        let (before, now) = (burst_of(old), burst_of(new));
        if before == now {
            return;
        }
        if let (Some(burst), Some(alert)) = (now.and_then(|id| self.bursts.get_mut(&id)), new) {
            burst.held += 1;
            burst.first_ms = burst.first_ms.min(alert.change.raised_ms);
            burst.last_ms = burst.last_ms.max(alert.change.raised_ms);
        }
        if let Some(id) = before
            && let Some(burst) = self.bursts.get_mut(&id)
        {
            burst.held -= 1;
        }
    }

    /// Forgets a burst that has no alert any more.
    pub fn forget_if_empty(&mut self, id: &str) {
        if self.bursts.get(id).is_some_and(|burst| burst.held == 0) {
            self.bursts.remove(id);
        }
    }
}

impl Burst {
    fn begun_by(alert: &AlertChange) -> Self {
        Burst {
            rule: Arc::clone(&alert.rule),
            severity: alert.severity,
            text: words::of_alert(alert),
            first_ms: alert.raised_ms,
            last_ms: alert.raised_ms,
            held: 0,
        }
    }
}
