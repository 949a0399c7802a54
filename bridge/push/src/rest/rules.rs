use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use tidegate_telemetry::{Rule, Severity};

use super::Api;
use super::lookup::find;
use super::parameters::Parameters;
use crate::error::ApiError;
use crate::ports::RuleReach;

/// What raises alerts.
#[derive(Debug, Serialize)]
pub struct Rules {
    rules: Vec<ListedRule>,
}

/// A rule, how many of its alerts hold, and whether it can raise any.
#[derive(Debug, Serialize)]
struct ListedRule {
    id: Arc<str>,
    name: Arc<str>,
    severity: Severity,
    metric: Option<String>,
    device: Option<String>,
    group: Option<String>,
    condition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hysteresis: Option<f64>,
    for_ms: i64,
    active: usize,
    looks_at: RuleReach,
    /// Why there is nothing that could raise an alert, in words.
    blind: Option<String>,
}

/// `GET /v1/rules`: all of them, or those that are about one device.
pub async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<Rules>, ApiError> {
    let parameters = Parameters::of(&uri, &["device"])?;
    let mut rules = api.operations.rules();
    if let Some(name) = parameters.text("device") {
        let device = api.hub.read(|views| find(views, name))?;
        rules.retain(|(rule, _)| rule.selects(&device.id, &device.group));
    }
    let listed = |(rule, looks_at): (Arc<Rule>, RuleReach)| ListedRule {
        active: api.hub.read(|views| views.active_alerts_of(&rule.name)),
        ..ListedRule::of(&rule, looks_at)
    };
    Ok(Json(Rules { rules: rules.into_iter().map(listed).collect() }))
}

impl ListedRule {
    /// That of a rule of which no alert holds.
    fn of(rule: &Rule, looks_at: RuleReach) -> Self {
        ListedRule {
            id: Arc::clone(&rule.id),
            name: Arc::clone(&rule.name),
            severity: rule.severity,
            metric: rule.metric.clone(),
            device: rule.device.clone(),
            group: rule.group.clone(),
            condition: rule.condition.name(),
            threshold: rule.condition.threshold(),
            hysteresis: rule.condition.hysteresis(),
            for_ms: rule.condition.for_ms(),
            active: 0,
            looks_at,
            blind: blindness(rule, looks_at),
        }
    }
}

/// Why a rule has nothing to look at that could raise an alert.
fn blindness(rule: &Rule, RuleReach { devices, series, texts }: RuleReach) -> Option<String> {
    let metric = rule.metric.as_deref().unwrap_or("a metric");
    match (devices, series) {
        (0, _) => Some(nobody(rule)),
        (1, 0) => Some(format!("the device it is about has not sent {metric} yet")),
        (_, 0) => Some(format!("none of the {devices} devices it is about has sent {metric} yet")),
        _ if texts < series || rule.condition.is_about_silence() => None,
        _ if rule.metric.is_none() => Some("all that its devices send is texts".to_owned()),
        (_, 1) => Some(format!("{metric} is a text at the device that sends it")),
        _ => Some(format!("{metric} is a text at {series} devices")),
    }
}

/// That a rule is about no device that is known.
fn nobody(rule: &Rule) -> String {
    let is_pattern = |text: &str| text.contains(['*', '?']);
    match (rule.device.as_deref(), rule.group.as_deref()) {
        (Some(device), None) if !is_pattern(device) => "no device with this name was heard yet".to_owned(),
        (Some(device), None) => format!("no device whose name matches {device:?} was heard yet"),
        (None, Some(group)) => format!("no device was heard in a group that matches {group:?} yet"),
        (Some(device), Some(group)) => format!("no device {device:?} was heard in a group that matches {group:?} yet"),
        (None, None) => "no device was heard yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_telemetry::Condition;

    use super::*;

    #[test]
    fn why_a_rule_never_raises_is_said_in_words() {
        let rule = |metric: Option<&str>, device: Option<&str>, group: Option<&str>, condition| Rule {
            id: "r".into(),
            name: "r".into(),
            severity: Severity::Warning,
            metric: metric.map(str::to_owned),
            device: device.map(str::to_owned),
            group: group.map(str::to_owned),
            condition,
        };
        let above = Condition::Above { threshold: 1.0, hysteresis: 0.0, for_ms: 0 };
        let reach = |devices, series, texts| RuleReach { devices, series, texts };
        let hot = |device, group| rule(Some("temperature"), device, group, above);
        let said = |rule: &Rule, reach| blindness(rule, reach).unwrap_or_default();
        assert_eq!(said(&hot(Some("dev7"), None), reach(0, 0, 0)), "no device with this name was heard yet");
        assert_eq!(said(&hot(Some("d*"), None), reach(0, 0, 0)), "no device whose name matches \"d*\" was heard yet");
        assert_eq!(
            said(&hot(None, Some("A/*")), reach(0, 0, 0)),
            "no device was heard in a group that matches \"A/*\" yet"
        );
        assert_eq!(said(&hot(None, None), reach(0, 0, 0)), "no device was heard yet");
        assert_eq!(
            said(&hot(Some("dev7"), None), reach(1, 0, 0)),
            "the device it is about has not sent temperature yet"
        );
        assert_eq!(
            said(&hot(None, None), reach(9, 0, 0)),
            "none of the 9 devices it is about has sent temperature yet"
        );
        assert_eq!(said(&hot(None, None), reach(9, 3, 3)), "temperature is a text at 3 devices");
        assert_eq!(said(&hot(None, None), reach(9, 1, 1)), "temperature is a text at the device that sends it");
        assert_eq!(said(&rule(None, None, None, above), reach(9, 4, 4)), "all that its devices send is texts");
        assert_eq!(said(&hot(None, None), reach(9, 3, 2)), "");
        let silent = rule(Some("door"), None, None, Condition::NoReading { for_ms: 1 });
        assert_eq!(said(&silent, reach(3, 3, 3)), "", "a text is heard");
    }
}
