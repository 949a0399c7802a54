//! Whose the times of a block are: nearly always all of them are the same one's.

use tidegate_telemetry::TimeOrigin;

use super::{Damaged, put_varint, take_varint};
use crate::point::{Point, origin_code};

/// Bits of a block's modes. 0: the devices', as in every block from before it was asked.
pub(super) const MODES: u8 = 0x60;
const SHIFT: u32 = 5;
/// Each run of the same is written down; so it is where all are imported, which has no mode of its own.
const MIXED: u8 = 3;
const ORIGIN_BITS: u32 = 2;

const ORIGINS: [TimeOrigin; 4] =
    [TimeOrigin::Device, TimeOrigin::Receipt, TimeOrigin::Correction, TimeOrigin::Imported];

/// Origins in order, and how many times in a row each.
pub(super) struct Origins(Vec<(TimeOrigin, usize)>);

impl Origins {
    pub(super) fn of(points: &[Point]) -> Self {
        let runs = points.chunk_by(|a, b| a.origin() == b.origin());
        Origins(runs.map(|run| (run[0].origin(), run.len())).collect())
    }

    pub(super) fn mode(&self) -> u8 {
        let code = if let [(origin, _)] = self.0[..] { origin_code(origin) } else { MIXED };
        code << SHIFT
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        if self.mode() == MIXED << SHIFT {
            for &(origin, count) in &self.0 {
                put_varint((count as u64) << ORIGIN_BITS | u64::from(origin_code(origin)), out);
            }
        }
    }

    /// Those of `count` times.
    pub(super) fn take(modes: u8, count: usize, rest: &mut &[u8]) -> Result<Self, Damaged> {
        let mode = (modes & MODES) >> SHIFT;
        if mode != MIXED {
            return Ok(Origins(vec![(ORIGINS[usize::from(mode)], count)]));
        }
        let (mut runs, mut left) = (Vec::new(), count as u64);
        while left > 0 {
            let run = take_varint(rest)?;
            let origin = ORIGINS[(run & 3) as usize];
            let length = run >> ORIGIN_BITS;
            left = left.checked_sub(length).filter(|_| length > 0).ok_or(Damaged("a run of origins is too long"))?;
            runs.push((origin, length as usize));
        }
        Ok(Origins(runs))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = TimeOrigin> {
        self.0.iter().flat_map(|&(origin, count)| std::iter::repeat_n(origin, count))
    }
}
