//! JSON by hand, for the frames that are written a hundred thousand times a second.

use tidegate_telemetry::{DeviceState, Severity, Value};
use tidegate_views::message::List;

/// Largest magnitude at which a whole number is written without an exponent or a point.
const WHOLE_MAX: f64 = 1e15;

pub fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub fn integer_or_null(out: &mut Vec<u8>, number: Option<impl itoa::Integer>) {
    match number {
        Some(number) => integer(out, number),
        None => null(out),
    }
}

/// A finite number: JSON has no others (RFC 8259 section 6).
pub fn number(out: &mut Vec<u8>, number: f64) {
    debug_assert!(number.is_finite());
    if number.fract() == 0.0 && number.abs() < WHOLE_MAX && (number != 0.0 || number.is_sign_positive()) {
        #[allow(clippy::cast_possible_truncation)] // whole and below 2^53
        return integer(out, number as i64);
    }
    out.extend_from_slice(zmij::Buffer::new().format(number).as_bytes());
}

pub fn text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing text to a Vec does not fail");
}

pub fn text_or_null(out: &mut Vec<u8>, word: Option<&str>) {
    match word {
        Some(word) => text(out, word),
        None => null(out),
    }
}

pub fn object(out: &mut Vec<u8>, object: &impl serde::Serialize) {
    serde_json::to_writer(out, object).expect("the structures of this crate have text keys and finite numbers");
}

pub fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

pub fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(it) => number(out, *it),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Text(it) => text(out, it),
    }
}

pub fn state(out: &mut Vec<u8>, state: DeviceState) {
    out.extend_from_slice(match state {
        DeviceState::Fresh => b"\"fresh\"",
        DeviceState::Late => b"\"late\"",
        DeviceState::Asleep => b"\"asleep\"",
        DeviceState::Lost => b"\"lost\"",
    });
}

pub fn severity(out: &mut Vec<u8>, severity: Option<Severity>) {
    out.extend_from_slice(match severity {
        None => b"null",
        Some(Severity::Info) => b"\"info\"",
        Some(Severity::Warning) => b"\"warning\"",
        Some(Severity::Critical) => b"\"critical\"",
    });
}

/// Appends `,"key":[…]`.
pub fn list(out: &mut Vec<u8>, key: &str, list: &List) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":[");
    out.extend_from_slice(list.bytes());
    out.push(b']');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    #[test]
    fn a_number_is_read_back_bit_for_bit() {
        let edges = [0.0, -0.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 1e15, 999_999_999_999_999.0, 0.1];
        // Bits that are spread over all exponents (Weyl's sequence), but for what is not finite.
        let spread = (0..20_000_u64).map(|n| f64::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        for number in edges.into_iter().chain(spread.filter(|number| number.is_finite())) {
            let mut out = Vec::new();
            super::number(&mut out, number);
            let text = std::str::from_utf8(&out).unwrap();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits());
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_whole_number_is_written_short() {
        let mut out = Vec::new();
        number(&mut out, 412.0);
        assert_eq!(out, b"412");
    }
}
