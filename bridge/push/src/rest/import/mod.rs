//! Readings of before, brought as text: they enter by the log, as entries of their own.
//!
//! - [`mapping`]: which reading a line means; [`batches`]: entries of them

mod batches;
mod mapping;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use serde::Serialize;
use tidegate_lines::Format;
use tidegate_telemetry::Import;
use tidegate_views::read::Lookup;

use super::parameters::Parameters;
use super::{Api, intent};
use crate::error::ApiError;
use batches::Batches;
use mapping::{Mapping, Precision};

/// Times may be so far ahead of now, ms: as the clocks of two machines are.
const AHEAD_MAX_MS: i64 = 60_000;
const EXPECTED: &str = "send lines of CSV (format=csv) or of the line protocol (format=line-protocol), as UTF-8";

/// What became of the lines.
#[derive(Debug, Default, Serialize)]
pub struct Imported {
    /// Points that history has now, also those that it had.
    points: u64,
    /// Points of before what history keeps: they are not taken.
    too_old: u64,
    /// Where what history keeps begins, Unix ms.
    kept_from: i64,
    /// The key of the configuration that says so.
    kept_by: &'static str,
    /// Points of devices and metrics for which there is no room.
    refused: u64,
    /// Integers that binary64 does not hold: taken as the nearest number.
    not_exact: u64,
    /// Lines, and values of lines, that were not taken.
    flawed: Vec<Flaw>,
    /// Tags that are no part of a device's name: series that differ in them alone became one.
    tags_left_out: Vec<String>,
}

/// What is wrong with a line.
#[derive(Debug, Serialize)]
struct Flaw {
    line: u64,
    /// For people: what, and what to do.
    flaw: String,
}

/// `POST /v1/import`
///
/// Answered once it is on disk and applied. To bring the same again changes nothing.
pub async fn take(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Imported>, ApiError> {
    let known = ["format", "device", "metric", "device_tag", "group_tag", "precision", "first_line"];
    let parameters = Parameters::of(&uri, &known)?;
    let mapping = mapping(&parameters, &headers)?;
    let body = intent::body(&api, body).await?;
    let now_ms = api.hub.now_ms();
    let (kept_from, kept_by) = api.archive.keeps_from_ms(now_ms);
    let reading = move || {
        let mut batches = Batches::new(now_ms, kept_from, now_ms.saturating_add(AHEAD_MAX_MS));
        mapping.read(&body, &mut batches).map(|()| batches.end())
    };
    let read = tokio::task::spawn_blocking(reading).await;
    let read = read.unwrap_or_else(|_| Err("reading the lines was broken off".to_owned()));
    let (entries, mut imported) = read.map_err(|flaw| intent::invalid(&flaw, EXPECTED))?;
    (imported.kept_from, imported.kept_by) = (kept_from, kept_by);
    if !entries.is_empty() {
        let series: Vec<_> = entries.iter().flat_map(series_of).collect();
        intent::import(&api, entries).await?;
        for (device, metric, points) in series {
            if !api.hub.read(|views| is_known(views, &device, &metric)) {
                imported.points -= points;
                imported.refused += points;
            }
        }
    }
    Ok(Json(imported))
}

fn series_of(import: &Import) -> impl Iterator<Item = (Arc<str>, Arc<str>, u64)> {
    import.series.iter().map(|series| (series.device.clone(), series.metric.clone(), series.points.len() as u64))
}

fn is_known(views: &tidegate_views::Views, device: &str, metric: &str) -> bool {
    let Lookup::Unique(known) = views.device(device) else { return false };
    *known.id == *device && known.metrics.0.iter().any(|(name, _)| **name == *metric)
}

fn mapping(parameters: &Parameters, headers: &HeaderMap) -> Result<Mapping, ApiError> {
    let format = match parameters.text("format") {
        Some("csv") => Format::Csv,
        Some("line-protocol") => Format::LineProtocol,
        Some(other) => {
            return Err(ApiError::parameter("format", format!("format={other:?} is none of csv, line-protocol")));
        }
        None if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/csv")) => {
            Format::Csv
        }
        None => Format::LineProtocol,
    };
    let precision = parameters.text("precision").unwrap_or("ns");
    let precision = Precision::of(precision)
        .ok_or_else(|| ApiError::parameter("precision", format!("precision={precision:?} is none of ns, us, ms, s")))?;
    let of = |name: &str| parameters.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let device_tags = of("device_tag").unwrap_or_else(|| "device".to_owned());
    Ok(Mapping {
        format,
        device: of("device"),
        metric: of("metric"),
        device_tags: device_tags.split(',').map(str::to_owned).collect(),
        group_tag: of("group_tag").unwrap_or_else(|| "group".to_owned()),
        precision,
        first_line: parameters.number("first_line", 1..=u64::MAX >> 11, 1)?,
    })
}
