//! CSV (RFC 4180).
//!
//! What a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection); so does what would look as
//! if it had got one. So each text can be had back.

use std::borrow::Cow;
use std::fmt::Write;

use tidegate_telemetry::Value;

/// The names of the columns of [`reading`].
pub const HEAD: &str = "device,group,metric,time,type,value\r\n";

/// The part of a record that all readings of a series have: device, group and metric.
#[must_use]
pub fn series(device: &str, group: &str, metric: &str) -> String {
    [device, group, metric].map(|name| text_field(name, false)).join(",")
}

/// Appends a record of a reading: of a [`series`], at a time (Unix ms). Whoever takes it in again knows a formula's
/// apostrophe: so it is always there.
pub fn reading(series: &str, time_ms: i64, value: &Value, out: &mut String) {
    let kind = match value {
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::Text(_) => "text",
    };
    let written = write!(out, "{series},{time_ms},{kind},{}\r\n", field(value, false));
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// A value as a field. Formulas are let through with `formulas` alone.
#[must_use]
pub fn field(value: &Value, formulas: bool) -> String {
    match value {
        Value::Text(text) => text_field(text, formulas),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
    }
}

/// A text as a field: quoted when it has to be.
#[must_use]
pub fn text_field(text: &str, formulas: bool) -> String {
    let apostrophe = if !formulas && is_formula(text.trim_start_matches('\'')) { "'" } else { "" };
    match text.contains(['"', ',', ';', '\t', '\r', '\n']) {
        true => format!("\"{apostrophe}{}\"", text.replace('"', "\"\"")),
        false => format!("{apostrophe}{text}"),
    }
}

/// What [`text_field`] made a field of that was unquoted since.
#[must_use]
pub fn text_of_field(field: &str) -> &str {
    match field.strip_prefix('\'') {
        Some(text) if is_formula(text.trim_start_matches('\'')) => text,
        _ => field,
    }
}

/// Whether a spreadsheet would calculate the text. A number in digits is what it says, whatever its sign.
fn is_formula(text: &str) -> bool {
    let is_number = || text.parse::<f64>().is_ok_and(|_| text.ends_with(|last: char| last.is_ascii_digit()));
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) && !is_number()
}

/// The fields of a record, without quotes.
///
/// # Errors
/// What is wrong with the record, and what to do.
pub fn fields(record: &str) -> Result<Vec<Cow<'_, str>>, &'static str> {
    fields_by(record, ',')
}

/// [`fields`] of a record whose separator is another: a semicolon, a tab.
///
/// # Errors
/// As of [`fields`].
pub fn fields_by(record: &str, separator: char) -> Result<Vec<Cow<'_, str>>, &'static str> {
    let record = record.strip_suffix('\n').unwrap_or(record);
    let mut rest = record.strip_suffix('\r').unwrap_or(record);
    let mut fields = Vec::with_capacity(8);
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                (Cow::Borrowed(&rest[..end]), &rest[end..])
            }
        };
        fields.push(field);
        rest = match after.strip_prefix(separator) {
            Some(rest) => rest,
            None if after.is_empty() => return Ok(fields),
            None => return Err("text follows the closing quote of a field: double the quotes within it"),
        };
    }
}

/// A field whose opening quote has passed, and what follows its closing one.
fn unquoted(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let mut at = 0;
    loop {
        at += text[at..].find('"').ok_or("the quotes of a field are not closed: add the closing one")?;
        if !text[at + 1..].starts_with('"') {
            break;
        }
        at += 2;
    }
    let field = &text[..at];
    let field = if field.contains('"') { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) };
    Ok((field, &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_quoted_only_when_it_has_to_be() {
        assert_eq!(field(&Value::Text("ON".into()), false), "ON");
        assert_eq!(field(&Value::Text("a,\"b\"".into()), false), "\"a,\"\"b\"\"\"");
        assert_eq!(field(&Value::Number(-0.1), false), "-0.1");
        assert_eq!(field(&Value::Bool(true), false), "true");
    }

    #[test]
    fn no_text_is_a_formula_and_numbers_stay_numbers() {
        let harmless = |text: &str| field(&Value::Text(text.into()), false);
        for formula in ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "-inf", "＝1", "-", "'=1"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
            assert_eq!(field(&Value::Text(formula.into()), true), formula, "the key turns it off");
        }
        assert_eq!(harmless("=HYPERLINK(\"x\",1)"), "\"'=HYPERLINK(\"\"x\"\",1)\"");
        assert_eq!((harmless("\t=1"), harmless("\r=1")), ("\"'\t=1\"".to_owned(), "\"'\r=1\"".to_owned()));
        for plain in ["-5", "+4.5e3", "-0.1", "a=b", "ON", "", "'a"] {
            assert_eq!(harmless(plain), plain);
        }
        assert_eq!(field(&Value::Number(-5.0), false), "-5");
    }

    #[test]
    fn a_record_that_is_none_says_why() {
        assert!(fields("a,\"b").is_err_and(|flaw| flaw.contains("not closed")));
        assert!(fields("\"a\"b,c").is_err_and(|flaw| flaw.contains("double the quotes")));
    }

    proptest! {
        #[test]
        fn texts_come_back_as_they_went(texts in prop::collection::vec("['=+\\-\",;\r\na1é]{0,6}", 1..5)) {
            let record: Vec<String> = texts.iter().map(|text| text_field(text, false)).collect();
            let record = record.join(",") + "\r\n";
            let read = fields(&record).map_err(TestCaseError::fail)?;
            let read: Vec<&str> = read.iter().map(|field| text_of_field(field)).collect();
            prop_assert_eq!(read, texts);
        }
    }
}
