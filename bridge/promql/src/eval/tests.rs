#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use proptest::prelude::*;
use tidegate_buckets::Bucket;

use super::*;
use crate::ast::Expression;
use crate::labels::Matcher;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

/// Series in memory; whether hours and days may be asked for.
struct Memory(Vec<(Series, Vec<(i64, f64)>)>);

/// Metric, device, and points.
type Given<'a> = (&'a str, &'a str, &'a [(i64, f64)]);

impl Memory {
    fn of(series: &[Given<'_>]) -> Self {
        let series = series.iter().map(|(metric, device, points)| {
            let label = |name: &str, value: &str| (Arc::from(name), Arc::from(value));
            let group = device.rsplit_once('/').map_or("", |(group, _)| group);
            let labels = [label("__name__", metric), label("device", device), label("group", group)];
            let labels = labels.into_iter().collect();
            (Series { labels, device: Arc::from(*device), metric: Arc::from(*metric) }, points.to_vec())
        });
        Memory(series.collect())
    }

    fn points_of(&self, series: &Series) -> &[(i64, f64)] {
        &self.0.iter().find(|(known, _)| known == series).unwrap().1
    }
}

impl Source for Memory {
    fn select(&self, matchers: &[Matcher], _: usize) -> Result<Vec<Series>, QueryError> {
        let fits = |series: &Series| matchers.iter().all(|matcher| matcher.fits(series.labels.get(&matcher.label)));
        Ok(self.0.iter().map(|(series, _)| series).filter(|series| fits(series)).cloned().collect())
    }

    fn points(
        &self,
        series: &Series,
        from_ms: i64,
        to_ms: i64,
        max: usize,
        into: &mut Vec<(i64, f64)>,
    ) -> Result<bool, QueryError> {
        let within = |(at_ms, _): &&(i64, f64)| (from_ms..to_ms).contains(at_ms);
        into.extend(self.points_of(series).iter().filter(within));
        Ok(into.len() <= max)
    }

