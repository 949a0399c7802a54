use super::Subject;
use super::pattern::Template;

/// The devices that a rule's publications may name.
#[derive(Debug)]
pub(super) struct Devices(Box<[Pattern]>);

#[derive(Debug)]
enum Pattern {
    Plain(Box<str>),
    Template(Template),
}

/// Bytes of a rule's patterns at most: they stand in the log with each publication.
const BYTES_MAX: usize = 4096;

impl Devices {
    pub(super) fn new(patterns: &[String]) -> Self {
        let pattern = |text: &String| match Template::parse(text) {
            Some(template) => Pattern::Template(template),
            None => Pattern::Plain(text.as_str().into()),
        };
        Devices(patterns.iter().map(pattern).collect())
    }

    /// The patterns as they are for someone.
    pub(super) fn of(&self, subject: Subject<'_>) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(move |pattern| match pattern {
            Pattern::Plain(text) => Some(text.to_string()),
            Pattern::Template(template) => template.device_pattern(subject.client, subject.user),
        })
    }

    /// What is wrong with a rule's patterns.
    pub(super) fn check(patterns: &[String]) -> Result<(), &'static str> {
        if patterns.is_empty() || patterns.iter().any(String::is_empty) {
            return Err("devices needs patterns that are not empty; without the key any device may be named");
        }
        if patterns.iter().map(String::len).sum::<usize>() > BYTES_MAX {
            return Err("devices has more than 4096 bytes, and stands in the log with each publication: use * and ?");
        }
        Ok(())
    }
}
