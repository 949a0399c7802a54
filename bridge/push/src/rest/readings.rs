use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use tidegate_lines::csv::field;
use tidegate_telemetry::Value;
use tidegate_telemetry::history::{Across, ReadingsCursor, ReadingsPage, ReadingsQuery, Seam};

use super::archive::RequestArchive;
use super::csv::{self, Times};
use super::numbers::digits;
use super::parameters::Parameters;
use super::seam::ToldSeam;
use super::{Api, lookup};
use crate::archive::Asker;
use crate::error::{ApiError, Kind};

/// What JavaScript counts exactly.
const POINTS_MAX: usize = (1 << 53) - 1;

/// Says of an answer that is no object where it is from.
const SEAM: HeaderName = HeaderName::from_static("tidegate-seam");

/// `GET /v1/readings`
pub async fn list(
    State(api): State<Arc<Api>>,
    asker: Asker,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let parameters =
        Parameters::of(&uri, &["device", "metric", "from", "to", "limit", "cursor", "format", "timezone"])?;
    let (from_ms, to_ms) = parameters.span(api.hub.now_ms())?;
    let from = parameters.cursor()?.map_or(ReadingsCursor::from(from_ms), |Next(from)| from);
    let times = csv::wanted(&parameters, &headers)?;
    let (most, default) = match times {
        Some(_) => (POINTS_MAX, POINTS_MAX),
        None => (api.config.page_max, api.config.page_default),
    };
    let limit = parameters.number("limit", 1..=POINTS_MAX, default)?.min(most);
    let (device, metric) = api.hub.read(|views| lookup::find_series(views, &parameters))?;
    let query = ReadingsQuery { device, metric, from, to_ms, limit };
    match times {
        Some(times) => stream_csv(&api, asker, query, times).await,
        None => page(&api, asker, query).await,
    }
}

/// Raw readings of one metric.
#[derive(Serialize)]
struct Readings {
    device: Arc<str>,
    metric: Arc<str>,
    points: Points,
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seam: Option<ToldSeam>,
}

/// Where the next page begins, as text: a time, and after a point how many readings of that time there were already.
#[derive(Debug, PartialEq)]
pub struct Next(pub ReadingsCursor);

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ReadingsCursor { time_ms, skip: 0 } => write!(f, "{time_ms}"),
            ReadingsCursor { time_ms, skip } => write!(f, "{time_ms}.{skip}"),
        }
    }
}

impl FromStr for Next {
    type Err = ();

    fn from_str(text: &str) -> Result<Next, ()> {
        let (time_ms, skip) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Next(ReadingsCursor { time_ms: digits(time_ms)?, skip: digits(skip)?.try_into().map_err(drop)? }))
    }
}

async fn page(api: &Api, asker: Asker, query: ReadingsQuery) -> Result<Response, ApiError> {
    let (device, metric) = (Arc::clone(&query.device), Arc::clone(&query.metric));
    let archive = api.archive.from(query.from.time_ms);
    let across = archive.ask(asker, move |history, wanted| history.readings_across(&query, wanted)).await?;
    let (page, seam) = (across.answer, across.seam.map(ToldSeam::from));
    let next = page.next.map(|next| Next(next).to_string());
    Ok(Json(Readings { device, metric, points: Points(page.points), next, seam }).into_response())
}

/// Streams page after page: neither a long span nor a slow client holds more than one page, or a turn at the history
/// for longer than one page takes. The first page is read before the status is sent.
async fn stream_csv(api: &Api, asker: Asker, query: ReadingsQuery, times: Times) -> Result<Response, ApiError> {
    let mut rest = Rest {
        archive: api.archive.clone(),
        asker,
        query: Some(query),
        page_points: api.config.page_max,
        times,
        formulas: api.config.csv_formulas,
        is_told: false,
    };
    let mut first = b"time,value\r\n".to_vec();
    let begun = rest.next().await?;
    let seam = begun.as_ref().and_then(|(_, seam)| seam.as_ref());
    rest.is_told = seam.is_some_and(|seam| seam.missing.is_some());
    let seam = seam.and_then(seam_header);
    first.extend(begun.map(|(lines, _)| lines).unwrap_or_default());
    let following = stream::try_unfold(rest, |mut rest| async move {
        let Some((chunk, seam)) = rest.next().await? else { return Ok(None) };
        match seam.and_then(|seam| seam.missing) {
            // The status says that all is well, and the head that nothing is missing: the client sees that it broke off.
            Some(why) if !rest.is_told => Err(ApiError::new(Kind::NotReady, &*why)),
            _ => Ok::<_, ApiError>(Some((Bytes::from(chunk), rest))),
        }
    });
    let body = stream::StreamExt::chain(stream::iter([Ok(Bytes::from(first))]), following);
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], Body::from_stream(body)).into_response();
    response.headers_mut().extend(seam.map(|seam| (SEAM, seam)));
    Ok(response)
}

/// A seam in one line, for whoever gets no object: Unix ms and whose the older part is, and why that is missing.
fn seam_header(seam: &Seam) -> Option<HeaderValue> {
    let Seam { at_ms, older, missing } = seam;
    let missing = missing.as_deref().map(|why| format!("; missing=\"{}\"", why.replace(['"', '\\'], "'")));
    let text = format!("{at_ms}; older={older}{}", missing.unwrap_or_default());
    HeaderValue::from_bytes(text.replace(char::is_control, " ").as_bytes()).ok()
}

/// What is still to be read.
struct Rest {
    archive: RequestArchive,
    asker: Asker,
    query: Option<ReadingsQuery>,
    page_points: usize,
    times: Times,
    formulas: bool,
    /// The head of the answer says that the older part is missing.
    is_told: bool,
}

impl Rest {
    async fn next(&mut self) -> Result<Option<(Vec<u8>, Option<Seam>)>, ApiError> {
        let Some(query) = self.query.take() else { return Ok(None) };
        let left = query.limit;
        let part = ReadingsQuery { limit: left.min(self.page_points), ..query.clone() };
        let archive = self.archive.from(part.from.time_ms);
        let page = archive.ask(self.asker, move |history, wanted| history.readings_across(&part, wanted));
        let Across { answer: ReadingsPage { points, next }, seam } = page.await?;
        self.archive = self.archive.going_on();
        let limit = left.saturating_sub(points.len());
        self.query = next.filter(|_| limit > 0).map(|from| ReadingsQuery { from, limit, ..query });
        let mut lines = Vec::with_capacity(points.len() * 24);
        for (time_ms, value) in &points {
            write!(lines, "{},{}\r\n", self.times.field(*time_ms), field(value, self.formulas))
                .expect("writing to a Vec never fails");
        }
        Ok(Some((lines, seam)))
    }
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
    fn the_next_page_is_named_by_its_time_where_that_says_it() {
        for (text, time_ms, skip) in [("1704723845000", 1_704_723_845_000, 0), ("-5.999", -5, 999)] {
            let next = Next(ReadingsCursor { time_ms, skip });
            assert_eq!((next.to_string().as_str(), text.parse()), (text, Ok(next)));
        }
        assert!(["", ".", "5.", ".5", "5.-1", "5.1.1", "x"].iter().all(|text| text.parse::<Next>().is_err()));
    }
}
