//! History as text, series after series.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tidegate_buckets::Rung;
use tidegate_lines::{Format, csv, line};
use tidegate_telemetry::Value;
use tidegate_telemetry::history::{ReadingsCursor, ReadingsPage, ReadingsQuery, SeriesQuery};
use tidegate_views::read::is_within;

use super::Api;
use super::archive::RequestArchive;
use super::parameters::Parameters;
use super::readings::Next;
use super::summaries;
use crate::archive::Asker;
use crate::error::ApiError;

/// Devices whose names are read under one lock.
const NAMES_AT_A_TIME: usize = 500;
/// The least time that a request can name (ECMAScript section "Time Values and Time Range"), Unix ms.
const FROM_MS_MIN: i64 = -8_640_000_000_000_000;
/// Where the next page begins.
const NEXT: HeaderName = HeaderName::from_static("tidegate-next");
/// Points of a page.
const POINTS: HeaderName = HeaderName::from_static("tidegate-points");

/// `GET /v1/export`
///
/// With `limit` a page, and in a header where the next one begins; without, everything, streamed page after page.
pub async fn stream(
    State(api): State<Arc<Api>>,
    asker: Asker,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let known = ["device", "group", "metric", "from", "to", "format", "resolution", "limit", "cursor"];
    let parameters = Parameters::of(&uri, &known)?;
    let format = wanted(&parameters, &headers)?;
    let from_ms = parameters.instant("from")?.unwrap_or(FROM_MS_MIN);
    let to_ms = parameters.instant("to")?.unwrap_or_else(|| api.hub.now_ms()).max(from_ms);
    let limit = match parameters.text("limit") {
        Some(_) => Some(parameters.number("limit", 1..=api.config.page_max, 1)?),
        None => None,
    };
    let cursor = parameters.cursor::<Place>()?;
    let rung = match parameters.text("resolution") {
        Some(text) => Some(summaries::rung(text).ok_or_else(|| {
            ApiError::parameter("resolution", format!("resolution={text:?} is none of 1s, 10s, 1m, 10m, 1h, 1d"))
        })?),
        None => None,
    };
    let head = if rung.is_some() { summaries::HEAD } else { csv::HEAD };
    let mut first = if format == Format::Csv && cursor.is_none() { head.as_bytes().to_vec() } else { Vec::new() };
    let series = selected(&api, asker, &parameters, cursor.as_ref()).await?;
    let begins = cursor.map_or(ReadingsCursor::from(from_ms), |place| place.from);
    let page_points = api.config.page_max;
    let mut rest =
        Rest { archive: api.archive.clone(), asker, format, rung, from_ms, to_ms, series, at: 0, begins, page_points };
    let media_type = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::LineProtocol => "text/plain; charset=utf-8",
    };
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    let Some(limit) = limit else {
        first.extend(rest.next(page_points).await?.map(|(lines, _)| lines).unwrap_or_default());
        let following = stream::try_unfold(rest, |mut rest| async move {
            let lines = rest.next(rest.page_points).await?;
            Ok::<_, ApiError>(lines.map(|(lines, _)| (Bytes::from(lines), rest)))
        });
        let body = stream::iter([Ok(Bytes::from(first))]).chain(following);
        return Ok(([media_type], Body::from_stream(body)).into_response());
    };
    let mut left = limit;
    while left > 0
        && let Some((lines, points)) = rest.next(left).await?
    {
        first.extend(lines);
        left -= points;
    }
    let mut answer = ([media_type], first).into_response();
    answer.headers_mut().insert(POINTS, HeaderValue::from(limit - left));
    if let Some(place) = rest.place() {
        let place = HeaderValue::try_from(place.to_string()).expect("it is ASCII");
        answer.headers_mut().insert(NEXT, place);
    }
    Ok(answer)
}

/// `format` says it, else that the line protocol stands in `Accept`; else CSV.
fn wanted(parameters: &Parameters, headers: &HeaderMap) -> Result<Format, ApiError> {
    match parameters.text("format") {
        Some("csv") => Ok(Format::Csv),
        Some("line-protocol") => Ok(Format::LineProtocol),
        Some(other) => Err(ApiError::parameter("format", format!("format={other:?} is none of csv, line-protocol"))),
        None => {
            let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
            let mut types = accepted.flat_map(|accept| accept.split(','));
            let of = |one: &str| matches!(one.split(';').next().unwrap_or("").trim(), "text/plain" | "text/csv");
            let first = types.find(|one| of(one)).unwrap_or("text/csv");
            Ok(if first.trim().starts_with("text/plain") { Format::LineProtocol } else { Format::Csv })
        }
    }
}

