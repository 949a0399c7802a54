//! When a switch was on.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidegate_buckets::Rung;
use tidegate_telemetry::Value;
use tidegate_telemetry::history::{ReadingsCursor, ReadingsPage, ReadingsQuery, SeriesQuery};

use super::csv::{self, Times};
use super::parameters::Parameters;
use super::{Api, lookup};
use crate::archive::Asker;
use crate::error::{ApiError, Kind};

/// How far before the window is looked for how the switch stood when it began, ms.
const BEFORE_MS: i64 = 31 * 86_400_000;

/// When a switch was on within a window. It stays as it was until it says otherwise.
#[derive(Debug, Serialize)]
pub struct Periods {
    device: Arc<str>,
    metric: Arc<str>,
    from: i64,
    to: i64,
    count: u64,
    total_ms: i64,
    periods: VecDeque<Period>,
}

/// One of them; what lies beyond the window is `null`, and not counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Period {
    start: Option<i64>,
    end: Option<i64>,
    duration_ms: i64,
}

/// `GET /v1/periods`
pub async fn list(
    State(api): State<Arc<Api>>,
    asker: Asker,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let parameters = Parameters::of(&uri, &["device", "metric", "from", "to", "limit", "format", "timezone"])?;
    let now_ms = api.hub.now_ms();
    let (from_ms, to_ms) = parameters.span(now_ms)?;
    let times = csv::wanted(&parameters, &headers)?;
    let default = if times.is_some() { api.config.page_max } else { api.config.page_default };
    let limit = parameters.number("limit", 1..=api.config.page_max, default)?;
    let (device, metric) = api.hub.read(|views| lookup::find_series(views, &parameters))?;
    if api.hub.read(|views| lookup::says_words(views, &device, &metric)) {
        let detail = format!("{metric} is no switch, for it says words: GET /v1/readings has each of them");
        return Err(ApiError::new(Kind::UnknownMetric, detail));
    }
    let mut switch = Switch::new(from_ms, to_ms.min(now_ms.max(from_ms)), limit);
    let mut query = Some(ReadingsQuery {
        device: Arc::clone(&device),
        metric: Arc::clone(&metric),
        from: ReadingsCursor::from(Rung::Hour.start_ms(from_ms)),
        to_ms: switch.to_ms,
        limit: api.config.page_max,
    });
    let before = SeriesQuery {
        device: Arc::clone(&device),
        metric: Arc::clone(&metric),
        from_ms: Rung::Hour.start_ms(from_ms.saturating_sub(BEFORE_MS)),
        to_ms: Rung::Hour.start_ms(from_ms),
        rung: Rung::Hour,
    };
    let answer = api.archive.ask(asker, move |history, wanted| history.series(&before, wanted)).await?;
    if let Some((start_ms, bucket)) = answer.buckets.last() {
        switch.says(*start_ms, bucket.last != 0.0);
    }
    while let Some(part) = query.take() {
        let asked = part.clone();
        let page = api.archive.ask(asker, move |history, wanted| history.readings(&asked, wanted)).await?;
        let ReadingsPage { points, next } = page;
        points.iter().filter_map(|(at_ms, value)| Some((*at_ms, is_on(value)?))).for_each(|(at_ms, is_on)| {
            switch.says(at_ms, is_on);
        });
        query = next.map(|from| ReadingsQuery { from, ..part });
    }
    let found = switch.end();
    let answer = Periods {
        device,
        metric,
        from: from_ms,
        to: to_ms,
        count: found.count,
        total_ms: found.total_ms,
        periods: found.periods,
    };
    Ok(match times {
        Some(times) => as_csv(&answer, &times),
        None => Json(answer).into_response(),
    })
}

/// Whether a switch is on; `None` for words.
fn is_on(value: &Value) -> Option<bool> {
    value.as_number().map(|number| number != 0.0)
}

