//! A configuration document that is read section by section. The same calls parse a file, report its mistakes, find
//! unknown keys and write the sample file.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml_edit::{Document, Item, TableLike};

use crate::units;

/// One mistake of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line, counted from 1; 0 where it is about nothing in the file.
    pub line: usize,
    /// Full key: `mqtt.packet_bytes_max`; empty when the file is not TOML.
    pub key: String,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { line, key, what } = self;
        if *line > 0 {
            write!(f, "line {line}: ")?;
        }
        if key.is_empty() { write!(f, "{what}") } else { write!(f, "{key}: {what}") }
    }
}

/// A document that is being read.
pub struct Reader {
    text: String,
    root: Item,
    known: BTreeSet<String>,
    mistakes: Vec<Mistake>,
    sample: Vec<Sample>,
}

/// A section as the sample file shows it.
struct Sample {
    name: &'static str,
    heading: String,
    keys: String,
}

impl Reader {
    /// Starts on a file's text. Text that is not TOML is one mistake, and is read on as if it were empty.
    pub fn new(text: &str) -> Reader {
        let mut reader = Reader {
            text: text.to_owned(),
            root: Item::Table(toml_edit::Table::new()),
            known: BTreeSet::new(),
            mistakes: Vec::new(),
            sample: Vec::new(),
        };
        match Document::parse(text.to_owned()) {
            Ok(document) => reader.root = document.as_item().clone(),
            Err(error) => reader.mistake(error.span(), "", error.message().trim().replace('\n', "; ")),
        }
        reader
    }

    /// Opens a section: a table of keys. With an empty meaning it goes on where it was left.
    pub fn section<'r>(&'r mut self, name: &'static str, meaning: &str) -> Section<'r> {
        if !meaning.is_empty() {
            self.sample_of(name).heading = format!("# {meaning}\n[{name}]\n");
        }
        self.known.insert(name.to_owned());
        if let Some(item) = self.root.get(name).filter(|item| item.as_table_like().is_none()) {
            self.mistake(item.span(), name, format!("is a section: write [{name}] and its keys below it"));
        }
        Section { reader: self, path: name.to_owned(), sample: Some(name) }
    }

    fn sample_of(&mut self, name: &'static str) -> &mut Sample {
        let at = self.sample.iter().position(|sample| sample.name == name).unwrap_or(self.sample.len());
        if at == self.sample.len() {
            self.sample.push(Sample { name, heading: format!("[{name}]\n"), keys: String::new() });
        }
        &mut self.sample[at]
    }

    /// The tables of `[[name]]`, each to be read as a section of its own.
    pub fn list(&mut self, name: &'static str, sample: &str) -> Vec<String> {
        self.sample_of(name).heading = format!("{}\n", sample.trim());
        self.known.insert(name.to_owned());
        match self.root.get(name) {
            None => Vec::new(),
            Some(Item::ArrayOfTables(tables)) => (0..tables.len()).map(|index| format!("{name}[{index}]")).collect(),
            Some(item) => {
                self.mistake(item.span(), name, format!("is a list of sections: write [[{name}]]"));
                Vec::new()
            }
        }
    }

    /// The names below `[name.…]`, each to be read as a section of its own.
    pub fn named(&mut self, name: &'static str, sample: &str) -> Vec<(String, String)> {
        self.sample_of(name).heading = format!("{}\n", sample.trim());
        self.known.insert(name.to_owned());
        let Some(item) = self.root.get(name).cloned() else { return Vec::new() };
        let wrong = format!("is sections: write [{name}.NAME] and its keys below it");
        let Some(table) = item.as_table_like() else {
            self.mistake(item.span(), name, wrong);
            return Vec::new();
        };
        let mut named = Vec::new();
        for (key, section) in table.iter() {
            let path = format!("{name}.{}", level(key));
            if section.is_table_like() {
                named.push((key.to_owned(), path));
            } else {
                self.known.insert(path.clone());
                self.mistake(section.span(), &path, wrong.clone());
            }
        }
        named
    }

