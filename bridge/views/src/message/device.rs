//! What is said of a device: its row in full, or what changed of it.

use tidegate_telemetry::{DeviceFacts, DeviceState, MetricFacts, SaidOfDevice, Severity, Value};

use crate::envelope::Extremes;
use crate::newest::NewestChange;
use crate::rows::{Column, Row};

/// Names of the metrics that are shown; `None` for all.
type Filter<'a> = Option<&'a [Box<str>]>;

/// A device as a view shows it: state and metrics, in full or what changed since a version.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRow<'a> {
    number: u32,
    row: &'a Row,
    filter: Filter<'a>,
    told: Told,
}

/// What of a device's values is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    /// All; with what they went through after a version, where one is given and that is known.
    All(Option<u64>),
    /// Those that changed after a version, with what they went through.
    After(u64),
}

/// A device in brief: state, gravest alert, and what else the view asks for.
#[derive(Debug, Clone, Copy)]
pub struct FleetRow<'a> {
    number: u32,
    row: &'a Row,
    metric: Option<&'a str>,
    shows_heard: bool,
}

/// What a metric of a device is.
#[derive(Debug, Clone, Copy)]
pub struct ColumnDefinition<'a> {
    /// Its name.
    pub name: &'a str,
    /// Unit for people.
    pub unit: Option<&'a str>,
    /// Decimals to show.
    pub decimals: Option<u8>,
    /// Whether the unit is guessed from the name.
    pub is_guessed: bool,
    /// What else is known of it.
    pub facts: Option<&'a MetricFacts>,
}

/// A value of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// The newest.
    pub value: &'a Value,
    /// When it was measured, Unix ms; `None` where it was handed over from before and did not say.
    pub time_ms: Option<i64>,
    /// What the metric went through, where that says more than the value.
    pub extremes: Option<Extremes>,
}

impl<'a> DeviceRow<'a> {
    pub(crate) fn new(number: u32, row: &'a Row, filter: Filter<'a>, told: Told) -> Self {
        DeviceRow { number, row, filter, told }
    }

    /// Number of the row, the same for every client of an epoch.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Full identifier.
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.row.id
    }

    /// Path of its group.
    #[must_use]
    pub fn group(&self) -> &'a str {
        &self.row.group
    }

    /// Whether it is heard of as expected.
    #[must_use]
    pub fn state(&self) -> DeviceState {
        self.row.state
    }

    /// Since when it is in that state, Unix ms.
    #[must_use]
    pub fn since_ms(&self) -> i64 {
        self.row.since_ms
    }

    /// The gravest of its alerts that hold.
    #[must_use]
    pub fn worst_alert(&self) -> Option<Severity> {
        self.row.worst_alert
    }

    /// What is known of it besides values, as it or its gateway says.
    #[must_use]
    pub fn facts(&self) -> Option<&'a DeviceFacts> {
        self.row.facts.as_deref()
    }

    /// What people say of it.
    #[must_use]
    pub fn said(&self) -> Option<&'a SaidOfDevice> {
        self.row.said.as_deref()
    }

    /// All its metrics, in the order they appeared.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = ColumnDefinition<'a>> {
        self.row.columns.iter().map(ColumnDefinition::from)
    }

    /// Time of the newest value that is told, Unix ms; `None` when there is none. Where none has a time of its own, it is that of
    /// the receipt.
    #[must_use]
    pub fn time_ms(&self) -> Option<i64> {
        let told = || self.row.columns.iter().filter(|column| self.tells(column));
        let dated = told().filter_map(Column::own_time_ms).max();
        dated.or_else(|| told().map(|column| column.time_ms).max())
    }

    /// The values by column; `None` for one that is not told.
    pub fn cells(&self) -> impl Iterator<Item = Option<Cell<'a>>> {
        let device = *self;
        self.row.columns.iter().map(move |column| device.tells(column).then(|| device.cell(column)).flatten())
    }

    fn cell(&self, column: &'a Column) -> Option<Cell<'a>> {
        let value = column.value.as_ref()?;
        let envelope = column.envelope.as_ref();
        let since = match self.told {
            Told::After(since) => Some(since),
            Told::All(since) => since.filter(|&since| envelope.is_some_and(|envelope| envelope.covers(since))),
        };
        let extremes = since.and_then(|since| envelope?.since(since));
        // One value that is the newest says nothing more; one that a later QoS 0 value covered does.
        let extremes = extremes.filter(|it| it.count > 1 || value.as_number() != Some(it.low));
        Some(Cell { value, time_ms: column.own_time_ms(), extremes })
    }

    fn tells(&self, column: &Column) -> bool {
        let is_due = match self.told {
            Told::After(since) => column.value_version > since,
            Told::All(_) => true,
        };
        is_due && column.value.is_some() && self.shows(column)
    }

    fn shows(&self, column: &Column) -> bool {
        self.filter.is_none_or(|names| names.iter().any(|name| **name == *column.name))
    }

    /// Whether any value is told.
    pub(crate) fn tells_any(&self) -> bool {
        self.row.columns.iter().any(|column| self.tells(column))
    }

    /// Where its newest change is kept as it was written, if that is all there is to tell.
    pub(crate) fn newest_change(&self) -> Option<&'a NewestChange> {
        let is_right_before = matches!(self.told, Told::After(since) if since >= self.row.previous_value_version);
        (self.filter.is_none() && is_right_before).then_some(&self.row.newest_change)
    }

    /// For who stands right before the newest change.
    pub(crate) fn right_before(&self) -> Self {
        DeviceRow { told: Told::After(self.row.value_version - 1), ..*self }
    }

    /// About as many bytes as its newest change takes.
    pub(crate) fn newest_change_bytes(&self) -> usize {
        16 + 12 * self.row.columns.len()
    }
}

