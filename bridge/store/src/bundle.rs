//! Points of neighbouring series in one hour as one row of `head.db`.
//!
//! A flush has a few points of each of very many series, and a row of its own would cost each of them as much as its
//! points do. So their blocks share rows of a quarter page, each row with one checksum:
//!
//! ```text
//! (bytes of the block * 4 + flags: varint | series after the block before: varint, if flagged | block)… | checksum
//! ```
//! Nor would each of them keep times of its own: the metrics of a reading have one time. A block whose times are those
//! of the last block before it in its row that has times of its own is flagged, and is one of samples only.
//!
//! A series is in rows with one first series only: the last one that is not after it. One that takes several blocks
//! begins a row, and goes on in further slices of that.

use std::sync::Arc;

use crate::catalogue::SeriesId;
use crate::chunk;
use crate::codec::{self, Damaged};
use crate::hour::Hour;
use crate::point::{Point, Run};

/// Bytes of a row, so that four fill a page of 8 KiB. A larger one would lie on pages of its own (SQLite file format,
/// section 1.6: at most 2,030 bytes of an index entry stay on its page).
const ROW_BYTES_MAX: usize = 2_000;
/// Most bytes before a block.
const HEAD_BYTES_MAX: usize = 10;

/// The block is not of the series after that of the block before: how many further comes next. The first block counts
/// from the series before the row's first.
const STEPS: u64 = 1;
/// The block has samples only.
const SHARES_TIMES: u64 = 2;
const FLAG_BITS: u32 = 2;

const CHECKSUM_BYTES: usize = 4;

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// Number of the flush.
    pub(crate) part: u32,
    pub(crate) hour: Hour,
    pub(crate) first: SeriesId,
    /// Counts the rows of a part and an hour that begin with the same series.
    pub(crate) slice: u32,
}

impl Key {
    /// Of the key and of what stands there: SQLite has no checksums, and neither a wrong bit nor a row in another's
    /// place may give a wrong number without a word.
    fn checksum(&self, content: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut checksum = crc32c::crc32c(&self.hour.0.to_le_bytes());
        for number in [self.part, self.first.0, self.slice] {
            checksum = crc32c::crc32c_append(checksum, &number.to_le_bytes());
        }
        crc32c::crc32c_append(checksum, content).to_le_bytes()
    }
}

/// Makes rows of the points of one part in one hour; series come in ascending order.
#[derive(Debug)]
pub(crate) struct Packer {
    key: Key,
    /// Series of the last block of the row.
    last: i64,
    data: Vec<u8>,
    /// Times of the last block of the row that has times of its own.
    times_ms: Vec<i64>,
    /// The block that comes next.
    block: Vec<u8>,
}

impl Packer {
    pub(crate) fn new(part: u32, hour: Hour) -> Self {
        let key = Key { part, hour, first: SeriesId(0), slice: 0 };
        Packer { key, last: -1, data: Vec::new(), times_ms: Vec::new(), block: Vec::new() }
    }

