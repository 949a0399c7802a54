//! Rows of the kind `group`.

use std::sync::Arc;

use tidegate_telemetry::{InAlert, StateCounts};

use crate::encode::json;
use crate::groups::{Aggregate, Group};

/// One cell of the view, with its key: group and metric; the empty metric stands for the devices by state.
pub(crate) struct AggregateCell<'a> {
    group: &'a str,
    pub metric: Option<&'a Arc<str>>,
    pub version: u64,
    figures: Figures<'a>,
}

enum Figures<'a> {
    Counts(StateCounts, InAlert),
    Aggregate(&'a Aggregate),
}

/// The cells of a group after that of a metric, in the order of their keys; `metrics` are in order.
pub(crate) fn cells_of<'a>(
    group: &'a Group,
    metrics: Option<&'a [Box<str>]>,
    after: Option<&'a str>,
) -> impl Iterator<Item = AggregateCell<'a>> {
    let version = group.counts_version;
    let figures = Figures::Counts(group.counts, group.in_alert);
    let counts = AggregateCell { group: &group.path, metric: None, version, figures };
    let aggregates = aggregates_of(group, metrics, after.unwrap_or_default());
    let aggregates = aggregates.map(|aggregate| AggregateCell {
        group: &group.path,
        metric: Some(&aggregate.figures.metric),
        version: aggregate.version,
        figures: Figures::Aggregate(aggregate),
    });
    Some(counts).filter(|_| after.is_none()).into_iter().chain(aggregates)
}

/// Looks up the metrics that are shown, or at those that there are, whichever are fewer.
fn aggregates_of<'a>(
    group: &'a Group,
    metrics: Option<&'a [Box<str>]>,
    after: &'a str,
) -> Box<dyn Iterator<Item = &'a Aggregate> + 'a> {
    let all = &group.metrics[group.metrics.partition_point(|aggregate| *aggregate.figures.metric <= *after)..];
    let is_shown = |names: &[Box<str>], name: &str| names.binary_search_by(|shown| (**shown).cmp(name)).is_ok();
    match metrics {
        None => Box::new(all.iter()),
        Some(names) if names.len() < all.len() => {
            let first = names.partition_point(|name| **name <= *after);
            Box::new(names[first..].iter().filter_map(|name| group.metric(name)))
        }
        Some(names) => Box::new(all.iter().filter(move |aggregate| is_shown(names, &aggregate.figures.metric))),
    }
}

impl AggregateCell<'_> {
    /// `true` when the group has no such devices any more.
    pub fn is_gone(&self) -> bool {
        match &self.figures {
            Figures::Counts(counts, _) => *counts == StateCounts::default(),
            Figures::Aggregate(aggregate) => aggregate.is_gone(),
        }
    }

    /// `[group, metric]`
    pub fn key(&self) -> Vec<u8> {
        let mut out = vec![b'['];
        self.write_key(&mut out);
        out.push(b']');
        out
    }

    /// `[group, metric, …figures]`
    pub fn row(&self, out: &mut Vec<u8>, base_ms: i64) {
        out.push(b'[');
        self.write_key(out);
        match &self.figures {
            Figures::Counts(counts, in_alert) => {
                let by_state = [counts.fresh, counts.late, counts.asleep, counts.lost];
                for count in by_state.into_iter().chain([in_alert.critical, in_alert.warning, in_alert.info]) {
                    out.push(b',');
                    json::integer(out, count);
                }
            }
            Figures::Aggregate(aggregate) => write_figures(out, aggregate, base_ms),
        }
        out.push(b']');
    }

    fn write_key(&self, out: &mut Vec<u8>) {
        json::text(out, self.group);
        out.push(b',');
        json::text_or_null(out, self.metric.map(|metric| &**metric));
    }
}

fn write_figures(out: &mut Vec<u8>, aggregate: &Aggregate, base_ms: i64) {
    let figures = &aggregate.figures;
    out.push(b',');
    json::integer(out, figures.count);
    out.push(b',');
    json::integer(out, figures.devices);
    let Some(mean) = figures.mean() else {
        return out.extend_from_slice(b",null,null,null,null,null,null");
    };
    for figure in [mean, figures.min, figures.max] {
        out.push(b',');
        json::number(out, figure);
    }
    out.push(b',');
    match figures.oldest_ms {
        Some(oldest_ms) => json::integer(out, oldest_ms - base_ms),
        None => json::null(out),
    }
    for device in [&figures.min_device, &figures.max_device] {
        out.push(b',');
        json::text_or_null(out, device.as_deref());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tidegate_telemetry::AggregateChange;

    #[test]
    fn figures_are_json_also_where_their_sum_does_not_fit() {
        for (sum, min, max, mean) in [(f64::INFINITY, 1e308, 1e308, 1e308), (f64::NAN, -1e308, 1.5e308, 2.5e307)] {
            let (group, metric) = ("".into(), "t".into());
            let (min_device, max_device) = (Some("a".into()), None);
            let (count, devices, oldest_ms) = (2, 3, Some(7));
            let figures =
                AggregateChange { group, metric, count, devices, sum, min, max, oldest_ms, min_device, max_device };
            let mut out = b"[0".to_vec();
            write_figures(&mut out, &Aggregate { figures, version: 1 }, 0);
            out.push(b']');
            let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(found, serde_json::json!([0, 2, 3, mean, min, max, 7, "a", null]));
        }
    }
}
