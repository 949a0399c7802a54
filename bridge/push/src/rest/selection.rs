//! Which series a question about many of them means.

use std::sync::Arc;

use metrics::counter;
use tidegate_telemetry::history::Wanted;
use tidegate_telemetry::{History, HistoryError};
use tidegate_views::read::is_within;

use super::parameters::Parameters;
use super::{Api, lookup};
use crate::archive::Asker;
use crate::error::{ApiError, Kind};
use crate::live::hub::Hub;

/// Devices that are looked at before others have their turn at the views, and at the store.
pub const DEVICES_PER_LOCK: usize = 500;

/// A series that is asked for.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Full identifier.
    pub device: Arc<str>,
    pub group: Arc<str>,
    pub metric: Arc<str>,
    /// Which of those chosen it is in the order in which history names them: what is near in it is so in the files.
    pub place: usize,
}

/// Devices and the metrics of each.
pub type Names = [(Arc<str>, Vec<Arc<str>>)];

/// Counts that a question asks for more than one may.
pub fn count_too_much(limit: &'static str) {
    counter!("tidegate_history_refused_total", "limit" => limit).increment(1);
}

/// The same as an error, which says what to do.
pub fn too_much(limit: &'static str, detail: impl Into<String>) -> ApiError {
    count_too_much(limit);
    ApiError::new(Kind::TooMuch, detail).with("limit", limit)
}

/// Groups of devices; of those that live no more the levels above the last one of their name.
pub fn groups(hub: &Hub, page: &Names) -> Vec<Arc<str>> {
    let above = |id: &str| Arc::from(id.rsplit_once('/').map_or("", |(above, _)| above.trim_matches('/')));
    hub.read(|views| page.iter().map(|(id, _)| views.group_of(id).map_or_else(|| above(id), Arc::clone)).collect())
}

/// The series that `device`, `group` and `metric` of a request choose, by device and metric in order. Devices that are named
/// are known by their state; those of a group also are where only history knows them. What a device has not is left out.
///
/// # Errors
/// 404 where nothing is chosen, 422 for more than `questions.series_max`, and what [`lookup::find`] refuses.
pub async fn chosen(api: &Api, asker: Asker, parameters: &Parameters) -> Result<Vec<Chosen>, ApiError> {
    let metrics: Vec<String> = parameters.all("metric").map(str::to_owned).collect();
    let group = parameters.text("group");
    let limit = api.config.questions.series_max;
    let mut chosen = if parameters.text("device").is_some() {
        named(api, parameters, &metrics, group.unwrap_or_default())?
    } else {
        let (hub, group, metrics) = (Arc::clone(&api.hub), group.unwrap_or_default().to_owned(), metrics.clone());
        let look = move |history: &dyn History, wanted: Wanted<'_>| {
            let of = |metric: &str| metrics.iter().any(|known| known == metric);
            of_group(&hub, history, wanted, (&group, &of), limit)
        };
        api.archive.ask(asker, look).await?
    };
    if chosen.len() > limit {
        let detail = format!(
            "more series are chosen than the {limit} that one question may (`questions.series_max`): ask for a smaller group"
        );
        return Err(too_much("questions.series_max", detail));
    }
    if chosen.is_empty() {
        let of = group.map_or_else(String::new, |group| format!(" of the group {group:?}"));
        let detail =
            format!("no device{of} has the metric {}: GET /v1/devices lists what they have", metrics.join(", "));
        return Err(ApiError::new(Kind::UnknownMetric, detail));
    }
    (0..).zip(&mut chosen).for_each(|(place, chosen)| chosen.place = place);
    chosen.sort_by(|a, b| (&a.device, &a.metric).cmp(&(&b.device, &b.metric)));
    chosen.dedup_by(|a, b| (&a.device, &a.metric) == (&b.device, &b.metric));
    Ok(chosen)
}

fn named(api: &Api, parameters: &Parameters, metrics: &[String], group: &str) -> Result<Vec<Chosen>, ApiError> {
    let mut chosen = Vec::new();
    for name in parameters.all("device") {
        let device = api.hub.read(|views| lookup::find(views, name))?;
        if !is_within(&device.group, group) {
            continue;
        }
        let of_question = device.metrics.0.iter().filter(|(known, _)| metrics.iter().any(|metric| **metric == **known));
        chosen.extend(of_question.map(|(metric, _)| Chosen {
            device: Arc::clone(&device.id),
            group: Arc::clone(&device.group),
            metric: Arc::clone(metric),
            place: 0,
        }));
    }
    Ok(chosen)
}

/// One more than `max` says that there are too many.
fn of_group(
    hub: &Hub,
    history: &dyn History,
    wanted: Wanted<'_>,
    (group, of): (&str, &dyn Fn(&str) -> bool),
    max: usize,
) -> Result<Vec<Chosen>, HistoryError> {
    let (mut chosen, mut looked_at) = (Vec::new(), 0);
    while chosen.len() <= max {
        if !wanted() {
            return Err(HistoryError::Withdrawn);
        }
        let page = history.names(looked_at, DEVICES_PER_LOCK);
        if page.is_empty() {
            break;
        }
        looked_at += page.len();
        for ((device, metrics), path) in page.iter().zip(groups(hub, &page)) {
            if is_within(&path, group) {
                let metrics = metrics.iter().filter(|metric| of(metric));
                chosen.extend(metrics.map(|metric| Chosen {
                    device: Arc::clone(device),
                    group: Arc::clone(&path),
                    metric: Arc::clone(metric),
                    place: 0,
                }));
            }
        }
    }
    Ok(chosen)
}
