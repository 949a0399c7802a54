//! Lines that wait to be written.

/// Lines, one after the other in one text.
#[derive(Debug, Default)]
pub struct Batch {
    text: String,
    /// Where each line ends, behind its line break.
    ends: Vec<usize>,
}

impl Batch {
    /// One more line: everything before its field, its field as `field` appends it, and its time in Unix ns.
    pub fn add(&mut self, head: &str, field: impl FnOnce(&mut String), time_ns: i64) {
        self.text.push_str(head);
        self.text.push(' ');
        field(&mut self.text);
        self.text.push(' ');
        self.text.push_str(&time_ns.to_string());
        self.text.push('\n');
        self.ends.push(self.text.len());
    }

    /// Lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all lines.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// A line with its line break.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[number]]
    }
}
