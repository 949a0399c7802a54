//! Readings of before, brought as text: they enter by the log, as entries of their own.
//!
//! - [`mapping`]: which reading a line means; [`batches`]: entries of them

mod batches;
mod mapping;

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use metrics::counter;
use serde::Serialize;
use tidegate_lines::{Format, Naming};
use tidegate_telemetry::Import;
use tokio::sync::mpsc;

use super::parameters::Parameters;
use super::{Api, intent};
use crate::archive::Asker;
use crate::error::ApiError;
use batches::{Batches, Bounds};
use mapping::{Mapping, Precision};

/// Entries that are read while those before are on their way.
const ENTRIES_READ_AHEAD: usize = 4;
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
    /// How many more of them there are than are told.
    flawed_more: u64,
    /// Tags that are no part of a device's name: series that differ in them alone became one.
    tags_left_out: Vec<String>,
    /// Bytes that a body may have.
    body_bytes_max: usize,
}

impl Imported {
    fn count(&self) {
        let flawed = self.flawed.len() as u64 + self.flawed_more;
        for (outcome, points) in
            [("taken", self.points), ("too_old", self.too_old), ("refused", self.refused), ("flawed", flawed)]
        {
            counter!("tidegate_import_points_total", "outcome" => outcome).increment(points);
        }
    }
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
    asker: Asker,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Imported>, ApiError> {
    let known = ["format", "device", "metric", "device_tag", "group_tag", "precision", "first_line"];
    let parameters = Parameters::of(&uri, &known)?;
    let mapping = mapping(&parameters, &headers)?;
    let _turn = api.imports.take(asker).await?;
    let body = intent::body_within(&api, body, "http.import_body_bytes_max", api.config.import_body_bytes_max).await?;
    let now_ms = api.hub.now_ms();
    let (kept_from_ms, kept_by) = api.archive.keeps_from_ms(now_ms);
    let bounds = Bounds {
        now_ms,
        kept_from_ms,
        ahead_ms: now_ms.saturating_add(i64::try_from(api.config.import_ahead_max.as_millis()).unwrap_or(i64::MAX)),
        entry_points: api.config.import_entry_points.max(1),
        text_bytes_max: api.config.import_text_bytes_max,
        flaws_told_max: api.config.import_flaws_told_max,
    };
    let (sender, entries) = mpsc::channel(ENTRIES_READ_AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        let mut batches = Batches::new(bounds, move |entry| sender.blocking_send(entry).is_ok());
        mapping.read(&body, &mut batches).map(|()| batches.end())
    });
    let refused = entered(&api, entries).await?;
    let read = reading.await.unwrap_or_else(|_| Err("reading the lines was broken off".to_owned()));
    let mut imported = read.map_err(|flaw| intent::invalid(&flaw, EXPECTED))?;
    (imported.kept_from, imported.kept_by) = (kept_from_ms, kept_by);
    (imported.points, imported.refused) = (imported.points.saturating_sub(refused), refused);
    imported.body_bytes_max = api.config.import_body_bytes_max;
    imported.count();
    Ok(Json(imported))
}

/// Has the log take entries as they are read, a few ahead of what is on disk and applied; how many of their points were
/// refused.
async fn entered(api: &Api, mut entries: mpsc::Receiver<Import>) -> Result<u64, ApiError> {
    let (mut under_way, mut refused) = (VecDeque::new(), 0);
    while let Some(entry) = entries.recv().await {
        let series: Vec<_> = series_of(&entry).collect();
        under_way.push_back((Box::pin(intent::import(api, entry)), series));
        if under_way.len() >= api.config.import_entries_ahead.max(1)
            && let Some((first, series)) = under_way.pop_front()
        {
            first.await?;
            refused += points_refused(api, &series);
        }
    }
    for (entry, series) in under_way {
        entry.await?;
        refused += points_refused(api, &series);
    }
    Ok(refused)
}

type SeriesPoints = (Arc<str>, Arc<str>, u64);

fn series_of(import: &Import) -> impl Iterator<Item = SeriesPoints> {
    import.series.iter().map(|series| (series.device.clone(), series.metric.clone(), series.points.len() as u64))
}

/// Points of devices and metrics for which there was no room.
fn points_refused(api: &Api, series: &[SeriesPoints]) -> u64 {
    let refused = |views: &tidegate_views::Views| {
        series.iter().filter(|(device, metric, _)| !views.has_metric(device, metric)).map(|(.., points)| points).sum()
    };
    api.hub.read(refused)
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
    let (device, device_tags, group_tag) = (of("device"), of("device_tag"), of("group_tag"));
    Ok(Mapping {
        format,
        naming: Naming::of(device.as_deref(), device_tags.as_deref(), group_tag.as_deref()),
        metric: of("metric"),
        precision,
        first_line: parameters.number("first_line", 1..=u64::MAX >> 11, 1)?,
    })
}
