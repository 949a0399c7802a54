//! From what a client names to the rows and lines of a view.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tidegate_buckets::Rung;
use tidegate_telemetry::unix_ms;

use super::invalid;
use crate::alerts::AlertScope;
use crate::branches::{Owed, ROOT};
use crate::charts::ChartKey;
use crate::directory::Found;
use crate::spec::{SeriesSpec, UpdateSpec, ViewError, WindowSpec};
use crate::subscriber::SubscriberId;
use crate::subscription::{
    AlertsView, Cells, CommandsView, Held, RowsView, Selector, Sending, SeriesLine, SeriesView, Subscription, Todo,
    View,
};
use crate::views::Views;

/// Alerts that a view shows when it does not say.
const ALERTS_DEFAULT: usize = 100;
/// Commands that a view shows when it does not say.
const COMMANDS_DEFAULT: usize = 100;

impl Views {
    /// Looks up names of a list; of a long one, [`Views::rows_per_lock`] at a time.
    ///
    /// # Errors
    /// [`ViewError::Ambiguous`] when one fits several devices.
    pub fn check_names(&self, names: &[String]) -> Result<(), ViewError> {
        names.iter().try_for_each(|name| self.resolve(name).map(|_| ()))
    }

    /// [`ViewsConfig::rows_per_lock`](crate::ViewsConfig::rows_per_lock).
    #[must_use]
    pub fn rows_per_lock(&self) -> usize {
        self.config.rows_per_lock
    }

    pub(super) fn view_of_devices(
        &mut self,
        devices: Option<&[String]>,
        group: Option<(&str, bool)>,
        cells: Cells,
        (after, limit): (Option<&str>, Option<usize>),
        subscriber: SubscriberId,
    ) -> Result<RowsView, ViewError> {
        match (devices, group, limit) {
            (Some(names), None, None) if after.is_none() => self.view_of_names(names, cells),
            (Some(_), None, _) => Err(invalid("`after` and `limit` page a `group`, not a list of `devices`")),
            (None, Some(group), Some(limit)) => self.view_of_page(group, cells, after, limit),
            (None, Some(_), None) if after.is_some() => Err(invalid("`after` needs a `limit`")),
            (None, Some(group), None) => self.view_of_group(group, cells, subscriber),
            _ => Err(invalid("a view of kind `devices` needs either `devices` (a list) or `group` (a path)")),
        }
    }

    pub(super) fn view_of_names(&self, names: &[String], cells: Cells) -> Result<RowsView, ViewError> {
        self.check_rows(names.len())?;
        let mut view = RowsView::new(Selector::Names, cells, "");
        view.held.todo = names.iter().map(|name| Todo::Had(name.as_str().into())).collect();
        Ok(view)
    }

    pub(super) fn view_of_group(
        &mut self,
        (group, with_hidden): (&str, bool),
        cells: Cells,
        subscriber: SubscriberId,
    ) -> Result<RowsView, ViewError> {
        let branch = self.directory.branches.of(group);
        let size = branch.map_or(0, |branch| match *branch.path == *group {
            true => branch.members.len(),
            false => self.members(branch, (group, true), None, None).count(),
        });
        self.check_rows(size)?;
        let mut view = RowsView { with_hidden, ..RowsView::new(Selector::Group, cells, group) };
        view.branch = self.directory.branches.enter(group, view.is_owed(subscriber), self.version);
        view.size = size;
        Ok(view)
    }

    fn view_of_page(
        &mut self,
        (group, with_hidden): (&str, bool),
        cells: Cells,
        after: Option<&str>,
        limit: usize,
    ) -> Result<RowsView, ViewError> {
        self.check_rows(limit)?;
        let page = Selector::Page { after: after.map(Into::into), limit, last: None };
        let mut view = RowsView { with_hidden, ..RowsView::new(page, cells, group) };
        view.branch = self.directory.branches.enter(group, Owed::Newcomers, self.version);
        self.begin_page(&mut view);
        Ok(view)
    }

    fn check_rows(&self, rows: usize) -> Result<(), ViewError> {
        let max = self.config.rows_max;
        if rows > max { Err(ViewError::TooLarge { what: "devices", rows, max }) } else { Ok(()) }
    }

    pub(super) fn resolve(&self, name: &str) -> Result<Option<u32>, ViewError> {
        match self.directory.find(name) {
            Found::Unique(row) => Ok(Some(row)),
            Found::Unknown => Ok(None),
            Found::Ambiguous(rows) => {
                Err(ViewError::Ambiguous { name: name.to_owned(), candidates: self.identifiers(rows) })
            }
        }
    }

    pub(super) fn alerts_view(
        &self,
        group: &str,
        device: Option<&str>,
        limit: Option<usize>,
    ) -> Result<AlertsView, ViewError> {
        let (limit, max) = (limit.unwrap_or(ALERTS_DEFAULT), self.config.alerts_shown_max);
        if limit == 0 {
            return Err(invalid("a view of kind `alerts` has a `limit` above 0"));
        }
        if limit > max {
            return Err(ViewError::TooLarge { what: "alerts", rows: limit, max });
        }
        let scope = match device {
            None => AlertScope::Group(group.into()),
            Some(_) if !group.is_empty() => return Err(invalid("`group` or `device`: which alerts?")),
            Some(device) => AlertScope::Device(self.full_identifier(device)?),
        };
        Ok(AlertsView::new(scope, limit))
    }

