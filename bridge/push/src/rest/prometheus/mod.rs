//! The HTTP API of Prometheus (its documentation, "HTTP API", version 1), as far as Grafana and `promtool` ask it, so that
//! they read history without a plugin.
//!
//! - [`request`]: what is asked for, and the times; [`names`]: series by their labels; [`answer`]: what is sent back
//! - what a question says and means is in the crate `tidegate_promql`

mod answer;
mod names;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use tidegate_promql::labels::Matcher;
use tidegate_promql::source::Series;
use tidegate_promql::{Limits, QueryError, Range, evaluate, parse, parse_selector};
use tidegate_telemetry::History;
use tidegate_telemetry::history::Wanted;

use super::Api;
use crate::archive::Asker;
use answer::{Evaluated, Refused, success};
use names::{Names, Readable};
use request::Asked;

/// Steps of a range at most, as in Prometheus.
const STEPS_MAX: usize = 11_000;

/// What stands below `/prometheus`.
pub fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/prometheus/api/v1/query", get(moment).post(moment))
        .route("/prometheus/api/v1/query_range", get(range).post(range))
        .route("/prometheus/api/v1/series", get(series).post(series))
        .route("/prometheus/api/v1/labels", get(labels).post(labels))
        .route("/prometheus/api/v1/label/{name}/values", get(label_values))
        .route("/prometheus/api/v1/metadata", get(metadata))
        .route("/prometheus/api/v1/status/buildinfo", get(build))
}

/// `query`: one moment.
async fn moment(State(api): State<Arc<Api>>, asker: Asker, asked: Asked) -> Result<Response, Refused> {
    let at_ms = asked.time("time")?.unwrap_or_else(|| api.hub.now_ms());
    answered(&api, asker, &asked, Range::at(at_ms), true).await
}

/// `query_range`: steps.
async fn range(State(api): State<Arc<Api>>, asker: Asker, asked: Asked) -> Result<Response, Refused> {
    let (Some(start_ms), Some(end_ms)) = (asked.time("start")?, asked.time("end")?) else {
        return Err(Refused::parameter("start and end are needed: Unix seconds or RFC 3339"));
    };
    let step_ms = asked.step()?;
    if end_ms < start_ms {
        return Err(Refused::parameter("end is before start"));
    }
    let range = Range { start_ms, end_ms, step_ms };
    if range.len() > STEPS_MAX {
        let steps = range.len();
        return Err(Refused::parameter(format!(
            "{steps} steps are more than {STEPS_MAX}: ask for longer steps or a shorter span"
        )));
    }
    answered(&api, asker, &asked, range, false).await
}

async fn answered(api: &Api, asker: Asker, asked: &Asked, range: Range, at_once: bool) -> Result<Response, Refused> {
    let expression = parse(asked.required("query")?)?;
    let limits = limits(api, asked)?;
    let groups = names::groups(&api.hub);
    let answer = api.archive.ask(asker, move |history, wanted| {
        let names = Names::of(history, &groups);
        let answer = evaluate(&expression, &Readable { names: &names, history, wanted }, range, limits);
        match answer {
            Err(QueryError::Withdrawn) => Err(tidegate_telemetry::HistoryError::Withdrawn),
            answer => Ok(answer),
        }
    });
    Ok(success(&Evaluated { answer: &answer.await??, range, at_once }))
}

fn limits(api: &Api, asked: &Asked) -> Result<Limits, Refused> {
    let config = &api.config.prometheus;
    let lookback_ms = asked.duration("lookback_delta")?.unwrap_or(config.lookback_ms);
    let (series_max, points_max, values_max) = (config.series_max, config.points_max, config.values_max);
    Ok(Limits { lookback_ms, series_max, points_max, values_max })
}

/// Looks at the series that fit one of the request's selectors, all without one.
async fn of_series<T: Send + 'static>(
    api: &Api,
    asker: Asker,
    asked: &Asked,
    look: impl FnOnce(&[&Series]) -> T + Send + 'static,
) -> Result<T, Refused> {
    let selectors: Vec<Vec<Matcher>> = asked.all("match[]").map(parse_selector).collect::<Result<_, _>>()?;
    let groups = names::groups(&api.hub);
    let question = move |history: &dyn History, _: Wanted<'_>| {
        let names = Names::of(history, &groups);
        let fits =
            |series: &&Series| selectors.is_empty() || selectors.iter().any(|matchers| names::fits(series, matchers));
        let chosen: Vec<&Series> = names.series.iter().filter(fits).collect();
        Ok(look(&chosen))
    };
    Ok(api.archive.ask(asker, question).await?)
}

/// `series`: labels of each.
async fn series(State(api): State<Arc<Api>>, asker: Asker, asked: Asked) -> Result<Response, Refused> {
    asked.required("match[]")?;
    let limit = api.config.prometheus.series_max;
    let labels = |series: &[&Series]| series.iter().map(|series| answer::labels(&series.labels)).collect::<Vec<_>>();
    let labels = of_series(&api, asker, &asked, labels).await?;
    if labels.len() > limit {
        let count = labels.len();
        return Err(Refused::parameter(format!(
            "the selectors choose {count} series, more than the {limit} that one request may \
             (`prometheus.series_max`): select fewer by their labels"
        )));
    }
    Ok(success(&labels))
}

/// `labels`: which there are.
async fn labels(State(api): State<Arc<Api>>, asker: Asker, asked: Asked) -> Result<Response, Refused> {
    let names = |series: &[&Series]| {
        let names = series.iter().flat_map(|series| series.labels.iter()).map(|(name, _)| name.to_owned());
        names.collect::<BTreeSet<_>>()
    };
    Ok(success(&of_series(&api, asker, &asked, names).await?))
}

/// `label/…/values`: which a label has.
async fn label_values(
    State(api): State<Arc<Api>>,
    axum::extract::Path(label): axum::extract::Path<String>,
    asker: Asker,
    asked: Asked,
) -> Result<Response, Refused> {
    let values = move |series: &[&Series]| {
        let values = series.iter().map(|series| series.labels.get(&label)).filter(|value| !value.is_empty());
        values.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    Ok(success(&of_series(&api, asker, &asked, values).await?))
}

/// `metadata`: the unit of each metric. Whether it is a counter nobody has said.
async fn metadata(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let units = names::units(&api.hub);
    let wanted = asked.first("metric");
    let limit = asked.first("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    let described: BTreeMap<String, _> = units
        .iter()
        .map(|(metric, unit)| (names::sanitized(metric), [json!({ "type": "gauge", "help": "", "unit": unit })]))
        .filter(|(metric, _)| wanted.is_none_or(|wanted| wanted == metric))
        .take(limit)
        .collect();
    success(&described)
}

/// `status/buildinfo`: by its version Grafana chooses what it asks for.
async fn build() -> Response {
    success(&json!({ "application": "Tidegate", "version": "2.42.0", "tidegate": env!("CARGO_PKG_VERSION") }))
}
