//! Random histories against a plain map of lists: whatever is flushed, merged, lost and replayed, each point is there once.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::BTreeMap;

use fixture::{DEVICE, Fixture, METRIC, number, reading_as};
use proptest::prelude::*;
use tidegate_buckets::{Bucket, Rung};
use tidegate_store::StoreConfig;
use tidegate_telemetry::{Change, DeviceIndex, MetricIndex, TimeOrigin, Value};

/// The last day of a month: hours, days and months all turn within the span.
const START_MS: i64 = 1_798_675_200_000;
const SPAN_MS: i64 = 26 * 3_600_000;
/// Of one device, in order of their numbers: a reading has some of them, so that they share times or nearly do.
const METRICS: [&str; 4] = [METRIC, "humidity", "state", "battery"];

/// What each metric should hold.
type Model = [Points; METRICS.len()];

/// By time, those of one time in order of arrival.
type Points = BTreeMap<i64, Vec<(TimeOrigin, Value)>>;

/// Which metrics a reading has.
type Metrics = [bool; METRICS.len()];

#[derive(Debug, Clone)]
enum Step {
    Reading {
        metrics: Metrics,
        origin: TimeOrigin,
        time_ms: i64,
        value: Value,
    },
    /// Many readings in order, from a time on. The metric `lost_by` is not in the reading `lost`.
    Burst {
        metrics: Metrics,
        origin: TimeOrigin,
        lost: i64,
        lost_by: usize,
        from_ms: i64,
        count: i64,
        step_ms: i64,
        texts: bool,
    },
    Flush,
    Maintain {
        now_ms: i64,
    },
    Crash,
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (-4_000i64..4_000).prop_map(|n| number(n as f64 / 100.0)),
        1 => Just(number(-0.0)),
        1 => (-1e300f64..1e300).prop_map(number),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => prop::sample::select(vec!["ON", "OFF"]).prop_map(|text| Value::Text(text.into())),
    ]
}

fn metrics() -> impl Strategy<Value = Metrics> {
    prop_oneof![2 => Just([true; METRICS.len()]), 1 => any::<Metrics>()]
}

fn step() -> impl Strategy<Value = Step> {
    // Coarse times, so that the same time often comes again.
    let time = (0..SPAN_MS / 60_000).prop_map(|minute| START_MS + minute * 60_000);
    let origin = prop::sample::select(vec![TimeOrigin::Device, TimeOrigin::Receipt, TimeOrigin::Correction]);
    let step_ms = prop_oneof![4 => 1i64..60_000, 1 => Just(0i64)];
    prop_oneof![
        12 => (metrics(), origin.clone(), time.clone(), value())
            .prop_map(|(metrics, origin, time_ms, value)| Step::Reading { metrics, origin, time_ms, value }),
        3 => (metrics(), origin, time.clone(), (1i64..400, step_ms), any::<bool>(), (-100i64..200, 0..METRICS.len()))
            .prop_map(|(metrics, origin, from_ms, (count, step_ms), texts, (lost, lost_by))| {
                Step::Burst { metrics, origin, lost, lost_by, from_ms, count, step_ms, texts }
            }),
        4 => Just(Step::Flush),
        4 => time.prop_map(|now_ms| Step::Maintain { now_ms: now_ms + 3_600_000 }),
        2 => Just(Step::Crash),
    ]
}

/// Applies one reading; numbers differ from metric to metric, and the third has texts where others have numbers.
fn read(
    metrics: &Metrics,
    (origin, time_ms): (TimeOrigin, i64),
    value: &Value,
    store: &mut Fixture,
    model: &mut Model,
) {
    let of = |metric: usize| match value {
        Value::Number(number) if metric == 2 => Value::Text(["ON", "OFF"][usize::from(*number > 0.0)].into()),
        Value::Number(number) => Value::Number(number + metric as f64),
        other => other.clone(),
    };
    let values: Vec<(u16, Value)> =
        (0..METRICS.len()).filter(|&metric| metrics[metric]).map(|metric| (metric as u16, of(metric))).collect();
    for (metric, value) in &values {
        take(model[usize::from(*metric)].entry(time_ms).or_default(), origin, value);
    }
    store.apply(vec![reading_as(origin, time_ms, values)]);
}

