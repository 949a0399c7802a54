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

    /// Some lines, ascending, as they lie together in pieces.
    pub fn pieces(&self, lines: &[usize]) -> impl Iterator<Item = &str> {
        let together = lines.chunk_by(|one, next| one + 1 == *next);
        together.map(|piece| &self.text[self.start(piece[0])..self.ends[piece[piece.len() - 1]]])
    }

    /// A line with its line break.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        &self.text[self.start(number)..self.ends[number]]
    }

    fn start(&self, number: usize) -> usize {
        number.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_lie_together_are_one_piece() {
        let mut batch = Batch::default();
        ["a", "bb", "c", "d", "e"].iter().for_each(|head| batch.add(head, |text| text.push('1'), 7));
        assert_eq!(batch.line(1), "bb 1 7\n");
        let pieces: Vec<_> = batch.pieces(&[0, 1, 3, 4]).collect();
        assert_eq!(pieces, ["a 1 7\nbb 1 7\n", "d 1 7\ne 1 7\n"]);
        assert_eq!(batch.pieces(&[]).count(), 0);
    }
}
