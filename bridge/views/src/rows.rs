//! One row a device: its columns, their values, and the version of each.

use std::sync::Arc;

use tidegate_telemetry::{
    AppliedReading, DeliveryClass, DeviceFacts, DeviceIndex, DeviceState, MetricFacts, MetricIndex, Numbered,
    SaidOfDevice, Severity, TimeOrigin, Value,
};

use crate::branches::ROOT;
use crate::envelope::Envelope;
use crate::newest::NewestChange;
use crate::recency::Recency;
use crate::watchers::Watchers;

/// All rows. What changed since a version is found from the newest on; a subscription with fewer rows than that looks at
/// their `versions`, which lie apart and dense.
///
/// A removed row keeps its number as long as somebody may mean the removed device by it: see [`Views::release`].
///
/// [`Views::release`]: crate::Views::release
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Version at which anything of the row last changed.
    versions: Vec<u64>,
    recency: Recency,
    rows: Numbered<Row>,
    /// Rows of the devices that processing knows, by its numbers.
    by_device: Vec<Option<u32>>,
}

/// A device.
#[derive(Debug)]
pub(crate) struct Row {
    pub id: Arc<str>,
    pub group: Arc<str>,
    /// Its group's number.
    pub branch: u32,
    pub state: DeviceState,
    pub since_ms: i64,
    pub worst_alert: Option<Severity>,
    /// What is known of it besides values, as it or its gateway says.
    pub facts: Option<Arc<DeviceFacts>>,
    /// What people say of it.
    pub said: Option<Arc<SaidOfDevice>>,
    pub columns: Vec<Column>,
    /// Version at which it appeared ...
    pub appeared: u64,
    /// ... and at which it last appeared, got another group, or was forgotten.
    pub moved: u64,
    /// Version at which processing forgot it.
    pub removed: Option<u64>,
    /// Version of the newest value of any column, and of the change before it.
    pub value_version: u64,
    pub previous_value_version: u64,
    /// Version of state, since and worst alert.
    pub status_version: u64,
    /// Version of the newest column or unit.
    pub columns_version: u64,
    /// Version of what is known of it.
    pub facts_version: u64,
    /// Sessions to wake, one entry for each subscription that has this row.
    pub watchers: Watchers,
    /// Envelopes are kept until then though nobody watches, Unix ms.
    pub kept_until_ms: i64,
    /// The newest change of values, written for everybody who stands right before it.
    pub newest_change: NewestChange,
}

/// A metric of a device.
#[derive(Debug)]
pub(crate) struct Column {
    pub name: Arc<str>,
    pub unit: Option<Arc<str>>,
    /// Whether the unit is guessed from the name.
    pub guessed: bool,
    pub decimals: Option<u8>,
    /// What else is known of it besides values.
    pub facts: Option<Arc<MetricFacts>>,
    pub definition_version: u64,
    pub value: Option<Value>,
    pub time_ms: i64,
    /// Whether that is the value's own; else the one at which it was handed over, kept from before.
    pub is_dated: bool,
    pub value_version: u64,
    /// Whether it was ever fed with a promise beyond "the newest".
    pub promised: bool,
    pub envelope: Option<Box<Envelope>>,
}

impl Rows {
    pub fn get(&self, row: u32) -> Option<&Row> {
        self.rows.get(row).filter(|row| row.removed.is_none())
    }

    /// Also rows that were removed.
    pub fn get_any(&self, row: u32) -> Option<&Row> {
        self.rows.get(row)
    }

    pub fn get_mut(&mut self, row: u32) -> Option<&mut Row> {
        self.rows.get_mut(row).filter(|row| row.removed.is_none())
    }

    /// For watchers, which may hold a row that was removed meanwhile.
    pub fn get_any_mut(&mut self, row: u32) -> Option<&mut Row> {
        self.rows.get_mut(row)
    }

    /// The row of a device.
    pub fn of(&self, device: DeviceIndex) -> Option<u32> {
        *self.by_device.get(device.0 as usize)?
    }

    /// Adds a row for a device; answers its number.
    pub fn insert(&mut self, device: DeviceIndex, content: Row) -> u32 {
        let version = content.appeared;
        let row = self.rows.insert(content);
        self.versions.resize(self.rows.end(), 0);
        self.touch(row, version);
        let index = device.0 as usize;
        if self.by_device.len() <= index {
            self.by_device.resize(index + 1, None);
        }
        self.by_device[index] = Some(row);
        row
    }

