//! What is brought of before: history, and nothing else.

use smallvec::smallvec;
use tidegate_settings::millis;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, Import, ImportedSeries, MetricIndex, Problem,
    Reading, Reason, Rejection, Sender, TimeOrigin,
};

use crate::device::Cell;
use crate::device_clock::Ranked;
use crate::newcomer::Newcomer;
use crate::output::Output;
use crate::process::Process;
use crate::refusals::{Refusals, is_its, may_speak_for, too_many_metrics};

impl Process {
    /// Takes readings of before. They are no newest value, whatever their times, and no rule looks at them. A device or a
    /// metric that is known from them alone has no newest value, and no rule until it is heard.
    pub(crate) fn import(&mut self, import: &Import, output: &mut Output) {
        let mut refusals = Refusals::default();
        for series in &import.series {
            self.import_series(series, Newcomer::imported(series), &mut refusals, output);
        }
        let problem = |it: Rejection| Problem::of_import(import, it.reason, it.detail);
        output.problems.extend(refusals.into_rejections().map(problem));
    }

    /// Takes what a device sent of before, as it would be brought, of a device that is the sender's.
    pub(crate) fn history(
        &mut self,
        sender: Sender<'_>,
        series: &ImportedSeries,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        if !may_speak_for(sender, &series.device, refusals) {
            return;
        }
        let known = self.state.fleet.find(&series.device).and_then(|index| self.state.fleet.get(index));
        if let Some(device) = known
            && !device.principal.is_empty()
            && !is_its(sender, device, refusals)
        {
            return;
        }
        let newcomer = Newcomer::imported_by(sender, series);
        let end_ms = self.state.time.now_ms().saturating_add(millis(self.config.future_max));
        if series.points.iter().all(|(time_ms, _)| *time_ms <= end_ms) {
            return self.import_series(series, newcomer, refusals, output);
        }
        // History has nothing that is still to come: it would be the newest there for years.
        let (id, metric) = (&series.device, &series.metric);
        refusals.add(Reason::TimeAhead, || {
            format!("{id} sends history of {metric} of a time to come: it is left out; correct the device's clock")
        });
        let points = series.points.iter().filter(|(time_ms, _)| *time_ms <= end_ms).cloned().collect();
        self.import_series(&ImportedSeries { points, ..series.clone() }, newcomer, refusals, output);
    }

    fn import_series(
        &mut self,
        series: &ImportedSeries,
        newcomer: Newcomer<'_>,
        refusals: &mut Refusals,
        output: &mut Output,
    ) {
        let Some((_, value)) = series.points.last() else { return };
        let now_ms = self.state.time.now_ms();
        let index = match self.state.fleet.find(&series.device) {
            Some(index) => Some(index),
            None => self.admit(newcomer, now_ms, refusals, output),
        };
        let Some(index) = index else { return };
        self.learn_group(index, series, output);
        let heard = self.state.time.moment();
        let device = self.state.fleet.get_mut(index).expect("found by its identifier or just added");
        let place = match device.metric(&series.metric, 0) {
            Some(place) => place,
            None if device.cells.len() < self.config.metrics_per_device_max => {
                let vote_before = device.vote();
                let origin = TimeOrigin::Imported;
                let ranked = Ranked { time_ms: i64::MIN, origin, skewed: false, rebased: false };
                let baseline = device.clock.baseline;
                let name = series.metric.clone();
                let mut cell = Cell::new(name, value.clone(), &self.catalogue, ranked, heard, baseline);
                cell.learn(false);
                let place = device.cells.len();
                output.changes.push(cell.change(index, MetricIndex(place as u16), &self.catalogue));
                device.cells.push(cell);
                device.cells_imported += 1;
                let (vote, names) = (device.vote(), self.state.groups.names_mut());
                device.voted().for_each(|name| names.revote(name, vote_before, vote));
                place
            }
            None => {
                return refusals.add(Reason::MetricLimit, || too_many_metrics(device, &series.metric, &self.config));
            }
        };
        // What the device says of these times is not the first of them.
        let newest_ms = series.points.iter().map(|(time_ms, _)| *time_ms).max();
        device.known_after_ms = newest_ms.max(Some(device.known_after_ms)).unwrap_or(i64::MIN);
        output.counts.values_imported += series.points.len() as u64;
        let metric = MetricIndex(place as u16);
        output.changes.extend(series.points.iter().map(|(time_ms, value)| {
            Change::Reading(AppliedReading {
                device: index,
                time_ms: *time_ms,
                origin: TimeOrigin::Imported,
                received_ms: now_ms,
                class: DeliveryClass::Latest,
                cells: smallvec![AppliedCell { metric, value: value.clone(), latest: false, is_new: false }],
            })
        }));
    }

    /// Of a device that is known from imports alone the first group that is said counts.
    fn learn_group(&mut self, index: DeviceIndex, series: &ImportedSeries, output: &mut Output) {
        let known = self.state.fleet.get(index);
        if known.is_some_and(|device| device.is_imported && device.own_group().is_empty()) && !series.group.is_empty() {
            self.reports_from(index, series.group.clone(), output);
        }
    }

    /// A device that is known from imports alone belongs to who is the first to speak for it.
    pub(crate) fn claim(&mut self, index: DeviceIndex, sender: Sender<'_>) {
        if self.state.fleet.get(index).is_some_and(|device| device.is_imported && device.principal.is_empty()) {
            self.state.fleet.claim(index, sender.client(), sender.principal(), sender.address());
        }
    }

    /// A reading comes of a device, or of metrics, that were known from imports alone: from now on they are as others, and
    /// rules look at them.
    pub(crate) fn is_heard_at_last(
        &mut self,
        index: DeviceIndex,
        sender: Sender<'_>,
        reading: &Reading,
        now_ms: i64,
        output: &mut Output,
    ) {
        let device = self.state.fleet.get_mut(index).expect("the caller has found it");
        let says_nothing_new = sender.is_retained_copy() && reading.time_ms.is_none();
        if says_nothing_new || (!device.is_imported && device.cells_imported == 0) {
            return;
        }
        let mut is_news = std::mem::take(&mut device.is_imported);
        for (name, _) in &reading.metrics {
            let known = device.cells.iter_mut().find(|cell| cell.is_imported && cell.name == *name);
            if let Some(cell) = known {
                cell.is_imported = false;
                device.cells_imported -= 1;
                is_news = true;
            }
        }
        if is_news {
            self.reselect_rules(index, now_ms, output);
        }
    }
}
