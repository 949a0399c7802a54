//! A queue of what is due at a time: states of devices, and rules that wait.

use std::collections::BTreeSet;

use tidegate_telemetry::{DeviceIndex, MetricIndex};

use crate::time::Moment;

/// What waits for time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waiting {
    /// A rule, on the device or one of its metrics.
    Rule(u16, Option<MetricIndex>),
    /// The device's next state.
    State,
    /// A rule of silence, on a device that was never heard.
    Unheard(u16),
}

/// Deadlines in the order in which they come due; those of one instant by device.
///
/// Deadlines that readings push on all the time are lazy: one stands in here *at or before* its true time, and when it
/// comes up the owner looks whether it is due and puts it back if not. So a reading costs a comparison, and
/// since none is ever too late, the order of what truly happens does not depend on how stale a deadline was.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    queue: BTreeSet<(Moment, DeviceIndex, Waiting)>,
}

impl Deadlines {
    pub(crate) fn insert(&mut self, at: Moment, device: DeviceIndex, waiting: Waiting) {
        self.queue.insert((at, device, waiting));
    }

    pub(crate) fn remove(&mut self, at: Moment, device: DeviceIndex, waiting: Waiting) {
        self.queue.remove(&(at, device, waiting));
    }

    pub(crate) fn first(&self) -> Option<Moment> {
        self.queue.first().map(|&(at, ..)| at)
    }

    /// Takes the first deadline at or before `now`.
    pub(crate) fn pop_due(&mut self, now: Moment) -> Option<(Moment, DeviceIndex, Waiting)> {
        if self.first()? > now {
            return None;
        }
        self.queue.pop_first()
    }
}