    /// Processing forgot a device; answers the number of its row, which stays. What its metrics were stays with it where an
    /// open chart asks history for them.
    pub fn remove(&mut self, device: DeviceIndex, version: u64, has_chart: impl Fn(u32) -> bool) -> Option<u32> {
        let number = self.by_device.get_mut(device.0 as usize)?.take()?;
        while self.by_device.pop_if(|last| last.is_none()).is_some() {}
        let row = self.rows.get_mut(number)?;
        (row.removed, row.moved) = (Some(version), version);
        if !has_chart(number) {
            row.columns = Vec::new();
        }
        row.newest_change.forget();
        Some(number)
    }

    /// Frees a number.
    pub fn free(&mut self, row: u32) {
        self.rows.remove(row);
        self.recency.remove(row);
        self.recency.truncate(self.rows.end());
        self.versions.truncate(self.rows.end());
    }

    /// Notes that something of the row changed.
    pub fn touch(&mut self, row: u32, version: u64) {
        self.versions[row as usize] = version;
        self.recency.touch(row);
    }

    /// Rows that changed after a version, the newest first; also some that were removed.
    pub fn changed_after(&self, version: u64) -> impl Iterator<Item = u32> {
        self.recency.iter().take_while(move |&row| self.version(row) > version)
    }

    /// Every row number is below.
    pub fn end(&self) -> u32 {
        u32::try_from(self.rows.end()).expect("rows have numbers of 32 bits")
    }

    /// Version of anything of the row.
    pub fn version(&self, row: u32) -> u64 {
        self.versions.get(row as usize).copied().unwrap_or(0)
    }
}

impl Row {
    pub fn new(id: Arc<str>, group: Arc<str>, version: u64, now_ms: i64) -> Self {
        Row {
            id,
            group,
            branch: ROOT,
            state: DeviceState::Fresh,
            since_ms: now_ms,
            worst_alert: None,
            facts: None,
            said: None,
            columns: Vec::new(),
            appeared: version,
            moved: version,
            removed: None,
            value_version: 0,
            previous_value_version: 0,
            status_version: version,
            columns_version: 0,
            facts_version: 0,
            watchers: Watchers::default(),
            kept_until_ms: i64::MIN,
            newest_change: NewestChange::default(),
        }
    }

    /// The last level of the identifier.
    pub fn short_name(&self) -> &str {
        short_name(&self.id)
    }

