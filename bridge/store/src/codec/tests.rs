#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn number() -> impl Strategy<Value = f64> {
    let any_finite =
        any::<u64>().prop_map(f64::from_bits).prop_filter("NaN never arrives", |number| number.is_finite());
    let decimal = (-100_000i64..100_000, 0u32..6).prop_map(|(n, digits)| n as f64 / 10f64.powi(digits as i32));
    let integer = any::<i64>().prop_map(|n| n as f64);
    let single = any::<f32>().prop_map(f64::from).prop_filter("NaN never arrives", |number| number.is_finite());
    let special = prop::sample::select(vec![
        0.0,
        -0.0,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        -f64::from_bits(1),
        f64::EPSILON,
        0.1 + 0.2,
        1e15 + 0.5,
        -9_007_199_254_740_993.0,
    ]);
    prop_oneof![4 => decimal, 2 => any_finite, 1 => integer, 1 => single, 1 => special]
}

/// Series of one habit each, as devices have, and of mixed ones.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let decimals = (0u32..4).prop_flat_map(|digits| {
        let scale = 10f64.powi(digits as i32);
        prop::collection::vec((-5_000i64..5_000).prop_map(move |n| Sample::number(n as f64 / scale)), 1..600)
    });
    let singles = prop::collection::vec((-50f32..50.0).prop_map(|n| Sample::number(f64::from(n))), 1..200);
    let numbers = prop::collection::vec(number().prop_map(Sample::number), 1..200);
    let negative_zeros = prop::collection::vec(Just(Sample::number(-0.0)), 1..70);
    let bools = prop::collection::vec(any::<bool>().prop_map(Sample::bool), 1..200);
    let texts = prop::collection::vec((0u32..4).prop_map(Sample::text), 1..100);
    let mixed = prop_oneof![
        number().prop_map(Sample::number),
        any::<bool>().prop_map(Sample::bool),
        (0u32..4).prop_map(Sample::text)
    ];
    prop_oneof![decimals, singles, numbers, negative_zeros, bools, texts, prop::collection::vec(mixed, 1..100)]
}

fn times(count: usize) -> impl Strategy<Value = Vec<i64>> {
    let steady =
        (any::<i32>(), 1i64..100_000, prop::collection::vec(-20i64..20, count)).prop_map(|(start, step, jitter)| {
            (0..).zip(jitter).map(|(at, jitter)| i64::from(start) + at * step + jitter).collect::<Vec<i64>>()
        });
    let gaps =
        prop::collection::vec(prop_oneof![9 => Just(5_000i64), 1 => 0i64..10_000_000], count).prop_map(|steps| {
            steps
                .iter()
                .scan(0, |at, step| {
                    *at += step;
                    Some(*at)
                })
                .collect()
        });
    let any = prop::collection::vec(any::<i64>().prop_map(|time_ms| time_ms >> 2), count);
    prop_oneof![steady, gaps, any]
}

fn origin() -> impl Strategy<Value = TimeOrigin> + Clone {
    prop::sample::select(vec![TimeOrigin::Device, TimeOrigin::Receipt, TimeOrigin::Correction, TimeOrigin::Imported])
}

/// All the same, as they mostly are, or mixed.
fn origins(count: usize) -> impl Strategy<Value = Vec<TimeOrigin>> {
    prop_oneof![origin().prop_map(move |origin| vec![origin; count]), prop::collection::vec(origin(), count)]
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    samples().prop_flat_map(|samples| {
        (times(samples.len()), origins(samples.len())).prop_map(move |(times, origins)| {
            let point = |((time_ms, &sample), origin)| Point::new(time_ms, origin, sample);
            times.into_iter().zip(&samples).zip(origins).map(point).collect()
        })
    })
}

fn words() -> Vec<Arc<str>> {
    ["ON", "OFF", "heating", "Überdruck"].map(Arc::from).to_vec()
}

fn shown(run: &Run) -> Vec<(Stamp, u64, String)> {
    let bits = |point: &Point| if point.sample.kind() == Kind::Text { 0 } else { point.sample.0 };
    run.points.iter().map(|point| (point.stamp, bits(point), format!("{:?}", run.value(point.sample)))).collect()
}

