//! One promise a test.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use fixture::{DEVICE, Fixture, METRIC, add_devices, maintain, number, reading, reading_of, times_of};
use tidegate_buckets::Rung;
use tidegate_store::{Aged, Store, StoreConfig, StoreError};
use tidegate_telemetry::history::{ReadingsQuery, SeriesQuery};
use tidegate_telemetry::{
    AlertChange, AlertState, AppliedReading, Change, Condition, DeviceIndex, History, HistoryError, MetricIndex,
    Position, Severity, Value,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-11-22, midnight.
const MIDNIGHT_MS: i64 = 20_779 * DAY_MS;

/// A reading a minute, from a time on.
fn minutes(store: &mut Fixture, from_ms: i64, count: i64) {
    for at in 0..count {
        store.reading(from_ms + at * 60_000, number((at % 50) as f64 / 10.0));
    }
}

fn file_names(store: &Fixture) -> Vec<String> {
    let files = std::fs::read_dir(store.directory()).unwrap();
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".db") || name.ends_with(".damaged"));
    names.sort();
    names
}

#[test]
fn what_is_not_finite_is_refused_and_its_neighbours_are_kept() {
    let mut store = Fixture::new();
    store.apply([f64::NAN, 1.5, f64::INFINITY].map(|wrong| reading(MIDNIGHT_MS, number(wrong))).to_vec());
    assert_eq!(store.all(), [(MIDNIGHT_MS, number(1.5))]);
}

#[test]
fn a_seal_hides_nothing_from_queries_and_a_later_reading_is_not_in_it() {
    let mut store = Fixture::new();
    let first = store.reading(MIDNIGHT_MS, number(1.0));
    let flush = store.store().seal(first);
    store.reading(MIDNIGHT_MS + 1, number(2.0));
    assert_eq!(store.all().len(), 2);
    flush.run().unwrap();
    assert_eq!(store.flushed(), first);
    assert_eq!(store.all().len(), 2);
    store.restart();
    assert_eq!(store.all(), [(MIDNIGHT_MS, number(1.0))]);
}

#[test]
fn a_late_reading_mends_the_summary_of_a_closed_hour() {
    let mut store = Fixture::new();
    minutes(&mut store, MIDNIGHT_MS, 60);
    store.flush();
    maintain(&store, MIDNIGHT_MS + 2 * HOUR_MS);
    assert_eq!(file_names(&store), ["head.db", "raw-2026-11-22.db", "rollup-2026-11.db"]);
    store.reading(MIDNIGHT_MS + 30_500, number(99.0));
    for stage in ["in memory", "in a part", "merged"] {
        let (buckets, _) = store.series(i64::MIN, i64::MAX, Rung::Hour);
        assert_eq!((buckets[0].1.count, buckets[0].1.max), (61, 99.0), "{stage}");
        match stage {
            "in memory" => store.flush(),
            _ => maintain(&store, MIDNIGHT_MS + 2 * HOUR_MS),
        }
    }
    assert_eq!(store.store().stats().points, 61);
}

#[test]
fn an_hour_is_not_merged_while_its_data_is_coming() {
    let mut store = Fixture::new();
    minutes(&mut store, MIDNIGHT_MS, 30);
    store.flush();
    assert_eq!(store.store().maintain(MIDNIGHT_MS + HOUR_MS + 1_000).unwrap().hours_closed, 0, "it has just ended");
    let later_ms = MIDNIGHT_MS + 2 * HOUR_MS;
    assert_eq!(store.store().maintain(later_ms).unwrap().hours_closed, 0, "it may not be quiet yet");
    assert_eq!(store.store().maintain(later_ms).unwrap().hours_closed, 1);
    assert_eq!(store.store().maintain(later_ms).unwrap().hours_closed, 0);
}

