//! From what a client names to the rows and lines of a view.

use std::sync::Arc;

use tidegate_buckets::Rung;

use super::invalid;
use crate::alerts::AlertScope;
use crate::charts::ChartKey;
use crate::directory::Found;
use crate::rows::{Row, short_name};
use crate::spec::{SeriesSpec, UpdateSpec, ViewError, WindowSpec};
use crate::subscription::{AlertsView, Cells, CommandsView, Line, RowsView, Selector, SeriesView, Subscription, View};
use crate::views::Views;

/// Alerts that a view shows when it does not say.
const ALERTS_DEFAULT: usize = 100;
/// Commands that a view shows when it does not say.
const COMMANDS_DEFAULT: usize = 100;

impl Views {
    pub(super) fn rows_of_devices(
        &self,
        devices: Option<&[String]>,
        group: Option<&str>,
        cells: Cells,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<View, ViewError> {
        match (devices, group) {
            (Some(names), None) if after.is_none() && limit.is_none() => self.rows_of_names(names, cells),
            (Some(_), None) => Err(invalid("`after` and `limit` page a `group`, not a list of `devices`")),
            (None, Some(group)) => {
                let selector = match limit {
                    Some(limit) => Selector::Page { group: group.into(), after: after.map(Into::into), limit },
                    None if after.is_some() => return Err(invalid("`after` needs a `limit`")),
                    None => Selector::Group(group.into()),
                };
                Ok(View::Rows(RowsView::new(selector, cells)))
            }
            _ => Err(invalid("a view of kind `devices` needs either `devices` (a list) or `group` (a path)")),
        }
    }

    pub(super) fn rows_of_names(&self, names: &[String], cells: Cells) -> Result<View, ViewError> {
        if names.len() > self.config.rows_max {
            return Err(ViewError::TooLarge { what: "devices", rows: names.len(), max: self.config.rows_max });
        }
        let mut view = RowsView::new(Selector::Names, cells);
        for name in names {
            match self.resolve(name)? {
                Some(row) => view.rows.push(row),
                None => view.missing.push(name.as_str().into()),
            }
        }
        view.rows.sort_unstable();
        view.rows.dedup();
        view.missing.sort_unstable();
        view.missing.dedup();
        Ok(View::Rows(view))
    }

    pub(super) fn resolve(&self, name: &str) -> Result<Option<u32>, ViewError> {
        match self.directory.find(name) {
            Found::Unique(row) => Ok(Some(row)),
            Found::Unknown => Ok(None),
            Found::Ambiguous(rows) => {
                Err(ViewError::Ambiguous { name: name.to_owned(), candidates: self.identifiers(&rows) })
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
        let (from_ms, to_ms, live) = match (window.from, window.to, window.last) {
            (Some(from), Some(to), None) if from < to => (from, to, to > self.now_ms),
            (None, None, Some(last)) if last > 0 => (self.now_ms.saturating_sub(last), self.now_ms, true),
            _ => return Err(invalid("a chart needs `from` before `to`, or a `last` above 0, in milliseconds")),
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
        let from_ms = rung.start_ms(from_ms);
        let closed = (!live).then_some((from_ms, to_ms));
        let line = |(row, column)| Line { key: ChartKey { row, column, rung, closed }, waiting: false };
        let lines = lines.into_iter().map(line).collect();
        Ok(SeriesView { lines, window, rung, from_ms, to_ms, seen: 0, seeing: 0 })
    }

    pub(super) fn update_list(
        &mut self,
        subscription: &mut Subscription,
        change: &UpdateSpec,
    ) -> Result<(), ViewError> {
        let (subscriber, max) = (subscription.subscriber, self.config.rows_max);
        let (rows_before, mut place) = (subscription.rows(), subscription.phase.row_place());
        let View::Rows(view) = &mut subscription.view else {
            return Err(invalid("`add` and `remove` are for a view of kind `devices` with a list"));
        };
        if !matches!((&view.selector, &view.cells), (Selector::Names, Cells::Metrics(_))) {
            return Err(invalid("`add` and `remove` are for a view of kind `devices` with a list"));
        }
        if rows_before + change.add.len() > max {
            return Err(ViewError::TooLarge { what: "devices", rows: rows_before + change.add.len(), max });
        }
        let added = change.add.iter().map(|name| Ok((name, self.resolve(name)?)));
        let added = added.collect::<Result<Vec<_>, ViewError>>()?;
        for name in &change.remove {
            // A name that stands for nobody may be written in full or not: both are the same wish.
            view.missing.retain(|missing| short_name(missing) != short_name(name));
            for row in self.held_by_name(view, name) {
                if let (Some(at), Some(place)) =
                    (view.rows.iter().position(|&other| other == row), place.as_deref_mut())
                {
                    *place -= usize::from(at < *place);
                }
                self.leave_row(view, row, subscriber);
            }
        }
        for (name, row) in added {
            match row {
                Some(row) => {
                    view.leaving.retain(|&other| other != row);
                    self.join_row(view, row, subscriber);
                }
                None if !view.missing.iter().any(|missing| **missing == **name) => {
                    view.missing.push(name.as_str().into());
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Rows of a view that a name stands for: the device of that name, and those that had it and are forgotten.
    fn held_by_name(&self, view: &RowsView, name: &str) -> Vec<u32> {
        let found = self.directory.find(name);
        let is_named = |row: &Row| *row.id == *name || row.short_name() == name;
        let was_found = |row: u32| {
            self.rows.get_any(row).is_some_and(|held| match held.removed {
                Some(_) => is_named(held),
                None => found == Found::Unique(row),
            })
        };
        view.all_rows().filter(|&row| was_found(row)).collect()
    }

    pub(super) fn check_size(&self, subscription: &Subscription) -> Result<(), ViewError> {
        let View::Rows(view) = &subscription.view else { return Ok(()) };
        let rows = match &view.selector {
            Selector::Names => return Ok(()),
            Selector::Page { limit, .. } => *limit,
            Selector::Group(group) if group.is_empty() => self.directory.len(),
            Selector::Group(_) => self.members_of(&view.selector).len(),
        };
        let max = self.config.rows_max;
        if rows > max { Err(ViewError::TooLarge { what: "devices", rows, max }) } else { Ok(()) }
    }
}

fn unknown_device(name: &str) -> ViewError {
    invalid(format!("no device \"{name}\" has been heard of"))
}
