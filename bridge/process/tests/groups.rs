//! Aggregates of groups and of the whole fleet.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{Fleet, T0};
use tidegate_process::{Condition, ProcessConfig, Rule};
use tidegate_telemetry::{AggregateChange, Change, InAlert, Reason, Severity, StateCounts};

fn aggregates(changes: &[Change], metric: &str) -> Vec<(String, AggregateChange)> {
    let aggregate = |change: &Change| match change {
        Change::Aggregate(aggregate) if &*aggregate.metric == metric => {
            Some((aggregate.group.to_string(), aggregate.clone()))
        }
        _ => None,
    };
    changes.iter().filter_map(aggregate).collect()
}

fn of(changes: &[Change], group: &str) -> AggregateChange {
    aggregates(changes, "t").into_iter().rfind(|(path, _)| path == group).unwrap_or_else(|| panic!("no {group}")).1
}

fn counts(changes: &[Change], group: &str) -> StateCounts {
    let counts = |change: &Change| match change {
        Change::States { group: path, counts, .. } if &**path == group => Some(*counts),
        _ => None,
    };
    changes.iter().rev().find_map(counts).unwrap_or_else(|| panic!("no {group}"))
}

fn sends(fleet: &mut Fleet, device: &str, at_s: i64, location: &str, t: f64) -> Vec<Change> {
    fleet.sends(device, at_s, at_s, &format!(r#""location":"{location}","t":{t}"#)).to_vec()
}

#[test]
fn a_group_counts_everything_below_it() {
    let mut fleet = Fleet::new();
    for (device, location, t) in [("a", "A, 1", 10.0), ("b", "A, 2", 20.0), ("c", "A, 2", 40.0), ("d", "B", -5.0)] {
        sends(&mut fleet, device, 0, location, t);
    }
    let told = fleet.wait(1);
    assert_eq!(told, fleet.output.changes);
    let whole = fleet.process.snapshot();
    for (group, count, sum, min, max) in [
        ("", 4, 65.0, -5.0, 40.0),
        ("A", 3, 70.0, 10.0, 40.0),
        ("A/2", 2, 60.0, 20.0, 40.0),
        ("B", 1, -5.0, -5.0, -5.0),
    ] {
        let aggregate = of(&whole, group);
        assert_eq!((aggregate.count, aggregate.devices, aggregate.sum), (count, count, sum), "{group}");
        assert_eq!((aggregate.min, aggregate.max, aggregate.oldest_ms), (min, max, Some(T0)), "{group}");
        assert_eq!(counts(&whole, group).fresh, count);
    }
}

#[test]
fn the_extremes_of_a_group_name_their_devices() {
    let mut fleet = Fleet::new();
    for (device, location, t) in [("a", "A, 1", 10.0), ("b", "A, 2", 20.0), ("c", "A, 2", 62.2), ("d", "B", -5.0)] {
        sends(&mut fleet, device, 0, location, t);
    }
    fleet.wait(1);
    let names = |changes: &[Change], group: &str| {
        let AggregateChange { min_device, max_device, .. } = of(changes, group);
        (min_device.unwrap().to_string(), max_device.unwrap().to_string())
    };
    let of_group = |name: &str, other: &str| (name.to_owned(), other.to_owned());
    let whole = fleet.process.snapshot();
    assert_eq!(names(&whole, ""), of_group("d", "c"));
    assert_eq!(names(&whole, "A"), of_group("a", "c"));
    let restarted = support::restore(ProcessConfig::default(), &fleet.process.checkpoint());
    assert_eq!(restarted.snapshot(), whole);

    sends(&mut fleet, "b", 2, "A, 2", 62.2);
    sends(&mut fleet, "c", 2, "A, 2", 1.0);
    let changes = fleet.wait(4);
    assert_eq!(names(&changes, "A"), of_group("c", "b"), "the same maximum is another device's now");
    let lost = fleet.wait(100_000);
    let figures = of(&lost, "A");
    assert_eq!((figures.count, figures.min_device, figures.max_device), (0, None, None));
}

#[test]
fn a_group_counts_its_devices_in_alert_by_the_gravest() {
    let rule = |name: &str, severity: Severity, threshold: f64| Rule {
        severity,
        ..support::named(name, support::rule(Some("t"), Condition::Above { threshold, hysteresis: 0.0, for_ms: 0 }))
    };
    let rules = vec![rule("warm", Severity::Warning, 30.0), rule("hot", Severity::Critical, 60.0)];
    let mut fleet = Fleet::with(ProcessConfig { rules: rules.clone(), ..ProcessConfig::default() });
    let in_alert = |changes: &[Change], group: &str| {
        let found = changes.iter().rev().find_map(|change| match change {
            Change::States { group: path, in_alert, .. } if **path == *group => Some(*in_alert),
            _ => None,
        });
        found.map(|InAlert { critical, warning, info }| (critical, warning, info))
    };
    for (device, location, t) in [("a", "A, 1", 70.0), ("b", "A, 2", 40.0), ("c", "A, 2", 50.0), ("d", "B", 1.0)] {
        sends(&mut fleet, device, 0, location, t);
    }
    fleet.wait(1);
    let whole = fleet.process.snapshot();
    let found: Vec<_> = ["", "A", "A/1", "A/2", "B"].map(|group| in_alert(&whole, group)).into();
    assert_eq!(found, [(1, 2, 0), (1, 2, 0), (1, 0, 0), (0, 2, 0), (0, 0, 0)].map(Some));

    let config = ProcessConfig { rules: vec![rules[0].clone()], ..ProcessConfig::default() };
    fleet.process = support::restore(config, &fleet.process.checkpoint());
    sends(&mut fleet, "b", 2, "A, 2", 20.0);
    fleet.wait(4);
    let found = ["A", "A/1"].map(|group| in_alert(&fleet.process.snapshot(), group));
    assert_eq!(found, [Some((0, 2, 0)), Some((0, 1, 0))], "one rule is gone, and one device is cool");
}

#[test]
fn only_what_moved_is_told_and_at_most_once_a_second() {
    let mut fleet = Fleet::new();
    sends(&mut fleet, "a", 0, "A", 1.0);
    sends(&mut fleet, "b", 0, "B", 1.0);
    fleet.wait(1);
    let mut rounds = 0;
    for n in 0..1_000 {
        let payload = format!(r#"{{"deviceId":"a","location":"A","time":{},"t":{n}}}"#, T0 + 1_500 + n * 10);
        let changes = fleet.apply(&support::publication(T0 + 1_500 + n * 10, "c1", "x/y", &payload));
        let told = aggregates(changes, "t");
        rounds += usize::from(!told.is_empty());
        assert!(told.iter().all(|(group, _)| group != "B"));
    }
    assert!((9..=11).contains(&rounds), "{rounds} rounds in 10 s");
}

#[test]
fn a_lost_device_leaves_the_figures_but_stays_in_the_coverage() {
    let mut fleet = Fleet::new();
    sends(&mut fleet, "a", 0, "A", 1.0);
    sends(&mut fleet, "b", 0, "A", 3.0);
    for at_s in 1..700 {
        sends(&mut fleet, "a", at_s, "A", 1.0);
    }
    fleet.wait(701);
    let whole = fleet.process.snapshot();
    let aggregate = of(&whole, "A");
    assert_eq!((aggregate.count, aggregate.devices, aggregate.sum), (1, 2, 1.0));
    assert_eq!(counts(&whole, ""), StateCounts { fresh: 1, lost: 1, ..StateCounts::default() });
}

#[test]
fn a_device_that_moves_takes_its_values_along() {
    let mut fleet = Fleet::new();
    sends(&mut fleet, "a", 0, "A", 1.0);
    fleet.wait(1);
    sends(&mut fleet, "a", 2, "B", 2.0);
    let changes = fleet.output.changes.clone();
    assert_eq!((of(&changes, "A").devices, of(&changes, "A").oldest_ms), (0, None), "told as empty");
    assert_eq!(of(&changes, "B").sum, 2.0);
    assert_eq!(counts(&changes, "A"), StateCounts::default());
    assert!(aggregates(&fleet.process.snapshot(), "t").iter().all(|(group, _)| group != "A"));
}

#[test]
fn beyond_the_limits_devices_count_in_the_nearest_group_and_metrics_not_at_all() {
    let config = ProcessConfig { groups_max: 2, aggregate_metrics_max: 1, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    sends(&mut fleet, "a", 0, "A, 1, x", 1.0);
    fleet.sends("b", 0, 0, r#""location":"B","t":2,"u":3"#);
    fleet.wait(1);
    let whole = fleet.process.snapshot();
    let groups: Vec<String> = aggregates(&whole, "t").into_iter().map(|(group, _)| group).collect();
    assert_eq!(groups, ["", "A"]);
    assert_eq!(of(&whole, "").sum, 3.0);
    assert_eq!(aggregates(&whole, "u"), []);
}

/// Four devices with 250 names each, as the limit on metrics of a device allows.
fn with_a_thousand_names() -> Fleet {
    let mut fleet = Fleet::new();
    for device in 0..4 {
        let names: Vec<String> = (0..250).map(|n| format!(r#""n{device}-{n}":1"#)).collect();
        fleet.sends(&format!("junk{device}"), 0, 0, &names.join(","));
    }
    fleet.wait(2);
    assert_eq!(fleet.process.metrics_without_figures(), 0);
    fleet
}

#[test]
fn a_thousand_names_on_four_devices_take_no_figures_from_a_metric_of_others() {
    let mut fleet = with_a_thousand_names();
    sends(&mut fleet, "dev7", 3, "A, 1", 20.0);
    assert_eq!(fleet.reasons(), [Reason::MetricLimit]);
    assert!(fleet.output.problems[0].detail.contains("\"n3-99\" has no figures"), "{:?}", fleet.output.problems);
    let told = fleet.output.changes.clone();
    fleet.wait(5);
    let ended: Vec<_> = told.iter().filter(|of| matches!(of, Change::Aggregate(of) if of.devices == 0)).collect();
    assert_eq!(ended.len(), 2, "of its group and of all: {ended:?}");
    // Without another reading of it.
    let whole = fleet.process.snapshot();
    assert_eq!((of(&whole, "").sum, of(&whole, "A/1").devices), (20.0, 1));
    assert_eq!(fleet.process.metrics_without_figures(), 1);
    // It stays so, whatever the four say next.
    for at_s in 9..20 {
        for device in 0..4 {
            let names: Vec<String> = (0..250).map(|n| format!(r#""n{device}-{n}":{at_s}"#)).collect();
            fleet.sends(&format!("junk{device}"), at_s, at_s, &names.join(","));
        }
        sends(&mut fleet, "dev7", at_s, "A, 1", f64::from(at_s as u32));
        fleet.wait(at_s + 1);
        assert!(aggregates(&fleet.process.snapshot(), "t").iter().any(|(_, of)| of.sum == f64::from(at_s as u32)));
    }
}

#[test]
fn a_metric_that_has_no_figures_is_told_when_it_comes_and_when_it_loses_them() {
    let config = ProcessConfig { aggregate_metrics_max: 1, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    fleet.sends("a", 0, 0, r#""u":1,"v":1"#);
    assert_eq!(fleet.reasons(), [Reason::MetricLimit]);
    assert!(
        fleet.output.problems[0].detail.contains("\"v\" has no figures by group: process.aggregate_metrics_max (1)")
    );
    fleet.wait(1);
    fleet.sends("b", 2, 2, r#""v":1"#);
    fleet.sends("b", 4, 4, r#""v":2"#);
    let problems: Vec<_> = fleet.output.problems.iter().map(|problem| problem.detail.clone()).collect();
    assert!(problems.is_empty() || problems[0].contains("\"u\""), "{problems:?}");
    fleet.sends("b", 6, 6, r#""v":3"#);
    fleet.wait(8);
    let whole = fleet.process.snapshot();
    assert_eq!((aggregates(&whole, "u").len(), aggregates(&whole, "v")[0].1.devices), (0, 2));
}

#[test]
fn a_name_whose_devices_are_gone_gives_its_figures_to_others() {
    let config = ProcessConfig {
        aggregate_metrics_max: 1,
        forget_after: Some(Duration::from_secs(3_600)),
        ..ProcessConfig::default()
    };
    let mut fleet = Fleet::with(config);
    fleet.sends("gone", 0, 0, r#""u":1"#);
    for at_s in (0..3_700).step_by(60) {
        fleet.wait(at_s);
        sends(&mut fleet, "dev7", at_s, "A", 1.0);
    }
    sends(&mut fleet, "dev7", 3_700, "A", 2.0);
    fleet.wait(3_702);
    let whole = fleet.process.snapshot();
    assert_eq!((aggregates(&whole, "u").len(), of(&whole, "").sum), (0, 2.0));
    assert_eq!(fleet.process.metrics_without_figures(), 0);
}

/// Bytes of a checkpoint without the hashes of devices that left, of which there are so many at most.
fn bytes_without_who_left(fleet: &Fleet) -> usize {
    let parts = support::parts(&fleet.process.checkpoint());
    parts.iter().filter(|(name, ..)| name != "left").map(|(.., bytes)| bytes.len()).sum()
}

/// What stays of `count` names, each of a device that came and went.
fn left_of(count: usize) -> (usize, usize) {
    let config = ProcessConfig { forget_after: Some(Duration::from_secs(60)), ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    for n in 0..count {
        fleet.sends(&format!("d{n}"), 0, 0, &format!(r#""name{n}":1"#));
    }
    fleet.wait(3_600);
    (bytes_without_who_left(&fleet), fleet.process.metrics_without_figures())
}

#[test]
fn names_that_are_gone_leave_nothing_behind() {
    assert_eq!(left_of(3_000), left_of(10));
}

fn members(fleet: &Fleet, group: &str) -> u32 {
    let of = |change: &Change| match change {
        Change::States { group: path, counts, .. } if **path == *group => {
            Some(counts.fresh + counts.lost + counts.late)
        }
        _ => None,
    };
    fleet.process.snapshot().iter().find_map(of).unwrap_or(0)
}

#[test]
fn groups_that_came_and_went_leave_their_places_to_others() {
    let config =
        ProcessConfig { groups_max: 21, forget_after: Some(Duration::from_secs(3_600)), ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    let mut checkpoints = Vec::new();
    for generation in 0..200 {
        let at_s = generation * 10_000;
        fleet.wait(at_s);
        for n in 0..10 {
            sends(&mut fleet, &format!("g{generation:03}-{n}"), at_s, &format!("site{generation:03}-{n}, hall"), 1.0);
        }
        fleet.wait(at_s + 2);
        for n in 0..10 {
            assert_eq!(members(&fleet, &format!("site{generation:03}-{n}/hall")), 1, "{generation}");
        }
        checkpoints.push(bytes_without_who_left(&fleet));
    }
    assert!(checkpoints[199] <= checkpoints[0] + 100, "{} bytes, then {}", checkpoints[0], checkpoints[199]);
}

#[test]
fn a_group_without_a_device_goes_with_the_round_that_tells_it_is_empty_and_may_come_again() {
    let mut fleet = Fleet::new();
    sends(&mut fleet, "a", 0, "A, 1, x", 1.0);
    let begun = fleet.process.checkpoint().len();
    for n in 0..20 {
        sends(&mut fleet, "a", 10 * n + 3, "B", 1.0);
        sends(&mut fleet, "a", 10 * n + 6, "A, 1, x", 2.0);
        let told = fleet.wait(10 * n + 8);
        assert_eq!((members(&fleet, "A/1/x"), members(&fleet, "A"), members(&fleet, "B")), (1, 1, 0), "{told:?}");
    }
    assert!(fleet.process.checkpoint().len() < begun + 200);
}

#[test]
fn a_device_that_found_no_room_counts_in_its_group_once_there_is() {
    let config = ProcessConfig { groups_max: 2, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    sends(&mut fleet, "a", 0, "A", 1.0);
    sends(&mut fleet, "b", 0, "B, 1", 2.0);
    fleet.wait(2);
    assert_eq!((members(&fleet, "A"), members(&fleet, "B"), members(&fleet, "")), (1, 0, 2));
    sends(&mut fleet, "a", 3, "", 1.0);
    fleet.wait(5);
    sends(&mut fleet, "b", 6, "B, 1", 2.0);
    fleet.wait(8);
    assert_eq!((members(&fleet, "A"), members(&fleet, "B"), members(&fleet, "")), (0, 1, 2));
}
