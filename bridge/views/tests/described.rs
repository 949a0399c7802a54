//! What it costs to know devices. Alone in its process, whose memory is looked at.

#![allow(clippy::unwrap_used, missing_docs)]

mod site;

use std::sync::Arc;

use site::Site;
use tidegate_telemetry::{Change, DeviceFacts, DeviceIndex, MetricFacts, MetricIndex, PowerSource, StateClass};

const DEVICES: u32 = 50_000;

/// With the 88 bytes that rows, columns and devices have for it whether anything is known or not, this is less than 300.
const BYTES_MAX: u64 = 200;

#[test]
fn a_described_device_of_five_metrics_takes_few_bytes_where_devices_of_a_type_share_what_they_say() {
    let mut site = Site::with(DEVICES);
    for n in 0..DEVICES {
        let column = |column| Change::Metric {
            device: DeviceIndex(n),
            metric: MetricIndex(column),
            name: "t".into(),
            unit: None,
            guessed: false,
            decimals: None,
        };
        site.apply(&(1..5).map(column).collect::<Vec<_>>());
    }
    let class = |class: &str| {
        let state_class = Some(StateClass::Measurement);
        Arc::new(MetricFacts { class: Some(class.into()), state_class, ..MetricFacts::default() })
    };
    let metrics = ["temperature", "humidity", "battery", "door", "pressure"].map(class);
    let (model, maker, firmware): (Arc<str>, Arc<str>, Arc<str>) = ("TS0203".into(), "Aqara".into(), "1.0.6".into());
    let before = site::resident_bytes();
    for n in 0..DEVICES {
        let facts = DeviceFacts {
            name: Some(format!("Window {n}, north side").into()),
            model: Some(Arc::clone(&model)),
            maker: Some(Arc::clone(&maker)),
            firmware: Some(Arc::clone(&firmware)),
            power: Some(PowerSource::Battery),
            report_ms: Some(3_600_000),
        };
        let device = DeviceIndex(n);
        let of_metric = |(column, facts): (u16, &Arc<MetricFacts>)| Change::MetricFacts {
            device,
            metric: MetricIndex(column),
            facts: Arc::clone(facts),
        };
        let changes = (0..5).zip(&metrics).map(of_metric);
        site.apply(&changes.chain([Change::Facts { device, facts: facts.into() }]).collect::<Vec<_>>());
    }
    let each = site::resident_bytes().saturating_sub(before) / u64::from(DEVICES);
    println!("{each} bytes a device");
    assert!(each < BYTES_MAX, "{each} bytes a device");
}
