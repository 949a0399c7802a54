//! History and live are one line.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::json;
use smallvec::smallvec;
use tidegate_buckets::Bucket;
use tidegate_push::Json;
use tidegate_telemetry::history::SeriesAnswer;
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, MetricIndex, Position, TimeOrigin, Value,
};
use tidegate_testing::ClientView;
use tidegate_views::{Epoch, Frame, Seeded, SubscriberId, ViewSpec, Views, ViewsConfig};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

const NOW_MS: i64 = 1_704_723_840_000;

/// A device with one metric.
fn site() -> Views {
    let mut views = Views::new(Epoch { name: "e".into(), time_base_ms: NOW_MS }, ViewsConfig::default());
    let device = Change::Device { device: DeviceIndex(0), id: "dev7".into(), group: "".into() };
    let metric = MetricIndex(0);
    let column =
        Change::Metric { device: DeviceIndex(0), metric, name: "t".into(), unit: None, guessed: false, decimals: None };
    views.apply(Position(1), NOW_MS, &[device, column], &mut |_, _| ());
    views
}

fn reading(time_ms: i64, number: f64, latest: bool) -> Change {
    let cells = smallvec![AppliedCell { metric: MetricIndex(0), value: Value::Number(number), latest, is_new: latest }];
    let (class, origin) = (DeliveryClass::Envelope, TimeOrigin::Device);
    Change::Reading(AppliedReading { device: DeviceIndex(0), time_ms, origin, received_ms: NOW_MS, class, cells })
}

#[test]
fn a_chart_counts_each_reading_once_across_the_seam_and_late_ones_too() {
    let mut views = site();
    let view = json!({"kind":"series","series":[{"device":"dev7","metric":"t"}],"last":900_000,"width":15});
    let spec: ViewSpec = serde_json::from_value(view).unwrap();
    let mut subscription = views.open(SubscriberId(0), 1, &spec, None).unwrap();
    let (line, query) = views.wanted_history(&subscription).remove(0);

    // Two readings arrive while history is read; history holds the first of them and knows nothing of the second.
    views.apply(Position(2), NOW_MS, &[reading(NOW_MS, 2.0, true)], &mut |_, _| ());
    views.apply(Position(3), NOW_MS, &[reading(NOW_MS + 1, 3.0, true)], &mut |_, _| ());
    let mut bucket = Bucket::of(NOW_MS - 1, 1.0);
    let early = SeriesAnswer { buckets: vec![(NOW_MS - 60_000, bucket)], through: Position(0) };
    assert_eq!(views.seed(&mut subscription, line, &query, &early), Seeded::HistoryBehind);
    let ahead = SeriesAnswer { buckets: Vec::new(), through: Position(9) };
    assert_eq!(views.seed(&mut subscription, line, &query, &ahead), Seeded::ViewsBehind);
    bucket = Bucket::of(NOW_MS, 2.0);
    let old = Bucket::of(NOW_MS - 1, 1.0);
    let answer = SeriesAnswer { buckets: vec![(NOW_MS - 60_000, old), (NOW_MS, bucket)], through: Position(2) };
    assert_eq!(views.seed(&mut subscription, line, &query, &answer), Seeded::Done);

    let mut client = ClientView::new("series");
    let mut out = Vec::new();
    assert_eq!(views.frame(&mut subscription, &JSON, &mut out, 16_384), Frame::Written);
    client.apply(&serde_json::from_slice(&out).unwrap());
    assert_eq!(client.map[&json!([0, NOW_MS]).to_string()], json!([0, NOW_MS, 2, 2.5, 2, 3, 3]));

    // A late reading is a changed cell of an old bucket.
    views.apply(Position(4), NOW_MS, &[reading(NOW_MS - 30_000, 9.0, false)], &mut |_, _| ());
    out.clear();
    assert_eq!(views.frame(&mut subscription, &JSON, &mut out, 16_384), Frame::Written);
    client.apply(&serde_json::from_slice(&out).unwrap());
    let start = NOW_MS - 60_000;
    assert_eq!(client.map[&json!([0, start]).to_string()], json!([0, start, 2, 5, 1, 9, 1]));
    views.close(subscription);
}

#[test]
fn a_window_without_width_is_an_empty_chart_that_goes_on_being_empty() {
    let mut views = site();
    for (at, position) in [(NOW_MS - 5_000, 1), (NOW_MS, 2), (NOW_MS + 60_000, 3)] {
        let view = json!({"kind":"series","series":[{"device":"dev7","metric":"t"}],"from":at,"to":at,"width":100});
        let mut subscription = views.open(SubscriberId(0), 1, &serde_json::from_value(view).unwrap(), None).unwrap();
        let (line, query) = views.wanted_history(&subscription).remove(0);
        assert_eq!((query.from_ms, query.to_ms), (at, at));
        let answer = SeriesAnswer { through: Position(position), buckets: Vec::new() };
        assert_eq!(views.seed(&mut subscription, line, &query, &answer), Seeded::Done);
        views.apply(Position(position + 1), NOW_MS, &[reading(at, 7.0, true)], &mut |_, _| ());
        let mut out = Vec::new();
        assert_eq!(views.frame(&mut subscription, &JSON, &mut out, 16_384), Frame::Written);
        let snapshot: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(snapshot["rows"], json!([]), "{snapshot}");
        views.close(subscription);
    }
}

#[test]
fn a_window_in_seconds_is_that_window() {
    let mut views = site();
    let mut asked = |from: i64, to: i64| {
        let view = json!({"kind":"series","series":[{"device":"dev7","metric":"t"}],"from":from,"to":to,"width":100});
        let subscription = views.open(SubscriberId(0), 1, &serde_json::from_value(view).unwrap(), None).unwrap();
        let (_, query) = views.wanted_history(&subscription).remove(0);
        views.close(subscription);
        (query.from_ms, query.to_ms)
    };
    let in_ms = asked(NOW_MS - 600_000, NOW_MS);
    assert_eq!(asked(NOW_MS / 1_000 - 600, NOW_MS / 1_000), in_ms);
    assert_eq!(asked((NOW_MS - 600_000) * 1_000_000, NOW_MS), in_ms, "each end in its own unit");
}
