//! The line protocol, read as InfluxDB's server reads it.
//!
//! A backslash is an escape in front of a comma, a space or (but in measurements) `=`, and in a quoted text in front of a quote or
//! a backslash; everywhere else it stands for itself.

use std::borrow::Cow;

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// Its measurement.
    pub measurement: Cow<'a, str>,
    /// Keys and values of its tags.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Keys and values of its fields.
    pub fields: Vec<(Cow<'a, str>, Field<'a>)>,
    /// Its time, in the unit that whoever wrote it knows.
    pub time: Option<i64>,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field<'a> {
    /// A number; finite.
    Float(f64),
    /// `5i`
    Integer(i64),
    /// `5u`
    Unsigned(u64),
    /// `true`, `t`, `F`, ….
    Bool(bool),
    /// `"…"`
    Text(Cow<'a, str>),
}

impl Line<'_> {
    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| known == key).map(|(_, value)| &**value)
    }
}

/// Reads one line, without its line break; `None` for an empty one and for a comment.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn line(text: &str) -> Result<Option<Line<'_>>, String> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (measurement, mut rest) = name(text, b", ", b", ");
    if measurement.is_empty() {
        return Err("it has no measurement: begin it with one".to_owned());
    }
    let mut tags = Vec::with_capacity(6);
    while let Some(after) = rest.strip_prefix(',') {
        let (key, after) = name(after, b"=, ", b",= ");
        let after = after.strip_prefix('=').filter(|_| !key.is_empty());
        let after = after.ok_or_else(|| format!("the tag {key:?} has no value: write key=value"))?;
        let (value, after) = name(after, b", ", b",= ");
        if value.is_empty() {
            return Err(format!("the tag {key:?} has no value: write key=value"));
        }
        tags.push((key, value));
        rest = after;
    }
    let mut fields = Vec::with_capacity(2);
    rest = rest.trim_start_matches(' ');
    loop {
        let (key, after) = name(rest, b"=, ", b",= ");
        let after = after.strip_prefix('=').filter(|_| !key.is_empty());
        let after = after.ok_or("it has no field: write key=value behind a space")?;
        let (value, after) = field(after).map_err(|flaw| format!("the field {key:?} {flaw}"))?;
        fields.push((key, value));
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => {
                let time = time(after)?;
                return Ok(Some(Line { measurement, tags, fields, time }));
            }
        }
    }
}

fn time(text: &str) -> Result<Option<i64>, String> {
    let text = text.trim_matches(' ');
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("{:?} is no time: write a whole number", shortened(text)))
}

/// A name up to one of `ends`, and what follows.
fn name<'a>(text: &'a str, ends: &[u8], special: &[u8]) -> (Cow<'a, str>, &'a str) {
    let bytes = text.as_bytes();
    let (mut at, mut is_escaped) = (0, false);
    while let Some(byte) = bytes.get(at) {
        if *byte == b'\\' && bytes.get(at + 1).is_some_and(|next| special.contains(next)) {
            is_escaped = true;
            at += 2;
        } else if ends.contains(byte) {
            break;
        } else {
            at += 1;
        }
    }
    let (name, rest) = text.split_at(at);
    (if is_escaped { Cow::Owned(unescaped(name, special)) } else { Cow::Borrowed(name) }, rest)
}

fn unescaped(text: &str, special: &[u8]) -> String {
    let is_special = |letter: char| u8::try_from(letter).is_ok_and(|byte| special.contains(&byte));
    let (mut plain, mut letters) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(letter) = letters.next() {
        match letters.next_if(|next| letter == '\\' && is_special(*next)) {
            Some(next) => plain.push(next),
            None => plain.push(letter),
        }
    }
    plain
}

/// The value of a field, and what follows.
fn field(text: &str) -> Result<(Field<'_>, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (text, after) = quoted_text(quoted)?;
        return Ok((Field::Text(text), after));
    }
    let (text, after) = text.split_at(text.find([',', ' ']).unwrap_or(text.len()));
    let whole = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let value = match text {
        "t" | "T" | "true" | "True" | "TRUE" => Field::Bool(true),
        "f" | "F" | "false" | "False" | "FALSE" => Field::Bool(false),
        _ => match (text.strip_suffix('i'), text.strip_suffix('u')) {
            (Some(digits), _) if whole(digits) => {
                Field::Integer(digits.parse().map_err(|_| format!("{:?} is no integer of 64 bits", shortened(text)))?)
            }
            (_, Some(digits)) if whole(digits) => {
                Field::Unsigned(digits.parse().map_err(|_| format!("{:?} is no integer of 64 bits", shortened(text)))?)
            }
            _ => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                Field::Float(number.ok_or_else(|| {
                    format!("has no value in {:?}: quote texts, and write numbers in digits", shortened(text))
                })?)
            }
        },
    };
    Ok((value, after))
}

/// A text whose opening quote has passed, and what follows its closing one.
fn quoted_text(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    let (mut at, bytes, mut is_escaped) = (0, text.as_bytes(), false);
    loop {
        match bytes.get(at) {
            None => return Err("has quotes that are not closed: add the closing one".to_owned()),
            Some(b'"') => break,
            Some(b'\\') if matches!(bytes.get(at + 1), Some(b'"' | b'\\')) => {
                is_escaped = true;
                at += 2;
            }
            Some(_) => at += 1,
        }
    }
    let plain = &text[..at];
    let plain = if is_escaped { Cow::Owned(unescaped(plain, b"\"\\")) } else { Cow::Borrowed(plain) };
    Ok((plain, &text[at + 1..]))
}

/// What of a text has room in a message.
#[must_use]
pub fn shortened(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_server_exports_is_read() {
        let text = r#"my\ m\,x=,host=a\ b\,c,k\=1=v\x f=-1.5e3,n=7i,u=18446744073709551615u,on=t,s="a \"b\" \\ c, d=" 1700000000000000001"#;
        let line = line(text).unwrap().unwrap();
        assert_eq!(line.measurement, "my m,x=");
        assert_eq!(line.tags, [("host".into(), "a b,c".into()), ("k=1".into(), "v\\x".into())]);
        let fields: [(Cow<'_, str>, Field<'_>); 5] = [
            ("f".into(), Field::Float(-1500.0)),
            ("n".into(), Field::Integer(7)),
            ("u".into(), Field::Unsigned(u64::MAX)),
            ("on".into(), Field::Bool(true)),
            ("s".into(), Field::Text("a \"b\" \\ c, d=".into())),
        ];
        assert_eq!((&line.fields[..], line.time), (&fields[..], Some(1_700_000_000_000_000_001)));
    }

    #[test]
    fn comments_and_empty_lines_say_nothing_and_flaws_say_what_to_do() {
        assert_eq!((line(" \r"), line("# m v=1 1"), line("m v=1").unwrap().unwrap().time), (Ok(None), Ok(None), None));
        for (text, words) in [
            (",a=b v=1 1", "no measurement"),
            ("m,a v=1 1", "tag \"a\" has no value"),
            ("m,a= v=1 1", "tag \"a\" has no value"),
            ("m 1", "no field"),
            ("m,a=b", "no field"),
            ("m v=abc 1", "quote texts"),
            ("m v=NaN 1", "quote texts"),
            ("m v=1e999 1", "quote texts"),
            ("m v=9223372036854775808i 1", "no integer of 64 bits"),
            ("m v=\"a 1", "not closed"),
            ("m v=1 noon", "no time"),
        ] {
            let flaw = line(text).unwrap_err();
            assert!(flaw.contains(words), "{text}: {flaw}");
        }
    }
}
