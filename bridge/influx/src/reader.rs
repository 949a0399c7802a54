//! Reads the bucket back: a question at a time on each of a few connections, and none for a while after one was not answered.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, histogram};
use parking_lot::{Condvar, Mutex};
use tidegate_buckets::Bucket;
use tidegate_telemetry::Value;
use tidegate_telemetry::history::{ReadingsCursor, ReadingsPage, ReadingsQuery, SeriesQuery, Wanted};

use crate::answer::Answer;
use crate::client::{Client, Failure};
use crate::config::{HistoryConfig, InfluxConfig};
use crate::flux::Selection;
use crate::table;
use crate::tls::TlsError;

/// Times that InfluxDB can have, Unix ms (64 bits of nanoseconds).
const TIMES_MS: (i64, i64) = (-9_223_372_036_000, 9_223_372_036_000);

/// The first span that is looked for points in, ms; each further one is so many times as long.
const SPAN_MS: i64 = 3_600_000;
const SPAN_GROWTH: i64 = 8;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// What keeps InfluxDB from answering, and what to do.
    Away(Arc<str>),
    /// Nobody waits for it any more.
    Withdrawn,
}

/// Connections at most.
const CLIENTS_MAX: usize = 4;

/// How often somebody who waits for a connection is looked for.
const WANTED_EVERY: Duration = Duration::from_millis(50);

/// Of a question that had to wait for others.
const BUSY: &str = "InfluxDB answers other questions, and this one has waited for as long as history.timeout allows";

/// Connections that nobody uses, and how many there are in all.
#[derive(Default)]
struct Idle {
    clients: Vec<Client>,
    count: usize,
}

/// Asks one bucket.
pub struct Reader {
    config: InfluxConfig,
    limit: Duration,
    idle: Mutex<Idle>,
    /// One more is idle.
    freed: Condvar,
    /// Until then it is not asked, and why.
    rests: Mutex<Option<(Instant, Arc<str>)>>,
}

impl Reader {
    /// # Errors
    /// When the authorities that the server's certificate is to be judged by cannot be read.
    pub fn new(mut config: InfluxConfig, history: &HistoryConfig) -> Result<Reader, TlsError> {
        if let Some(file) = &history.token_file {
            config.token_file = Some(PathBuf::clone(file));
        }
        let (limit, idle, freed, rests) = (history.timeout, Mutex::default(), Condvar::new(), Mutex::default());
        let reader = Reader { config, limit, idle, freed, rests };
        // What is wrong with the configuration is told at the start.
        reader.client()?;
        Ok(reader)
    }

    /// Buckets of `[from_ms, to_ms)` (Unix ms), as a [`SeriesQuery`] asks for them.
    ///
    /// # Errors
    /// When it has no answer in time.
    pub fn buckets(
        &self,
        query: &SeriesQuery,
        span_ms: (i64, i64),
        wanted: Wanted<'_>,
    ) -> Result<Vec<(i64, Bucket)>, Unread> {
        let Some(selection) = self.selection((&query.device, &query.metric), span_ms) else { return Ok(Vec::new()) };
        let csv = self.ask(selection.buckets(query.rung), self.ends(), wanted)?;
        table::buckets(&csv, query.rung).map_err(|what| self.misunderstood(&what))
    }

    /// Points before `to_ms` (Unix ms), as a [`ReadingsQuery`] asks for them. They are looked for in spans that grow, so that
    /// a page of a series of years is not looked for in all of them.
    ///
    /// # Errors
    /// When it has no answer in time.
    pub fn points(&self, query: &ReadingsQuery, to_ms: i64, wanted: Wanted<'_>) -> Result<ReadingsPage, Unread> {
        let (ends, series) = (self.ends(), (&*query.device, &*query.metric));
        let (mut page, mut begin_ms, mut span_ms) = (Page::new(query), query.from.time_ms.max(TIMES_MS.0), SPAN_MS);
        while begin_ms < to_ms {
            let end_ms = begin_ms.saturating_add(span_ms).min(to_ms);
            if let Some(selection) = self.selection(series, (begin_ms, end_ms)) {
                let csv = self.ask(selection.points(page.lacks()), ends, wanted)?;
                let points = table::points(&csv).map_err(|what| self.misunderstood(&what))?;
                if !page.take(points) {
                    break;
                }
            }
            (begin_ms, span_ms) = (end_ms, span_ms.saturating_mul(SPAN_GROWTH));
        }
        Ok(ReadingsPage { points: page.points, next: page.next })
    }