/// What is known of a time when one more value comes.
fn take(tied: &mut Vec<(TimeOrigin, Value)>, origin: TimeOrigin, value: &Value) {
    if origin == TimeOrigin::Correction {
        tied.retain(|(origin, _)| *origin == TimeOrigin::Receipt);
    }
    let is_again = |(known, same): &(TimeOrigin, Value)| *known != TimeOrigin::Receipt && same == value;
    if origin == TimeOrigin::Receipt || !tied.iter().any(is_again) {
        tied.push((origin, value.clone()));
    }
}

fn apply(step: &Step, store: &mut Fixture, model: &mut Model) {
    match step {
        Step::Reading { metrics, origin, time_ms, value } => read(metrics, (*origin, *time_ms), value, store, model),
        Step::Burst { metrics, origin, lost, lost_by, from_ms, count, step_ms, texts } => {
            for at in 0..*count {
                let text = || Value::Text(["ON", "OFF", "stuck"][(at % 3) as usize].into());
                let value = if *texts { text() } else { number((at % 97) as f64 / 10.0) };
                let mut metrics = *metrics;
                metrics[*lost_by] &= at != *lost;
                read(&metrics, (*origin, from_ms + at * step_ms), &value, store, model);
            }
        }
        Step::Flush => store.flush(),
        Step::Maintain { now_ms } => {
            // An hour is merged once it is quiet: the second time sees that it is.
            store.store().maintain(*now_ms).unwrap();
            store.store().maintain(*now_ms).unwrap();
        }
        Step::Crash => {
            store.restart();
            store.replay();
        }
    }
}

fn buckets(model: &Points, from_ms: i64, to_ms: i64, rung: Rung) -> BTreeMap<i64, Bucket> {
    let mut buckets = BTreeMap::new();
    let points =
        model.range(from_ms..to_ms).flat_map(|(&time_ms, tied)| tied.iter().map(move |(_, value)| (time_ms, value)));
    for (time_ms, value) in points {
        let Some(number) = value.as_number() else { continue };
        let point = Bucket::of(time_ms, number);
        buckets.entry(rung.start_ms(time_ms)).and_modify(|bucket: &mut Bucket| bucket.merge(&point)).or_insert(point);
    }
    buckets
}

/// Equal but for the rounding of the sum, which depends on the order of adding.
fn assert_alike(found: &[(i64, Bucket)], expected: &BTreeMap<i64, Bucket>) {
    assert_eq!(found.iter().map(|(start_ms, _)| start_ms).collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for ((start_ms, found), expected) in found.iter().zip(expected.values()) {
        let magnitude = expected.max.abs().max(expected.min.abs()) * expected.count as f64;
        assert!((found.sum - expected.sum).abs() <= magnitude * 1e-12, "{start_ms}: {} {}", found.sum, expected.sum);
        assert_eq!(Bucket { sum: 0.0, ..*found }, Bucket { sum: 0.0, ..*expected }, "{start_ms}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn every_reading_is_there_once_whatever_happened(
        steps in prop::collection::vec(step(), 1..60), cut in (0..SPAN_MS, 0..SPAN_MS)
    ) {
        let mut store = Fixture::with(StoreConfig { late_parts_max: 4, ..StoreConfig::default() });
        let of = |(metric, name): (u16, &str)| Change::Metric {
            device: DeviceIndex(0), metric: MetricIndex(metric), name: name.into(), unit: None, guessed: false, decimals: None,
        };
        store.apply((0..).zip(METRICS).map(of).collect());
        let mut model = Model::default();
        for step in &steps {
            apply(step, &mut store, &mut model);
        }
        for (metric, expected) in METRICS.into_iter().zip(&model) {
            let shown = |(time_ms, value): (i64, &Value)| (time_ms, format!("{value:?}"));
            let found = store.of(DEVICE, metric, i64::MIN, i64::MAX);
            let found: Vec<_> = found.iter().map(|(time_ms, value)| shown((*time_ms, value))).collect();
            let mut all = Vec::new();
            for (&time_ms, tied) in expected {
                all.extend(tied.iter().map(|(_, value)| shown((time_ms, value))));
            }
            prop_assert_eq!(found, all, "{}", metric);
        }
        let (from_ms, to_ms) = (START_MS + cut.0.min(cut.1), START_MS + cut.0.max(cut.1));
        for rung in Rung::ALL {
            for (from_ms, to_ms) in [(from_ms, to_ms), (i64::MIN, i64::MAX)] {
                let (found, through) = store.series(from_ms, to_ms, rung);
                assert_alike(&found, &buckets(&model[0], from_ms, to_ms, rung));
                prop_assert_eq!(through, store.store().applied());
            }
        }
    }
}
