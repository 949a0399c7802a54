//! A device that says it has no value.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Fleet, T0, above, publication};
use tidegate_telemetry::{AlertState, Value};

#[test]
fn no_value_makes_no_metric_and_no_device_and_is_counted() {
    let mut fleet = Fleet::new();
    let nothing = publication(T0, "c1", "hall/telemetry", r#"{"deviceId":"d","temperature":null}"#);
    assert_eq!(fleet.apply(&nothing), []);
    assert_eq!(fleet.output.counts.values_absent, 1);
    assert_eq!(fleet.process.devices(), 0);
    assert!(fleet.output.problems.is_empty());
}

#[test]
fn no_value_leaves_the_newest_one_and_its_time() {
    let mut fleet = Fleet::new();
    fleet.feels("d", 0, 20.0);
    fleet.sends("d", 60, 60, r#""temperature":"unavailable","humidity":null"#);
    assert_eq!(fleet.latest("temperature"), [(0, Value::Number(20.0))]);
    assert_eq!(fleet.latest("humidity"), []);
    assert_eq!(fleet.process.device_figures("d").unwrap().heard_ms, T0 + 60_000, "it is alive");
}

#[test]
fn no_value_ends_the_time_a_condition_held() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 30_000));
    fleet.feels("d", 0, 9.0);
    fleet.sends("d", 20, 20, r#""temperature":null"#);
    assert!(support::alerts(&fleet.wait(40)).is_empty(), "it was pending until 20 s");
    fleet.feels("d", 41, 9.0);
    assert!(support::alerts(&fleet.wait(70)).is_empty());
    assert_eq!(support::alerts(&fleet.wait(71))[0].state, AlertState::Raised);
}
