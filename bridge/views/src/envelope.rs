//! What a cell went through lately, so that a slow viewer still sees the spike between two of its deltas.

/// Blocks a cell keeps. Nine of them make an [`Envelope`] 376 bytes, so that 50,000 watched cells stay below 20 MB.
const BLOCKS_MAX: usize = 9;

/// Values of consecutive versions, merged.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Block {
    last_version: u64,
    first_ms: i64,
    low: f64,
    high: f64,
    count: u32,
}

impl Block {
    fn merge_newer(&mut self, newer: &Block) {
        self.last_version = newer.last_version;
        self.first_ms = self.first_ms.min(newer.first_ms);
        self.low = self.low.min(newer.low);
        self.high = self.high.max(newer.high);
        self.count = self.count.saturating_add(newer.count);
    }
}

/// The recent values of a cell in blocks that grow with age (an exponential histogram: Datar, Gionis, Indyk, Motwani,
/// 2002). A question about any recent version is answered exactly, one about an older version by at most a few times
/// the span asked for, and never by less.
#[derive(Debug)]
pub(crate) struct Envelope {
    blocks: [Block; BLOCKS_MAX],
    len: u8,
    /// Every value of a later version is in the blocks.
    complete_from: u64,
}

/// Count and extremes of the values after a version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extremes {
    pub count: u32,
    pub low: f64,
    pub high: f64,
    /// Event time of the first, Unix ms.
    pub first_ms: i64,
}

impl Envelope {
    /// An envelope of a cell that last changed at `complete_from`.
    pub fn new(complete_from: u64) -> Self {
        Envelope { blocks: [Block::default(); BLOCKS_MAX], len: 0, complete_from }
    }

    /// `true` when no value after `since` is missing.
    pub fn covers(&self, since: u64) -> bool {
        since >= self.complete_from
    }

    /// Takes the value of a version that is not older than the one before.
    pub fn push(&mut self, version: u64, time_ms: i64, value: f64) {
        let block = Block { last_version: version, first_ms: time_ms, low: value, high: value, count: 1 };
        let len = usize::from(self.len);
        if len > 0 && self.blocks[len - 1].last_version == version {
            return self.blocks[len - 1].merge_newer(&block);
        }
        if len == BLOCKS_MAX {
            self.merge_cheapest_pair();
        }
        self.blocks[usize::from(self.len)] = block;
        self.len += 1;
    }

    /// What the cell went through after `since`; `None` when nothing.
    pub fn since(&self, since: u64) -> Option<Extremes> {
        let blocks = &self.blocks[..usize::from(self.len)];
        let first = blocks.partition_point(|block| block.last_version <= since);
        let mut merged = *blocks.get(first)?;
        for block in &blocks[first + 1..] {
            merged.merge_newer(block);
        }
        Some(Extremes { count: merged.count, low: merged.low, high: merged.high, first_ms: merged.first_ms })
    }

    /// Merges the neighbours whose merged size is smallest against their age. The newest block is spared: most
    /// viewers stand right before it.
    fn merge_cheapest_pair(&mut self) {
        let mut newer = f64::from(self.blocks[BLOCKS_MAX - 1].count);
        let mut best = (f64::INFINITY, 0);
        for older in (0..BLOCKS_MAX - 2).rev() {
            let size = f64::from(self.blocks[older].count) + f64::from(self.blocks[older + 1].count);
            if size / newer < best.0 {
                best = (size / newer, older);
            }
            newer += f64::from(self.blocks[older + 1].count);
        }
        let merged_in = self.blocks[best.1 + 1];
        self.blocks[best.1].merge_newer(&merged_in);
        self.blocks.copy_within(best.1 + 2.., best.1 + 1);
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fifty_thousand_cells_stay_below_twenty_megabytes() {
        assert!(size_of::<Envelope>() * 50_000 < 20_000_000, "{} bytes", size_of::<Envelope>());
    }

    proptest! {
        #[test]
        fn an_envelope_never_hides_an_extreme(values in prop::collection::vec(-1e3f64..1e3, 1..400)) {
            let mut envelope = Envelope::new(0);
            for (index, &value) in values.iter().enumerate() {
                envelope.push(index as u64 + 1, index as i64, value);
            }
            for since in 0..values.len() {
                let after = &values[since..];
                let extremes = envelope.since(since as u64).unwrap();
                prop_assert!(extremes.low <= after.iter().copied().fold(f64::INFINITY, f64::min));
                prop_assert!(extremes.high >= after.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                prop_assert!(extremes.count as usize >= after.len());
                prop_assert!(extremes.count as usize <= 4 * after.len() + 1, "{} for {}", extremes.count, after.len());
            }
            prop_assert!(envelope.since(values.len() as u64).is_none());
            let last = envelope.since(values.len() as u64 - 1).unwrap();
            prop_assert_eq!((last.count, last.low), (1, values[values.len() - 1]));
        }
    }
}