impl<'a> FleetRow<'a> {
    pub(crate) fn new(number: u32, row: &'a Row, (metric, shows_heard): (Option<&'a str>, bool)) -> Self {
        FleetRow { number, row, metric, shows_heard }
    }

    /// Number of the row.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Full identifier.
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.row.id
    }

    /// Whether it is heard of as expected.
    #[must_use]
    pub fn state(&self) -> DeviceState {
        self.row.state
    }

    /// The gravest of its alerts that hold.
    #[must_use]
    pub fn worst_alert(&self) -> Option<Severity> {
        self.row.worst_alert
    }

    /// What people call it, if anybody said.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.row.name()
    }

    /// Newest value of the metric that the view shows, and when it was measured (Unix ms), where it said so.
    #[must_use]
    pub fn value(&self) -> Option<(&'a Value, Option<i64>)> {
        let column = self.column()?;
        Some((column.value.as_ref()?, column.own_time_ms()))
    }

    /// Whether the view shows when anything was last heard of the device.
    #[must_use]
    pub fn shows_heard(&self) -> bool {
        self.shows_heard
    }

    /// The time of the newest value of any metric, Unix ms; `None` where none has a time of its own.
    #[must_use]
    pub fn heard_ms(&self) -> Option<i64> {
        self.row.heard_ms()
    }

    /// Whether anything that the view shows of the device changed after a version.
    pub(crate) fn changed_after(&self, since: u64) -> bool {
        self.row.status_version > since
            || (self.shows_heard && self.row.value_version > since)
            || self.column().is_some_and(|column| column.value_version > since)
    }

    fn column(&self) -> Option<&'a Column> {
        Some(self.row.column(self.metric?)?.1)
    }
}

impl<'a> From<&'a Column> for ColumnDefinition<'a> {
    fn from(column: &'a Column) -> Self {
        let (name, unit) = (&*column.name, column.unit.as_deref());
        ColumnDefinition {
            name,
            unit,
            decimals: column.decimals,
            is_guessed: column.guessed,
            facts: column.facts.as_deref(),
        }
    }
}
