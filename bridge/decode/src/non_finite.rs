//! NaN, infinities and numbers beyond binary64. JSON has none of them (RFC 8259 section 6), yet several languages
//! write them; a sensor that fails should not silence the others of its device.

use tidegate_telemetry::{Reason, Rejection};

/// Why a number is refused.
pub(crate) fn refusal(token: &str) -> Rejection {
    let shown: String = token.chars().take(40).collect();
    let detail = format!("{shown} is not a finite number: leave a value out while the sensor has none, or send null");
    Rejection::new(Reason::NotFinite, detail)
}

/// JSON text with every non-finite number replaced by `null`, and the first of them. `None` when there is none: then
/// the text is broken in another way.
pub(crate) fn replace_with_null(text: &str) -> Option<(String, Rejection)> {
    let mut repaired = String::with_capacity(text.len());
    let mut first = None;
    let mut rest = text;
    while !rest.is_empty() {
        let token = token(rest);
        if is_non_finite(token) {
            first.get_or_insert_with(|| refusal(token));
            repaired.push_str("null");
        } else {
            repaired.push_str(token);
        }
        rest = &rest[token.len()..];
    }
    first.map(|refusal| (repaired, refusal))
}

/// The next string, word or number, or one character of anything else.
fn token(text: &str) -> &str {
    let bytes = text.as_bytes();
    let end = match bytes[0] {
        b'"' => string_end(bytes),
        first if is_word(first) => bytes.iter().position(|&byte| !is_word(byte)).unwrap_or(bytes.len()),
        _ => text.chars().next().map_or(1, char::len_utf8),
    };
    &text[..end]
}

fn string_end(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// What `f64` reads as not finite: `NaN`, `Infinity`, `inf`, in any case and with a sign, and `1e999`.
fn is_non_finite(token: &str) -> bool {
    token.parse::<f64>().is_ok_and(|number| !number.is_finite())
}
