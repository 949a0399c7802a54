//! A device is erased: nothing of what is known stays, and followers are told to keep nothing either.

use std::sync::Arc;

use tidegate_telemetry::{Change, Holder};

use crate::output::Output;
use crate::process::Process;

impl Process {
    /// Nothing that is known stays of a device: its values, alerts that hold and that cleared, commands, and which of its messages
    /// may come again. Rules that name it in full begin to wait for it anew, as they did before it was heard for the first time.
    pub(crate) fn erase(&mut self, id: &str, now_ms: i64, output: &mut Output) {
        let id: Arc<str> = id.into();
        if let Some(index) = self.state.fleet.find(&id) {
            let holder = self.state.fleet.get(index).map(|device| device.holder());
            self.forget(index, now_ms, output);
            self.erase_client(holder);
            self.state.groups.hurry(self.state.time.moment(), &self.config);
        }
        self.state.register.erase(&id);
        self.state.fleet.left.erase(&id);
        self.state.redelivery.erase(&id);
        self.state.alerts.erase(&id);
        self.orphans.retain(|orphan| self.state.alerts.get(*orphan).is_some());
        self.wait_anew(&id);
        self.state.commands.erase(&id, output);
        output.counts.devices_erased += 1;
        output.changes.push(Change::Erased { device: id, at_ms: now_ms });
    }

    /// Who spoke for no other device is not remembered.
    fn erase_client(&mut self, holder: Option<Holder>) {
        if let Some(holder) = holder.filter(|holder| !self.state.fleet.has_devices_of(holder)) {
            self.state.redelivery.erase(&holder.1);
        }
    }

    /// Where a name of a device is found in what is known, for people; nothing, where it is in nothing.
    #[must_use]
    pub fn mentions(&self, device: &str) -> Vec<&'static str> {
        let state = &self.state;
        let found = [
            (state.fleet.find(device).is_some(), "the device, with its newest values"),
            (state.alerts.names(device), "alerts of it"),
            (state.commands.names(device), "commands to it"),
            (state.register.names(device), "what people said of it"),
            (state.redelivery.names(device), "a client of that name, whose last messages may come again"),
        ];
        found.into_iter().filter_map(|(is_found, what)| is_found.then_some(what)).collect()
    }
}