    fn selection(&self, series: (&str, &str), (from_ms, to_ms): (i64, i64)) -> Option<Selection> {
        let span_ms = (from_ms.max(TIMES_MS.0), to_ms.min(TIMES_MS.1));
        let InfluxConfig { bucket, measurement, .. } = &self.config;
        (span_ms.0 < span_ms.1).then(|| Selection::new((bucket, measurement), series, span_ms))
    }

    fn ends(&self) -> Instant {
        Instant::now() + self.limit
    }

    fn client(&self) -> Result<Option<Client>, TlsError> {
        self.config.endpoint().map(|endpoint| Client::new(self.config.clone(), endpoint)).transpose()
    }

    /// Waits for a connection that nobody uses.
    fn idle_client(&self, ends: Instant, wanted: Wanted<'_>) -> Result<Client, Unread> {
        let mut idle = self.idle.lock();
        loop {
            if let Some((until, why)) = &*self.rests.lock()
                && Instant::now() < *until
            {
                return Err(Unread::Away(Arc::clone(why)));
            }
            if let Some(client) = idle.clients.pop() {
                return Ok(client);
            }
            if idle.count < CLIENTS_MAX {
                let client = match self.client() {
                    Ok(Some(client)) => client,
                    Ok(None) => return Err(self.rest("influxdb.url is no address".into())),
                    Err(error) => return Err(self.rest(error.to_string())),
                };
                idle.count += 1;
                return Ok(client);
            }
            if !wanted() {
                return Err(Unread::Withdrawn);
            }
            if Instant::now() >= ends {
                return Err(Unread::Away(BUSY.into()));
            }
            self.freed.wait_for(&mut idle, WANTED_EVERY);
        }
    }

    fn ask(&self, flux: String, ends: Instant, wanted: Wanted<'_>) -> Result<String, Unread> {
        let asked = Instant::now();
        let mut client = self.idle_client(ends, wanted)?;
        let began = Instant::now();
        let has_waited = began - asked >= WANTED_EVERY;
        let answer = client.query(flux.into(), ends.saturating_duration_since(began), wanted);
        histogram!("tidegate_influxdb_question_seconds").record(began.elapsed());
        let outcome = match &answer {
            Ok(Answer { status: 200, .. }) => "answered",
            Err(Failure::Withdrawn) => "withdrawn",
            _ => "failed",
        };
        counter!("tidegate_influxdb_questions_total", "outcome" => outcome).increment(1);
        let said = match answer {
            Ok(Answer { status: 200, body, .. }) => Ok(body),
            // It answered others meanwhile: had it not, they would have told this one.
            Err(Failure::TooLate(..)) if has_waited => Err(Unread::Away(BUSY.into())),
            Ok(answer) => Err(self.rest(answer.why_unread(&self.config))),
            Err(Failure::Withdrawn) => Err(Unread::Withdrawn),
            Err(Failure::TooLate(url, _)) => {
                Err(self.rest(format!("{url} did not answer within {:?} (history.timeout)", self.limit)))
            }
            Err(failure) => Err(self.rest(failure.to_string())),
        };
        // Who waits for it is told first that nobody is to ask.
        self.idle.lock().clients.push(client);
        self.freed.notify_one();
        said
    }

    fn misunderstood(&self, what: &str) -> Unread {
        self.rest(format!("InfluxDB's answer is of no use: {what}"))
    }

    /// Nobody asks again for as long as one may wait, so that those who come now do not all wait.
    fn rest(&self, why: String) -> Unread {
        tracing::warn!(why, "the older part of an answer is missing: InfluxDB was asked for it");
        let why: Arc<str> = why.into();
        *self.rests.lock() = Some((Instant::now() + self.limit, Arc::clone(&why)));
        Unread::Away(why)
    }
}

