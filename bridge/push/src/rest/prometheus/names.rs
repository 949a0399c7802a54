use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tidegate_buckets::{Bucket, Rung};
use tidegate_promql::QueryError;
use tidegate_promql::labels::{Labels, Matcher, NAME};
use tidegate_promql::source::{Series, Source};
use tidegate_telemetry::history::{SeriesQuery, Wanted};
use tidegate_telemetry::{History, HistoryError};

use crate::live::hub::Hub;
use crate::rest::selection::{DEVICES_PER_LOCK, groups};

/// The unit of each metric; where devices have several, one of them.
pub(super) fn units(hub: &Hub) -> BTreeMap<Arc<str>, Arc<str>> {
    let (mut units, mut after) = (BTreeMap::new(), None::<Arc<str>>);
    loop {
        let (page, next) = hub.read(|views| views.units(after.as_deref(), DEVICES_PER_LOCK));
        units.extend(page);
        after = next;
        if after.is_none() {
            return units;
        }
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

/// The history as a question reads it.
pub(super) struct Readable<'a> {
    pub hub: &'a Hub,
    pub history: &'a dyn History,
    pub wanted: Wanted<'a>,
}

/// What labels are made of.
struct Labelled {
    name: Arc<str>,
    device: Arc<str>,
    group: Arc<str>,
    metric: Arc<str>,
}

impl Labelled {
    fn fits(&self, matcher: &Matcher) -> bool {
        match matcher.label.as_str() {
            // A metric goes by both of its names.
            NAME => matcher.fits(&self.name) || matcher.exactly() == Some(&*self.metric),
            "device" => matcher.fits(&self.device),
            "group" => matcher.fits(&self.group),
            "metric" => matcher.fits(self.own()),
            _ => matcher.fits(""),
        }
    }

    /// Its own name, where that is another one.
    fn own(&self) -> &str {
        if self.name == self.metric { "" } else { &self.metric }
    }

    fn series(&self) -> Series {
        let labels = [(NAME, &*self.name), ("device", &*self.device), ("group", &*self.group), ("metric", self.own())];
        let labels = labels.into_iter().map(|(label, value)| (Arc::from(label), Arc::from(value)));
        let labels = labels.collect::<Labels>();
        Series { labels, device: Arc::clone(&self.device), metric: Arc::clone(&self.metric) }
    }
}

impl Readable<'_> {
    /// Shows each series that fits all matchers, as long as the answer is wanted.
    pub fn each(&self, matchers: &[Matcher], mut look: impl FnMut(Series)) -> Result<(), HistoryError> {
        let mut as_label: FxHashMap<Arc<str>, Arc<str>> = FxHashMap::default();
        let mut looked_at = 0;
        loop {
            if !(self.wanted)() {
                return Err(HistoryError::Withdrawn);
            }
            let page = self.history.names(looked_at, DEVICES_PER_LOCK);
            if page.is_empty() {
                return Ok(());
            }
            looked_at += page.len();
            for ((device, metrics), group) in page.iter().zip(groups(self.hub, &page)) {
                for metric in metrics {
                    let name = as_label.entry(Arc::clone(metric)).or_insert_with(|| sanitized(metric).into());
                    let [name, device, group, metric] = [name, device, &group, metric].map(Arc::clone);
                    let labelled = Labelled { name, device, group, metric };
                    if matchers.iter().all(|matcher| labelled.fits(matcher)) {
                        look(labelled.series());
                    }
                }
            }
        }
    }

    fn query(series: &Series, from_ms: i64, to_ms: i64, rung: Rung) -> SeriesQuery {
        SeriesQuery { device: Arc::clone(&series.device), metric: Arc::clone(&series.metric), from_ms, to_ms, rung }
    }
}

impl Source for Readable<'_> {
    fn select(&self, matchers: &[Matcher], max: usize) -> Result<Vec<Series>, QueryError> {
        let mut series = Vec::new();
        // One more says that there are too many.
        let take = |found| {
            if series.len() <= max {
                series.push(found)
            }
        };
        self.each(matchers, take).map_err(unread)?;
        Ok(series)
    }

    fn points(
        &self,
        series: &Series,
        from_ms: i64,
        to_ms: i64,
        max: usize,
        into: &mut Vec<(i64, f64)>,
    ) -> Result<bool, QueryError> {
        let query = Self::query(series, from_ms, to_ms, Rung::Second);
        let count = Cell::new(0);
        let wanted = || (self.wanted)() && count.get() <= max;
        let read = self.history.numbers(&query, &wanted, &mut |at_ms, value| {
            count.set(count.get() + 1);
            into.push((at_ms, value));
        });
        if count.get() > max { Ok(false) } else { read.map(|()| true).map_err(unread) }
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
