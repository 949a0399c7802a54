//! One view of one client: what it asked for, up to which version it has that, and where the next frame begins.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tidegate_buckets::Rung;
use tidegate_telemetry::history::AlertEvent;
use tidegate_telemetry::{CommandId, Position};

use crate::alerts::AlertScope;
use crate::charts::ChartKey;
use crate::groups::Subtree;
use crate::message::GapReason;
use crate::position::StreamPosition;
use crate::row_set::RowSet;
use crate::stands::NOWHERE;
use crate::subscriber::{Lane, SubscriberId};

/// One view of one client. Belongs to the session; all state it points into belongs to [`Views`](crate::Views).
#[derive(Debug)]
pub struct Subscription {
    pub(crate) id: u32,
    pub(crate) subscriber: SubscriberId,
    /// Where the client stands once it has what was sent.
    pub(crate) at: u64,
    /// Nothing of the view changed between `at` and here.
    pub(crate) checked: u64,
    pub(crate) phase: Phase,
    pub(crate) view: View,
}

/// What is sent next.
#[derive(Debug)]
pub(crate) enum Phase {
    /// History is being read.
    Waiting { then: Box<Phase> },
    /// A receipt that says why a snapshot comes.
    Gap { from: Reached, reason: GapReason },
    /// A snapshot, from a cursor on.
    Snapshot(Snapshot),
    /// The parts of a delta that did not fit into one frame.
    Delta { to: u64, cursor: Cursor },
    /// Up to date but for what changed since.
    Live,
}

/// A position that a client brought, which may be of another epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    pub epoch: Arc<str>,
    pub version: u64,
}

impl Reached {
    pub fn position(&self) -> StreamPosition<'_> {
        StreamPosition { epoch: &self.epoch, version: self.version }
    }
}

/// How far a snapshot has got.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Version of its first part; `None` before that.
    pub at: Option<u64>,
    pub part: u32,
    pub cursor: Cursor,
    /// Numbers of the groups named so far (`fleet`).
    pub groups: FxHashMap<Arc<str>, usize>,
}

/// Where in a view the next part begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Cursor {
    #[default]
    Start,
    /// Lines or commands that leave, and those that are sent, before this index were sent.
    Row(usize),
    /// Rows up to this number were sent.
    Held(u32),
    /// Members of the group up to this identifier were sent.
    Member(Arc<str>),
    /// Some of what a delta has to say of rows was sent.
    Sending,
    /// Groups before this index were sent, and of it the figures up to this metric (the empty one stands for the devices
    /// by state).
    Group(usize, Option<Arc<str>>),
    /// Index of a series, and the first bucket not sent.
    Bucket(usize, i64),
    /// So many events of this version were sent, and all before it.
    Event(u64, usize),
}

/// What the client asked for.
#[derive(Debug)]
pub(crate) enum View {
    Rows(Box<RowsView>),
    Group(GroupView),
    Series(SeriesView),
    Alerts(AlertsView),
    Commands(CommandsView),
}

/// A view with a row a device.
#[derive(Debug)]
pub(crate) struct RowsView {
    pub selector: Selector,
    pub cells: Cells,
    /// The group, and the branch that has all of it; of a list, the root.
    pub group: Box<str>,
    /// Whether devices of the group that people hid are in it.
    pub with_hidden: bool,
    pub branch: u32,
    /// Rows it counted when it was last looked at.
    pub size: usize,
    /// It began at a position that the client brought: whether all is known since then has yet to be seen.
    pub resumes: bool,
    /// Rows that it watches; none for a whole group.
    pub held: Held,
    /// What the delta under way has yet to say.
    pub sending: Sending,
    /// Rows of which the client has what they were at a version behind the position that it gets to with what is being sent:
    /// they changed before their part of it was written.
    pub ahead: FxHashMap<u32, u64>,
    /// The same of what was sent before the delta under way: of each it says what is after that.
    pub known: FxHashMap<u32, u64>,
}

