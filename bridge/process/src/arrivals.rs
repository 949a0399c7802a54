//! Devices come, move, and make room for others.

use std::sync::Arc;

use tidegate_settings::millis;
use tidegate_telemetry::{Change, DeviceIndex, Holder, Owner, Reason};

use crate::device::Device;
use crate::device_clock::DeviceClock;
use crate::expected::Promise;
use crate::interval::Interval;
use crate::newcomer::Newcomer;
use crate::output::Output;
use crate::process::Process;
use crate::refusals::{Refusals, gave_way, too_many_devices};

impl Process {
    /// Takes in a device that was never heard of.
    pub(crate) fn admit(
        &mut self,
        newcomer: Newcomer<'_>,
        now_ms: i64,
        refusals: &mut Refusals,
        output: &mut Output,
    ) -> Option<DeviceIndex> {
        let Newcomer { id, group, metrics, client, principal, address, state, is_imported } = newcomer;
        let holder: Holder = (Owner::of(principal, address), client.into());
        match self.state.fleet.room(&self.config, &holder) {
            Ok(None) => {}
            Ok(Some(gives_way)) => self.give_way(gives_way, now_ms, output),
            Err(full) => {
                refusals.add(Reason::DeviceLimit, || too_many_devices(id, full, &holder.0));
                return None;
            }
        }
        let said = self.state.register.take(id);
        let put = said.as_ref().and_then(|said| said.word.group.clone()).unwrap_or_else(|| group.clone());
        let known_after_ms = match self.state.fleet.left.may_have(id) {
            true => self.state.time.latest_ms().saturating_add(millis(self.config.future_max)),
            false => i64::MIN,
        };
        let device = Device {
            id: id.clone(),
            counted_in: self.state.groups.group(&put, self.config.groups_max),
            group: put,
            client: client.into(),
            principal: principal.into(),
            address,
            cells: Vec::with_capacity(metrics),
            clock: DeviceClock::default(),
            known_after_ms,
            interval: Interval::default(),
            interval_ms: millis(self.config.interval_default),
            heard: self.state.time.moment(),
            state,
            since_ms: now_ms,
            wake: None,
            rule_states: Vec::new(),
            alerts: self.alerts_of_newcomer(id),
            is_imported,
            cells_imported: 0,
            facts: None,
            promise: Promise::default(),
            own_group: said.as_ref().and_then(|said| said.word.group.as_ref()).map(|_| Box::new(group.clone())),
            said,
            usual_silence_ms: 0,
        };
        let device = Device { promise: device.promised(), ..device };
        let (id, group, counted_in) = (device.id.clone(), device.group.clone(), device.counted_in);
        let said = device.said.clone();
        self.reach.add_device(self.rules.scopes_of(&device));
        let index = self.state.fleet.add(device);
        self.state.groups.join(counted_in, index);
        output.changes.push(Change::Device { device: index, id, group });
        output.changes.extend(said.map(|said| Change::Said { device: index, said }));
        output.changes.push(Change::State { device: index, state, since_ms: now_ms });
        output.counts.devices_added += 1;
        self.wake_later(index);
        self.reselect_rules(index, now_ms, output);
        Some(index)
    }

    /// Forgets a device because others need the room: its owner has most of them. Its history stays.
    fn give_way(&mut self, index: DeviceIndex, now_ms: i64, output: &mut Output) {
        let Some(device) = self.state.fleet.get(index) else { return };
        output.problems.push(gave_way(device, now_ms, &self.config));
        output.counts.devices_gave_way += 1;
        self.forget(index, now_ms, output);
    }

    /// A device now reports from another group: it is there, unless people say where it is.
    pub(crate) fn reports_from(&mut self, index: DeviceIndex, group: Arc<str>, output: &mut Output) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        match &mut device.own_group {
            Some(own) => **own = group,
            None => self.regroup(index, group, output),
        }
    }

    /// A device is in another group now.
    pub(crate) fn regroup(&mut self, index: DeviceIndex, group: Arc<str>, output: &mut Output) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        self.reach.remove_device(self.rules.scopes_of(device));
        device.group = group.clone();
        self.reach.add_device(self.rules.scopes_of(device));
        let id = device.id.clone();
        self.count_in_its_group(index);
        output.changes.push(Change::Device { device: index, id, group });
        self.reselect_rules(index, self.state.time.now_ms(), output);
    }

    /// Has a device count in its group, or as near to it as there is room.
    pub(crate) fn count_in_its_group(&mut self, index: DeviceIndex) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let counted_in = self.state.groups.group(&device.group, self.config.groups_max);
        let left = std::mem::replace(&mut device.counted_in, counted_in);
        if left != counted_in {
            self.state.groups.leave(left, index);
            self.state.groups.join(counted_in, index);
        }
    }
}
