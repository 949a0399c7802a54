//! Which value is the newest.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Fleet, T0, above, alerts, by, number, publication, readings};
use tidegate_decode::{DecodeConfig, FormatChoice, SameTime, SourceConfig};
use tidegate_process::ProcessConfig;
use tidegate_telemetry::{
    Change, DeliveryClass, DeviceIndex, DeviceState, Entry, Import, ImportedSeries, Intent, MetricIndex, TimeOrigin,
};

#[test]
fn a_reading_is_told_with_its_device_its_metrics_and_its_class() {
    let mut fleet = Fleet::new();
    let changes = fleet.sends("dev7", 1, 0, r#""temperature":23.5,"on":true"#).to_vec();
    let device = DeviceIndex(0);
    assert_eq!(changes[0], Change::Device { device, id: "dev7".into(), group: "hall".into() });
    assert!(matches!(&changes[2], Change::Metric { name, unit: Some(unit), guessed: true, decimals: Some(1), .. }
        if &**name == "temperature" && &**unit == "°C"));
    let reading = readings(&changes)[0].clone();
    assert_eq!((reading.device, reading.time_ms, reading.received_ms), (device, T0, T0 + 1_000));
    assert_eq!(reading.class, DeliveryClass::Envelope);
    let cells: Vec<_> = reading.cells.iter().map(|cell| (cell.metric, cell.latest)).collect();
    assert_eq!(cells, [(MetricIndex(0), true), (MetricIndex(1), true)]);
}

#[test]
fn a_late_reading_never_moves_latest() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 10, 20.0);
    for (received, time) in [(11, 9), (12, -86_400), (13, 5), (14, 9)] {
        let changes = fleet.sends("dev7", received, time, r#""temperature":99"#).to_vec();
        assert!(!readings(&changes)[0].cells[0].latest, "it is told, for history");
        assert_eq!(fleet.output.counts.values_late, 1);
        assert_eq!(fleet.latest("temperature"), [(10, number(20.0))]);
    }
}

#[test]
fn a_backlog_after_a_live_reading_never_moves_latest() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 3_600, 20.0);
    // An hour of readings, 5 s apart, oldest first, ten a second.
    for n in 0..700 {
        let payload = format!(r#"{{"deviceId":"dev7","time":{},"temperature":{n}}}"#, T0 + n * 5_000);
        fleet.apply(&publication(T0 + 3_600_000 + n * 100, "c1", "hall/telemetry", &payload));
        assert_eq!(fleet.output.counts.clocks_rebased, 0, "reading {n}");
    }
    assert_eq!(fleet.latest("temperature"), [(3_600, number(20.0))]);
}

#[test]
fn a_repeated_reading_is_dropped_and_counted() {
    let mut fleet = Fleet::new();
    fleet.feels("dev7", 1, 20.0);
    let payload = r#""temperature":20,"humidity":40"#;
    let changes = fleet.sends("dev7", 2, 1, payload).to_vec();
    assert_eq!(fleet.output.counts.values_duplicate, 1);
    assert_eq!(readings(&changes)[0].cells.len(), 1, "what is new in it is told");
    assert!(readings(fleet.sends("dev7", 3, 1, payload)).is_empty());
    assert_eq!(fleet.output.counts.values_duplicate, 2);
}

