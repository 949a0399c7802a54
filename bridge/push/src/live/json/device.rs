use tidegate_views::message::{Cell, ColumnDefinition, DeviceRow, FleetRow, GroupRef};

use super::words;
use crate::api::{AboutDevice, AboutMetric};

/// The row in full: an object.
pub fn whole(out: &mut Vec<u8>, row: &DeviceRow<'_>, base_ms: i64) {
    out.extend_from_slice(b"{\"row\":");
    words::integer(out, row.number());
    out.extend_from_slice(b",\"id\":");
    words::text(out, row.id());
    out.extend_from_slice(b",\"group\":");
    words::text(out, row.group());
    out.extend_from_slice(b",\"state\":");
    words::state(out, row.state());
    out.extend_from_slice(b",\"since\":");
    words::integer(out, row.since_ms() - base_ms);
    out.extend_from_slice(b",\"alert\":");
    words::severity(out, row.worst_alert());
    if let Some(about) = AboutDevice::of(row.facts(), row.said()) {
        out.extend_from_slice(b",\"about\":");
        words::object(out, &about);
    }
    out.extend_from_slice(b",\"metrics\":[");
    for (index, definition) in row.columns().enumerate() {
        out.extend_from_slice(if index == 0 { b"[" } else { b",[" });
        define(out, &definition);
        out.push(b']');
    }
    out.extend_from_slice(b"],\"cells\":[");
    cells(out, row, base_ms);
    out.extend_from_slice(b"]}");
}

/// `[row, rt, value of column 0, …]`
pub fn values(out: &mut Vec<u8>, row: &DeviceRow<'_>, base_ms: i64) {
    out.push(b'[');
    words::integer(out, row.number());
    out.push(b',');
    cells(out, row, base_ms);
    out.push(b']');
}

/// `[row, state, since, alert]`
pub fn status(out: &mut Vec<u8>, row: &DeviceRow<'_>, base_ms: i64) {
    out.push(b'[');
    words::integer(out, row.number());
    out.push(b',');
    words::state(out, row.state());
    out.push(b',');
    words::integer(out, row.since_ms() - base_ms);
    out.push(b',');
    words::severity(out, row.worst_alert());
    out.push(b']');
}

/// `[row, about]`
pub fn about(out: &mut Vec<u8>, row: &DeviceRow<'_>) {
    out.push(b'[');
    words::integer(out, row.number());
    out.push(b',');
    words::object(out, &AboutDevice::of(row.facts(), row.said()));
    out.push(b']');
}

/// `[row, name]`
pub fn name(out: &mut Vec<u8>, row: &FleetRow<'_>) {
    out.push(b'[');
    words::integer(out, row.number());
    out.push(b',');
    words::text_or_null(out, row.name());
    out.push(b']');
}

/// `[row, column, name, unit, decimals]`
pub fn column(out: &mut Vec<u8>, (row, index): (u32, usize), definition: &ColumnDefinition<'_>) {
    out.push(b'[');
    words::integer(out, row);
    out.push(b',');
    words::integer(out, index);
    out.push(b',');
    define(out, definition);
    out.push(b']');
}

/// `[row, identifier, group, state, alert, value, rt]`, and `heard rt` where it is shown; with a name also where it is not
pub fn in_brief(out: &mut Vec<u8>, row: &FleetRow<'_>, group: GroupRef<'_>, base_ms: i64) {
    out.push(b'[');
    words::integer(out, row.number());
    out.push(b',');
    words::text(out, row.id());
    out.push(b',');
    match group {
        GroupRef::Number(number) => words::integer(out, number),
        GroupRef::Path(path) => words::text(out, path),
    }
    out.push(b',');
    figures(out, row, base_ms);
    if let Some(name) = row.name() {
        out.extend_from_slice(if row.shows_heard() { b"," } else { b",null," });
        words::text(out, name);
    }
    out.push(b']');
}

/// `[row, state, alert, value, rt]`, and `heard rt` where it is shown
pub fn change_in_brief(out: &mut Vec<u8>, row: &FleetRow<'_>, base_ms: i64) {
    out.push(b'[');
    words::integer(out, row.number());
    out.push(b',');
    figures(out, row, base_ms);
    out.push(b']');
}

fn figures(out: &mut Vec<u8>, row: &FleetRow<'_>, base_ms: i64) {
    words::state(out, row.state());
    out.push(b',');
    words::severity(out, row.worst_alert());
    match row.value() {
        Some((value, time_ms)) => {
            out.push(b',');
            words::value(out, value);
            out.push(b',');
            words::integer_or_null(out, time_ms.map(|time_ms| time_ms - base_ms));
        }
        None => out.extend_from_slice(b",null,null"),
    }
    if row.shows_heard() {
        out.push(b',');
        words::integer_or_null(out, row.heard_ms().map(|heard_ms| heard_ms - base_ms));
    }
}

/// Time and values; `null` in the place of a column that is not told, but at the end.
fn cells(out: &mut Vec<u8>, row: &DeviceRow<'_>, base_ms: i64) {
    let Some(row_time_ms) = row.time_ms() else { return words::null(out) };
    words::integer(out, row_time_ms - base_ms);
    let mut skipped = 0;
    for told in row.cells() {
        let Some(told) = told else {
            skipped += 1;
            continue;
        };
        for _ in 0..std::mem::take(&mut skipped) {
            out.extend_from_slice(b",null");
        }
        out.push(b',');
        cell(out, &told, row_time_ms, base_ms);
    }
}

fn cell(out: &mut Vec<u8>, cell: &Cell<'_>, row_time_ms: i64, base_ms: i64) {
    if cell.extremes.is_none() && cell.time_ms == Some(row_time_ms) {
        return words::value(out, cell.value);
    }
    out.extend_from_slice(b"{\"v\":");
    words::value(out, cell.value);
    if cell.time_ms != Some(row_time_ms) {
        out.extend_from_slice(b",\"t\":");
        words::integer_or_null(out, cell.time_ms.map(|time_ms| time_ms - base_ms));
    }
    if let Some(extremes) = cell.extremes {
        out.extend_from_slice(if extremes.is_exact { b",\"n\":" } else { b",\"n_max\":" });
        words::integer(out, extremes.count);
        out.extend_from_slice(b",\"lo\":");
        words::number(out, extremes.low);
        out.extend_from_slice(b",\"hi\":");
        words::number(out, extremes.high);
        out.extend_from_slice(b",\"ft\":");
        words::integer(out, extremes.first_ms - base_ms);
    }
    out.push(b'}');
}

fn define(out: &mut Vec<u8>, definition: &ColumnDefinition<'_>) {
    words::text(out, definition.name);
    out.push(b',');
    words::text_or_null(out, definition.unit);
    out.push(b',');
    match definition.decimals {
        Some(decimals) => words::integer(out, decimals),
        None => words::null(out),
    }
    let about = AboutMetric::of(definition.facts);
    match (definition.is_guessed, about.is_some()) {
        (true, _) => out.extend_from_slice(b",true"),
        (false, true) => out.extend_from_slice(b",false"),
        (false, false) => {}
    }
    if let Some(about) = about {
        out.push(b',');
        words::object(out, &about);
    }
}
