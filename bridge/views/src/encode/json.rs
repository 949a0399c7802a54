//! JSON by hand, for the frames that are written a hundred thousand times a second.

use tidegate_telemetry::{DeviceState, Severity, Value};

/// Largest magnitude at which a whole number is written without an exponent or a point.
const WHOLE_MAX: f64 = 1e15;

pub(crate) fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(crate) fn integer_or_null(out: &mut Vec<u8>, number: Option<impl itoa::Integer>) {
    match number {
        Some(number) => integer(out, number),
        None => null(out),
    }
}

/// A finite number: JSON has no others (RFC 8259 section 6).
pub(crate) fn number(out: &mut Vec<u8>, number: f64) {
    debug_assert!(number.is_finite());
    if number.fract() == 0.0 && number.abs() < WHOLE_MAX && (number != 0.0 || number.is_sign_positive()) {
        #[allow(clippy::cast_possible_truncation)] // whole and below 2^53
        return integer(out, number as i64);
    }
    out.extend_from_slice(zmij::Buffer::new().format(number).as_bytes());
}

pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing text to a Vec does not fail");
}

pub(crate) fn text_or_null(out: &mut Vec<u8>, word: Option<&str>) {
    match word {
        Some(word) => text(out, word),
        None => null(out),
    }
}

pub(crate) fn object(out: &mut Vec<u8>, object: &impl serde::Serialize) {
    serde_json::to_writer(out, object).expect("the structures of this crate have text keys and finite numbers");
}

pub(crate) fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

pub(crate) fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(it) => number(out, *it),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Text(it) => text(out, it),
    }
}

pub(crate) fn state(out: &mut Vec<u8>, state: DeviceState) {
    out.extend_from_slice(match state {
        DeviceState::Fresh => b"\"fresh\"",
        DeviceState::Late => b"\"late\"",
        DeviceState::Asleep => b"\"asleep\"",
        DeviceState::Lost => b"\"lost\"",
    });
}

pub(crate) fn severity(out: &mut Vec<u8>, severity: Option<Severity>) {
    out.extend_from_slice(match severity {
        None => b"null",
        Some(Severity::Info) => b"\"info\"",
        Some(Severity::Warning) => b"\"warning\"",
        Some(Severity::Critical) => b"\"critical\"",
    });
}

/// A list that is opened with its key by the first element, and closed if it was opened.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub bytes: Vec<u8>,
}

impl List {
    /// Room for the next element.
    pub fn next(&mut self) -> &mut Vec<u8> {
        if !self.bytes.is_empty() {
            self.bytes.push(b',');
        }
        &mut self.bytes
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends `,"key":[…]` to `out`, unless the list is empty.
    pub fn finish(&self, key: &str, out: &mut Vec<u8>) {
        if !self.bytes.is_empty() {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":[");
            out.extend_from_slice(&self.bytes);
            out.push(b']');
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_read_back_bit_for_bit(number in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL) {
            let mut out = Vec::new();
            super::number(&mut out, number);
            let text = std::str::from_utf8(&out).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits());
            prop_assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn a_whole_number_is_written_short() {
        let mut out = Vec::new();
        number(&mut out, 412.0);
        assert_eq!(out, b"412");
    }
}
