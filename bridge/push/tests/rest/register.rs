//! What is known of devices and metrics besides values.

use serde_json::{Value, json};
use tidegate_telemetry::{
    Change, DeviceFacts, DeviceIndex, MetricFacts, MetricIndex, Position, PowerSource, StateClass,
};

use crate::fleet::{NOW_MS, names};
use crate::site::Site;

fn cellar() -> Change {
    let facts = DeviceFacts {
        name: Some("Cellar, north".into()),
        model: Some("TS0203".into()),
        maker: Some("Aqara".into()),
        firmware: None,
        power: Some(PowerSource::Battery),
        report_ms: Some(3_600_000),
    };
    Change::Facts { device: DeviceIndex(0), facts: facts.into() }
}

fn door(facts: MetricFacts) -> Change {
    Change::MetricFacts { device: DeviceIndex(0), metric: MetricIndex(1), facts: facts.into() }
}

#[tokio::test]
async fn what_is_known_is_shown_and_nothing_where_nobody_said_anything() {
    let site = Site::new().await;
    let door = door(MetricFacts {
        name: Some("Cellar door".into()),
        class: Some("door".into()),
        state_class: Some(StateClass::Measurement),
        ..MetricFacts::default()
    });
    let unit_alone = MetricFacts { unit: Some("K".into()), ..MetricFacts::default() };
    let metric = Change::MetricFacts { device: DeviceIndex(0), metric: MetricIndex(0), facts: unit_alone.into() };
    site.hub.apply(Position(10), NOW_MS, &[cellar(), door, metric]);
    let device = site.get("/v1/devices/site/a/dev7").await.json();
    let about = json!({ "name": "Cellar, north", "model": "TS0203", "maker": "Aqara", "power": "battery", "interval_ms": 3_600_000 });
    assert_eq!(device["about"], about);
    let about =
        json!({ "name": "Cellar door", "class": "door", "state_class": "measurement", "words": ["closed", "open"] });
    assert_eq!(device["metrics"]["door.state"]["about"], about);
    assert_eq!(device["metrics"]["temperature"]["about"], Value::Null);
    let quiet = site.get("/v1/devices/quiet").await.json();
    assert_eq!((&quiet["about"], &quiet["metrics"]["door.state"]["about"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn words_that_were_said_count_more_than_those_of_the_class() {
    let site = Site::new().await;
    let words = Some(["shut".into(), "ajar".into()]);
    site.hub.apply(
        Position(10),
        NOW_MS,
        &[door(MetricFacts { class: Some("door".into()), words, ..MetricFacts::default() })],
    );
    let device = site.get("/v1/devices/site/a/dev7").await.json();
    assert_eq!(device["metrics"]["door.state"]["about"]["words"], json!(["shut", "ajar"]));
}

#[tokio::test]
async fn a_search_finds_names_models_and_makers_whatever_their_case() {
    let site = Site::new().await;
    site.hub.apply(Position(10), NOW_MS, &[cellar()]);
    for (text, found) in [
        ("CELLAR", vec!["site/a/dev7"]),
        ("aqara", vec!["site/a/dev7"]),
        ("ts0203", vec!["site/a/dev7"]),
        ("b/dev7", vec!["site/b/dev7"]),
        ("battery", vec![]),
    ] {
        let answer = site.get(&format!("/v1/devices?q={text}")).await.json();
        assert_eq!(names(&answer["devices"], "id"), found, "{text}");
    }
    let named = site.get("/v1/devices?id=site/a/dev7&q=cellar").await.json();
    assert_eq!(names(&named["devices"], "id"), ["site/a/dev7"]);
    let other = site.get("/v1/devices?id=site/a/dev7&q=attic").await.json();
    assert_eq!(other["devices"], json!([]));
}
