//! Retained messages of another broker, which it hands over at a subscription: values from before, of which nothing is learnt.

use smallvec::SmallVec;
use tidegate_settings::millis;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, MetricIndex, Reading, Reason, TimeOrigin,
};

use crate::device::{Cell, ValueOutcome};
use crate::device_clock::Ranked;
use crate::output::Output;
use crate::process::Process;
use crate::refusals::{Refusals, too_many_metrics};

impl Process {
    /// Takes a copy of a reading. With a time of its own it is history, and the newest value where there is no newer one;
    /// without, it is the value of a metric that has none. The device is not heard of, nothing is learnt of its clock and
    /// interval, and nothing is judged.
    pub(crate) fn take_copy(
        &mut self,
        index: DeviceIndex,
        reading: Reading,
        now_ms: i64,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        output.counts.readings_from_before += 1;
        let own_ms =
            reading.time_ms.filter(|time_ms| *time_ms <= now_ms.saturating_add(millis(self.config.future_max)));
        let origin = match own_ms {
            None => TimeOrigin::Before,
            Some(_) if reading.corrects => TimeOrigin::Correction,
            Some(_) => TimeOrigin::Device,
        };
        let ranked = Ranked { time_ms: own_ms.unwrap_or(now_ms), origin, skewed: false, rebased: false };
        let heard = self.state.time.moment();
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        device.heed_set_backs(&self.state.time, millis(self.config.future_max));
        let (baseline, cells_before) = (device.clock.baseline, device.cells.len());
        let mut cells = SmallVec::new();
        for (name, value) in reading.metrics {
            let value = self.catalogue.kept(&device.id, &name, value);
            let place = match device.metric(&name, 0) {
                Some(_) if own_ms.is_none() => continue,
                Some(place) => {
                    let (cell, metric) = (&mut device.cells[place], MetricIndex(place as u16));
                    let (outcome, is_new) = cell.offer(&value, ranked, cell.heard, baseline);
                    if outcome != ValueOutcome::Duplicate {
                        let is_new = is_new && ranked.time_ms > device.known_after_ms;
                        cells.push(AppliedCell { metric, value, latest: outcome == ValueOutcome::Latest, is_new });
                    }
                    continue;
                }
                None if device.cells.len() < self.config.metrics_per_device_max => device.cells.len(),
                None => {
                    refusals.add(Reason::MetricLimit, || too_many_metrics(device, &name, &self.config));
                    continue;
                }
            };
            let metric = MetricIndex(place as u16);
            let mut cell = Cell::new(name, value.clone(), &self.catalogue, ranked, heard, baseline);
            cell.learn(false);
            output.changes.push(cell.change(index, metric, &self.catalogue));
            device.cells.push(cell);
            cells.push(AppliedCell { metric, value, latest: true, is_new: false });
        }
        if !cells.is_empty() {
            output.changes.push(Change::Reading(AppliedReading {
                device: index,
                time_ms: ranked.time_ms,
                origin,
                received_ms: now_ms,
                class: DeliveryClass::Latest,
                cells,
            }));
        }
        if self.state.fleet.get(index).is_some_and(|device| device.cells.len() > cells_before) {
            self.add_rule_states_of_metrics(index, cells_before, now_ms, output);
        }
    }
}