    /// A section found by [`Reader::list`] or [`Reader::named`]; not part of the sample.
    pub fn at<'r>(&'r mut self, path: &str) -> Section<'r> {
        self.known.insert(path.to_owned());
        Section { reader: self, path: path.to_owned(), sample: None }
    }

    /// Ends reading: unknown keys are mistakes too. Gives every mistake in order of line, and the sample's text.
    pub fn finish(mut self) -> (Vec<Mistake>, String) {
        let root = self.root.clone();
        if let Some(table) = root.as_table_like() {
            self.find_unknown(table, "");
        }
        self.mistakes.sort_by_key(|mistake| mistake.line);
        let sample = self.sample.iter().map(|Sample { heading, keys, .. }| format!("\n{heading}{keys}"));
        let sample = sample.collect();
        (self.mistakes, sample)
    }

    fn find_unknown(&mut self, table: &dyn TableLike, prefix: &str) {
        for (key, item) in table.iter() {
            let path = if prefix.is_empty() { level(key) } else { format!("{prefix}.{}", level(key)) };
            if !self.known.contains(&path) {
                let span = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
                let near = self.nearest(&path);
                self.mistake(span, &path, format!("is not a key of Tidegate{near}"));
            } else if let Some(tables) = item.as_array_of_tables() {
                for (index, table) in tables.iter().enumerate() {
                    self.find_unknown(table, &format!("{path}[{index}]"));
                }
            } else if let Some(table) = item.as_table_like() {
                self.find_unknown(table, &path);
            }
        }
    }

    /// The known key that shares the longest start with an unknown one, as a hint.
    fn nearest(&self, path: &str) -> String {
        let shared = |known: &str| known.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
        let section = path.rfind('.').map_or(0, |dot| dot + 1);
        self.known
            .iter()
            .map(|known| (shared(known), known))
            .filter(|(length, _)| *length > section)
            .max_by_key(|(length, _)| *length)
            .map_or(String::new(), |(_, known)| format!("; did you mean {known}?"))
    }

    /// The line of a key or section, counted from 1; 0 where the file does not have it.
    pub fn line_of(&self, path: &str) -> usize {
        self.find(path).and_then(Item::span).map_or(0, |span| self.line_at(span.start))
    }

    fn line_at(&self, start: usize) -> usize {
        self.text.as_bytes()[..start.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn mistake(&mut self, span: Option<Range<usize>>, key: &str, what: String) {
        let line = self.line_at(span.map_or(0, |span| span.start));
        self.mistakes.push(Mistake { line, key: key.replace(DOT, "."), what });
    }

    fn find(&self, path: &str) -> Option<&Item> {
        path.split('.').try_fold(&self.root, |item, part| match part.split_once('[') {
            None => item.get(part.replace(DOT, ".")),
            Some((name, index)) => item.get(name)?.get(index.trim_end_matches(']').parse::<usize>().ok()?),
        })
    }
}

/// Stands in a path for a dot that is part of a name.
const DOT: char = '\u{1f}';

/// A key as a level of a path.
fn level(key: &str) -> String {
    key.replace('.', &DOT.to_string())
}

/// A section that is being read; every method declares one key.
pub struct Section<'r> {
    reader: &'r mut Reader,
    path: String,
    /// Where its keys are shown.
    sample: Option<&'static str>,
}

