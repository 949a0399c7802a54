//! Rows of the kinds `device` and `devices`.

use crate::encode::json::{self, List};
use crate::rows::{Column, Row};

/// Names of the metrics that are shown; `None` for all.
pub(crate) type Filter<'a> = Option<&'a [Box<str>]>;

/// The lists of a delta.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub values: List,
    pub status: List,
    pub columns: List,
}

impl Lists {
    pub fn len(&self) -> usize {
        self.values.len() + self.status.len() + self.columns.len()
    }

    /// How long each is, for [`Lists::truncate`].
    pub fn marks(&self) -> Marks {
        Marks { values: self.values.len(), status: self.status.len(), columns: self.columns.len() }
    }

    pub fn truncate(&mut self, marks: &Marks) {
        self.values.bytes.truncate(marks.values);
        self.status.bytes.truncate(marks.status);
        self.columns.bytes.truncate(marks.columns);
    }
}

/// Lengths of the lists at some time.
#[derive(Debug)]
pub(crate) struct Marks {
    values: usize,
    status: usize,
    columns: usize,
}

impl Marks {
    pub fn len(&self) -> usize {
        self.values + self.status + self.columns
    }
}

/// What changed in a row after `since`.
pub(crate) fn changes(lists: &mut Lists, number: u32, row: &Row, since: u64, filter: Filter<'_>, base_ms: i64) {
    if row.value_version > since {
        changed_values(&mut lists.values, number, row, since, filter, base_ms);
    }
    if row.status_version > since {
        let out = lists.status.next();
        out.push(b'[');
        json::integer(out, number);
        out.push(b',');
        json::state(out, row.state);
        out.push(b',');
        json::integer(out, row.since_ms - base_ms);
        out.push(b',');
        json::severity(out, row.worst_alert);
        out.push(b']');
    }
    if row.columns_version > since {
        for (index, column) in row.columns.iter().enumerate().filter(|(_, it)| it.definition_version > since) {
            let out = lists.columns.next();
            out.push(b'[');
            json::integer(out, number);
            out.push(b',');
            json::integer(out, index);
            out.push(b',');
            definition(out, column);
            out.push(b']');
        }
    }
}

/// The row in full. `since`: with what its values went through after that version, where that is known.
pub(crate) fn whole(
    out: &mut Vec<u8>,
    number: u32,
    row: &Row,
    (filter, since): (Filter<'_>, Option<u64>),
    base_ms: i64,
) {
    out.extend_from_slice(b"{\"row\":");
    json::integer(out, number);
    out.extend_from_slice(b",\"id\":");
    json::text(out, &row.id);
    out.extend_from_slice(b",\"group\":");
    json::text(out, &row.group);
    out.extend_from_slice(b",\"state\":");
    json::state(out, row.state);
    out.extend_from_slice(b",\"since\":");
    json::integer(out, row.since_ms - base_ms);
    out.extend_from_slice(b",\"alert\":");
    json::severity(out, row.worst_alert);
    out.extend_from_slice(b",\"metrics\":[");
    for (index, column) in row.columns.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"[" } else { b",[" });
        definition(out, column);
        out.push(b']');
    }
    out.extend_from_slice(b"],\"cells\":[");
    let known = |column: &Column| since.filter(|&since| column.envelope.as_ref().is_some_and(|it| it.covers(since)));
    cells(out, row, base_ms, |column| (shows(filter, column), known(column)));
    out.extend_from_slice(b"]}");
}

fn changed_values(list: &mut List, number: u32, row: &Row, since: u64, filter: Filter<'_>, base_ms: i64) {
    if filter.is_none() && since >= row.previous_value_version {
        let fragment = row.newest_change.get_or_init(|| {
            let mut out = Vec::with_capacity(16 + 12 * row.columns.len());
            row_of_values(&mut out, number, row, row.value_version - 1, None, base_ms);
            out.into_boxed_slice()
        });
        list.next().extend_from_slice(fragment);
    } else if row.columns.iter().any(|column| column.value_version > since && shows(filter, column)) {
        row_of_values(list.next(), number, row, since, filter, base_ms);
    }
}

fn row_of_values(out: &mut Vec<u8>, number: u32, row: &Row, since: u64, filter: Filter<'_>, base_ms: i64) {
    out.push(b'[');
    json::integer(out, number);
    out.push(b',');
    cells(out, row, base_ms, |column| (column.value_version > since && shows(filter, column), Some(since)));
    out.push(b']');
}

/// Time and values of the columns that `chosen` names; with what they went through after the version it gives.
fn cells(out: &mut Vec<u8>, row: &Row, base_ms: i64, chosen: impl Fn(&Column) -> (bool, Option<u64>)) {
    let is_chosen = |column: &&Column| column.value.is_some() && chosen(column).0;
    let dated = row.columns.iter().filter(is_chosen).filter_map(Column::own_time_ms).max();
    // Where nothing has a time of its own, the row's is that of the receipt, and each value says so.
    let Some(time_ms) = dated.or_else(|| row.columns.iter().filter(is_chosen).map(|column| column.time_ms).max())
    else {
        return json::null(out);
    };
    json::integer(out, time_ms - base_ms);
    let mut skipped = 0;
    for column in &row.columns {
        if !is_chosen(&column) {
            skipped += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut skipped) {
            out.extend_from_slice(b",null");
        }
        out.push(b',');
        cell(out, column, time_ms, chosen(column).1, base_ms);
    }
}

fn cell(out: &mut Vec<u8>, column: &Column, row_time_ms: i64, since: Option<u64>, base_ms: i64) {
    let Some(value) = &column.value else { return json::null(out) };
    let extremes = since.and_then(|since| column.envelope.as_ref()?.since(since));
    // One value that is the newest says nothing more; one that a later QoS 0 value covered does.
    let extremes = extremes.filter(|it| it.count > 1 || value.as_number() != Some(it.low));
    let time_ms = column.own_time_ms();
    if extremes.is_none() && time_ms == Some(row_time_ms) {
        return json::value(out, value);
    }
    out.extend_from_slice(b"{\"v\":");
    json::value(out, value);
    if time_ms != Some(row_time_ms) {
        out.extend_from_slice(b",\"t\":");
        json::integer_or_null(out, time_ms.map(|time_ms| time_ms - base_ms));
    }
    if let Some(extremes) = extremes {
        out.extend_from_slice(if extremes.is_exact { b",\"n\":" } else { b",\"n_max\":" });
        json::integer(out, extremes.count);
        out.extend_from_slice(b",\"lo\":");
        json::number(out, extremes.low);
        out.extend_from_slice(b",\"hi\":");
        json::number(out, extremes.high);
        out.extend_from_slice(b",\"ft\":");
        json::integer(out, extremes.first_ms - base_ms);
    }
    out.push(b'}');
}

fn definition(out: &mut Vec<u8>, column: &Column) {
    json::text(out, &column.name);
    out.push(b',');
    json::text_or_null(out, column.unit.as_deref());
    out.push(b',');
    match column.decimals {
        Some(decimals) => json::integer(out, decimals),
        None => json::null(out),
    }
    if column.guessed {
        out.extend_from_slice(b",true");
    }
}

fn shows(filter: Filter<'_>, column: &Column) -> bool {
    filter.is_none_or(|names| names.iter().any(|name| **name == *column.name))
}
