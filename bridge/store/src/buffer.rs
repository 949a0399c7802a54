//! Points of one series in memory: compressed blocks and one short raw tail.

use std::sync::Arc;

use tidegate_telemetry::Value;

use crate::codec::{self, Damaged};
use crate::point::{Point, Run, Sample};

/// Raw points before they become a block. A flush every 80 s at a reading each 5 s never gets there.
const TAIL_POINTS: usize = 24;
/// Small blocks before they become one large block: a short block pays for its head.
const SMALL_BLOCKS: usize = 8;

/// Bytes of a block's pointer and of the allocator's rounding.
const BLOCK_OVERHEAD_BYTES: usize = 32;

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
    /// What text samples of the tail and of `late` index.
    texts: Vec<Arc<str>>,
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
            let sample = self.sample(value);
            self.tail.push(Point { time_ms, sample });
            return Pushed::Newest;
        }
        let sample = self.sample(value);
        match self.tail.last_mut() {
            Some(last) if last.time_ms == time_ms => {
                last.sample = sample;
                Pushed::Replaced
            }
            _ => {
                self.more.get_or_insert_default().late.push(Point { time_ms, sample });
                Pushed::Late
            }
        }
    }

    /// The value's sixteen-byte form; a text joins the list, which does not outlive the tail: the point has to follow at once.
    fn sample(&mut self, value: &Value) -> Sample {
        match value {
            Value::Number(number) => Sample::number(*number),
            Value::Bool(on) => Sample::bool(*on),
            Value::Text(text) => {
                let texts = &mut self.more.get_or_insert_default().texts;
                let index = texts.iter().rposition(|known| known == text).unwrap_or_else(|| {
                    texts.push(text.clone());
                    texts.len() - 1
                });
                Sample::text(index as u32)
            }
        }
    }

    fn seal_tail(&mut self) {
        let more = self.more.get_or_insert_default();
        let mut block = Vec::with_capacity(TAIL_POINTS * 4);
        codec::encode(&self.tail, &more.texts, 0, &mut block);
        more.block_bytes += block.len() + BLOCK_OVERHEAD_BYTES;
        more.small.push(block.into_boxed_slice());
        self.tail.clear();
        if more.small.len() == SMALL_BLOCKS {
            more.merge_small();
        }
        if more.late.is_empty() {
            more.texts.clear();
        }
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
            rest.points.extend_from_slice(&more.late);
            rest.texts.clone_from(&more.texts);
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
        self.block_bytes + self.late.capacity() * size_of::<Point>() + self.texts.len() * 32 + size_of::<More>()
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
    fn texts_come_back_wherever_the_tail_becomes_a_block() {
        let text = |time_ms: i64| Value::Text(["ON", "OFF", "stuck"][time_ms as usize % 3].into());
        let mixed = |time_ms: i64| if time_ms % 25 == 0 { text(time_ms) } else { Value::Bool(time_ms % 2 == 0) };
        let count = (TAIL_POINTS * SMALL_BLOCKS * 2 + 1) as i64;
        for count in (1..60).chain([count]) {
            assert_eq!(kept(text, count), (0..=count).map(text).collect::<Vec<_>>());
            assert_eq!(kept(mixed, count), (0..=count).map(mixed).collect::<Vec<_>>());
        }
    }
}