impl Section<'_> {
    /// A whole number.
    pub fn count<N: TryFrom<i64> + Copy + fmt::Display>(&mut self, key: &str, default: N, meaning: &str) -> N {
        self.key(key, default, &default.to_string(), meaning, |item| {
            let number = item.as_integer().ok_or("is a whole number")?;
            N::try_from(number).map_err(|_| format!("{number} is out of range"))
        })
    }

    /// A number of bytes: `65536` or `"64 KiB"`.
    pub fn bytes<N: TryFrom<u64> + TryInto<u64> + Copy>(&mut self, key: &str, default: N, meaning: &str) -> N {
        let shown =
            default.try_into().map_or_else(|_| String::new(), |bytes| format!("\"{}\"", units::bytes_text(bytes)));
        self.key(key, default, &shown, meaning, |item| {
            let bytes = match (item.as_integer(), item.as_str()) {
                (Some(number), _) => u64::try_from(number).map_err(|_| "cannot be negative".to_owned())?,
                (_, Some(text)) => units::parse_bytes(text)?,
                _ => return Err("is a size such as \"64 KiB\" or a number of bytes".into()),
            };
            N::try_from(bytes).map_err(|_| "is too large".into())
        })
    }

    /// A duration: `"2 ms"`, `"30 s"`, `"10 min"`, `"1 h"`, `"30 d"`.
    pub fn duration(&mut self, key: &str, default: Duration, meaning: &str) -> Duration {
        self.key(key, default, &shown(default), meaning, |item| {
            let text = item.as_str().ok_or("is a duration such as \"30 s\", \"10 min\" or \"30 d\"")?;
            units::parse_duration(text)
        })
    }

    /// A [`Section::duration`] where `"0 ms"` stands for never.
    pub fn duration_or_never(&mut self, key: &str, default: Option<Duration>, meaning: &str) -> Option<Duration> {
        let given = self.duration(key, default.unwrap_or_default(), meaning);
        (!given.is_zero()).then_some(given)
    }

    /// A [`Section::duration`] within which something has to happen.
    pub fn timeout(&mut self, key: &str, default: Duration, meaning: &str) -> Duration {
        self.key(key, default, &shown(default), meaning, |item| {
            let text = item.as_str().ok_or("is a duration such as \"30 s\" or \"10 min\"")?;
            match units::parse_duration(text)? {
                Duration::ZERO => Err("has to be more than 0: nothing is ever done in no time".into()),
                timeout => Ok(timeout),
            }
        })
    }

    /// An address to listen on, `host:port` with a literal address.
    pub fn address(&mut self, key: &str, default: SocketAddr, meaning: &str) -> SocketAddr {
        self.key(key, default, &format!("\"{default}\""), meaning, |item| {
            let text = item.as_str().unwrap_or_default();
            text.parse().map_err(|_| format!("{text:?} is not an address such as \"127.0.0.1:1883\" or \"[::1]:1883\""))
        })
    }

    /// A text.
    pub fn text(&mut self, key: &str, default: String, meaning: &str) -> String {
        let shown = format!("{default:?}");
        self.key(key, default, &shown, meaning, |item| {
            item.as_str().map(str::to_owned).ok_or_else(|| "is a text in quotes".into())
        })
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &str, default: Vec<String>, meaning: &str) -> Vec<String> {
        let shown = format!("{default:?}");
        self.key(key, default, &shown, meaning, texts)
    }

    /// A path; an empty text stands for none.
    pub fn path(&mut self, key: &str, default: Option<PathBuf>, meaning: &str) -> Option<PathBuf> {
        let default = default.map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        Some(self.text(key, default, meaning)).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// One word of a few, each with what it stands for.
    pub fn choice<T: Clone + PartialEq>(&mut self, key: &str, default: T, meaning: &str, choices: &[(&str, T)]) -> T {
        let shown = choices.iter().find(|(_, value)| *value == default).map_or("", |(word, _)| word);
        self.key(key, default, &format!("{shown:?}"), meaning, |item| chosen(item, choices))
    }

    /// A key without a default: `None` when it is absent.
    pub fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&Item) -> Result<T, String>) -> Option<T> {
        let path = self.known(key);
        let item = self.reader.find(&path)?.clone();
        match parse(&item) {
            Ok(value) => Some(value),
            Err(what) => {
                self.reader.mistake(item.span(), &path, what);
                None
            }
        }
    }

    /// A table whose keys are names of the user's own, each with its value; which keys a value has that is a table itself is for
    /// `parse` to say.
    pub fn entries<T>(&mut self, key: &str, parse: impl Fn(&str, &Item) -> Result<T, String>) -> Vec<T> {
        let path = self.known(key);
        let Some(item) = self.reader.find(&path).cloned() else { return Vec::new() };
        let Some(table) = item.as_table_like() else {
            self.reader.mistake(item.span(), &path, "is a table: write { \"name\" = …, … }".to_owned());
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (name, item) in table.iter() {
            let path = format!("{path}.{}", level(name));
            self.reader.known.insert(path.clone());
            let own = item.as_table_like().into_iter().flat_map(|table| table.iter());
            self.reader.known.extend(own.map(|(key, _)| format!("{path}.{}", level(key))));
            match parse(name, item) {
                Ok(entry) => entries.push(entry),
                Err(what) => self.reader.mistake(item.span(), &path, what),
            }
        }
        entries
    }

    /// A mistake about the section as a whole, such as a key that must be there.
    pub fn wrong(&mut self, what: &str) {
        let span = self.reader.find(&self.path).and_then(Item::span);
        let path = self.path.clone();
        self.reader.mistake(span, &path, what.to_owned());
    }

    /// A mistake about a key whose value does not go together with others.
    pub fn wrong_key(&mut self, key: &str, what: &str) {
        let path = format!("{}.{key}", self.path);
        let span = self.reader.find(&path).and_then(Item::span);
        self.reader.mistake(span, &path, what.to_owned());
    }

    /// A mistake about one of these keys: that which is written, else about the section.
    pub fn wrong_keys(&mut self, keys: &[&str], what: &str) {
        let written = |key: &&&str| self.reader.find(&format!("{}.{key}", self.path)).is_some();
        match keys.iter().find(written).copied() {
            Some(key) => self.wrong_key(key, what),
            None => self.wrong(what),
        }
    }

    fn known(&mut self, key: &str) -> String {
        let path = format!("{}.{key}", self.path);
        self.reader.known.insert(path.clone());
        path
    }

    fn key<T>(
        &mut self,
        key: &str,
        default: T,
        shown: &str,
        meaning: &str,
        parse: impl FnOnce(&Item) -> Result<T, String>,
    ) -> T {
        if let Some(name) = self.sample {
            let _ = writeln!(self.reader.sample_of(name).keys, "# {meaning}\n{key} = {shown}");
        }
        self.optional(key, parse).unwrap_or(default)
    }
}

fn shown(duration: Duration) -> String {
    format!("\"{}\"", units::duration_text(duration))
}

/// A value that is one of a few words, as what it stands for.
///
/// # Errors
/// What to write instead.
pub fn chosen<T: Clone>(item: &Item, choices: &[(&str, T)]) -> Result<T, String> {
    let named = choices.iter().find(|(word, _)| item.as_str() == Some(word)).map(|(_, value)| value.clone());
    let words = || choices.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    named.ok_or_else(|| format!("is one of {}", words()))
}

/// A value that is a text of at least one character.
///
/// # Errors
/// What to write instead.
pub fn text(item: &Item) -> Result<String, String> {
    item.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| "is a text in quotes".into())
}

/// A value that is a list of texts.
///
/// # Errors
/// What to write instead.
pub fn texts(item: &Item) -> Result<Vec<String>, String> {
    let wrong = || "is a list of texts: [\"a\", \"b\"]".to_owned();
    let array = item.as_array().ok_or_else(wrong)?;
    array.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

/// A value that is a finite number, whole or not.
pub fn number(item: &Item) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)] // a threshold beyond 2^53 has no use
    let number = item.as_float().or_else(|| item.as_integer().map(|whole| whole as f64))?;
    number.is_finite().then_some(number)
}