/// A series that is wanted.
struct Series {
    device: Arc<str>,
    group: Arc<str>,
    metric: Arc<str>,
}

/// The series that are wanted from a place on, by device and metric in order; also of devices long gone, whose group nobody knows
/// any more.
async fn selected(
    api: &Api,
    asker: Asker,
    parameters: &Parameters,
    from: Option<&Place>,
) -> Result<Vec<Series>, ApiError> {
    let of = |name: &str| parameters.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let (device, group, metric) = (of("device"), of("group"), of("metric"));
    let begins = from.map_or_else(Default::default, |place| (place.device.clone(), place.metric.clone()));
    let mut found: BTreeMap<(Arc<str>, Arc<str>), Arc<str>> = BTreeMap::new();
    let mut before = 0;
    loop {
        let names = api.archive.ask(asker, move |history, _| Ok(history.names(before, NAMES_AT_A_TIME))).await?;
        if names.is_empty() {
            break;
        }
        before += names.len();
        for (id, metrics) in names {
            let group_of = api.hub.read(|views| views.group_of(&id).cloned());
            let in_group =
                group.as_deref().is_none_or(|of| group_of.as_deref().is_some_and(|path| is_within(path, of)));
            if in_group && device.as_deref().is_none_or(|device| device == &*id) {
                let group_of = group_of.unwrap_or_default();
                let metrics =
                    metrics.into_iter().filter(|name| metric.as_deref().is_none_or(|metric| metric == &**name));
                let series = metrics.map(|name| ((id.clone(), name), group_of.clone()));
                found.extend(series.filter(|(name, _)| *name >= begins));
            }
        }
    }
    let mut series: Vec<Series> =
        found.into_iter().map(|((device, metric), group)| Series { device, group, metric }).collect();
    // The place is within the first one, unless that is gone: then the next one begins at its beginning.
    if let Some((place, first)) = from.zip(series.first())
        && (&place.device, &place.metric) != (&first.device, &first.metric)
    {
        let (device, metric) = (place.device.clone(), place.metric.clone());
        series.insert(0, Series { device, group: Arc::default(), metric });
    }
    Ok(series)
}

/// Lines, of how many points they are, and where it goes on.
type Lines = (Vec<u8>, usize, Option<ReadingsCursor>);

/// What is still to be read.
struct Rest {
    archive: RequestArchive,
    asker: Asker,
    format: Format,
    /// Summaries of this width, instead of readings.
    rung: Option<Rung>,
    from_ms: i64,
    to_ms: i64,
    series: Vec<Series>,
    /// The number of the series at hand.
    at: usize,
    /// Where it goes on.
    begins: ReadingsCursor,
    page_points: usize,
}

impl Rest {
    /// The next lines, of up to so many points of one series, and of how many they are; `None`: that was all.
    async fn next(&mut self, points_max: usize) -> Result<Option<(Vec<u8>, usize)>, ApiError> {
        while let Some(series) = self.series.get(self.at) {
            let limit = points_max.min(self.page_points);
            let (lines, points, next) = match self.rung {
                Some(rung) => self.summaries(series, rung, limit).await?,
                None => self.readings(series, limit).await?,
            };
            match next {
                Some(next) => self.begins = next,
                None => {
                    self.at += 1;
                    self.begins = self.from_ms.into();
                }
            }
            if points > 0 {
                self.archive = self.archive.going_on();
                return Ok(Some((lines, points)));
            }
        }
        Ok(None)
    }

    async fn readings(&self, series: &Series, limit: usize) -> Result<Lines, ApiError> {
        let begins = self.begins;
        let (device, metric) = (series.device.clone(), series.metric.clone());
        let query = ReadingsQuery { device, metric, from: begins, to_ms: self.to_ms, limit };
        let page = self.archive.ask(self.asker, move |history, wanted| history.readings(&query, wanted));
        let ReadingsPage { points, next } = page.await?;
        let lines = match self.format {
            Format::Csv => csv_lines(series, &points),
            Format::LineProtocol => protocol_lines(series, begins, &points),
        };
        Ok((lines, points.len(), next))
    }

