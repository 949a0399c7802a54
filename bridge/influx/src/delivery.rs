//! What becomes of a batch: all of it is written, but for lines that the server refuses for good.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use metrics::{counter, histogram};
use parking_lot::Mutex;
use tidegate_follow::{FlushError, Flushing, Followed, PositionFile, SetAside};

use crate::answer::{self, Meaning};
use crate::batch::Batch;
use crate::client::Client;
use crate::config::InfluxConfig;

/// So many refused lines of a batch are shown; all are counted.
const SHOWN_MAX: usize = 100;

/// A batch on its way.
pub struct Delivery {
    client: Arc<Mutex<Client>>,
    batch: Batch,
    /// Lines of requests that are still to be made, the next one last.
    requests: Vec<Vec<usize>>,
    position: PositionFile,
    /// When the newest entry was received that is there, Unix ms.
    written_ms: Arc<AtomicI64>,
    through: Followed,
    /// What the position is of.
    target: Vec<u8>,
    aside: Vec<SetAside>,
    aside_count: usize,
    /// Times that a request was refused for a reason that nobody knows.
    unclear: usize,
    unclear_tries_max: usize,
    lines_max: usize,
    patience: Option<Duration>,
}

impl Delivery {
    pub fn new(
        client: Arc<Mutex<Client>>,
        batch: Batch,
        (position, written_ms): (PositionFile, Arc<AtomicI64>),
        through: Followed,
    ) -> Delivery {
        let (lines_max, unclear_tries_max, target) = {
            let client = client.lock();
            let InfluxConfig { request_lines_max, unclear_tries_max, .. } = client.config;
            (request_lines_max.max(1), unclear_tries_max, client.config.target().into_bytes())
        };
        let all: Vec<usize> = (0..batch.len()).collect();
        let requests = requests(&all, lines_max);
        let (aside, patience) = (Vec::new(), None);
        Delivery {
            client,
            batch,
            requests,
            position,
            written_ms,
            through,
            target,
            aside,
            aside_count: 0,
            unclear: 0,
            unclear_tries_max,
            lines_max,
            patience,
        }
    }

    fn send(&self, lines: &[usize]) -> Result<Meaning, FlushError> {
        self.post(gzipped(self.batch.pieces(lines))?)
    }

    fn post(&self, body: Bytes) -> Result<Meaning, FlushError> {
        let mut client = self.client.lock();
        let began = Instant::now();
        let answer = client.write(body)?;
        histogram!("tidegate_influxdb_request_seconds").record(began.elapsed());
        counter!("tidegate_influxdb_answers_total", "status" => answer.status.to_string()).increment(1);
        Ok(answer.meaning(&client.config))
    }

    fn taken(&self, lines: &[usize]) {
        counter!("tidegate_influxdb_points_total").increment(lines.len() as u64);
        self.client.lock().taken = lines.last().map(|line| self.batch.line(*line).to_owned());
    }

    /// Some of the lines may be refused, or the request for what it is: one line alone is, where another one is taken.
    fn look_closer(&mut self, mut lines: Vec<usize>, text: String) -> Result<(), FlushError> {
        if lines.len() > 1 {
            let second = lines.split_off(lines.len() / 2);
            self.requests.extend([second, lines]);
            return Ok(());
        }
        let known = self.client.lock().taken.clone();
        let is_served = match known.map(|line| gzipped([&*line].into_iter())).transpose()? {
            Some(control) => self.post(control)? == Meaning::Written,
            None => false,
        };
        if is_served {
            lines.into_iter().for_each(|line| self.set_aside(line, &text));
            return Ok(());
        }
        // Another line of the batch may be taken next time: this one waits for that.
        let rest: Vec<usize> = std::mem::take(&mut self.requests).into_iter().rev().flatten().chain(lines).collect();
        self.requests = requests(&rest, self.lines_max);
        self.unclear = 0;
        Err(text.into())
    }