#[test]
fn of_two_values_with_one_time_the_later_arrival_wins_and_each_is_told() {
    let mut fleet = Fleet::new();
    for value in [20.0, 21.0, 20.5] {
        let told = readings(fleet.sends("dev7", 1, 1, &format!(r#""temperature":{value}"#)))[0].clone();
        assert_eq!((told.origin, told.cells[0].latest), (TimeOrigin::Device, true));
        assert_eq!(fleet.latest("temperature"), [(1, number(value))]);
    }
}

#[test]
fn what_a_device_gave_for_the_newest_time_is_known_whatever_it_gave_after_it() {
    let mut fleet = Fleet::new();
    for value in [1, 5, 3, 1, 5, 3, 5] {
        fleet.sends("dev7", 1, 1, &format!(r#""temperature":{value}"#));
    }
    assert_eq!(fleet.latest("temperature"), [(1, number(3.0))], "two ways tell it twice");
    assert_eq!(fleet.output.counts.values_duplicate, 1);
    fleet.sends("dev7", 2, 2, r#""temperature":5"#);
    assert_eq!(fleet.output.counts.values_duplicate, 0, "another time is another reading");
}

#[test]
fn values_without_a_time_are_each_told_however_fast_and_alike_they_come() {
    let mut fleet = Fleet::new();
    for value in ["20", "20", "999", "20", "20"] {
        fleet.apply(&publication(T0, "c1", "site/dev7/t", value));
        let told = readings(&fleet.output.changes)[0].clone();
        assert_eq!((told.time_ms, told.origin), (T0, TimeOrigin::Receipt));
        assert!(told.cells[0].latest && told.cells[0].is_new);
    }
    let array = r#"[{"v":1},{"v":9},{"v":9},{"v":2}]"#;
    assert_eq!(readings(fleet.apply(&publication(T0, "c1", "site/dev8", array))).len(), 4);
    assert_eq!(fleet.output.counts.values_duplicate, 0);
    // A time of its own that happens to be that of the receipt makes it another reading.
    fleet.apply(&publication(T0, "c1", "site/dev8", &format!(r#"{{"v":2,"time":{T0}}}"#)));
    assert_eq!(fleet.output.counts.values_duplicate, 0);
    fleet.apply(&publication(T0, "c1", "site/dev8", &format!(r#"{{"v":2,"time":{T0}}}"#)));
    assert_eq!(fleet.output.counts.values_duplicate, 1);
}

/// Of what is told as new, history need not be asked whether it has it.
#[test]
fn a_reading_is_told_as_new_when_nothing_can_have_come_before_it_for_its_time() {
    let mut fleet = Fleet::new();
    let mut is_new = |received_s, time_s, value: i64| {
        let told = fleet.sends("dev7", received_s, time_s, &format!(r#""temperature":{value}"#)).to_vec();
        readings(&told)[0].cells[0].is_new
    };
    assert!(is_new(0, 0, 1), "nobody has left yet");
    assert!(is_new(70, 70, 1));
    assert!(is_new(71, 70, 2), "another value of the newest time");
    assert!(!is_new(72, 65, 2), "a late one");
    assert!((3..17).all(|value| is_new(73, 70, value)));
    assert!(!is_new(73, 70, 18), "they are too many to remember");
    for second in 80..90 {
        assert!(is_new(second, second, 1));
    }
    // Its clock steps back by 20 s and is believed: what it says now it may have said before.
    for second in 90..110 {
        assert!(!is_new(second, second - 20, 1), "{second}");
    }
    assert!(is_new(110, 90, 1));
}

#[test]
fn a_device_that_comes_again_may_have_said_before_what_it_says() {
    let is_new = |fleet: &mut Fleet, who: &str, device: &str, second: i64| {
        let time_ms = T0 + second * 1_000;
        let payload = format!(r#"{{"deviceId":"{device}","timestamp":{time_ms},"temperature":1}}"#);
        let told = fleet.apply(&by(publication(time_ms, who, "hall/telemetry", &payload), who, None)).to_vec();
        readings(&told)[0].cells[0].is_new
    };
    let full = ProcessConfig { devices_max: 4, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(full.clone());
    assert!(["a1", "a2", "a3", "a4"].into_iter().all(|device| is_new(&mut fleet, "ann", device, 0)));
    assert!(is_new(&mut fleet, "bob", "b", 1), "a1 makes room for it");
    let checkpoint = fleet.process.checkpoint();
    assert!(!is_new(&mut fleet, "cat", "a1", 2));
    assert!(!is_new(&mut fleet, "cat", "a1", 62), "its clock may have been ahead");
    assert!(is_new(&mut fleet, "cat", "a1", 63));
    fleet.go_on(full.clone(), &checkpoint);
    assert!(!is_new(&mut fleet, "cat", "a1", 2), "a checkpoint says who left");
    let erase = Intent::EraseDevice { received_ms: T0 + 4_000, by: "ann".into(), device: "a2".into() };
    fleet.apply(&Entry::Intent(erase));
    assert!(is_new(&mut fleet, "dan", "a2", 5), "of one that was erased nothing is anywhere");
    // The log of this one begins later.
    let mut fleet = Fleet::with(full);
    fleet.position = 7;
    assert!(!is_new(&mut fleet, "ann", "a1", 0));
}

#[test]
fn what_a_device_says_of_a_time_may_have_been_imported() {
    let mut fleet = Fleet::new();
    let is_new = |fleet: &mut Fleet, second: i64| {
        let told = fleet.sends("dev7", second, second, r#""temperature":1"#).to_vec();
        readings(&told)[0].cells[0].is_new
    };
    assert!(is_new(&mut fleet, 1));
    let points = [(T0 + 9_000, number(2.0)), (T0 + 3_000, number(2.0))].into();
    let series = ImportedSeries { device: "dev7".into(), group: "".into(), metric: "temperature".into(), points };
    fleet.apply(&Entry::Import(Import { received_ms: T0 + 2_000, series: vec![series] }));
    assert!(!is_new(&mut fleet, 5) && !is_new(&mut fleet, 9) && is_new(&mut fleet, 10));
}

#[test]
fn a_source_that_corrects_itself_is_told_so_and_only_the_same_value_is_the_same_reading() {
    let source = SourceConfig {
        topic: "meters/#".into(),
        format: FormatChoice::Auto,
        timezone: None,
        same_time: SameTime::Last,
        ..SourceConfig::default()
    };
    let decode = DecodeConfig { sources: vec![source], ..DecodeConfig::default() };
    let mut fleet = Fleet::reading(decode, ProcessConfig::default());
    let payload = |value: i64| format!(r#"{{"deviceId":"m1","time":{T0},"energy":{value}}}"#);
    for (value, duplicate) in [(1, 0), (1, 1), (2, 0), (2, 1), (1, 0)] {
        fleet.apply(&publication(T0, "c1", "meters/up", &payload(value)));
        assert_eq!(fleet.output.counts.values_duplicate, duplicate);
        assert_eq!(fleet.latest("energy"), [(0, number(value as f64))]);
        let told = readings(&fleet.output.changes);
        assert!(told.iter().all(|told| told.origin == TimeOrigin::Correction));
        assert!(told.iter().all(|told| told.cells[0].is_new == (fleet.position == 1)));
    }
    fleet.apply(&publication(T0, "c1", "meters/m1/power", "5"));
    assert_eq!(readings(&fleet.output.changes)[0].origin, TimeOrigin::Receipt, "without a time it corrects nothing");
}

#[test]
fn a_clock_that_was_an_hour_ahead_does_not_freeze_it() {
    let mut fleet = Fleet::new();
    fleet.sends("dev7", 0, 3_600, r#""temperature":20"#);
    assert_eq!(fleet.output.counts.readings_skewed, 1);
    assert_eq!(fleet.latest("temperature"), [(0, number(20.0))], "it ranks by its receipt");
    assert_eq!(fleet.process.device_figures("dev7").unwrap().skew_ms, Some(3_600_000));
    fleet.sends("dev7", 5, 5, r#""temperature":21"#);
    assert_eq!(fleet.latest("temperature"), [(5, number(21.0))]);
}

#[test]
fn the_end_of_summer_time_does_not_freeze_it() {
    // A device west of Greenwich sends local time as if it were UTC: 4 h behind, then 5 h.
    let mut fleet = Fleet::new();
    let local = |at_s: i64| at_s - if at_s < 100 { 4 * 3_600 } else { 5 * 3_600 };
    for at_s in (0..100).step_by(5) {
        fleet.sends("dev7", at_s, local(at_s), r#""temperature":20,"humidity":40"#);
    }
    let newest = local(95);
    for (at_s, latest) in [(100, newest), (105, newest), (110, local(110)), (115, local(115))] {
        fleet.sends("dev7", at_s, local(at_s), &format!(r#""temperature":{at_s}"#));
        assert_eq!(fleet.latest("temperature")[0].0, latest, "at {at_s}");
    }
    fleet.sends("dev7", 120, local(120), r#""humidity":41"#);
    assert_eq!(fleet.latest("humidity"), [(local(120), number(41.0))], "also a metric that was not in those three");
}

#[test]
fn a_device_that_sends_batches_gets_its_new_baseline_too() {
    let mut fleet = Fleet::new();
    let batch = |minute: i64, shift_s: i64| {
        let readings = (0..6).map(|n| {
            let time_ms = T0 + minute * 60_000 + n * 10_000 - 60_000 + shift_s * 1_000;
            format!(r#"{{"deviceId":"dev7","time":{time_ms},"temperature":{minute}}}"#)
        });
        let readings: Vec<String> = readings.collect();
        publication(T0 + minute * 60_000, "c1", "hall/telemetry", &format!("[{}]", readings.join(",")))
    };
    for minute in 0..10 {
        fleet.apply(&batch(minute, 0));
    }
    for minute in 10..13 {
        fleet.apply(&batch(minute, -3_600));
    }
    assert_eq!(fleet.latest("temperature")[0].1, number(12.0));
}

#[test]
fn a_value_without_a_time_ranks_by_its_receipt() {
    let mut fleet = Fleet::new();
    for (at_ms, value) in [(0, "1"), (1, "2"), (1, "2"), (2, "2")] {
        fleet.apply(&publication(T0 + at_ms, "c1", "site/dev7/t", value));
    }
    let snapshot = fleet.process.snapshot();
    assert_eq!(readings(&snapshot)[0].time_ms, T0 + 2);
}

#[test]
fn decimals_are_learnt_up_to_three() {
    let mut fleet = Fleet::new();
    let mut decimals = |value: &str| {
        let changes = fleet.apply(&publication(T0, "c1", "site/dev7/level", value));
        changes
            .iter()
            .find_map(|change| if let Change::Metric { decimals, .. } = change { Some(*decimals) } else { None })
    };
    assert_eq!(decimals("5"), Some(Some(0)));
    assert_eq!(decimals("1013.25"), Some(Some(2)));
    assert_eq!(decimals("0.1"), None);
    assert_eq!(decimals("0.3333333"), Some(Some(3)));
    assert_eq!(decimals("0.12345"), None);
}

#[test]
fn decimals_are_told_as_a_restart_tells_them_whatever_kind_the_values_are() {
    let mut fleet = Fleet::new();
    let mut told = None;
    for (at_s, value) in ["\"init\"", "5", "1013.25", "\"ERR\"", "true", "7"].iter().enumerate() {
        for change in fleet.sends("dev7", at_s as i64, at_s as i64, &format!(r#""level":{value}"#)) {
            if let Change::Metric { decimals, .. } = change {
                told = *decimals;
            }
        }
        let shown = fleet.process.snapshot().into_iter().find_map(|change| match change {
            Change::Metric { decimals, .. } => Some(decimals),
            _ => None,
        });
        assert_eq!(shown, Some(told), "after {value}");
    }
    assert_eq!(told, Some(2));
}

#[test]
fn a_device_that_moves_is_told_with_its_new_group() {
    let mut fleet = Fleet::new();
    fleet.sends("dev7", 0, 0, r#""location":"A, 1","t":1"#);
    let moved = fleet.sends("dev7", 1, 1, r#""location":"A, 2","t":1"#);
    assert_eq!(moved[0], Change::Device { device: DeviceIndex(0), id: "dev7".into(), group: "A/2".into() });
}

/// What a broker had kept, as it hands it over when it is subscribed to.
fn kept(received_s: i64, payload: &str) -> Entry {
    let Entry::Publication(mut copy) = publication(T0 + received_s * 1_000, "", "hall/dev7/telemetry", payload) else {
        panic!("not a publication")
    };
    (copy.session, copy.retain) = (0, true);
    Entry::Publication(copy)
}

#[test]
fn a_copy_without_a_time_is_known_from_before_and_gives_way_to_whatever_comes() {
    let mut fleet = Fleet::with_rule(above(30.0, 0.0, 0));
    for received_s in [10, 20, 30] {
        let changes = fleet.apply(&kept(received_s, r#"{"deviceId":"dev7","temperature":99}"#)).to_vec();
        let told = readings(&changes);
        assert_eq!(told.len(), usize::from(received_s == 10), "each but the first says nothing new");
        assert!(told.iter().all(|reading| reading.origin == TimeOrigin::Before && reading.cells[0].latest));
        assert!(alerts(&changes).is_empty());
        assert_eq!(fleet.output.counts.readings_from_before, 1);
    }
    let config = ProcessConfig { rules: vec![above(30.0, 0.0, 0)], ..ProcessConfig::default() };
    let restored = support::restore(config, &fleet.process.checkpoint());
    assert_eq!(restored.snapshot(), fleet.process.snapshot());
    let snapshot = fleet.process.snapshot();
    assert!(snapshot.iter().any(|change| matches!(change, Change::State { state: DeviceState::Late, .. })));
    assert_eq!(readings(&snapshot)[0].origin, TimeOrigin::Before);
    // Measured before the copy was handed over, and the newest all the same.
    let changes = fleet.sends("dev7", 40, 5, r#""temperature":20"#).to_vec();
    assert!(readings(&changes)[0].cells[0].latest);
    assert_eq!(fleet.latest("temperature"), [(5, number(20.0))]);
    assert!(changes.iter().any(|change| matches!(change, Change::State { state: DeviceState::Fresh, .. })));
    fleet.apply(&kept(50, r#"{"deviceId":"dev7","temperature":99}"#));
    assert_eq!(fleet.latest("temperature"), [(5, number(20.0))], "a copy may be older than what is known");
}

#[test]
fn a_copy_with_a_time_is_history_and_no_sign_of_life() {
    let mut fleet = Fleet::new();
    let copy = format!(r#"{{"deviceId":"dev7","time":{T0},"temperature":20}}"#);
    for (received_s, count) in [(3_600, 1), (3_700, 0), (3_800, 0)] {
        let changes = fleet.apply(&kept(received_s, &copy)).to_vec();
        let told = readings(&changes);
        assert_eq!(told.len(), count);
        assert!(told.iter().all(|reading| (reading.time_ms, reading.origin) == (T0, TimeOrigin::Device)));
        assert!(!changes.iter().any(|change| matches!(change, Change::State { state: DeviceState::Fresh, .. })));
    }
    assert_eq!(fleet.process.device_figures("dev7").unwrap().skew_ms, None, "nor of its clock");
    fleet.sends("dev7", 3_900, 3_900, r#""temperature":21"#);
    fleet.apply(&kept(4_000, &copy));
    assert_eq!(fleet.latest("temperature"), [(3_900, number(21.0))]);
}
