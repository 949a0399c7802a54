//! The state is a function of the log, wherever it was interrupted.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use support::run::{apply, config, request};
use support::{T0, by, publication, rule};
use tidegate_process::{Condition, Output, Process, ProcessConfig, RestoreError};
use tidegate_telemetry::{
    Change, CommandId, CommandMessage, CommandProgress, CommandRefusal, CommandReport, Entry, Intent, Position,
    Publication, WordChange,
};
use tidegate_testing::cpu_ns;

/// What happens, and how long after the entry before, in ms.
#[derive(Debug, Clone)]
enum Step {
    Reading {
        device: u8,
        metric: u8,
        value: i8,
        age_ms: i64,
        location: usize,
    },
    Value {
        device: u8,
        metric: u8,
        value: i8,
    },
    Array {
        device: u8,
        values: Vec<i8>,
    },
    /// The publication before, once more, perhaps marked as such.
    Again {
        dup: bool,
    },
    Broken,
    Acknowledge {
        position: u8,
        comment: bool,
    },
    Unacknowledge {
        position: u8,
    },
    Tick,
    /// Nothing of a device is to stay.
    Erase {
        device: u8,
    },
    /// The clock is set.
    Set {
        by_ms: i64,
    },
    Ask {
        device: u8,
        key: u8,
        expires_in_s: u32,
    },
    /// Somebody says something of a device.
    Say {
        device: u8,
        what: u8,
    },
    /// The `nth` command that was asked for goes out.
    GoesOut {
        nth: usize,
    },
    Report {
        nth: usize,
        progress: CommandProgress,
    },
    Answer {
        nth: usize,
    },
}

/// More groups than `groups_max`.
const LOCATIONS: [&str; 6] = ["A", "A, 1", "B, 2", "C, 1, x", "D", "A, 2"];

fn step() -> impl Strategy<Value = (i64, Step)> {
    let age_ms = prop_oneof![4 => 0..3_000i64, 1 => -200_000..200_000i64, 1 => Just(3_600_000)];
    let step = prop_oneof![
        6 => (0..9u8, 0..3u8, 0..5i8, age_ms, 0..LOCATIONS.len()).prop_map(|(device, metric, value, age_ms, location)| {
            Step::Reading { device, metric, value, age_ms, location }
        }),
        2 => (0..9u8, 0..5u8, 0..5i8).prop_map(|(device, metric, value)| Step::Value { device, metric, value }),
        1 => (0..7u8, prop::collection::vec(0..5i8, 0..4)).prop_map(|(device, values)| Step::Array { device, values }),
        2 => any::<bool>().prop_map(|dup| Step::Again { dup }),
        1 => Just(Step::Broken),
        2 => (0..120u8, any::<bool>()).prop_map(|(position, comment)| Step::Acknowledge { position, comment }),
        2 => (0..120u8).prop_map(|position| Step::Unacknowledge { position }),
        2 => Just(Step::Tick),
        1 => (0..9u8).prop_map(|device| Step::Erase { device }),
        1 => by_ms().prop_map(|by_ms| Step::Set { by_ms }),
        2 => (0..9u8, any::<u8>()).prop_map(|(device, what)| Step::Say { device, what }),
        2 => (0..7u8, 0..3u8, 1..1_200u32).prop_map(|(device, key, expires_in_s)| Step::Ask { device, key, expires_in_s }),
        1 => (0..3usize).prop_map(|nth| Step::GoesOut { nth }),
        6 => (0..3usize, progress()).prop_map(|(nth, progress)| Step::Report { nth, progress }),
        2 => (0..3usize).prop_map(|nth| Step::Answer { nth }),
    ];
    let gap_ms = prop_oneof![3 => 0..400i64, 4 => 1_000..12_000i64, 1 => 60_000..400_000i64];
    (gap_ms, step)
}

