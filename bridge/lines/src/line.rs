//! The line protocol (InfluxDB 2.7, "Line protocol"), as its server reads it.
//!
//! Outside of quotes a backslash is an escape only in front of a comma, a space, a quote or (in tags) `=`; everywhere else it
//! stands for itself. So there is no way to write one right before such a character, or at the end of a name: there it becomes
//! `⧵` (U+29F5). A line break ends a line wherever it is outside of quotes; it and other control characters become their
//! pictures (`␊`, U+2400 and following).

use std::fmt::Write;

use tidegate_telemetry::Value;

/// Appends a measurement.
pub fn measurement(text: &str, out: &mut String) {
    // A line that begins with # is a comment.
    let text = match text.strip_prefix('#') {
        Some(rest) => {
            out.push('＃');
            rest
        }
        None => text,
    };
    escaped(text, &[',', ' '], out);
}

/// A measurement as the server has it once it read what [`measurement`] wrote.
#[must_use]
pub fn measurement_there(text: &str) -> String {
    let (begin, rest) = text.strip_prefix('#').map_or(("", text), |rest| ("＃", rest));
    let mut there = begin.to_owned();
    escaped(rest, &[], &mut there);
    there
}

/// The value of a tag as the server has it once it read what [`tag`] wrote.
#[must_use]
pub fn tag_there(value: &str) -> String {
    let mut there = String::new();
    escaped(value, &[], &mut there);
    there
}

/// Appends a tag with a comma before it; nothing where its value is empty, which InfluxDB refuses.
pub fn tag(key: &str, value: &str, out: &mut String) {
    if !value.is_empty() {
        out.push(',');
        escaped(key, &[',', ' ', '='], out);
        out.push('=');
        escaped(value, &[',', ' ', '='], out);
    }
}

fn escaped(text: &str, special: &[char], out: &mut String) {
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' if rest.peek().is_none_or(|next| matches!(next, ',' | ' ' | '=' | '"' | '\\')) => out.push('⧵'),
            '\u{7f}' => out.push('␡'),
            control if control < ' ' => out.push(char::from_u32(0x2400 + u32::from(control)).unwrap_or('␀')),
            special_one if special.contains(&special_one) => out.extend(['\\', special_one]),
            letter => out.push(letter),
        }
    }
}

/// Everything before the field: measurement and tags of a metric of a device. `%m` of the measurement is the metric's name;
/// without it there is a tag `metric`.
#[must_use]
pub fn head(measurement_of: &str, tags: &str, metric: &str) -> String {
    let mut head = String::new();
    measurement(&measurement_of.replace("%m", metric), &mut head);
    head += tags;
    if !measurement_of.contains("%m") {
        tag("metric", metric, &mut head);
    }
    head
}

/// The tags of a device: itself, its group, and each level of that. In order of their keys, as InfluxDB likes them best.
#[must_use]
pub fn tags(device: &str, group: &str) -> String {
    let mut tags = String::new();
    tag("device", device, &mut tags);
    tag("group", group, &mut tags);
    for (level, name) in (1..).zip(group.split('/')) {
        tag(&format!("group{level}"), name, &mut tags);
    }
    tags
}

