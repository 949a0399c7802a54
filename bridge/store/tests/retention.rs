//! Some series are kept for a shorter time than the others; the others lose nothing by it.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::{Fixture, maintain, number, reading_of};
use tidegate_backup::Access;
use tidegate_buckets::{Bucket, Rung};
use tidegate_store::{RetentionRule, StoreConfig, check_store, store_files};
use tidegate_telemetry::history::SeriesQuery;
use tidegate_telemetry::{AppliedReading, Change, DeviceIndex, History, MetricIndex};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// 2026-11-22.
const MIDNIGHT_MS: i64 = 20_779 * DAY_MS;

const SHAKEN: &str = "vibration.x";

/// The fixture's metric, and a second one that is kept for three days and whose summaries are for forty.
fn with_rule(rule: RetentionRule) -> Fixture {
    let mut store = Fixture::with(StoreConfig { rules: vec![rule], ..StoreConfig::default() });
    let (device, metric, name) = (DeviceIndex(0), MetricIndex(1), SHAKEN.into());
    store.apply(vec![Change::Metric { device, metric, name, unit: None, guessed: false, decimals: None }]);
    store
}

fn shaken(raw_days: Option<u32>, hours_days: Option<u32>) -> RetentionRule {
    RetentionRule { metric: Some("vibration.*".into()), device: None, group: None, raw_days, hours_days }
}

/// A reading of both metrics each hour of a day.
fn day(store: &mut Fixture, day: i64) {
    for hour in 0..24 {
        let time_ms = MIDNIGHT_MS + day * DAY_MS + hour * HOUR_MS;
        store.apply(vec![reading_of(time_ms, [(0, number(20.0)), (1, number(hour as f64))])]);
    }
}

fn kept(store: &Fixture, metric: &str) -> Vec<i64> {
    let days = store.of(fixture::DEVICE, metric, i64::MIN, i64::MAX).into_iter();
    let mut days: Vec<i64> = days.map(|(time_ms, _)| (time_ms - MIDNIGHT_MS).div_euclid(DAY_MS)).collect();
    days.dedup();
    days
}

fn hours(store: &Fixture, metric: &str) -> usize {
    let (device, metric) = (fixture::DEVICE.into(), metric.into());
    let query = SeriesQuery { device, metric, from_ms: i64::MIN / 4, to_ms: i64::MAX / 4, rung: Rung::Hour };
    store.store().series(&query, &|| true).unwrap().buckets.len()
}

