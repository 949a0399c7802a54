//! Points of one time: each is there once.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::time::Duration;

use fixture::{DEVICE, Fixture, METRIC, add_devices, maintain, name_of, number, reading_as, times_of};
use tidegate_buckets::Rung;
use tidegate_telemetry::history::{ReadingsCursor, ReadingsQuery, TimesQuery};
use tidegate_telemetry::{AppliedReading, Change, DeviceIndex, History, TimeOrigin, Value};

const HOUR_MS: i64 = 3_600_000;
/// 2026-11-22, midnight.
const MIDNIGHT_MS: i64 = 20_779 * 24 * HOUR_MS;

/// Has `step` happen in memory, then in the files, in a closed hour, as late data of that, and after a restart.
fn wherever_it_is(store: &mut Fixture, mut step: impl FnMut(&mut Fixture)) {
    let later_ms = MIDNIGHT_MS + 2 * HOUR_MS;
    step(store);
    store.flush();
    step(store);
    store.flush();
    step(store);
    maintain(store, later_ms);
    step(store);
    store.flush();
    step(store);
    maintain(store, later_ms);
    store.restart();
    store.replay();
    step(store);
}

#[test]
fn readings_of_one_time_are_each_a_point_in_order_of_arrival_wherever_they_are() {
    let (mut store, mut expected) = (Fixture::new(), Vec::new());
    let receipt = |value| vec![reading_as(TimeOrigin::Receipt, MIDNIGHT_MS, [(0, number(value))])];
    wherever_it_is(&mut store, |store| {
        for value in [20.0, 999.0, 20.0] {
            store.apply(receipt(value));
            expected.push((MIDNIGHT_MS, number(value)));
        }
        let at = expected.len() as f64;
        store.reading(MIDNIGHT_MS, number(at));
        expected.push((MIDNIGHT_MS, number(at)));
        assert_eq!(store.all(), expected);
        let (buckets, _) = store.series(MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS, Rung::Hour);
        let (_, hour) = buckets[0];
        assert_eq!((hour.count as usize, hour.min, hour.max, hour.last), (expected.len(), 3.0, 999.0, at));
    });
    assert_eq!(store.store().stats().points as usize, expected.len());
}

#[test]
fn a_reading_that_the_device_gave_a_time_is_one_however_often_it_comes_and_wherever_it_is() {
    let mut store = Fixture::new();
    let text = |text: &str| Value::Text(text.into());
    let said = [number(1.0), number(5.0), text("ON"), Value::Bool(true), number(3.0), text("OFF"), number(-0.0)];
    let expected: Vec<_> = said.iter().map(|value| (MIDNIGHT_MS, value.clone())).collect();
    wherever_it_is(&mut store, |store| {
        said.iter().chain(&[number(0.0)]).for_each(|value| _ = store.reading(MIDNIGHT_MS, value.clone()));
        assert_eq!(store.all(), expected);
        let (buckets, _) = store.series(MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS, Rung::Hour);
        assert_eq!((buckets[0].1.count, buckets[0].1.max), (5, 5.0));
    });
}

#[test]
fn a_correction_takes_the_place_of_what_the_device_said_of_its_time_wherever_that_is() {
    let mut store = Fixture::new();
    let said = |origin, value| vec![reading_as(origin, MIDNIGHT_MS, [(0, number(value))])];
    let mut received = 0;
    wherever_it_is(&mut store, |store| {
        for (origin, value) in [
            (TimeOrigin::Device, 1.0),
            (TimeOrigin::Device, 2.0),
            (TimeOrigin::Receipt, 7.0),
            (TimeOrigin::Correction, 3.0),
            (TimeOrigin::Correction, 4.0),
        ] {
            store.apply(said(origin, value));
        }
        received += 1;
        let mut expected = vec![(MIDNIGHT_MS, number(7.0)); received];
        expected.push((MIDNIGHT_MS, number(4.0)));
        assert_eq!(store.all(), expected, "what came without a time is nobody's to correct");
        let (buckets, _) = store.series(MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS, Rung::Hour);
        assert_eq!((buckets[0].1.count as usize, buckets[0].1.last), (received + 1, 4.0));
    });
}

#[test]
fn asked_for_many_series_at_some_times_it_answers_as_for_each_alone_wherever_it_is() {
    const DEVICES: u32 = 30;
    let times_ms: Vec<i64> = [-1, 0, 5, 7, HOUR_MS, HOUR_MS + 7].into_iter().map(|ms| MIDNIGHT_MS + ms).collect();
    let mut store = Fixture::new();
    add_devices(&mut store, DEVICES);
    let mut round = 0;
    wherever_it_is(&mut store, |store| {
        round += 1;
        for device in (0..=DEVICES).filter(|device| device % 3 != round % 3) {
            for (at, ms) in [5, 0, 6, 7, HOUR_MS + 7, 5].into_iter().enumerate() {
                let value = if at == 2 { Value::Text("ON".into()) } else { number(f64::from(round) + at as f64) };
                let Change::Reading(reading) = reading_as(TimeOrigin::Device, MIDNIGHT_MS + ms, [(0, value)]) else {
                    unreachable!()
                };
                store.apply(vec![Change::Reading(AppliedReading { device: DeviceIndex(device), ..reading })]);
            }
        }
        // Few are looked for one by one, many by going through all.
        for devices in [1..3, 0..DEVICES + 1] {
            let names: Vec<String> =
                devices.map(|device| if device == 0 { DEVICE.into() } else { name_of(device) }).collect();
            let query = |name: &String| TimesQuery {
                device: name.as_str().into(),
                metric: METRIC.into(),
                times_ms: times_ms.clone(),
            };
            let mut queries: Vec<TimesQuery> = names.iter().map(query).collect();
            queries.push(TimesQuery { device: "nobody".into(), metric: METRIC.into(), times_ms: times_ms.clone() });
            let found = store.store().readings_at(&queries, 3, &|| true).unwrap();
            for (name, found) in names.iter().zip(&found) {
                let alone = store.of(name, METRIC, i64::MIN, i64::MAX).into_iter();
                let mut alone: Vec<_> = alone.filter(|(time_ms, _)| times_ms.contains(time_ms)).collect();
                let first_ms = |at: usize| alone[..at].iter().filter(|(time_ms, _)| *time_ms == alone[at].0).count();
                let keeps: Vec<bool> = (0..alone.len()).map(|at| first_ms(at) < 3).collect();
                let mut keeps = keeps.into_iter();
                alone.retain(|_| keeps.next() == Some(true));
                assert_eq!(*found, alone, "{name}, round {round}");
            }
            assert_eq!(found.last(), Some(&Vec::new()));
        }
    });
}

