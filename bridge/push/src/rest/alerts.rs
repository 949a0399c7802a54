use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use tidegate_telemetry::{AlertChange, Position};
use tidegate_views::read::AlertsQuery;

use super::devices::find;
use super::error::ApiError;
use super::listing::{self, AT_A_TIME};
use super::parameters::{Parameters, digits};
use super::{Api, alert_history};
use crate::api::Alert;
use crate::archive::Asker;

/// A page of alerts.
#[derive(Debug, Default, Serialize)]
pub struct Alerts {
    /// Newest first.
    pub alerts: Vec<Alert<Arc<AlertChange>>>,
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

/// Which alerts a request is about.
struct Wanted {
    group: String,
    device: Option<Arc<str>>,
    rule: Option<String>,
    burst: Option<String>,
}

/// What `burst` says for the alerts that the live protocol shows each by itself.
const ALONE: &str = "none";

/// `GET /v1/alerts`
pub async fn list(State(api): State<Arc<Api>>, asker: Asker, uri: Uri) -> Result<Json<Alerts>, ApiError> {
    let known = ["state", "group", "device", "rule", "burst", "limit", "cursor"];
    let parameters = Parameters::of(&uri, &known)?;
    let limit = parameters.number("limit", 1..=api.config.page_max, api.config.page_default)?;
    let cursor = parameters.cursor()?;
    let state = parameters.text("state").unwrap_or("active");
    if !matches!(state, "active" | "recent" | "cleared" | "all") {
        let detail = format!("state={state:?} is none of active, recent, cleared, all");
        return Err(ApiError::parameter("state", detail));
    }
    let wanted = Wanted::of(&api, &parameters)?;
    let is_of_history = matches!(state, "cleared" | "all");
    if wanted.burst.is_some() && is_of_history {
        let detail = "what came together is known while it is held: ask with state=active or state=recent";
        return Err(ApiError::parameter("burst", detail));
    }
    let (page, start) = match cursor {
        Some(Cursor::Cleared(position, skipped)) => (Alerts::default(), Some((position, skipped))),
        _ if state == "cleared" => (Alerts::default(), None),
        Some(Cursor::Held(raised_ms, id)) => {
            (held(&api, &wanted, state == "recent", Some((raised_ms, id)), limit).await, None)
        }
        None => (held(&api, &wanted, state == "recent", None, limit).await, None),
    };
    if !is_of_history || page.next.is_some() {
        return Ok(Json(page));
    }
    let page = api.archive.ask(asker, move |history, still| {
        let mut page = page;
        // What cleared a moment ago is on this page already, as it held.
        let holding: HashSet<Arc<str>> = page.alerts.iter().map(|alert| Arc::clone(&alert.0.id)).collect();
        let wanted = |alert: &AlertChange| wanted.has(alert) && !holding.contains(&alert.id);
        alert_history::fill_with_cleared((history, still), &mut page, start, limit, wanted)?;
        Ok(page)
    });
    page.await.map(Json)
}

impl Alerts {
    fn of(alerts: Vec<Arc<AlertChange>>, next: Option<Cursor>) -> Self {
        Alerts { alerts: alerts.into_iter().map(Alert).collect(), next }
    }
}

impl Wanted {
    fn of(api: &Api, parameters: &Parameters) -> Result<Wanted, ApiError> {
        let text = |name| parameters.text(name).map(ToOwned::to_owned);
        // A device that was never heard, or is forgotten, may have alerts all the same.
        let named = |name: &str| match api.hub.read(|views| views.has_alerts_of(name)) {
            true => Ok(Arc::from(name)),
            false => api.hub.read(|views| find(views, name)).map(|device| device.id),
        };
        Ok(Wanted {
            group: text("group").unwrap_or_default(),
            device: parameters.text("device").map(named).transpose()?,
            rule: text("rule"),
            burst: text("burst"),
        })
    }

    fn has(&self, alert: &AlertChange) -> bool {
        is_within(&alert.group, &self.group)
            && self.device.as_ref().is_none_or(|device| alert.device_id == *device)
            && self.rule.as_ref().is_none_or(|rule| **rule == *alert.rule)
    }
}

/// A page of the alerts that the views hold; a few are looked at at a time, so that what devices say in between does not
/// wait for it.
async fn held(api: &Api, wanted: &Wanted, cleared: bool, mut before: Option<(i64, Arc<str>)>, limit: usize) -> Alerts {
    let mut alerts: Vec<Arc<AlertChange>> = Vec::new();
    loop {
        let query = AlertsQuery {
            group: &wanted.group,
            device: wanted.device.as_deref(),
            rule: wanted.rule.as_deref(),
            burst: wanted.burst.as_deref().filter(|burst| *burst != ALONE),
            alone: wanted.burst.as_deref() == Some(ALONE),
            cleared,
            before: before.as_ref().map(|(raised_ms, id)| (*raised_ms, &**id)),
            limit: limit + 1 - alerts.len(),
            looked_at_max: AT_A_TIME,
        };
        let part = api.hub.read(|views| views.alerts(&query));
        alerts.extend(part.alerts);
        before = part.next;
        if alerts.len() > limit {
            alerts.truncate(limit);
            let next = alerts.last().map(|last| Cursor::Held(last.raised_ms, Arc::clone(&last.id)));
            return Alerts::of(alerts, next);
        }
        if before.is_none() {
            return Alerts::of(alerts, None);
        }
        listing::pause().await;
    }
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
            b'h' if !rest.is_empty() && !rest.contains('\n') => Ok(Cursor::Held(digits(number)?, rest.into())),
            b'c' if rest.len() <= 9 && !text.contains('-') => {
                let position = digits(number)?.try_into().map_err(drop)?;
                Ok(Cursor::Cleared(Position(position), digits(rest)?.try_into().map_err(drop)?))
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
        for wrong in ["", "h", "h1", "c1.x", "x1.2", "é1.2", "c18446744073709551615.0", "h5.", "h+5.a", "c-1.0"] {
            assert_eq!(wrong.parse::<Cursor>(), Err(()), "{wrong}");
        }
    }
}
