//! CBOR (RFC 8949) and MessagePack, written as the JSON text that says the same. So what JSON means they mean, to the last
//! rule, and no tree is built of what a stranger sends.
//!
//! Numbers that JSON has not are written as such (`NaN`), keys that are no texts as texts, and byte strings as `null`, which
//! is told. Tags are left out: what they stand before counts.

use std::fmt::{Display, Write};

use tidegate_telemetry::{Reason, Rejection};

use crate::single::widened;

/// Deepest nesting that is looked at; limits of a reading are far below.
const DEPTH_MAX: usize = 64;

/// JSON of so many times the bytes is the longest there is: a control character is `\u0000`, a byte that stands for `null`
/// may be a key in quotes. What is longer than this is none.
const GROWTH_MAX: usize = 16;
/// What is short may grow by so many bytes besides.
const GROWTH_OF_SHORT: usize = 256;

/// How something is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Cbor,
    MessagePack,
}

/// A packed value as JSON text.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) text: String,
    /// Byte strings, for which `null` stands.
    pub(super) without_text: usize,
}

/// What is in the way of reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// It ends early.
    Short,
    /// Something that may not stand there.
    Wrong,
    TooDeep,
}

impl Packing {
    /// Writes the one value that `bytes` hold as JSON.
    ///
    /// # Errors
    /// [`Reason::NotUnderstood`] where they hold something else, [`Reason::TooDeep`].
    pub(super) fn unpack(self, bytes: &[u8]) -> Result<Unpacked, Rejection> {
        let out_max = bytes.len() * GROWTH_MAX + GROWTH_OF_SHORT;
        let mut reader = Reader { bytes, out: String::with_capacity(bytes.len() * 2), out_max, without_text: 0 };
        let read = match self {
            Packing::Cbor => reader.cbor(0),
            Packing::MessagePack => reader.message_pack(0),
        };
        let at = bytes.len() - reader.bytes.len();
        match read {
            Ok(()) if reader.bytes.is_empty() => Ok(Unpacked { text: reader.out, without_text: reader.without_text }),
            Ok(()) => Err(self.flaw("more follows the value", at)),
            Err(Flaw::Short) => Err(self.flaw("it breaks off", at)),
            Err(Flaw::Wrong) => Err(self.flaw("what stands there is no value", at)),
            Err(Flaw::TooDeep) => {
                let detail = format!("nested deeper than {DEPTH_MAX}: nothing of it was taken, flatten it");
                Err(Rejection::new(Reason::TooDeep, detail))
            }
        }
    }

    fn flaw(self, what: &str, at: usize) -> Rejection {
        let name = match self {
            Packing::Cbor => "CBOR",
            Packing::MessagePack => "MessagePack",
        };
        Rejection::new(Reason::NotUnderstood, format!("no {name} ({what}, byte {at}): nothing of it was taken"))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    out: String,
    /// Most bytes of `out`.
    out_max: usize,
    without_text: usize,
}

/// The head of a CBOR item (RFC 8949 section 3).
struct Head {
    major: u8,
    info: u8,
    /// `None`: of no length that is known.
    argument: Option<u64>,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Flaw> {
        let (&first, rest) = self.bytes.split_first().ok_or(Flaw::Short)?;
        self.bytes = rest;
        Ok(first)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Flaw> {
        let length = usize::try_from(length).map_err(|_| Flaw::Short)?;
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Flaw::Short)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// A number of so many bytes, the first the highest.
    fn number(&mut self, bytes: u64) -> Result<u64, Flaw> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn text(&mut self, length: u64) -> Result<&'a str, Flaw> {
        std::str::from_utf8(self.take(length)?).map_err(|_| Flaw::Wrong)
    }

    fn put_text(&mut self, text: &str) {
        self.out.push_str(&serde_json::to_string(text).expect("a text is written as JSON"));
    }

    fn put(&mut self, shown: impl Display) {
        write!(self.out, "{shown}").expect("a string takes what is written");
    }

    fn put_number(&mut self, number: f64) {
        if number.is_finite() { self.put(format_args!("{number:?}")) } else { self.put(number) }
    }

    fn put_bytes(&mut self, length: u64) -> Result<(), Flaw> {
        self.take(length)?;
        self.without_text += 1;
        self.out.push_str("null");
        Ok(())
    }

