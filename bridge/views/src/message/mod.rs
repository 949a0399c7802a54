//! What a session is sent, before it is written: the words between views and an [`Encoding`](crate::Encoding).
//!
//! A message is a [`Head`] and lists of [`Element`]s, which an encoding writes. What they mean to a client, and in which order it
//! applies them, says docs/protocol.md.
//!
//! - `device`: rows of devices; `group`: figures of groups

mod device;
mod group;

use tidegate_buckets::Bucket;
use tidegate_telemetry::history::Seam;
use tidegate_telemetry::{AlertChange, Command, CommandId, Severity};

pub(crate) use self::device::Told;
pub use self::device::{Cell, ColumnDefinition, DeviceRow, FleetRow};
pub(crate) use self::group::cells_of;
pub use self::group::{AggregateCell, Figures};
use crate::position::StreamPosition;

/// What a message is about.
#[derive(Debug, Clone, Copy)]
pub enum Head<'a> {
    /// A position that a client brought could not be served as it was.
    Gap {
        /// The client's number of the subscription.
        id: u32,
        /// Where the client stood.
        from: StreamPosition<'a>,
        /// Up to where it gets to know only what `done` says.
        to: StreamPosition<'a>,
        /// Why.
        reason: GapReason,
        /// What takes the place of what is not known.
        done: GapDone,
    },
    /// A part of what changed.
    Delta {
        /// The client's number of the subscription.
        id: u32,
        /// Where the client stands.
        from: StreamPosition<'a>,
        /// Where it stands once it has all parts.
        to: StreamPosition<'a>,
        /// Whether another part follows.
        more: bool,
    },
    /// A part of all there is.
    Snapshot {
        /// The client's number of the subscription.
        id: u32,
        /// Number of the part, from 0.
        part: u32,
        /// Where the client stands once it has all parts.
        at: StreamPosition<'a>,
        /// Whether it is the last part.
        last: bool,
        /// Width of a chart's buckets, ms.
        rung_ms: Option<i64>,
        /// Names of a list that stand for nobody; in the last part.
        missing: &'a [&'a str],
    },
}

/// Why a position could not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// It is of another life of the state.
    Epoch,
    /// Something after it is no longer known.
    Horizon,
}

/// What takes the place of what is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapDone {
    /// A snapshot follows.
    Snapshot,
    /// Events come from the store, in the delta that follows.
    Store,
}

/// The lists of a message. A snapshot has [`ListName::Groups`], [`ListName::Rows`], [`ListName::Counts`] and
/// [`ListName::Seams`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListName {
    /// Columns that are new or defined anew.
    Columns,
    /// Keys of what left the view.
    Left,
    /// Rows that joined the view.
    Joined,
    /// Rows that changed; in a snapshot every row.
    Rows,
    /// States of devices.
    Status,
    /// What is known of devices besides values.
    Facts,
    /// How many alerts there are.
    Counts,
    /// Changes of alerts.
    Events,
    /// Groups that the rows of a snapshot name by number.
    Groups,
    /// Where the lines of a chart are from.
    Seams,
}

/// One element of a list.
#[derive(Debug)]
pub enum Element<'a> {
    /// A device in full (`device`, `devices`).
    Device(DeviceRow<'a>),
    /// What changed of its values.
    Values(DeviceRow<'a>),
    /// Its state, since when, and its gravest alert.
    Status(DeviceRow<'a>),
    /// What is known of it besides values.
    About(DeviceRow<'a>),
    /// A metric of a device.
    Column {
        /// Number of the row.
        row: u32,
        /// Its place among the device's metrics.
        index: usize,
        /// What it is.
        definition: ColumnDefinition<'a>,
    },
    /// A device in brief (`fleet`), with its group.
    FleetDevice(FleetRow<'a>, GroupRef<'a>),
    /// What a view of kind `fleet` shows of a device.
    FleetChange(FleetRow<'a>),
    /// What people call a device of such a view.
    FleetName(FleetRow<'a>),
    /// Path of a group; the first has the number 0 within the snapshot.
    GroupName(&'a str),
    /// Number of a row that left.
    RowLeft(u32),
    /// Figures of a group (`group`).
    Figures(AggregateCell<'a>),
    /// Group and metric of figures that left; no metric stands for the devices by state.
    FiguresLeft(&'a str, Option<&'a str>),
    /// A bucket of a chart (`series`): index of its line, start (Unix ms), content.
    Bucket(usize, i64, &'a Bucket),
    /// Line and start of a bucket without numbers.
    BucketLeft(usize, i64),
    /// Line, and where its older part is from.
    Seam(usize, &'a Seam),
    /// An alert as a line of its own (`alerts`).
    Alert(&'a AlertChange),
    /// Alerts of one rule as one line.
    Burst(BurstLine<'a>),
    /// Identifier of a line that left.
    LineLeft(&'a str),
    /// Every line left.
    AllLinesLeft,
    /// One change of an alert: position, Unix ms, the alert after it.
    AlertEvent(StreamPosition<'a>, i64, &'a AlertChange),
    /// How many alerts there are.
    Counts(AlertCounts),
    /// A command (`commands`).
    Command(&'a Command),
    /// A command that left.
    CommandLeft(CommandId),
}

/// A group, in the way the list it stands in names groups.
#[derive(Debug, Clone, Copy)]
pub enum GroupRef<'a> {
    /// Among the groups of the snapshot.
    Number(usize),
    /// Its path.
    Path(&'a str),
}

/// How many alerts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertCounts {
    /// Those that nobody took on.
    pub raised: BySeverity,
    /// Those that somebody took on.
    pub acknowledged: BySeverity,
    /// Those that cleared lately.
    pub cleared: u32,
}

/// How many by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BySeverity {
    /// Critical.
    pub critical: u32,
    /// Warnings.
    pub warning: u32,
    /// For information.
    pub info: u32,
}

/// Alerts of one rule that came close to each other.
#[derive(Debug, Clone, Copy)]
pub struct BurstLine<'a> {
    /// Identifier of the line.
    pub id: &'a str,
    /// Name of the rule.
    pub rule: &'a str,
    /// How grave.
    pub severity: Severity,
    /// What the rule says.
    pub text: &'a str,
    /// All that came.
    pub count: u32,
    /// Of them, those that nobody took on.
    pub raised: u32,
    /// Of them, those that somebody took on.
    pub acknowledged: u32,
    /// When the first was raised, Unix ms.
    pub first_ms: i64,
    /// When the last was raised, Unix ms.
    pub last_ms: i64,
}

/// Elements of a list, written one after the other.
#[derive(Debug, Default)]
pub struct List {
    bytes: Vec<u8>,
    count: usize,
}

/// A length of a list, to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub bytes: usize,
    count: usize,
}

impl List {
    /// The elements.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many elements there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Room for the next element.
    pub(crate) fn next(&mut self, separator: &[u8]) -> &mut Vec<u8> {
        if self.count > 0 {
            self.bytes.extend_from_slice(separator);
        }
        self.count += 1;
        &mut self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), count: self.count }
    }

    /// Takes back what came after a mark.
    pub(crate) fn truncate(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.count = mark.count;
    }
}
