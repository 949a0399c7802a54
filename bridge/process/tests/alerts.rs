//! Alerts: raised, acknowledged, cleared.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{Fleet, T0, above, alerts, publication, rule};
use tidegate_process::{Condition, ProcessConfig, Rule};
use tidegate_telemetry::{AlertState, Change, Severity, words};

#[test]
fn a_value_above_the_threshold_raises_at_once() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 0));
    assert!(alerts(fleet.feels("dev7", 0, 8.0)).is_empty());
    let changes = fleet.feels("dev7", 1, 8.1).to_vec();
    let alert = alerts(&changes)[0];
    assert_eq!((&*alert.id, alert.state, alert.value), ("a-2-0", AlertState::Raised, Some(8.1)));
    assert_eq!(&*words::of_alert(alert), "Above 8.0 °C");
    assert_eq!((&*alert.device_id, &*alert.group, alert.metric.as_deref()), ("dev7", "hall", Some("temperature")));
    assert_eq!((alert.severity, alert.raised_ms), (Severity::Warning, T0 + 1_000));
    assert!(alerts(fleet.feels("dev7", 2, 9.0)).is_empty(), "once");
}

#[test]
fn it_clears_only_beyond_the_hysteresis_and_the_next_is_a_new_alert() {
    let mut fleet = Fleet::with_rule(above(8.0, 1.0, 0));
    fleet.feels("dev7", 0, 9.0);
    assert!(alerts(fleet.feels("dev7", 1, 7.5)).is_empty());
    let changes = fleet.feels("dev7", 2, 7.0).to_vec();
    let alert = alerts(&changes)[0];
    assert_eq!((&*alert.id, alert.state, alert.value), ("a-1-0", AlertState::Cleared, Some(7.0)));
    assert_eq!(alert.cleared_ms, Some(T0 + 2_000));
    assert_eq!(&*alerts(fleet.feels("dev7", 3, 9.0))[0].id, "a-4-0");
}

#[test]
fn below_is_above_upside_down() {
    let condition = Condition::Below { threshold: 20.0, hysteresis: 5.0, for_ms: 0 };
    let mut fleet = Fleet::with_rule(rule(Some("battery"), condition));
    let mut states = |value: i64, at_s: i64| {
        let changes = fleet.sends("dev7", at_s, at_s, &format!(r#""battery":{value}"#));
        alerts(changes).first().map(|alert| (words::of_alert(alert), alert.state))
    };
    assert_eq!(states(20, 0), None);
    assert_eq!(states(19, 1), Some(("Below 20%".into(), AlertState::Raised)));
    assert_eq!(states(24, 2), None);
    assert_eq!(states(25, 3), Some(("Below 20%".into(), AlertState::Cleared)));
}

#[test]
fn a_duration_counts_by_the_devices_own_time() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 30_000));
    // A backlog: a minute of readings within a second.
    assert!(alerts(fleet.sends("dev7", 100, 0, r#""temperature":9"#)).is_empty());
    assert!(alerts(fleet.sends("dev7", 100, 29, r#""temperature":9"#)).is_empty());
    let changes = fleet.sends("dev7", 100, 30, r#""temperature":9"#).to_vec();
    assert_eq!(words::of_alert(alerts(&changes)[0]), "Above 8.0 °C for 30 s");
}

#[test]
fn a_duration_also_ends_when_no_further_reading_comes() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 30_000));
    fleet.feels("dev7", 0, 9.0);
    let changes = fleet.wait(29);
    assert!(alerts(&changes).is_empty());
    let changes = fleet.wait(31);
    assert_eq!(alerts(&changes)[0].raised_ms, T0 + 30_000);
}

#[test]
fn a_dip_starts_the_duration_anew() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 30_000));
    for (at_s, value, raises) in
        [(0, 9.0, false), (20, 8.0, false), (25, 9.0, false), (50, 9.0, false), (55, 9.0, true)]
    {
        assert_eq!(alerts(fleet.feels("dev7", at_s, value)).len(), usize::from(raises), "at {at_s}");
    }
}