fn is_whole(store: &Fixture) {
    let files = store_files(store.store().directory()).unwrap();
    assert_eq!(
        check_store(&files, Access::Shared).1.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

#[test]
fn readings_of_a_rule_go_with_their_day_and_their_summaries_and_all_others_stay() {
    let mut store = with_rule(shaken(Some(3), None));
    for at in 0..6 {
        day(&mut store, at);
        store.flush();
        maintain(&store, MIDNIGHT_MS + (at + 1) * DAY_MS + HOUR_MS);
    }
    let now_ms = MIDNIGHT_MS + 6 * DAY_MS + 2 * HOUR_MS;
    for when in ["while it runs", "after a restart"] {
        maintain(&store, now_ms);
        assert_eq!(kept(&store, fixture::METRIC), [0, 1, 2, 3, 4, 5], "{when}");
        assert_eq!(kept(&store, SHAKEN), [3, 4, 5], "{when}");
        assert_eq!((hours(&store, SHAKEN), hours(&store, fixture::METRIC)), (144, 144), "{when}");
        is_whole(&store);
        store.restart();
    }
}

#[test]
fn what_comes_later_than_its_rule_keeps_is_refused_and_the_rest_of_the_reading_is_taken() {
    let mut store = with_rule(shaken(Some(3), None));
    for at in [0, 5] {
        day(&mut store, at);
        store.flush();
        maintain(&store, MIDNIGHT_MS + (at + 1) * DAY_MS + HOUR_MS);
    }
    let summaries = hours(&store, SHAKEN);
    let late = reading_of(MIDNIGHT_MS + 90_000, [(0, number(1.0)), (1, number(99.0))]);
    let Change::Reading(late) = late else { unreachable!() };
    store.apply(vec![Change::Reading(AppliedReading { received_ms: MIDNIGHT_MS + 6 * DAY_MS, ..late })]);
    store.flush();
    maintain(&store, MIDNIGHT_MS + 6 * DAY_MS + 3 * HOUR_MS);
    assert_eq!(store.within(MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS).len(), 2);
    assert_eq!((kept(&store, SHAKEN), hours(&store, SHAKEN)), (vec![5], summaries));
    is_whole(&store);
}

/// Nobody has them any more, so late readings are no reason to believe that the hour had no others: neither the first of
/// them nor more, and not after a crash in the middle either.
#[test]
fn a_summary_outlives_the_rule_that_took_its_readings() {
    let mut store = with_rule(shaken(Some(3), None));
    for at in [0, 5] {
        day(&mut store, at);
        store.flush();
        maintain(&store, MIDNIGHT_MS + (at + 1) * DAY_MS + HOUR_MS);
    }
    let before = hours(&store, SHAKEN);
    let config = StoreConfig { directory: store.directory().to_owned(), ..StoreConfig::default() };
    store.into_directory(|| {
        let mut store = Fixture::on(config.clone());
        for _ in 0..400 {
            store.apply(vec![]);
        }
        store.apply(known_as(""));
        for (round, late_ms) in [90_000, 91_000, 92_000].into_iter().enumerate() {
            let before_it = copy_of(&config.directory.join(MONTH));
            store.apply(vec![
                reading_of(MIDNIGHT_MS + late_ms, [(0, number(21.0)), (1, number(99.0))]),
                reading_of(MIDNIGHT_MS + late_ms + 500, [(1, number(98.0))]),
            ]);
            store.flush();
            let parts = copy_of(&config.directory.join("head.db"));
            maintain(&store, MIDNIGHT_MS + 6 * DAY_MS + 3 * HOUR_MS);
            if round == 1 {
                // The file of the day has them, the other two had not been told.
                store.stop();
                std::fs::write(config.directory.join(MONTH), before_it).unwrap();
                std::fs::write(config.directory.join("head.db"), parts).unwrap();
                store.start();
                maintain(&store, MIDNIGHT_MS + 6 * DAY_MS + 3 * HOUR_MS);
            }
            assert_eq!(kept(&store, SHAKEN), [0, 5], "the late reading itself is taken");
            let hour = first_hour(&store, SHAKEN);
            assert_eq!((hour.count, hour.max, hours(&store, SHAKEN)), (1, 0.0, before), "round {round}");
            assert_eq!(first_hour(&store, fixture::METRIC).count, 2 + round as u64, "no rule took of it");
        }
    });
}

fn erased(at_ms: i64) -> Change {
    Change::Erased { device: fixture::DEVICE.into(), at_ms }
}

const MONTH: &str = "rollup-2026-11.db";

fn copy_of(file: &std::path::Path) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

/// The device and its metrics, in a group.
fn known_as(group: &str) -> Vec<Change> {
    let device = DeviceIndex(0);
    let metric = |(metric, name): (u16, &str)| {
        let (metric, name) = (MetricIndex(metric), name.into());
        Change::Metric { device, metric, name, unit: None, guessed: false, decimals: None }
    };
    let named = Change::Device { device, id: fixture::DEVICE.into(), group: group.into() };
    [named].into_iter().chain([(0, fixture::METRIC), (1, SHAKEN)].map(metric)).collect()
}

fn first_hour(store: &Fixture, metric: &str) -> Bucket {
    let (device, metric) = (fixture::DEVICE.into(), metric.into());
    let (from_ms, to_ms) = (MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS);
    let query = SeriesQuery { device, metric, from_ms, to_ms, rung: Rung::Hour };
    store.store().series(&query, &|| true).unwrap().buckets[0].1
}

/// A rule that was not there when they came, and that is due by the time they are merged.
#[test]
fn readings_that_were_not_merged_when_their_rule_came_go_too() {
    let mut store = with_rule(shaken(Some(3), Some(40)));
    for at in [0, 2] {
        day(&mut store, at);
        store.flush();
        maintain(&store, MIDNIGHT_MS + (at + 1) * DAY_MS + HOUR_MS);
    }
    // Late, and not too late yet.
    let Change::Reading(late) = reading_of(MIDNIGHT_MS + DAY_MS - 1_000, [(1, number(99.0))]) else { unreachable!() };
    store.apply(vec![Change::Reading(AppliedReading { received_ms: MIDNIGHT_MS + 3 * DAY_MS, ..late })]);
    let now_ms = MIDNIGHT_MS + 5 * DAY_MS;
    store.store().maintain(now_ms).unwrap();
    assert_eq!(kept(&store, SHAKEN), [0, 2], "memory has it");
    store.flush();
    maintain(&store, now_ms);
    maintain(&store, now_ms);
    assert_eq!((kept(&store, SHAKEN), kept(&store, fixture::METRIC)), (vec![2], vec![0, 2]));
    is_whole(&store);
}

/// A metric's row of an hour, in the file of a day, no longer is what was written.
fn damage(directory: &std::path::Path, day: &str, metric: &str) {
    let head = rusqlite::Connection::open(directory.join("head.db")).unwrap();
    let series: u32 = head.query_row("SELECT id FROM series WHERE metric = ?", [metric], |row| row.get(0)).unwrap();
    let day = rusqlite::Connection::open(directory.join(day)).unwrap();
    let damaged = day.execute("UPDATE chunk SET data = x'00112233' WHERE series = ? AND hour = 5", [series]).unwrap();
    assert_eq!(damaged, 1);
}

#[test]
fn a_damaged_row_goes_with_its_rule_and_with_its_device_and_stops_nothing() {
    let mut store = with_rule(shaken(Some(3), None));
    for at in [0, 2] {
        day(&mut store, at);
        store.flush();
        maintain(&store, MIDNIGHT_MS + (at + 1) * DAY_MS + HOUR_MS);
    }
    store.restart_with(|directory| damage(directory, "raw-2026-11-22.db", SHAKEN));
    store.replay();
    maintain(&store, MIDNIGHT_MS + 5 * DAY_MS);
    assert_eq!(kept(&store, SHAKEN), [2]);
    is_whole(&store);
    store.restart_with(|directory| damage(directory, "raw-2026-11-22.db", fixture::METRIC));
    store.replay();
    store.apply(vec![Change::Removed { device: DeviceIndex(0) }, erased(MIDNIGHT_MS + 3 * DAY_MS)]);
    store.flush();
    maintain(&store, MIDNIGHT_MS + 5 * DAY_MS);
    assert!(!store.store().is_erasing());
    is_whole(&store);
}

#[test]
fn a_damaged_row_that_may_have_something_of_an_erased_device_goes_with_it_and_others_lose_nothing() {
    let mut store = Fixture::new();
    fixture::add_devices(&mut store, 1);
    let Change::Reading(own) = reading_of(MIDNIGHT_MS, [(0, number(1.0))]) else { unreachable!() };
    let of_other = |time_ms| Change::Reading(AppliedReading { device: DeviceIndex(1), time_ms, ..own.clone() });
    store.apply(vec![Change::Reading(own.clone()), of_other(MIDNIGHT_MS)]);
    store.flush();
    store.apply(vec![of_other(MIDNIGHT_MS + 1)]);
    store.flush();
    store.restart_with(|directory| {
        let head = rusqlite::Connection::open(directory.join("head.db")).unwrap();
        let damage = "UPDATE bundle SET data = x'00112233' WHERE part = (SELECT min(part) FROM bundle)";
        assert_eq!(head.execute(damage, []).unwrap(), 1);
    });
    store.replay();
    store.apply(vec![Change::Removed { device: DeviceIndex(0) }, erased(MIDNIGHT_MS + 3 * DAY_MS)]);
    store.flush();
    maintain(&store, MIDNIGHT_MS + DAY_MS);
    assert!(!store.store().is_erasing());
    assert_eq!(fixture::times_of(&store, 1), [MIDNIGHT_MS + 1], "the other one was not to be read any more");
    is_whole(&store);
}

#[test]
fn summaries_of_a_rule_go_with_their_month_and_others_are_kept_for_ever() {
    let mut store = with_rule(shaken(Some(3), Some(40)));
    for at in [0, 400, 500] {
        day(&mut store, at);
        store.flush();
        maintain(&store, MIDNIGHT_MS + (at + 1) * DAY_MS + HOUR_MS);
    }
    maintain(&store, MIDNIGHT_MS + 501 * DAY_MS + 2 * HOUR_MS);
    assert_eq!((hours(&store, SHAKEN), hours(&store, fixture::METRIC)), (24, 72));
    let stats = store.store().stats();
    assert_eq!((stats.hours.days, stats.hours.oldest_ms), (None, Some(MIDNIGHT_MS)));
    assert_eq!((stats.raw.days, stats.raw.oldest_ms), (Some(400), Some(MIDNIGHT_MS + 400 * DAY_MS)));
    is_whole(&store);
}

/// One transaction for all of its series: as many syncs of the disk as for one.
#[test]
fn to_erase_a_device_of_many_series_costs_little_more_than_one_of_few() {
    let mut store = Fixture::new();
    let metric = |metric: u16| {
        let (device, name) = (DeviceIndex(0), format!("m{metric}").into());
        Change::Metric { device, metric: MetricIndex(metric), name, unit: None, guessed: false, decimals: None }
    };
    store.apply((1..=400).map(metric).collect());
    store.flush();
    store.apply(vec![Change::Removed { device: DeviceIndex(0) }, erased(MIDNIGHT_MS)]);
    store.flush();
    let written_bytes = || store.store().stats().written_bytes;
    let before = written_bytes();
    maintain(&store, MIDNIGHT_MS);
    assert!(!store.store().is_erasing());
    let pages = (written_bytes() - before) / 8_192;
    assert!(pages < 40, "{pages} pages for 401 series");
}