fn as_csv(answer: &Periods, times: &Times) -> Response {
    let mut lines = "start,end,duration_s\r\n".to_owned();
    let field = |time: Option<i64>| time.map_or_else(String::new, |time_ms| times.field(time_ms));
    for Period { start, end, duration_ms } in &answer.periods {
        let (seconds, rest_ms) = (duration_ms / 1_000, duration_ms % 1_000);
        write!(lines, "{},{},{seconds}.{rest_ms:03}\r\n", field(*start), field(*end))
            .expect("writing to a String never fails");
    }
    ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], lines).into_response()
}

/// Follows a switch through a window.
struct Switch {
    from_ms: i64,
    to_ms: i64,
    limit: usize,
    /// Since when it is on, Unix ms.
    on_since: Option<i64>,
    count: u64,
    total_ms: i64,
    /// The newest `limit`.
    periods: VecDeque<Period>,
}

impl Switch {
    fn new(from_ms: i64, to_ms: i64, limit: usize) -> Self {
        Switch { from_ms, to_ms, limit, on_since: None, count: 0, total_ms: 0, periods: VecDeque::new() }
    }

    /// It says how it stands; times ascend.
    fn says(&mut self, at_ms: i64, is_on: bool) {
        match self.on_since {
            None if is_on => self.on_since = Some(at_ms),
            Some(since_ms) if !is_on => {
                self.on_since = None;
                self.add(since_ms, Some(at_ms));
            }
            _ => {}
        }
    }

    fn add(&mut self, since_ms: i64, until_ms: Option<i64>) {
        if until_ms.unwrap_or(self.to_ms) <= self.from_ms {
            return;
        }
        let duration_ms = until_ms.unwrap_or(self.to_ms).saturating_sub(since_ms.max(self.from_ms)).max(0);
        self.count += 1;
        self.total_ms = self.total_ms.saturating_add(duration_ms);
        let start = Some(since_ms).filter(|since_ms| *since_ms >= self.from_ms);
        self.periods.push_back(Period { start, end: until_ms, duration_ms });
        if self.periods.len() > self.limit {
            self.periods.pop_front();
        }
    }

    /// The window ends.
    fn end(mut self) -> Self {
        if let Some(since_ms) = self.on_since.take() {
            self.add(since_ms, None);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(limit: usize, said: &[(i64, bool)]) -> Switch {
        let mut switch = Switch::new(1_000, 2_000, limit);
        said.iter().for_each(|&(at_ms, is_on)| switch.says(at_ms, is_on));
        switch.end()
    }

    fn period(start: Option<i64>, end: Option<i64>, duration_ms: i64) -> Period {
        Period { start, end, duration_ms }
    }

    #[test]
    fn what_lies_beyond_the_window_is_not_counted() {
        let said = [(100, true), (900, false), (950, true), (1_100, false), (1_500, true), (1_600, true)];
        let found = follow(9, &said);
        let expected = [period(None, Some(1_100), 100), period(Some(1_500), None, 500)];
        assert_eq!((found.count, found.total_ms, &found.periods), (2, 600, &expected.into()));
        assert_eq!(follow(9, &[(100, true)]).periods, [period(None, None, 1_000)], "it was on throughout");
        assert_eq!(follow(9, &[(100, true), (1_000, false)]).count, 0);
        assert_eq!(follow(9, &[]).total_ms, 0);
        let mut of_no_time = Switch::new(1_000, 1_000, 9);
        of_no_time.says(100, true);
        assert_eq!(of_no_time.end().count, 0, "nothing lies in an empty window");
    }

    #[test]
    fn of_many_the_newest_are_listed_and_all_are_counted() {
        let said: Vec<(i64, bool)> = (0..20).map(|n| (1_000 + n * 10, n % 2 == 0)).collect();
        let found = follow(2, &said);
        assert_eq!((found.count, found.total_ms), (10, 100));
        assert_eq!(found.periods, [period(Some(1_160), Some(1_170), 10), period(Some(1_180), Some(1_190), 10)]);
    }
}
