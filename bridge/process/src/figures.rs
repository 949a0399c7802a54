//! Figures of devices and rules that operators ask for and no view shows.

use crate::device::Device;
use crate::process::Process;

/// Figures of one device that are no change for views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceFigures {
    /// How far its clock is ahead of the receipts (negative: behind, or slow on the way), smoothed, ms. `None` when it
    /// sends no times.
    pub skew_ms: Option<i64>,
    /// How often it reports, as learnt, ms.
    pub interval_ms: i64,
    /// Unix ms of receipt of its last reading.
    pub heard_ms: i64,
}

impl Process {
    /// Number of metrics that have no figures by group, because others have more devices.
    #[must_use]
    pub fn metrics_without_figures(&self) -> usize {
        self.state.groups.names().without()
    }

    /// When the last entry was received, Unix ms; `None` before the first.
    #[must_use]
    pub fn last_received_ms(&self) -> Option<i64> {
        Some(self.state.time.now_ms()).filter(|now_ms| *now_ms != i64::MIN)
    }

    /// By how much the clock is ahead of the time that passed, ms: what it was set by.
    #[must_use]
    pub fn ahead_ms(&self) -> i64 {
        self.state.time.ahead_ms()
    }

    /// Number of devices.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.state.fleet.len()
    }

    /// Heap bytes, about, of the messages that are known when they are sent again.
    #[must_use]
    pub fn redelivery_bytes(&self) -> usize {
        self.state.redelivery.bytes()
    }

    /// Bytes, about, of what people said of devices.
    #[must_use]
    pub fn register_bytes(&self) -> usize {
        self.state.register.bytes()
    }

    /// Figures of the device with this full identifier.
    #[must_use]
    pub fn device_figures(&self, id: &str) -> Option<DeviceFigures> {
        let device = self.state.fleet.get(self.state.fleet.find(id)?)?;
        let (Device { clock, interval_ms, heard, .. }, time) = (device, &self.state.time);
        let (skew_ms, heard_ms) = (clock.skew_ms(time), time.shown_ms(*heard));
        Some(DeviceFigures { skew_ms, interval_ms: *interval_ms, heard_ms })
    }
}
