//! Points of one series in memory: compressed blocks and one short raw tail.

use std::sync::Arc;

use tidegate_telemetry::Value;

use crate::codec::{self, Damaged};
use crate::point::{Kind, Point, Run, Sample};

/// Raw points before they become a block. A flush every 80 s at a reading each 5 s never gets there.
const TAIL_POINTS: usize = 24;
/// Small blocks before they become one large block: a short block pays for its head.
const SMALL_BLOCKS: usize = 8;

/// Texts of the tail past which those that were replaced are let go.
const TAIL_TEXTS: usize = 4 * TAIL_POINTS;

/// Bytes of a block's pointer and of the allocator's rounding.
const BLOCK_OVERHEAD_BYTES: usize = 32;
/// Bytes of a text's pointer, of its counts and of the allocator's rounding.
const TEXT_OVERHEAD_BYTES: usize = 48;

/// Forty bytes while empty, since there are as many as series.
#[derive(Debug, Default)]
pub(crate) struct SeriesBuffer {
    /// Ascending.
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
    /// Points that came when a newer one was there already, in order of arrival. They win over all of the above.
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

/// What [`SeriesBuffer::push`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Newer than all before it.
    Newest,
    /// Same time as the newest, which it replaced.
    Replaced,
    /// Older than the newest.
    Late,
}

impl SeriesBuffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.newest_ms.is_none()
    }

    pub(crate) fn push(&mut self, time_ms: i64, value: &Value) -> Pushed {
        if self.newest_ms.is_none_or(|newest_ms| time_ms > newest_ms) {
            self.newest_ms = Some(time_ms);
            if self.tail.len() == TAIL_POINTS {
                self.seal_tail();
            }
            if self.tail.len() == self.tail.capacity() {
                self.tail.reserve_exact(self.tail.len().clamp(4, 8));
            }
            // A text joins the list, which does not outlive the tail: the point has to follow at once.
            let sample = sample(value, || &mut self.more.get_or_insert_default().texts);
            self.tail.push(Point { time_ms, sample });
            return Pushed::Newest;
        }
        match self.tail.last_mut() {
            Some(last) if last.time_ms == time_ms => {
                last.sample = sample(value, || &mut self.more.get_or_insert_default().texts);
                self.forget_replaced();
                Pushed::Replaced
            }
            _ => {
                let more = self.more.get_or_insert_default();
                let sample = sample(value, || &mut more.late_texts);
                more.late.push(Point { time_ms, sample });
                Pushed::Late
            }
        }
    }

    /// A device whose clock stands replaces one value again and again.
    fn forget_replaced(&mut self) {
        let Some(more) = self.more.as_mut().filter(|more| more.texts.list.len() > TAIL_TEXTS) else { return };
        let before = std::mem::take(&mut more.texts);
        for point in self.tail.iter_mut().filter(|point| point.sample.kind() == Kind::Text) {
            point.sample = Sample::text(more.texts.index(&before.list[point.sample.untagged() as usize]));
        }
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

    /// What a series of so many points in order holds, and then one that comes late.
    fn kept(values: impl Fn(i64) -> Value, count: i64) -> Vec<Value> {
        let mut buffer = SeriesBuffer::default();
        for time_ms in 1..=count {
            assert_eq!(buffer.push(time_ms, &values(time_ms)), Pushed::Newest);
        }
        assert_eq!(buffer.push(0, &values(0)), Pushed::Late);
        let run = buffer.compressed().run().unwrap();
        run.points.iter().map(|point| run.value(point.sample)).collect()
    }

    #[test]
    fn texts_that_are_never_the_same_stay_few_and_are_counted() {
        let mut buffer = SeriesBuffer::default();
        let text = |number: i64| Value::Text(format!("{number:0200}").into());
        buffer.push(2, &text(-1));
        buffer.push(3, &text(-2));
        for number in 0..10_000 {
            assert_eq!(buffer.push(3, &text(number)), Pushed::Replaced);
        }
        assert!(buffer.bytes() < 50_000, "a value that was replaced takes no room: {}", buffer.bytes());
        for number in 0..100 {
            buffer.push(1, &text(number));
        }
        assert!(buffer.bytes() > 100 * 200, "late texts are counted: {}", buffer.bytes());
        let run = buffer.compressed().run().unwrap();
        let values: Vec<Value> = run.points.iter().map(|point| run.value(point.sample)).collect();
        assert_eq!(values, [text(99), text(-1), text(9_999)]);
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

    /// Points in order, late ones and ones that come again, as (time, which value).
    fn pushes() -> impl Strategy<Value = Vec<(i64, u8)>> {
        let ahead = prop_oneof![8 => 1i64..3, 1 => Just(0i64), 2 => -60i64..0];
        prop::collection::vec((ahead, any::<u8>()), 1..700).prop_map(|steps| {
            let mut newest = 0;
            let mut time = |ahead: i64| {
                newest += ahead.max(0);
                newest + ahead.min(0)
            };
            steps.into_iter().map(|(ahead, value)| (time(ahead), value)).collect()
        })
    }

    proptest! {
        #[test]
        fn the_last_to_arrive_of_each_time_is_kept_whatever_kind_it_is(pushes in pushes(), texts in 1u8..80) {
            let (mut buffer, mut model) = (SeriesBuffer::default(), BTreeMap::new());
            for (time_ms, value) in pushes {
                let value = match value % 5 {
                    0 => Value::Bool(value > 99),
                    1 => Value::Number(f64::from(value) / 10.0),
                    _ => Value::Text(format!("text {}", value % texts).into()),
                };
                let expected = match model.last_key_value() {
                    Some((&newest, _)) if time_ms < newest => Pushed::Late,
                    Some((&newest, _)) if time_ms == newest => Pushed::Replaced,
                    _ => Pushed::Newest,
                };
                prop_assert_eq!(buffer.push(time_ms, &value), expected);
                model.insert(time_ms, value);
            }
            let run = buffer.compressed().run().unwrap();
            let found: Vec<_> = run.points.iter().map(|point| (point.time_ms, run.value(point.sample))).collect();
            prop_assert_eq!(found, model.into_iter().collect::<Vec<_>>());
        }
    }
}
