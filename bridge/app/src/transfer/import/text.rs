//! Lines of text, as they are.

use std::io::Read;

use anyhow::{Context, Result, bail};
use tidegate_lines::{Format, records};

use super::sending::Sending;

const READ_BYTES: usize = 256 << 10;
const UNBROKEN_BYTES_MAX: usize = 4 << 20;

/// Has the program take all lines of a text.
///
/// # Errors
/// When they cannot be read, or are not taken.
pub fn lines(text: &mut Text, format: Format, to: &mut Sending<'_>) -> Result<()> {
    let mut number = 1;
    if format == Format::Csv
        && let Some(head) = text.record(format, ',')?
    {
        to.head(head);
        number += records::lines_in(head);
    }
    while let Some(record) = text.record(format, ',')? {
        to.record(record, number)?;
        number += records::lines_in(record);
    }
    to.finish()
}

/// What is read, and not yet taken.
pub struct Text {
    from: Box<dyn Read>,
    buffer: Vec<u8>,
    at: usize,
    is_all: bool,
}

impl Text {
    /// With its beginning.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(from: Box<dyn Read>) -> Result<Text> {
        let mut text = Text { from, buffer: Vec::new(), at: 0, is_all: false };
        text.fill()?;
        Ok(text)
    }

    /// As much as was read ahead.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    fn fill(&mut self) -> Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let read =
            (&mut self.from).take(READ_BYTES as u64).read_to_end(&mut self.buffer).context("reading the lines")?;
        self.is_all |= read == 0;
        Ok(())
    }

    /// The last so many bytes of the record that was taken last come again.
    pub fn take_back(&mut self, bytes: usize) {
        self.at -= bytes;
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, or has no end.
    pub fn record(&mut self, format: Format, separator: char) -> Result<Option<&[u8]>> {
        loop {
            if self.rest().is_empty() && self.is_all {
                return Ok(None);
            }
            if let Some(length) = records::first_by(self.rest(), format, separator, self.is_all) {
                let began = self.at;
                self.at += length;
                return Ok(Some(&self.buffer[began..self.at]));
            }
            if self.rest().len() > UNBROKEN_BYTES_MAX {
                bail!("no line ends within 4 MiB: is it text?");
            }
            self.fill()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_whole_wherever_the_reading_stops() -> Result<()> {
        let text = "a,\"b\nc\"\r\n".repeat(100_000);
        let mut text = Text::open(Box::new(std::io::Cursor::new(text.into_bytes())))?;
        let mut count = 0;
        while let Some(record) = text.record(Format::Csv, ',')? {
            assert_eq!(record, b"a,\"b\nc\"\r\n");
            count += 1;
        }
        assert_eq!(count, 100_000);
        Ok(())
    }
}
