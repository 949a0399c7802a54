//! Charts of many series, one after the other: neither their number nor a slow client holds more than a part of them, or a
//! turn at the history for longer than that part takes.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use tidegate_buckets::{Bucket, Rung};
use tidegate_lines::csv::text_field;
use tidegate_telemetry::history::{SeriesAnswer, SeriesQuery, Wanted};
use tidegate_telemetry::{History, HistoryError};
use tidegate_views::StreamPosition;

use super::Api;
use super::archive::RequestArchive;
use super::csv::Times;
use super::selection::Chosen;
use crate::archive::Asker;
use crate::error::ApiError;
use crate::live::hub::Hub;

/// Bytes of a part, about.
const PART_BYTES: usize = 64 * 1024;
/// Time that a part takes, about: then others have their turn.
const PART_TIME: Duration = Duration::from_millis(50);

/// The span and the width of the buckets.
#[derive(Debug, Clone, Copy)]
pub struct Chart {
    /// Unix ms, inclusive.
    pub from_ms: i64,
    /// Unix ms, exclusive.
    pub to_ms: i64,
    pub rung: Rung,
}

/// Buckets as `[[start, count, mean, min, max, last], …]`.
#[derive(Debug)]
pub struct Points(pub Vec<(i64, Bucket)>);

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut points = serializer.serialize_seq(Some(self.0.len()))?;
        for (start_ms, it) in &self.0 {
            points.serialize_element(&(start_ms, it.count, it.mean(), it.min, it.max, it.last))?;
        }
        points.end()
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    device: &'a str,
    metric: &'a str,
    points: Points,
    through: String,
}

/// Streams the charts, as CSV where times of it are given. The first part is read before the status is sent.
pub async fn stream(
    api: &Api,
    asker: Asker,
    chosen: Vec<Chosen>,
    chart: Chart,
    times: Option<Times>,
) -> Result<Response, ApiError> {
    let media_type = if times.is_some() { "text/csv; charset=utf-8" } else { "application/json" };
    let writer = Writer { hub: Arc::clone(&api.hub), chart, times, formulas: api.config.csv_formulas };
    let mut first = writer.head();
    let rest = Rest { archive: api.archive.clone(), asker, chosen: chosen.into(), at: 0, writer: Arc::new(writer) };
    let (part, rest) = rest.part().await?;
    first.extend(part);
    let following = stream::try_unfold(rest, |rest| async move {
        let Some(rest) = rest else { return Ok(None) };
        let (part, rest) = rest.part().await?;
        Ok::<_, ApiError>(Some((Bytes::from(part), rest)))
    });
    let body = stream::iter([Ok(Bytes::from(first))]).chain(following);
    Ok(([(header::CONTENT_TYPE, media_type)], Body::from_stream(body)).into_response())
}

/// What is still to be read.
struct Rest {
    archive: RequestArchive,
    asker: Asker,
    chosen: Arc<[Chosen]>,
    at: usize,
    writer: Arc<Writer>,
}

impl Rest {
    /// The next part, and what comes after it.
    async fn part(mut self) -> Result<(Vec<u8>, Option<Rest>), ApiError> {
        let (chosen, writer, at) = (Arc::clone(&self.chosen), Arc::clone(&self.writer), self.at);
        let read = move |history: &dyn History, wanted: Wanted<'_>| writer.part(history, wanted, &chosen, at);
        let (mut part, at) = self.archive.ask(self.asker, read).await?;
        self.at = at;
        self.archive = self.archive.going_on();
        if self.at == self.chosen.len() {
            part.extend(self.writer.tail());
            return Ok((part, None));
        }
        Ok((part, Some(self)))
    }
}

/// How the charts are written.
struct Writer {
    hub: Arc<Hub>,
    chart: Chart,
    times: Option<Times>,
    formulas: bool,
}

impl Writer {
    fn head(&self) -> Vec<u8> {
        match self.times {
            Some(_) => b"device,metric,start,count,mean,min,max,last\r\n".to_vec(),
            None => format!("{{\"rung_ms\":{},\"series\":[", self.chart.rung.width_ms()).into_bytes(),
        }
    }

    fn tail(&self) -> &'static [u8] {
        if self.times.is_some() { b"" } else { b"]}" }
    }

    fn part(
        &self,
        history: &dyn History,
        wanted: Wanted<'_>,
        chosen: &[Chosen],
        mut at: usize,
    ) -> Result<(Vec<u8>, usize), HistoryError> {
        let (mut part, began) = (Vec::new(), Instant::now());
        while at < chosen.len() && part.len() < PART_BYTES && began.elapsed() < PART_TIME {
            let Chart { from_ms, to_ms, rung } = self.chart;
            let (device, metric) = (Arc::clone(&chosen[at].device), Arc::clone(&chosen[at].metric));
            let answer = history.series(&SeriesQuery { device, metric, from_ms, to_ms, rung }, wanted)?;
            if at > 0 && self.times.is_none() {
                part.push(b',');
            }
            self.write(&chosen[at], answer, &mut part);
            at += 1;
        }
        Ok((part, at))
    }

    fn write(&self, of: &Chosen, answer: SeriesAnswer, part: &mut Vec<u8>) {
        let Some(times) = &self.times else {
            let version = answer.through.0;
            let through = self.hub.read(|views| StreamPosition { epoch: &views.epoch().name, version }.to_string());
            let listed = Listed { device: &of.device, metric: &of.metric, points: Points(answer.buckets), through };
            return serde_json::to_writer(part, &listed).expect("these structures have text keys, and a Vec takes all");
        };
        let [device, metric] = [&of.device, &of.metric].map(|name| text_field(name, self.formulas));
        for (start_ms, it) in answer.buckets {
            let (start, mean) = (times.field(start_ms), it.mean());
            write!(part, "{device},{metric},{start},{},{mean},{},{},{}\r\n", it.count, it.min, it.max, it.last)
                .expect("writing to a Vec never fails");
        }
    }
}