#[test]
fn the_space_of_merged_parts_goes_back_to_the_disk() {
    let mut store = Fixture::new();
    for at in 0..3_000 {
        store.reading(MIDNIGHT_MS + at * 1_000, number((at * at % 977) as f64 / 7.0));
        if at % 20 == 0 {
            store.flush();
        }
    }
    store.flush();
    let head_bytes = |store: &Fixture| store.directory().join("head.db").metadata().unwrap().len();
    let before = head_bytes(&store);
    maintain(&store, MIDNIGHT_MS + 2 * HOUR_MS);
    assert!(head_bytes(&store) + 16_384 < before, "{before} before, {} after", head_bytes(&store));
    assert_eq!(store.all().len(), 3_000);
}

#[test]
fn days_past_their_age_are_unlinked_and_their_summaries_stay() {
    let mut store = Fixture::with(StoreConfig { retention_age_days: 2, ..StoreConfig::default() });
    for day in 0..4 {
        minutes(&mut store, MIDNIGHT_MS + day * DAY_MS, 60);
    }
    store.flush();
    maintain(&store, MIDNIGHT_MS + DAY_MS + 2 * HOUR_MS);
    assert!(file_names(&store).contains(&"raw-2026-11-22.db".to_owned()));
    let report = store.store().maintain(MIDNIGHT_MS + 3 * DAY_MS + HOUR_MS).unwrap();
    assert_eq!(report.files_deleted, 1);
    assert!(!file_names(&store).contains(&"raw-2026-11-22.db".to_owned()));
    assert_eq!(store.all().first().map(|point| point.0), Some(MIDNIGHT_MS + DAY_MS));
    let (hours, _) = store.series(i64::MIN, i64::MAX, Rung::Hour);
    assert_eq!(hours.iter().map(|(start_ms, hour)| (*start_ms, hour.count)).collect::<Vec<_>>().len(), 4);
    assert_eq!(hours[0].1.count, 60);
}

#[test]
fn a_reading_older_than_the_retention_makes_no_file() {
    let mut store = Fixture::with(StoreConfig { retention_age_days: 2, ..StoreConfig::default() });
    let Change::Reading(mut old) = reading(MIDNIGHT_MS - 3 * DAY_MS, number(1.0)) else { unreachable!() };
    old.received_ms = MIDNIGHT_MS;
    let recent = reading(MIDNIGHT_MS, number(1.0));
    let (old, changes) = (Change::Reading(old.clone()), [Change::Reading(old.clone()), Change::Reading(old), recent]);
    store.apply(vec![old]);
    assert_eq!(store.all(), []);
    let told = store.store().apply_all([(Position(1_000), &changes[..])]);
    let kept_from_ms = MIDNIGHT_MS - 2 * DAY_MS;
    let told: Vec<_> =
        told.iter().map(|it| (it.position, &*it.device, it.kept_from_ms, it.for_bytes, it.values)).collect();
    assert_eq!(told, [(Position(1_000), DEVICE, kept_from_ms, false, 2)], "it is told once for each entry");
    assert_eq!(store.all().len(), 1);
}

#[test]
fn past_the_bytes_the_oldest_day_goes_first_and_the_newest_stays() {
    let mut store = Fixture::with(StoreConfig { retention_bytes: 1, ..StoreConfig::default() });
    for day in 0..3 {
        minutes(&mut store, MIDNIGHT_MS + day * DAY_MS, 60);
    }
    store.flush();
    maintain(&store, MIDNIGHT_MS + 3 * DAY_MS);
    assert_eq!(file_names(&store), ["head.db", "raw-2026-11-24.db", "rollup-2026-11.db"]);
    assert_eq!(store.all().len(), 60);
}