/// Which devices.
#[derive(Debug)]
pub(crate) enum Selector {
    /// All of the group. Which those are follows from the branch and from who moved: nothing is held, for however many.
    Group,
    /// Some by name.
    Names,
    /// Of the group, the first so many after an identifier.
    Page {
        after: Option<Box<str>>,
        limit: usize,
        /// Identifier of the last one, once there are so many.
        last: Option<Arc<str>>,
    },
}

/// The rows of a list or a page. What is found out under the read lock is done under the write lock, a slice at a time.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// What the client has once it has what is due.
    pub rows: RowSet,
    /// What it gets in full with the next delta ...
    pub joining: BTreeSet<u32>,
    /// ... and what it is told to drop then; some it may never have had.
    pub leaving: BTreeSet<u32>,
    /// Names that stand for nobody yet, after their last levels.
    pub missing: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Moves before this one are in the above ...
    pub moves_seen: u64,
    /// ... and so is all that moved up to this version.
    pub members_at: u64,
    /// To be looked at, whatever moved: rows ...
    pub scan: Vec<u32>,
    /// ... and names that were missing.
    pub scan_names: Vec<Arc<str>>,
    /// What the client asked for and was not done yet.
    pub todo: VecDeque<Todo>,
    /// It is being followed, and that is not at its end.
    pub follows: bool,
    /// The rows it had are being found: it is given only those that moved since.
    pub entering: bool,
    /// Devices may have gone since the position it brought, of which nothing but their moves tells.
    pub gone_matter: bool,
    /// One of its rows went meanwhile: those of the same name that went before it have yet to be found.
    pub looks_again: bool,
}

/// A name of a list.
#[derive(Debug)]
pub(crate) enum Todo {
    /// It was in the list when the client got to where it stands.
    Had(Arc<str>),
    Add(Arc<str>),
    Drop(Arc<str>),
}

/// Rows that a delta has yet to say, the next one last.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    pub left: SmallVec<[u32; 2]>,
    pub changed: SmallVec<[u32; 2]>,
    pub joined: SmallVec<[u32; 2]>,
}

/// What of a device.
#[derive(Debug)]
pub(crate) enum Cells {
    /// All metrics, or some.
    Metrics(Option<Vec<Box<str>>>),
    /// State, alert and perhaps one metric.
    Fleet(Shown),
}

/// What a cell of a fleet says beside state and alert.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// The newest value of this metric.
    pub metric: Option<Box<str>>,
    /// The time of the newest value of any metric.
    pub heard: bool,
}

/// Aggregates of a group and of those below it.
#[derive(Debug)]
pub(crate) struct GroupView {
    pub within: Subtree,
    /// In order.
    pub metrics: Option<Vec<Box<str>>>,
    /// Group and metric of what the delta under way tells the client to drop; no metric stands for the devices by state.
    /// Which is decided when it begins: tombstones may be forgotten between its parts.
    pub leaving: VecDeque<(Arc<str>, Option<Arc<str>>)>,
    /// Numbers of the groups that the snapshot or delta under way gives; decided when it begins, so that each part goes on
    /// where the one before stopped.
    pub sending: Vec<u32>,
}

/// A chart.
#[derive(Debug)]
pub(crate) struct SeriesView {
    /// Row, column and names, as asked for.
    pub lines: Vec<SeriesLine>,
    pub window: crate::spec::WindowSpec,
    pub rung: Rung,
    pub from_ms: i64,
    pub to_ms: i64,
    /// The client has what history changed in open charts up to this refresh; once it has what is being sent, up to the next.
    pub seen: u64,
    pub seeing: u64,
}

/// One line of a chart.
#[derive(Debug)]
pub(crate) struct SeriesLine {
    pub key: ChartKey,
    /// Its history was asked for and has not come.
    pub waiting: bool,
}

