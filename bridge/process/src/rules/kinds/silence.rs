//! Nothing was heard for too long. It remembers nothing: when it was last heard stands with the device and the metric.

use crate::rules::kind::{Heard, Kind};
use crate::watch::{Standing, Verdict};

#[derive(Debug)]
pub(super) struct Silence {
    pub(super) for_ms: i64,
}

impl Kind for Silence {
    fn heard(&self, standing: &mut Standing, _: Heard) -> Verdict {
        match std::mem::replace(standing, Standing::Quiet) {
            Standing::Active(alert) => Verdict::Clear(alert),
            _ => Verdict::Nothing,
        }
    }

    fn due_ms(&self, standing: Standing, heard_ms: i64) -> Option<i64> {
        (standing == Standing::Quiet).then(|| heard_ms.saturating_add(self.for_ms))
    }

    fn is_about_silence(&self) -> bool {
        true
    }
}
