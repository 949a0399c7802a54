//! `tidegate import`: lines of a file or of stdin into a running program, a body at a time.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tidegate_lines::{Format, records};

use super::progress::Progress;
use super::request::{Query, patiently};
use crate::cli::{Import, Lines};
use crate::words::{size, utc};

/// Bytes of a body, which every program takes: `http.body_bytes_max` is 128 KiB by default.
const BODY_BYTES: usize = 120 << 10;
/// A record of more is no record.
const RECORD_BYTES_MAX: usize = 64 << 10;
const READ_BYTES: usize = 256 << 10;
const UNBROKEN_BYTES_MAX: usize = 4 << 20;

/// What became of one body.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    points: u64,
    too_old: u64,
    kept_from: i64,
    kept_by: String,
    refused: u64,
    not_exact: u64,
    flawed: Vec<Flaw>,
    tags_left_out: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Flaw {
    line: u64,
    flaw: String,
}

/// Imports.
///
/// # Errors
/// What kept it from being done. To import the same again is safe: what is there stays once.
pub fn run(arguments: &Import) -> Result<()> {
    let from: Box<dyn Read> = match arguments.file.as_path() {
        file if file == Path::new("-") => Box::new(io::stdin().lock()),
        file => Box::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?),
    };
    let mut source = Source { from, buffer: Vec::new(), at: 0, is_all: false };
    source.fill()?;
    let format = match arguments.format {
        Some(Lines::Csv) => Format::Csv,
        Some(Lines::LineProtocol) => Format::LineProtocol,
        None => guessed(source.rest()),
    };
    Importing::new(arguments, format).all(&mut source)
}

/// CSV where its first line names columns.
fn guessed(text: &[u8]) -> Format {
    let line = String::from_utf8_lossy(&text[..records::first_line(text)]).to_lowercase();
    let names: Vec<&str> = line.split(',').map(|name| name.trim().trim_matches(['"', '\u{feff}'])).collect();
    if names.contains(&"time") && names.contains(&"value") { Format::Csv } else { Format::LineProtocol }
}

/// What is read, and not yet taken.
struct Source {
    from: Box<dyn Read>,
    buffer: Vec<u8>,
    at: usize,
    is_all: bool,
}

