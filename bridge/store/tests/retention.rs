//! Some series are kept for a shorter time than the others; the others lose nothing by it.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::{Fixture, maintain, number, reading_of};
use tidegate_backup::Access;
use tidegate_buckets::Rung;
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

/// Nobody has it any more, so one late reading is no reason to believe that the hour had no other.
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
        let mut store = Fixture::on(config);
        let (device, name) = (DeviceIndex(0), SHAKEN.into());
        store.apply(vec![]);
        for _ in 0..400 {
            store.apply(vec![]);
        }
        store.apply(vec![
            Change::Device { device, id: fixture::DEVICE.into(), group: "".into() },
            Change::Metric { device, metric: MetricIndex(1), name, unit: None, guessed: false, decimals: None },
            reading_of(MIDNIGHT_MS + 90_000, [(1, number(99.0))]),
        ]);
        store.flush();
        maintain(&store, MIDNIGHT_MS + 6 * DAY_MS + 3 * HOUR_MS);
        let query = SeriesQuery {
            device: fixture::DEVICE.into(),
            metric: SHAKEN.into(),
            from_ms: MIDNIGHT_MS,
            to_ms: MIDNIGHT_MS + HOUR_MS,
            rung: Rung::Hour,
        };
        let hour = store.store().series(&query, &|| true).unwrap().buckets;
        assert_eq!(kept(&store, SHAKEN), [0, 5], "the late reading itself is taken");
        assert_eq!((hour[0].1.max, hours(&store, SHAKEN)), (0.0, before));
    });
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
