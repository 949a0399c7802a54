//! A checkpoint that lacks a section, or has one too many.
#![allow(clippy::unwrap_used)]

mod history;
mod support;

use support::run::{apply, config};
use support::{Part, T0, alerts, parts, publication};
use tidegate_process::{Process, RestoreError};
use tidegate_telemetry::record::write_varint;
use tidegate_telemetry::{AlertState, Change, Entry};

fn of_parts(parts: &[Part]) -> Vec<u8> {
    let mut checkpoint = vec![9];
    for (name, version, bytes) in parts {
        checkpoint.push(name.len().try_into().unwrap());
        checkpoint.extend_from_slice(name.as_bytes());
        write_varint(*version, &mut checkpoint);
        write_varint(bytes.len() as u64, &mut checkpoint);
        checkpoint.extend_from_slice(bytes);
    }
    checkpoint.push(0);
    checkpoint
}

fn after_history() -> Process {
    let mut process = support::new(config());
    for (place, entry) in history::entries().iter().enumerate() {
        apply(&mut process, place, entry);
    }
    process
}

fn without(section: &str) -> Process {
    let mut parts = parts(&after_history().checkpoint());
    parts.retain(|(name, ..)| name != section);
    Process::restore(config(), &of_parts(&parts)).unwrap()
}

fn told<T>(process: &Process, what: impl FnMut(Change) -> Option<T>) -> Vec<T> {
    process.changes().filter_map(what).collect()
}

#[test]
fn without_any_one_section_the_rest_is_there_and_goes_on_and_people_are_told() {
    let whole = after_history().checkpoint();
    let names: Vec<String> = parts(&whole).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), 12, "each is in one part: {names:?}");
    for name in names {
        let mut process = without(&name);
        match process.restore_notes() {
            // Programs of before wrote neither, and nobody notices: without who left, anybody may have been here before, and without
            // the register nothing was said of who is gone.
            [] => assert!(matches!(&*name, "left" | "register"), "{name}"),
            [note] => assert!(note.contains(&format!("no section {name:?}")), "{note}"),
            notes => panic!("{name}: {notes:?}"),
        }
        for (place, entry) in (history::entries().len()..).zip(history::entries_after()) {
            process = Process::restore(config(), &process.checkpoint()).unwrap();
            apply(&mut process, place, &entry);
        }
        assert!(process.devices() > 1, "{name}");
    }
}

#[test]
fn without_its_alerts_those_whose_condition_still_holds_are_raised_again() {
    let mut process = without("alerts");
    assert_eq!(alerts(&process.snapshot()).len(), 0);
    let entry = publication(
        T0 + history::SET_MS + 90_000,
        "c1",
        "hall/up",
        r#"{"deviceId":"d1","location":"A, 1","temperature":9}"#,
    );
    let changes = apply(&mut process, 50, &history_client(entry)).changes;
    let raised: Vec<&str> = alerts(&changes).iter().map(|alert| &*alert.rule).collect();
    assert!(raised.contains(&"at once"), "{changes:?}");
}

#[test]
fn without_its_groups_the_next_round_has_the_same_figures() {
    let figures = |process: &mut Process| {
        apply(process, 50, &Entry::Tick(T0 + history::SET_MS + 90_000));
        let mut figures = told(process, |change| match change {
            Change::Aggregate(_) | Change::States { .. } => Some(format!("{change:?}")),
            _ => None,
        });
        figures.sort();
        figures
    };
    let expected = figures(&mut after_history());
    assert!(!expected.is_empty());
    for name in ["groups", "rounds"] {
        assert_eq!(figures(&mut without(name)), expected, "{name}");
    }
}

#[test]
fn without_its_devices_groups_are_empty_and_alerts_that_held_are_cleared() {
    let mut process = without("devices");
    assert_eq!(process.devices(), 0);
    let changes = apply(&mut process, 50, &Entry::Tick(T0 + history::SET_MS + 90_000)).changes;
    assert!(alerts(&changes).iter().all(|alert| alert.state == AlertState::Cleared), "{changes:?}");
    let holding = told(&process, |change| match change {
        Change::Alert(alert) if alert.cleared_ms.is_none() => Some(alert.device_id.to_string()),
        _ => None,
    });
    assert_eq!(holding, ["d8"], "a rule waits for it");
}

#[test]
fn a_section_that_is_not_known_is_left_out_and_people_are_told() {
    let checkpoint = after_history().checkpoint();
    let mut parts = parts(&checkpoint);
    parts.insert(3, ("of-tomorrow".into(), 7, vec![1, 2, 3]));
    let process = Process::restore(config(), &of_parts(&parts)).unwrap();
    let [note] = process.restore_notes() else { panic!("{:?}", process.restore_notes()) };
    assert!(note.contains("\"of-tomorrow\""), "{note}");
    assert_eq!(process.checkpoint(), checkpoint);
}

#[test]
fn a_section_that_would_be_misunderstood_is_refused_with_its_name() {
    let mut parts = parts(&after_history().checkpoint());
    parts.iter_mut().filter(|(name, ..)| name == "alerts").for_each(|(_, version, _)| *version = 2);
    let error = Process::restore(config(), &of_parts(&parts)).unwrap_err();
    assert_eq!(error, RestoreError::NewerSection { section: "alerts".into(), version: 2, known: 1 });
    parts.iter_mut().filter(|(name, ..)| name == "alerts").for_each(|(_, version, bytes)| {
        *version = 1;
        bytes.pop();
    });
    assert_eq!(Process::restore(config(), &of_parts(&parts)).unwrap_err(), RestoreError::Malformed);
}

/// By the client at the address that brought the device in.
fn history_client(entry: Entry) -> Entry {
    support::by(entry, "anonymous", Some("192.0.2.7"))
}
