//! Names with gaps: `{site}/{line}`.

use serde_json::Value;

use super::levels::{Level, Levels};
use super::path::Path;

/// A name with gaps, which levels of the topic or texts and numbers of the payload fill.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Level(Level),
    Path(String, Path),
}

impl Template {
    /// A gap has the name of a level, else it is a path in the payload.
    ///
    /// # Errors
    /// What to write instead.
    pub(super) fn parse(text: &str, levels: &Levels) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, gap)) = rest.split_once('{') {
            let unclosed = || format!("has a gap that does not end: write {{name}} in {text:?}");
            let (name, after) = gap.split_once('}').ok_or_else(unclosed)?;
            if name.trim().is_empty() {
                return Err(format!("has a gap without a name: write that of a level or a path in {text:?}"));
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(match levels.of(name.trim()) {
                Some(level) => Part::Level(level),
                None => Part::Path(name.trim().to_owned(), Path::parse(name.trim())),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        if parts.is_empty() { Err("is empty: give it a name".to_owned()) } else { Ok(Template(parts)) }
    }

    /// Those levels in their order, one below the other; of none it is empty.
    pub(super) fn of_levels(levels: impl Iterator<Item = Level>) -> Template {
        let mut parts = Vec::new();
        for level in levels {
            if !parts.is_empty() {
                parts.push(Part::Text("/".to_owned()));
            }
            parts.push(Part::Level(level));
        }
        Template(parts)
    }

    /// The first of its gaps that needs a payload of fields.
    pub(super) fn first_path(&self) -> Option<&str> {
        self.0.iter().find_map(|part| if let Part::Path(name, _) = part { Some(&**name) } else { None })
    }

    /// The name for a publication; each gap is looked for in the payloads in turn.
    ///
    /// # Errors
    /// The gap that nothing fills.
    pub(super) fn fill(&self, topic: &str, payloads: &[&Value]) -> Result<String, String> {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Level(level) => name.push_str(level.of(topic)),
                Part::Path(gap, path) => {
                    let found = payloads.iter().find_map(|payload| path.of(payload).and_then(as_name));
                    name.push_str(&found.ok_or_else(|| gap.clone())?);
                }
            }
        }
        Ok(name)
    }
}

/// A text, or a number as it stands.
fn as_name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
