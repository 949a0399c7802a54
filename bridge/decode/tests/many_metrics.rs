//! Readings of many metrics: what they mean, and that their cost follows their number.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tidegate_decode::{DecodeConfig, Decoder};
use tidegate_telemetry::{Position, Publication, Value};
use tidegate_testing::cpu_ns;

fn publication(payload: String) -> Publication {
    tidegate_testing::publication("site/dev7", payload)
}

fn payload(names: impl IntoIterator<Item = usize>) -> String {
    let metrics = names.into_iter().enumerate().map(|(value, name)| format!(r#""m{name}":{value}"#));
    format!("{{{}}}", metrics.collect::<Vec<_>>().join(","))
}

/// Names as most devices send them, with some that come again, and some that another device sends.
fn names() -> impl Strategy<Value = Vec<usize>> {
    let odd = prop::collection::vec((0..700usize, 0..700usize), 0..4);
    (0..40usize, 1..700usize, odd).prop_map(|(from, count, odd)| {
        let mut names: Vec<usize> = (from..from + count).collect();
        odd.into_iter().for_each(|(place, name)| names[place % count] = name);
        names
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn of_a_metric_that_comes_again_the_later_value_counts_whatever_other_readings_had(
        readings in prop::collection::vec(names(), 1..8)
    ) {
        let mut decoder = Decoder::new(DecodeConfig { metrics_max: 1_000, names_cached_max: 300, ..DecodeConfig::default() });
        for names in readings {
            let mut plain: Vec<(String, Value)> = Vec::new();
            for (value, name) in names.iter().enumerate() {
                let (name, value) = (format!("m{name}"), Value::Number(value as f64));
                match plain.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => *known = value,
                    None => plain.push((name, value)),
                }
            }
            let decoded = decoder.decode(Position(1), &publication(payload(names)));
            let metrics = decoded.readings[0].metrics.iter().map(|(name, value)| (name.to_string(), value.clone()));
            prop_assert_eq!(metrics.collect::<Vec<_>>(), plain);
        }
    }
}

#[test]
fn two_spellings_are_told_each_time_whatever_readings_came_between() {
    let mut decoder = Decoder::new(DecodeConfig::default());
    let told = [
        r#"{"a":1,"b":1}"#,
        r#"{"a":1,"A":1}"#,
        r#"{"a":1,"A":1}"#,
        r#"{"a":1,"b":1}"#,
        r#"{"b":1,"B":1}"#,
        r#"{"b":1}"#,
    ]
    .map(|payload| decoder.decode(Position(1), &publication(payload.into())).rejection.is_some());
    assert_eq!(told, [false, true, true, false, true, false]);
}

/// CPU time of a hundred readings that alternate between two devices with different metrics, and of as many of one.
fn cost_ns(metrics: usize) -> [u64; 2] {
    let config = DecodeConfig { metrics_max: 10_000, payload_bytes_max: 1 << 20, ..DecodeConfig::default() };
    let [one, other] = [0, metrics].map(|from| publication(payload(from..from + metrics)));
    [[&one, &other], [&one, &one]].map(|both| {
        let mut decoder = Decoder::new(config.clone());
        let before = cpu_ns();
        for publication in both.iter().cycle().take(100) {
            assert_eq!(decoder.decode(Position(1), publication).rejection, None);
        }
        cpu_ns() - before
    })
}

#[test]
fn eight_times_the_metrics_cost_about_eight_times_as_much() {
    let (few, many) = (cost_ns(500), cost_ns(4_000));
    for (few, many) in few.into_iter().zip(many) {
        assert!(many < 25 * few, "{many} ns for 4,000 metrics, {few} ns for 500");
    }
}