#[test]
fn pages_over_readings_of_one_time_have_each_of_them_once() {
    let mut store = Fixture::new();
    let value = |at: i64| number((at % 3) as f64);
    let all: Vec<_> = (0..1_000).map(|at| (MIDNIGHT_MS + at / 990, value(at))).collect();
    for (time_ms, value) in &all {
        store.apply(vec![reading_as(TimeOrigin::Receipt, *time_ms, [(0, value.clone())])]);
    }
    for limit in [1, 7, 100, 990, 995, 1_000] {
        let (mut found, mut next, mut pages) = (Vec::new(), Some(ReadingsCursor::from(MIDNIGHT_MS)), 0);
        while let Some(from) = next {
            let (device, metric) = (DEVICE.into(), METRIC.into());
            let query = ReadingsQuery { device, metric, from, to_ms: i64::MAX, limit };
            let page = store.store().readings(&query, &|| true).unwrap();
            assert!(page.points.len() <= limit);
            found.extend(page.points);
            (next, pages) = (page.next, pages + 1);
        }
        assert_eq!((found == all, pages), (true, 1_000_usize.div_ceil(limit)), "pages of {limit}");
    }
}

/// Ends between the commit of the day's file and that of `head.db`, which are two.
#[test]
fn late_readings_are_merged_once_when_a_crash_comes_between_two_files() {
    let receipt = |value| vec![reading_as(TimeOrigin::Receipt, MIDNIGHT_MS, [(0, number(value))])];
    let later_ms = MIDNIGHT_MS + 2 * HOUR_MS;
    for is_closed in [false, true] {
        let (mut store, mut expected) = (Fixture::new(), 0);
        for _ in 0..=u32::from(is_closed) {
            maintain(&store, later_ms);
            store.apply(receipt(1.0));
            store.apply(receipt(1.0));
            store.flush();
            expected += 2;
        }
        let head = std::fs::read(store.directory().join("head.db")).unwrap();
        maintain(&store, later_ms);
        store.restart_with(|directory| std::fs::write(directory.join("head.db"), &head).unwrap());
        let judge = |store: &Fixture, expected: usize| {
            assert_eq!(
                (store.all().len(), store.series(0, i64::MAX, Rung::Day).0[0].1.count as usize),
                (expected, expected)
            );
        };
        judge(&store, expected);
        store.apply(receipt(2.0));
        store.flush();
        judge(&store, expected + 1);
        for round in 0..3 {
            maintain(&store, later_ms);
            judge(&store, expected + 1);
            assert_eq!(store.store().stats().points as usize, expected + 1, "round {round}");
        }
    }
}

#[test]
fn nobody_sees_a_late_reading_twice_while_its_hour_is_merged_slice_by_slice() {
    const DEVICES: u32 = 1_200;
    let mut store = Fixture::new();
    add_devices(&mut store, DEVICES);
    let later_ms = MIDNIGHT_MS + 2 * HOUR_MS;
    let receive = |store: &mut Fixture| {
        let received = |device| match reading_as(TimeOrigin::Receipt, MIDNIGHT_MS, [(0, number(1.0))]) {
            Change::Reading(reading) => Change::Reading(AppliedReading { device: DeviceIndex(device), ..reading }),
            other => other,
        };
        store.apply((1..=DEVICES).map(received).collect());
        store.flush();
    };
    let judge = |store: &Fixture, expected: usize| {
        assert!([1, 400, 600, 1_000, DEVICES].iter().all(|&device| times_of(store, device).len() == expected));
    };
    receive(&mut store);
    maintain(&store, later_ms);
    receive(&mut store);
    let (mut expected, mut slices) = (2, 0);
    loop {
        let report = store.store().maintain_for(later_ms, Duration::ZERO).unwrap();
        judge(&store, expected);
        if report.hours_closed > 0 {
            break;
        }
        slices += u32::from(report.unfinished);
        if slices == 1 && expected == 2 {
            // It dies between two slices, and more comes before it goes on.
            store.restart();
            receive(&mut store);
            expected = 3;
        }
    }
    assert!(slices > 2, "{slices} slices");
    for _ in 0..4 {
        maintain(&store, later_ms);
        judge(&store, 3);
    }
    assert_eq!(store.store().stats().points, u64::from(DEVICES) * 3);
}