#[test]
fn late_readings_of_a_day_that_went_for_the_bytes_leave_its_summaries_alone() {
    let mut store = Fixture::with(StoreConfig { retention_bytes: 1, ..StoreConfig::default() });
    for day in 0..3 {
        minutes(&mut store, MIDNIGHT_MS + day * DAY_MS, 60);
    }
    store.flush();
    maintain(&store, MIDNIGHT_MS + 3 * DAY_MS);
    let hour = |store: &Fixture| store.series(MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS, Rung::Hour).0;
    let (before, raw) = (hour(&store), store.all().len());
    assert_eq!(before[0].1.count, 60);
    for when in ["while it runs", "after a restart"] {
        for time_ms in [MIDNIGHT_MS + 90_500, MIDNIGHT_MS + 2 * DAY_MS + 90_500] {
            let Change::Reading(late) = reading(time_ms, number(99.0)) else { unreachable!() };
            let received_ms = MIDNIGHT_MS + 3 * DAY_MS;
            store.apply(vec![Change::Reading(AppliedReading { received_ms, ..late })]);
        }
        assert_eq!(hour(&store), before, "{when}");
        store.flush();
        maintain(&store, MIDNIGHT_MS + 4 * DAY_MS);
        assert_eq!(hour(&store), before, "{when}, merged");
        assert_eq!(store.all().len(), raw + 1, "readings of a day that is there are taken");
        store.restart();
    }
}

#[test]
fn readings_of_days_that_never_were_there_are_taken_late_after_a_long_pause() {
    let mut store = Fixture::with(StoreConfig { retention_age_days: 3, ..StoreConfig::default() });
    for day in [0, 10] {
        minutes(&mut store, MIDNIGHT_MS + day * DAY_MS, 60);
        store.flush();
        maintain(&store, MIDNIGHT_MS + day * DAY_MS + 2 * HOUR_MS);
    }
    assert_eq!(store.all().len(), 60, "of the first day only summaries are left");
    store.restart();
    let Change::Reading(late) = reading(MIDNIGHT_MS + 9 * DAY_MS, number(99.0)) else { unreachable!() };
    let received_ms = MIDNIGHT_MS + 10 * DAY_MS + 3 * HOUR_MS;
    store.apply(vec![Change::Reading(AppliedReading { received_ms, ..late })]);
    assert_eq!(store.all().len(), 61);
}

#[test]
fn a_damaged_day_stops_the_start_with_its_name_and_what_to_do() {
    let mut store = Fixture::new();
    minutes(&mut store, MIDNIGHT_MS, 60);
    store.flush();
    maintain(&store, MIDNIGHT_MS + 2 * HOUR_MS);
    let directory = store.directory().to_owned();
    let file = directory.join("raw-2026-11-22.db");
    store.into_directory(|| {
        std::fs::write(&file, b"this is no database, whatever its name says").unwrap();
        let error = Store::open(StoreConfig { directory: directory.clone(), ..StoreConfig::default() }).unwrap_err();
        assert!(matches!(&error, StoreError::Damaged { file: named, .. } if *named == file), "{error}");
        assert!(error.to_string().contains("move it away"), "{error}");
    });
}

#[test]
fn a_damaged_rollup_is_moved_aside_and_made_again() {
    let mut store = Fixture::new();
    minutes(&mut store, MIDNIGHT_MS, 60);
    store.flush();
    maintain(&store, MIDNIGHT_MS + 2 * HOUR_MS);
    let before = store.series(i64::MIN, i64::MAX, Rung::Day);
    let directory = store.directory().to_owned();
    store.into_directory(|| {
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(directory.join(format!("rollup-2026-11.db{suffix}")));
        }
        std::fs::write(directory.join("rollup-2026-11.db"), [7; 8192]).unwrap();
        let mended = Fixture::on(StoreConfig { directory: directory.clone(), ..StoreConfig::default() });
        assert_eq!(mended.series(i64::MIN, i64::MAX, Rung::Day).0, before.0, "from raw readings meanwhile");
        assert_eq!(mended.store().maintain(MIDNIGHT_MS + 2 * HOUR_MS).unwrap().hours_summarized, 1);
        assert_eq!(mended.series(i64::MIN, i64::MAX, Rung::Day).0, before.0);
    });
}

#[test]
fn booleans_and_texts_come_back_as_such_and_charts_leave_texts_out() {
    let mut store = Fixture::new();
    let values = [Value::Bool(true), Value::Text("heating".into()), number(2.0), Value::Text("ON".into())];
    let expected: Vec<(i64, Value)> = (MIDNIGHT_MS..).step_by(60_000).zip(values).collect();
    for (time_ms, value) in &expected {
        store.reading(*time_ms, value.clone());
    }
    for stage in 0..3 {
        assert_eq!(store.all(), expected, "stage {stage}");
        let (buckets, _) = store.series(i64::MIN, i64::MAX, Rung::Hour);
        assert_eq!((buckets[0].1.count, buckets[0].1.sum), (2, 3.0));
        if stage == 0 { store.flush() } else { maintain(&store, MIDNIGHT_MS + 2 * HOUR_MS) }
    }
}

