//! What is said of a group: its figures.

use std::sync::Arc;

use tidegate_telemetry::{AggregateChange, InAlert, StateCounts};

use crate::groups::{Aggregate, Group};

/// Figures of a group, with their key: group and metric.
#[derive(Debug, Clone, Copy)]
pub struct AggregateCell<'a> {
    group: &'a Arc<str>,
    metric: Option<&'a Arc<str>>,
    version: u64,
    figures: Figures<'a>,
}

/// What is told of a group.
#[derive(Debug, Clone, Copy)]
pub enum Figures<'a> {
    /// Its devices by state, and those of them that have an alert.
    Devices(StateCounts, InAlert),
    /// Figures of a metric.
    Metric(&'a AggregateChange),
}

/// The cells of a group after that of a metric, in the order of their keys; `metrics` are in order.
pub(crate) fn cells_of<'a>(
    group: &'a Group,
    metrics: Option<&'a [Box<str>]>,
    after: Option<&'a str>,
) -> impl Iterator<Item = AggregateCell<'a>> {
    let version = group.counts_version;
    let figures = Figures::Devices(group.counts, group.in_alert);
    let counts = AggregateCell { group: &group.path, metric: None, version, figures };
    let aggregates = aggregates_of(group, metrics, after.unwrap_or_default());
    let aggregates = aggregates.map(|aggregate| AggregateCell {
        group: &group.path,
        metric: Some(&aggregate.figures.metric),
        version: aggregate.version,
        figures: Figures::Metric(&aggregate.figures),
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

impl<'a> AggregateCell<'a> {
    /// Path of the group.
    #[must_use]
    pub fn group(&self) -> &'a str {
        self.group
    }

    /// Name of the metric; `None` for the devices by state.
    #[must_use]
    pub fn metric(&self) -> Option<&'a str> {
        self.metric.map(|metric| &**metric)
    }

    /// The figures.
    #[must_use]
    pub fn figures(&self) -> Figures<'a> {
        self.figures
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn key(&self) -> (Arc<str>, Option<Arc<str>>) {
        (Arc::clone(self.group), self.metric.map(Arc::clone))
    }

    /// `true` when the group has no such devices any more.
    pub(crate) fn is_gone(&self) -> bool {
        match &self.figures {
            Figures::Devices(counts, _) => *counts == StateCounts::default(),
            Figures::Metric(figures) => figures.devices == 0,
        }
    }
}