fn by_ms() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 2_000..10_000i64,
        8 => Just(3_600_000),
        8 => Just(50 * 365 * 86_400_000),
        1 => Just(-7_200_000),
        1 => Just(-400 * 86_400_000)
    ]
}

fn progress() -> impl Strategy<Value = CommandProgress> {
    prop_oneof![
        3 => any::<bool>().prop_map(|by_name| CommandProgress::Sent { by_name }),
        3 => Just(CommandProgress::Delivered),
        1 => Just(CommandProgress::Refused(CommandRefusal::ByDevice)),
    ]
}

fn entries(steps: Vec<(i64, Step)>) -> Vec<Entry> {
    let mut now_ms = T0;
    let mut last = None;
    let (mut place, mut asked) = (0, vec![(CommandId(Position(1)), request(1, 0, 1))]);
    let entry = |(gap_ms, step): (i64, Step)| {
        now_ms += gap_ms;
        place += 1;
        // Mostly one of the latest.
        let nth = |nth: usize| asked[asked.len().saturating_sub(1 + nth)].clone();
        let metric = |metric: u8| ["temperature", "b", "c", "d", "e"][usize::from(metric)];
        let json = |payload: String| {
            let address = format!("192.0.2.{}", place % 3);
            let client = if place % 5 == 0 { "c3" } else { "c1" };
            by(publication(now_ms, client, "hall/up", &payload), "anonymous", (place % 4 > 0).then_some(&*address))
        };
        let entry = match step {
            Step::Again { dup } => match last.clone() {
                Some(Entry::Publication(before)) => {
                    Entry::Publication(Publication { received_ms: now_ms, dup, ..before })
                }
                _ => Entry::Tick(now_ms),
            },
            Step::Reading { device, metric: name, value, age_ms, location } => {
                let location = LOCATIONS[location];
                json(format!(
                    r#"{{"deviceId":"d{device}","time":{},"location":"{location}","{}":{value},"humidity":{}}}"#,
                    now_ms - age_ms,
                    metric(name),
                    f64::from(value) * 50.5
                ))
            }
            Step::Value { device, metric: name, value } => {
                publication(now_ms, "c2", &format!("hall/d{device}/{}", metric(name)), &value.to_string())
            }
            Step::Array { device, values } => {
                let readings = values.iter().enumerate().map(|(n, value)| {
                    format!(r#"{{"deviceId":"d{device}","time":{},"temperature":{value}}}"#, now_ms - 10_000 + n as i64)
                });
                json(format!("[{}]", readings.collect::<Vec<_>>().join(",")))
            }
            Step::Broken => json("{".into()),
            Step::Unacknowledge { position } => Entry::Intent(Intent::UnacknowledgeAlert {
                received_ms: now_ms,
                alert: format!("a-{position}-0"),
                by: "bob".into(),
            }),
            Step::Acknowledge { position, comment } => Entry::Intent(Intent::AcknowledgeAlert {
                received_ms: now_ms,
                alert: format!("a-{position}-0"),
                by: "ann".into(),
                comment: comment.then(|| "seen".into()),
            }),
            Step::Tick => Entry::Tick(now_ms),
            Step::Erase { device } => {
                let (by, device) = ("ann".to_owned(), format!("d{device}"));
                Entry::Intent(Intent::EraseDevice { received_ms: now_ms, by, device })
            }
            Step::Say { device, what } => {
                let text = (what % 3 > 0).then(|| "x".repeat(usize::from(what)).into());
                let change = match what % 5 {
                    0 => WordChange::Name(text),
                    1 => WordChange::Group((what % 2 > 0).then(|| ["A", "House/1"][usize::from(what % 4 / 2)].into())),
                    2 => WordChange::Label("floor".into(), text),
                    3 => WordChange::Hidden(what % 2 > 0),
                    _ => WordChange::ReportMs((what % 2 > 0).then(|| i64::from(what) * 1_000)),
                };
                let (by, device, changes) = ("ann".to_owned(), format!("d{device}"), vec![change]);
                Entry::Intent(Intent::DescribeDevice { received_ms: now_ms, by, device, changes })
            }
            Step::Set { by_ms } => {
                now_ms += by_ms;
                Entry::ClockSet { at_ms: now_ms, by_ms }
            }
            Step::Ask { device, key, expires_in_s } => {
                let request = Box::new(request(device, key, expires_in_s));
                asked.push((CommandId(Position(place)), (*request).clone()));
                Entry::Intent(Intent::SendCommand { received_ms: now_ms, by: "ann".into(), request })
            }
            Step::GoesOut { nth: of } => {
                let (command, request) = nth(of);
                let Entry::Publication(publication) = publication(now_ms, "", &request.topic, "on") else {
                    unreachable!("it makes publications")
                };
                Entry::Command(CommandMessage { command, deadline_ms: now_ms, publication })
            }
            Step::Report { nth: of, progress } => {
                let (command, _) = nth(of);
                let client = "c1".to_owned();
                Entry::CommandReport(CommandReport { received_ms: now_ms, command, client, session: 1, progress })
            }
            Step::Answer { nth: of } => publication(now_ms, "c1", &nth(of).1.response_topic, "done"),
        };
        last = Some(entry.clone());
        entry
    };
    steps.into_iter().map(entry).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_restart_at_every_entry_changes_nothing(steps in prop::collection::vec(step(), 1..120)) {
        let mut unbroken = support::new(config());
        let mut restarted = support::new(config());
        for (place, entry) in entries(steps).iter().enumerate() {
            restarted = support::restore(config(), &restarted.checkpoint());
            prop_assert_eq!(restarted.snapshot(), unbroken.snapshot());
            let (expected, got) = (apply(&mut unbroken, place, entry), apply(&mut restarted, place, entry));
            prop_assert_eq!(got.changes, expected.changes, "at entry {}", place + 1);
            prop_assert_eq!(got.problems, expected.problems);
            prop_assert_eq!(got.counts, expected.counts);
            prop_assert_eq!(restarted.checkpoint(), unbroken.checkpoint());
        }
    }

    #[test]
    fn a_frozen_state_stays_as_it_was_whatever_comes_after_it(steps in prop::collection::vec(step(), 1..120)) {
        let mut process = support::new(config());
        let mut frozen = Vec::new();
        for (place, entry) in entries(steps).iter().enumerate() {
            frozen.push((process.freeze(), process.checkpoint()));
            apply(&mut process, place, entry);
        }
        for (frozen, bytes) in frozen {
            prop_assert_eq!(frozen.to_bytes(), bytes);
        }
    }

    #[test]
    fn ticks_alone_never_run_in_circles(steps in prop::collection::vec(step(), 1..60)) {
        let mut process = support::new(config());
        let entries = entries(steps);
        for (place, entry) in entries.iter().enumerate() {
            apply(&mut process, place, entry);
        }
        let mut ticks = 0;
        let mut last_ms = i64::MIN;
        while let Some(at_ms) = process.next_deadline() {
            prop_assert!(at_ms > last_ms || ticks == 0, "the deadline {at_ms} came up again");
            last_ms = at_ms;
            apply(&mut process, entries.len() + ticks, &Entry::Tick(at_ms));
            ticks += 1;
            prop_assert!(ticks < 2_000);
        }
        prop_assert_eq!(process.devices(), 0, "in the end all are forgotten");
    }
}

#[test]
fn the_random_steps_reach_what_they_are_meant_to_reach() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut raised, mut acknowledged, mut late, mut duplicate, mut forgotten, mut reused) = (0, 0, 0, 0, 0, 0);
    let mut redelivered = 0;
    let mut commands = [0; 9];
    for _ in 0..100 {
        let steps = prop::collection::vec(step(), 120).new_tree(&mut runner).unwrap().current();
        let mut process = support::new(config());
        let mut names = HashMap::new();
        for (place, entry) in entries(steps).iter().enumerate() {
            let Output { counts, changes, .. } = apply(&mut process, place, entry);
            for change in changes {
                if let Change::Device { device, id, .. } = change {
                    let before = names.insert(device, Arc::clone(&id));
                    reused += u64::from(before.is_some_and(|before| before != id));
                }
            }
            raised += counts.alerts_raised;
            acknowledged += counts.acknowledgements;
            late += counts.values_late;
            duplicate += counts.values_duplicate;
            redelivered += counts.publications_redelivered;
            forgotten += counts.devices_forgotten;
            let counted = counts.command_events().map(|(_, count)| count);
            commands.iter_mut().zip(counted).for_each(|(all, more)| *all += more);
        }
    }
    let reached = [raised, acknowledged, late, duplicate, forgotten, reused, redelivered];
    assert!(reused > 300, "{reused} numbers were given to another device");
    assert!(reached.iter().chain(&commands).all(|&count| count > 10), "{reached:?} {commands:?}");
}

