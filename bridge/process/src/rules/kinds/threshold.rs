//! The newest value is above a threshold, or below one, for as long as has to be.

use crate::rule_state::{Pending, RulePhase, Verdict};
use crate::rules::kind::{Heard, Kind};
use crate::time::Moment;

#[derive(Debug)]
struct Threshold {
    side: Side,
    threshold: f64,
    hysteresis: f64,
    for_ms: i64,
}

#[derive(Debug)]
enum Side {
    Above,
    Below,
}

pub(super) fn above(threshold: f64, hysteresis: f64, for_ms: i64) -> Box<dyn Kind> {
    Box::new(Threshold { side: Side::Above, threshold, hysteresis, for_ms })
}

pub(super) fn below(threshold: f64, hysteresis: f64, for_ms: i64) -> Box<dyn Kind> {
    Box::new(Threshold { side: Side::Below, threshold, hysteresis, for_ms })
}

impl Threshold {
    fn is_beyond(&self, value: f64) -> bool {
        self.is_further(value, self.threshold)
    }

    /// Whether a value is back behind the threshold by the hysteresis.
    fn is_over(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value <= self.threshold - self.hysteresis,
            Side::Below => value >= self.threshold + self.hysteresis,
        }
    }
}

impl Kind for Threshold {
    fn heard(&self, phase: &mut RulePhase, heard: Heard) -> Verdict {
        let Some(value) = heard.value else { return Verdict::Nothing };
        match *phase {
            RulePhase::Active(alert) if self.is_over(value) => {
                *phase = RulePhase::Inactive;
                Verdict::Clear(alert)
            }
            RulePhase::Active(_) => Verdict::Nothing,
            _ if !self.is_beyond(value) => {
                *phase = RulePhase::Inactive;
                Verdict::Nothing
            }
            RulePhase::Pending(Pending { since_ms, .. }) if heard.time_ms - since_ms < self.for_ms => Verdict::Nothing,
            RulePhase::Inactive if self.for_ms > 0 => {
                let due = heard.at.plus(self.for_ms);
                *phase = RulePhase::Pending(Pending { since_ms: heard.time_ms, due });
                Verdict::Nothing
            }
            _ => Verdict::Raise,
        }
    }

    fn due(&self, phase: RulePhase, _: Moment) -> Option<Moment> {
        match phase {
            RulePhase::Pending(Pending { due, .. }) => Some(due),
            _ => None,
        }
    }

    /// A condition that held does not hold any more; an alert stays, since nothing says that its reason has gone.
    fn without_value(&self, phase: &mut RulePhase) {
        if let RulePhase::Pending(_) = phase {
            *phase = RulePhase::Inactive;
        }
    }

    fn is_further(&self, value: f64, furthest: f64) -> bool {
        match self.side {
            Side::Above => value > furthest,
            Side::Below => value < furthest,
        }
    }
}