/// A page while it is filled.
struct Page {
    from: ReadingsCursor,
    limit: usize,
    points: Vec<(i64, Value)>,
    next: Option<ReadingsCursor>,
    /// The newest time, Unix ms, and how many of it there were, those before the page included.
    tied: (i64, usize),
}

impl Page {
    fn new(query: &ReadingsQuery) -> Page {
        let (points, next, tied) = (Vec::new(), None, (i64::MIN, 0));
        Page { from: query.from, limit: query.limit, points, next, tied }
    }

    /// How many points the next span may have to give: one more says that there is a next page.
    fn lacks(&self) -> usize {
        let skip = if self.points.is_empty() { self.from.skip } else { 0 };
        self.limit.saturating_sub(self.points.len()).saturating_add(skip).saturating_add(1)
    }

    /// `false` when something had no room.
    fn take(&mut self, points: Vec<(i64, Value)>) -> bool {
        for (time_ns, value) in points {
            let time_ms = time_ns.div_euclid(1_000_000);
            let skip = if time_ms == self.tied.0 { self.tied.1 } else { 0 };
            self.tied = (time_ms, skip + 1);
            if time_ms == self.from.time_ms && skip < self.from.skip {
                continue;
            }
            if self.points.len() >= self.limit {
                self.next = Some(ReadingsCursor { time_ms, skip });
                return false;
            }
            self.points.push((time_ms, value));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_and_begin_within_a_millisecond() {
        let points: Vec<(i64, Value)> =
            (0..10_i32).map(|n| (7_000_000 + i64::from(n), Value::Number(n.into()))).collect();
        let (mut from, mut found) = (ReadingsCursor::from(0), Vec::new());
        let mut pages = 0;
        loop {
            let query = ReadingsQuery { device: "d".into(), metric: "m".into(), from, to_ms: 9, limit: 3 };
            let mut page = Page::new(&query);
            let given = points.iter().take(page.lacks()).cloned().collect();
            page.take(given);
            found.extend(page.points);
            pages += 1;
            match page.next {
                Some(next) => from = next,
                None => break,
            }
        }
        let expected: Vec<_> = points.iter().map(|(_, value)| (7, value.clone())).collect();
        assert_eq!((found, pages), (expected, 4));
    }

    /// Answers each question on a connection after so long.
    fn serve(pause: Duration) -> std::io::Result<std::net::SocketAddr> {
        use std::io::{BufRead, BufReader, Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let answers = move |mut stream: std::net::TcpStream| -> std::io::Result<()> {
            let mut questions = BufReader::new(stream.try_clone()?);
            let (mut line, mut length) = (String::new(), 0);
            while questions.read_line(&mut line)? > 0 {
                if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = told.trim().parse().unwrap_or(0);
                }
                if line.trim_end().is_empty() {
                    std::io::copy(&mut questions.by_ref().take(length), &mut std::io::sink())?;
                    std::thread::sleep(pause);
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\r\n")?;
                }
                line.clear();
            }
            Ok(())
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || answers(stream));
            }
        });
        Ok(address)
    }

    #[test]
    fn questions_that_wait_for_others_keep_nobody_from_asking() -> Result<(), Box<dyn std::error::Error>> {
        let limit = Duration::from_secs(4);
        let folder = tempfile::tempdir()?;
        let token_file = Some(folder.path().join("token"));
        std::fs::write(folder.path().join("token"), "secret")?;
        let url = format!("http://{}", serve(limit * 5 / 8)?);
        let config = InfluxConfig { url, token_file, ..InfluxConfig::default() };
        let reader = Reader::new(config, &HistoryConfig { timeout: limit, ..HistoryConfig::default() })?;
        let ask = || reader.ask("buckets()".into(), reader.ends(), &|| true);
        let answers: Vec<Result<String, Unread>> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..CLIENTS_MAX * 2).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().filter_map(|asking| asking.join().ok()).collect()
        });
        let busy = answers.iter().filter(|answer| **answer == Err(Unread::Away(BUSY.into()))).count();
        let answered = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!((answered, busy), (CLIENTS_MAX, CLIENTS_MAX), "{answers:?}");
        assert!(ask().is_ok(), "it answers, so it is asked");
        Ok(())
    }
}
