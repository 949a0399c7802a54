//! What is known of devices and metrics besides values.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use support::{Fleet, T0, publication, states};
use tidegate_process::{Process, ProcessConfig};
use tidegate_telemetry::DeviceState::{Asleep, Fresh, Late, Lost};
use tidegate_telemetry::{Change, Decoded, Description, DeviceDescription, DeviceFacts, MetricFacts};

const HOUR_S: i64 = 3_600;

fn declares(report_s: i64) -> Arc<DeviceFacts> {
    let facts =
        DeviceFacts { name: Some("Cellar".into()), report_ms: Some(report_s * 1_000), ..DeviceFacts::default() };
    Arc::new(facts)
}

fn door() -> Arc<MetricFacts> {
    Arc::new(MetricFacts { class: Some("door".into()), unit: Some("%".into()), ..MetricFacts::default() })
}

/// What of an entry's changes says what is known.
fn told(changes: &[Change]) -> Vec<Change> {
    let is_fact = |change: &&Change| matches!(change, Change::Facts { .. } | Change::MetricFacts { .. });
    changes.iter().filter(is_fact).cloned().collect()
}

fn of_device(device: &str, facts: &Arc<DeviceFacts>) -> Decoded {
    let devices = vec![DeviceDescription { device: device.into(), facts: Arc::clone(facts) }];
    Decoded { devices, ..Decoded::default() }
}

fn of_metric(device: &str, metric: &str, facts: &Arc<MetricFacts>) -> Decoded {
    let said = Description { device: device.into(), metric: metric.into(), facts: Arc::clone(facts) };
    Decoded { descriptions: vec![said], ..Decoded::default() }
}

/// At so many seconds, something comes on the topic of the device.
fn at(seconds: i64) -> tidegate_telemetry::Entry {
    publication(T0 + seconds * 1_000, "c1", "hall/telemetry", "-")
}

#[test]
fn what_is_said_again_and_again_is_told_once_and_a_device_that_never_spoke_is_not_taken_in_for_it() {
    let (mut fleet, facts, door) = (Fleet::new(), declares(60), door());
    assert_eq!(fleet.means(&at(0), of_device("dev7", &facts)), []);
    fleet.feels("dev7", 1, 20.0);
    assert_eq!(told(fleet.means(&at(1), of_device("dev7", &facts))).len(), 1);
    assert_eq!(told(fleet.means(&at(2), of_device("dev7", &facts))), []);
    assert_eq!(told(fleet.means(&at(3), of_device("dev7", &declares(60)))), [], "the same at another place in memory");
    assert_eq!(told(fleet.means(&at(4), of_device("dev7", &declares(61)))).len(), 1);
    assert_eq!(told(fleet.means(&at(5), of_metric("dev7", "temperature", &door))).len(), 1);
    assert_eq!(told(fleet.means(&at(6), of_metric("dev7", "temperature", &door))), []);
    assert_eq!(told(fleet.means(&at(7), of_metric("dev7", "humidity", &door))), [], "it never had a value");
}

#[test]
fn a_restart_keeps_what_is_known_and_what_devices_say_alike_is_once_in_memory() {
    let mut fleet = Fleet::new();
    for device in ["dev7", "dev8"] {
        fleet.feels(device, 0, 20.0);
        fleet.means(&at(0), of_device(device, &declares(HOUR_S)));
        fleet.means(&at(0), of_metric(device, "temperature", &door()));
    }
    let before = told(&fleet.process.snapshot());
    assert_eq!(before.len(), 4);
    fleet.process = Process::restore(ProcessConfig::default(), &fleet.process.checkpoint()).unwrap();
    let after = told(&fleet.process.snapshot());
    assert_eq!(after, before);
    let facts = after.iter().filter_map(|change| match change {
        Change::MetricFacts { facts, .. } => Some(facts),
        _ => None,
    });
    let metrics: Vec<_> = facts.collect();
    assert!(Arc::ptr_eq(metrics[0], metrics[1]));
    assert_eq!(told(fleet.means(&at(2), of_device("dev7", &declares(HOUR_S)))), [], "it is no news after a restart");
    let silent = states(&fleet.wait(HOUR_S));
    assert_eq!(silent, [(Asleep, 60), (Asleep, 60)], "what they declare is known as well");
}

#[test]
fn a_device_that_declares_an_hour_sleeps_between_its_reports_and_is_late_when_it_breaks_its_word() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 20.0);
    fleet.means(&at(0), of_device("dev7", &declares(HOUR_S)));
    assert_eq!(states(&fleet.wait(600)), [(Asleep, 60)], "not late after ten minutes");
    assert_eq!(states(fleet.feels("dev7", HOUR_S, 20.0)), [(Fresh, HOUR_S)]);
    let silent = states(&fleet.wait(100 * HOUR_S));
    let heard = HOUR_S;
    assert_eq!(silent, [(Asleep, heard + 60), (Late, heard + HOUR_S * 3 / 2), (Lost, heard + HOUR_S * 10)]);
}

#[test]
fn a_device_that_says_it_after_it_was_late_is_so_no_longer_and_one_that_is_gone_stays_so() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 20.0);
    fleet.feels("gone", 0, 20.0);
    fleet.is_said(&at(1), "gone", false);
    assert_eq!(states(&fleet.wait(600)), [(Late, 180), (Lost, 600)]);
    assert_eq!(states(fleet.means(&at(610), of_device("dev7", &declares(HOUR_S)))), [(Asleep, 60)]);
    assert_eq!(
        states(fleet.means(&at(610), of_device("gone", &declares(HOUR_S)))),
        [],
        "somebody said that it is gone"
    );
    assert_eq!(states(fleet.means(&at(700), of_device("dev7", &declares(10)))), [(Lost, 600)], "and back");
}

#[test]
fn a_device_that_reports_more_often_than_it_promises_is_late_by_its_promise() {
    let mut fleet = Fleet::new();
    for n in 0..10 {
        fleet.feels("dev7", n * 10, 20.0);
        fleet.means(&at(n * 10), of_device("dev7", &declares(HOUR_S)));
    }
    let silent = states(&fleet.wait(90 + HOUR_S * 2));
    assert_eq!(silent, [(Asleep, 90 + 60), (Late, 90 + HOUR_S * 3 / 2)]);
}
