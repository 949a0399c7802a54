//! Records: how structs that may grow are written down.
//!
//! A struct is written as the length of its fields in bytes (a varint), then its fields in order, without names and tags.
//! So a reader that knows fewer fields skips the rest, and a reader that knows more gives those that are missing their
//! default: **a field is added at the end of a struct, with `#[serde(default)]`**, and never taken away or moved. The same
//! holds for the fields of an enum's variant, and for variants: new ones come last, and only a program that knows one can
//! read it.
//!
//! Everything else is as in postcard: varints, zigzag for signed numbers, lengths before texts and lists. A record costs
//! one byte more than there for most structs, two for those of more than 127 bytes.
//!
//! [`write()`] and [`read`] are for one value, [`read_next`] for values one after the other.

mod de;
mod ser;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use de::Fields;

/// Why bytes are not the record that was asked for, or a value cannot be written as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(Cow<'static, str>);

impl serde::ser::Error for RecordError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        RecordError(message.to_string().into())
    }
}

impl serde::de::Error for RecordError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        RecordError(message.to_string().into())
    }
}

/// Appends a value to `out`.
///
/// # Errors
/// [`RecordError`] for lists and maps that do not say how long they are, and for numbers of 128 bits.
pub fn write(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) -> Result<(), RecordError> {
    value.serialize(&mut ser::Writer { out })
}

/// Reads the value that `bytes` hold.
///
/// # Errors
/// [`RecordError`] when they hold something else, or more.
pub fn read<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, RecordError> {
    let value = read_next(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(RecordError("there is more than one value".into())) }
}

/// Reads the first value of `bytes`, which is what follows it then.
///
/// # Errors
/// [`RecordError`] when they begin with something else.
pub fn read_next<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, RecordError> {
    read_as(Fields::ByLength, bytes)
}

/// As [`read_next`], of bytes in which structs have their fields as `fields` says.
///
/// # Errors
/// As [`read_next`].
pub fn read_as<T: DeserializeOwned>(fields: Fields, bytes: &mut &[u8]) -> Result<T, RecordError> {
    let mut reader = de::Reader { bytes, fields };
    let value = T::deserialize(&mut reader)?;
    *bytes = reader.bytes;
    Ok(value)
}

/// Appends a number in groups of seven bits, the lowest first; all bytes but the last have their highest bit set (LEB128,
/// DWARF 5 section 7.6).
pub fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Puts the length of what stands behind the byte at `start` in the place of that byte, as [`write_varint`] does.
pub fn put_length(out: &mut Vec<u8>, start: usize) {
    let begin = start + 1;
    let length = out.len() - begin;
    if length < 0x80 {
        out[start] = length as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(10);
    write_varint(length as u64, &mut prefix);
    let more = prefix.len() - 1;
    out.resize(out.len() + more, 0);
    out.copy_within(begin..begin + length, begin + more);
    out[start..=start + more].copy_from_slice(&prefix);
}

/// Reads what [`write_varint`] wrote; `None` where there is none.
pub fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (place, &byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7F) << (7 * place);
        if byte < 0x80 {
            *bytes = &bytes[place + 1..];
            return (place < 9 || byte < 2).then_some(number);
        }
    }
    None
}

/// A signed number so that small ones are small whatever their sign (zigzag: 0, -1, 1, -2, …).
#[must_use]
pub fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// Takes [`zigzag`] back.
#[must_use]
pub fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}
