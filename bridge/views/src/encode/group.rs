//! Rows of the kind `group`.

use std::sync::Arc;

use tidegate_telemetry::StateCounts;

use crate::encode::json;
use crate::groups::{Aggregate, Group};

/// One cell of the view, with its key: group and metric; the empty metric stands for the devices by state.
pub(crate) struct AggregateCell<'a> {
    pub group: &'a Arc<str>,
    pub metric: Option<&'a Arc<str>>,
    pub version: u64,
    figures: Figures<'a>,
}

enum Figures<'a> {
    Counts(StateCounts),
    Aggregate(&'a Aggregate),
}

/// The cells of a group, in the order of their keys.
pub(crate) fn cells_of<'a>(
    path: &'a Arc<str>,
    group: &'a Group,
    metrics: Option<&'a [Box<str>]>,
) -> impl Iterator<Item = AggregateCell<'a>> {
    let counts = AggregateCell {
        group: path,
        metric: None,
        version: group.counts_version,
        figures: Figures::Counts(group.counts),
    };
    let shown = move |name: &str| metrics.is_none_or(|metrics| metrics.iter().any(|metric| **metric == *name));
    let aggregates = group.metrics.iter().filter(move |(name, _)| shown(name));
    let aggregates = aggregates.map(move |(name, aggregate)| AggregateCell {
        group: path,
        metric: Some(name),
        version: aggregate.version,
        figures: Figures::Aggregate(aggregate),
    });
    std::iter::once(counts).chain(aggregates)
}

impl AggregateCell<'_> {
    /// `true` when the group has no such devices any more.
    pub fn is_gone(&self) -> bool {
        match &self.figures {
            Figures::Counts(counts) => *counts == StateCounts::default(),
            Figures::Aggregate(aggregate) => aggregate.is_gone(),
        }
    }

    /// `[group, metric]`
    pub fn key(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        self.write_key(out);
        out.push(b']');
    }

    /// `[group, metric, …figures]`
    pub fn row(&self, out: &mut Vec<u8>, base_ms: i64) {
        out.push(b'[');
        self.write_key(out);
        match &self.figures {
            Figures::Counts(counts) => {
                for count in [counts.fresh, counts.late, counts.asleep, counts.lost] {
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
        return out.extend_from_slice(b",null,null,null,null");
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
            let figures = AggregateChange { group, metric, count: 2, devices: 3, sum, min, max, oldest_ms: Some(7) };
            let mut out = b"[0".to_vec();
            write_figures(&mut out, &Aggregate { figures, version: 1 }, 0);
            out.push(b']');
            let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(found, serde_json::json!([0, 2, 3, mean, min, max, 7]));
        }
    }
}
