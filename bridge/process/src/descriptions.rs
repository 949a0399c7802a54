//! What is known of devices and metrics besides values.

use std::sync::Arc;

use tidegate_telemetry::{Change, Description, DeviceDescription, DeviceIndex, DeviceState, MetricIndex, Sender};

use crate::expected::{Expected, Promise};
use crate::liveness::{self, Next};
use crate::output::Output;
use crate::process::Process;
use crate::refusals::{Refusals, is_its, may_speak_for};
use crate::time::Moment;

impl Process {
    /// Keeps what is said of a device that is known, and tells of it where that is news.
    pub(crate) fn device_description(
        &mut self,
        sender: Sender<'_>,
        said: DeviceDescription,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        let Some(index) = self.speaks_for(sender, &said.device, refusals) else { return };
        let Some(device) = self.state.fleet.get_mut(index) else { return };
        if !is_news(&mut device.facts, &said.facts) {
            return;
        }
        let promise = device.promised();
        output.changes.push(Change::Facts { device: index, facts: said.facts });
        self.expect(index, promise, output);
    }

    /// Keeps what is said of a metric that is known, and tells of it where that is news.
    pub(crate) fn description(
        &mut self,
        sender: Sender<'_>,
        said: Description,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        let Some(index) = self.speaks_for(sender, &said.device, refusals) else { return };
        let Some(device) = self.state.fleet.get_mut(index) else { return };
        let Some(place) = device.metric(&said.metric, 0) else { return };
        let cell = &mut device.cells[place];
        if is_news(&mut cell.described, &said.facts) {
            let metric = MetricIndex(place as u16);
            output.changes.push(cell.change(index, metric, &self.catalogue));
            output.changes.push(Change::MetricFacts { device: index, metric, facts: said.facts });
        }
    }

    /// A device is to be heard as often as `promise` says from now on: one that is late by what was known before, and would
    /// not be by that, is not.
    pub(crate) fn expect(&mut self, index: DeviceIndex, promise: Promise, output: &mut Output) {
        let standing = self.state.fleet.standing(index);
        let Some(device) = self.state.fleet.get_mut(index) else { return };
        let before = device.expected(&self.config);
        device.promise = promise;
        let (now, heard, known) = (device.expected(&self.config), device.heard, (device.state, device.since_ms));
        if now == before {
            return;
        }
        // One that is lost because somebody said so stays lost.
        let (state, since) = self.state_after(before, heard);
        if known.0 == state && since.is_none_or(|since| self.state.time.shown_ms(since) == known.1) {
            let (state, since) = self.state_after(now, heard);
            let since_ms = since.map_or(self.state.time.now_ms(), |since| self.state.time.shown_ms(since));
            self.enter(index, state, since_ms, output);
        }
        self.state.fleet.settle(index, standing);
        self.wake_later(index);
    }

    /// The state of a device that was last heard at `heard`, and since when it is in it.
    fn state_after(&self, expected: Expected, heard: Moment) -> (DeviceState, Option<Moment>) {
        let (mut state, mut since, now) = (DeviceState::Fresh, None, self.state.time.moment());
        while let Some((due, Next::State(next))) = liveness::next(&self.config, state, expected, heard)
            && due <= now
        {
            (state, since) = (next, Some(due));
        }
        (state, since)
    }

    /// The device of this identifier, if it is known and the sender may speak for it.
    fn speaks_for(&self, sender: Sender<'_>, id: &str, refusals: &mut Refusals) -> Option<DeviceIndex> {
        if !may_speak_for(sender, id, refusals) {
            return None;
        }
        let index = self.state.fleet.find(id)?;
        self.state.fleet.get(index).filter(|device| is_its(sender, device, refusals)).map(|_| index)
    }
}

/// Whether what is said now is something else than what is known, which it takes the place of. What is the same at another
/// place in memory, as after a restart, does so too: the next time a look at the pointer is enough.
fn is_news<T: Eq>(known: &mut Option<Arc<T>>, said: &Arc<T>) -> bool {
    if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, said)) {
        return false;
    }
    let before = known.replace(Arc::clone(said));
    before.is_none_or(|before| before != *said)
}