#[test]
fn a_device_with_a_new_number_keeps_its_history() {
    let mut store = Fixture::new();
    store.reading(MIDNIGHT_MS, number(1.0));
    store.flush();
    store.restart();
    let device = DeviceIndex(7);
    let metric = MetricIndex(3);
    let Change::Reading(mut moved) = reading(MIDNIGHT_MS + 1, number(2.0)) else { unreachable!() };
    (moved.device, moved.cells[0].metric) = (device, metric);
    store.apply(vec![
        Change::Device { device, id: DEVICE.into(), group: "".into() },
        Change::Metric { device, metric, name: METRIC.into(), unit: None, guessed: false, decimals: None },
        Change::Reading(moved),
    ]);
    assert_eq!(store.all().len(), 2);
    assert_eq!(store.store().stats().series, 1);
}

fn alert(id: &str, state: AlertState, raised_ms: i64) -> Change {
    Change::Alert(AlertChange {
        id: id.into(),
        rule: "too warm".into(),
        severity: Severity::Critical,
        device_id: DEVICE.into(),
        group: "".into(),
        metric: Some(METRIC.into()),
        condition: Some(Condition::Above { threshold: 8.0, hysteresis: 0.5, for_ms: 30_000 }),
        unit: Some("°C".into()),
        decimals: Some(1),
        words: "".into(),
        state,
        value: Some(8.25),
        raised_ms,
        acknowledged: None,
        cleared_ms: (state == AlertState::Cleared).then_some(raised_ms + 1),
        raised_value: None,
        peak: None,
        comment: None,
        unacknowledged: None,
    })
}

fn shown(store: &Fixture, before: Option<Position>, limit: usize) -> Vec<(u64, String, i64)> {
    let events = store.store().alert_events(before, limit).unwrap();
    events.into_iter().map(|event| (event.position.0, event.alert.id.to_string(), event.at_ms)).collect()
}

#[test]
fn alert_events_are_newest_first_across_files_and_memory_and_survive_a_restart() {
    let mut store = Fixture::new();
    store.apply(vec![alert("a", AlertState::Raised, 10), alert("b", AlertState::Raised, 10)]);
    store.flush();
    store.apply(vec![alert("a", AlertState::Cleared, 10)]);
    let all = [(3, "a".to_owned(), 11), (2, "b".to_owned(), 10), (2, "a".to_owned(), 10)];
    assert_eq!(shown(&store, None, 10), all);
    assert_eq!(shown(&store, None, 1), all[..1]);
    assert_eq!(shown(&store, Some(Position(3)), 1), all[1..], "events of one position are not torn apart");
    store.restart();
    assert_eq!(shown(&store, None, 10), all[1..]);
    store.replay();
    assert_eq!(shown(&store, None, 10), all);
}

#[test]
fn alert_events_are_bounded_by_number_and_by_age() {
    let mut store = Fixture::with(StoreConfig { events_max: 3, events_age_days: 1, ..StoreConfig::default() });
    for at in 0..10 {
        store.apply(vec![alert("a", AlertState::Raised, MIDNIGHT_MS + at)]);
    }
    store.flush();
    store.store().maintain(MIDNIGHT_MS).unwrap();
    assert_eq!(shown(&store, None, 10).len(), 3);
    store.store().maintain(MIDNIGHT_MS + DAY_MS + 9).unwrap();
    assert_eq!(shown(&store, None, 10), [(11, "a".to_owned(), MIDNIGHT_MS + 9)]);
}

