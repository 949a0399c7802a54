//! What a device sends of before, as its format says, is history: nothing of now moves by it.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Fleet, T0, publication, readings};
use tidegate_process::ProcessConfig;
use tidegate_telemetry::{Change, Decoded, DeviceScope, ImportedSeries, Reason, TimeOrigin, Value};

fn of(device: &str, points: &[(i64, f64)]) -> Decoded {
    let points = points.iter().map(|(at_s, value)| (T0 + at_s * 1_000, Value::Number(*value))).collect();
    let series = ImportedSeries { device: device.into(), group: "hall".into(), metric: "temperature".into(), points };
    Decoded { history: vec![series], ..Decoded::default() }
}

#[test]
fn it_moves_no_newest_value_even_where_it_is_newer() {
    let mut fleet = Fleet::new();
    fleet.feels("d1", 100, 20.0);
    let by = publication(T0 + 200_000, "c1", "hall/telemetry", "…");
    let changes = fleet.means(&by, of("d1", &[(50, 5.0), (150, 99.0)])).to_vec();
    let told: Vec<_> = readings(&changes).iter().map(|it| (it.time_ms - T0, it.origin, it.cells[0].latest)).collect();
    assert_eq!(told, [(50_000, TimeOrigin::Imported, false), (150_000, TimeOrigin::Imported, false)]);
    assert_eq!(fleet.latest("temperature"), [(100, Value::Number(20.0))]);
}

#[test]
fn a_device_that_is_known_by_it_alone_has_no_value_until_it_speaks() {
    let mut fleet = Fleet::new();
    let by = publication(T0 + 200_000, "c1", "hall/telemetry", "…");
    let changes = fleet.means(&by, of("d1", &[(50, 5.0)])).to_vec();
    assert!(changes.iter().any(|change| matches!(change, Change::Reading(_))));
    fleet.feels("d1", 201, 21.0);
    assert_eq!(fleet.latest("temperature"), [(201, Value::Number(21.0))]);
}

#[test]
fn it_is_taken_of_its_own_devices_alone() {
    let mut fleet = Fleet::new();
    fleet.feels("d1", 100, 20.0);
    let by = |principal: &str, scope: Option<DeviceScope>| {
        let tidegate_telemetry::Entry::Publication(mut by) = publication(T0, "c9", "elsewhere", "…") else {
            panic!()
        };
        (by.principal, by.scope) = (principal.into(), scope);
        tidegate_telemetry::Entry::Publication(by)
    };
    fleet.means(&by("stranger", None), of("d1", &[(50, 5.0)]));
    assert_eq!((fleet.reasons(), readings(&fleet.output.changes).len()), (vec![Reason::IdentityConflict], 0));
}

#[test]
fn it_brings_in_no_more_devices_of_a_client_than_readings_do() {
    let config = ProcessConfig { devices_per_client_max: 2, ..ProcessConfig::default() };
    let mut fleet = Fleet::with(config);
    let by = publication(T0 + 200_000, "c1", "hall/telemetry", "…");
    for device in ["d1", "d2"] {
        fleet.means(&by, of(device, &[(50, 5.0)]));
        assert_eq!(fleet.reasons(), []);
    }
    fleet.means(&by, of("d3", &[(50, 5.0)]));
    assert_eq!(fleet.reasons(), [Reason::DeviceLimit]);
}

#[test]
fn what_is_still_to_come_is_left_out_of_it_and_told() {
    let mut fleet = Fleet::new();
    fleet.feels("d1", 100, 20.0);
    let by = publication(T0 + 200_000, "c1", "hall/telemetry", "…");
    let changes = fleet.means(&by, of("d1", &[(50, 5.0), (5_000_000, 99.0)])).to_vec();
    let told: Vec<_> = readings(&changes).iter().map(|it| it.time_ms - T0).collect();
    assert_eq!((told, fleet.reasons()), (vec![50_000], vec![Reason::TimeAhead]));
    let changes = fleet.feels("d1", 300, 21.0).to_vec();
    assert!(readings(&changes)[0].cells[0].is_new, "nothing can have come before");
}
