use std::sync::Arc;

use rustc_hash::FxHashMap;
use tidegate_buckets::{Bucket, Rung};
use tidegate_promql::QueryError;
use tidegate_promql::labels::{Labels, Matcher, NAME};
use tidegate_promql::source::{Series, Source};
use tidegate_telemetry::history::{SeriesQuery, Wanted};
use tidegate_telemetry::{History, HistoryError};
use tidegate_views::read::Known;

use crate::hub::Hub;

/// Devices that are looked at before others have their turn at the views.
const DEVICES_PER_LOCK: usize = 1_000;

type Texts = FxHashMap<Arc<str>, Arc<str>>;

/// The group of each device that lives, by full identifier.
pub(super) fn groups(hub: &Hub) -> Texts {
    let (mut groups, mut after) = (Texts::default(), None::<Arc<str>>);
    loop {
        let look = |device: Known<'_>| drop(groups.insert(Arc::clone(device.id), Arc::clone(device.group)));
        after = hub.read(|views| views.each_device(after.as_deref(), DEVICES_PER_LOCK, look));
        if after.is_none() {
            return groups;
        }
    }
}

/// The unit of each metric; where devices have several, one of them.
pub(super) fn units(hub: &Hub) -> Texts {
    let (mut units, mut after) = (Texts::default(), None::<Arc<str>>);
    loop {
        let look = |device: Known<'_>| {
            units.extend(device.units().map(|(metric, unit)| (Arc::clone(metric), Arc::clone(unit))));
        };
        after = hub.read(|views| views.each_device(after.as_deref(), DEVICES_PER_LOCK, look));
        if after.is_none() {
            return units;
        }
    }
}

/// Every series of the history, with its labels.
pub(super) struct Names {
    pub series: Vec<Series>,
}

impl Names {
    /// The groups are those of devices that live; of others the levels above the last one of their name are.
    pub fn of(history: &dyn History, groups: &Texts) -> Self {
        let label = |name: &str| -> Arc<str> { name.into() };
        let (name, device, group, metric) = (label(NAME), label("device"), label("group"), label("metric"));
        let mut as_label: FxHashMap<Arc<str>, Arc<str>> = FxHashMap::default();
        let mut series = Vec::new();
        for (id, metrics) in history.names() {
            let above = || Arc::from(id.rsplit_once('/').map_or("", |(above, _)| above.trim_matches('/')));
            let group_of = groups.get(&id).map_or_else(above, Arc::clone);
            for known in metrics {
                let written = as_label.entry(Arc::clone(&known)).or_insert_with(|| sanitized(&known).into());
                // Its own name, where that is another one.
                let own = if **written == *known { Arc::from("") } else { Arc::clone(&known) };
                let labels = [
                    (Arc::clone(&name), Arc::clone(written)),
                    (Arc::clone(&device), Arc::clone(&id)),
                    (Arc::clone(&group), Arc::clone(&group_of)),
                    (Arc::clone(&metric), own),
                ];
                let labels = labels.into_iter().collect::<Labels>();
                series.push(Series { labels, device: Arc::clone(&id), metric: known });
            }
        }
        Names { series }
    }
}

/// A name of a metric as Prometheus takes it (its documentation, "Data model"): other characters become `_`.
pub(super) fn sanitized(metric: &str) -> String {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut name: String = metric.chars().map(|c| if is_taken(c) { c } else { '_' }).collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Whether a series fits all matchers. Its metric goes by both of its names.
pub(super) fn fits(series: &Series, matchers: &[Matcher]) -> bool {
    let fits = |matcher: &Matcher| {
        let is_own = || matcher.label == NAME && matcher.exactly() == Some(&*series.metric);
        matcher.fits(series.labels.get(&matcher.label)) || is_own()
    };
    matchers.iter().all(fits)
}

/// The history as a question reads it.
pub(super) struct Readable<'a> {
    pub names: &'a Names,
    pub history: &'a dyn History,
    pub wanted: Wanted<'a>,
}

impl Readable<'_> {
    fn query(series: &Series, from_ms: i64, to_ms: i64, rung: Rung) -> SeriesQuery {
        SeriesQuery { device: Arc::clone(&series.device), metric: Arc::clone(&series.metric), from_ms, to_ms, rung }
    }
}

impl Source for Readable<'_> {
    fn select(&self, matchers: &[Matcher]) -> Result<Vec<Series>, QueryError> {
        Ok(self.names.series.iter().filter(|series| fits(series, matchers)).cloned().collect())
    }

    fn points(&self, series: &Series, from_ms: i64, to_ms: i64, into: &mut Vec<(i64, f64)>) -> Result<(), QueryError> {
        let query = Self::query(series, from_ms, to_ms, Rung::Second);
        self.history.numbers(&query, self.wanted, &mut |at_ms, value| into.push((at_ms, value))).map_err(unread)
    }

    fn buckets(&self, series: &Series, from_ms: i64, to_ms: i64, rung: Rung) -> Result<Vec<(i64, Bucket)>, QueryError> {
        let answer = self.history.series(&Self::query(series, from_ms, to_ms, rung), self.wanted);
        answer.map(|answer| answer.buckets).map_err(unread)
    }
}

fn unread(error: HistoryError) -> QueryError {
    match error {
        HistoryError::Withdrawn => QueryError::Withdrawn,
        error => QueryError::Source(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::sanitized;

    #[test]
    fn names_are_those_prometheus_takes() {
        for (metric, name) in
            [("temperature", "temperature"), ("soil moisture", "soil_moisture"), ("2nd.°C", "_2nd__C"), ("", "_")]
        {
            assert_eq!(sanitized(metric), name);
        }
    }
}
