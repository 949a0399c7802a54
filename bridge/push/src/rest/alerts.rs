use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use tidegate_telemetry::{AlertState, Position};
use tidegate_views::read::AlertObject;

use super::error::ApiError;
use super::parameters::Parameters;
use super::{Api, alert_history};

/// A page of alerts.
#[derive(Debug, Default, Serialize)]
pub struct Alerts {
    /// Newest first.
    pub alerts: Vec<AlertObject>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "String")]
pub enum Cursor {
    /// Among those the views hold: after the one raised then (Unix ms) with that identifier.
    Held(i64, Arc<str>),
    /// Among those that history holds: at that position, after so many of it.
    Cleared(Position, usize),
}

/// `GET /v1/alerts`
pub async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<Alerts>, ApiError> {
    let parameters = Parameters::of(&uri, &["state", "group", "limit", "cursor"])?;
    let group = parameters.text("group").unwrap_or_default();
    let limit = parameters.number("limit", 1..=api.config.page_max, api.config.page_default)?;
    let cursor = parameters.cursor()?;
    let state = parameters.text("state").unwrap_or("active");
    if !matches!(state, "active" | "recent" | "all") {
        return Err(ApiError::parameter("state", format!("state={state:?} is none of active, recent, all")));
    }
    let mut held = api.hub.read(|views| views.alerts());
    held.retain(|alert| is_within(&alert.group, group) && (state == "recent" || alert.state != AlertState::Cleared));
    if state != "all" {
        return Ok(Json(page(&held, cursor.as_ref(), limit)));
    }
    let group = group.to_owned();
    let page = api.archive.ask(move |history| {
        let (mut page, start) = match cursor {
            Some(Cursor::Cleared(position, skipped)) => (Alerts::default(), Some((position, skipped))),
            cursor => (page(&held, cursor.as_ref(), limit), None),
        };
        let wanted =
            |alert: &AlertObject| is_within(&alert.group, &group) && held.iter().all(|holding| holding.id != alert.id);
        if page.next.is_none() {
            alert_history::fill_with_cleared(history, &mut page, start, limit, wanted)?;
        }
        Ok(page)
    });
    page.await.map(Json)
}

/// The page of `alerts` (newest first) that begins at `cursor`.
fn page(alerts: &[AlertObject], cursor: Option<&Cursor>, limit: usize) -> Alerts {
    let first = match cursor {
        Some(Cursor::Held(raised, id)) => alerts.partition_point(|alert| (alert.raised, &alert.id) >= (*raised, id)),
        Some(Cursor::Cleared(..)) => alerts.len(),
        None => 0,
    };
    let (page, rest) = alerts[first..].split_at(limit.min(alerts.len() - first));
    let last = page.last().filter(|_| !rest.is_empty());
    let next = last.map(|alert| Cursor::Held(alert.raised, Arc::clone(&alert.id)));
    Alerts { alerts: page.to_vec(), next }
}

/// Whether a group path is a group or lies below it; the empty path is above all.
fn is_within(path: &str, group: &str) -> bool {
    group.is_empty() || path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cursor::Held(raised, id) => write!(f, "h{raised}.{id}"),
            Cursor::Cleared(position, skipped) => write!(f, "c{position}.{skipped}"),
        }
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, rest) = text.get(1..).and_then(|text| text.split_once('.')).ok_or(())?;
        match text.as_bytes()[0] {
            b'h' => Ok(Cursor::Held(number.parse().map_err(drop)?, rest.into())),
            b'c' => {
                let position = number.parse().ok().filter(|&position| position < u64::MAX).ok_or(())?;
                Ok(Cursor::Cleared(Position(position), rest.parse().map_err(drop)?))
            }
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_given() {
        for cursor in [Cursor::Held(-5, "a-7-0".into()), Cursor::Cleared(Position(9), 3)] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for wrong in ["", "h", "h1", "c1.x", "x1.2", "é1.2", "c18446744073709551615.0"] {
            assert_eq!(wrong.parse::<Cursor>(), Err(()), "{wrong}");
        }
    }
}
