//! The system's clock is set: what waits for time waits by time that passed.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use support::{Fleet, T0, above, alerts, named, number, publication, rule, states};
use tidegate_process::{CommandsConfig, Condition, ProcessConfig, Rule};
use tidegate_telemetry::DeviceState::{Fresh, Late, Lost};
use tidegate_telemetry::{
    AggregateChange, AlertChange, AlertState, AppliedReading, Change, Command, CommandRequest, CommandState, Entry,
    Intent, LogEntry, Qos,
};

const HOUR: i64 = 3_600;
const YEARS: i64 = 56 * 365 * 86_400;

fn silent(for_ms: i64) -> Rule {
    rule(None, Condition::NoReading { for_ms })
}

/// A device that reports each ten seconds, ten times; its last report is at 90 s.
fn reporting(fleet: &mut Fleet) {
    for n in 0..10 {
        fleet.feels("dev7", n * 10, n as f64);
    }
}

#[test]
fn an_hour_forward_raises_nothing_and_changes_no_state_and_no_figure() {
    for by_s in [3, HOUR, YEARS] {
        let mut fleet = Fleet::with_rule(silent(60_000));
        reporting(&mut fleet);
        assert_eq!(fleet.set_forward(95, by_s), []);
        assert_eq!(fleet.wait(by_s + 99), [], "nothing is due within a minute");
        let changes = fleet.feels("dev7", by_s + 100, 1.0).to_vec();
        assert_eq!((states(&changes), alerts(&changes)), (vec![], vec![]));
    }
    let mut fleet = Fleet::with_rule(silent(60_000));
    reporting(&mut fleet);
    let changes = fleet.tick(95 + HOUR).to_vec();
    assert_eq!(alerts(&changes).len(), 1, "an hour that passed raises");
    assert_eq!(states(&changes), [(Late, 120), (Lost, 190)]);
}

#[test]
fn what_waits_for_time_still_comes_when_so_much_has_passed() {
    let mut fleet = Fleet::with_rule(silent(60_000));
    reporting(&mut fleet);
    fleet.set_forward(95, HOUR);
    let changes = fleet.wait(HOUR + 1_000);
    assert_eq!(states(&changes), [(Late, HOUR + 120), (Lost, HOUR + 190)], "told by the new time");
    assert_eq!(alerts(&changes)[0].raised_ms, T0 + (HOUR + 150) * 1_000);
}

#[test]
fn what_was_due_before_is_told_by_the_time_before() {
    let mut fleet = Fleet::with_rule(silent(60_000));
    reporting(&mut fleet);
    let changes = fleet.set_forward(160, HOUR).to_vec();
    assert_eq!(states(&changes), [(Late, 120)]);
    assert_eq!(alerts(&changes)[0].raised_ms, T0 + 150_000);
    assert_eq!(states(&fleet.wait(2 * HOUR)), [(Lost, HOUR + 190)]);
}

