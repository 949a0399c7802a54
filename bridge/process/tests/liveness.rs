//! When a device is fresh, late, asleep, lost.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{Fleet, T0, by, publication, states};
use tidegate_process::ProcessConfig;
use tidegate_telemetry::DeviceState::{Asleep, Fresh, Late, Lost};
use tidegate_telemetry::{Change, DeviceIndex, Reason};

#[test]
fn a_silent_device_is_late_after_three_intervals_and_lost_after_ten() {
    let mut fleet = Fleet::new();
    for n in 0..10 {
        let changes = fleet.feels("dev7", n * 10, n as f64).to_vec();
        assert_eq!(states(&changes), if n == 0 { vec![(Fresh, 0)] } else { vec![] });
    }
    let changes = fleet.wait(10_000);
    assert_eq!(states(&changes), [(Late, 90 + 30), (Lost, 90 + 100)]);
    assert_eq!(states(fleet.feels("dev7", 300, 1.0)), [(Fresh, 300)]);
}

#[test]
fn a_device_hardly_known_is_given_the_default_interval() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 1.0);
    assert_eq!(states(&fleet.wait(10_000)), [(Late, 180), (Lost, 600)]);
}

#[test]
fn without_a_tick_the_next_entry_brings_what_was_due() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 1.0);
    let changes = fleet.feels("other", 700, 1.0).to_vec();
    assert_eq!(states(&changes), [(Late, 180), (Lost, 600), (Fresh, 700)], "at the times it was due");
}

#[test]
fn a_device_that_reports_each_ten_minutes_sleeps_in_between() {
    let mut fleet = Fleet::new();
    for n in 0..5 {
        fleet.wait(n * 600);
        fleet.feels("dev7", n * 600, n as f64);
    }
    let heard = 4 * 600;
    assert_eq!(states(&fleet.wait(heard + 599)), [(Asleep, heard + 60)]);
    assert_eq!(states(fleet.feels("dev7", heard + 600, 9.0)), [(Fresh, heard + 600)]);
    let heard = heard + 600;
    let silent = states(&fleet.wait(heard + 100_000));
    assert_eq!(silent, [(Asleep, heard + 60), (Late, heard + 1_800), (Lost, heard + 6_000)]);
}