/// Appends a field. Numbers, texts and truths have names of their own, so that no field ever has two types.
pub fn field(value: &Value, out: &mut String) {
    let written = match value {
        Value::Number(value) => {
            number("value", *value, out);
            Ok(())
        }
        Value::Bool(on) => write!(out, "on={on}"),
        Value::Text(text) => {
            out.push_str("text=\"");
            for letter in text.chars() {
                if matches!(letter, '"' | '\\') {
                    out.push('\\');
                }
                out.push(letter);
            }
            out.write_char('"')
        }
    };
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// Appends a field that is a number, by its name, which needs no escapes.
pub fn number(name: &str, number: f64, out: &mut String) {
    let plain = number == 0.0 || (1e-6..1e16).contains(&number.abs());
    let written = if plain { write!(out, "{name}={number}") } else { write!(out, "{name}={number:e}") };
    debug_assert!(written.is_ok(), "a String takes everything");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// A name as the server reads it: up to a separator that has no backslash before it; what is escaped loses its
    /// backslash.
    fn read<'a>(line: &'a str, ends: &[char], special: &[char]) -> (String, &'a str) {
        let (mut name, mut letters) = (String::new(), line.char_indices().peekable());
        while let Some((at, letter)) = letters.next() {
            if ends.contains(&letter) {
                return (name, &line[at..]);
            }
            let next = letters.peek().map(|(_, next)| *next);
            if letter == '\\' && next.is_some_and(|next| special.contains(&next)) {
                name.extend(letters.next().map(|(_, escaped)| escaped));
            } else {
                name.push(letter);
            }
        }
        (name, "")
    }

    /// What of a name has a place in the line protocol.
    fn kept(text: &str) -> String {
        let letters: Vec<char> = text.chars().collect();
        let keep = |at: usize| match letters[at] {
            '\\' if letters.get(at + 1).is_none_or(|next| matches!(next, ',' | ' ' | '=' | '"' | '\\')) => '⧵',
            '\u{7f}' => '␡',
            control if control < ' ' => char::from_u32(0x2400 + control as u32).unwrap(),
            letter => letter,
        };
        (0..letters.len()).map(keep).collect()
    }

    proptest! {
        #[test]
        fn names_come_out_as_they_went_in_and_stay_one_line(
            (name, device, group) in ("[\\\\,= #\"\na-cé🌊\u{1}]{1,9}", "[\\\\,= #\"\na-cé🌊]{1,9}", "[\\\\,= \"/\ta]{0,9}")
        ) {
            let mut line = String::new();
            measurement(&name, &mut line);
            tag("device", &device, &mut line);
            tag("group", &group, &mut line);
            line += " value=1 5";
            prop_assert!(!line.contains('\n') && !line.starts_with('#'));
            let (read_name, rest) = read(&line, &[',', ' '], &[',', ' ']);
            let bare = kept(&name);
            prop_assert_eq!(&read_name, &bare.strip_prefix('#').map_or(bare.clone(), |rest| format!("＃{rest}")));
            prop_assert_eq!((measurement_there(&name), tag_there(&device)), (read_name, kept(&device)));
            let rest = rest.strip_prefix(",device=").unwrap();
            let (read_device, rest) = read(rest, &[',', ' '], &[',', ' ', '=']);
            prop_assert_eq!(read_device, kept(&device));
            let rest = match rest.strip_prefix(",group=") {
                Some(rest) => {
                    let (read_group, rest) = read(rest, &[',', ' '], &[',', ' ', '=']);
                    prop_assert_eq!(read_group, kept(&group));
                    rest
                }
                None => {
                    prop_assert!(group.is_empty(), "an empty tag is left out, no other");
                    rest
                }
            };
            prop_assert_eq!(rest, " value=1 5");
        }

        #[test]
        fn texts_come_out_of_their_quotes_as_they_went_in(text in "[\\\\\",= \na-cé🌊]{0,12}") {
            let mut line = String::new();
            field(&Value::Text(text.as_str().into()), &mut line);
            let quoted = line.strip_prefix("text=\"").and_then(|rest| rest.strip_suffix('"')).unwrap();
            let (read_text, rest) = read(quoted, &['"'], &['"', '\\']);
            prop_assert_eq!((read_text, rest), (text, ""));
        }

        #[test]
        fn numbers_are_what_they_were(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
            let mut line = String::new();
            field(&Value::Number(number), &mut line);
            let read: f64 = line.strip_prefix("value=").unwrap().parse().unwrap();
            prop_assert_eq!(read.to_bits(), number.to_bits());
            prop_assert!(line.len() < 40, "{line}");
        }
    }
}