#[test]
fn a_condition_that_must_last_lasts_as_long_whoever_tells_the_time() {
    let told_by_the_server = |fleet: &mut Fleet, at_s: i64| {
        fleet.apply(&publication(T0 + at_s * 1_000, "c1", "hall/dev7/temperature", "9")).to_vec()
    };
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 30_000));
    assert_eq!(alerts(&told_by_the_server(&mut fleet, 0)), Vec::<&AlertChange>::new());
    fleet.set_forward(5, HOUR);
    assert!(alerts(&told_by_the_server(&mut fleet, HOUR + 10)).is_empty(), "it has lasted 10 s");
    let raised = alerts(&fleet.wait(HOUR + 100))[0].raised_ms;
    assert_eq!(raised, T0 + (HOUR + 30) * 1_000);

    // The device's own clock goes on as it did.
    let mut fleet = Fleet::with_rule(above(8.0, 0.0, 30_000));
    fleet.feels("dev7", 0, 9.0);
    fleet.set_forward(5, HOUR);
    assert!(alerts(fleet.sends("dev7", HOUR + 10, 10, r#""temperature":9"#)).is_empty());
    assert_eq!(alerts(&fleet.wait(HOUR + 100))[0].raised_ms, T0 + (HOUR + 30) * 1_000);
}

#[test]
fn the_interval_of_a_device_is_not_taken_for_an_hour() {
    let interval = |fleet: &Fleet| fleet.process.device_figures("dev7").unwrap().interval_ms;
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 1.0);
    fleet.set_forward(3, HOUR);
    fleet.sends("dev7", HOUR + 10, 10, r#""temperature":1"#);
    let hardly_known = ProcessConfig::default().interval_default.as_millis() as i64;
    assert_eq!(interval(&fleet), hardly_known);
    for n in 2..8 {
        fleet.set_forward(HOUR * (n - 1) + n * 10 - 5, HOUR);
        fleet.sends("dev7", HOUR * n + n * 10, n * 10, r#""temperature":1"#);
    }
    assert_eq!(interval(&fleet), 10_000);
}

fn ask(fleet: &mut Fleet, at_s: i64, key: &str) -> &'static str {
    let request = CommandRequest {
        device: "dev7".into(),
        topic: "dev7/command".into(),
        payload: "on".into(),
        content_type: None,
        qos: Qos::AtLeastOnce,
        response_topic: "dev7/response".into(),
        expires_in_s: 60,
        key: Some(key.into()),
    };
    let received_ms = T0 + at_s * 1_000;
    fleet.apply(&Entry::Intent(Intent::SendCommand { received_ms, by: "ann".into(), request: Box::new(request) }));
    if fleet.output.counts.commands_accepted > 0 { "accepted" } else { "repeated" }
}

fn commands(changes: &[Change]) -> Vec<&Command> {
    changes
        .iter()
        .filter_map(|change| if let Change::Command(command) = change { Some(&**command) } else { None })
        .collect()
}

#[test]
fn a_command_waits_the_seconds_it_was_given_and_its_deadline_is_told_anew() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 0, 1.0);
    ask(&mut fleet, 10, "k");
    let changes = fleet.set_forward(30, HOUR).to_vec();
    let [command] = commands(&changes)[..] else { panic!("{changes:?}") };
    assert_eq!((command.state(), command.deadline_ms), (CommandState::Accepted, T0 + (HOUR + 70) * 1_000));
    assert_eq!(command.accepted_ms(), T0 + 10_000, "what happened, happened then");
    let changes = fleet.wait(2 * HOUR);
    assert_eq!(commands(&changes)[0].steps[1], (CommandState::Expired, T0 + (HOUR + 70) * 1_000));
}

#[test]
fn a_key_is_remembered_as_long_as_before() {
    let config = CommandsConfig { age_max: Duration::from_secs(600), ..CommandsConfig::default() };
    let mut fleet = Fleet::with(ProcessConfig { commands: config, ..ProcessConfig::default() });
    fleet.feels("dev7", 0, 1.0);
    assert_eq!(ask(&mut fleet, 10, "k"), "accepted");
    fleet.tick(100);
    fleet.set_forward(200, YEARS);
    fleet.set_forward(300 + YEARS, YEARS);
    assert_eq!(ask(&mut fleet, 2 * YEARS + 609, "k"), "repeated");
    assert_eq!(ask(&mut fleet, 2 * YEARS + 611, "k"), "accepted", "ten minutes are over");
}

/// What happens, and how many seconds after what was before.
#[derive(Debug, Clone)]
enum Step {
    Value { device: u8, metric: u8, value: i8 },
    Acknowledge { position: u8 },
    Nothing,
}

fn step() -> impl Strategy<Value = (i64, Step)> {
    let step = prop_oneof![
        6 => (0..4u8, 0..3u8, 0..5i8).prop_map(|(device, metric, value)| Step::Value { device, metric, value }),
        1 => (0..60u8).prop_map(|position| Step::Acknowledge { position }),
        2 => Just(Step::Nothing),
    ];
    (prop_oneof![4 => 0..12i64, 1 => 60..400i64], step)
}

fn entry(step: &Step, at_ms: i64) -> Entry {
    match step {
        Step::Value { device, metric, value } => {
            let metric = ["temperature", "b", "c"][usize::from(*metric)];
            publication(at_ms, "c1", &format!("hall/d{device}/{metric}"), &value.to_string())
        }
        Step::Acknowledge { position } => {
            let alert = format!("a-{position}-0");
            Entry::Intent(Intent::AcknowledgeAlert { received_ms: at_ms, alert, by: "ann".into(), comment: None })
        }
        Step::Nothing => Entry::Tick(at_ms),
    }
}

