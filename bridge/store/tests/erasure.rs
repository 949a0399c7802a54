//! Devices are erased: what is known of their alerts goes with the flush, and others' stay.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::{DEVICE, Fixture, METRIC, add_devices, name_of};
use tidegate_telemetry::{AlertChange, AlertState, Change, DeviceIndex, History, Severity};
use tidegate_testing::cpu_ns;

fn alert(id: &str, device: &str) -> Change {
    Change::Alert(AlertChange {
        id: id.into(),
        rule: "too warm".into(),
        severity: Severity::Critical,
        device_id: device.into(),
        group: "".into(),
        metric: Some(METRIC.into()),
        condition: None,
        unit: None,
        decimals: None,
        words: "".into(),
        state: AlertState::Raised,
        value: Some(8.25),
        raised_ms: 10,
        acknowledged: None,
        cleared_ms: None,
        raised_value: None,
        peak: None,
        comment: None,
        unacknowledged: None,
    })
}

fn erased(device: u32) -> Vec<Change> {
    vec![Change::Removed { device: DeviceIndex(device) }, Change::Erased { device: name_of(device).into(), at_ms: 10 }]
}

fn shown(store: &Fixture) -> Vec<String> {
    let events = store.store().alert_events(None, 10_000).unwrap();
    events.into_iter().map(|event| event.alert.id.to_string()).collect()
}

#[test]
fn alerts_of_each_device_go_up_to_its_own_wish_and_no_others() {
    let mut store = Fixture::new();
    add_devices(&mut store, 3);
    store.apply(vec![alert("of 1", "dev1"), alert("of 2", "dev2"), alert("of 3", "dev3"), alert("own", DEVICE)]);
    store.flush();
    store.apply(vec![alert("of 1, later", "dev1")]);
    store.apply(erased(1));
    store.apply(vec![alert("of the next 1", "dev1"), alert("of 2, later", "dev2")]);
    store.apply(erased(2));
    store.apply(vec![alert("of the next 2", "dev2")]);
    let left = ["of the next 2", "of the next 1", "own", "of 3"];
    store.flush();
    assert_eq!(shown(&store), left);
    store.restart();
    store.replay();
    assert_eq!(shown(&store), left);
}

/// CPU time of the flush with which so many devices go, ns.
fn cost_ns(devices: u32) -> u64 {
    let mut store = Fixture::new();
    add_devices(&mut store, devices);
    store.apply((0..4_000).map(|_| alert("own", DEVICE)).collect());
    store.flush();
    (1..=devices).for_each(|device| {
        let _ = store.apply(erased(device));
    });
    let before = cpu_ns();
    store.flush();
    let took = cpu_ns() - before;
    assert_eq!(shown(&store).len(), 4_000);
    took
}

#[test]
fn many_devices_that_go_at_once_cost_little_more_than_a_few() {
    let (few, many) = (cost_ns(2), cost_ns(200));
    assert!(many < 12 * few, "{many} ns for 200 devices, {few} ns for 2");
}