impl Source {
    fn rest(&self) -> &[u8] {
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

    /// The next record; `None` at the end.
    fn record(&mut self, format: Format) -> Result<Option<&[u8]>> {
        loop {
            if self.rest().is_empty() && self.is_all {
                return Ok(None);
            }
            if let Some(length) = records::first(self.rest(), format, self.is_all) {
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

/// Lines that are gathered, and what became of those before.
struct Importing<'a> {
    arguments: &'a Import,
    format: Format,
    /// Of CSV: the line that names the columns.
    head: Vec<u8>,
    body: Vec<u8>,
    /// The number of the first line of the body.
    first_line: u64,
    /// Those in the body.
    lines: u64,
    total: Answer,
    flaws: u64,
    bytes: u64,
    progress: Progress,
}

impl<'a> Importing<'a> {
    fn new(arguments: &'a Import, format: Format) -> Importing<'a> {
        let (head, body, total, progress) = (Vec::new(), Vec::new(), Answer::default(), Progress::new());
        Importing { arguments, format, head, body, first_line: 1, lines: 0, total, flaws: 0, bytes: 0, progress }
    }

    fn all(&mut self, source: &mut Source) -> Result<()> {
        if self.format == Format::Csv
            && let Some(head) = source.record(self.format)?
        {
            self.head = head.to_vec();
            self.first_line += records::lines_in(head);
        }
        while let Some(record) = source.record(self.format)? {
            if self.body.len() + record.len() > BODY_BYTES - self.head.len().min(BODY_BYTES / 2) {
                self.send()?;
            }
            if record.len() > RECORD_BYTES_MAX {
                let flaw = format!(
                    "it has {}, more than {}: split it",
                    size(record.len() as u64),
                    size(RECORD_BYTES_MAX as u64)
                );
                self.tell(&Flaw { line: self.first_line, flaw });
                self.first_line += records::lines_in(record);
            } else {
                self.lines += records::lines_in(record);
                self.body.extend_from_slice(record);
            }
        }
        self.send()?;
        self.sum_up();
        Ok(())
    }

    /// Has the program take the body.
    fn send(&mut self) -> Result<()> {
        if self.body.is_empty() {
            return Ok(());
        }
        let head_lines = records::lines_in(&self.head);
        let body = [&self.head[..], &self.body].concat();
        let answer = patiently(self.arguments.http, &self.query(self.first_line - head_lines), Some(&body))
            .with_context(|| {
                format!("stopped at line {}; import the same again: what is there stays once", self.first_line)
            })?;
        let answer: Answer = serde_json::from_reader(answer.body).context("the answer broke off")?;
        answer.flawed.iter().for_each(|flaw| self.tell(flaw));
        self.total.add(answer);
        self.first_line += self.lines;
        self.bytes += self.body.len() as u64;
        self.lines = 0;
        self.body.clear();
        let bytes = self.bytes;
        self.progress.tell(self.total.points, || size(bytes));
        Ok(())
    }

    fn query(&self, first_line: u64) -> String {
        let Import { device, metric, device_tag, group_tag, precision, .. } = self.arguments;
        let format = match self.format {
            Format::Csv => "csv",
            Format::LineProtocol => "line-protocol",
        };
        let query = Query::new("/v1/import").with("format", Some(format)).with("device", device.as_deref());
        let query = query.with("metric", metric.as_deref()).with("device_tag", device_tag.as_deref());
        let query = query.with("group_tag", group_tag.as_deref()).with("precision", precision.as_deref());
        query.with("first_line", Some(&first_line.to_string())).text().to_owned()
    }

    fn tell(&mut self, Flaw { line, flaw }: &Flaw) {
        self.progress.clear();
        eprintln!("line {line}: {flaw}");
        self.flaws += 1;
    }

    fn sum_up(&self) {
        self.progress.clear();
        let Answer { points, too_old, kept_from, kept_by, refused, not_exact, tags_left_out, .. } = &self.total;
        println!("{points} points of {} are in history, {} a second", size(self.bytes), self.progress.rate(*points));
        if self.flaws > 0 {
            println!("{} flaws, each told above with its line; mend them and import the file again", self.flaws);
        }
        if *too_old > 0 {
            println!("{too_old} points of before {} are not kept: raise {kept_by} to have them", utc(*kept_from));
        }
        if *refused > 0 {
            println!(
                "{refused} points are of devices or metrics for which there is no room: raise process.devices_max or \
                 process.metrics_per_device_max, as the page Problems says"
            );
        }
        if *not_exact > 0 {
            println!("{not_exact} integers have more digits than binary64 holds, and are the nearest number now");
        }
        if !tags_left_out.is_empty() {
            println!(
                "the tags {} are no part of a device's name, and series that differ in them alone are one now: name those \
                 that are by --device-tag, as in --device-tag host,cpu",
                tags_left_out.join(", ")
            );
        }
    }
}

impl Answer {
    fn add(&mut self, other: Answer) {
        self.points += other.points;
        self.too_old += other.too_old;
        (self.kept_from, self.kept_by) = (other.kept_from, other.kept_by);
        self.refused += other.refused;
        self.not_exact += other.not_exact;
        self.tags_left_out.extend(other.tags_left_out);
        self.tags_left_out.sort();
        self.tags_left_out.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_known_by_its_head() {
        assert_eq!(guessed(b"device,group,metric,time,type,value\r\nd,,m,1,number,2\r\n"), Format::Csv);
        assert_eq!(guessed("\u{feff}\"Time\",value\n".as_bytes()), Format::Csv);
        assert_eq!(guessed(b"time,host=a value=1 5\n"), Format::LineProtocol);
        assert_eq!(guessed(b"# a comment\nm v=1 1\n"), Format::LineProtocol);
    }

    #[test]
    fn records_are_whole_wherever_the_reading_stops() {
        let text = "a,\"b\nc\"\r\n".repeat(100_000);
        let from = Box::new(io::Cursor::new(text.clone().into_bytes()));
        let mut source = Source { from, buffer: Vec::new(), at: 0, is_all: false };
        let mut count = 0;
        while let Ok(Some(record)) = source.record(Format::Csv) {
            assert_eq!(record, b"a,\"b\nc\"\r\n");
            count += 1;
        }
        assert_eq!(count, 100_000);
    }
}
