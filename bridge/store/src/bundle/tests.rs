#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_telemetry::TimeOrigin;

use super::*;
use crate::point::Sample;

const HOUR: Hour = Hour(495_000);

type Rows = Vec<(Key, Vec<u8>)>;

fn packed(runs: &BTreeMap<u32, Run>) -> Rows {
    let (mut packer, mut rows) = (Packer::new(4, HOUR), Rows::new());
    let mut keep = |key: &Key, data: &[u8]| -> Result<(), ()> {
        rows.push((*key, data.to_vec()));
        Ok(())
    };
    for (&series, run) in runs {
        packer.add(SeriesId(series), &run.points, &run.texts, &mut keep).unwrap();
    }
    packer.finish(&mut keep).unwrap();
    rows
}

/// What a row says of the series that `wanted` names.
fn read((key, data): &(Key, Vec<u8>), wanted: impl Fn(u32) -> bool, runs: &mut BTreeMap<u32, Run>) {
    let mut blocks = Blocks::open(key, data).unwrap();
    while let Some(series) = blocks.next().unwrap() {
        if wanted(series.0) {
            blocks.append(runs.entry(series.0).or_default()).unwrap();
        }
    }
}

fn read_all(rows: &Rows, wanted: impl Fn(u32) -> bool) -> BTreeMap<u32, Run> {
    let mut runs = BTreeMap::new();
    rows.iter().for_each(|row| read(row, &wanted, &mut runs));
    runs
}

/// Points at these ms of the hour, with numbers that differ from series to series.
fn run(series: u32, times: impl IntoIterator<Item = i64>) -> Run {
    let point = |(at, time_ms): (u32, i64)| {
        let sample = Sample::number(f64::from(series * 7 + at * at % 23) / 10.0);
        Point::of_device(HOUR.start_ms() + time_ms, sample)
    };
    Run { points: (0..).zip(times).map(point).collect(), texts: Vec::new() }
}

/// A reading each 5 s with jitter.
fn jittered(count: i64) -> impl Iterator<Item = i64> {
    (0..count).map(|at| at * 5_000 + at * at * 7 % 20)
}

fn series_of((key, data): &(Key, Vec<u8>)) -> Vec<u32> {
    let mut blocks = Blocks::open(key, data).unwrap();
    std::iter::from_fn(|| blocks.next().unwrap()).map(|series| series.0).collect()
}

fn runs(of: impl IntoIterator<Item = (u32, Run)>) -> BTreeMap<u32, Run> {
    of.into_iter().collect()
}

#[test]
fn neighbours_share_a_row_and_their_times_and_come_back_together_and_alone() {
    let five = runs([3, 4, 5, 6, 900].map(|series| (series, run(series, jittered(16)))));
    let rows = packed(&five);
    assert_eq!(rows.len(), 1);
    assert_eq!(series_of(&rows[0]), [3, 4, 5, 6, 900]);
    assert_eq!(read_all(&rows, |_| true), five);
    for (&series, run) in &five {
        assert_eq!(read_all(&rows, |wanted| wanted == series), runs([(series, run.clone())]), "alone");
    }
    let mut apart = five.clone();
    for (shift, run) in (0..).zip(apart.values_mut()) {
        for point in &mut run.points {
            *point = Point::of_device(point.time_ms() + shift, point.sample);
        }
    }
    let (shared, apart) = (rows[0].1.len(), packed(&apart)[0].1.len());
    assert!(shared + 4 * 12 <= apart, "{shared} bytes with the times of one, {apart} with times of their own");
}

#[test]
fn times_that_differ_in_one_point_are_kept() {
    let times: Vec<i64> = jittered(16).collect();
    for changed in 0..16 {
        let mut other = times.clone();
        other[changed] += 1;
        let three = runs([
            (0, run(0, times.clone())),
            (1, run(1, other)),
            (2, run(2, times.iter().copied().filter(|&time| time != times[changed]))),
            (3, run(3, times.clone())),
        ]);
        let rows = packed(&three);
        assert_eq!(read_all(&rows, |_| true), three, "point {changed}");
        assert_eq!(read_all(&rows, |series| series == 3), runs([(3, run(3, times.clone()))]));
    }
}

