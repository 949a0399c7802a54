//! Points of one series in memory: compressed blocks and one short raw tail.

use std::sync::Arc;

use tidegate_telemetry::{TimeOrigin, Value};

use crate::codec::{self, Damaged};
use crate::point::{Point, Run, Sample};

/// Raw points before they become a block. A flush every 80 s at a reading each 5 s never gets there.
const TAIL_POINTS: usize = 24;
/// Small blocks before they become one large block: a short block pays for its head.
const SMALL_BLOCKS: usize = 8;

/// Bytes of a block's pointer and of the allocator's rounding.
const BLOCK_OVERHEAD_BYTES: usize = 32;
/// Bytes of a text's pointer, of its counts and of the allocator's rounding.
const TEXT_OVERHEAD_BYTES: usize = 48;

/// Forty bytes while empty, since there are as many as series.
#[derive(Debug, Default)]
pub(crate) struct SeriesBuffer {
    /// Ascending; of points with one time in order of arrival.
    tail: Vec<Point>,
    newest_ms: Option<i64>,
    more: Option<Box<More>>,
}

/// What most series do not have between two flushes.
#[derive(Debug, Default)]
struct More {
    /// Blocks of about `TAIL_POINTS * SMALL_BLOCKS` points, oldest first.
    large: Vec<Box<[u8]>>,
    /// Blocks of `TAIL_POINTS` points after them.
    small: Vec<Box<[u8]>>,
    /// Bytes of all blocks and of what the allocator keeps beside them.
    block_bytes: usize,
    /// Points that came when a newer one was there already, in order of arrival.
    late: Vec<Point>,
    /// What text samples of the tail index.
    texts: Texts,
    /// What those of `late` index.
    late_texts: Texts,
}

#[derive(Debug, Default)]
struct Texts {
    list: Vec<Arc<str>>,
    /// Of the texts themselves and of what the allocator keeps beside them.
    bytes: usize,
}

impl SeriesBuffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.newest_ms.is_none()
    }

    pub(crate) fn push(&mut self, time_ms: i64, origin: TimeOrigin, value: &Value) {
        if self.newest_ms.is_some_and(|newest_ms| time_ms < newest_ms) {
            let more = self.more.get_or_insert_default();
            let sample = sample(value, || &mut more.late_texts);
            more.late.push(Point::new(time_ms, origin, sample));
            return;
        }
        self.newest_ms = Some(time_ms);
        if self.tail.len() == TAIL_POINTS {
            self.seal_tail();
        }
        if self.tail.len() == self.tail.capacity() {
            self.tail.reserve_exact(self.tail.len().clamp(4, 8));
        }
        // A text joins the list, which does not outlive the tail: the point has to follow at once.
        let sample = sample(value, || &mut self.more.get_or_insert_default().texts);
        self.tail.push(Point::new(time_ms, origin, sample));
    }

    fn seal_tail(&mut self) {
        let more = self.more.get_or_insert_default();
        let mut block = Vec::with_capacity(TAIL_POINTS * 4);
        codec::encode(&self.tail, &more.texts.list, 0, &mut block);
        more.block_bytes += block.len() + BLOCK_OVERHEAD_BYTES;
        more.small.push(block.into_boxed_slice());
        self.tail.clear();
        if more.small.len() == SMALL_BLOCKS {
            more.merge_small();
        }
        more.texts = Texts::default();
    }

    /// How many were pushed.
    pub(crate) fn points(&self) -> u64 {
        let more = self.more.as_ref();
        let [large, small] = [TAIL_POINTS * SMALL_BLOCKS, TAIL_POINTS];
        let in_blocks = more.map_or(0, |it| it.large.len() * large + it.small.len() * small + it.late.len());
        (self.tail.len() + in_blocks) as u64
    }

    /// Heap bytes, about.
    pub(crate) fn bytes(&self) -> usize {
        let points = self.tail.capacity() * size_of::<Point>();
        points + self.more.as_ref().map_or(0, |more| more.bytes())
    }

    /// A copy that needs no lock any more: a few KiB at most for a series with an hour in memory.
    pub(crate) fn compressed(&self) -> Snapshot {
        let more = self.more.as_deref();
        let blocks = more.map_or_else(Vec::new, |more| more.large.iter().chain(&more.small).cloned().collect());
        let mut rest = Run { points: self.tail.clone(), texts: Vec::new() };
        if let Some(more) = more {
            rest.texts.clone_from(&more.texts.list);
            rest.extend(&more.late, &more.late_texts.list);
        }
        Snapshot { blocks, rest }
    }
}