    /// The column of a metric, by name.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| &*column.name == name)
    }

    /// Adds or corrects a column. Processing numbers them without holes; a hole would only mean columns without a name.
    pub fn define_column(
        &mut self,
        metric: MetricIndex,
        name: &Arc<str>,
        (unit, guessed): (Option<&Arc<str>>, bool),
        decimals: Option<u8>,
        version: u64,
    ) {
        let index = usize::from(metric.0);
        if self.columns.len() <= index {
            // Devices are many and stay as they are: doubling would leave three columns of five empty.
            if self.columns.capacity() <= index {
                self.columns.reserve_exact(index + 1 - self.columns.len() + self.columns.len() / 8);
            }
            self.columns.resize_with(index + 1, Column::unnamed);
        }
        let column = &mut self.columns[index];
        column.name = Arc::clone(name);
        column.unit = unit.cloned();
        column.guessed = guessed;
        column.decimals = decimals;
        column.definition_version = version;
        self.columns_version = version;
    }

    /// What it is called: as people say, else as it or its gateway does.
    pub fn name(&self) -> Option<&str> {
        let said = self.said.as_ref().and_then(|said| said.word.name.as_deref());
        said.or_else(|| self.facts.as_ref()?.name.as_deref())
    }

    /// Whether people said that it is not to be shown.
    pub fn is_hidden(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.word.hidden)
    }

    /// What a search looks through: how it is called, its model, its maker, its labels.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let facts = self.facts.as_ref().map(|facts| [&facts.model, &facts.maker]);
        let known = facts.into_iter().flatten().flatten().map(|text| &**text);
        let labels = self.said.iter().flat_map(|said| &said.word.labels);
        let labels = labels.flat_map(|(key, value)| [&**key, &**value]);
        std::iter::once(&*self.id).chain(self.name()).chain(known).chain(labels)
    }

    /// What is known of a metric besides its values is otherwise now.
    pub fn describe_column(&mut self, metric: MetricIndex, facts: &Arc<MetricFacts>, version: u64) {
        if let Some(column) = self.columns.get_mut(usize::from(metric.0)) {
            column.facts = Some(Arc::clone(facts));
            column.definition_version = version;
            self.columns_version = version;
        }
    }

    /// Whether its own watchers are owed its extremes, or were until lately.
    pub fn keeps_extremes(&self, now_ms: i64) -> bool {
        !self.watchers.is_empty() || now_ms < self.kept_until_ms
    }

    /// Whether [`Row::take`] has to know who stands where.
    pub fn asks_who_stands(&self, reading: &AppliedReading) -> bool {
        let column = |metric: MetricIndex| self.columns.get(usize::from(metric.0));
        let envelope = |metric| column(metric).and_then(|column| column.envelope.as_ref());
        reading.cells.iter().any(|cell| envelope(cell.metric).is_some_and(|envelope| envelope.is_full()))
    }

    /// Takes the values that are now the newest; `true` when there was one. `keeps`: versions at which viewers stand, if
    /// envelopes are kept.
    pub fn take(&mut self, reading: &AppliedReading, version: u64, keeps: Option<&[u64]>) -> bool {
        let mut changed = false;
        for cell in reading.cells.iter().filter(|cell| cell.latest) {
            if let Some(column) = self.columns.get_mut(usize::from(cell.metric.0)) {
                column.take(reading, &cell.value, version, keeps);
                changed = true;
            }
        }
        if changed {
            self.newest_change.forget();
            if self.value_version != version {
                self.previous_value_version = self.value_version;
                self.value_version = version;
            }
        }
        changed
    }

    /// The time of the newest value of any metric, Unix ms; `None` where none has a time of its own.
    pub fn heard_ms(&self) -> Option<i64> {
        self.columns.iter().filter_map(Column::own_time_ms).max()
    }

    /// Frees the envelopes.
    pub fn forget_envelopes(&mut self) {
        for column in &mut self.columns {
            column.envelope = None;
        }
    }

    /// `true` when a viewer who stands at `since` can be told every extreme after it.
    pub fn knows_extremes_since(&self, since: u64) -> bool {
        self.columns.iter().all(|column| {
            column.value_version <= since
                || !column.promised
                || column.envelope.as_ref().is_some_and(|envelope| envelope.covers(since))
        })
    }
}

impl Column {
    /// When its value was measured, Unix ms; `None` before the first, and where it was handed over from before and did not
    /// say.
    pub fn own_time_ms(&self) -> Option<i64> {
        (self.value.is_some() && self.is_dated).then_some(self.time_ms)
    }

    fn unnamed() -> Self {
        Column {
            name: Arc::default(),
            unit: None,
            guessed: false,
            decimals: None,
            facts: None,
            definition_version: 0,
            value: None,
            time_ms: 0,
            is_dated: true,
            value_version: 0,
            promised: false,
            envelope: None,
        }
    }

    fn take(&mut self, reading: &AppliedReading, value: &Value, version: u64, keeps: Option<&[u64]>) {
        // Values without that promise are in no envelope, and are not missing in one.
        let complete_from = if self.promised { self.value_version } else { 0 };
        let is_promised = reading.class != DeliveryClass::Latest;
        self.promised |= is_promised;
        match keeps {
            None if is_promised => self.envelope = None,
            Some(standing) if self.promised => {
                let envelope = self.envelope.get_or_insert_with(|| Box::new(Envelope::new(complete_from)));
                if let Some(number) = value.as_number().filter(|_| is_promised) {
                    envelope.push(version, reading.time_ms, number, standing);
                }
            }
            _ => {}
        }
        self.value = Some(value.clone());
        self.time_ms = reading.time_ms;
        self.is_dated = reading.origin != TimeOrigin::Before;
        self.value_version = version;
    }
}

/// The last level of an identifier.
pub(crate) fn short_name(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_freed_is_not_among_what_changed_and_hides_none_that_is() {
        let mut rows = Rows::default();
        for n in 0..100 {
            let content = Row::new(format!("dev{n}").as_str().into(), "".into(), 1 + u64::from(n), 0);
            rows.insert(DeviceIndex(n), content);
        }
        for n in (10..100).filter(|n| n % 10 != 7) {
            rows.remove(DeviceIndex(n), 200, |_| false);
            rows.free(n);
        }
        rows.touch(3, 201);
        assert!(rows.changed_after(5).eq([3, 97, 87, 77, 67, 57, 47, 37, 27, 17, 9, 8, 7, 6, 5]));
    }
}