#[test]
fn late_and_repeated_readings_neither_raise_nor_clear() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 0));
    fleet.feels("dev7", 10, 5.0);
    assert!(alerts(fleet.sends("dev7", 11, 9, r#""temperature":99"#)).is_empty());
    fleet.feels("dev7", 12, 9.0);
    assert!(alerts(fleet.sends("dev7", 13, 11, r#""temperature":5"#)).is_empty());
    assert!(alerts(fleet.sends("dev7", 14, 12, r#""temperature":9"#)).is_empty());
}

#[test]
fn the_first_acknowledgement_in_the_log_wins() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 0));
    fleet.feels("dev7", 0, 9.0);
    let changes = fleet.acknowledge(1, "a-1-0", "ann").to_vec();
    let alert = alerts(&changes)[0];
    assert_eq!((alert.state, alert.acknowledged.clone()), (AlertState::Acknowledged, Some((T0 + 1_000, "ann".into()))));
    for id in ["a-1-0", "a-1-1", "a-01-0", "nonsense", ""] {
        assert!(fleet.acknowledge(2, id, "bob").is_empty(), "{id}");
        assert_eq!(fleet.output.counts.acknowledgements_ignored, 1);
    }
    let changes = fleet.feels("dev7", 3, 1.0).to_vec();
    assert_eq!(alerts(&changes)[0].acknowledged.as_ref().unwrap().1.as_ref(), "ann", "kept when it clears");
    assert!(alerts(fleet.acknowledge(4, "a-1-0", "bob")).is_empty());
}

#[test]
fn an_alert_keeps_what_raised_it_how_far_it_went_and_what_cleared_it() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.5, 0));
    fleet.feels("dev7", 0, 9.0);
    let peaks: Vec<Option<f64>> = [(1, 12.5), (2, 11.0), (3, 12.5), (4, 8.2), (5, 7.8)]
        .map(|(at_s, value)| {
            let peaks = fleet.feels("dev7", at_s, value).iter();
            peaks.filter_map(|it| if let Change::AlertPeak(alert) = it { alert.peak } else { None }).next()
        })
        .into();
    assert_eq!(peaks, [Some(12.5), None, None, None, None], "told once for each new one");
    let changes = fleet.feels("dev7", 6, 7.5).to_vec();
    let alert = alerts(&changes)[0];
    assert_eq!((alert.raised_value, alert.peak, alert.cleared_value()), (Some(9.0), Some(12.5), Some(7.5)));

    let condition = Condition::Below { threshold: 20.0, hysteresis: 0.0, for_ms: 0 };
    let mut fleet = Fleet::with_rule(rule(Some("temperature"), condition));
    for (at_s, value) in [(0, 19.0), (1, 12.0), (2, 15.0)] {
        fleet.feels("dev7", at_s, value);
    }
    let changes = fleet.feels("dev7", 3, 20.0).to_vec();
    assert_eq!(alerts(&changes)[0].peak, Some(12.0), "the lowest of one that is about too little");
}

#[test]
fn an_acknowledgement_has_a_comment_and_can_be_taken_back() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 0));
    fleet.feels("dev7", 0, 9.0);
    assert!(fleet.unacknowledge(1, "a-1-0", "bob").is_empty(), "nobody took it on");
    let changes = fleet.acknowledge_with(2, "a-1-0", "ann", "the door was open").to_vec();
    assert_eq!(alerts(&changes)[0].comment.as_deref(), Some("the door was open"));
    let changes = fleet.unacknowledge(3, "a-1-0", "bob").to_vec();
    let alert = alerts(&changes)[0];
    assert_eq!((alert.state, &alert.acknowledged, &alert.comment), (AlertState::Raised, &None, &None));
    assert_eq!((alert.unacknowledged.clone(), alert.changed_ms()), (Some((T0 + 3_000, "bob".into())), T0 + 3_000));
    let changes = fleet.acknowledge(4, "a-1-0", "cid").to_vec();
    let alert = alerts(&changes)[0];
    assert_eq!((alert.state, &alert.unacknowledged), (AlertState::Acknowledged, &None), "and taken on again");
    let changes = fleet.feels("dev7", 5, 1.0).to_vec();
    assert_eq!(alerts(&changes)[0].state, AlertState::Cleared);
    assert!(fleet.unacknowledge(6, "a-1-0", "bob").is_empty(), "it is over");
}

