//! Rows of the kind `fleet`.

use crate::encode::json;
use crate::rows::{Column, Row};
use crate::subscription::Shown;

/// Whether anything that the view shows of the row changed after `since`.
pub(crate) fn changed(row: &Row, shown: &Shown, since: u64) -> bool {
    row.status_version > since
        || (shown.heard && row.value_version > since)
        || column(row, shown).is_some_and(|column| column.value_version > since)
}

/// `[row, state, alert, value, rt]`, and `heard rt` where it is shown
pub(crate) fn change(out: &mut Vec<u8>, number: u32, row: &Row, shown: &Shown, base_ms: i64) {
    out.push(b'[');
    json::integer(out, number);
    out.push(b',');
    figures(out, row, shown, base_ms);
    out.push(b']');
}

/// `[row, identifier, group, state, alert, value, rt]`, and `heard rt` where it is shown; `group` writes the group's number
/// or path.
pub(crate) fn whole(
    out: &mut Vec<u8>,
    number: u32,
    row: &Row,
    shown: &Shown,
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
    figures(out, row, shown, base_ms);
    out.push(b']');
}

fn figures(out: &mut Vec<u8>, row: &Row, shown: &Shown, base_ms: i64) {
    json::state(out, row.state);
    out.push(b',');
    json::severity(out, row.worst_alert);
    out.push(b',');
    match column(row, shown).and_then(|column| Some((column.value.as_ref()?, column.own_time_ms()))) {
        Some((value, time_ms)) => {
            json::value(out, value);
            out.push(b',');
            json::integer_or_null(out, time_ms.map(|time_ms| time_ms - base_ms));
        }
        None => out.extend_from_slice(b"null,null"),
    }
    if shown.heard {
        out.push(b',');
        json::integer_or_null(out, row.heard_ms().map(|heard_ms| heard_ms - base_ms));
    }
}

fn column<'a>(row: &'a Row, shown: &Shown) -> Option<&'a Column> {
    Some(row.column(shown.metric.as_deref()?)?.1)
}
