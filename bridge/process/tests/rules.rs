//! Many rules: what is chosen, and that the cost follows what is chosen.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{Fleet, T0, above, alerts, publication, rule};
use tidegate_process::{Condition, Process, ProcessConfig, Rule};
use tidegate_telemetry::Change;
use tidegate_testing::cpu_ns;

fn with_rules(rules: Vec<Rule>) -> ProcessConfig {
    ProcessConfig { rules, ..ProcessConfig::default() }
}

fn named(number: usize, rule: Rule) -> Rule {
    support::named(&format!("rule {number}"), rule)
}

fn says<'f>(fleet: &'f mut Fleet, payload: &str) -> &'f [Change] {
    let received_ms = T0 + fleet.position as i64 + 1;
    fleet.apply(&publication(received_ms, "c1", "x", payload))
}

fn cost_ns(work: impl FnOnce()) -> u64 {
    let before = cpu_ns();
    work();
    cpu_ns() - before
}

#[test]
fn many_rules_on_a_metric_cost_each_as_much_as_few_when_metrics_come_and_at_a_restart() {
    let cost = |rules: usize, devices: usize| {
        let config = with_rules((0..rules).map(|number| named(number, above(1e9, 0.0, 0))).collect());
        let mut fleet = Fleet::with(config.clone());
        let came = cost_ns(|| {
            for device in 0..devices {
                says(&mut fleet, &format!(r#"{{"deviceId":"d{device}","temperature":1}}"#));
                says(&mut fleet, &format!(r#"{{"deviceId":"d{device}","other":1}}"#));
            }
        });
        let checkpoint = fleet.process.checkpoint();
        let restored = cost_ns(|| drop(support::restore(config, &checkpoint)));
        [came, restored]
    };
    let (few, many) = (cost(500, 1_000), cost(10_000, 50));
    for (few, many) in few.into_iter().zip(many) {
        assert!(many < 5 * few, "{many} ns with 10,000 rules on 50 devices, {few} ns with 500 on 1,000");
    }
}

#[test]
fn rules_on_other_devices_groups_and_metrics_cost_nothing() {
    let cost = |rules: usize| {
        let about = |number: usize| {
            let pattern = Some(format!("site {number}/*"));
            match number % 3 {
                0 => Rule { device: pattern, ..above(1.0, 0.0, 0) },
                1 => Rule { group: pattern, ..rule(None, Condition::NoReading { for_ms: 1_000 }) },
                _ => rule(Some(&format!("metric {number}")), Condition::NoReading { for_ms: 1_000 }),
            }
        };
        let config = with_rules((0..rules).map(|number| named(number, about(number))).collect());
        let mut fleet = Fleet::with(config);
        cost_ns(|| {
            for device in 0..4_000 {
                let payload = format!(r#"{{"deviceId":"d{device}","location":"hall","temperature":1,"other":1}}"#);
                says(&mut fleet, &payload);
            }
        })
    };
    let (few, many) = (cost(100), cost(10_000));
    assert!(many < 10 * few, "{many} ns with 10,000 rules, {few} ns with 100");
}

#[test]
fn patterns_choose_what_they_match_wherever_their_first_star_is() {
    let patterns = ["*", "d*", "d1", "?1", "*1", "d1*", "é*", "x*", "d", ""];
    let [by_device, by_group] = [0, 100].map(|from| {
        (from..).zip(patterns).map(move |(number, pattern)| {
            let pattern = Some(pattern.to_owned());
            let (device, group) = if from == 0 { (pattern, None) } else { (None, pattern) };
            named(number, Rule { device, group, ..above(1.0, 0.0, 0) })
        })
    });
    let mut fleet = Fleet::with(with_rules(by_device.chain(by_group).collect()));
    let mut raised = |device: &str, location: &str| {
        let payload = format!(r#"{{"deviceId":"{device}","location":"{location}","temperature":2}}"#);
        alerts(says(&mut fleet, &payload)).iter().map(|alert| alert.rule.to_string()).collect::<Vec<_>>()
    };
    let rules = |numbers: &[usize]| numbers.iter().map(|number| format!("rule {number}")).collect::<Vec<_>>();
    assert_eq!(raised("d1", "d2"), rules(&[0, 1, 2, 3, 4, 5, 100, 101]));
    assert_eq!(raised("é1", "é"), rules(&[0, 3, 4, 6, 100, 106]));
    assert_eq!(raised("è", "d1"), rules(&[0, 100, 101, 102, 103, 104, 105]));
    assert_eq!(raised("d", "hall"), rules(&[0, 1, 8, 100]));
}

#[test]
fn a_rule_tells_what_it_looks_at_whatever_comes_changes_moves_goes_and_restarts() {
    let in_hall = |rule: Rule| Rule { group: Some("hall*".into()), ..rule };
    let config = || ProcessConfig {
        devices_max: 3,
        ..with_rules(vec![
            named(0, above(1.0, 0.0, 0)),
            named(1, in_hall(above(1.0, 0.0, 0))),
            named(2, in_hall(rule(None, Condition::NoReading { for_ms: 1_000_000 }))),
            named(3, Rule { device: Some("nobody".into()), ..above(1.0, 0.0, 0) }),
            named(4, rule(Some("temprature"), Condition::NoReading { for_ms: 1_000_000 })),
        ])
    };
    let mut fleet = Fleet::with(config());
    let reach = |process: &Process| {
        let restored = support::restore(config(), &process.checkpoint());
        assert_eq!(restored.reach().rules(), process.reach().rules(), "a restart counts the same");
        let rules = process.reach().rules();
        rules.iter().map(|(_, of)| [of.devices, of.series, of.texts]).collect::<Vec<_>>()
    };
    let mut all = |payloads: &[&str]| {
        payloads.iter().for_each(|payload| {
            says(&mut fleet, payload);
        });
        reach(&fleet.process)
    };
    assert_eq!(all(&[]), [[0; 3]; 5]);
    let told = all(&[
        r#"{"deviceId":"d1","location":"hall","temperature":1}"#,
        r#"{"deviceId":"d2","location":"hall 2","temperature":"warm"}"#,
        r#"{"deviceId":"d3","location":"yard","other":"warm"}"#,
    ]);
    assert_eq!(told, [[3, 2, 1], [2, 2, 1], [2, 2, 0], [0, 0, 0], [3, 0, 0]]);
    let told = all(&[
        r#"{"deviceId":"d1","location":"hall","temperature":"hot"}"#,
        r#"{"deviceId":"d2","location":"yard","temperature":2}"#,
        r#"{"deviceId":"d3","location":"hall","temperature":"warm"}"#,
        r#"{"deviceId":"d3","location":"hall","temperature":2}"#,
    ]);
    assert_eq!(told, [[3, 3, 1], [2, 2, 1], [2, 2, 0], [0, 0, 0], [3, 0, 0]]);
    let mut forgetful = ProcessConfig { forget_after: Some(Duration::from_secs(700)), ..config() };
    forgetful.lost_after_min = Duration::from_secs(60);
    fleet.process = support::restore(forgetful, &fleet.process.checkpoint());
    for at_s in (0..2_000).step_by(100) {
        fleet.tick(at_s);
    }
    assert_eq!(fleet.process.devices(), 0);
    assert_eq!(reach(&fleet.process), [[0; 3]; 5]);
}
