//! Random histories against a plain map: whatever is flushed, merged, lost and replayed, each point is there once.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::BTreeMap;

use fixture::{Fixture, number};
use proptest::prelude::*;
use tidegate_buckets::{Bucket, Rung};
use tidegate_store::StoreConfig;
use tidegate_telemetry::Value;

/// The last day of a month: hours, days and months all turn within the span.
const START_MS: i64 = 1_798_675_200_000;
const SPAN_MS: i64 = 26 * 3_600_000;

#[derive(Debug, Clone)]
enum Step {
    Reading {
        time_ms: i64,
        value: Value,
    },
    /// Many readings in order, from a time on.
    Burst {
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

fn step() -> impl Strategy<Value = Step> {
    // Coarse times, so that the same time often comes again.
    let time = (0..SPAN_MS / 60_000).prop_map(|minute| START_MS + minute * 60_000);
    prop_oneof![
        12 => (time.clone(), value()).prop_map(|(time_ms, value)| Step::Reading { time_ms, value }),
        3 => (time.clone(), 1i64..400, 1i64..60_000, any::<bool>())
            .prop_map(|(from_ms, count, step_ms, texts)| Step::Burst { from_ms, count, step_ms, texts }),
        4 => Just(Step::Flush),
        4 => time.prop_map(|now_ms| Step::Maintain { now_ms: now_ms + 3_600_000 }),
        2 => Just(Step::Crash),
    ]
}

fn apply(step: &Step, store: &mut Fixture, model: &mut BTreeMap<i64, Value>) {
    match step {
        Step::Reading { time_ms, value } => {
            store.reading(*time_ms, value.clone());
            model.insert(*time_ms, value.clone());
        }
        Step::Burst { from_ms, count, step_ms, texts } => {
            for at in 0..*count {
                let text = || Value::Text(["ON", "OFF", "stuck"][(at % 3) as usize].into());
                let value = if *texts { text() } else { number((at % 97) as f64 / 10.0) };
                let time_ms = from_ms + at * step_ms;
                store.reading(time_ms, value.clone());
                model.insert(time_ms, value);
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

fn buckets(model: &BTreeMap<i64, Value>, from_ms: i64, to_ms: i64, rung: Rung) -> BTreeMap<i64, Bucket> {
    let mut buckets = BTreeMap::new();
    for (&time_ms, value) in model.range(from_ms..to_ms) {
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
        let mut model = BTreeMap::new();
        for step in &steps {
            apply(step, &mut store, &mut model);
        }
        let found: Vec<(i64, String)> =
            store.all().into_iter().map(|(time_ms, value)| (time_ms, format!("{value:?}"))).collect();
        let expected: Vec<(i64, String)> =
            model.iter().map(|(&time_ms, value)| (time_ms, format!("{value:?}"))).collect();
        prop_assert_eq!(found, expected);
        let (from_ms, to_ms) = (START_MS + cut.0.min(cut.1), START_MS + cut.0.max(cut.1));
        for rung in Rung::ALL {
            for (from_ms, to_ms) in [(from_ms, to_ms), (i64::MIN, i64::MAX)] {
                let (found, through) = store.series(from_ms, to_ms, rung);
                assert_alike(&found, &buckets(&model, from_ms, to_ms, rung));
                prop_assert_eq!(through, store.store().applied());
            }
        }
    }
}
