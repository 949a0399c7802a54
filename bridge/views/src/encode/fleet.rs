//! Rows of the kind `fleet`.

use crate::encode::json;
use crate::rows::{Column, Row};

/// Whether anything that the view shows of the row changed after `since`.
pub(crate) fn changed(row: &Row, metric: Option<&str>, since: u64) -> bool {
    row.status_version > since || shown(row, metric).is_some_and(|column| column.value_version > since)
}

/// `[row, state, alert, value, rt]`
pub(crate) fn change(out: &mut Vec<u8>, number: u32, row: &Row, metric: Option<&str>, base_ms: i64) {
    out.push(b'[');
    json::integer(out, number);
    out.push(b',');
    figures(out, row, metric, base_ms);
    out.push(b']');
}

/// `[row, identifier, group, state, alert, value, rt]`; `group` writes the group's number or path.
pub(crate) fn whole(
    out: &mut Vec<u8>,
    number: u32,
    row: &Row,
    metric: Option<&str>,
    base_ms: i64,
    group: impl FnOnce(&mut Vec<u8>),
) {
    out.push(b'[');
    json::integer(out, number);
    out.push(b',');
    json::text(out, &row.id);
    out.push(b',');
    group(out);
    out.push(b',');
    figures(out, row, metric, base_ms);
    out.push(b']');
}

fn figures(out: &mut Vec<u8>, row: &Row, metric: Option<&str>, base_ms: i64) {
    json::state(out, row.state);
    out.push(b',');
    json::severity(out, row.worst_alert);
    match shown(row, metric).and_then(|column| Some((column.value.as_ref()?, column.time_ms))) {
        Some((value, time_ms)) => {
            out.push(b',');
            json::value(out, value);
            out.push(b',');
            json::integer(out, time_ms - base_ms);
        }
        None => out.extend_from_slice(b",null,null"),
    }
}

fn shown<'a>(row: &'a Row, metric: Option<&str>) -> Option<&'a Column> {
    Some(row.column(metric?)?.1)
}
