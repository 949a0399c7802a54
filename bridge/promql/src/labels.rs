//! What names a series, and what selects it.

use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::error::QueryError;

/// The label that holds the name of the metric.
pub const NAME: &str = "__name__";

/// Labels of a series, ordered by name; none is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[Label]>);

type Label = (Arc<str>, Arc<str>);

impl Default for Labels {
    fn default() -> Self {
        Labels(Arc::from([]))
    }
}

impl FromIterator<(Arc<str>, Arc<str>)> for Labels {
    /// Labels with an empty value are as good as none, and left out.
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        let mut labels: Vec<Label> = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        labels.sort_unstable();
        labels.dedup_by(|a, b| a.0 == b.0);
        Labels(labels.into())
    }
}

impl Labels {
    /// The value of a label; empty when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| &**known == name).map_or("", |(_, value)| value)
    }

    /// Name and value of each, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Those among `names`.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Labels {
        self.filtered(|name| names.iter().any(|kept| kept == name))
    }

    /// Those not among `names`.
    #[must_use]
    pub fn without(&self, names: &[String]) -> Labels {
        self.filtered(|name| names.iter().all(|left_out| left_out != name))
    }

    /// All but the name of the metric: what a value is called after something was done to it.
    #[must_use]
    pub fn nameless(&self) -> Labels {
        if self.get(NAME).is_empty() { self.clone() } else { self.filtered(|name| name != NAME) }
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Labels {
        Labels(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.iter().filter(|(name, _)| *name != NAME).map(|(name, value)| format!("{name}={value:?}"));
        write!(f, "{}{{{}}}", self.get(NAME), named.collect::<Vec<_>>().join(", "))
    }
}

/// One condition of a selector. A series without the label has it empty.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Name of the label.
    pub label: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Equal(String),
    NotEqual(String),
    Like(Regex),
    NotLike(Regex),
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.label == other.label && self.test.written() == other.test.written()
    }
}

impl Test {
    fn written(&self) -> (&'static str, &str) {
        match self {
            Test::Equal(value) => ("=", value),
            Test::NotEqual(value) => ("!=", value),
            Test::Like(pattern) => ("=~", pattern.as_str()),
            Test::NotLike(pattern) => ("!~", pattern.as_str()),
        }
    }
}

impl Matcher {
    /// The label has exactly this value.
    #[must_use]
    pub fn equal(label: &str, value: &str) -> Self {
        Matcher { label: label.to_owned(), test: Test::Equal(value.to_owned()) }
    }

    /// As written: `=`, `!=`, `=~`, `!~`. A pattern has to match all of the value, and takes so many bytes at most.
    ///
    /// # Errors
    /// [`QueryError::Question`] when the pattern is none, [`QueryError::TooMuch`] when it is too large.
    pub(crate) fn written(label: String, operator: &str, value: String, bytes_max: usize) -> Result<Self, QueryError> {
        let pattern = |value: &str| {
            let whole = RegexBuilder::new(&format!("^(?s:{value})$")).size_limit(bytes_max).build();
            whole.map_err(|error| {
                if let regex::Error::CompiledTooBig(most) = error {
                    let what = format!(
                        "`{value}` is larger than the {most} bytes that a compiled pattern may have \
                         (`prometheus.pattern_bytes_max`): write a shorter one"
                    );
                    return QueryError::too_much("prometheus.pattern_bytes_max", what);
                }
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                QueryError::question(format!("`{value}` is no regular expression: {reason}"))
            })
        };
        let test = match operator {
            "=" => Test::Equal(value),
            "!=" => Test::NotEqual(value),
            "=~" => Test::Like(pattern(&value)?),
            _ => Test::NotLike(pattern(&value)?),
        };
        Ok(Matcher { label, test })
    }

    /// Whether a value of the label fits.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal(wanted) => wanted == value,
            Test::NotEqual(unwanted) => unwanted != value,
            Test::Like(pattern) => pattern.is_match(value),
            Test::NotLike(pattern) => !pattern.is_match(value),
        }
    }

    /// The one value that fits, where it is written out.
    #[must_use]
    pub fn exactly(&self) -> Option<&str> {
        if let Test::Equal(value) = &self.test { Some(value) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(of: &[(&str, &str)]) -> Labels {
        of.iter().map(|(name, value)| (Arc::from(*name), Arc::from(*value))).collect()
    }

    #[test]
    fn an_empty_label_is_none() {
        let with = labels(&[("b", "2"), ("a", "1"), ("c", "")]);
        assert_eq!(with, labels(&[("a", "1"), ("b", "2")]));
        assert_eq!((with.get("c"), with.get("a")), ("", "1"));
        assert_eq!(with.to_string(), r#"{a="1", b="2"}"#);
    }

    #[test]
    fn a_pattern_matches_the_whole_value() {
        let like = |pattern: &str| Matcher::written("a".into(), "=~", pattern.into(), 1 << 18);
        assert!(like("hall|yard").is_ok_and(|it| it.fits("hall") && it.fits("yard") && !it.fits("hall 1")));
        assert!(like("").is_ok_and(|it| it.fits("") && !it.fits("x")));
        assert!(like("a(").is_err_and(|error| error.to_string().starts_with("`a(` is no regular expression: ")));
        assert!(like(r"\w{500}").is_err(), "one that takes too much memory is refused");
    }
}
