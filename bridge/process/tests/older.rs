//! Checkpoints that older programs wrote.
#![allow(clippy::unwrap_used)]

mod history;
mod support;

use support::run::{apply, as_then, config, request, told};
use support::{Fleet, T0, above, alerts, by, publication};
use tidegate_process::{Process, ProcessConfig};
use tidegate_telemetry::{AlertState, Change, Entry, Intent};

/// What a program wrote that never let groups go, after [`entries_then`].
const LASTING_GROUPS: &[u8] = include_bytes!("checkpoints/version-3");

fn says(at_s: i64, payload: &str) -> Entry {
    publication(T0 + at_s * 1_000, "c1", "x", payload)
}

fn entries_then() -> [Entry; 5] {
    let ask = Intent::SendCommand { received_ms: T0, by: "ann".into(), request: Box::new(request(1, 1, 60)) };
    [
        says(0, r#"{"deviceId":"d1","location":"A, 1","temperature":9}"#),
        Entry::Intent(ask),
        says(2, r#"{"deviceId":"d2","location":"B","temperature":1}"#),
        says(4, r#"{"deviceId":"d1","location":"B","temperature":3}"#),
        Entry::Tick(T0 + 6_000),
    ]
}

#[test]
fn a_checkpoint_from_before_groups_went_is_read_and_its_empty_groups_go() {
    let mut process = support::new(config());
    for (place, entry) in entries_then().iter().enumerate() {
        apply(&mut process, place, entry);
    }
    let mut restored = support::restore(config(), LASTING_GROUPS);
    assert_eq!(as_then(&restored), as_then(&process));
    let rest = [Entry::Tick(T0 + 8_000), says(9, r#"{"deviceId":"d3","location":"C, 1","temperature":3}"#)];
    for (place, entry) in rest.iter().enumerate() {
        apply(&mut process, 5 + place, entry);
        apply(&mut restored, 5 + place, entry);
    }
    let end = Entry::Tick(T0 + 11_000);
    assert_eq!(told(apply(&mut restored, 7, &end).changes), told(apply(&mut process, 7, &end).changes));
    let has_room = |change: &Change| matches!(change, Change::States { group, .. } if **group == *"C/1");
    assert!(restored.snapshot().iter().any(has_room), "the places of \"A\" and \"A/1\" are free");
    assert_eq!(as_then(&restored), as_then(&process));
}

/// What a program wrote that took a message that came again for another one, after [`entries_then`].
const WITHOUT_REDELIVERY: &[u8] = include_bytes!("checkpoints/version-4");

#[test]
fn a_checkpoint_from_before_messages_came_again_is_read_and_goes_on_as_if_nothing_had_been() {
    let mut process = support::new(config());
    for (place, entry) in entries_then().iter().enumerate() {
        apply(&mut process, place, entry);
    }
    let mut restored = support::restore(config(), WITHOUT_REDELIVERY);
    assert_eq!(as_then(&restored), as_then(&process));
    let dated = |at_s: i64, value: i8| {
        let time_ms = T0 + at_s * 1_000;
        says(at_s, &format!(r#"{{"deviceId":"d2","time":{time_ms},"location":"B","temperature":{value}}}"#))
    };
    // Whether a second value of d1 with the time of its receipt is another one is known of neither.
    for (place, entry) in
        [dated(8, 1), dated(8, 1), dated(8, 2), dated(9, 1), says(10, r#"{"deviceId":"d1","temperature":3}"#)]
            .iter()
            .enumerate()
    {
        let (got, expected) = (apply(&mut restored, 5 + place, entry), apply(&mut process, 5 + place, entry));
        assert_eq!(got.counts, expected.counts);
        assert_eq!(as_then(&restored), as_then(&process));
    }
    assert_eq!(support::restore(config(), &restored.checkpoint()).checkpoint(), restored.checkpoint());
}

#[test]
fn a_checkpoint_from_before_clocks_were_set_is_read() {
    // It ended before the jumps, of which there are none.
    let (jumps, before) = LASTING_GROUPS[1..].split_last().unwrap();
    assert_eq!((LASTING_GROUPS[0], *jumps), (3, 0));
    let [then, restored] = [LASTING_GROUPS, &[&[2], before].concat()].map(|bytes| support::restore(config(), bytes));
    assert_eq!((restored.snapshot(), restored.checkpoint()), (then.snapshot(), then.checkpoint()));
}

/// Written by a program whose names of metrics kept their figures for good: `x` and `y` of one device had all there are.
const LASTING_NAMES: &[u8] = include_bytes!("checkpoints/version-4-names");

#[test]
fn a_checkpoint_from_before_names_gave_their_figures_back_is_read_and_the_names_compete() {
    let config = || ProcessConfig { aggregate_metrics_max: 2, ..config() };
    let mut restored = Process::restore(config(), LASTING_NAMES).unwrap();
    let figures = |process: &Process| {
        let of = |change: &Change| match change {
            Change::Aggregate(of) if of.group.is_empty() => Some((of.metric.to_string(), of.devices)),
            _ => None,
        };
        process.snapshot().iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(figures(&restored), [("x".into(), 1), ("y".into(), 1)]);
    for (place, at_s) in (4..12).step_by(2).enumerate() {
        apply(&mut restored, 3 + place, &says(at_s, r#"{"deviceId":"d2","location":"A","temperature":4}"#));
    }
    assert_eq!(
        figures(&restored),
        [("x".into(), 1), ("temperature".into(), 1)],
        "one of two counts less than one of one"
    );
}

/// Written by a program that knew of an alert one value, and of figures no device: `d1` was in alert and acknowledged, the
/// alert of `d3` had cleared.
const NAMELESS_GROUPS: &[u8] = include_bytes!("checkpoints/version-6");

#[test]
fn a_checkpoint_from_before_figures_named_their_devices_is_read_and_the_next_round_names_them() {
    let mut fleet = Fleet::with_rule(above(3.0, 1.0, 0));
    let (first, address) = (r#"{"deviceId":"d1","location":"A, 1","temperature":9}"#, Some("192.0.2.7"));
    fleet.apply(&by(publication(T0, "c1", "x", first), "anonymous", address));
    let says = |at_s: i64, payload: &str| publication(T0 + at_s * 1_000, "c1", "x", payload);
    fleet.apply(&says(2, r#"{"deviceId":"d2","location":"B","temperature":1,"voltage":2965}"#));
    fleet.acknowledge(3, "a-1-0", "ann");
    fleet.apply(&says(4, r#"{"deviceId":"d3","location":"A, 1","temperature":4}"#));
    fleet.apply(&says(5, r#"{"deviceId":"d3","location":"A, 1","temperature":2}"#));
    fleet.tick(7);
    let config = ProcessConfig { rules: vec![above(3.0, 1.0, 0)], ..ProcessConfig::default() };
    let restored = support::restore(config, NAMELESS_GROUPS);
    let whole = restored.snapshot();
    let told: Vec<_> = alerts(&whole).iter().map(|alert| (alert.state, alert.raised_value, alert.value)).collect();
    assert_eq!(told, [(AlertState::Acknowledged, Some(9.0), Some(9.0)), (AlertState::Cleared, None, Some(2.0))]);

    let mut unbroken = std::mem::replace(&mut fleet.process, restored);
    let last = says(9, r#"{"deviceId":"d2","location":"B","temperature":1,"voltage":2965}"#);
    fleet.apply(&last);
    apply(&mut unbroken, 6, &last);
    let others = |process: &Process| {
        let others = process.changes().filter(|change| !matches!(change, Change::Alert(_)));
        others.collect::<Vec<_>>()
    };
    assert_eq!(others(&fleet.process), others(&unbroken));
}

/// What a program wrote whose checkpoints were one blob, after [`history::entries`].
const ONE_BLOB: &[u8] = include_bytes!("checkpoints/version-7");

/// What a program wrote that did not count the time that passed, after the same.
const WITHOUT_MOMENTS: &[u8] = include_bytes!("checkpoints/version-8");

#[test]
fn a_checkpoint_that_was_one_blob_is_read_and_goes_on_as_if_nothing_had_been() {
    goes_on_as_if_nothing_had_been(ONE_BLOB);
}

#[test]
fn a_checkpoint_from_before_time_was_counted_is_read_and_goes_on_as_if_nothing_had_been() {
    goes_on_as_if_nothing_had_been(WITHOUT_MOMENTS);
}

fn goes_on_as_if_nothing_had_been(checkpoint: &[u8]) {
    let mut process = support::new(config());
    let entries = history::entries();
    for (place, entry) in entries.iter().enumerate() {
        apply(&mut process, place, entry);
    }
    let mut restored = support::restore(config(), checkpoint);
    assert_eq!(told(restored.snapshot()), told(process.snapshot()));
    assert_eq!(restored.reach().rules(), process.reach().rules());
    assert_eq!(restored.restore_notes(), [""; 0]);
    for (place, entry) in (entries.len()..).zip(history::entries_after()) {
        let (got, expected) = (apply(&mut restored, place, &entry), apply(&mut process, place, &entry));
        assert_eq!((told(got.changes), got.counts), (told(expected.changes), expected.counts), "at entry {place}");
    }
    assert_eq!(told(restored.snapshot()), told(process.snapshot()));
}
