//! A stream of bits, least significant first.

/// Appends bits to bytes.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    pending_bits: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        BitWriter { out, pending: 0, pending_bits: 0 }
    }

    /// Appends the lowest `bits` (at most 64) of `value`; the others must be 0.
    pub(super) fn put(&mut self, value: u64, bits: u32) {
        debug_assert!(bits == 64 || value >> bits == 0);
        self.pending |= value << self.pending_bits;
        let filled = self.pending_bits + bits;
        if filled < 64 {
            self.pending_bits = filled;
            return;
        }
        self.out.extend_from_slice(&self.pending.to_le_bytes());
        self.pending_bits = filled - 64;
        let taken = bits - self.pending_bits;
        self.pending = if taken == 64 { 0 } else { value >> taken };
    }

    /// Writes what is pending, padded with zeros to a whole byte.
    pub(super) fn finish(self) {
        let bytes = self.pending_bits.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.pending.to_le_bytes()[..bytes]);
    }
}

/// Reads bits back. Past the end come zeros; [`BitReader::overran`] tells.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at_bit: usize,
}

/// Bits that [`BitReader::peek`] is sure to return: 64 less those of a partly read first byte.
pub(super) const PEEK_BITS: u32 = 57;

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at_bit: 0 }
    }

    /// The next [`PEEK_BITS`] bits or more, without taking them.
    pub(super) fn peek(&self) -> u64 {
        let at = self.at_bit / 8;
        let word = match self.bytes.get(at..at + 8) {
            Some(eight) => u64::from_le_bytes(eight.try_into().expect("the slice has eight bytes")),
            None => self.peek_at_end(at),
        };
        word >> (self.at_bit % 8)
    }

    fn peek_at_end(&self, at: usize) -> u64 {
        let mut eight = [0; 8];
        let rest = self.bytes.get(at..).unwrap_or_default();
        eight[..rest.len()].copy_from_slice(rest);
        u64::from_le_bytes(eight)
    }

    pub(super) fn skip(&mut self, bits: u32) {
        self.at_bit += bits as usize;
    }

    /// Takes `bits`, at most 64.
    pub(super) fn take(&mut self, bits: u32) -> u64 {
        if bits > 32 {
            let low = self.take(32);
            return low | (self.take(bits - 32) << 32);
        }
        let value = self.peek() & ((1 << bits) - 1);
        self.skip(bits);
        value
    }

    pub(super) fn overran(&self) -> bool {
        self.at_bit > self.bytes.len() * 8
    }
}
