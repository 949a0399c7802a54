use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use tidegate_telemetry::{AlertChange, AlertFacts, AlertState, Severity, words};

/// An alert, as REST and the live protocol show it: owned (an `Arc`), or borrowed.
#[derive(Debug, Clone)]
pub struct Alert<A>(pub A);

#[derive(Serialize)]
struct Shape<'a> {
    id: &'a str,
    rule: &'a str,
    severity: Severity,
    device: &'a str,
    group: &'a str,
    /// `null` when it is about the device as a whole.
    metric: Option<&'a str>,
    /// What the rule says, for people.
    text: String,
    /// The same as facts.
    #[serde(flatten)]
    facts: AlertFacts,
    state: AlertState,
    /// While it holds as `raised_value`, then as `cleared_value`.
    value: Option<f64>,
    raised_value: Option<f64>,
    /// Furthest beyond the threshold so far.
    peak: Option<f64>,
    cleared_value: Option<f64>,
    raised: i64,
    acknowledged: Option<Acknowledged<'a>>,
    unacknowledged: Option<Step<'a>>,
    cleared: Option<i64>,
    /// `null` while it holds.
    duration_ms: Option<i64>,
}

/// Who took an acknowledgement back.
#[derive(Serialize)]
struct Step<'a> {
    time: i64,
    by: &'a str,
}

/// Who took an alert on, and what they had to say.
#[derive(Serialize)]
struct Acknowledged<'a> {
    time: i64,
    by: &'a str,
    comment: Option<&'a str>,
}

impl<A: Deref<Target = AlertChange>> Serialize for Alert<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shape::from(&*self.0).serialize(serializer)
    }
}

impl<'a> From<&'a AlertChange> for Shape<'a> {
    fn from(change: &'a AlertChange) -> Self {
        let taken_on =
            |(time, by): &'a (i64, Arc<str>)| Acknowledged { time: *time, by, comment: change.comment.as_deref() };
        let step = |(time, by): &'a (i64, Arc<str>)| Step { time: *time, by };
        // An older program wrote one value alone.
        let raised_value = change.raised_value.or(change.value.filter(|_| change.state != AlertState::Cleared));
        Shape {
            id: &change.id,
            rule: &change.rule,
            severity: change.severity,
            device: &change.device_id,
            group: &change.group,
            metric: change.metric.as_deref(),
            text: words::of_alert(change),
            facts: change.facts(),
            state: change.state,
            value: change.value,
            raised_value,
            peak: change.peak.or(raised_value),
            cleared_value: change.cleared_value(),
            raised: change.raised_ms,
            acknowledged: change.acknowledged.as_ref().map(taken_on),
            unacknowledged: change.unacknowledged.as_ref().map(step),
            cleared: change.cleared_ms,
            duration_ms: change.cleared_ms.map(|cleared_ms| (cleared_ms - change.raised_ms).max(0)),
        }
    }
}