#[test]
fn an_outage_and_the_backlog_after_it_do_not_spoil_the_interval() {
    let mut fleet = Fleet::new();
    let interval = |fleet: &Fleet| fleet.process.device_figures("dev7").unwrap().interval_ms;
    for n in 0..10 {
        fleet.feels("dev7", n * 10, n as f64);
    }
    assert_eq!(interval(&fleet), 10_000);
    // An hour later it is back, and sends what it kept, two a second.
    for n in 0..300 {
        let payload = format!(r#"{{"deviceId":"dev7","time":{},"temperature":1}}"#, T0 + 100_000 + n * 10_000);
        fleet.apply(&publication(T0 + 3_700_000 + n * 500, "c1", "hall/telemetry", &payload));
    }
    assert_eq!(interval(&fleet), 10_000);
}

#[test]
fn a_batch_a_minute_is_an_interval_of_a_minute() {
    let mut fleet = Fleet::new();
    for minute in 0..6 {
        let readings: Vec<String> = (0..10)
            .map(|n| format!(r#"{{"deviceId":"dev7","time":{},"t":1}}"#, T0 + minute * 60_000 + n * 6_000 - 60_000))
            .collect();
        let payload = format!("[{}]", readings.join(","));
        fleet.apply(&publication(T0 + minute * 60_000, "c1", "hall/telemetry", &payload));
    }
    assert_eq!(fleet.process.device_figures("dev7").unwrap().interval_ms, 60_000);
}

#[test]
fn metrics_that_come_one_by_one_are_one_report() {
    let mut fleet = Fleet::new();
    for n in 0..10 {
        for (offset, metric) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let at_ms = T0 + n * 30_000 + 20 * offset as i64;
            fleet.apply(&publication(at_ms, "c1", &format!("site/dev7/{metric}"), "1"));
        }
    }
    assert_eq!(fleet.process.device_figures("site/dev7").unwrap().interval_ms, 30_000);
}

#[test]
fn a_lost_device_is_forgotten_when_told_so_and_another_gets_its_number() {
    let config = ProcessConfig { forget_after: Some(Duration::from_secs(3_600)), ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    fleet.feels("dev7", 0, 1.0);
    let changes = fleet.wait(10_000);
    assert!(changes.contains(&Change::Removed { device: DeviceIndex(0) }));
    assert_eq!(fleet.process.devices(), 0);
    assert_eq!(fleet.process.next_deadline(), None);
    let other = fleet.feels("dev8", 10_001, 1.0);
    assert!(matches!(&other[0], Change::Device { device: DeviceIndex(0), id, .. } if **id == *"dev8"));
}

#[test]
fn two_hundred_generations_of_devices_take_the_numbers_of_one() {
    let config = ProcessConfig { forget_after: Some(Duration::from_secs(3_600)), ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    let mut checkpoints = Vec::new();
    for generation in 0..200 {
        let at_s = generation * 10_000;
        fleet.wait(at_s);
        for n in 0..100 {
            let changes = fleet.feels(&format!("g{generation:03}-{n:02}"), at_s, 1.0);
            assert!(matches!(changes[0], Change::Device { device: DeviceIndex(0..100), .. }), "{:?}", changes[0]);
        }
        fleet.wait(at_s + 1);
        checkpoints.push(fleet.process.checkpoint().len());
    }
    assert_eq!(fleet.process.devices(), 100);
    assert!(checkpoints[199] <= checkpoints[0] + 100, "{} bytes, then {}", checkpoints[0], checkpoints[199]);
}

#[test]
fn a_steady_fleet_wants_few_ticks() {
    let mut fleet = Fleet::new();
    let mut ticks = 0;
    for second in 0..600 {
        while fleet.process.next_deadline().is_some_and(|at_ms| at_ms < T0 + second * 1_000) {
            fleet.tick(second);
            ticks += 1;
        }
        fleet.feels(&format!("dev{}", second % 10), second, second as f64);
    }
    assert!(ticks < 120, "{ticks} ticks in 600 s");
}

#[test]
fn a_device_that_is_said_to_be_gone_is_lost_at_once_until_it_is_heard_or_said_to_be_there() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 21.0);
    let at = |at_s: i64, principal: &str| by(publication(T0 + at_s * 1_000, "c1", "status", "-"), principal, None);
    assert_eq!(states(fleet.is_said(&at(1, "anonymous"), "dev7", false)), [(Lost, 1)]);
    assert_eq!(states(fleet.is_said(&at(2, "anonymous"), "dev7", false)), [], "it is gone already");
    assert_eq!(states(fleet.feels("dev7", 3, 21.0)), [(Fresh, 3)]);
    fleet.is_said(&at(4, "anonymous"), "dev7", false);
    assert_eq!(states(fleet.is_said(&at(5, "anonymous"), "dev7", true)), [(Fresh, 5)]);
    assert_eq!(states(&fleet.wait(400)), [(Late, 185)], "silent since then");
    fleet.feels("dev7", 400, 21.0);

    assert_eq!(states(fleet.is_said(&at(401, "mallory"), "dev7", false)), [], "it is another's");
    assert_eq!(fleet.reasons(), [Reason::IdentityConflict]);
    fleet.is_said(&at(402, "anonymous"), "dev8", true);
    assert_eq!((fleet.process.devices(), fleet.output.counts.publications_ignored), (1, 0), "it brings no device in");
}

#[test]
fn a_device_whose_metrics_come_one_after_the_other_is_not_late_between_two_rounds() {
    for period in [60, 110, 180] {
        let mut fleet = Fleet::new();
        for round in 0..120 {
            for metric in 0..3 {
                let at = round * period + metric * 10;
                let changes = [fleet.wait(at), fleet.feels("dev7", at, 20.0).to_vec()].concat();
                let is_late = states(&changes).iter().any(|(state, _)| *state == Late);
                assert!(!is_late || round < 5, "each {period} s: late in round {round}");
            }
        }
    }
}