    /// Some of the lines are refused: they are found by what the server says, else by halves.
    fn narrow(&mut self, mut lines: Vec<usize>, reason: &str) {
        let dropped = answer::dropped(reason);
        if lines.len() == 1 || dropped == Some(lines.len()) {
            return lines.into_iter().for_each(|line| self.set_aside(line, reason));
        }
        if let Some((measurement, field)) = answer::conflict(reason) {
            let is_named = |line: &usize| is_of(self.batch.line(*line), measurement, field);
            let (named, rest): (Vec<_>, Vec<_>) = lines.iter().copied().partition(is_named);
            if !named.is_empty() && dropped == Some(named.len()) {
                // The rest of a partial write is there.
                return named.into_iter().for_each(|line| self.set_aside(line, reason));
            }
            if !named.is_empty() && !rest.is_empty() {
                return self.requests.extend([rest, named]);
            }
        }
        let second = lines.split_off(lines.len() / 2);
        self.requests.extend([second, lines]);
    }

    fn set_aside(&mut self, line: usize, reason: &str) {
        counter!("tidegate_influxdb_set_aside_total").increment(1);
        self.aside_count += 1;
        if self.aside_count > SHOWN_MAX {
            return;
        }
        let line = self.batch.line(line).trim_end();
        let reason: String = reason.chars().take(500).collect();
        let detail = format!("InfluxDB refuses a value: {reason}. It is set aside, and what comes after goes on");
        let about = series(line).into();
        self.aside.push(SetAside { about, detail, content: Bytes::copy_from_slice(line.as_bytes()) });
    }
}

/// Lines in requests of so many, the first one last.
fn requests(lines: &[usize], lines_max: usize) -> Vec<Vec<usize>> {
    lines.chunks(lines_max).rev().map(<[usize]>::to_vec).collect()
}

/// At the level at which it costs the least. Each call of the encoder clears a buffer, so that few long pieces cost less too.
fn gzipped<'a>(pieces: impl Iterator<Item = &'a str>) -> io::Result<Bytes> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in pieces {
        gzip.write_all(piece.as_bytes())?;
    }
    Ok(gzip.finish()?.into())
}

/// Whether a line is of a measurement and has a field, as the server names them.
fn is_of(line: &str, measurement: &str, field: &str) -> bool {
    let head = series(line);
    let fields = line[head.len()..].trim_start();
    let is_field = fields.strip_prefix(field).is_some_and(|rest| rest.starts_with('='));
    is_field && head.strip_prefix(measurement).is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
}

/// Measurement and tags: up to the first space that is not escaped.
fn series(line: &str) -> &str {
    let bytes = line.as_bytes();
    let end = (0..bytes.len()).find(|at| bytes[*at] == b' ' && (*at == 0 || bytes[at - 1] != b'\\'));
    &line[..end.unwrap_or(line.len())]
}

impl Flushing for Delivery {
    fn run(&mut self) -> Result<(), FlushError> {
        self.patience = None;
        while let Some(lines) = self.requests.pop() {
            let meaning = match self.send(&lines) {
                Ok(meaning) => meaning,
                Err(error) => {
                    self.requests.push(lines);
                    return Err(error);
                }
            };
            match meaning {
                Meaning::Written => self.taken(&lines),
                Meaning::Refused(reason) => self.narrow(lines, &reason),
                Meaning::TooLarge(reason) => self.narrow(lines, &format!("too large: {reason}")),
                Meaning::Unclear(text) => {
                    self.unclear += 1;
                    if self.unclear < self.unclear_tries_max {
                        self.requests.push(lines);
                        return Err(text.into());
                    }
                    self.look_closer(lines, text)?;
                }
                Meaning::Later { text, after } => {
                    self.requests.push(lines);
                    self.patience = after;
                    return Err(text.into());
                }
            }
        }
        self.position.write(self.through, &self.target)?;
        self.written_ms.store(self.through.received_ms, Ordering::Relaxed);
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        self.patience
    }

    fn set_aside(&mut self) -> Vec<SetAside> {
        std::mem::take(&mut self.aside)
    }
}
