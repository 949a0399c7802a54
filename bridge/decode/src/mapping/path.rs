//! Where something stands in a payload.

use serde_json::Value;

/// Names and places, from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<String>);

impl Path {
    /// `data.values.0`, or a JSON pointer (RFC 6901), `/data/values/0`, for names with dots. Empty: the whole.
    pub(super) fn parse(text: &str) -> Path {
        let unescaped = |name: &str| name.replace("~1", "/").replace("~0", "~");
        Path(match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(unescaped).collect(),
            None if text.is_empty() => Vec::new(),
            None => text.split('.').map(str::to_owned).collect(),
        })
    }

    /// What stands there.
    pub(super) fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, step| match value {
            Value::Object(members) => members.get(step),
            Value::Array(elements) => elements.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }
}