/// Alerts of a group or a device: how many there are, and a window on them.
#[derive(Debug)]
pub(crate) struct AlertsView {
    pub scope: AlertScope,
    /// Lines of those that hold, and of those that cleared.
    pub limit: usize,
    /// Identifiers of the lines that the client has once it has what is being sent.
    pub has: Vec<Arc<str>>,
    /// What it has is not known: the next delta replaces it.
    pub anew: bool,
    /// Lines that the snapshot or delta under way tells it to drop ...
    pub leaving: Vec<Arc<str>>,
    /// ... and those that it gives; decided when it begins.
    pub sending: Vec<Arc<str>>,
    /// Events that memory had forgotten, read from the store; oldest first.
    pub supplied: VecDeque<AlertEvent>,
    /// All events up to here were sent or are in `supplied`.
    pub events_from: u64,
    /// A receipt for them is due.
    pub receipt: Option<(u64, u64)>,
}

/// The newest commands of a device, or of all.
#[derive(Debug)]
pub(crate) struct CommandsView {
    pub device: Option<Arc<str>>,
    pub limit: usize,
    /// What the client has once it has what is being sent, the newest first.
    pub has: Vec<CommandId>,
    /// What the snapshot or delta under way tells it to drop ...
    pub leaving: Vec<CommandId>,
    /// ... and what it gives, the newest first. Which is decided when it begins: what comes and goes between its parts
    /// is not of the version that it leads to.
    pub sending: Vec<CommandId>,
}

impl Subscription {
    /// The client's number for it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Where the client stands once it has what was sent; before the snapshot's end, where it stood before.
    #[must_use]
    pub fn at(&self) -> Position {
        Position(self.at)
    }

    /// How urgent it is.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self.view {
            View::Alerts(_) => Lane::Alerts,
            View::Commands(_) => Lane::Commands,
            View::Rows(_) | View::Series(_) => Lane::Views,
            View::Group { .. } => Lane::Aggregates,
        }
    }

    /// Whether it shows many devices in brief.
    #[must_use]
    pub fn is_fleet(&self) -> bool {
        matches!(&self.view, View::Rows(rows) if matches!(rows.cells, Cells::Fleet(_)))
    }

    /// Whether it shows values with what they went through since the last delta.
    pub(crate) fn shows_values(&self) -> bool {
        matches!(&self.view, View::Rows(rows) if matches!(rows.cells, Cells::Metrics(_)))
    }

    /// After which version it is owed what values went through.
    pub(crate) fn stands_at(&self) -> u64 {
        match &self.phase {
            Phase::Waiting { .. } | Phase::Gap { .. } => NOWHERE,
            Phase::Snapshot(snapshot) => snapshot.at.unwrap_or(NOWHERE),
            Phase::Delta { .. } | Phase::Live => self.checked,
        }
    }

    /// Whether there is more to send though nothing changes: a snapshot, or the rest of a delta.
    #[must_use]
    pub fn has_more(&self) -> bool {
        matches!(self.phase, Phase::Gap { .. } | Phase::Snapshot(_) | Phase::Delta { .. })
    }

    /// Whether [`Views::follow`](crate::Views::follow) has something to do for it, whatever is sent next.
    #[must_use]
    pub fn must_follow(&self) -> bool {
        matches!(&self.view, View::Rows(view) if view.held.has_work())
    }

    /// Rows it counts for, against the session's limit.
    #[must_use]
    pub fn rows(&self) -> usize {
        match &self.view {
            View::Rows(view) => view.size.max(view.held.len()),
            View::Series(view) => view.lines.len(),
            View::Commands(view) => view.limit,
            View::Alerts(view) => view.limit,
            View::Group { .. } => 1,
        }
    }
}

impl Held {
    pub fn len(&self) -> usize {
        let found = self.rows.len() + self.missing.len() + self.todo.len();
        if self.entering { found + self.scan.len() } else { found }
    }

    /// Whether something is to be done before anything can be said.
    pub fn has_work(&self) -> bool {
        self.follows || self.entering || !self.todo.is_empty()
    }
}

impl Sending {
    pub fn is_empty(&self) -> bool {
        self.left.is_empty() && self.changed.is_empty() && self.joined.is_empty()
    }
}