#[test]
fn silence_raises_and_the_next_reading_clears() {
    let mut fleet = Fleet::with_rule(rule(None, Condition::NoReading { for_ms: 300_000 }));
    for at_s in 0..100 {
        fleet.feels("dev7", at_s, 1.0);
    }
    let changes = fleet.wait(99 + 299);
    assert!(alerts(&changes).is_empty());
    let changes = fleet.wait(99 + 301);
    let alert = alerts(&changes)[0];
    assert_eq!((&*words::of_alert(alert), alert.raised_ms), ("No reading for 5 min", T0 + 399_000));
    assert_eq!((alert.metric.clone(), alert.value), (None, None));
    let changes = fleet.feels("dev7", 500, 1.0).to_vec();
    assert_eq!(alerts(&changes)[0].state, AlertState::Cleared);
    let changes = fleet.wait(900);
    assert_eq!(alerts(&changes).len(), 1, "and counts anew");
}

#[test]
fn silence_of_one_metric_is_noticed_while_others_go_on() {
    let mut fleet = Fleet::with_rule(rule(Some("humidity"), Condition::NoReading { for_ms: 60_000 }));
    fleet.sends("dev7", 0, 0, r#""temperature":1,"humidity":40"#);
    let mut raised = Vec::new();
    for at_s in 1..100 {
        raised.extend(alerts(fleet.feels("dev7", at_s, 1.0)).iter().map(|alert| words::of_alert(alert)));
    }
    assert_eq!(raised, ["No humidity for 1 min"]);
}

#[test]
fn selectors_choose_devices_and_groups() {
    let selective = Rule { device: Some("fridge*".into()), group: Some("A*".into()), ..above(8.0, 0.0, 0) };
    let mut fleet = Fleet::with_rule(selective);
    for (device, location, raises) in
        [("fridge1", "A, 1", true), ("fridge2", "B, 1", false), ("oven1", "A, 1", false), ("fridge3", "A", true)]
    {
        let metrics = format!(r#""location":"{location}","temperature":9"#);
        assert_eq!(alerts(fleet.sends(device, 1, 1, &metrics)).len(), usize::from(raises), "{device}");
    }
    let changes = fleet.sends("fridge1", 2, 2, r#""location":"B","temperature":9"#).to_vec();
    assert_eq!(alerts(&changes)[0].state, AlertState::Cleared, "it moved out of the rule's reach");
}

#[test]
fn after_a_restart_alerts_of_vanished_rules_are_cleared_and_the_others_go_on() {
    let named = |name: &str| support::named(name, above(8.0, 0.0, 0));
    let config = |rules: Vec<Rule>| ProcessConfig { rules, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config(vec![named("gone"), named("kept")]));
    assert_eq!(alerts(fleet.feels("dev7", 0, 9.0)).len(), 2);

    let checkpoint = fleet.process.checkpoint();
    let changed = fleet.go_on(config(vec![named("new"), named("kept")]), &checkpoint);
    let changes = [&changed, fleet.feels("dev7", 1, 9.5)].concat();
    let told: Vec<_> = alerts(&changes).iter().map(|alert| (alert.rule.to_string(), alert.state)).collect();
    assert_eq!(told, [("gone".to_owned(), AlertState::Cleared), ("new".to_owned(), AlertState::Raised)]);
    let changes = fleet.feels("dev7", 2, 1.0).to_vec();
    let told: Vec<_> = alerts(&changes).iter().map(|alert| alert.rule.to_string()).collect();
    assert_eq!(told, ["new", "kept"]);
}

#[test]
fn the_snapshot_holds_active_alerts_and_recent_ones() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 0));
    fleet.feels("dev1", 0, 9.0);
    fleet.feels("dev2", 0, 9.0);
    fleet.feels("dev1", 10, 1.0);
    assert_eq!(alerts(&fleet.process.snapshot()).len(), 2);
    fleet.tick(10 + 3_601);
    assert_eq!(alerts(&fleet.process.snapshot()).len(), 1, "cleared more than an hour ago");
}

