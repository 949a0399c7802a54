//! One body of records, delivered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use tidegate_lines::records;

use crate::transfer::request::patiently;

/// What became of a body.
#[derive(Debug, Default, Deserialize)]
pub struct Answer {
    pub points: u64,
    pub too_old: u64,
    pub kept_from: i64,
    pub kept_by: String,
    pub refused: u64,
    pub not_exact: u64,
    pub flawed: Vec<Flaw>,
    #[serde(default)]
    pub flawed_more: u64,
    pub tags_left_out: Vec<String>,
    /// Bytes that a body may have.
    pub body_bytes_max: Option<usize>,
    /// From the sending of it to this answer.
    #[serde(skip)]
    pub took: Duration,
}

#[derive(Debug, Deserialize)]
pub struct Flaw {
    /// In the body, then where it comes from.
    pub line: u64,
    pub flaw: String,
}

/// Records that are sent together.
#[derive(Debug, Default)]
pub struct Body {
    pub bytes: Vec<u8>,
    records: Vec<Record>,
}

/// Where a record begins.
#[derive(Debug, Clone, Copy)]
struct Record {
    offset: usize,
    /// Its number where it comes from.
    number: u64,
}

/// Where bodies go, and what stands in front of each.
#[derive(Debug)]
pub struct Delivery {
    pub server: SocketAddr,
    pub query: String,
    /// Of CSV: the line that names the columns.
    pub head: Vec<u8>,
    /// What the numbers of records count; of lines, a record of several has a number for each.
    pub counted: &'static str,
    pub counts_lines: bool,
}

impl Body {
    pub fn push(&mut self, record: &[u8], number: u64) {
        self.records.push(Record { offset: self.bytes.len(), number });
        self.bytes.extend_from_slice(record);
    }

    /// Where its lines begin.
    fn lines(&self) -> Vec<usize> {
        let breaks = self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        std::iter::once(0).chain(breaks).collect()
    }
}

impl Delivery {
    /// Delivers a body on a thread of its own.
    pub fn begin(self: &Arc<Self>, body: Body) -> JoinHandle<Result<Answer>> {
        let delivery = Arc::clone(self);
        thread::spawn(move || delivery.deliver(&body))
    }

    fn deliver(&self, body: &Body) -> Result<Answer> {
        let number = body.records.first().map_or(0, |record| record.number);
        let stopped =
            || format!("stopped at {} {number}; import the same again: what is there stays once", self.counted);
        let (began, bytes) = (Instant::now(), [&self.head[..], &body.bytes].concat());
        let answer = patiently(self.server, &self.query, Some(&bytes)).with_context(stopped)?;
        let mut answer: Answer = serde_json::from_reader(answer.body).context("the answer broke off")?;
        answer.took = began.elapsed();
        if !answer.flawed.is_empty() {
            let lines = body.lines();
            for flaw in &mut answer.flawed {
                flaw.line = self.number_of(body, &lines, flaw.line);
            }
        }
        Ok(answer)
    }

    /// The number, where it comes from, of a line of what was sent.
    fn number_of(&self, body: &Body, lines: &[usize], line: u64) -> u64 {
        let before = line.saturating_sub(1 + records::lines_in(&self.head));
        let offset = usize::try_from(before).ok().and_then(|before| lines.get(before)).copied().unwrap_or(0);
        let after = body.records.partition_point(|record| record.offset <= offset);
        let Some(record) = after.checked_sub(1).map(|at| body.records[at]) else { return line };
        let within = if self.counts_lines { records::lines_in(&body.bytes[record.offset..offset]) } else { 0 };
        record.number + within
    }
}

/// What became of a body that was begun.
///
/// # Errors
/// When the program did not take it.
pub fn ended(begun: JoinHandle<Result<Answer>>) -> Result<Answer> {
    begun.join().map_err(|_| anyhow!("the thread that sends broke off"))?
}

impl Answer {
    pub fn add(&mut self, other: Answer) {
        self.points += other.points;
        self.too_old += other.too_old;
        (self.kept_from, self.kept_by) = (other.kept_from, other.kept_by);
        self.refused += other.refused;
        self.not_exact += other.not_exact;
        self.flawed_more += other.flawed_more;
        self.body_bytes_max = other.body_bytes_max;
        self.tags_left_out.extend(other.tags_left_out);
        self.tags_left_out.sort();
        self.tags_left_out.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_is_told_with_the_number_that_its_record_has_where_it_comes_from() {
        let mut body = Body::default();
        for (record, number) in [("a\n", 7), ("\"b\nc\"\n", 8), ("d\n", 20)] {
            body.push(record.as_bytes(), number);
        }
        let delivery = |counts_lines| Delivery {
            server: ([127, 0, 0, 1], 0).into(),
            query: String::new(),
            head: b"head\n".to_vec(),
            counted: "line",
            counts_lines,
        };
        let numbers =
            |counts_lines| [2, 3, 4, 5].map(|line| delivery(counts_lines).number_of(&body, &body.lines(), line));
        assert_eq!((numbers(true), numbers(false)), ([7, 8, 9, 20], [7, 8, 8, 20]));
    }
}
