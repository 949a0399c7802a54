//! Times and samples as integers, and integers as residuals of a guess.

use super::bits::BitReader;
use super::{Damaged, put_varint, rice, take_byte, take_varint, unzigzag, zigzag};
use crate::point::{Kind, Point, Sample};

/// Times are residuals of the line from the first to the last point: independent jitter does not add up.
const LINE: u8 = 0;
/// Times are residuals of a steady step from the point before: a gap costs once.
const STEP: u8 = 1;

/// Times of a block, encoded in the cheaper of two ways.
pub(super) struct Times {
    mode: u8,
    first: i64,
    step: i64,
    residuals: Vec<u64>,
}

impl Times {
    pub(super) fn choose(points: &[Point], base_ms: i64) -> Self {
        let first_ms = points[0].time_ms();
        let line = mean_step(points);
        let step = median_step(points);
        let mut at = first_ms;
        let of_line: Vec<u64> = points[1..]
            .iter()
            .map(|point| {
                at = at.wrapping_add(line);
                zigzag(point.time_ms().wrapping_sub(at))
            })
            .collect();
        let of_step: Vec<u64> = points
            .windows(2)
            .map(|pair| zigzag(pair[1].time_ms().wrapping_sub(pair[0].time_ms()).wrapping_sub(step)))
            .collect();
        let first = first_ms.wrapping_sub(base_ms);
        if rice::cost_bits(&of_step) < rice::cost_bits(&of_line) {
            Times { mode: STEP, first, step, residuals: of_step }
        } else {
            Times { mode: LINE, first, step: line, residuals: of_line }
        }
    }

    pub(super) fn mode(&self) -> u8 {
        self.mode
    }

    pub(super) fn residuals(&self) -> &[u64] {
        &self.residuals
    }

    pub(super) fn put_head(&self, count: usize, out: &mut Vec<u8>) {
        put_varint(zigzag(self.first), out);
        if count > 1 {
            put_varint(zigzag(self.step), out);
        }
    }
}

fn mean_step(points: &[Point]) -> i64 {
    let Some(steps) = points.len().checked_sub(1).filter(|&steps| steps > 0) else { return 0 };
    let span = i128::from(points[steps].time_ms()) - i128::from(points[0].time_ms());
    // Rounded to the nearest, so that the line ends next to the last point. Beyond 64 bits any step is as bad.
    let half = steps as i128 / 2 * span.signum();
    i64::try_from((span + half) / steps as i128).unwrap_or(0)
}

fn median_step(points: &[Point]) -> i64 {
    let mut steps: Vec<i64> = points.windows(2).map(|pair| pair[1].time_ms().wrapping_sub(pair[0].time_ms())).collect();
    if steps.is_empty() {
        return 0;
    }
    let middle = steps.len() / 2;
    *steps.select_nth_unstable(middle).1
}

/// What a block says about its times before the residuals.
pub(super) struct TimesHead {
    mode: u8,
    first_ms: i64,
    step: i64,
}

impl TimesHead {
    pub(super) fn take(mode: u8, base_ms: i64, count: usize, rest: &mut &[u8]) -> Result<Self, Damaged> {
        let first_ms = base_ms.wrapping_add(unzigzag(take_varint(rest)?));
        let step = if count > 1 { unzigzag(take_varint(rest)?) } else { 0 };
        Ok(TimesHead { mode, first_ms, step })
    }

    pub(super) fn decode(
        &self,
        count: usize,
        reader: &mut BitReader<'_>,
        mut each: impl FnMut(i64),
    ) -> Result<(), Damaged> {
        each(self.first_ms);
        let mut at = self.first_ms;
        rice::decode(count - 1, reader, |residual| {
            at = at.wrapping_add(self.step);
            let time_ms = at.wrapping_add(unzigzag(residual));
            if self.mode == STEP {
                at = time_ms;
            }
            each(time_ms);
        })
    }
}

/// How samples became integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Number times a power of ten.
    Decimal { exponent: u8 },
    /// Bits in the order of the numbers, without the zeros they all end in.
    Bits { shift: u8 },
    /// Booleans only.
    Bool,
    /// Texts only: their indices.
    Text,
}

