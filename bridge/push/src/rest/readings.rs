use std::fmt;
use std::io::Write;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use tidegate_telemetry::Value;
use tidegate_telemetry::history::{ReadingsCursor, ReadingsPage, ReadingsQuery};

use super::archive::Archive;
use super::error::ApiError;
use super::parameters::Parameters;
use super::{Api, devices};

/// `GET /v1/readings`
pub async fn list(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let parameters = Parameters::of(&uri, &["device", "metric", "from", "to", "limit", "cursor"])?;
    let (from_ms, to_ms) = parameters.span(api.hub.now_ms())?;
    let from = parameters.cursor()?.map_or(ReadingsCursor::from(from_ms), |Next(from)| from);
    let as_csv = wants_csv(&headers);
    let (most, default) = match as_csv {
        true => (usize::MAX, usize::MAX),
        false => (api.config.page_max, api.config.page_default),
    };
    let limit = parameters.number("limit", 1..=most, default)?;
    let (device, metric) = api.hub.read(|views| devices::find_series(views, &parameters))?;
    let query = ReadingsQuery { device, metric, from, to_ms, limit };
    if as_csv { csv(&api, query).await } else { page(&api, query).await }
}

/// Raw readings of one metric.
#[derive(Serialize)]
struct Readings {
    device: Arc<str>,
    metric: Arc<str>,
    points: Points,
    next: Option<String>,
}

/// Where the next page begins, as text: a time, and after a point how many readings of that time there were already.
#[derive(Debug, PartialEq)]
struct Next(ReadingsCursor);

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ReadingsCursor { time_ms, skip: 0 } => write!(f, "{time_ms}"),
            ReadingsCursor { time_ms, skip } => write!(f, "{time_ms}.{skip}"),
        }
    }
}

impl FromStr for Next {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Next, ParseIntError> {
        let (time_ms, skip) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Next(ReadingsCursor { time_ms: time_ms.parse()?, skip: skip.parse()? }))
    }
}

async fn page(api: &Api, query: ReadingsQuery) -> Result<Response, ApiError> {
    let (device, metric) = (Arc::clone(&query.device), Arc::clone(&query.metric));
    let page = api.archive.ask(move |history| history.readings(&query)).await?;
    let next = page.next.map(|next| Next(next).to_string());
    Ok(Json(Readings { device, metric, points: Points(page.points), next }).into_response())
}

/// Streams page after page: neither a long span nor a slow client holds more than one page, or a turn at the history
/// for longer than one page takes. The first page is read before the status is sent.
async fn csv(api: &Api, query: ReadingsQuery) -> Result<Response, ApiError> {
    let mut rest = Rest { archive: api.archive.clone(), query: Some(query), page_points: api.config.page_max };
    let mut first = b"time,value\r\n".to_vec();
    first.extend(rest.next().await?.unwrap_or_default());
    let following = stream::try_unfold(rest, |mut rest| async move {
        let chunk = rest.next().await?;
        Ok::<_, ApiError>(chunk.map(|chunk| (Bytes::from(chunk), rest)))
    });
    let body = stream::StreamExt::chain(stream::iter([Ok(Bytes::from(first))]), following);
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], Body::from_stream(body)).into_response())
}

/// What is still to be read.
struct Rest {
    archive: Archive,
    query: Option<ReadingsQuery>,
    page_points: usize,
}

impl Rest {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        let Some(query) = self.query.take() else { return Ok(None) };
        let left = query.limit;
        let part = ReadingsQuery { limit: left.min(self.page_points), ..query.clone() };
        let ReadingsPage { points, next } = self.archive.ask(move |history| history.readings(&part)).await?;
        let limit = left.saturating_sub(points.len());
        self.query = next.filter(|_| limit > 0).map(|from| ReadingsQuery { from, limit, ..query });
        let mut lines = Vec::with_capacity(points.len() * 24);
        for (time_ms, value) in &points {
            write!(lines, "{time_ms},{}\r\n", field(value)).expect("writing to a Vec never fails");
        }
        Ok(Some(lines))
    }
}

/// A value as a field of CSV (RFC 4180): text is quoted when it has to be.
fn field(value: &Value) -> String {
    match value {
        Value::Text(text) if text.contains(['"', ',', '\r', '\n']) => format!("\"{}\"", text.replace('"', "\"\"")),
        other => other.to_string(),
    }
}

/// Whether CSV is wanted rather than JSON: it stands in `Accept` before JSON, if that is there at all.
fn wants_csv(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let mut types = accepted.flat_map(|accept| accept.split(',')).map(|one| one.split(';').next().unwrap_or("").trim());
    types.find(|one| matches!(*one, "text/csv" | "application/json")) == Some("text/csv")
}

/// Points as `[[ms, value], …]`.
struct Points(Vec<(i64, Value)>);

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut points = serializer.serialize_seq(Some(self.0.len()))?;
        for (time_ms, value) in &self.0 {
            match value {
                Value::Number(number) => points.serialize_element(&(time_ms, number))?,
                Value::Bool(on) => points.serialize_element(&(time_ms, on))?,
                Value::Text(text) => points.serialize_element(&(time_ms, text))?,
            }
        }
        points.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_only_when_it_has_to_be() {
        assert_eq!(field(&Value::Text("ON".into())), "ON");
        assert_eq!(field(&Value::Text("a,\"b\"".into())), "\"a,\"\"b\"\"\"");
        assert_eq!(field(&Value::Number(-0.1)), "-0.1");
        assert_eq!(field(&Value::Bool(true)), "true");
    }

    #[test]
    fn the_next_page_is_named_by_its_time_where_that_says_it() {
        for (text, time_ms, skip) in [("1704723845000", 1_704_723_845_000, 0), ("-5.999", -5, 999)] {
            let next = Next(ReadingsCursor { time_ms, skip });
            assert_eq!((next.to_string().as_str(), text.parse()), (text, Ok(next)));
        }
        assert!(["", ".", "5.", ".5", "5.-1", "5.1.1", "x"].iter().all(|text| text.parse::<Next>().is_err()));
    }

    #[test]
    fn json_is_answered_unless_csv_is_preferred() {
        let wants = |accept: &'static str| {
            wants_csv(&HeaderMap::from_iter([(header::ACCEPT, header::HeaderValue::from_static(accept))]))
        };
        assert!(wants("text/csv") && wants("text/csv;q=1, application/json;q=0.5") && wants("text/html, text/csv"));
        assert!(!wants("*/*") && !wants("application/json, text/csv") && !wants_csv(&HeaderMap::new()));
    }
}
