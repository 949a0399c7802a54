//! Devices as older checkpoints have them.

use std::sync::Arc;

use serde::Deserialize;
use tidegate_telemetry::{DeviceState, TimeOrigin, Value};

use crate::clock::Clock;
use crate::device::{AggregateSlot, Cell, Device};
use crate::fleet::Fleet;
use crate::given::Given;
use crate::groups::GroupIndex;
use crate::interval::Interval;
use crate::watch::Watch;

/// No time that a device gave lies further ahead of its receipt.
const AHEAD_MAX_MS: i64 = 86_400_000;

/// The fleet when nobody asked whose the time of the newest value is.
#[derive(Debug, Deserialize)]
pub(crate) struct OlderFleet(Vec<Option<OlderDevice>>);

#[derive(Debug, Deserialize)]
struct OlderDevice {
    id: Arc<str>,
    group: Arc<str>,
    counted_in: GroupIndex,
    client: Arc<str>,
    principal: Arc<str>,
    cells: Vec<OlderCell>,
    clock: Clock,
    interval: Interval,
    interval_ms: i64,
    heard_ms: i64,
    state: DeviceState,
    since_ms: i64,
    watches: Vec<Watch>,
}

#[derive(Debug, Deserialize)]
struct OlderCell {
    name: Arc<str>,
    value: Value,
    time_ms: i64,
    heard_ms: i64,
    baseline: u32,
    decimals: u8,
    aggregate: AggregateSlot,
}

impl OlderFleet {
    /// The fleet as it was at `now_ms` (Unix ms).
    pub(crate) fn at(self, now_ms: i64) -> Fleet {
        let known_after_ms = now_ms.saturating_add(AHEAD_MAX_MS);
        let devices = self.0.into_iter().map(|device| device.map(|device| device.known_after(known_after_ms)));
        Fleet::of(devices.collect())
    }
}

impl OlderDevice {
    fn known_after(self, known_after_ms: i64) -> Device {
        let has_times = self.clock.skew_ms.is_some();
        let origin = if has_times { TimeOrigin::Device } else { TimeOrigin::Receipt };
        Device {
            id: self.id,
            group: self.group,
            counted_in: self.counted_in,
            client: self.client,
            principal: self.principal,
            address: None,
            cells: self.cells.into_iter().map(|cell| cell.given(Given::first(origin))).collect(),
            clock: self.clock,
            known_after_ms,
            interval: self.interval,
            interval_ms: self.interval_ms,
            heard_ms: self.heard_ms,
            state: self.state,
            since_ms: self.since_ms,
            wake_ms: None,
            watches: self.watches,
        }
    }
}

impl OlderCell {
    fn given(self, given: Given) -> Cell {
        let OlderCell { name, value, time_ms, heard_ms, baseline, decimals, aggregate } = self;
        Cell { name, value, time_ms, given, heard_ms, baseline, decimals, aggregate }
    }
}
