//! Records into a running program, a body at a time.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use tidegate_lines::{Format, csv};
use tidegate_telemetry::Value;

use super::delivery::{self, Answer, Body, Delivery, Flaw};
use crate::cli::Import;
use crate::transfer::progress::Progress;
use crate::transfer::request::Query;
use crate::words::{size, utc};

/// Bytes of the first body, which every program takes…
const BODY_BYTES_MIN: usize = 16 << 10;
/// …and at most of those that follow: no more than it says, `http.import_body_bytes_max`.
const BODY_BYTES_MAX: usize = 4 << 20;
/// They grow while each is taken within this time…
const QUICK: Duration = Duration::from_millis(500);
/// …and shrink when it takes longer: the program waits `http.body_timeout` for one, 10 s by default.
const SLOW: Duration = Duration::from_secs(2);
/// A record of more is no record.
const RECORD_BYTES_MAX: usize = 64 << 10;
/// What lines of text are counted in.
pub const LINE: &str = "line";

/// Records that are gathered, and what became of those before.
pub struct Sending<'a> {
    arguments: &'a Import,
    format: Format,
    /// Of CSV: the line that names the columns.
    head: Vec<u8>,
    /// What numbers of records count, where they come from.
    counted: &'static str,
    body: Body,
    body_bytes_max: usize,
    delivery: Option<Arc<Delivery>>,
    /// That which the program has, while the next one is gathered.
    under_way: Option<JoinHandle<Result<Answer>>>,
    total: Answer,
    flaws: u64,
    bytes: u64,
    progress: Progress,
}

impl<'a> Sending<'a> {
    /// Of records that are numbered by what is `counted` there.
    pub fn new(arguments: &'a Import, format: Format, counted: &'static str) -> Sending<'a> {
        Sending {
            arguments,
            format,
            head: Vec::new(),
            counted,
            body: Body::default(),
            body_bytes_max: BODY_BYTES_MIN,
            delivery: None,
            under_way: None,
            total: Answer::default(),
            flaws: 0,
            bytes: 0,
            progress: Progress::new(),
        }
    }

    /// Of readings, which [`Sending::reading`] writes.
    pub fn readings(arguments: &'a Import, counted: &'static str) -> Sending<'a> {
        let mut sending = Sending::new(arguments, Format::Csv, counted);
        sending.head(csv::HEAD.as_bytes());
        sending
    }

    /// The line of CSV that names the columns.
    pub fn head(&mut self, head: &[u8]) {
        self.head = head.to_vec();
    }

    /// Takes a record, and has the program take those before when they are enough.
    ///
    /// # Errors
    /// As of [`Sending::send`].
    pub fn record(&mut self, record: &[u8], number: u64) -> Result<()> {
        let room = self.body_bytes_max - self.head.len().min(self.body_bytes_max / 2);
        if self.body.bytes.len() + record.len() > room {
            self.begin()?;
        }
        if record.len() > RECORD_BYTES_MAX {
            let (has, most) = (size(record.len() as u64), size(RECORD_BYTES_MAX as u64));
            self.flaw(number, &format!("it has {has}, more than {most}: split it"));
        } else {
            self.body.push(record, number);
        }
        Ok(())
    }

    /// Takes a reading of a series: what [`csv::series`] makes of its names.
    ///
    /// # Errors
    /// As of [`Sending::record`].
    pub fn reading(&mut self, series: &str, number: u64, time_ms: i64, value: &Value) -> Result<()> {
        let mut record = String::with_capacity(series.len() + 48);
        csv::reading(series, time_ms, value, &mut record);
        self.record(record.as_bytes(), number)
    }

    /// Has the program take what is gathered, and waits until it has.
    ///
    /// # Errors
    /// When it does not; what it took before stays.
    pub fn send(&mut self) -> Result<()> {
        self.begin()?;
        self.settle()
    }

    /// Has the program take what is gathered, after what it has.
    fn begin(&mut self) -> Result<()> {
        self.settle()?;
        if self.body.bytes.is_empty() {
            return Ok(());
        }
        if self.delivery.is_none() {
            let (server, counts_lines) = (self.arguments.http, self.counted == LINE);
            let (query, head, counted) = (self.query(), self.head.clone(), self.counted);
            self.delivery = Some(Arc::new(Delivery { server, query, head, counted, counts_lines }));
        }
        self.bytes += self.body.bytes.len() as u64;
        let body = std::mem::take(&mut self.body);
        self.under_way = self.delivery.as_ref().map(|delivery| delivery.begin(body));
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        let Some(begun) = self.under_way.take() else { return Ok(()) };
        let mut answer = delivery::ended(begun)?;
        for Flaw { line, flaw } in std::mem::take(&mut answer.flawed) {
            self.flaw(line, &flaw);
        }
        self.flaws += answer.flawed_more;
        let allowed = answer.body_bytes_max.unwrap_or(BODY_BYTES_MIN).min(BODY_BYTES_MAX);
        self.body_bytes_max = match answer.took {
            quick if quick < QUICK => self.body_bytes_max.saturating_mul(4).min(allowed),
            slow if slow > SLOW => (self.body_bytes_max / 2).max(BODY_BYTES_MIN),
            _ => self.body_bytes_max,
        };
        self.total.add(answer);
        let bytes = self.bytes;
        self.progress.tell(self.total.points, || size(bytes));
        Ok(())
    }

    fn query(&self) -> String {
        let Import { device, metric, device_tag, group_tag, precision, .. } = self.arguments;
        let format = match self.format {
            Format::Csv => "csv",
            Format::LineProtocol => "line-protocol",
        };
        let query = Query::new("/v1/import").with("format", Some(format)).with("device", device.as_deref());
        let query = query.with("metric", metric.as_deref()).with("device_tag", device_tag.as_deref());
        let query = query.with("group_tag", group_tag.as_deref()).with("precision", precision.as_deref());
        query.text().to_owned()
    }

    /// Something is no reading.
    pub fn flaw(&mut self, number: u64, flaw: &str) {
        self.progress.clear();
        eprintln!("{} {number}: {flaw}", self.counted);
        self.flaws += 1;
    }

    /// Something is said between, to whoever looks.
    pub fn say(&self, words: &str) {
        self.progress.clear();
        println!("{words}");
    }

    /// Where what history keeps begins (Unix ms), as far as the program has said it.
    pub fn kept_from(&self) -> Option<i64> {
        (!self.total.kept_by.is_empty()).then_some(self.total.kept_from)
    }

    /// Has the program take the last of it, and says what became of all.
    ///
    /// # Errors
    /// As of [`Sending::send`].
    pub fn finish(&mut self) -> Result<()> {
        self.send()?;
        self.sum_up();
        Ok(())
    }

    fn sum_up(&self) {
        self.progress.clear();
        let Answer { points, too_old, kept_from, kept_by, refused, not_exact, tags_left_out, .. } = &self.total;
        println!("{points} points of {} are in history, {} a second", size(self.bytes), self.progress.rate(*points));
        if self.flaws > 0 {
            let counted = self.counted;
            println!("{} flaws, told above with their {counted}s; mend them and import the same again", self.flaws);
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