impl More {
    fn merge_small(&mut self) {
        let mut run = Run::default();
        for block in &self.small {
            codec::decode(block, 0, &mut run).expect("blocks in memory are what this buffer encoded");
        }
        let mut block = Vec::with_capacity(run.points.len() * 4);
        codec::encode(&run.points, &run.texts, 0, &mut block);
        self.large.push(block.into_boxed_slice());
        self.small.clear();
        self.block_bytes = self.large.iter().map(|block| block.len() + BLOCK_OVERHEAD_BYTES).sum();
    }

    fn bytes(&self) -> usize {
        let late = self.late.capacity() * size_of::<Point>();
        self.block_bytes + late + self.texts.bytes + self.late_texts.bytes + size_of::<More>()
    }
}

impl Texts {
    /// The place of a text, which joins when none of the latest is the same.
    fn index(&mut self, text: &Arc<str>) -> u32 {
        let from = self.list.len().saturating_sub(TAIL_POINTS);
        let known = self.list[from..].iter().rposition(|known| known == text);
        let index = known.map_or(self.list.len(), |place| from + place);
        if known.is_none() {
            self.list.push(text.clone());
            self.bytes += text.len() + TEXT_OVERHEAD_BYTES;
        }
        index as u32
    }
}

/// The value's sixteen-byte form.
fn sample<'a>(value: &Value, texts: impl FnOnce() -> &'a mut Texts) -> Sample {
    match value {
        Value::Number(number) => Sample::number(*number),
        Value::Bool(on) => Sample::bool(*on),
        Value::Text(text) => Sample::text(texts().index(text)),
    }
}

/// A copy of a [`SeriesBuffer`], still compressed.
#[derive(Debug)]
pub(crate) struct Snapshot {
    blocks: Vec<Box<[u8]>>,
    rest: Run,
}

