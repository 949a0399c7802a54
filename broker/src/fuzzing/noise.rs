/// Numbers read from a fuzzer's bytes; zeros past their end.
pub(super) struct Noise<'a> {
    bytes: &'a [u8],
}

impl<'a> Noise<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Noise { bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Up to `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(count.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }
}

/// Hands `target` the noise of `count` seeds, times `TIDEGATE_CASES` where that is set; a panic is followed by its seed.
#[cfg(test)]
pub(super) fn try_seeds(count: u64, bytes_max: u64, target: fn(&[u8])) {
    for seed in 0..count * cases() {
        let mut numbers = Numbers(seed);
        let length = numbers.next() % bytes_max;
        let bytes: Vec<u8> = (0..length).map(|_| numbers.next() as u8).collect();
        let told = SeedOnPanic(seed);
        target(&bytes);
        std::mem::forget(told);
    }
}

/// How many times more cases than usual are tried.
#[cfg(test)]
pub(crate) fn cases() -> u64 {
    std::env::var("TIDEGATE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
struct SeedOnPanic(u64);

#[cfg(test)]
impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        eprintln!("the seed was {}", self.0);
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
#[cfg(test)]
pub(crate) struct Numbers(pub(crate) u64);

#[cfg(test)]
impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