proptest! {
    #[test]
    fn points_come_back_bit_by_bit(points in points(), base_ms in any::<i64>()) {
        let before = Run { points, texts: words() };
        let mut block = Vec::new();
        encode(&before.points, &before.texts, base_ms, &mut block);
        // Into a run that has texts already, as when parts are put together.
        let mut after = Run { points: Vec::new(), texts: vec!["other".into()] };
        decode(&block, base_ms, &mut after).unwrap();
        prop_assert_eq!(shown(&after), shown(&before));
    }

    #[test]
    fn any_bytes_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut run = Run::default();
        if decode(&bytes, 0, &mut run).is_ok() {
            for point in &run.points {
                run.value(point.sample);
            }
        }
    }

    #[test]
    fn a_cut_block_is_refused_or_read_but_never_panics(points in points(), part in 0.0f64..1.0) {
        let mut block = Vec::new();
        encode(&points, &words(), 0, &mut block);
        block.truncate((block.len() as f64 * part) as usize);
        let _ = decode(&block, 0, &mut Run::default());
    }

    #[test]
    fn zigzag_is_undone(value in any::<i64>()) {
        prop_assert_eq!(unzigzag(zigzag(value)), value);
    }
}

#[test]
fn a_block_that_refers_to_texts_it_does_not_hold_is_refused() {
    let points = [Point::of_device(0, Sample::text(0))];
    let mut block = Vec::new();
    encode(&points, &[], 0, &mut block);
    let mut run = Run { points: Vec::new(), texts: words() };
    assert_eq!(decode(&block, 0, &mut run), Err(Damaged("a block refers to a text that it does not hold")));
}

/// Read by programs that knew no other.
#[test]
fn a_block_of_device_times_is_what_it_always_was() {
    let points: Vec<Point> =
        (0..5).map(|at| Point::of_device(at * 1_000 + at % 2, Sample::number(at as f64 / 4.0))).collect();
    let mut block = Vec::new();
    encode(&points, &[], 0, &mut block);
    let then = [5, 16, 0, 208, 15, 2, 0, 50, 192, 204, 15];
    assert_eq!(block, then);
}

#[test]
fn whose_the_times_are_costs_nothing_when_they_are_all_the_same_ones() {
    let block = |origin: &dyn Fn(i64) -> TimeOrigin| {
        let points: Vec<Point> =
            (0..100).map(|at| Point::new(at * 1_000, origin(at), Sample::number(at as f64))).collect();
        let mut block = Vec::new();
        encode(&points, &[], 0, &mut block);
        block.len()
    };
    let of_devices = block(&|_| TimeOrigin::Device);
    assert_eq!(block(&|_| TimeOrigin::Receipt), of_devices);
    assert_eq!(block(&|at| if at < 40 { TimeOrigin::Device } else { TimeOrigin::Receipt }), of_devices + 4);
}

/// 256 points once were taken for none.
#[test]
fn points_of_every_count_come_back() {
    for count in 1..1_100 {
        let sample = |at: i64| Sample::number((at * at % 31) as f64 / 7.0);
        let points: Vec<Point> = (0..count).map(|at| Point::of_device(at * 1_000, sample(at))).collect();
        let mut block = Vec::new();
        encode(&points, &[], 0, &mut block);
        let mut run = Run::default();
        decode(&block, 0, &mut run).unwrap();
        assert_eq!(run.points, points);
    }
}

/// A room's temperature: a slow wave and noise, two decimals, a reading each 5 s with some ms of jitter.
#[test]
fn a_rooms_hour_takes_less_than_two_bytes_a_point() {
    let mut noise = 1u64;
    let mut random = move |range: i64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise % range as u64) as i64
    };
    let points: Vec<Point> = (0..720)
        .map(|at| {
            let hundredths = 2_150 + (f64::from(at) / 100.0).sin().mul_add(40.0, 0.0) as i64 + random(5);
            let time_ms = i64::from(at) * 5_000 + random(8);
            Point::of_device(time_ms, Sample::number(hundredths as f64 / 100.0))
        })
        .collect();
    let mut block = Vec::new();
    encode(&points, &[], 0, &mut block);
    assert!(block.len() < 720 * 2 * 9 / 10, "{} bytes", block.len());
}
