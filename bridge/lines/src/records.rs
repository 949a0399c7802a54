//! Where one record ends and the next begins: mostly at the end of a line.

/// How readings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CSV (RFC 4180).
    Csv,
    /// The line protocol of InfluxDB.
    LineProtocol,
}

/// Bytes that a quoted text with line breaks may have; one that has more was never closed, and its record ends with its line.
pub const QUOTED_BYTES_MAX: usize = 16 << 10;

/// How much of the text the first record takes, with its line break. A line break within quotes ends none, unless the quotes are
/// never closed. `None`: it may go on behind the text; never where that `is_all`.
#[must_use]
pub fn first(text: &[u8], format: Format, is_all: bool) -> Option<usize> {
    first_by(text, format, ',', is_all)
}

/// [`first`] of CSV whose separator is another: a semicolon, a tab.
#[must_use]
pub fn first_by(text: &[u8], format: Format, separator: char, is_all: bool) -> Option<usize> {
    // Mostly a line has no quotes, and that is seen at a glance.
    if let Some(end) = text.iter().position(|&byte| byte == b'\n')
        && !text[..end].contains(&b'"')
    {
        return Some(end + 1);
    }
    let mut quotes = Quotes::new(format, separator, text);
    let mut line = None;
    for (at, &byte) in text.iter().enumerate() {
        if byte == b'\n' {
            if !quotes.is_open {
                return Some(at + 1);
            }
            line.get_or_insert(at + 1);
        }
        if line.is_some() && at > QUOTED_BYTES_MAX {
            return line;
        }
        quotes.pass(byte);
    }
    if is_all { line.or(Some(text.len())) } else { None }
}

/// How many bytes of a record are its first line, with its line break.
#[must_use]
pub fn first_line(record: &[u8]) -> usize {
    record.iter().position(|&byte| byte == b'\n').map_or(record.len(), |at| at + 1)
}

/// Lines that a record takes.
#[must_use]
pub fn lines_in(record: &[u8]) -> u64 {
    record.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// Follows the quotes of one record.
struct Quotes {
    format: Format,
    separator: u8,
    is_open: bool,
    /// Of the line protocol: measurement and tags have passed, in which quotes are letters; or it is a comment.
    is_behind_names: bool,
    is_comment: bool,
    before: u8,
    is_escaped: bool,
}

impl Quotes {
    fn new(format: Format, separator: char, text: &[u8]) -> Quotes {
        // Of its own line: an empty one is looked at no further.
        let begins = text.iter().find(|byte| !b" \t\r".contains(byte));
        let is_comment = format == Format::LineProtocol && begins == Some(&b'#');
        let separator = u8::try_from(separator).unwrap_or(b',');
        let (is_open, is_behind_names, is_escaped) = (false, false, false);
        Quotes { format, separator, is_open, is_behind_names, is_comment, before: separator, is_escaped }
    }

    fn pass(&mut self, byte: u8) {
        let before = std::mem::replace(&mut self.before, byte);
        match self.format {
            // A quote that is written twice closes and opens again.
            Format::Csv if byte == b'"' => {
                self.is_open = !self.is_open && (before == self.separator || before == b'"');
            }
            Format::Csv => {}
            Format::LineProtocol if self.is_comment => {}
            Format::LineProtocol if self.is_escaped => self.is_escaped = false,
            Format::LineProtocol => match byte {
                b'\\' => self.is_escaped = true,
                b' ' => self.is_behind_names = true,
                b'"' if self.is_open => self.is_open = false,
                b'"' if self.is_behind_names && before == b'=' => self.is_open = true,
                _ => {}
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, format: Format) -> Vec<&str> {
        let (mut rest, mut records) = (text, Vec::new());
        while !rest.is_empty() {
            let (record, after) = rest.split_at(first(rest.as_bytes(), format, true).unwrap_or(rest.len()));
            records.push(record);
            rest = after;
        }
        records
    }

    #[test]
    fn a_line_break_in_quotes_ends_no_record() {
        let csv = ["a,\"b\nc\"\"\n\",1\r\n", "d\"\n", "\"e\",2"];
        assert_eq!(split(&csv.concat(), Format::Csv), csv);
        let lines = ["# it's \"\n", "m\"\\ x,t=\" v=\"a\nb\\\"\n\" 1\n", "\n", "m v=1 2"];
        assert_eq!(split(&lines.concat(), Format::LineProtocol), lines);
    }

    /// Where each of them were looked at for what follows, this would take hours.
    #[test]
    fn empty_lines_without_end_are_records_of_their_own() {
        for format in [Format::Csv, Format::LineProtocol] {
            assert_eq!(split(&"\n".repeat(3_000_000), format).len(), 3_000_000);
        }
    }

    #[test]
    fn quotes_that_are_never_closed_cost_one_line() {
        for (format, torn) in [(Format::Csv, "a,\"b\n"), (Format::LineProtocol, "m v=\"a 1\n")] {
            let text = format!("{torn}{}", "good\n".repeat(10_000));
            assert_eq!(first(text.as_bytes(), format, true), Some(torn.len()));
            assert_eq!(first(torn.as_bytes(), format, false), None, "it may be closed behind it");
        }
    }
}