impl Snapshot {
    /// All points, settled.
    pub(crate) fn run(&self) -> Result<Run, Damaged> {
        let mut run = Run::default();
        for block in &self.blocks {
            codec::decode(block, 0, &mut run)?;
        }
        run.extend(&self.rest.points, &self.rest.texts);
        run.settle();
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn values(buffer: &SeriesBuffer) -> Vec<(i64, Value)> {
        let run = buffer.compressed().run().unwrap();
        run.points.iter().map(|point| (point.time_ms(), run.value(point.sample))).collect()
    }

    /// What a series of so many points in order holds, and then one that comes late.
    fn kept(of: impl Fn(i64) -> Value, count: i64) -> Vec<Value> {
        let mut buffer = SeriesBuffer::default();
        for time_ms in (1..=count).chain([0]) {
            buffer.push(time_ms, TimeOrigin::Device, &of(time_ms));
        }
        values(&buffer).into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn late_texts_are_counted() {
        let mut buffer = SeriesBuffer::default();
        let text = |number: i64| Value::Text(format!("{number:0200}").into());
        buffer.push(2, TimeOrigin::Device, &text(-1));
        for number in 0..100 {
            buffer.push(1, TimeOrigin::Correction, &text(number));
        }
        assert!(buffer.bytes() > 100 * 200, "late texts are counted: {}", buffer.bytes());
        assert_eq!(values(&buffer), [(1, text(99)), (2, text(-1))]);
    }

    #[test]
    fn texts_come_back_wherever_the_tail_becomes_a_block() {
        let text = |time_ms: i64| Value::Text(["ON", "OFF", "stuck"][time_ms as usize % 3].into());
        let mixed = |time_ms: i64| if time_ms % 25 == 0 { text(time_ms) } else { Value::Bool(time_ms % 2 == 0) };
        let count = (TAIL_POINTS * SMALL_BLOCKS * 2 + 1) as i64;
        for count in (1..60).chain([count]) {
            assert_eq!(kept(text, count), (0..=count).map(text).collect::<Vec<_>>());
            assert_eq!(kept(mixed, count), (0..=count).map(mixed).collect::<Vec<_>>());
        }
    }

    /// One time after the other, whatever came how often, is work in proportion to how often that was.
    #[test]
    fn a_clock_that_stands_keeps_each_value_once() {
        let mut buffer = SeriesBuffer::default();
        for at in 0..60_000 {
            buffer.push(7, TimeOrigin::Device, &Value::Number(f64::from(at % 30_000)));
        }
        let expected: Vec<_> = (0..30_000).map(|at| (7, Value::Number(f64::from(at)))).collect();
        assert_eq!(values(&buffer), expected);
    }

    const ORIGINS: [TimeOrigin; 3] = [TimeOrigin::Device, TimeOrigin::Receipt, TimeOrigin::Correction];

    /// Points in order, late ones and ones that come again, as (time, whose it is, which value).
    fn pushes() -> impl Strategy<Value = Vec<(i64, TimeOrigin, u8)>> {
        let ahead = prop_oneof![8 => 1i64..3, 3 => Just(0i64), 2 => -60i64..0];
        let origin = prop::sample::select(ORIGINS.to_vec());
        prop::collection::vec((ahead, origin, any::<u8>()), 1..700).prop_map(|steps| {
            let mut newest = 0;
            let mut time = |ahead: i64| {
                newest += ahead.max(0);
                newest + ahead.min(0)
            };
            steps.into_iter().map(|(ahead, origin, value)| (time(ahead), origin, value)).collect()
        })
    }

    proptest! {
        #[test]
        fn each_point_is_kept_whatever_kind_it_is_but_for_what_the_device_says_again_or_corrects(
            pushes in pushes(), texts in 1u8..80
        ) {
            let (mut buffer, mut model) = (SeriesBuffer::default(), BTreeMap::<i64, Vec<_>>::new());
            for (time_ms, origin, value) in pushes {
                let value = match value % 5 {
                    0 => Value::Bool(value > 99),
                    1 => Value::Number(f64::from(value) / 10.0),
                    _ => Value::Text(format!("text {}", value % texts).into()),
                };
                buffer.push(time_ms, origin, &value);
                let tied = model.entry(time_ms).or_default();
                if origin == TimeOrigin::Correction {
                    tied.retain(|(origin, _)| *origin == TimeOrigin::Receipt);
                }
                let is_again = |(known, same): &(TimeOrigin, Value)| *known != TimeOrigin::Receipt && *same == value;
                if origin == TimeOrigin::Receipt || !tied.iter().any(is_again) {
                    tied.push((origin, value));
                }
            }
            let expected = model.into_iter().flat_map(|(time_ms, tied)| tied.into_iter().map(move |(_, value)| (time_ms, value)));
            prop_assert_eq!(values(&buffer), expected.collect::<Vec<_>>());
        }

        /// So history may be settled in parts, as often as one likes.
        #[test]
        fn what_is_settled_in_parts_is_settled(pushes in pushes(), cut in any::<prop::sample::Index>()) {
            let of = |(time_ms, origin, value): &(i64, TimeOrigin, u8)| {
                Point::new(*time_ms, *origin, Sample::number(f64::from(value % 3)))
            };
            let points: Vec<Point> = pushes.iter().map(of).collect();
            let settled = |points: Vec<Point>| {
                let mut run = Run { points, texts: Vec::new() };
                run.settle();
                run.points
            };
            let (before, after) = points.split_at(cut.index(points.len()));
            let parts = [settled(before.to_vec()), settled(after.to_vec())].concat();
            prop_assert_eq!(settled(parts), settled(points.clone()));
            prop_assert_eq!(settled(settled(points.clone())), settled(points));
        }
    }
}
