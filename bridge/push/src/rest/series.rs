use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidegate_buckets::Rung;
use tidegate_telemetry::history::{Across, SeriesQuery};
use tidegate_views::StreamPosition;

use super::many_series::{self, Chart, Points};
use super::parameters::Parameters;
use super::seam::ToldSeam;
use super::{Api, csv, lookup, selection};
use crate::archive::Asker;
use crate::error::ApiError;

/// A chart of one series.
#[derive(Debug, Serialize)]
struct Series {
    device: Arc<str>,
    metric: Arc<str>,
    rung_ms: i64,
    points: Points,
    /// A position, as the live protocol has it.
    through: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seam: Option<ToldSeam>,
}

/// `GET /v1/series`
///
/// A bucket has a minimum and a maximum, so one a pixel makes two points a pixel. One device and one metric are answered as
/// they are; several of them, or a group, as a list.
pub async fn chart(
    State(api): State<Arc<Api>>,
    asker: Asker,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let known = ["device", "metric", "group", "from", "to", "width", "format", "timezone"];
    let parameters = Parameters::with_several(&uri, &known, &["device", "metric"])?;
    let times = csv::wanted(&parameters, &headers)?;
    let chart = asked(&api, &parameters)?;
    let is_list = parameters.text("group").is_some();
    if !is_list {
        parameters.required("device")?;
    }
    parameters.required("metric")?;
    let is_list = is_list || parameters.all("device").count() > 1 || parameters.all("metric").count() > 1;
    if times.is_none() && !is_list {
        return one(&api, asker, &parameters, chart).await;
    }
    let chosen = selection::chosen(&api, asker, &parameters).await?;
    many_series::stream(&api, asker, chosen, chart, times).await
}

fn asked(api: &Api, parameters: &Parameters) -> Result<Chart, ApiError> {
    let (from_ms, to_ms) = parameters.span(api.hub.now_ms())?;
    let width = parameters.number("width", 1..=api.config.width_max, 800)?;
    let rung = Rung::for_span(to_ms.saturating_sub(from_ms), width);
    Ok(Chart {
        // Whole buckets: the first and the last would else lack what lies beyond the edge of the chart.
        from_ms: rung.start_ms(from_ms),
        to_ms: if from_ms < to_ms { -rung.start_ms(-to_ms) } else { rung.start_ms(from_ms) },
        rung,
    })
}

async fn one(api: &Api, asker: Asker, parameters: &Parameters, chart: Chart) -> Result<Response, ApiError> {
    let (device, metric) = api.hub.read(|views| lookup::find_series(views, parameters))?;
    let Chart { from_ms, to_ms, rung } = chart;
    let query = SeriesQuery { device: Arc::clone(&device), metric: Arc::clone(&metric), from_ms, to_ms, rung };
    let archive = api.archive.from(query.from_ms);
    let across = archive.ask(asker, move |history, wanted| history.series_across(&query, wanted)).await?;
    let Across { answer, seam } = across;
    let version = answer.through.0;
    let through = api.hub.read(|views| StreamPosition { epoch: &views.epoch().name, version }.to_string());
    let (points, seam) = (Points(answer.buckets), seam.map(ToldSeam::from));
    Ok(Json(Series { device, metric, rung_ms: rung.width_ms(), points, through, seam }).into_response())
}
