//! All values of a payload.

use serde_json::Value as Json;

/// Values at the ends of a payload, by their paths, within bounds.
pub(super) struct Leaves<'v> {
    /// The path so far.
    name: String,
    name_max: usize,
    /// So many more are looked for.
    left: usize,
    pub(super) all: Vec<(String, &'v Json)>,
    /// Something was nested too deep.
    pub(super) too_deep: bool,
    /// A name was too long.
    pub(super) too_long: bool,
}

impl<'v> Leaves<'v> {
    pub(super) fn new(name_max: usize, most: usize) -> Self {
        Leaves { name: String::new(), name_max, left: most, all: Vec::new(), too_deep: false, too_long: false }
    }

    pub(super) fn find(&mut self, value: &'v Json, depth: usize) {
        match value {
            Json::Object(_) | Json::Array(_) if depth == 0 => self.too_deep = true,
            Json::Object(members) => members.iter().for_each(|(key, value)| self.below(key, value, depth - 1)),
            Json::Array(elements) => {
                let elements = elements.iter().enumerate();
                elements.for_each(|(at, value)| self.below(&at.to_string(), value, depth - 1));
            }
            _ => {
                self.left -= 1;
                self.all.push((self.name.clone(), value));
            }
        }
    }

    fn below(&mut self, key: &str, value: &'v Json, depth: usize) {
        if self.left == 0 {
            return;
        }
        let outer = self.name.len();
        if outer + key.len() > self.name_max {
            self.too_long = true;
            return;
        }
        if outer > 0 {
            self.name.push('.');
        }
        self.name.push_str(key);
        self.find(value, depth);
        self.name.truncate(outer);
    }
}