    fn buckets(&self, series: &Series, from_ms: i64, to_ms: i64, rung: Rung) -> Result<Vec<(i64, Bucket)>, QueryError> {
        let mut buckets: Vec<(i64, Bucket)> = Vec::new();
        for &(at_ms, value) in self.points_of(series).iter().filter(|(at_ms, _)| (from_ms..to_ms).contains(at_ms)) {
            match buckets.last_mut() {
                Some((start_ms, bucket)) if *start_ms == rung.start_ms(at_ms) => bucket.add(at_ms, value),
                _ => buckets.push((rung.start_ms(at_ms), Bucket::of(at_ms, value))),
            }
        }
        Ok(buckets)
    }
}

fn parse(question: &str) -> Result<Expression, QueryError> {
    crate::parse(question, crate::TextLimits::default())
}

const LIMITS: Limits =
    Limits { lookback_ms: 5 * MINUTE, series_max: 100, points_max: 1_000_000, values_max: 1_000_000 };

fn ask(source: &Memory, question: &str, range: Range) -> Result<Answer, QueryError> {
    evaluate(&parse(question).unwrap(), source, range, LIMITS)
}

/// Labels without the name, and values; each with its step's number.
fn lines(source: &Memory, question: &str, range: Range) -> Vec<(String, Vec<(i64, f64)>)> {
    let Answer::Series(lines) = ask(source, question, range).unwrap() else { panic!("{question} is a number") };
    let step_of = |at_ms: i64| (at_ms - range.start_ms) / range.step_ms;
    let points = |line: &Line| line.points(range).map(|(at_ms, value)| (step_of(at_ms), value)).collect();
    lines.iter().map(|line| (line.labels.to_string(), points(line))).collect()
}

fn values(source: &Memory, question: &str, at_ms: i64) -> Vec<(String, f64)> {
    let lines = lines(source, question, Range::at(at_ms));
    lines.into_iter().map(|(labels, points)| (labels, points[0].1)).collect()
}

fn only(source: &Memory, question: &str, at_ms: i64) -> f64 {
    let values = values(source, question, at_ms);
    assert_eq!(values.len(), 1, "{question}: {values:?}");
    values[0].1
}

fn fleet() -> Memory {
    Memory::of(&[
        ("temperature", "a/1", &[(0, 10.0), (MINUTE, 12.0), (2 * MINUTE, 11.0)]),
        ("temperature", "a/2", &[(0, 20.0), (2 * MINUTE, 22.0)]),
        ("temperature", "b/1", &[(MINUTE, 30.0)]),
        ("humidity", "a/1", &[(0, 50.0), (2 * MINUTE, 55.0)]),
    ])
}

#[test]
fn a_series_has_its_newest_value_for_the_lookback() {
    let steps = Range { start_ms: 0, end_ms: 8 * MINUTE, step_ms: MINUTE };
    let told = lines(&fleet(), r#"temperature{device="b/1"}"#, steps);
    assert_eq!(told[0].1, (1..6).map(|step| (step, 30.0)).collect::<Vec<_>>(), "5 min after it there is none");
    let earlier = lines(&fleet(), r#"temperature{device="b/1"} offset 2m"#, steps);
    assert_eq!(earlier[0].1[0], (3, 30.0));
    assert!(values(&fleet(), "temperature", -1).is_empty());
}

#[test]
fn windows_are_open_on_the_left() {
    let at = |question: &str| only(&fleet(), question, 2 * MINUTE);
    assert_eq!(at(r#"count_over_time(temperature{device="a/1"}[2m])"#), 2.0);
    assert_eq!(at(r#"count_over_time(temperature{device="a/1"}[121s])"#), 3.0);
    assert_eq!(at(r#"avg_over_time(temperature{device="a/1"}[2m])"#), 11.5);
    assert_eq!(at(r#"max_over_time(temperature{device="a/1"}[5m])"#), 12.0);
    assert_eq!(at(r#"quantile_over_time(0.25, temperature{device="a/1"}[5m])"#), 10.5);
    assert_eq!(at(r#"changes(temperature{device="a/1"}[5m])"#), 2.0);
    assert_eq!(at(r#"resets(temperature{device="a/1"}[5m])"#), 1.0);
}

#[test]
fn a_counter_that_begins_anew_goes_on() {
    let energy = Memory::of(&[("energy", "m", &[(10_000, 5.0), (20_000, 10.0), (30_000, 2.0), (40_000, 7.0)])]);
    // 5 + 2 + 5 in 30 s; 10 s before and 10 s behind are no wider than the gaps.
    assert_eq!(only(&energy, "increase(energy[50s])", 50_000), 12.0 * 50.0 / 30.0);
    assert_eq!(only(&energy, "rate(energy[50s])", 50_000), 12.0 / 30.0);
    assert_eq!(only(&energy, "irate(energy[50s])", 35_000), 0.2, "from zero");
    assert_eq!(only(&energy, "delta(energy[50s])", 50_000), 2.0 * 50.0 / 30.0);
    assert!((only(&energy, "deriv(energy[20s])", 20_000) - 0.5).abs() < 1e-12);
    assert!(values(&energy, "rate(energy[5s])", 20_000).is_empty(), "one point says nothing");
}

#[test]
fn a_counter_was_never_below_zero() {
    let energy = Memory::of(&[("energy", "m", &[(100_000, 1.0), (110_000, 11.0)])]);
    // It reached 1 one second after zero, at the speed it has.
    assert_eq!(only(&energy, "increase(energy[30s])", 110_000), 11.0);
}

#[test]
fn aggregates_keep_the_labels_that_are_named() {
    let by = values(&fleet(), "sum by (group) (temperature)", 2 * MINUTE);
    assert_eq!(by, [("{group=\"a\"}".to_owned(), 33.0), ("{group=\"b\"}".to_owned(), 30.0)]);
    assert_eq!(values(&fleet(), "avg(temperature) without (device)", 2 * MINUTE)[0].1, 16.5);
    assert_eq!(only(&fleet(), "count(temperature)", 2 * MINUTE), 3.0);
    assert_eq!(only(&fleet(), "max(temperature)", 2 * MINUTE), 30.0);
    assert_eq!(only(&fleet(), "quantile(0.5, temperature)", 2 * MINUTE), 22.0);
    let deviation = only(&fleet(), "stddev(temperature)", 2 * MINUTE);
    assert!((deviation - 7.788_880_9).abs() < 1e-6, "{deviation}");
    let top = values(&fleet(), "topk(1, temperature)", 2 * MINUTE);
    assert_eq!(top, [("temperature{device=\"b/1\", group=\"b\"}".to_owned(), 30.0)]);
    assert_eq!(values(&fleet(), "bottomk(2, temperature)", 2 * MINUTE).len(), 2);
}

#[test]
fn operators_match_series_by_their_labels() {
    let at = |question: &str| values(&fleet(), question, 2 * MINUTE);
    assert_eq!(at("temperature * 2 - 1").iter().map(|(_, value)| *value).collect::<Vec<_>>(), [21.0, 43.0, 59.0]);
    assert_eq!(at("temperature > 20").len(), 2);
    assert!(at("temperature > 20")[0].0.starts_with("temperature{"), "it is the temperature still");
    assert_eq!(at("temperature > bool 20").iter().map(|(_, value)| *value).sum::<f64>(), 2.0);
    assert_eq!(at("humidity / temperature"), [("{device=\"a/1\", group=\"a\"}".to_owned(), 5.0)]);
    assert_eq!(at("humidity / on (group) max by (group) (temperature)")[0].1, 2.5);
    assert_eq!(at("temperature and on (device) humidity").len(), 1);
    assert_eq!(at("temperature unless on (device) humidity").len(), 2);
    assert_eq!(at("humidity or temperature").len(), 3);
    assert_eq!(at("humidity or humidity").len(), 1);
    let error = |question: &str| ask(&fleet(), question, Range::at(2 * MINUTE)).unwrap_err().to_string();
    assert!(error("humidity / on (group) temperature").contains("of the right side matches"));
    assert!(error("temperature / on (group) humidity").contains("of the left side matches"));
    assert!(error(r#"-{device="a/1"}"#).contains("two series would have the same labels"));
}

#[test]
fn functions_of_values() {
    let at = |question: &str| only(&fleet(), question, 2 * MINUTE);
    assert_eq!(at("round(vector(2.5))"), 3.0);
    assert_eq!(at("round(vector(7), 5)"), 5.0);
    assert_eq!(at("clamp(vector(7), 1, 5)"), 5.0);
    assert_eq!(at("sgn(vector(-3))"), -1.0);
    assert_eq!(at("vector(time())"), 120.0);
    assert_eq!(at(r#"temperature{device="a/1"} + scalar(humidity)"#), 66.0);
    assert_eq!(values(&fleet(), r#"absent(wind{device="x"})"#, 0), [("{device=\"x\"}".to_owned(), 1.0)]);
    assert!(values(&fleet(), "absent(temperature)", 0).is_empty());
    assert_eq!(ask(&fleet(), "1 + 2 == bool 3", Range::at(0)).unwrap(), Answer::Number(vec![1.0]));
}

#[test]
fn a_selector_with_a_range_is_all_its_points_at_one_moment() {
    let answer = ask(&fleet(), r#"temperature{device="a/1"}[90s]"#, Range::at(2 * MINUTE)).unwrap();
    let Answer::Points(points) = answer else { panic!("{answer:?}") };
    assert_eq!(points[0].1, [(MINUTE, 12.0), (2 * MINUTE, 11.0)]);
    let steps = Range { start_ms: 0, end_ms: HOUR, step_ms: MINUTE };
    assert!(ask(&fleet(), "temperature[1m]", steps).is_err());
}

#[test]
fn who_asks_for_too_much_is_told_what_to_do() {
    let steps = Range { start_ms: 0, end_ms: HOUR, step_ms: 1_000 };
    let ask =
        |limits: Limits| evaluate(&parse("temperature").unwrap(), &fleet(), steps, limits).unwrap_err().to_string();
    assert!(ask(Limits { series_max: 2, ..LIMITS }).contains("`prometheus.series_max`"));
    assert!(ask(Limits { points_max: 100, ..LIMITS }).contains("`prometheus.points_max`"));
    assert!(ask(Limits { values_max: 5_000, ..LIMITS }).contains("`prometheus.values_max`"));
    let twice = parse("sum(temperature) + sum(temperature)").unwrap();
    let room = |values_max: usize| evaluate(&twice, &fleet(), steps, Limits { values_max, ..LIMITS }).is_ok();
    assert!(room(6 * 3_601) && !room(6 * 3_601 - 1), "what both sides need counts together");
    let points = parse("count_over_time(temperature[1h])").unwrap();
    assert!(evaluate(&points, &fleet(), Range::at(HOUR + 1), Limits { values_max: 2, ..LIMITS }).is_err());
}

/// A source whose hours and days must not be asked for.
struct Raw<'a>(&'a Memory);

impl Source for Raw<'_> {
    fn select(&self, matchers: &[Matcher], max: usize) -> Result<Vec<Series>, QueryError> {
        self.0.select(matchers, max)
    }

    fn points(
        &self,
        series: &Series,
        from_ms: i64,
        to_ms: i64,
        max: usize,
        into: &mut Vec<(i64, f64)>,
    ) -> Result<bool, QueryError> {
        self.0.points(series, from_ms, to_ms, max, into)
    }

    fn buckets(&self, _: &Series, _: i64, _: i64, _: Rung) -> Result<Vec<(i64, Bucket)>, QueryError> {
        panic!("not whole hours")
    }
}

proptest! {
    #[test]
    fn each_window_is_what_looking_at_all_points_says(
        times in prop::collection::btree_set(0..20 * HOUR, 1..60), start_ms in 0..10 * HOUR, step_ms in 1..3 * HOUR,
        window_ms in 1..4 * HOUR
    ) {
        let points: Vec<(i64, f64)> = times.iter().zip(0u8..).map(|(at_ms, n)| (*at_ms, f64::from(n % 7))).collect();
        let source = Memory::of(&[("t", "d", &points)]);
        let steps = Range { start_ms, end_ms: start_ms + 10 * step_ms, step_ms };
        let question = parse(&format!("sum_over_time(t[{window_ms}ms])")).unwrap();
        let Answer::Series(lines) = evaluate(&question, &source, steps, LIMITS).unwrap() else { panic!() };
        let sum = |end_ms: i64| {
            let within = points.iter().filter(|(at_ms, _)| *at_ms > end_ms - window_ms && *at_ms <= end_ms);
            let values: Vec<f64> = within.map(|(_, value)| *value).collect();
            (!values.is_empty()).then(|| (end_ms, values.iter().sum::<f64>()))
        };
        let expected: Vec<(i64, f64)> = steps.steps().filter_map(sum).collect();
        let got: Vec<(i64, f64)> = lines.iter().flat_map(|line| line.points(steps)).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn whole_hours_say_what_their_points_say(
        // Many stand on an edge of an hour.
        times in prop::collection::btree_set((0..72 * 4i64).prop_map(|quarter| quarter * 15 * MINUTE), 1..200),
        function in prop::sample::select(vec!["avg", "sum", "count", "last", "present"]), hours in 1..6i64
    ) {
        let points: Vec<(i64, f64)> = times.iter().zip(0u8..).map(|(at_ms, n)| (*at_ms, f64::from(n % 7))).collect();
        let source = Memory::of(&[("t", "d", &points)]);
        let whole = Range { start_ms: 24 * HOUR, end_ms: 72 * HOUR, step_ms: hours * HOUR };
        for question in [format!("{function}_over_time(t[{hours}h])"), "t".to_owned()] {
            let question = parse(&question).unwrap();
            let fast = evaluate(&question, &source, whole, LIMITS).unwrap();
            // A millisecond before it is the same points, one by one, when they are a millisecond earlier too.
            let shifted = Range { start_ms: whole.start_ms - 1, end_ms: whole.end_ms - 1, ..whole };
            let earlier: Vec<(i64, f64)> = points.iter().map(|(at_ms, value)| (at_ms - 1, *value)).collect();
            let source = Memory::of(&[("t", "d", &earlier)]);
            let slow = evaluate(&question, &Raw(&source), shifted, LIMITS).unwrap();
            let (Answer::Series(fast), Answer::Series(slow)) = (fast, slow) else { panic!() };
            prop_assert_eq!(fast.len(), slow.len());
            for (fast, slow) in fast.iter().zip(&slow) {
                for ((at_ms, fast), (earlier_ms, slow)) in fast.points(whole).zip(slow.points(shifted)) {
                    prop_assert_eq!(at_ms - 1, earlier_ms);
                    prop_assert!((fast - slow).abs() < 1e-9);
                }
            }
        }
    }
}
