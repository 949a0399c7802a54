//! Rules are put, changed and taken away while the fleet goes on.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Fleet, T0, above, alerts, named, restore, rule};
use tidegate_process::{Condition, Process, ProcessConfig, Rule};
use tidegate_telemetry::{AlertState, Change, Entry, Intent};
use tidegate_testing::cpu_ns;

fn put(fleet: &mut Fleet, at_s: i64, rule: Rule) -> Vec<Change> {
    let (received_ms, by, rule) = (T0 + at_s * 1_000, "ann".to_owned(), Box::new(rule));
    fleet.apply(&Entry::Intent(Intent::PutRule { received_ms, by, rule })).to_vec()
}

fn remove(fleet: &mut Fleet, at_s: i64, name: &str) -> Vec<Change> {
    let (received_ms, by, rule) = (T0 + at_s * 1_000, "ann".to_owned(), Rule::configured_id(name).to_string());
    fleet.apply(&Entry::Intent(Intent::RemoveRule { received_ms, by, rule })).to_vec()
}

/// Names of rules and where their alerts stand, as told.
fn told(changes: &[Change]) -> Vec<(String, AlertState)> {
    alerts(changes).iter().map(|alert| (alert.rule.to_string(), alert.state)).collect()
}

fn one(name: &str, state: AlertState) -> Vec<(String, AlertState)> {
    vec![(name.to_owned(), state)]
}

#[test]
fn a_rule_counts_from_when_it_is_put_until_it_is_taken_away() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 9.0);
    assert_eq!(told(&put(&mut fleet, 1, named("hot", above(8.0, 0.0, 0)))), [], "the next reading is judged");
    assert_eq!(told(fleet.feels("dev7", 2, 9.0)), one("hot", AlertState::Raised));
    assert_eq!(fleet.process.reach().rules()[0].1.series, 1);
    remove(&mut fleet, 3, "hot");
    assert_eq!(told(&fleet.wait(3)), one("hot", AlertState::Cleared), "at once, with the next entry");
    assert_eq!(told(fleet.feels("dev7", 4, 9.5)), []);
    assert_eq!(fleet.process.reach().rules(), []);
    assert_eq!(told(&remove(&mut fleet, 5, "hot")), [], "there is none");
}

#[test]
fn what_stands_under_a_rule_goes_on_when_it_changes_and_ends_when_it_looks_at_something_else() {
    let mut fleet = Fleet::new();
    put(&mut fleet, 0, named("hot", above(8.0, 0.0, 0)));
    fleet.feels("dev7", 1, 9.0);
    put(&mut fleet, 2, named("hot", above(10.0, 5.0, 0)));
    assert_eq!(told(fleet.feels("dev7", 3, 9.0)), [], "it is not back by five yet");
    assert_eq!(told(fleet.feels("dev7", 4, 4.0)), one("hot", AlertState::Cleared));
    assert_eq!(told(fleet.feels("dev7", 5, 9.0)), [], "the threshold is another one");
    fleet.feels("dev7", 6, 11.0);
    put(
        &mut fleet,
        7,
        named("hot", rule(Some("humidity"), Condition::Above { threshold: 8.0, hysteresis: 0.0, for_ms: 0 })),
    );
    assert_eq!(told(&fleet.wait(7)), one("hot", AlertState::Cleared));
    assert_eq!(told(fleet.sends("dev7", 8, 8, r#""humidity":9"#)), one("hot", AlertState::Raised));
}

#[test]
fn an_alert_carries_the_facts_of_its_rule_as_they_were_when_it_was_raised() {
    let mut fleet = Fleet::new();
    let condition = Condition::Above { threshold: 8.0, hysteresis: 0.5, for_ms: 0 };
    put(&mut fleet, 0, rule(Some("temperature"), condition));
    let raised = fleet.feels("dev7", 1, 9.0).to_vec();
    let alert = alerts(&raised)[0];
    assert_eq!((alert.condition, alert.unit.as_deref(), alert.decimals), (Some(condition), Some("°C"), Some(1)));
}

#[test]
fn the_rules_are_in_the_checkpoint_and_the_configuration_changes_only_its_own() {
    let of_a_person = Rule { id: "r-1".into(), ..named("by ann", above(20.0, 0.0, 0)) };
    let config = |rules: Vec<Rule>| ProcessConfig { rules, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config(vec![named("hot", above(8.0, 0.0, 0)), named("cold", above(-8.0, 0.0, 0))]));
    put(&mut fleet, 1, of_a_person.clone());
    let names = |process: &Process| process.reach().rules().iter().map(|(rule, _)| rule.name.to_string()).collect();
    let before: Vec<String> = names(&fleet.process);
    assert_eq!(before, ["hot", "cold", "by ann"]);
    let without = Process::restore(config(Vec::new()), &fleet.process.checkpoint()).unwrap();
    assert_eq!(names(&without) as Vec<String>, before, "until the log says otherwise");
    assert_eq!(without.rules_to_change(T0).len(), 2, "both that are gone, and not the one of a person");
    let restarted = restore(config(vec![named("hot", above(9.0, 0.0, 0))]), &fleet.process.checkpoint());
    assert_eq!(names(&restarted) as Vec<String>, ["hot", "by ann"]);
    assert_eq!(restarted.rules_to_change(T0), []);
}

#[test]
fn a_rule_that_awaits_a_device_begins_to_when_it_is_put_and_goes_on_when_it_changes() {
    let awaiting = |for_ms| Rule { device: Some("dev7".into()), ..rule(None, Condition::NoReading { for_ms }) };
    let mut fleet = Fleet::new();
    fleet.tick(100);
    put(&mut fleet, 100, awaiting(60_000));
    assert_eq!(told(&fleet.wait(159)), []);
    put(&mut fleet, 159, awaiting(90_000));
    assert_eq!(told(&fleet.wait(189)), []);
    assert_eq!(told(&fleet.wait(190)), one("rule", AlertState::Raised));
    remove(&mut fleet, 200, "rule");
    assert_eq!(fleet.wait(1_000), []);
}

#[test]
fn one_more_rule_costs_as_much_beside_many_as_beside_few() {
    let cost = |rules: usize| {
        let mut fleet = Fleet::new();
        for device in 0..500 {
            fleet.feels(&format!("d{device}"), 0, 1.0);
        }
        let before = cpu_ns();
        for rule in 0..rules {
            put(&mut fleet, 1, named(&format!("r{rule}"), above(1e9, 0.0, 0)));
        }
        let (cost, reach) = (cpu_ns() - before, fleet.process.reach().rules());
        assert!(reach.iter().all(|(_, reach)| (reach.devices, reach.series) == (500, 500)));
        cost
    };
    let (few, many) = (cost(50), cost(800));
    assert!(many < 16 * 4 * few, "{many} ns for 800 rules, {few} ns for 50");
}