    /// Writes the key of a map: a text as it is, any other single value as a text of it. A map or an array is no key: as a
    /// text of a text at each level it would double and double again.
    fn put_key(&mut self, value: impl FnOnce(&mut Self) -> Result<(), Flaw>) -> Result<(), Flaw> {
        let start = self.out.len();
        value(self)?;
        if self.out[start..].starts_with(['{', '[']) {
            return Err(Flaw::Wrong);
        }
        if !self.out[start..].starts_with('"') {
            let key = self.out.split_off(start);
            self.put_text(&key);
        }
        self.out.push(':');
        Ok(())
    }

    fn cbor_head(&mut self) -> Result<Head, Flaw> {
        let first = self.byte()?;
        let (major, info) = (first >> 5, first & 0x1F);
        let argument = match info {
            0..24 => Some(info.into()),
            24..28 => Some(self.number(1 << (info - 24))?),
            31 => None,
            _ => return Err(Flaw::Wrong),
        };
        Ok(Head { major, info, argument })
    }

    fn cbor(&mut self, depth: usize) -> Result<(), Flaw> {
        let Head { major, info, argument } = self.cbor_head()?;
        match (major, argument) {
            (0, Some(number)) => self.put(number),
            (1, Some(number)) => self.put(-1 - i128::from(number)),
            (2, Some(length)) => self.put_bytes(length)?,
            (3, Some(length)) => {
                let text = self.text(length)?;
                self.put_text(text);
            }
            (2 | 3, None) => self.cbor_chunks(major)?,
            (4 | 5, length) => self.cbor_list(major == 5, length, depth)?,
            (6, Some(_)) if depth < DEPTH_MAX => self.cbor(depth + 1)?,
            (6, Some(_)) => return Err(Flaw::TooDeep),
            (7, Some(argument)) => self.cbor_simple(info, argument)?,
            _ => return Err(Flaw::Wrong),
        }
        Ok(())
    }

    fn cbor_simple(&mut self, info: u8, argument: u64) -> Result<(), Flaw> {
        match info {
            20 => self.out.push_str("false"),
            21 => self.out.push_str("true"),
            22 | 23 => self.out.push_str("null"),
            25 => self.put_number(half(argument as u16)),
            26 => self.put_number(widened(f32::from_bits(argument as u32))),
            27 => self.put_number(f64::from_bits(argument)),
            _ => return Err(Flaw::Wrong),
        }
        Ok(())
    }

    /// A text or byte string in pieces.
    fn cbor_chunks(&mut self, major: u8) -> Result<(), Flaw> {
        let mut whole = String::new();
        while !self.ends_here()? {
            let head = self.cbor_head()?;
            let length = head.argument.filter(|_| head.major == major).ok_or(Flaw::Wrong)?;
            match major {
                3 => whole.push_str(self.text(length)?),
                _ => drop(self.take(length)?),
            }
        }
        if major == 3 {
            self.put_text(&whole)
        } else {
            self.put_bytes(0)?
        }
        Ok(())
    }

    /// Whether the mark of an end comes, which is taken.
    fn ends_here(&mut self) -> Result<bool, Flaw> {
        let ends = *self.bytes.first().ok_or(Flaw::Short)? == 0xFF;
        if ends {
            self.byte()?;
        }
        Ok(ends)
    }

    fn cbor_list(&mut self, is_map: bool, length: Option<u64>, depth: usize) -> Result<(), Flaw> {
        self.list(
            is_map,
            depth,
            |reader, taken| match length {
                Some(length) => Ok(taken >= length),
                None => reader.ends_here(),
            },
            Self::cbor,
        )
    }

    /// An array, or a map, until `ends` says so of the number of elements that were taken.
    fn list(
        &mut self,
        is_map: bool,
        depth: usize,
        mut ends: impl FnMut(&mut Self, u64) -> Result<bool, Flaw>,
        value: impl Fn(&mut Self, usize) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        if depth >= DEPTH_MAX {
            return Err(Flaw::TooDeep);
        }
        self.out.push(if is_map { '{' } else { '[' });
        let mut taken = 0;
        while !ends(self, taken)? {
            if taken > 0 {
                self.out.push(',');
            }
            if is_map {
                self.put_key(|reader| value(reader, depth + 1))?;
            }
            value(self, depth + 1)?;
            if self.out.len() > self.out_max {
                return Err(Flaw::Wrong);
            }
            taken += 1;
        }
        self.out.push(if is_map { '}' } else { ']' });
        Ok(())
    }

