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
    if figures.count == 0 {
        return out.extend_from_slice(b",null,null,null,null");
    }
    for figure in [figures.sum / f64::from(figures.count), figures.min, figures.max] {
        out.push(b',');
        json::number(out, figure);
    }
    out.push(b',');
    match figures.oldest_ms {
        Some(oldest_ms) => json::integer(out, oldest_ms - base_ms),
        None => json::null(out),
    }
}