/// A reading of each of these devices.
fn readings_of(store: &mut Fixture, devices: impl Iterator<Item = u32>, time_ms: i64) {
    let reading = |device: u32| match reading(time_ms, number(f64::from(device) / 10.0)) {
        Change::Reading(reading) => Change::Reading(AppliedReading { device: DeviceIndex(device), ..reading }),
        other => other,
    };
    store.apply(devices.map(reading).collect());
}

/// The load of many small sensors: five metrics a reading, a reading each 5 s with some ms of jitter.
#[test]
fn the_metrics_of_a_reading_keep_its_time_once_in_an_open_hour() {
    const DEVICES: u32 = 500;
    const METRICS: u16 = 5;
    let mut store = Fixture::new();
    add_devices(&mut store, DEVICES);
    let metric = |device: u32| (1..METRICS).map(move |metric| (device, metric));
    let of = |(device, metric): (u32, u16)| Change::Metric {
        device: DeviceIndex(device),
        metric: MetricIndex(metric),
        name: format!("metric{metric}").into(),
        unit: None,
        guessed: false,
        decimals: None,
    };
    store.apply((1..=DEVICES).flat_map(metric).map(of).collect());
    let mut noise = 1_u64;
    let mut random = move |below: u64| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((noise >> 33) % below) as i64
    };
    for round in 0..720 {
        let mut readings = Vec::new();
        for device in 1..=DEVICES {
            let time_ms = MIDNIGHT_MS + round * 5_000 + i64::from(device) % 4_900 + random(20);
            let mut tenths = |metric: u16| (metric, number((215 + random(6)) as f64 / 10.0));
            match reading_of(time_ms, (0..METRICS).map(&mut tenths)) {
                Change::Reading(reading) => {
                    readings.push(Change::Reading(AppliedReading { device: DeviceIndex(device), ..reading }))
                }
                _ => unreachable!("a reading is one"),
            }
        }
        store.apply(readings);
        if round % 16 == 15 {
            store.flush();
        }
    }
    let stats = store.store().stats();
    assert_eq!(stats.points, u64::from(DEVICES) * u64::from(METRICS) * 720);
    let bytes_a_point = stats.file_bytes as f64 / stats.points as f64;
    assert!(bytes_a_point < 1.6, "{bytes_a_point:.3} bytes a point");
}

#[test]
fn each_of_many_series_gets_its_own_points_back_however_many_the_others_have() {
    const DEVICES: u32 = 1_500;
    let mut store = Fixture::new();
    add_devices(&mut store, DEVICES);
    let mut expected = vec![Vec::new(); DEVICES as usize + 1];
    for step in 0..400_i64 {
        // The hour turns in the middle, every hundredth device has many points, and some are in few of the flushes.
        let time_ms = MIDNIGHT_MS + 3_000_000 + step * 3_000;
        let devices = |device: &u32| device % 100 == 7 || (step % 50 == 0 && step % i64::from(1 + device % 9) == 0);
        readings_of(&mut store, (1..=DEVICES).filter(devices), time_ms);
        (1..=DEVICES).filter(devices).for_each(|device| expected[device as usize].push(time_ms));
        if step % 100 == 99 {
            store.flush();
        }
    }
    for stage in ["in parts", "after a restart", "in the file of the day"] {
        for device in 1..=DEVICES {
            assert_eq!(times_of(&store, device), expected[device as usize], "device {device} {stage}");
        }
        match stage {
            "in parts" => store.restart(),
            _ => maintain(&store, MIDNIGHT_MS + 3 * HOUR_MS),
        }
    }
    assert_eq!(store.store().stats().points, expected.iter().map(|times| times.len() as u64).sum::<u64>());
}