/// A change as it would be had the clock not been set by `by_ms` at `at_ms`.
fn unset(change: Change, at_ms: i64, by_ms: i64) -> Change {
    let time = |time_ms: i64| if time_ms >= at_ms { time_ms - by_ms } else { time_ms };
    match change {
        Change::State { device, state, since_ms } => Change::State { device, state, since_ms: time(since_ms) },
        Change::Reading(reading) => Change::Reading(AppliedReading {
            time_ms: time(reading.time_ms),
            received_ms: time(reading.received_ms),
            ..reading
        }),
        Change::Alert(alert) => Change::Alert(alert_by(time, alert)),
        Change::AlertPeak(alert) => Change::AlertPeak(alert_by(time, alert)),
        Change::Aggregate(aggregate) => {
            Change::Aggregate(AggregateChange { oldest_ms: aggregate.oldest_ms.map(time), ..aggregate })
        }
        other => other,
    }
}

fn alert_by(time: impl Fn(i64) -> i64, alert: AlertChange) -> AlertChange {
    AlertChange {
        raised_ms: time(alert.raised_ms),
        cleared_ms: alert.cleared_ms.map(&time),
        acknowledged: alert.acknowledged.map(|(ms, by): (i64, Arc<str>)| (time(ms), by)),
        ..alert
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Three runs of one history: in the one the clock only ticks, in the others it is set in between, and the log counts how
    /// much time passed or does not.
    #[test]
    fn a_clock_that_is_set_changes_nothing_but_the_times_after_it(
        steps in prop::collection::vec(step(), 2..80),
        set_before in 0..80usize,
        by_s in prop_oneof![3..100i64, Just(HOUR), Just(YEARS)],
    ) {
        let config = || ProcessConfig {
            forget_after: Some(Duration::from_secs(900)),
            rules: vec![
                named("lasting", above(2.0, 0.0, 20_000)),
                named("silent", silent(45_000)),
                named("b silent", rule(Some("b"), Condition::NoReading { for_ms: 90_000 })),
            ],
            ..ProcessConfig::default()
        };
        let [mut steady, mut set, mut counted] = [(); 3].map(|()| Fleet::with(config()));
        let (mut now_s, mut ahead_s, mut set_ms) = (0, 0, i64::MAX);
        for (place, (gap_s, step)) in steps.iter().enumerate() {
            if place == set_before % steps.len() {
                ahead_s = by_s;
                set_ms = T0 + (now_s + by_s) * 1_000;
                let expected = steady.tick(now_s).to_vec();
                prop_assert_eq!(set.set_forward(now_s, by_s), &expected);
                let clock_set = Entry::ClockSet { at_ms: set_ms, by_ms: by_s * 1_000 };
                prop_assert_eq!(counted.apply_logged(&LogEntry::new(clock_set, now_s * 1_000)), expected);
                // A value that comes twice at one time is one reading, which it is not with the clock set in between.
                now_s += 1;
            }
            now_s += gap_s;
            // What was due is told in its own order, whoever comes next.
            for tick in [true, false] {
                let at_ms = T0 + now_s * 1_000;
                let one = |ms: i64| if tick { Entry::Tick(ms) } else { entry(step, ms) };
                let expected = steady.apply(&one(at_ms)).to_vec();
                let later = one(at_ms + ahead_s * 1_000);
                let got = set.apply(&later).to_vec();
                prop_assert_eq!(counted.apply_logged(&LogEntry::new(later, now_s * 1_000)), &got);
                let got: Vec<Change> = got.into_iter().map(|change| unset(change, set_ms, by_s * 1_000)).collect();
                prop_assert_eq!(got, expected, "at step {}", place);
            }
        }
    }
}

#[test]
fn a_raised_alert_stays_and_clears_by_the_new_time() {
    let mut fleet = Fleet::with_rule(silent(60_000));
    reporting(&mut fleet);
    fleet.wait(200);
    fleet.set_forward(210, HOUR);
    let changes = fleet.feels("dev7", HOUR + 220, 1.0).to_vec();
    assert_eq!(states(&changes), [(Fresh, HOUR + 220)]);
    let [alert] = alerts(&changes)[..] else { panic!("{changes:?}") };
    assert_eq!((alert.state, alert.raised_ms), (AlertState::Cleared, T0 + 150_000));
    assert_eq!(alert.cleared_ms, Some(T0 + (HOUR + 220) * 1_000));
}

#[test]
fn a_clock_that_is_set_back_raises_nothing_and_what_waits_still_comes_when_so_much_has_passed() {
    for by_s in [3 * HOUR, 4_000 * 86_400] {
        let mut fleet = Fleet::with_rule(silent(60_000));
        reporting(&mut fleet);
        assert_eq!(fleet.set_forward(95, -by_s).len(), 1, "its state is since now, and not since later");
        assert_eq!(fleet.wait(99 - by_s), [], "nothing is due within a minute");
        let changes = fleet.feels("dev7", 100 - by_s, 1.0).to_vec();
        assert_eq!((states(&changes), alerts(&changes)), (vec![], vec![]));
        let changes = fleet.wait(1_000 - by_s);
        assert_eq!(states(&changes), [(Late, 130 - by_s), (Lost, 200 - by_s)]);
        assert_eq!(alerts(&changes)[0].raised_ms, T0 + (160 - by_s) * 1_000);
    }
}

#[test]
fn what_was_stamped_ahead_makes_way_for_the_first_reading_after_the_clock_was_set_back() {
    let mut fleet = Fleet::new();
    for n in 0..10 {
        fleet.apply(&publication(T0 + n * 10_000, "c1", "hall/dev7/temperature", "1"));
    }
    fleet.set_forward(95, -HOUR);
    assert_eq!(fleet.latest("temperature"), [(90, number(1.0))], "nobody has said more");
    fleet.apply(&publication(T0 + (100 - HOUR) * 1_000, "c1", "hall/dev7/temperature", "2"));
    assert_eq!(fleet.latest("temperature"), [(100 - HOUR, number(2.0))]);
    assert_eq!(fleet.output.counts.values_late, 0);
}

#[test]
fn a_device_with_a_right_clock_of_its_own_is_not_told_by_one_that_nobody_set() {
    let mut fleet = Fleet::new();
    fleet.apply(&publication(
        60_000,
        "c1",
        "hall/telemetry",
        &format!(r#"{{"deviceId":"dev7","timestamp":{T0},"temperature":1}}"#),
    ));
    assert_eq!(fleet.latest("temperature"), [(0, number(1.0))]);
    assert_eq!(fleet.output.counts.readings_skewed, 0);
}

#[test]
fn a_key_of_before_the_clock_was_set_back_is_forgotten_when_its_age_has_passed() {
    let config = CommandsConfig { age_max: Duration::from_secs(600), ..CommandsConfig::default() };
    let mut fleet = Fleet::with(ProcessConfig { commands: config, ..ProcessConfig::default() });
    fleet.feels("dev7", 0, 1.0);
    assert_eq!(ask(&mut fleet, 10, "k"), "accepted");
    fleet.tick(100);
    fleet.set_forward(200, -YEARS);
    assert_eq!(ask(&mut fleet, 609 - YEARS, "k"), "repeated");
    assert_eq!(ask(&mut fleet, 611 - YEARS, "k"), "accepted", "ten minutes are over");
}

#[test]
fn there_and_back_is_as_if_the_clock_had_stood() {
    let config = CommandsConfig { age_max: Duration::from_secs(600), ..CommandsConfig::default() };
    let mut fleet = Fleet::with(ProcessConfig { commands: config, ..ProcessConfig::default() });
    reporting(&mut fleet);
    assert_eq!(ask(&mut fleet, 91, "k"), "accepted");
    fleet.set_forward(95, YEARS);
    fleet.feels("dev7", YEARS + 100, 1.0);
    assert_eq!(fleet.set_forward(YEARS + 103, -YEARS).len(), 1, "the command's deadline is told anew");
    assert_eq!(fleet.wait(109), []);
    assert_eq!(ask(&mut fleet, 690, "k"), "repeated");
    assert_eq!(ask(&mut fleet, 692, "k"), "accepted");
}
