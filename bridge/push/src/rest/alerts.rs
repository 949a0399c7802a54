use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use tidegate_telemetry::AlertChange;
use tidegate_views::read::{AlertsQuery, is_within};

use super::alert_page::{Alerts, Cursor};
use super::listing::{self, AT_A_TIME};
use super::lookup::find;
use super::parameters::Parameters;
use super::{Api, alert_history};
use crate::archive::Asker;
use crate::error::ApiError;

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
