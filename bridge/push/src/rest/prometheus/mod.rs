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
use tidegate_promql::labels::Labels;
use tidegate_promql::source::Series;
use tidegate_promql::{Limits, QueryError, Range, TextLimits, evaluate, parse, parse_selector};
use tidegate_settings::millis;
use tidegate_telemetry::history::Wanted;
use tidegate_telemetry::{History, HistoryError};

use super::Api;
use crate::archive::Asker;
use crate::config::PrometheusConfig;
use answer::{Evaluated, Named, Refused, success};
use names::Readable;
use request::Asked;

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
    let (steps, most) = (range.len(), api.config.prometheus.steps_max);
    if steps > most {
        let detail = format!(
            "{steps} steps are more than {most} (`prometheus.steps_max`): ask for longer steps or a shorter span"
        );
        return Err(Refused::too_much("prometheus.steps_max", detail));
    }
    answered(&api, asker, &asked, range, false).await
}

async fn answered(api: &Api, asker: Asker, asked: &Asked, range: Range, at_once: bool) -> Result<Response, Refused> {
    let question = asked.required("query")?.to_owned();
    let (limits, text_limits) = (limits(api, asked)?, text_limits(&api.config.prometheus));
    let hub = Arc::clone(&api.hub);
    // Patterns take time to be compiled, so that is done in its turn too.
    let answer = api.archive.ask(asker, move |history, wanted| {
        let source = Readable { hub: &hub, history, wanted };
        let answer = parse(&question, text_limits).and_then(|expression| evaluate(&expression, &source, range, limits));
        match answer {
            Err(QueryError::Withdrawn) => Err(HistoryError::Withdrawn),
            answer => Ok(answer),
        }
    });
    Ok(success(&Evaluated { answer: &answer.await??, range, at_once }))
}

fn limits(api: &Api, asked: &Asked) -> Result<Limits, Refused> {
    let config = &api.config.prometheus;
    let lookback_ms = asked.duration("lookback_delta")?.unwrap_or_else(|| millis(config.lookback));
    let (series_max, points_max, values_max) = (config.series_max, config.points_max, config.values_max);
    Ok(Limits { lookback_ms, series_max, points_max, values_max })
}

fn text_limits(config: &PrometheusConfig) -> TextLimits {
    let PrometheusConfig { text_bytes_max, nesting_max, operators_max, patterns_max, pattern_bytes_max, .. } = *config;
    TextLimits { text_bytes_max, nesting_max, operators_max, patterns_max, pattern_bytes_max }
}

/// What a look at each series made of those that fit one of the request's selectors, or of all without one.
async fn of_series<T: Default + Send + 'static>(
    api: &Api,
    asker: Asker,
    asked: &Asked,
    look: impl Fn(&mut T, Series) + Send + 'static,
) -> Result<T, Refused> {
    let selectors: Vec<String> = asked.all("match[]").map(str::to_owned).collect();
    let most = api.config.prometheus.selectors_max;
    if selectors.len() > most {
        let detail = format!("match[] is there more than {most} times (`prometheus.selectors_max`)");
        return Err(Refused::too_much("prometheus.selectors_max", detail));
    }
    let limits = text_limits(&api.config.prometheus);
    let hub = Arc::clone(&api.hub);
    let question = move |history: &dyn History, wanted: Wanted<'_>| {
        let selectors: Result<Vec<_>, _> = selectors.iter().map(|selector| parse_selector(selector, limits)).collect();
        let mut selectors = match selectors {
            Ok(selectors) => selectors,
            Err(error) => return Ok(Err(error)),
        };
        if selectors.is_empty() {
            selectors.push(Vec::new());
        }
        let mut made = T::default();
        for matchers in &selectors {
            Readable { hub: &hub, history, wanted }.each(matchers, |series| look(&mut made, series))?;
        }
        Ok(Ok(made))
    };
    Ok(api.archive.ask(asker, question).await??)
}

/// `series`: labels of each.
async fn series(State(api): State<Arc<Api>>, asker: Asker, asked: Asked) -> Result<Response, Refused> {
    asked.required("match[]")?;
    let limit = api.config.prometheus.series_max;
    let labels = move |known: &mut BTreeSet<Labels>, series: Series| {
        if known.len() <= limit {
            known.insert(series.labels);
        }
    };
    let known = of_series(&api, asker, &asked, labels).await?;
    if known.len() > limit {
        let detail = format!(
            "the selectors choose more than the {limit} series that one request may (`prometheus.series_max`): select \
             fewer by their labels"
        );
        return Err(Refused::too_much("prometheus.series_max", detail));
    }
    Ok(success(&known.iter().map(Named).collect::<Vec<_>>()))
}

/// `labels`: which there are.
async fn labels(State(api): State<Arc<Api>>, asker: Asker, asked: Asked) -> Result<Response, Refused> {
    let names = |names: &mut BTreeSet<String>, series: Series| {
        for (name, _) in series.labels.iter().filter(|(name, _)| !names.contains(*name)).collect::<Vec<_>>() {
            names.insert(name.to_owned());
        }
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
    let values = move |values: &mut BTreeSet<String>, series: Series| {
        let value = series.labels.get(&label);
        if !value.is_empty() && !values.contains(value) {
            values.insert(value.to_owned());
        }
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
