//! What many series say together, by windows of time.
//!
//! - [`windows`]: where they begin; [`functions`]: what can be asked about one, [`needs`]: what that takes; [`fold`]: series
//!   folded into them; [`percentiles`]: of their values; [`answer`]: the text
//!
//! A question is worked at in short turns, between which others have the history: neither its length nor its client holds
//! up anybody else.

mod answer;
mod fold;
mod functions;
mod needs;
mod percentiles;
mod windows;

use std::cell::Cell as Counter;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use tidegate_buckets::Rung;
use tidegate_settings::millis;
use tidegate_telemetry::history::{SeriesQuery, Wanted};
use tidegate_telemetry::{History, HistoryError};

use super::parameters::Parameters;
use super::selection::{self, Chosen, too_much};
use super::{Api, csv};
use crate::archive::Asker;
use crate::config::QuestionsConfig;
use crate::error::ApiError;
use answer::{Head, Writer};
use fold::{Cell, Fold, Progress};
use functions::Function;
use needs::Needs;
use windows::Unlaid;

/// How long a turn takes, about.
const TURN: Duration = Duration::from_millis(50);

/// Of a series so much time is read at once to begin with, ms; then more where that was quick, and up to 1,024 times of it.
const SLICE_MS: i64 = 86_400_000;
const SLICE_MAX_MS: i64 = 1_024 * SLICE_MS;
/// What is quick.
const QUICK: Duration = Duration::from_millis(5);

/// Of so many windows lines are folded together, whose series are read in the order in which they lie in the files.
const CELLS_MAX: usize = 32_768;

/// Group, and device where a line is of one.
type LineName = (Arc<str>, Option<Arc<str>>);

/// Series that are folded together.
struct Line {
    group: Arc<str>,
    /// Where it is of one device.
    device: Option<Arc<str>>,
    series: Vec<Chosen>,
}

