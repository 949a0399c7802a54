//! Rice coding of residuals, in groups of 64 with a parameter of their own (Rice and Plaunt, 1971).
//!
//! A value is its quotient by `2^k` in unary and `k` low bits: close to the entropy for residuals that are
//! mostly small, whatever their scale. A rare large one is escaped, so a gap in time costs a few bytes once.

use super::Damaged;
use super::bits::{BitReader, BitWriter, PEEK_BITS};

/// Residuals that share a parameter.
const GROUP: usize = 64;
/// Bits of a group's parameter.
const PARAMETER_BITS: u32 = 6;
/// Parameter of a group of zeros, which has no further bits.
const ALL_ZERO: u64 = 63;
/// A quotient from here on is written as the value's width and all of its bits.
const ESCAPE: u32 = 20;
/// Bits of an escaped value's width less 1.
const WIDTH_BITS: u32 = 6;

/// Appends `residuals`, zigzagged, to the stream.
pub(super) fn encode(residuals: &[u64], writer: &mut BitWriter<'_>) {
    for group in residuals.chunks(GROUP) {
        let Some((parameter, _)) = best_parameter(group) else {
            writer.put(ALL_ZERO, PARAMETER_BITS);
            continue;
        };
        writer.put(u64::from(parameter), PARAMETER_BITS);
        for &value in group {
            put(value, parameter, writer);
        }
    }
}

/// Bits that [`encode`] would write.
pub(super) fn cost_bits(residuals: &[u64]) -> u64 {
    residuals
        .chunks(GROUP)
        .map(|group| u64::from(PARAMETER_BITS) + best_parameter(group).map_or(0, |(_, bits)| bits))
        .sum()
}

/// Reads `count` residuals, handing each to `each`.
pub(super) fn decode(count: usize, reader: &mut BitReader<'_>, mut each: impl FnMut(u64)) -> Result<(), Damaged> {
    let mut left = count;
    while left > 0 {
        let group = left.min(GROUP);
        let parameter = reader.take(PARAMETER_BITS);
        for _ in 0..group {
            each(if parameter == ALL_ZERO { 0 } else { take(parameter as u32, reader) });
        }
        if reader.overran() {
            return Err(Damaged("a block ends too early"));
        }
        left -= group;
    }
    Ok(())
}

/// The cheapest parameter and its bits; `None` when all are 0. The optimum lies next to the mean's logarithm.
fn best_parameter(group: &[u64]) -> Option<(u32, u64)> {
    let sum: u128 = group.iter().map(|&value| u128::from(value)).sum();
    if sum == 0 {
        return None;
    }
    let mean = (sum / group.len() as u128) as u64;
    let near = mean.checked_ilog2().unwrap_or(0);
    // An escaped outlier lifts the mean far above what the others need: look further down then.
    let largest = group.iter().copied().max().unwrap_or(0);
    let lowest = if largest >> near >= u64::from(ESCAPE / 2) { near.saturating_sub(8) } else { near.saturating_sub(1) };
    (lowest..=(near + 1).min(62)).map(|parameter| (parameter, group_bits(group, parameter))).min_by_key(|best| best.1)
}

fn group_bits(group: &[u64], parameter: u32) -> u64 {
    group
        .iter()
        .map(|&value| {
            let quotient = value >> parameter;
            if quotient < u64::from(ESCAPE) {
                quotient + 1 + u64::from(parameter)
            } else {
                u64::from(ESCAPE + WIDTH_BITS + width(value))
            }
        })
        .sum()
}

fn width(value: u64) -> u32 {
    64 - value.leading_zeros()
}

fn put(value: u64, parameter: u32, writer: &mut BitWriter<'_>) {
    let quotient = value >> parameter;
    if quotient < u64::from(ESCAPE) {
        // Ones, then the zero that ends them.
        writer.put((1 << quotient) - 1, quotient as u32 + 1);
        writer.put(value & ((1 << parameter) - 1), parameter);
    } else {
        writer.put((1 << ESCAPE) - 1, ESCAPE);
        writer.put(u64::from(width(value) - 1), WIDTH_BITS);
        writer.put(value, width(value));
    }
}

fn take(parameter: u32, reader: &mut BitReader<'_>) -> u64 {
    let ahead = reader.peek();
    let quotient = ahead.trailing_ones();
    if quotient >= ESCAPE {
        reader.skip(ESCAPE);
        let width = reader.take(WIDTH_BITS) as u32 + 1;
        return reader.take(width);
    }
    let total = quotient + 1 + parameter;
    if total <= PEEK_BITS {
        reader.skip(total);
        return (u64::from(quotient) << parameter) | ((ahead >> (quotient + 1)) & ((1 << parameter) - 1));
    }
    reader.skip(quotient + 1);
    (u64::from(quotient) << parameter) | reader.take(parameter)
}