#[test]
fn to_take_a_checkpoint_costs_next_to_nothing_beside_writing_it() {
    let silent = rule(None, Condition::NoReading { for_ms: 1_000 });
    let mut process =
        support::new(ProcessConfig { rules: vec![silent], due_per_entry_max: 5_000, ..ProcessConfig::default() });
    for device in 0..5_000 {
        let payload = format!(r#"{{"deviceId":"d{device}","location":"{}","a":1,"b":2}}"#, device % 100);
        apply(&mut process, device, &publication(T0, "c1", "x", &payload));
    }
    apply(&mut process, 5_000, &Entry::Tick(T0 + 5_000));
    let alerts = process.snapshot().iter().filter(|change| matches!(change, Change::Alert(_))).count();
    assert_eq!(alerts, 5_000);
    let begun = cpu_ns();
    (0..20).for_each(|_| drop(process.freeze()));
    let taken = cpu_ns();
    let bytes = process.checkpoint().len();
    let written = cpu_ns();
    assert!(taken - begun < written - taken, "{bytes} bytes: {} ns, {} ns", taken - begun, written - taken);
}

#[test]
fn a_checkpoint_says_what_kept_it_from_being_written() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = support::new(config()).freeze().write(Full).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn a_checkpoint_of_another_version_or_a_damaged_one_is_refused() {
    let checkpoint = support::new(config()).checkpoint();
    let restore = |bytes: &[u8]| Process::restore(config(), bytes).map(drop);
    assert_eq!(restore(&checkpoint), Ok(()));
    assert_eq!(restore(&[10, 1, 2]), Err(RestoreError::UnknownVersion(10)));
    for cut in 0..checkpoint.len() {
        assert_eq!(restore(&checkpoint[..cut]), Err(RestoreError::Malformed));
    }
}

#[test]
fn the_snapshot_of_a_restored_fleet_tells_everything() {
    let mut process = support::new(config());
    let payload = r#"{"deviceId":"a","location":"A","temperature":9,"b":"stuck"}"#;
    apply(&mut process, 0, &publication(T0, "c1", "x", payload));
    let snapshot = support::restore(config(), &process.checkpoint()).snapshot();
    let told = |wanted: fn(&Change) -> bool| snapshot.iter().filter(|change| wanted(change)).count();
    assert_eq!(told(|change| matches!(change, Change::Device { .. })), 1);
    assert_eq!(told(|change| matches!(change, Change::Metric { .. })), 2);
    assert_eq!(told(|change| matches!(change, Change::Reading(reading) if reading.cells.len() == 2)), 1);
    assert_eq!(told(|change| matches!(change, Change::State { .. })), 1);
    assert_eq!(told(|change| matches!(change, Change::Aggregate(_))), 2);
    assert_eq!(told(|change| matches!(change, Change::States { .. })), 2);
    assert_eq!(told(|change| matches!(change, Change::Alert(_))), 1);
}
