//! Nothing was heard for too long. It remembers nothing: when it was last heard stands with the device and the metric.

use crate::rule_state::{RulePhase, Verdict};
use crate::rules::kind::{Heard, Kind};
use crate::time::Moment;

#[derive(Debug)]
pub(super) struct Silence {
    pub(super) for_ms: i64,
}

impl Kind for Silence {
    fn heard(&self, phase: &mut RulePhase, _: Heard) -> Verdict {
        match std::mem::replace(phase, RulePhase::Inactive) {
            RulePhase::Active(alert) => Verdict::Clear(alert),
            _ => Verdict::Nothing,
        }
    }

    fn due(&self, phase: RulePhase, heard: Moment) -> Option<Moment> {
        (phase == RulePhase::Inactive).then(|| heard.plus(self.for_ms))
    }
}