#[test]
fn times_that_are_not_the_same_ones_are_kept() {
    let by_receipt = |mut run: Run| {
        run.points[3] = Point::new(run.points[3].time_ms(), TimeOrigin::Receipt, run.points[3].sample);
        run
    };
    let three =
        runs([(0, run(0, jittered(16))), (1, by_receipt(run(1, jittered(16)))), (2, by_receipt(run(2, jittered(16))))]);
    let rows = packed(&three);
    assert_eq!(read_all(&rows, |_| true), three);
    assert_eq!(read_all(&rows, |series| series == 2)[&2], three[&2], "it shares those of its neighbour");
}

#[test]
fn every_row_can_be_read_without_the_others() {
    let many = runs((0..500).map(|series| (series, run(series, jittered(16)))));
    let rows = packed(&many);
    assert!(rows.len() > 3 && rows.iter().all(|(_, data)| data.len() <= ROW_BYTES_MAX + CHECKSUM_BYTES));
    for row in &rows {
        let (series, mut found) = (series_of(row), BTreeMap::new());
        assert!(row.0.first.0 == series[0] && row.0.slice == 0);
        read(row, |wanted| Some(&wanted) == series.last(), &mut found);
        assert_eq!(found, runs(series.last().map(|&last| (last, many[&last].clone()))));
    }
    assert_eq!(read_all(&rows, |_| true), many);
}

#[test]
fn all_blocks_of_a_series_are_in_rows_that_begin_with_the_same_series() {
    let long = |series| run(series, (0..3_500).map(|at| at * 1_000 + at * at * 31 % 400));
    let mixed = runs([
        (1, run(1, jittered(16))),
        (5, long(5)),
        (6, long(6)),
        (7, run(7, jittered(16))),
        (8, run(8, jittered(16))),
    ]);
    let rows = packed(&mixed);
    let keys: Vec<(u32, u32)> = rows.iter().map(|(key, _)| (key.first.0, key.slice)).collect();
    assert_eq!(keys, [(1, 0), (5, 0), (5, 1), (5, 2), (5, 3), (6, 0), (6, 1), (6, 2), (6, 3)]);
    assert_eq!(series_of(&rows[8]), [6, 7, 8], "a slice with room takes what comes next");
    assert_eq!(read_all(&rows, |_| true), mixed);
}

/// Steady times of many points are short: then several blocks fit a row, and those of the next series share none.
#[test]
fn series_of_several_short_blocks_come_back() {
    let steady = |series| run(series, (0..3_000).map(|at| at * 1_000));
    let constant = |series| {
        let mut run = steady(series);
        run.points.iter_mut().for_each(|point| point.sample = Sample::number(1.0));
        run
    };
    let three = runs([(1, constant(1)), (2, constant(2)), (3, steady(3))]);
    assert_eq!(read_all(&packed(&three), |_| true), three);
}

#[test]
fn a_wrong_byte_anywhere_is_noticed() {
    let rows = packed(&runs([(3, run(3, jittered(16))), (4, run(4, jittered(16)))]));
    let (key, row) = &rows[0];
    for (at, wrong) in (0..row.len()).flat_map(|at| (1..=255).map(move |wrong| (at, wrong))) {
        let mut damaged = row.clone();
        damaged[at] ^= wrong;
        assert!(Blocks::open(key, &damaged).is_err(), "byte {at}");
    }
    for cut in 0..row.len() {
        assert!(Blocks::open(key, &row[..cut]).is_err(), "{cut} bytes");
    }
    let misplaced = [
        Key { part: 5, ..*key },
        Key { hour: Hour(1), ..*key },
        Key { first: SeriesId(4), ..*key },
        Key { slice: 1, ..*key },
    ];
    assert!(misplaced.iter().all(|key| Blocks::open(key, row).is_err()), "in another row's place");
}

/// A row as the file would have it, whatever its content.
fn sealed(key: &Key, content: &[u8]) -> Vec<u8> {
    [content, &key.checksum(content)].concat()
}

#[test]
fn a_row_that_shares_times_it_does_not_hold_is_refused() {
    let (key, row) = packed(&runs([(3, run(3, jittered(16))), (4, run(4, jittered(16)))])).remove(0);
    let mut blocks = Blocks::open(&key, &row).unwrap();
    blocks.next().unwrap();
    let second = sealed(&key, blocks.rest);
    let mut blocks = Blocks::open(&key, &second).unwrap();
    assert_eq!(blocks.next(), Ok(Some(SeriesId(3))));
    assert_eq!(blocks.append(&mut Run::default()), Err(Damaged("a row shares times that it does not hold")));
}