#[test]
fn an_hour_is_closed_a_slice_at_a_time_and_what_happens_in_between_loses_nothing() {
    const DEVICES: u32 = 1_600;
    let now_ms = MIDNIGHT_MS + 2 * HOUR_MS;
    let mut store = Fixture::new();
    add_devices(&mut store, DEVICES);
    let mut expected = Vec::new();
    let mut add = |store: &mut Fixture, time_ms| {
        readings_of(store, 1..=DEVICES, time_ms);
        expected.push(time_ms);
        store.flush();
        expected.clone()
    };
    let check = |store: &Fixture, expected: &[i64], when: &str| {
        for device in [1, DEVICES / 2, DEVICES] {
            assert_eq!(times_of(store, device), expected, "device {device} {when}");
        }
    };
    // First the hour is closed for the first time, then late data is merged into it.
    for round in 0..2 {
        let expected = add(&mut store, MIDNIGHT_MS + round * 10_000);
        assert_eq!(store.store().maintain_for(now_ms, Duration::ZERO).unwrap().hours_closed, 0, "it may not be quiet");
        assert!(store.store().maintain_for(now_ms, Duration::ZERO).unwrap().unfinished, "one slice is not all");
        check(&store, &expected, "after a slice");
        store.restart();
        check(&store, &expected, "after a crash between two slices");
        store.store().maintain_for(now_ms, Duration::ZERO).unwrap();
        assert!(store.store().maintain_for(now_ms, Duration::ZERO).unwrap().unfinished);
        let expected = add(&mut store, MIDNIGHT_MS + round * 10_000 + 1);
        check(&store, &expected, "with a flush between two slices");
        while store.store().maintain_for(now_ms, Duration::ZERO).unwrap().unfinished {}
        maintain(&store, now_ms);
        check(&store, &expected, "when it is closed");
        assert_eq!(store.store().stats().points, u64::from(DEVICES) * expected.len() as u64);
        assert_eq!(store.store().maintain(now_ms).unwrap().hours_closed, 0, "nothing is left");
    }
}

#[test]
fn a_clock_that_is_ahead_deletes_and_refuses_nothing_while_the_age_of_history_is_another() {
    let mut store = Fixture::new();
    for day in 0..20 {
        store.reading(MIDNIGHT_MS + day * DAY_MS, number(day as f64));
    }
    store.flush();
    let right_ms = MIDNIGHT_MS + 20 * DAY_MS;
    store.store().age_to(Aged { to_ms: right_ms, surely_ms: None });
    for ahead_days in [401, 3_650] {
        let wrong_ms = right_ms + ahead_days * DAY_MS;
        maintain(&store, wrong_ms);
        let Change::Reading(reading) = reading(right_ms, number(1.0)) else { unreachable!("it makes readings") };
        store.apply(vec![Change::Reading(AppliedReading { received_ms: wrong_ms, ..reading })]);
        assert_eq!(store.within(0, wrong_ms).len(), 21, "{ahead_days} days");
    }
    // What was measured to holds over a restart, and what is old by it goes.
    store.restart();
    assert_eq!(store.store().aged(), Some(Aged { to_ms: right_ms, surely_ms: None }));
    store.store().age_to(Aged { to_ms: MIDNIGHT_MS + 410 * DAY_MS, surely_ms: Some(right_ms) });
    maintain(&store, right_ms + 401 * DAY_MS);
    assert_eq!(store.within(0, right_ms).len(), 10);
}

#[test]
fn a_question_that_nobody_waits_for_any_more_ends_before_its_next_hour() {
    let mut store = Fixture::new();
    minutes(&mut store, MIDNIGHT_MS, 24 * 60);
    store.flush();
    let (device, metric) = (Arc::from(DEVICE), Arc::from(METRIC));
    let (from_ms, to_ms) = (MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS);
    let looks = Cell::new(0);
    let wanted = || looks.replace(looks.get() + 1) < 3;
    let query =
        SeriesQuery { device: Arc::clone(&device), metric: Arc::clone(&metric), from_ms, to_ms, rung: Rung::Minute };
    let withdrawn = store.store().series(&query, &wanted);
    assert!(matches!(withdrawn, Err(HistoryError::Withdrawn)) && looks.get() == 4, "{} looks", looks.get());
    let query = ReadingsQuery { device, metric, from: from_ms.into(), to_ms, limit: 10_000 };
    let withdrawn = store.store().readings(&query, &wanted);
    assert!(matches!(withdrawn, Err(HistoryError::Withdrawn)) && looks.get() == 5, "{} looks", looks.get());
}
