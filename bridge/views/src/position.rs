//! Where a client stands, as it is told and hands back.

use std::fmt;
use std::sync::Arc;

/// The digits of a version, the least first.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
/// Digits that a version has at most: 64 bits in pieces of six.
const DIGITS_MAX: usize = 11;
/// Characters of the name of an epoch. It stands twice in each delta, and a version of an earlier epoch is nearly always too
/// low for a later one: so it is short.
const EPOCH_CHARS: usize = 3;
/// Digits that are letters begin here, and there are so many.
const LETTERS: (u64, u64) = (10, 52);

/// A position in what the views show: how far a client has got.
///
/// Clients take it for opaque text. The text has the epoch (one life of the state: three characters, the first one a letter)
/// and the version of the state for each partition of the log; there is one partition today, and a version of another would
/// follow after a dot. So `k3JRB9c` says: version 7,123,558 of epoch `k3J`. A version of one epoch means nothing in
/// another, and a position says of which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPosition<'a> {
    /// Name of the epoch.
    pub epoch: &'a str,
    /// The last entry of the log that is in the state.
    pub version: u64,
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a position: give back what this server sent as one, unchanged (`at` of a snapshot, or where a delta ends), \
     or leave it out and get a snapshot"
)]
pub struct NotAPosition;

impl<'a> StreamPosition<'a> {
    /// Reads a position as [`fmt::Display`] writes it, and nothing else: equal positions are equal texts.
    ///
    /// # Errors
    /// [`NotAPosition`] for any other text.
    pub fn parse(text: &'a str) -> Result<Self, NotAPosition> {
        let (epoch, version) = text.split_at_checked(EPOCH_CHARS).ok_or(NotAPosition)?;
        let is_name =
            epoch.bytes().all(|byte| DIGITS.contains(&byte)) && epoch.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_canonical = version == "0" || !version.starts_with('0');
        if !is_name || !is_canonical || !(1..=DIGITS_MAX).contains(&version.len()) {
            return Err(NotAPosition);
        }
        let add = |sum: u64, byte: u8| {
            let digit = DIGITS.iter().position(|digit| *digit == byte)?;
            sum.checked_mul(64)?.checked_add(digit as u64)
        };
        let version = version.bytes().try_fold(0, add).ok_or(NotAPosition)?;
        Ok(StreamPosition { epoch, version })
    }

    /// Appends the text.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.epoch.as_bytes());
        write_digits(out, self.version);
    }
}

/// A name for an epoch, of a random number.
pub(crate) fn name_of(random: u64) -> Arc<str> {
    let (first, letters) = LETTERS;
    let digit = |number: u64| char::from(DIGITS[(number % 64) as usize]);
    let name = [digit(first + random % letters), digit(random / letters), digit(random / letters / 64)];
    String::from_iter(name).into()
}

fn write_digits(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; DIGITS_MAX];
    let (mut first, mut rest) = (DIGITS_MAX, number);
    loop {
        first -= 1;
        digits[first] = DIGITS[(rest % 64) as usize];
        rest /= 64;
        if rest == 0 {
            return out.extend_from_slice(&digits[first..]);
        }
    }
}

impl fmt::Display for StreamPosition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(self.epoch.len() + DIGITS_MAX);
        self.write(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_position_comes_back_as_it_was_given(epoch in "[A-Za-z][0-9A-Za-z_-]{2}", version: u64) {
            let position = StreamPosition { epoch: &epoch, version };
            let text = position.to_string();
            prop_assert_eq!(StreamPosition::parse(&text), Ok(position));
        }

        #[test]
        fn a_text_that_is_taken_is_the_one_that_was_given(text in "[aZ0._-]{0,14}") {
            if let Ok(position) = StreamPosition::parse(&text) {
                prop_assert_eq!(position.to_string(), text);
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let wrong = [
            "",
            "k3J",
            "k3",
            "7123460",
            "k3J01",
            "k3J1.2",
            "k3J1é",
            "é3J1",
            "k 31",
            "k3JF__________1",
            "k3J__________.",
        ];
        for wrong in wrong {
            assert_eq!(StreamPosition::parse(wrong), Err(NotAPosition), "{wrong:?}");
        }
        assert_eq!(StreamPosition::parse("k3JF__________").map(|it| it.version), Ok(u64::MAX));
        assert_eq!(StreamPosition::parse("k3JG0000000000"), Err(NotAPosition), "one more than 64 bits hold");
        assert_eq!(StreamPosition { epoch: "k3J", version: 7_123_558 }.to_string(), "k3JRB9c");
        for random in [0, 51, 52, 12_345, u64::MAX] {
            let (name, version) = (name_of(random), 9);
            let text = StreamPosition { epoch: &name, version }.to_string();
            assert_eq!(StreamPosition::parse(&text), Ok(StreamPosition { epoch: &name, version }), "{text}");
        }
    }
}