/// What a series does with the times of the line that it follows.
#[derive(Debug, Clone)]
enum Follows {
    Exactly,
    Without(prop::sample::Index),
    /// One time is 1 ms later, where there is room.
    Delayed(prop::sample::Index),
}

impl Follows {
    fn times(&self, mut line: Vec<i64>) -> Vec<i64> {
        match self {
            Follows::Without(at) if line.len() > 1 => _ = line.remove(at.index(line.len())),
            Follows::Delayed(at) => {
                let at = at.index(line.len());
                if line.get(at + 1) != Some(&(line[at] + 1)) {
                    line[at] += 1;
                }
            }
            _ => {}
        }
        line
    }
}

/// Neighbouring series that follow a few lines of times, exactly or nearly, with every kind of sample.
fn any_runs() -> impl Strategy<Value = BTreeMap<u32, Run>> {
    let sample = prop_oneof![
        6 => (-4_000i64..4_000).prop_map(|n| Sample::number(n as f64 / 100.0)),
        1 => Just(Sample::number(-0.0)),
        1 => (-1e300f64..1e300).prop_map(Sample::number),
        1 => any::<bool>().prop_map(Sample::bool),
        1 => (0u32..3).prop_map(Sample::text),
    ];
    let follows = prop_oneof![
        4 => Just(Follows::Exactly),
        1 => any::<prop::sample::Index>().prop_map(Follows::Without),
        1 => any::<prop::sample::Index>().prop_map(Follows::Delayed),
    ];
    let lines = prop::collection::vec(prop::collection::btree_set(0i64..3_500_000, 1..60), 1..4);
    let series = (1u32..4, any::<prop::sample::Index>(), follows, prop::collection::vec(sample, 60));
    (lines, prop::collection::vec(series, 1..120)).prop_map(|(lines, series)| {
        let mut id = 0;
        let runs = series.into_iter().map(|(step, line, follows, samples)| {
            id += step;
            let times = follows.times(line.get(&lines).iter().copied().collect());
            let point = |(time_ms, sample)| Point::of_device(HOUR.start_ms() + time_ms, sample);
            let points = times.into_iter().zip(samples).map(point).collect();
            (id, Run { points, texts: ["ON", "OFF", "Überdruck"].map(Arc::from).to_vec() })
        });
        runs.collect()
    })
}

fn shown(runs: &BTreeMap<u32, Run>) -> Vec<(u32, i64, u64, String)> {
    let bits = |sample: Sample| if sample.kind() == crate::point::Kind::Text { 0 } else { sample.0 };
    let of = |series: u32, run: &Run| -> Vec<(u32, i64, u64, String)> {
        let shown =
            |point: &Point| (series, point.time_ms(), bits(point.sample), format!("{:?}", run.value(point.sample)));
        run.points.iter().map(shown).collect()
    };
    runs.iter().flat_map(|(&series, run)| of(series, run)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn series_that_share_times_or_parts_of_them_come_back_bit_by_bit(runs in any_runs()) {
        let rows = packed(&runs);
        prop_assert_eq!(shown(&read_all(&rows, |_| true)), shown(&runs));
        for residue in 0..5 {
            let some = |series: u32| series % 5 == residue;
            let expected: BTreeMap<u32, Run> =
                runs.iter().filter(|(series, _)| some(**series)).map(|(&series, run)| (series, run.clone())).collect();
            prop_assert_eq!(shown(&read_all(&rows, some)), shown(&expected));
        }
    }

    #[test]
    fn any_bytes_under_a_right_checksum_are_refused_or_read_but_never_panic(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..8], 0..300)
    ) {
        let key = Key { part: 0, hour: HOUR, first: SeriesId(7), slice: 0 };
        let row = sealed(&key, &bytes);
        let (mut blocks, mut run) = (Blocks::open(&key, &row).unwrap(), Run::default());
        while let Ok(Some(_)) = blocks.next() {
            if blocks.append(&mut run).is_err() {
                break;
            }
        }
    }
}
