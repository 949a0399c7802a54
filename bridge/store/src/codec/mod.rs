//! Points of one series as few bytes, bit-exact.
//!
//! - [`bits`]: a stream of bits
//! - [`rice`]: residuals as Rice codes
//! - [`column`]: times and samples as integers, integers as residuals
//! - [`origins`]: whose the times are
//!
//! A block is: `count`, a byte of modes, the texts (if any), the origins of the times (if they differ), the head of the
//! times, the head of the samples, and one stream of bits with the residuals of both. Times are residuals of a line or of a
//! steady step; samples are decimals
//! scaled to integers where every one of them comes back bit by bit, else their bits in order of size. At 16 to 512
//! points `pco` needs more bytes (its header and bins are made for thousands) and more time; see
//! `comparison.rs`.
//!
//! A block of samples is the same without `count` and without times, for series whose times stand somewhere else.

mod bits;
mod column;
mod origins;
mod rice;

use std::sync::Arc;

use tidegate_telemetry::TimeOrigin;

use crate::point::{Kind, Point, Run, Sample, Stamp};
use bits::{BitReader, BitWriter};
use column::{Samples, Times};
use origins::Origins;

/// Most points of one block.
pub(crate) const BLOCK_POINTS_MAX: usize = 1 << 16;

/// Bytes that hold no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damaged(pub(crate) &'static str);

const TEXTS_FLAG: u8 = 0x80;

/// Appends a block of `points` (1 to [`BLOCK_POINTS_MAX`], any order of time) to `out`. Times are written relative to
/// `base_ms`; samples index `texts`, of which only those in use are written.
pub(crate) fn encode(points: &[Point], texts: &[Arc<str>], base_ms: i64, out: &mut Vec<u8>) {
    encode_columns(points, texts, Some(&Times::choose(points, base_ms)), out);
}

/// Appends a block of the samples of `points` to `out`: [`decode_samples`] is to be told their stamps.
pub(crate) fn encode_samples(points: &[Point], texts: &[Arc<str>], out: &mut Vec<u8>) {
    encode_columns(points, texts, None, out);
}

fn encode_columns(points: &[Point], texts: &[Arc<str>], times: Option<&Times>, out: &mut Vec<u8>) {
    debug_assert!(!points.is_empty() && points.len() <= BLOCK_POINTS_MAX);
    let has_texts = !texts.is_empty() && points.iter().any(|point| point.sample.kind() == Kind::Text);
    if has_texts {
        let (points, used) = with_own_texts(points, texts);
        put_columns(&points, &used, times, out);
    } else {
        put_columns(points, &[], times, out);
    }
}

fn put_columns(points: &[Point], texts: &[Arc<str>], times: Option<&Times>, out: &mut Vec<u8>) {
    let samples = Samples::choose(points);
    if times.is_some() {
        put_varint(points.len() as u64, out);
    }
    let texts_flag = if texts.is_empty() { 0 } else { TEXTS_FLAG };
    let origins = Origins::of(points);
    let times_mode = times.map_or(0, |times| times.mode() | origins.mode());
    out.push(times_mode | (samples.mode() << 1) | texts_flag);
    if !texts.is_empty() {
        put_texts(texts, out);
    }
    if let Some(times) = times {
        origins.put(out);
        times.put_head(points.len(), out);
    }
    samples.put_head(out);
    let mut writer = BitWriter::new(out);
    if let Some(times) = times {
        rice::encode(times.residuals(), &mut writer);
    }
    rice::encode(samples.residuals(), &mut writer);
    writer.finish();
}

/// Appends the points of a block to `run`.
pub(crate) fn decode(bytes: &[u8], base_ms: i64, run: &mut Run) -> Result<(), Damaged> {
    let mut rest = bytes;
    let count = take_varint(&mut rest)? as usize;
    if count == 0 || count > BLOCK_POINTS_MAX {
        return Err(Damaged("a block has an impossible number of points"));
    }
    let (start, first_text) = (run.points.len(), run.texts.len());
    let modes = take_modes(&mut rest, run)?;
    let origins = Origins::take(modes, count, &mut rest)?;
    let times = column::TimesHead::take(modes & 1, base_ms, count, &mut rest)?;
    let samples = column::SamplesHead::take((modes & !origins::MODES) >> 1, &mut rest)?;
    run.points.reserve(count);
    let mut reader = BitReader::new(rest);
    let mut origins = origins.iter();
    let mut push = |time_ms, origin| run.points.push(Point::new(time_ms, origin, Sample(0)));
    times.decode(count, &mut reader, |time_ms| push(time_ms, origins.next().unwrap_or(TimeOrigin::Device)))?;
    fill_in(&samples, &mut reader, (start, first_text), run)
}

/// Appends the points of a block of samples to `run`; `stamps` are those of the points that it was made of.
pub(crate) fn decode_samples(bytes: &[u8], stamps: &[Stamp], run: &mut Run) -> Result<(), Damaged> {
    let mut rest = bytes;
    let (start, first_text) = (run.points.len(), run.texts.len());
    let modes = take_modes(&mut rest, run)?;
    let samples = column::SamplesHead::take(modes >> 1, &mut rest)?;
    run.points.extend(stamps.iter().map(|&stamp| Point { stamp, sample: Sample(0) }));
    fill_in(&samples, &mut BitReader::new(rest), (start, first_text), run)
}

