//! People say something of a device: from then on it is called so, is there, is expected so.

use std::sync::Arc;

use tidegate_telemetry::{Change, DeviceIndex, SaidOfDevice, WordChange};

use crate::output::Output;
use crate::process::Process;

impl Process {
    /// Somebody says something of a device that is there.
    pub(crate) fn describe(
        &mut self,
        device: &str,
        by: &str,
        changes: &[WordChange],
        now_ms: i64,
        output: &mut Output,
    ) {
        let Some(index) = self.state.fleet.find(device) else {
            output.counts.register_refused += 1;
            return;
        };
        let Some(device) = self.state.fleet.get(index) else { return };
        let before = device.said.clone();
        let mut word = before.as_ref().map(|said| said.word.clone()).unwrap_or_default();
        let undo = word.change(changes);
        if undo.is_empty() {
            return;
        }
        let said = Arc::new(SaidOfDevice { word, by: by.into(), at_ms: now_ms, undo });
        let bytes_before = before.map_or(0, |said| said.bytes());
        if !self.state.register.make_room(bytes_before, said.bytes(), &self.config.register, output) {
            output.counts.register_refused += 1;
            return;
        }
        output.counts.register_changes += 1;
        self.say(index, said, output);
    }

    /// What is said of a device holds from now on.
    fn say(&mut self, index: DeviceIndex, said: Arc<SaidOfDevice>, output: &mut Output) {
        let Some(device) = self.state.fleet.get_mut(index) else { return };
        let own = Arc::clone(device.own_group());
        device.own_group = said.word.group.as_ref().map(|_| Box::new(Arc::clone(&own)));
        let group = said.word.group.clone().unwrap_or(own);
        let is_elsewhere = device.group != group;
        device.said = Some(Arc::clone(&said));
        let (promise, counted_in) = (device.promised(), device.counted_in);
        output.changes.push(Change::Said { device: index, said });
        self.state.groups.mark(counted_in);
        if is_elsewhere {
            self.regroup(index, group, output);
        }
        self.expect(index, promise, output);
    }
}
