//! The names of devices of which nothing is left.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::sync::Arc;

use fixture::{DEVICE, Fixture, METRIC, add_devices, maintain, name_of, number, reading, times_of};
use tidegate_store::{RetentionRule, StoreConfig};
use tidegate_telemetry::{Change, DeviceIndex, History};

const DAY_MS: i64 = 86_400_000;
/// 2026-11-22, midnight.
const MIDNIGHT_MS: i64 = 20_779 * DAY_MS;

fn kept_for_a_day() -> Fixture {
    Fixture::with(StoreConfig { retention_age_days: 1, rollup_retention_age_days: 1, ..StoreConfig::default() })
}

fn reading_of(device: u32, time_ms: i64) -> Change {
    let Change::Reading(of) = reading(time_ms, number(1.0)) else { unreachable!("it is one") };
    Change::Reading(tidegate_telemetry::AppliedReading { device: DeviceIndex(device), ..of })
}

fn removed(device: u32) -> Change {
    Change::Removed { device: DeviceIndex(device) }
}

/// Devices with a name, and their metrics.
fn names(store: &Fixture) -> Vec<String> {
    let names = store.store().names(0, 1_000).into_iter();
    names.filter(|(name, _)| !name.is_empty()).map(|(name, metrics)| format!("{name} {}", metrics.join(" "))).collect()
}

fn named(devices: &[u32]) -> Vec<String> {
    let own = format!("{DEVICE} {METRIC}");
    [own].into_iter().chain(devices.iter().map(|device| format!("{} {METRIC}", name_of(*device)))).collect()
}

/// Three devices, of which two are gone; a day later one of these has nothing left.
fn with_one_gone() -> Fixture {
    let mut store = kept_for_a_day();
    add_devices(&mut store, 3);
    store.apply(vec![reading_of(1, MIDNIGHT_MS), reading_of(2, MIDNIGHT_MS), reading_of(3, MIDNIGHT_MS)]);
    store.apply(vec![reading_of(2, MIDNIGHT_MS + 31 * DAY_MS), reading_of(3, MIDNIGHT_MS + 31 * DAY_MS)]);
    store.apply(vec![removed(1), removed(2)]);
    store.flush();
    maintain(&store, MIDNIGHT_MS + DAY_MS);
    assert_eq!(names(&store), named(&[1, 2, 3]), "its points are there");
    maintain(&store, MIDNIGHT_MS + 32 * DAY_MS);
    store
}

#[test]
fn a_device_of_which_nothing_is_left_leaves_the_catalogue_also_on_disk() {
    let mut store = with_one_gone();
    assert_eq!(names(&store), named(&[2, 3]), "one has points, and one is in state");
    assert_eq!(store.store().stats().series, 3);
    assert!(times_of(&store, 1).is_empty());
    store.restart();
    assert_eq!(names(&store), named(&[1, 2, 3]), "a crash before the next flush leaves the name");
    maintain(&store, MIDNIGHT_MS + 32 * DAY_MS);
    assert_eq!(names(&store), named(&[2, 3]), "and it is looked for again");
    store.flush();
    store.restart();
    assert_eq!(names(&store), named(&[2, 3]));
    assert_eq!(store.store().stats().series, 3);
    assert_eq!(times_of(&store, 2), [MIDNIGHT_MS + 31 * DAY_MS]);
    maintain(&store, MIDNIGHT_MS + 60 * DAY_MS);
    assert_eq!(names(&store), named(&[3]), "the last summary of the other was deleted");
}

#[test]
fn numbers_that_are_free_go_to_others_and_no_point_to_a_wrong_name() {
    let mut store = with_one_gone();
    let late_ms = MIDNIGHT_MS + 32 * DAY_MS;
    let come = |device: u32, name: &str| {
        let metric = Change::Metric {
            device: DeviceIndex(device),
            metric: tidegate_telemetry::MetricIndex(0),
            name: METRIC.into(),
            unit: None,
            guessed: false,
            decimals: None,
        };
        vec![Change::Device { device: DeviceIndex(device), id: Arc::from(name), group: "".into() }, metric]
    };
    // Another one, then the one that was forgotten, which comes back.
    store.apply(come(10, "dev10"));
    store.apply(vec![reading_of(10, late_ms)]);
    for flushed in [false, true] {
        if flushed {
            store.flush();
            store.restart();
        }
        assert_eq!(times_of(&store, 10), [late_ms], "flushed {flushed}");
        assert_eq!((times_of(&store, 1), times_of(&store, 2)), (Vec::new(), vec![MIDNIGHT_MS + 31 * DAY_MS]));
    }
    store.apply(come(1, &name_of(1)));
    store.apply(vec![reading_of(1, late_ms + 1)]);
    store.flush();
    maintain(&store, late_ms + DAY_MS / 8);
    store.restart();
    assert_eq!((times_of(&store, 1), times_of(&store, 10)), (vec![late_ms + 1], vec![late_ms]));
    assert_eq!(times_of(&store, 3), [MIDNIGHT_MS + 31 * DAY_MS]);
    assert_eq!(store.store().stats().series, 5);
}

#[test]
fn a_name_stays_as_long_as_a_point_is_in_memory_in_a_part_or_in_a_summary() {
    let config = StoreConfig { retention_age_days: 1, rollup_retention_age_days: 60, ..StoreConfig::default() };
    let mut store = Fixture::with(config);
    add_devices(&mut store, 2);
    store.apply(vec![reading_of(1, MIDNIGHT_MS)]);
    store.flush();
    maintain(&store, MIDNIGHT_MS + DAY_MS);
    store.apply(vec![removed(1), reading_of(2, MIDNIGHT_MS + 3 * DAY_MS), removed(2)]);
    // The raw day is deleted: of one there is a summary, of the other what memory has.
    maintain(&store, MIDNIGHT_MS + 3 * DAY_MS);
    assert_eq!(names(&store), named(&[1, 2]));
    let flush = store.store().seal(tidegate_telemetry::Position(100));
    maintain(&store, MIDNIGHT_MS + 3 * DAY_MS);
    flush.run().unwrap();
    maintain(&store, MIDNIGHT_MS + 3 * DAY_MS);
    assert_eq!(names(&store), named(&[1, 2]), "sealed, then in a part");
    maintain(&store, MIDNIGHT_MS + 120 * DAY_MS);
    assert_eq!(names(&store), named(&[]));
}

/// The files are kept for ever, for what others have in them.
#[test]
fn a_name_leaves_once_rules_took_all_there_was_of_it_and_when_its_device_is_gone_without_having_said_anything() {
    let rule = |device: &str| RetentionRule {
        metric: None,
        device: Some(device.into()),
        group: None,
        raw_days: Some(1),
        hours_days: Some(1),
    };
    let mut store = Fixture::with(StoreConfig { rules: vec![rule("dev1")], ..StoreConfig::default() });
    add_devices(&mut store, 3);
    store.apply(vec![reading_of(1, MIDNIGHT_MS), reading_of(2, MIDNIGHT_MS), removed(1)]);
    store.flush();
    for (days, left) in [(1, named(&[1, 2, 3])), (3, named(&[1, 2, 3])), (12, named(&[2, 3]))] {
        maintain(&store, MIDNIGHT_MS + days * DAY_MS);
        assert_eq!(names(&store), left, "after {days} days");
    }
    store.apply(vec![removed(3)]);
    maintain(&store, MIDNIGHT_MS + 12 * DAY_MS);
    assert_eq!(names(&store), named(&[2]));
}
