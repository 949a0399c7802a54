//! What a text says: a number, a switch, that there is no value, or just itself.

use tidegate_telemetry::{Reason, Rejection};

use crate::non_finite;

/// What a text means as the value of a metric.
#[derive(Debug, PartialEq)]
pub(crate) enum Meaning<'t> {
    Number(f64),
    Switch(bool),
    /// The sensor has none.
    NoValue,
    /// An integer of which binary64 loses some digits, and what is left of it.
    LongInteger(&'t str, f64),
    Text(&'t str),
}

/// What devices, and the programs between, write for "no value".
const NO_VALUE: [&str; 6] = ["null", "none", "nan", "unavailable", "unknown", "undefined"];
const ON: [&str; 4] = ["true", "on", "open", "yes"];
const OFF: [&str; 4] = ["false", "off", "closed", "no"];

/// Integers up to here are exact in binary64.
pub(crate) const EXACT_MAX: u64 = 1 << 53;

/// Reads `text` as the value of a metric. One that is a label by its name stays as it is, and so does a text of digits
/// that begins with a zero: it is the number of something, not measured.
pub(crate) fn read<'t>(label_words: &[String], metric: &str, text: &'t str) -> Result<Meaning<'t>, Rejection> {
    let (whole, text) = (text, text.trim());
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    let number = text.parse::<f64>().ok();
    // C prints one that is not a number with a sign, too.
    if text.is_empty() || is(&NO_VALUE) || number.is_some_and(f64::is_nan) {
        return Ok(Meaning::NoValue);
    }
    let is_switch = is(&ON) || is(&OFF);
    if (number.is_none() && !is_switch && !is_decimal_comma(text)) || is_label(label_words, metric) {
        return Ok(Meaning::Text(whole));
    }
    match number {
        None if is_switch => Ok(Meaning::Switch(is(&ON))),
        None => Err(decimal_comma(metric, text)),
        Some(number) if !number.is_finite() => Err(non_finite::refusal(text)),
        Some(_) if begins_with_zero(text) => Ok(Meaning::Text(whole)),
        Some(number) if loses_digits(text, number) => Ok(Meaning::LongInteger(whole, number)),
        Some(number) => Ok(Meaning::Number(number)),
    }
}

/// Says which number was taken for an integer that binary64 cannot hold.
pub(crate) fn not_exact(metric: &str, integer: &str, number: f64) -> Rejection {
    let detail = format!(
        "{metric} is {integer}, which binary64 cannot hold: {number} was taken; send it as a text if each digit counts"
    );
    Rejection::new(Reason::NotExact, detail)
}

fn begins_with_zero(text: &str) -> bool {
    matches!(unsigned(text).as_bytes(), [b'0', b'0'..=b'9', ..])
}

/// Programs write a large double as its shortest digits and zeros: nothing of that is lost.
fn loses_digits(text: &str, number: f64) -> bool {
    let digits = unsigned(text);
    let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_integer && number.abs() >= EXACT_MAX as f64 && number.abs().to_string() != digits
}

fn unsigned(text: &str) -> &str {
    text.trim_start_matches(['+', '-'])
}

fn is_decimal_comma(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.split_once(',').is_some_and(|(whole, fraction)| digits(whole) && digits(fraction))
}

fn decimal_comma(metric: &str, text: &str) -> Rejection {
    let detail = format!("{metric} is {text:?}, with a decimal comma: write {:?}", text.replace(',', "."));
    Rejection::new(Reason::NotUnderstood, detail)
}

/// Whether the last part of the metric's name has one of the words: `firmwareVersion`, `device.serial_no`.
fn is_label(label_words: &[String], metric: &str) -> bool {
    let last = metric.rsplit('.').next().unwrap_or(metric);
    words_of(last).any(|word| label_words.iter().any(|label| label.eq_ignore_ascii_case(word)))
}

/// The words of a name in camel case, with underscores, hyphens or spaces.
fn words_of(name: &str) -> impl Iterator<Item = &str> {
    name.split(|character: char| !character.is_alphanumeric()).flat_map(|part| {
        let mut rest = part;
        std::iter::from_fn(move || {
            let (word, after) = rest.split_at(word_end(rest)?);
            rest = after;
            Some(word)
        })
    })
}

/// Where the first word of `IPAddress`, `firmwareVersion` or `id` ends; `None` when nothing is left.
fn word_end(name: &str) -> Option<usize> {
    let mut before: Option<(usize, char)> = None;
    for (at, character) in name.char_indices() {
        if let Some((_, last)) = before
            && last.is_lowercase()
            && character.is_uppercase()
        {
            return Some(at);
        }
        if let Some((last_at, last)) = before
            && last_at > 0
            && last.is_uppercase()
            && character.is_lowercase()
        {
            return Some(last_at);
        }
        before = Some((at, character));
    }
    before.map(|_| name.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::DecodeConfig;

    fn meaning(metric: &str, text: &'static str) -> Meaning<'static> {
        read(&DecodeConfig::default().label_words, metric, text).unwrap()
    }

    #[test]
    fn a_text_is_a_number_a_switch_nothing_or_itself() {
        for (text, expected) in [
            ("23.5", Meaning::Number(23.5)),
            (" -4e1 ", Meaning::Number(-40.0)),
            ("0", Meaning::Number(0.0)),
            ("0.50", Meaning::Number(0.5)),
            ("-0.5", Meaning::Number(-0.5)),
            ("9007199254740992", Meaning::Number(9_007_199_254_740_992.0)),
            ("9007199254740993", Meaning::LongInteger("9007199254740993", 9_007_199_254_740_992.0)),
            ("426301954397019200", Meaning::Number(426_301_954_397_019_200.0)),
            ("-9007199254740993", Meaning::LongInteger("-9007199254740993", -9_007_199_254_740_992.0)),
            ("007", Meaning::Text("007")),
            ("-07", Meaning::Text("-07")),
            ("True", Meaning::Switch(true)),
            ("OPEN", Meaning::Switch(true)),
            ("Off", Meaning::Switch(false)),
            ("closed", Meaning::Switch(false)),
            ("NaN", Meaning::NoValue),
            ("-nan", Meaning::NoValue),
            ("Unavailable", Meaning::NoValue),
            ("", Meaning::NoValue),
            ("  ", Meaning::NoValue),
            ("heating", Meaning::Text("heating")),
            ("1,2,3", Meaning::Text("1,2,3")),
        ] {
            assert_eq!(meaning("x.value", text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_a_label_by_its_name_stays_as_it_is() {
        for label in ["version", "firmwareVersion", "sw_version", "device.serial-no", "IPAddress", "id", "MACAddress"] {
            assert_eq!(meaning(label, "12.5"), Meaning::Text("12.5"), "{label}");
        }
        for measured in ["conversion", "humidity", "version.major_count", "valid"] {
            assert_eq!(meaning(measured, "12.5"), Meaning::Number(12.5), "{measured}");
        }
        assert_eq!(meaning("mode", "off"), Meaning::Text("off"));
    }

    #[test]
    fn a_decimal_comma_and_an_infinity_say_what_to_write() {
        let refusal = |text| read(&[], "temperature", text).unwrap_err();
        assert!(refusal("23,5").detail.ends_with(r#"write "23.5""#));
        assert_eq!(refusal("inf").reason, Reason::NotFinite);
        assert_eq!(refusal("-1e999").reason, Reason::NotFinite);
    }
}