/// `GET /v1/aggregate`
pub async fn aggregate(
    State(api): State<Arc<Api>>,
    asker: Asker,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let known = ["group", "device", "metric", "from", "to", "every", "function", "by", "hold", "timezone", "format"];
    let parameters = Parameters::with_several(&uri, &known, &["device", "function"])?;
    let metric = parameters.required("metric")?.to_owned();
    let times = csv::wanted(&parameters, &headers)?;
    let is_csv = times.is_some();
    let (names, functions) = functions_of(&parameters)?;
    let _turn = api.questions.take(asker).await?;
    let (fold, every_ms, timezone) = fold(&api, asker, &parameters, functions::needs(&functions)).await?;
    let by = parameters.text("by").unwrap_or("all").to_owned();
    let by = By::of(&by)?;
    let lines = by.lines(selection::chosen(&api, asker, &parameters).await?, parameters.text("group"));
    bounded(&api.config.questions, &fold, functions.len(), lines.len())?;
    let rung = fold.rung();
    let (from, to) = fold.span;
    let rung_ms = rung.map(Rung::width_ms);
    let head = Head { metric, from, to, every_ms, timezone, rung_ms, functions: names };
    let writer = Writer { functions, times, formulas: api.config.csv_formulas };
    let work = Work {
        text: writer.begin(&head),
        question: Arc::new(Question { fold, rung, lines, writer, limits: api.config.questions.clone() }),
        line: 0,
        pass: Pass::default(),
        under_way: None,
        slice_ms: SLICE_MS,
        points: 0,
        worked: Duration::ZERO,
    };
    let text = work.run(&api, asker).await?;
    let media_type = if is_csv { "text/csv; charset=utf-8" } else { "application/json" };
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

fn functions_of(parameters: &Parameters) -> Result<(Vec<String>, Vec<Function>), ApiError> {
    let mut names: Vec<String> = parameters.all("function").map(str::to_owned).collect();
    if names.is_empty() {
        names.push("mean".to_owned());
    }
    let function = |name: &String| {
        Function::of(name).ok_or_else(|| {
            let detail = format!(
                "function={name:?} is none of mean, min, max, sum, count, first, last, time_mean, increase, and no percentile \
                 such as p95 or p99.9"
            );
            ApiError::parameter("function", detail)
        })
    };
    let functions = names.iter().map(function).collect::<Result<_, _>>()?;
    Ok((names, functions))
}

/// How series are folded, with how long a window is and the zone.
async fn fold(
    api: &Api,
    asker: Asker,
    parameters: &Parameters,
    needs: Needs,
) -> Result<(Fold, Option<i64>, String), ApiError> {
    let now_ms = api.hub.now_ms();
    let span = parameters.span(now_ms)?;
    let limits = &api.config.questions;
    let every_ms = duration(parameters, "every")?;
    let hold_ms = duration(parameters, "hold")?.unwrap_or_else(|| millis(limits.hold));
    let timezone = parameters.text("timezone").unwrap_or("UTC").to_owned();
    let zone = csv::zone(&timezone)?;
    let zone = if timezone == "UTC" { TimeZone::UTC } else { zone };
    // Where days are many it takes a while.
    let max = limits.values_max;
    let laid = api.archive.ask(asker, move |_, _| Ok(windows::bounds(span, every_ms, &zone, max))).await?;
    let bounds = laid.map_err(|flaw| match flaw {
        Unlaid::TooMany => too_many_values(limits),
        Unlaid::Uneven => ApiError::parameter(
            "every",
            "with a timezone every is a part of a day that divides it, such as 15m or 6h, or whole days, such as 1d or 7d",
        ),
        Unlaid::NoSuchDay => {
            ApiError::parameter("from", "the calendar of the zone does not have this span: ask for years up to 9999")
        }
    })?;
    Ok((Fold { bounds, span, needs, hold_ms, now_ms, exact_max: limits.exact_max }, every_ms, timezone))
}

/// A duration above zero, ms.
fn duration(parameters: &Parameters, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = parameters.text(name) else { return Ok(None) };
    let wrong =
        || ApiError::parameter(name, format!("{name}={text:?} is no duration above zero, such as 5m, 1h30m or 1d"));
    tidegate_promql::parse_duration(text).filter(|ms| *ms > 0).map(Some).ok_or_else(wrong)
}

impl Fold {
    /// The rung of summaries that say it all: hours, where each window begins and ends with one, but for the edges of the span.
    fn rung(&self) -> Option<Rung> {
        let inner = self.bounds.iter().filter(|&&bound| self.span.0 < bound && bound < self.span.1);
        let is_whole = inner.copied().all(|bound| Rung::Hour.start_ms(bound) == bound);
        (self.needs.is_of_summaries() && is_whole).then_some(Rung::Hour)
    }
}

fn too_many_values(limits: &QuestionsConfig) -> ApiError {
    let detail = format!(
        "the answer would have more than {} values (`questions.values_max`; a line with percentiles has a hundredth of it in \
         windows): ask for longer windows, a shorter span, or fewer lines and functions",
        limits.values_max
    );
    too_much("questions.values_max", detail)
}

fn bounded(limits: &QuestionsConfig, fold: &Fold, functions: usize, lines: usize) -> Result<(), ApiError> {
    let values = fold.windows().saturating_mul(functions).saturating_mul(lines);
    let of_a_line = fold.windows().saturating_mul(if fold.needs.values { 100 } else { 1 });
    if values.max(of_a_line) > limits.values_max { Err(too_many_values(limits)) } else { Ok(()) }
}

/// What series make one line.
enum By {
    All,
    /// So many levels of the group; `None`: all of them.
    Group(Option<usize>),
    Device,
}

impl By {
    fn of(text: &str) -> Result<By, ApiError> {
        let level =
            |text: &str| text.parse().ok().filter(|level| (1..=99).contains(level) && !text.starts_with(['0', '+']));
        match text {
            "all" => Ok(By::All),
            "group" => Ok(By::Group(None)),
            "device" => Ok(By::Device),
            _ => level(text).map(|level| By::Group(Some(level))).ok_or_else(|| {
                let detail = format!("by={text:?} is none of all, group, device, and no number of levels from 1 to 99");
                ApiError::parameter("by", detail)
            }),
        }
    }

    /// The lines, in order; devices of each in order.
    fn lines(&self, chosen: Vec<Chosen>, asked: Option<&str>) -> Vec<Line> {
        let mut lines: BTreeMap<LineName, Vec<Chosen>> = BTreeMap::new();
        let all: Arc<str> = asked.unwrap_or_default().into();
        for series in chosen {
            let name = match self {
                By::All => (Arc::clone(&all), None),
                By::Group(None) => (Arc::clone(&series.group), None),
                By::Group(Some(levels)) => (first_levels(&series.group, *levels), None),
                By::Device => (Arc::clone(&series.group), Some(Arc::clone(&series.device))),
            };
            lines.entry(name).or_default().push(series);
        }
        lines.into_iter().map(|((group, device), series)| Line { group, device, series }).collect()
    }
}

fn first_levels(group: &Arc<str>, levels: usize) -> Arc<str> {
    match group.match_indices('/').nth(levels - 1) {
        Some((end, _)) => group[..end].into(),
        None => Arc::clone(group),
    }
}

struct Question {
    fold: Fold,
    /// `None`: from the readings themselves.
    rung: Option<Rung>,
    lines: Vec<Line>,
    writer: Writer,
    limits: QuestionsConfig,
}

/// A question on its way.
struct Work {
    question: Arc<Question>,
    text: Vec<u8>,
    /// The first one of the pass.
    line: usize,
    pass: Pass,
    /// How far the series at hand is, and from where on (Unix ms) it is to be read.
    under_way: Option<(Progress, i64)>,
    slice_ms: i64,
    /// Read so far.
    points: u64,
    worked: Duration,
}

/// Lines that are folded together.
#[derive(Default)]
struct Pass {
    lines: usize,
    /// Their series, the next one last: which line of the pass, and which of its series.
    rest: Vec<(usize, usize)>,
    /// Their windows, line after line.
    cells: Vec<Cell>,
}

impl Pass {
    /// From a line on. Where all values are gathered it is that line alone.
    fn of(question: &Question, first: usize) -> Pass {
        let windows = question.fold.windows().max(1);
        let lines_max = if question.fold.needs.values { 1 } else { (CELLS_MAX / windows).max(1) };
        let lines = &question.lines[first..question.lines.len().min(first + lines_max)];
        let numbers = |(line, of): (usize, &Line)| (0..of.series.len()).map(move |series| (line, series));
        let mut rest: Vec<(usize, usize)> = lines.iter().enumerate().flat_map(numbers).collect();
        rest.sort_unstable_by_key(|(line, series)| std::cmp::Reverse(lines[*line].series[*series].place));
        let cells = (0..question.fold.windows() * lines.len()).map(|_| Cell::default()).collect();
        Pass { lines: lines.len(), rest, cells }
    }
}

impl Work {
    async fn run(mut self, api: &Api, asker: Asker) -> Result<Vec<u8>, ApiError> {
        let archive = api.archive.going_on();
        while self.line < self.question.lines.len() {
            self = archive.ask(asker, move |history, wanted| self.turn(history, wanted)).await??;
        }
        self.question.writer.end(&mut self.text);
        Ok(self.text)
    }

    /// Folds series, a slice of time after the other, for a while. The outer error is one of reading.
    fn turn(mut self, history: &dyn History, wanted: Wanted<'_>) -> Result<Result<Work, ApiError>, HistoryError> {
        let (question, began) = (Arc::clone(&self.question), Instant::now());
        let limits = &question.limits;
        let time_left = limits.time_max.saturating_sub(self.worked);
        while self.line < question.lines.len() && began.elapsed() < TURN {
            let Some((line, series)) = self.pass.rest.last().copied() else {
                self.end_pass();
                continue;
            };
            let points = Counter::new(self.points);
            let is_within = || points.get() <= limits.points_max && began.elapsed() <= time_left;
            let read = self.fold(history, &|| wanted() && is_within(), (line, series), &points);
            if !is_within() {
                return Ok(Err(over(limits, points.get())));
            }
            read?;
            self.points = points.get();
        }
        self.worked += began.elapsed();
        Ok(Ok(self))
    }

    /// Folds a slice of a series, or its end: `(line, series)` of the pass.
    fn fold(
        &mut self,
        history: &dyn History,
        wanted: Wanted<'_>,
        (line, series): (usize, usize),
        points: &Counter<u64>,
    ) -> Result<(), HistoryError> {
        let Question { fold, rung, lines, .. } = &*self.question;
        let of = &lines[self.line + line].series[series];
        let (from_ms, end_ms) = fold.span;
        let back_ms = if fold.needs.looks_back() { fold.hold_ms } else { 0 };
        let begins = (Progress::default(), from_ms.saturating_sub(back_ms));
        let (progress, from_ms) = self.under_way.unwrap_or(begins);
        // Whole days: no summary of an hour is cut.
        let to_ms = Rung::Day.start_ms(from_ms.saturating_add(self.slice_ms)).min(end_ms);
        let query = SeriesQuery {
            device: Arc::clone(&of.device),
            metric: Arc::clone(&of.metric),
            from_ms,
            to_ms,
            rung: rung.unwrap_or(Rung::Second),
        };
        let began = Instant::now();
        let cells = &mut self.pass.cells[line * fold.windows()..][..fold.windows()];
        let mut folding = fold.series(cells, progress);
        if rung.is_some() {
            for (_, bucket) in history.series(&query, wanted)?.buckets {
                points.set(points.get() + 1);
                folding.summary(&bucket);
            }
        } else {
            history.numbers(&query, wanted, &mut |time_ms, value| {
                points.set(points.get() + 1);
                folding.point(time_ms, value);
            })?;
        }
        let took = began.elapsed();
        self.slice_ms = if took < QUICK { self.slice_ms * 4 } else { self.slice_ms / 2 }.clamp(SLICE_MS, SLICE_MAX_MS);
        self.under_way = if to_ms < end_ms {
            Some((folding.pause(), to_ms))
        } else {
            folding.finish();
            self.pass.rest.pop();
            None
        };
        Ok(())
    }

    /// Writes the lines of the pass, and begins the next one.
    fn end_pass(&mut self) {
        let Question { fold, writer, lines, .. } = &*self.question;
        self.pass.cells.iter_mut().filter_map(|cell| cell.values.as_mut()).for_each(|values| values.settle());
        let done = (self.line..).zip(&lines[self.line..self.line + self.pass.lines]);
        for ((number, line), cells) in done.zip(self.pass.cells.chunks_exact(fold.windows().max(1))) {
            writer.line(line, fold, cells, number == 0, &mut self.text);
        }
        self.line += self.pass.lines;
        self.pass = Pass::of(&self.question, self.line);
    }
}

fn over(limits: &QuestionsConfig, points: u64) -> ApiError {
    if points > limits.points_max {
        let detail = format!(
            "the question would read more than {} points (`questions.points_max`): ask for a shorter span, a smaller group, or \
             windows of whole hours, which are summed up already",
            limits.points_max
        );
        return too_much("questions.points_max", detail);
    }
    let detail = format!(
        "the question took more than the {} s that one may (`questions.time_max`): ask for a shorter span or a smaller group",
        limits.time_max.as_secs_f64()
    );
    too_much("questions.time_max", detail)
}