fn awaited(device: &str, metric: Option<&str>) -> ProcessConfig {
    let silent = rule(metric, Condition::NoReading { for_ms: 60_000 });
    ProcessConfig { rules: vec![Rule { device: Some(device.into()), ..silent }], ..ProcessConfig::default() }
}

#[test]
fn a_named_device_that_never_spoke_raises_its_silence_and_the_first_reading_clears_it() {
    let mut fleet = Fleet::with(awaited("site/b/dev7", None));
    assert!(fleet.process.next_deadline().is_some(), "a tick is to say when it began");
    fleet.tick(0);
    assert!(alerts(&fleet.wait(59)).is_empty());
    let changes = fleet.wait(60);
    let alert = alerts(&changes)[0];
    assert_eq!(
        (&*words::of_alert(alert), alert.raised_ms, alert.state),
        ("No reading for 1 min", T0 + 60_000, AlertState::Raised)
    );
    assert_eq!((&*alert.device_id, &*alert.group), ("site/b/dev7", "site/b"));
    assert!(alerts(&fleet.wait(600)).is_empty(), "once");
    let id = alert.id.clone();
    let changes = fleet.feels("site/b/dev7", 700, 20.0).to_vec();
    let told: Vec<_> = alerts(&changes).iter().map(|alert| (alert.id.clone(), alert.state)).collect();
    assert_eq!(told, [(id, AlertState::Cleared)]);
    assert_eq!(alerts(&fleet.wait(760)).len(), 1, "from now on as ever");
}

#[test]
fn what_it_waited_counts_over_restarts_and_by_time_that_passed() {
    let mut fleet = Fleet::with(awaited("dev7", None));
    fleet.tick(0);
    for at_s in [20, 40] {
        fleet.process = support::restore(awaited("dev7", None), &fleet.process.checkpoint());
        fleet.tick(at_s);
    }
    fleet.set_forward(50, 3_600);
    assert!(alerts(&fleet.wait(3_600 + 59)).is_empty());
    let changes = fleet.wait(3_600 + 60);
    assert_eq!(alerts(&changes).len(), 1);
    let raised = alerts(&changes)[0].id.clone();
    fleet.process = support::restore(awaited("dev7", None), &fleet.process.checkpoint());
    assert!(alerts(&fleet.wait(3_600 + 600)).is_empty(), "it stands");
    let changes = [fleet.restart(awaited("dev8", None)), fleet.wait(3_600 + 700)].concat();
    let told: Vec<_> = alerts(&changes).iter().map(|alert| (&*alert.device_id, alert.state)).collect();
    assert_eq!(
        told,
        [("dev7", AlertState::Cleared), ("dev8", AlertState::Raised)],
        "the rule is about another one now"
    );
    assert_eq!(alerts(&changes)[0].id, raised);
}