    /// Of whole buckets: the first and the last would else lack what lies beyond the edge.
    async fn summaries(&self, series: &Series, rung: Rung, limit: usize) -> Result<Lines, ApiError> {
        let (from_ms, to_ms) = (rung.start_ms(self.begins.time_ms), -rung.start_ms(-self.to_ms));
        let (device, metric) = (series.device.clone(), series.metric.clone());
        let query = SeriesQuery { device, metric, from_ms, to_ms, rung };
        let page = self.archive.ask(self.asker, move |history, wanted| summaries::page(history, &query, limit, wanted));
        let (buckets, next) = page.await?;
        let names = [&*series.device, &*series.group, &*series.metric];
        let lines = match self.format {
            Format::Csv => summaries::csv_lines(names, &buckets),
            Format::LineProtocol => summaries::protocol_lines(names, &buckets),
        };
        Ok((lines, buckets.len(), next.map(ReadingsCursor::from)))
    }

    fn place(&self) -> Option<Place> {
        let Series { device, metric, .. } = self.series.get(self.at)?;
        Some(Place { from: self.begins, device: device.clone(), metric: metric.clone() })
    }
}

fn csv_lines(series: &Series, points: &[(i64, Value)]) -> Vec<u8> {
    let head = csv::series(&series.device, &series.group, &series.metric);
    let mut lines = String::with_capacity(points.len() * (head.len() + 32));
    points.iter().for_each(|(time_ms, value)| csv::reading(&head, *time_ms, value, &mut lines));
    lines.into_bytes()
}

/// What is of one millisecond differs by nanoseconds, in the order in which it came: else InfluxDB keeps the last alone.
fn protocol_lines(series: &Series, begins: ReadingsCursor, points: &[(i64, Value)]) -> Vec<u8> {
    let head = line::head("%m", &line::tags(&series.device, &series.group), &series.metric);
    let (mut lines, mut tied_ms, mut rank) = (String::with_capacity(points.len() * (head.len() + 40)), None, 0);
    for (time_ms, value) in points {
        if tied_ms != Some(*time_ms) {
            rank = if *time_ms == begins.time_ms { begins.skip as i64 } else { 0 };
            tied_ms = Some(*time_ms);
        }
        lines += &head;
        lines.push(' ');
        line::field(value, &mut lines);
        lines += &format!(" {}\n", time_ms.saturating_mul(1_000_000).saturating_add(rank));
        rank += 1;
    }
    lines.into_bytes()
}

/// Where an export goes on.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    device: Arc<str>,
    metric: Arc<str>,
    from: ReadingsCursor,
}

/// Text of a restricted alphabet: it goes through headers, queries and shells as it is.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Next(self.from))?;
        [&self.device, &self.metric].into_iter().try_for_each(|name| {
            f.write_str("~")?;
            name.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
        })
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Place, ()> {
        let mut parts = text.split('~');
        let mut part = || parts.next().ok_or(());
        let Next(from) = part()?.parse()?;
        let (device, metric) = (name(part()?)?, name(part()?)?);
        if parts.next().is_some() { Err(()) } else { Ok(Place { device, metric, from }) }
    }
}

/// A name in two digits a byte.
fn name(digits: &str) -> Result<Arc<str>, ()> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [b'0'..=b'9' | b'a'..=b'f', b'0'..=b'9' | b'a'..=b'f'] => {
            let digits = std::str::from_utf8(pair).map_err(drop)?;
            u8::from_str_radix(digits, 16).map_err(drop)
        }
        _ => Err(()),
    };
    let bytes: Vec<u8> = pairs.map(byte).collect::<Result<_, ()>>()?;
    if bytes.is_empty() { Err(()) } else { Ok(String::from_utf8_lossy(&bytes).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place =
            Place { device: "site/a b".into(), metric: "t,=\"".into(), from: ReadingsCursor { time_ms: 7, skip: 2 } };
        assert_eq!(place.to_string().parse(), Ok(place));
        assert!(
            ["", "5", "5~61", "5~61~6", "5~61~", "5~61~62~63", "5~6G~61"]
                .iter()
                .all(|text| text.parse::<Place>().is_err())
        );
    }

    #[test]
    fn values_of_one_millisecond_have_nanoseconds_of_their_own_also_across_pages() {
        let series = Series { device: "d".into(), group: "".into(), metric: "m".into() };
        let points = [5, 5, 6].map(|time_ms| (time_ms, Value::Number(1.0)));
        let lines = |begins| String::from_utf8(protocol_lines(&series, begins, &points)).unwrap_or_default();
        let whole = lines(0.into());
        assert_eq!(whole, "m,device=d value=1 5000000\nm,device=d value=1 5000001\nm,device=d value=1 6000000\n");
        assert!(lines(ReadingsCursor { time_ms: 5, skip: 3 }).starts_with("m,device=d value=1 5000003\n"));
    }
}
