//! What a cell went through lately, so that a slow viewer still sees the spike between two of its deltas.

/// Blocks a cell keeps for whoever may come back. Nine of them are 360 bytes, so that 50,000 watched cells stay below 20 MB.
const BLOCKS_USUAL: usize = 9;
/// Viewers that may stand apart: each has a block that ends there, beside which there are the newest two.
const STANDING_MAX: usize = 32;
const BLOCKS_STOOD_AT_MAX: usize = STANDING_MAX + 2;
/// Where that are more than usual, so many values come until it is looked again who stands where.
const BLOCKS_BETWEEN_LOOKS: usize = 8;
const BLOCKS_MAX: usize = BLOCKS_STOOD_AT_MAX + BLOCKS_BETWEEN_LOOKS;

/// Values of consecutive versions, merged.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Block {
    last_version: u64,
    first_ms: i64,
    low: f64,
    high: f64,
    count: u32,
    /// From the first version to the last; `u32::MAX`: so much or more.
    span: u32,
}

impl Block {
    fn merge_newer(&mut self, newer: &Block) {
        let span = newer.last_version - self.last_version + u64::from(self.span);
        self.span = u32::try_from(span).unwrap_or(u32::MAX);
        self.last_version = newer.last_version;
        self.first_ms = self.first_ms.min(newer.first_ms);
        self.low = self.low.min(newer.low);
        self.high = self.high.max(newer.high);
        self.count = self.count.saturating_add(newer.count);
    }

    /// Whether nothing of it came at `since` or before.
    fn is_after(&self, since: u64) -> bool {
        self.span < u32::MAX && self.last_version - u64::from(self.span) > since
    }
}

/// The recent values of a cell in blocks. Where a viewer stands a block ends, so that what it is told is exact; what
/// nobody stands between is merged, so that blocks grow with age (an exponential histogram: Datar, Gionis, Indyk, Motwani,
/// 2002), and who comes back from a position that nobody else had is told a few times the span it asks for at most, never less.
#[derive(Debug)]
pub(crate) struct Envelope {
    blocks: Vec<Block>,
    /// Every value of a later version is in the blocks.
    complete_from: u64,
}

/// Count and extremes of the values after a version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extremes {
    /// Of these, and of no others. Else of some before them too.
    pub is_exact: bool,
    /// How many numbers.
    pub count: u32,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// Event time of the first, Unix ms.
    pub first_ms: i64,
}

impl Envelope {
    /// An envelope of a cell that last changed at `complete_from`.
    pub fn new(complete_from: u64) -> Self {
        Envelope { blocks: Vec::new(), complete_from }
    }

    /// `true` when no value after `since` is missing.
    pub fn covers(&self, since: u64) -> bool {
        since >= self.complete_from
    }

    /// Whether the next value needs to know where viewers stand.
    pub fn is_full(&self) -> bool {
        self.blocks.len() >= BLOCKS_USUAL && self.blocks.len() == self.blocks.capacity()
    }

    /// Takes the value of a version that is not older than the one before. `standing`: versions at which viewers stand; those
    /// that have all but the newest two values need not be among them.
    pub fn push(&mut self, version: u64, time_ms: i64, value: f64, standing: &[u64]) {
        let block = Block { last_version: version, first_ms: time_ms, low: value, high: value, count: 1, span: 0 };
        if let Some(newest) = self.blocks.last_mut().filter(|newest| newest.last_version == version) {
            return newest.merge_newer(&block);
        }
        if self.is_full() {
            self.make_room(standing);
        }
        if self.blocks.len() == self.blocks.capacity() {
            self.blocks.reserve_exact(BLOCKS_USUAL);
        }
        self.blocks.push(block);
    }

    /// What the cell went through after `since`; `None` when nothing.
    pub fn since(&self, since: u64) -> Option<Extremes> {
        let first = self.blocks.partition_point(|block| block.last_version <= since);
        let mut merged = *self.blocks.get(first)?;
        let is_exact = merged.is_after(since) && self.covers(since);
        for block in &self.blocks[first + 1..] {
            merged.merge_newer(block);
        }
        let Block { count, low, high, first_ms, .. } = merged;
        Some(Extremes { is_exact, count, low, high, first_ms })
    }