    fn message_pack(&mut self, depth: usize) -> Result<(), Flaw> {
        let first = self.byte()?;
        match first {
            0x00..=0x7F => self.put(first),
            0xE0..=0xFF => self.put(first as i8),
            0x80..=0x8F => self.message_pack_list(true, u64::from(first & 0x0F), depth)?,
            0x90..=0x9F => self.message_pack_list(false, u64::from(first & 0x0F), depth)?,
            0xA0..=0xBF => self.message_pack_text(u64::from(first & 0x1F))?,
            0xC0 => self.out.push_str("null"),
            0xC2 => self.out.push_str("false"),
            0xC3 => self.out.push_str("true"),
            0xC4..=0xC6 => {
                let length = self.number(1 << (first - 0xC4))?;
                self.put_bytes(length)?;
            }
            0xC7..=0xC9 => {
                let length = self.number(1 << (first - 0xC7))?;
                self.message_pack_extension(length)?;
            }
            0xCA => {
                let bits = self.number(4)? as u32;
                self.put_number(widened(f32::from_bits(bits)));
            }
            0xCB => {
                let bits = self.number(8)?;
                self.put_number(f64::from_bits(bits));
            }
            0xCC..=0xCF => {
                let number = self.number(1 << (first - 0xCC))?;
                self.put(number);
            }
            0xD0..=0xD3 => {
                let bytes = 1 << (first - 0xD0);
                let unused = 64 - 8 * bytes as u32;
                let number = (self.number(bytes)? << unused) as i64 >> unused;
                self.put(number);
            }
            0xD4..=0xD8 => self.message_pack_extension(1 << (first - 0xD4))?,
            0xD9..=0xDB => {
                let length = self.number(1 << (first - 0xD9))?;
                self.message_pack_text(length)?;
            }
            0xDC | 0xDD => {
                let length = self.number(if first == 0xDC { 2 } else { 4 })?;
                self.message_pack_list(false, length, depth)?;
            }
            0xDE | 0xDF => {
                let length = self.number(if first == 0xDE { 2 } else { 4 })?;
                self.message_pack_list(true, length, depth)?;
            }
            0xC1 => return Err(Flaw::Wrong),
        }
        Ok(())
    }

    fn message_pack_list(&mut self, is_map: bool, length: u64, depth: usize) -> Result<(), Flaw> {
        self.list(is_map, depth, |_, taken| Ok(taken >= length), Self::message_pack)
    }

    fn message_pack_text(&mut self, length: u64) -> Result<(), Flaw> {
        let text = self.text(length)?;
        self.put_text(text);
        Ok(())
    }

    /// An extension: a time (type -1) is written in nanoseconds since 1970, any other as a byte string.
    fn message_pack_extension(&mut self, length: u64) -> Result<(), Flaw> {
        let kind = self.byte()? as i8;
        if kind != -1 || !matches!(length, 4 | 8 | 12) {
            return self.put_bytes(length);
        }
        let (nanoseconds, seconds) = match length {
            4 => (0, self.number(4)? as i64),
            8 => {
                let both = self.number(8)?;
                (both >> 34, (both & 0x3_FFFF_FFFF) as i64)
            }
            _ => (self.number(4)?, self.number(8)? as i64),
        };
        self.put(i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds));
        Ok(())
    }
}

