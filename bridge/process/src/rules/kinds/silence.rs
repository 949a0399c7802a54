//! Nothing was heard for too long. It remembers nothing: when it was last heard stands with the device and the metric.

use crate::rules::kind::{Heard, Kind};
use crate::time::Moment;
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

    fn due(&self, standing: Standing, heard: Moment) -> Option<Moment> {
        (standing == Standing::Quiet).then(|| heard.plus(self.for_ms))
    }

    fn is_about_silence(&self) -> bool {
        true
    }
}
