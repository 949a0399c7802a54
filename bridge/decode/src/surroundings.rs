//! What programs put around a text.

/// A text without what programs put around it.
pub(crate) fn without_surroundings(text: &str) -> &str {
    let around = |character: char| character.is_whitespace() || character == '\0';
    text.trim_start_matches('\u{feff}').trim_matches(around)
}
