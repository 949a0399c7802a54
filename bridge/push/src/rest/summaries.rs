//! Summaries of a series as lines: a bucket of one width each.

use std::fmt::Write;

use tidegate_buckets::{Bucket, Rung};
use tidegate_lines::{csv, line};
use tidegate_telemetry::History;
use tidegate_telemetry::history::{HistoryError, SeriesQuery, Wanted};

/// The names of the columns.
pub const HEAD: &str = "device,group,metric,time,count,mean,min,max,last\r\n";

/// The width that a request names.
pub fn rung(text: &str) -> Option<Rung> {
    Some(match text {
        "1s" => Rung::Second,
        "10s" => Rung::TenSeconds,
        "1m" => Rung::Minute,
        "10m" => Rung::TenMinutes,
        "1h" => Rung::Hour,
        "1d" => Rung::Day,
        _ => return None,
    })
}

/// Buckets, with their starts (Unix ms), and where it goes on; `None`: that was all.
pub type Page = (Vec<(i64, Bucket)>, Option<i64>);

/// The first buckets of a span, up to `limit`. Days without points are passed over, each looked at once: years without any
/// cost little, and all pages together cost by the span.
///
/// # Errors
/// When a file cannot be read, or nobody wants the answer any more.
pub fn page(
    history: &dyn History,
    query: &SeriesQuery,
    limit: usize,
    wanted: Wanted<'_>,
) -> Result<Page, HistoryError> {
    let page_ms = query.rung.width_ms().saturating_mul(i64::try_from(limit).unwrap_or(i64::MAX));
    let mut from_ms = query.from_ms;
    while from_ms < query.to_ms {
        let to_ms = from_ms.saturating_add(page_ms).min(query.to_ms);
        let buckets = history.series(&SeriesQuery { from_ms, to_ms, ..query.clone() }, wanted)?.buckets;
        if !buckets.is_empty() {
            return Ok((buckets, Some(to_ms).filter(|to_ms| *to_ms < query.to_ms)));
        }
        from_ms = next_day(history, &SeriesQuery { from_ms: to_ms, ..query.clone() }, wanted)?.max(to_ms);
    }
    Ok((Vec::new(), None))
}

/// The start of the first day of a span that has points, or the end of the span: looked for in spans that grow.
fn next_day(history: &dyn History, query: &SeriesQuery, wanted: Wanted<'_>) -> Result<i64, HistoryError> {
    let (rung, mut span_ms) = (Rung::Day, Rung::Day.width_ms());
    let mut from_ms = rung.start_ms(query.from_ms);
    while from_ms < query.to_ms {
        let to_ms = from_ms.saturating_add(span_ms).min(query.to_ms);
        let days = history.series(&SeriesQuery { from_ms, to_ms, rung, ..query.clone() }, wanted)?.buckets;
        if let Some((day_ms, _)) = days.first() {
            return Ok(*day_ms);
        }
        (from_ms, span_ms) = (to_ms, span_ms.saturating_mul(2));
    }
    Ok(query.to_ms)
}

/// As CSV, behind a series' names.
pub fn csv_lines(names: [&str; 3], buckets: &[(i64, Bucket)]) -> Vec<u8> {
    let [device, group, metric] = names;
    let head = csv::series(device, group, metric);
    let mut lines = String::with_capacity(buckets.len() * (head.len() + 64));
    for (start_ms, it) in buckets {
        let Bucket { count, min, max, last, .. } = it;
        let written = write!(lines, "{head},{start_ms},{count},{},{min},{max},{last}\r\n", it.mean());
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    lines.into_bytes()
}

/// As line protocol, with a field each.
pub fn protocol_lines(names: [&str; 3], buckets: &[(i64, Bucket)]) -> Vec<u8> {
    let [device, group, metric] = names;
    let head = line::head("%m", &line::tags(device, group), metric);
    let mut lines = String::with_capacity(buckets.len() * (head.len() + 96));
    for (start_ms, it) in buckets {
        let written = write!(lines, "{head} count={}i", it.count);
        debug_assert!(written.is_ok(), "a String takes everything");
        for (name, number) in [("mean", it.mean()), ("min", it.min), ("max", it.max), ("last", it.last)] {
            lines.push(',');
            line::number(name, number, &mut lines);
        }
        let written = writeln!(lines, " {}", start_ms.saturating_mul(1_000_000));
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    lines.into_bytes()
}