/// The modes without their flag; texts, if any, join the run's.
fn take_modes(rest: &mut &[u8], run: &mut Run) -> Result<u8, Damaged> {
    let modes = take_byte(rest)?;
    if modes & TEXTS_FLAG != 0 {
        take_texts(rest, &mut run.texts)?;
    }
    Ok(modes & !TEXTS_FLAG)
}

/// Gives the run's points from `start` on their samples, which index its texts from `first_text` on.
fn fill_in(
    samples: &column::SamplesHead,
    reader: &mut BitReader<'_>,
    (start, first_text): (usize, usize),
    run: &mut Run,
) -> Result<(), Damaged> {
    let count = run.points.len() - start;
    let mut points = run.points[start..].iter_mut();
    samples.decode(count, reader, |sample| {
        if let Some(point) = points.next() {
            point.sample = sample;
        }
    })?;
    if samples.may_be_texts() { own_texts(run, start, first_text as u32) } else { Ok(()) }
}

/// Gives the samples of points from `start` on their place in the run's texts.
fn own_texts(run: &mut Run, start: usize, offset: u32) -> Result<(), Damaged> {
    let texts = run.texts.len() as u64;
    for point in &mut run.points[start..] {
        if point.sample.kind() == Kind::Text {
            let index = u64::from(point.sample.untagged()) + u64::from(offset);
            if index >= texts {
                return Err(Damaged("a block refers to a text that it does not hold"));
            }
            point.sample = Sample::text(index as u32);
        }
    }
    Ok(())
}

/// The points with samples that index a list of their own, each text once.
fn with_own_texts(points: &[Point], texts: &[Arc<str>]) -> (Vec<Point>, Vec<Arc<str>>) {
    let mut used: Vec<Arc<str>> = Vec::new();
    let mut index_of = rustc_hash::FxHashMap::default();
    let points = points
        .iter()
        .map(|&point| match point.sample.kind() {
            Kind::Text => {
                let text = &texts[point.sample.untagged() as usize];
                let index = *index_of.entry(text.clone()).or_insert_with(|| {
                    used.push(text.clone());
                    used.len() as u32 - 1
                });
                Point { sample: Sample::text(index), ..point }
            }
            _ => point,
        })
        .collect();
    (points, used)
}

fn put_texts(texts: &[Arc<str>], out: &mut Vec<u8>) {
    put_varint(texts.len() as u64, out);
    for text in texts {
        put_varint(text.len() as u64, out);
        out.extend_from_slice(text.as_bytes());
    }
}

fn take_texts(rest: &mut &[u8], texts: &mut Vec<Arc<str>>) -> Result<(), Damaged> {
    for _ in 0..take_varint(rest)? {
        let length = take_varint(rest)? as usize;
        let (text, after) = rest.split_at_checked(length).ok_or(Damaged("a text ends too early"))?;
        texts.push(std::str::from_utf8(text).map_err(|_| Damaged("a text is not UTF-8"))?.into());
        *rest = after;
    }
    Ok(())
}

/// The smallest power of ten at which all `samples` are integers and come back bit by bit, and the integers.
pub(crate) fn decimals<const N: usize>(samples: &[Sample; N]) -> Option<(u8, [i64; N])> {
    column::decimals(samples)
}

/// The number that [`decimals`] made an integer of.
pub(crate) fn decimal(integer: i64, exponent: u8) -> Result<f64, Damaged> {
    column::decimal(integer, exponent)
}

/// Bytes of a row's checksum. SQLite has none, and a wrong bit would give a wrong number without a word.
const CHECKSUM_BYTES: usize = 2;

/// Appends the checksum of what `out` holds.
pub(crate) fn put_checksum(out: &mut Vec<u8>) {
    let checksum = checksum(out);
    out.extend_from_slice(&checksum);
}

/// What comes before the checksum, which must match.
pub(crate) fn checked(data: &[u8]) -> Result<&[u8], Damaged> {
    let (content, found) = data.split_last_chunk().ok_or(Damaged("a row is too short"))?;
    if checksum(content) == *found { Ok(content) } else { Err(Damaged("the checksum of a row does not match")) }
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, ..] = crc32c::crc32c(content).to_le_bytes();
    [a, b]
}

/// LEB128.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn take_varint(rest: &mut &[u8]) -> Result<u64, Damaged> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(rest)?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Damaged("a number has too many bytes"))
}

pub(crate) fn take_byte(rest: &mut &[u8]) -> Result<u8, Damaged> {
    let (&byte, after) = rest.split_first().ok_or(Damaged("a block ends too early"))?;
    *rest = after;
    Ok(byte)
}

/// Small numbers of either sign as small numbers: 0, -1, 1, -2, …
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) const fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[cfg(test)]
mod comparison;
#[cfg(test)]
mod tests;