    /// Merges neighbours between which nobody stands until there are fewer than usual, but those that somebody stands between
    /// only when there are far too many.
    fn make_room(&mut self, standing: &[u64]) {
        let mut stood_at = [false; BLOCKS_MAX];
        for &at in standing {
            let behind = self.blocks.partition_point(|block| block.last_version <= at);
            if behind > 0 && self.blocks.get(behind).is_some_and(|block| block.is_after(at)) {
                stood_at[behind - 1] = true;
            }
        }
        let mut len = self.blocks.len();
        while self.blocks.len() >= BLOCKS_USUAL {
            let Some(older) = self.cheapest_pair(|older| !stood_at[older]) else { break };
            self.merge_pair(older);
            stood_at.copy_within(older + 1..len, older);
            len -= 1;
        }
        while self.blocks.len() > BLOCKS_STOOD_AT_MAX
            && let Some(older) = self.cheapest_pair(|_| true)
        {
            self.merge_pair(older);
        }
        if self.blocks.len() < BLOCKS_USUAL {
            self.blocks.shrink_to(BLOCKS_USUAL);
        } else {
            self.blocks.reserve_exact(BLOCKS_BETWEEN_LOOKS);
        }
    }

    /// The neighbours whose merged size is smallest against their age, by the older of them. The newest block is spared: most
    /// viewers stand right before it.
    fn cheapest_pair(&self, may: impl Fn(usize) -> bool) -> Option<usize> {
        let (&newest, rest) = self.blocks.split_last()?;
        let mut newer = f64::from(newest.count);
        let (mut least, mut best) = (f64::INFINITY, None);
        for older in (0..rest.len().saturating_sub(1)).rev() {
            let size = f64::from(rest[older].count) + f64::from(rest[older + 1].count);
            if may(older) && size / newer < least {
                (least, best) = (size / newer, Some(older));
            }
            newer += f64::from(rest[older + 1].count);
        }
        best
    }

    fn merge_pair(&mut self, older: usize) {
        let merged_in = self.blocks.remove(older + 1);
        self.blocks[older].merge_newer(&merged_in);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fifty_thousand_cells_stay_below_twenty_megabytes() {
        let mut envelope = Envelope::new(0);
        (1..100).for_each(|version| envelope.push(version, 0, 1.0, &[]));
        let bytes = size_of::<Envelope>() + envelope.blocks.capacity() * size_of::<Block>();
        assert!(bytes * 50_000 < 20_000_000, "{bytes} bytes");
    }

    /// Count and extremes of values after a version, one a version from 1 on.
    fn truth(values: &[f64], since: usize) -> (u32, f64, f64) {
        let after = values[since..].iter().copied();
        let count = u32::try_from(values.len() - since).unwrap();
        (count, after.clone().fold(f64::INFINITY, f64::min), after.fold(f64::NEG_INFINITY, f64::max))
    }

    proptest! {
        #[test]
        fn an_envelope_never_hides_an_extreme(values in prop::collection::vec(-1e3f64..1e3, 1..400)) {
            let mut envelope = Envelope::new(0);
            for (index, &value) in values.iter().enumerate() {
                envelope.push(index as u64 + 1, index as i64, value, &[]);
            }
            for since in 0..values.len() {
                let (count, low, high) = truth(&values, since);
                let extremes = envelope.since(since as u64).unwrap();
                prop_assert!(extremes.low <= low && extremes.high >= high);
                prop_assert!((count..=4 * count + 1).contains(&extremes.count), "{} for {count}", extremes.count);
                prop_assert_eq!(extremes.is_exact, extremes.count == count);
            }
            prop_assert!(envelope.since(values.len() as u64).is_none());
        }

        /// As many as a cell has blocks for, each of which looks when it likes.
        #[test]
        fn who_stands_somewhere_is_told_exactly_however_long(
            values in prop::collection::vec((-1e3f64..1e3, prop::option::of(0usize..STANDING_MAX)), 1..600),
        ) {
            let (mut envelope, mut standing) = (Envelope::new(0), [0_u64; STANDING_MAX]);
            let numbers: Vec<f64> = values.iter().map(|(value, _)| *value).collect();
            for (index, (value, looks)) in values.iter().enumerate() {
                let version = index as u64 + 1;
                envelope.push(version, index as i64, *value, &standing);
                if let Some(viewer) = looks {
                    let since = standing[*viewer];
                    let (count, low, high) = truth(&numbers[..=index], usize::try_from(since).unwrap());
                    let told = envelope.since(since).unwrap();
                    prop_assert!(told.is_exact, "after {since} at {version}");
                    prop_assert_eq!((told.count, told.low, told.high), (count, low, high));
                    standing[*viewer] = version;
                }
            }
            prop_assert!(envelope.blocks.len() <= BLOCKS_MAX);
        }
    }
}