/// A number of half precision (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f64::from(bits & 0x3FF));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn json(packing: Packing, hex: &str) -> String {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        packing.unpack(&bytes).map_or_else(|flaw| format!("{:?}", flaw.reason), |unpacked| unpacked.text)
    }

    /// Examples of RFC 8949 appendix A.
    #[test]
    fn cbor_as_its_rfc_prints_it() {
        for (hex, expected) in [
            ("00", "0"),
            ("1818", "24"),
            ("1a000f4240", "1000000"),
            ("1bffffffffffffffff", "18446744073709551615"),
            ("3bffffffffffffffff", "-18446744073709551616"),
            ("20", "-1"),
            ("3903e7", "-1000"),
            ("f90000", "0.0"),
            ("f93c00", "1.0"),
            ("fb3ff199999999999a", "1.1"),
            ("f97bff", "65504.0"),
            ("fa47c35000", "100000.0"),
            ("f90001", "5.960464477539063e-8"),
            ("f9c400", "-4.0"),
            ("f97c00", "inf"),
            ("f97e00", "NaN"),
            ("faff800000", "-inf"),
            ("f4", "false"),
            ("f5", "true"),
            ("f6", "null"),
            ("f7", "null"),
            ("c11a514b67b0", "1363896240"),
            ("c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\""),
            ("4401020304", "null"),
            ("62225c", r#""\"\\""#),
            ("62c3bc", "\"ü\""),
            ("8301820203820405", "[1,[2,3],[4,5]]"),
            ("a201020304", r#"{"1":2,"3":4}"#),
            ("a26161016162820203", r#"{"a":1,"b":[2,3]}"#),
            ("5f42010243030405ff", "null"),
            ("7f657374726561646d696e67ff", "\"streaming\""),
            ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
            ("bf61610161629f0203ffff", r#"{"a":1,"b":[2,3]}"#),
            ("a0", "{}"),
            ("f8ff", "NotUnderstood"),
            ("", "NotUnderstood"),
            ("ff", "NotUnderstood"),
            ("1c", "NotUnderstood"),
            ("0000", "NotUnderstood"),
            ("a1a000", "NotUnderstood"),
            ("a1c1810000", "NotUnderstood"),
            ("9bffffffffffffffff00", "NotUnderstood"),
            ("7bffffffffffffffff00", "NotUnderstood"),
            ("62ff00", "NotUnderstood"),
            ("7f4100ff", "NotUnderstood"),
        ] {
            assert_eq!(json(Packing::Cbor, hex), expected, "{hex}");
        }
        assert_eq!(json(Packing::Cbor, &"81".repeat(100_000)), "TooDeep");
        assert_eq!(json(Packing::Cbor, &"c1".repeat(100_000)), "TooDeep");
    }

    #[test]
    fn message_pack_as_its_specification_has_it() {
        for (hex, expected) in [
            ("07", "7"),
            ("ff", "-1"),
            ("e0", "-32"),
            ("ccc8", "200"),
            ("cd03e8", "1000"),
            ("ce000f4240", "1000000"),
            ("cfffffffffffffffff", "18446744073709551615"),
            ("d080", "-128"),
            ("d1ff38", "-200"),
            ("d2fffe7960", "-100000"),
            ("d3fffffffed5fa0e00", "-5000000000"),
            ("ca41b8cccd", "23.1"),
            ("cb3ff199999999999a", "1.1"),
            ("c0", "null"),
            ("c2", "false"),
            ("c3", "true"),
            ("a161", "\"a\""),
            ("d90161", "\"a\""),
            ("da000161", "\"a\""),
            ("93010203", "[1,2,3]"),
            ("dc000101", "[1]"),
            ("82a16101a16292c0c3", r#"{"a":1,"b":[null,true]}"#),
            ("de0001a16101", r#"{"a":1}"#),
            ("c4020102", "null"),
            ("d40100", "null"),
            ("d6ff514b67b0", "1363896240000000000"),
            ("d7ff77359400514b67b0", "1363896240500000000"),
            ("c70cff1dcd650000000000514b67b0", "1363896240500000000"),
            ("c1", "NotUnderstood"),
            ("818000", "NotUnderstood"),
            ("81910000", "NotUnderstood"),
            ("ddffffffff00", "NotUnderstood"),
            ("dbffffffff00", "NotUnderstood"),
        ] {
            assert_eq!(json(Packing::MessagePack, hex), expected, "{hex}");
        }
        assert_eq!(json(Packing::MessagePack, &"91".repeat(100_000)), "TooDeep");
    }

    #[test]
    fn json_is_at_most_some_times_as_long_as_what_is_unpacked() {
        for (packing, value) in [
            (Packing::Cbor, &[0xF6_u8][..]),
            (Packing::Cbor, &[0xF9, 0, 1]),
            (Packing::Cbor, &[0x63, 0, 0, 0]),
            (Packing::Cbor, &[0xA1, 0xF9, 0x80, 0x01, 0xFB, 0x81, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE]),
            (Packing::Cbor, &[0xA1, 0x61, 0, 0xF6]),
            (Packing::MessagePack, &[0xC0]),
            (Packing::MessagePack, &[0x81, 0xC2, 0xC2]),
            (Packing::MessagePack, &[0xA3, 0, 0, 0]),
        ] {
            let head: &[u8] = if packing == Packing::Cbor { &[0x9A, 0, 1, 0, 0] } else { &[0xDD, 0, 1, 0, 0] };
            let bytes = [head, &value.repeat(1 << 16)].concat();
            let text = packing.unpack(&bytes).unwrap().text;
            assert!(text.len() <= bytes.len() * 8, "{value:X?}: {} of {}", text.len(), bytes.len());
        }
    }
}
