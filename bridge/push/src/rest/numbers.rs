//! Numbers as requests write them.

/// A number as cursors have it: up to 18 digits, perhaps below 0.
pub fn digits(text: &str) -> Result<i64, ()> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match (1..=18).contains(&unsigned.len()) && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(drop),
        false => Err(()),
    }
}

/// A whole number without the fraction that says so: JSON Schema's integers may be written `5.0`.
pub fn whole(text: &str) -> &str {
    match text.split_once('.') {
        Some((digits, fraction)) if !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0') => digits,
        _ => text,
    }
}