    pub(super) fn commands_view(&self, device: Option<&str>, limit: Option<usize>) -> Result<CommandsView, ViewError> {
        let (limit, max) = (limit.unwrap_or(COMMANDS_DEFAULT), self.config.rows_max);
        if limit == 0 {
            return Err(invalid("a view of kind `commands` has a `limit` above 0"));
        }
        if limit > max {
            return Err(ViewError::TooLarge { what: "commands", rows: limit, max });
        }
        Ok(CommandsView::new(device.map(|name| self.full_identifier(name)).transpose()?, limit))
    }

    fn full_identifier(&self, name: &str) -> Result<Arc<str>, ViewError> {
        let row = self.resolve(name)?.and_then(|row| self.rows.get(row));
        row.map(|row| Arc::clone(&row.id)).ok_or_else(|| unknown_device(name))
    }

    pub(super) fn series_view(&self, series: &[SeriesSpec], window: WindowSpec) -> Result<SeriesView, ViewError> {
        if series.is_empty() || series.len() > self.config.series_max {
            let max = self.config.series_max;
            return Err(invalid(format!(
                "a view of kind `series` has between 1 and {max} series, not {}",
                series.len()
            )));
        }
        let line = |spec: &SeriesSpec| {
            let Some(row) = self.resolve(&spec.device)? else {
                return Err(unknown_device(&spec.device));
            };
            let column = self.rows.get(row).and_then(|row| row.column(&spec.metric));
            let Some((column, _)) = column else {
                return Err(invalid(format!("device \"{}\" has no metric \"{}\"", spec.device, spec.metric)));
            };
            Ok((row, u16::try_from(column).expect("metric numbers are u16")))
        };
        self.series_window(series.iter().map(line).collect::<Result<_, _>>()?, window)
    }

    pub(super) fn series_window(&self, lines: Vec<(u32, u16)>, window: WindowSpec) -> Result<SeriesView, ViewError> {
        let in_ms = |time: Option<i64>| time.map(|time| unix_ms(time).unwrap_or(time));
        let (from_ms, to_ms, live) = match (in_ms(window.from), in_ms(window.to), window.last) {
            (Some(from), Some(to), None) if from <= to => (from, to, from < to && to > self.now_ms),
            (None, None, Some(last)) if last > 0 => (self.now_ms.saturating_sub(last), self.now_ms, true),
            _ => return Err(invalid("a chart needs `from` not after `to`, or a `last` above 0, in milliseconds")),
        };
        let Some(width) = window.width.filter(|&width| (1..=16_384).contains(&width)) else {
            return Err(invalid("a chart needs a `width` between 1 and 16384 pixels"));
        };
        let span_ms = to_ms.saturating_sub(from_ms);
        let rung = Rung::for_span(span_ms, width);
        let buckets = usize::try_from(span_ms / rung.width_ms()).unwrap_or(usize::MAX).saturating_mul(lines.len());
        if buckets > self.config.rows_max.saturating_mul(self.config.series_max) {
            let max = self.config.rows_max.saturating_mul(self.config.series_max);
            return Err(ViewError::TooLarge { what: "buckets", rows: buckets, max });
        }
        // A window without width is empty, also where a bucket begins before it.
        let from_ms = if span_ms == 0 { from_ms } else { rung.start_ms(from_ms) };
        let closed = (!live).then_some((from_ms, to_ms));
        let line = |(row, column)| SeriesLine { key: ChartKey { row, column, rung, closed }, waiting: false };
        let lines = lines.into_iter().map(line).collect();
        Ok(SeriesView { lines, window, rung, from_ms, to_ms, seen: 0, seeing: 0 })
    }

    pub(super) fn update_list(&self, subscription: &mut Subscription, change: &UpdateSpec) -> Result<(), ViewError> {
        let rows = subscription.rows() + change.add.len();
        let View::Rows(view) = &mut subscription.view else {
            return Err(invalid("`add` and `remove` are for a view of kind `devices` with a list"));
        };
        if !matches!((&view.selector, &view.cells), (Selector::Names, Cells::Metrics(_))) {
            return Err(invalid("`add` and `remove` are for a view of kind `devices` with a list"));
        }
        self.check_rows(rows)?;
        view.held.todo.extend(change.remove.iter().map(|name| Todo::Drop(name.as_str().into())));
        view.held.todo.extend(change.add.iter().map(|name| Todo::Add(name.as_str().into())));
        Ok(())
    }
}

impl RowsView {
    fn new(selector: Selector, cells: Cells, group: &str) -> Self {
        RowsView {
            selector,
            cells,
            group: group.into(),
            with_hidden: false,
            branch: ROOT,
            size: 0,
            resumes: false,
            held: Held::default(),
            sending: Sending::default(),
            ahead: FxHashMap::default(),
            known: FxHashMap::default(),
        }
    }
}

fn unknown_device(name: &str) -> ViewError {
    invalid(format!("no device \"{name}\" has been heard of"))
}
