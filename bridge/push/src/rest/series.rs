use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use tidegate_buckets::Rung;
use tidegate_telemetry::history::{Across, SeriesQuery};
use tidegate_views::StreamPosition;

use super::parameters::Parameters;
use super::seam::ToldSeam;
use super::{Api, lookup};
use crate::archive::Asker;
use crate::error::ApiError;

/// A chart: start, count, mean, minimum, maximum, last.
#[derive(Debug, Serialize)]
pub struct Series {
    device: Arc<str>,
    metric: Arc<str>,
    rung_ms: i64,
    points: Vec<(i64, u64, f64, f64, f64, f64)>,
    /// A position, as the live protocol has it.
    through: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seam: Option<ToldSeam>,
}

/// `GET /v1/series`
///
/// A bucket has a minimum and a maximum, so one a pixel makes two points a pixel.
pub async fn chart(State(api): State<Arc<Api>>, asker: Asker, uri: Uri) -> Result<Json<Series>, ApiError> {
    let parameters = Parameters::of(&uri, &["device", "metric", "from", "to", "width"])?;
    let (from_ms, to_ms) = parameters.span(api.hub.now_ms())?;
    let width = parameters.number("width", 1..=api.config.width_max, 800)?;
    let (device, metric) = api.hub.read(|views| lookup::find_series(views, &parameters))?;
    let rung = Rung::for_span(to_ms.saturating_sub(from_ms), width);
    let query = SeriesQuery {
        device: Arc::clone(&device),
        metric: Arc::clone(&metric),
        // Whole buckets: the first and the last would else lack what lies beyond the edge of the chart.
        from_ms: rung.start_ms(from_ms),
        to_ms: if from_ms < to_ms { -rung.start_ms(-to_ms) } else { rung.start_ms(from_ms) },
        rung,
    };
    let archive = api.archive.from(query.from_ms);
    let across = archive.ask(asker, move |history, wanted| history.series_across(&query, wanted)).await?;
    let Across { answer, seam } = across;
    let points = answer.buckets.iter();
    let points = points.map(|(start, it)| (*start, it.count, it.mean(), it.min, it.max, it.last));
    let version = answer.through.0;
    let through = api.hub.read(|views| StreamPosition { epoch: &views.epoch().name, version }.to_string());
    Ok(Json(Series {
        device,
        metric,
        rung_ms: rung.width_ms(),
        points: points.collect(),
        through,
        seam: seam.map(ToldSeam::from),
    }))
}