    /// Adds all points of a series, ascending and of the hour, and hands rows that are full to `each`.
    pub(crate) fn add<E>(
        &mut self,
        series: SeriesId,
        points: &[Point],
        texts: &[Arc<str>],
        each: &mut impl FnMut(&Key, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let begins_row = points.len() > chunk::POINTS_MAX;
        for (at, points) in points.chunks(chunk::POINTS_MAX).enumerate() {
            let mut shares = self.encode(points, texts);
            let is_full = self.data.len() + HEAD_BYTES_MAX + self.block.len() > ROW_BYTES_MAX;
            if !self.data.is_empty() && (is_full || (at == 0 && begins_row)) {
                self.finish(each)?;
                shares = self.encode(points, texts);
            }
            match (self.data.is_empty(), at) {
                (true, 0) => self.begin(series, 0),
                (true, _) => self.begin(self.key.first, self.key.slice + 1),
                (false, _) => {}
            }
            self.put(series, points, shares);
        }
        Ok(())
    }

    /// Makes the next block; `true` when it goes without times, because the row has them.
    fn encode(&mut self, points: &[Point], texts: &[Arc<str>]) -> bool {
        let shares = points.iter().map(|point| &point.time_ms).eq(&self.times_ms);
        self.block.clear();
        if shares {
            codec::encode_samples(points, texts, &mut self.block);
        } else {
            codec::encode(points, texts, self.key.hour.start_ms(), &mut self.block);
        }
        shares
    }

    fn begin(&mut self, first: SeriesId, slice: u32) {
        (self.key.first, self.key.slice) = (first, slice);
        self.last = i64::from(first.0) - 1;
    }

    fn put(&mut self, series: SeriesId, points: &[Point], shares: bool) {
        let steps = (i64::from(series.0) - self.last) as u64;
        let flags = if steps == 1 { 0 } else { STEPS } | if shares { SHARES_TIMES } else { 0 };
        codec::put_varint((self.block.len() as u64) << FLAG_BITS | flags, &mut self.data);
        if steps != 1 {
            codec::put_varint(steps, &mut self.data);
        }
        self.data.extend_from_slice(&self.block);
        self.last = i64::from(series.0);
        if !shares {
            self.times_ms.clear();
            self.times_ms.extend(points.iter().map(|point| point.time_ms));
        }
    }

    /// Hands out the row that is not full.
    pub(crate) fn finish<E>(&mut self, each: &mut impl FnMut(&Key, &[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.data.is_empty() {
            return Ok(());
        }
        let checksum = self.key.checksum(&self.data);
        self.data.extend_from_slice(&checksum);
        let handed = each(&self.key, &self.data);
        self.data.clear();
        // A row is read without those before it.
        self.times_ms.clear();
        handed
    }
}

/// Goes through the blocks of a row.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    hour: Hour,
    rest: &'a [u8],
    last: i64,
    /// The block that [`Blocks::next`] came to.
    block: &'a [u8],
    shares_times: bool,
    /// The last block that has times of its own.
    timed: Option<&'a [u8]>,
    /// Its times, once they were needed.
    times_ms: Vec<i64>,
}

impl<'a> Blocks<'a> {
    pub(crate) fn open(key: &Key, data: &'a [u8]) -> Result<Self, Damaged> {
        let (rest, checksum) = data.split_last_chunk().ok_or(Damaged("a row is too short"))?;
        if key.checksum(rest) != *checksum {
            return Err(Damaged("the checksum of a row does not match"));
        }
        let (hour, last) = (key.hour, i64::from(key.first.0) - 1);
        Ok(Blocks { hour, rest, last, block: &[], shares_times: false, timed: None, times_ms: Vec::new() })
    }

    /// Goes to the next block, and names its series; they ascend.
    pub(crate) fn next(&mut self) -> Result<Option<SeriesId>, Damaged> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let head = codec::take_varint(&mut self.rest)?;
        let steps = if head & STEPS == 0 { 1 } else { codec::take_varint(&mut self.rest)? };
        let series = u32::try_from(steps).ok().and_then(|steps| u32::try_from(self.last + i64::from(steps)).ok());
        let series = series.ok_or(Damaged("a row names an impossible series"))?;
        let bytes = usize::try_from(head >> FLAG_BITS).ok();
        let split = bytes.and_then(|bytes| self.rest.split_at_checked(bytes));
        (self.block, self.rest) = split.ok_or(Damaged("a row ends too early"))?;
        self.last = i64::from(series);
        self.shares_times = head & SHARES_TIMES != 0;
        if !self.shares_times {
            self.timed = Some(self.block);
            self.times_ms.clear();
        }
        Ok(Some(SeriesId(series)))
    }

    /// Appends the points of the block to `run`.
    pub(crate) fn append(&mut self, run: &mut Run) -> Result<(), Damaged> {
        if !self.shares_times {
            let start = run.points.len();
            chunk::append(self.block, self.hour, run)?;
            self.keep_times(&run.points[start..]);
            return Ok(());
        }
        if self.times_ms.is_empty() {
            let timed = self.timed.ok_or(Damaged("a row shares times that it does not hold"))?;
            let mut neighbour = Run::default();
            chunk::append(timed, self.hour, &mut neighbour)?;
            self.keep_times(&neighbour.points);
        }
        codec::decode_samples(self.block, &self.times_ms, run)
    }

    fn keep_times(&mut self, points: &[Point]) {
        self.times_ms.clear();
        self.times_ms.extend(points.iter().map(|point| point.time_ms));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

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
        let point = |(at, time_ms): (u32, i64)| Point {
            time_ms: HOUR.start_ms() + time_ms,
            sample: Sample::number(f64::from(series * 7 + at * at % 23) / 10.0),
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
            run.points.iter_mut().for_each(|point| point.time_ms += shift);
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
                let point = |(time_ms, sample)| Point { time_ms: HOUR.start_ms() + time_ms, sample };
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
                |point: &Point| (series, point.time_ms, bits(point.sample), format!("{:?}", run.value(point.sample)));
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
}