#[test]
fn a_metric_that_a_named_device_never_sent_and_a_device_that_was_forgotten_are_waited_for_too() {
    let mut fleet = Fleet::with(ProcessConfig {
        forget_after: Some(Duration::from_secs(600)),
        ..awaited("dev7", Some("humidity"))
    });
    fleet.feels("dev7", 0, 20.0);
    let changes = fleet.wait(60);
    assert_eq!((alerts(&changes)[0].metric.as_deref(), &*alerts(&changes)[0].group), (Some("humidity"), "hall"));
    let changes = fleet.sends("dev7", 61, 61, r#""humidity":40"#).to_vec();
    assert_eq!(alerts(&changes)[0].state, AlertState::Cleared);
    let changes = fleet.wait(2_000);
    let told: Vec<_> = alerts(&changes).iter().map(|alert| alert.state).collect();
    assert_eq!(told, [AlertState::Raised, AlertState::Cleared, AlertState::Raised], "silent, forgotten, missed");
    let changes = fleet.feels("dev7", 2_001, 20.0).to_vec();
    assert_eq!(alerts(&changes).len(), 0, "it says nothing of its humidity yet");
    assert_eq!(in_alert(&changes), [1, 1], "in its group and above, though it was raised before it came");
    let changes = fleet.sends("dev7", 2_020, 2_020, r#""humidity":40"#).to_vec();
    assert_eq!(alerts(&changes)[0].state, AlertState::Cleared);
    assert_eq!(in_alert(&changes), [0, 0]);
}

/// Devices in alert, by group, as told.
fn in_alert(changes: &[Change]) -> Vec<u64> {
    let told = changes.iter().filter_map(|change| match change {
        Change::States { in_alert, .. } => Some(in_alert.critical + in_alert.warning + in_alert.info),
        _ => None,
    });
    told.map(u64::from).collect()
}

#[test]
fn patterns_wait_for_nobody() {
    let mut fleet = Fleet::with(awaited("dev*", None));
    fleet.tick(0);
    assert_eq!(fleet.wait(1_000), []);
}

#[test]
fn a_checkpoint_from_before_rules_waited_is_read_and_they_begin_to() {
    let then = include_bytes!("checkpoints/version-6-silence");
    let config = awaited("dev7", None);
    let mut fleet = Fleet::with(config.clone());
    let changed = fleet.go_on(config, then);
    assert_eq!(fleet.process.devices(), 2);
    let raised = [changed, fleet.tick(100).to_vec(), fleet.wait(160)].concat();
    assert_eq!(alerts(&raised).iter().filter(|alert| &*alert.device_id == "dev7").count(), 1);
}

#[test]
fn a_flood_of_cleared_alerts_is_bounded() {
    let config = ProcessConfig { rules: vec![above(8.0, 0.0, 0)], alerts_recent_max: 10, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    for n in 0..100 {
        fleet.feels("dev7", n, if n % 2 == 0 { 9.0 } else { 1.0 });
    }
    assert_eq!(alerts(&fleet.process.snapshot()).len(), 10);
}

#[test]
fn a_text_says_nothing_about_a_threshold() {
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 0));
    fleet.feels("dev7", 0, 9.0);
    assert!(alerts(fleet.sends("dev7", 1, 1, r#""temperature":"broken""#)).is_empty());
    let entry = publication(T0, "c1", "site/x/other", "99");
    assert!(alerts(fleet.apply(&entry)).is_empty());
}

#[test]
fn every_mistake_of_the_configuration_is_named() {
    let bad = |condition| Rule { name: "".into(), ..rule(Some("t"), condition) };
    let rules = vec![
        bad(Condition::Above { threshold: f64::NAN, hysteresis: -1.0, for_ms: -1 }),
        bad(Condition::NoReading { for_ms: 0 }),
    ];
    let mistakes = ProcessConfig { rules, ..ProcessConfig::default() }.mistakes();
    assert_eq!(mistakes.len(), 8, "{mistakes:#?}");
    let of_rules: Vec<_> = mistakes.iter().map(|mistake| (mistake.rule, mistake.keys[0])).collect();
    let first = ["name", "above", "hysteresis", "for", "name"].map(|key| (Some(0), key));
    let second = ["name", "no_reading_for", "name"].map(|key| (Some(1), key));
    assert_eq!(of_rules, [&first[..], &second[..]].concat(), "each names its rule and key, both of one name do");
    assert!(ProcessConfig::default().mistakes().is_empty());
    let (metrics_per_device_max, aggregate_metrics_max) = (65_536, 65_536);
    let many = ProcessConfig { metrics_per_device_max, aggregate_metrics_max, ..ProcessConfig::default() };
    assert_eq!(many.mistakes().len(), 2, "metrics are numbered in 16 bits");
}