/// Largest power of ten tried. Decimals that people and devices write have fewer.
const EXPONENT_MAX: u8 = 10;
const POWERS: [f64; EXPONENT_MAX as usize + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
/// Beyond it a scaled number is not sure to come back; and `Bits` is as short.
const SCALED_MAX: f64 = (1_i64 << 51) as f64;

/// Samples of a block, encoded in the cheapest of three orders of difference.
pub(super) struct Samples {
    form: Form,
    order: u8,
    heads: Vec<i64>,
    residuals: Vec<u64>,
}

impl Samples {
    pub(super) fn choose(points: &[Point]) -> Self {
        let (form, integers) = as_integers(points);
        let candidates = (0..=2.min(integers.len() - 1) as u8).map(|order| residuals_of(&integers, order));
        let (order, (heads, residuals)) = (0..)
            .zip(candidates)
            .min_by_key(|(_, (heads, residuals))| rice::cost_bits(residuals) + 8 * heads.len() as u64)
            .expect("order 0 is always tried");
        Samples { form, order, heads, residuals }
    }

    /// Four bits: the form, then the order.
    pub(super) fn mode(&self) -> u8 {
        let form = match self.form {
            Form::Decimal { .. } => 0,
            Form::Bits { .. } => 1,
            Form::Bool => 2,
            Form::Text => 3,
        };
        form | (self.order << 2)
    }

    pub(super) fn residuals(&self) -> &[u64] {
        &self.residuals
    }

    pub(super) fn put_head(&self, out: &mut Vec<u8>) {
        if let Form::Decimal { exponent: number } | Form::Bits { shift: number } = self.form {
            out.push(number);
        }
        for &head in &self.heads {
            put_varint(zigzag(head), out);
        }
    }
}

fn as_integers(points: &[Point]) -> (Form, Vec<i64>) {
    let kind = points[0].sample.kind();
    if kind != Kind::Number && points.iter().all(|point| point.sample.kind() == kind) {
        let form = if kind == Kind::Bool { Form::Bool } else { Form::Text };
        return (form, points.iter().map(|point| i64::from(point.sample.untagged())).collect());
    }
    if let Some(found) = as_decimals(points) {
        return found;
    }
    let shift = points.iter().fold(0, |all, point| all | point.sample.0).trailing_zeros().min(63) as u8;
    let integers = points.iter().map(|point| ordered(point.sample.0) >> shift).collect();
    (Form::Bits { shift }, integers)
}

fn as_decimals(points: &[Point]) -> Option<(Form, Vec<i64>)> {
    let mut integers = vec![0; points.len()];
    let exponent = to_decimals(|at| points[at].sample, &mut integers)?;
    Some((Form::Decimal { exponent }, integers))
}

pub(super) fn decimals<const N: usize>(samples: &[Sample; N]) -> Option<(u8, [i64; N])> {
    let mut integers = [0; N];
    let exponent = to_decimals(|at| samples[at], &mut integers)?;
    Some((exponent, integers))
}

pub(super) fn decimal(integer: i64, exponent: u8) -> Result<f64, Damaged> {
    let power = POWERS.get(usize::from(exponent)).ok_or(Damaged("a number has an unknown scale"))?;
    Ok(unscaled(integer, *power))
}

/// Finds the smallest power of ten that brings every sample back bit by bit, and fills in the integers.
fn to_decimals(sample: impl Fn(usize) -> Sample, integers: &mut [i64]) -> Option<u8> {
    let mut exponent = 0;
    let mut at = 0;
    while at < integers.len() {
        match scaled(sample(at), exponent) {
            Some(integer) => {
                integers[at] = integer;
                at += 1;
            }
            None if exponent == EXPONENT_MAX => return None,
            None => {
                // A finer scale; the samples before have to come back at it too.
                exponent += 1;
                at = 0;
            }
        }
    }
    Some(exponent)
}

/// The integer that stands for a number at a scale; `None` when it would not come back bit by bit (so never for
/// -0.0, nor for other kinds, whose bits are no finite number).
fn scaled(sample: Sample, exponent: u8) -> Option<i64> {
    let number = f64::from_bits(sample.0);
    let power = POWERS[usize::from(exponent)];
    let rounded = (number * power).round_ties_even();
    if rounded.is_nan() || rounded.abs() > SCALED_MAX {
        return None;
    }
    (unscaled(rounded as i64, power).to_bits() == sample.0).then_some(rounded as i64)
}

fn unscaled(integer: i64, power: f64) -> f64 {
    integer as f64 / power
}

/// Bits of a number as an integer that grows with the number, so that close numbers have close integers.
const fn ordered(bits: u64) -> i64 {
    let signed = bits as i64;
    if signed < 0 { signed ^ i64::MAX } else { signed }
}

/// Undoes `ordered(bits) >> shift`: the zeros that a negative number's bits end in are ones once ordered.
const fn widened(integer: i64, shift: u8) -> i64 {
    let low = ((1_u64 << shift) - 1) as i64;
    if integer < 0 { (integer << shift) | low } else { integer << shift }
}

/// Heads and zigzagged residuals of the difference of an `order`. Order 0 has the mean as its head.
fn residuals_of(integers: &[i64], order: u8) -> (Vec<i64>, Vec<u64>) {
    match order {
        0 => {
            let sum: i128 = integers.iter().map(|&integer| i128::from(integer)).sum();
            let mean = (sum / integers.len() as i128) as i64;
            (vec![mean], integers.iter().map(|integer| zigzag(integer.wrapping_sub(mean))).collect())
        }
        1 => {
            let residuals = integers.windows(2).map(|pair| zigzag(pair[1].wrapping_sub(pair[0]))).collect();
            (vec![integers[0]], residuals)
        }
        _ => {
            let head = integers[1].wrapping_sub(integers[0]);
            let bend = |three: &[i64]| {
                let before = three[1].wrapping_sub(three[0]);
                zigzag(three[2].wrapping_sub(three[1]).wrapping_sub(before))
            };
            (vec![integers[0], head], integers.windows(3).map(bend).collect())
        }
    }
}

/// What a block says about its samples before the residuals.
pub(super) struct SamplesHead {
    form: Form,
    order: u8,
    first: i64,
    second: i64,
}

impl SamplesHead {
    pub(super) fn take(mode: u8, rest: &mut &[u8]) -> Result<Self, Damaged> {
        let form = match mode & 3 {
            0 => Form::Decimal { exponent: take_byte(rest)? },
            1 => Form::Bits { shift: take_byte(rest)? },
            2 => Form::Bool,
            _ => Form::Text,
        };
        let order = mode >> 2;
        let too_large = match form {
            Form::Decimal { exponent } => exponent > EXPONENT_MAX,
            Form::Bits { shift } => shift > 63,
            Form::Bool | Form::Text => false,
        };
        if order > 2 || too_large {
            return Err(Damaged("a block has an unknown mode"));
        }
        let first = unzigzag(take_varint(rest)?);
        let second = if order == 2 { unzigzag(take_varint(rest)?) } else { 0 };
        Ok(SamplesHead { form, order, first, second })
    }

    pub(super) fn decode(
        &self,
        count: usize,
        reader: &mut BitReader<'_>,
        mut each: impl FnMut(Sample),
    ) -> Result<(), Damaged> {
        let residuals = count.checked_sub(usize::from(self.order)).ok_or(Damaged("a block has too few points"))?;
        let mut at = self.first;
        let mut step = self.second;
        if self.order > 0 {
            each(self.sample(at));
        }
        if self.order > 1 {
            at = at.wrapping_add(step);
            each(self.sample(at));
        }
        rice::decode(residuals, reader, |residual| {
            let residual = unzigzag(residual);
            match self.order {
                0 => return each(self.sample(self.first.wrapping_add(residual))),
                1 => at = at.wrapping_add(residual),
                _ => {
                    step = step.wrapping_add(residual);
                    at = at.wrapping_add(step);
                }
            }
            each(self.sample(at));
        })
    }

    pub(super) fn may_be_texts(&self) -> bool {
        matches!(self.form, Form::Bits { .. } | Form::Text)
    }

    fn sample(&self, integer: i64) -> Sample {
        match self.form {
            Form::Decimal { exponent } => Sample(unscaled(integer, POWERS[usize::from(exponent)]).to_bits()),
            Form::Bits { shift } => Sample(ordered(widened(integer, shift) as u64) as u64),
            Form::Bool => Sample::bool(integer != 0),
            Form::Text => Sample::text(integer as u32),
        }
    }
}
