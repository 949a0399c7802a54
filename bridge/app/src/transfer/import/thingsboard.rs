//! The CSV of ThingsBoard's widgets: a line of names, then a line for each time, with a column for each metric.
//!
//! Fields are separated by semicolons, and quoted where they hold quotes, commas or line breaks (ThingsBoard,
//! `ui-ngx/src/app/shared/import-export/import-export.service.ts`). Times are written as people of the browser's zone read them.

use std::collections::HashMap;

use anyhow::{Context, Result, anyhow, bail};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tidegate_lines::{Format, csv, records};
use tidegate_telemetry::Value;

use super::sending::{LINE, Sending};
use super::text::Text;
use crate::cli::Import;

/// Names of the column of times, in small letters.
const TIMES: [&str; 3] = ["timestamp", "time", "ts"];
/// Names of a column that says the device, in small letters.
const DEVICES: [&str; 6] = ["entity name", "entity", "entityname", "device name", "device", "devicename"];
const SEPARATORS: [char; 3] = [';', ',', '\t'];

/// Whether a first line, in small letters, names a column of times.
pub fn is_head(line: &str) -> bool {
    let names = csv::fields_by(line.trim_start_matches('\u{feff}'), separator(line)).unwrap_or_default();
    names.len() > 1 && names.iter().any(|name| name.trim() == TIMES[0])
}

/// That which the head has most of.
fn separator(head: &str) -> char {
    SEPARATORS.into_iter().rev().max_by_key(|separator| head.matches(*separator).count()).unwrap_or(',')
}

/// Has the program take all values of a table.
///
/// # Errors
/// When its head does not say what its columns are, or it is not taken.
pub fn table(text: &mut Text, arguments: &Import) -> Result<()> {
    let zone = TimeZone::get(&arguments.time_zone).context("--time-zone")?;
    let first = String::from_utf8_lossy(&text.rest()[..records::first_line(text.rest())]).into_owned();
    let separator = separator(&first);
    let head = text.record(Format::Csv, separator)?.unwrap_or_default();
    let mut number = 1 + records::lines_in(head);
    let head = std::str::from_utf8(head).context("the head is not UTF-8")?;
    let columns = Columns::of(head, separator, arguments)?;
    let mut reading = Reading { columns, zone, separator, series: HashMap::new() };
    let mut sending = Sending::readings(arguments, LINE);
    while let Some(record) = text.record(Format::Csv, separator)? {
        let (lines, beyond) = (records::lines_in(record), record.len() - records::first_line(record));
        let read = match std::str::from_utf8(record) {
            Ok(record) => reading.record(record, number, &mut sending)?,
            Err(_) => Err("it is not UTF-8: convert the file".to_owned()),
        };
        if let Err(flaw) = read {
            sending.flaw(number, &flaw);
            // Quotes that only a later line closes may have been meant to close here.
            text.take_back(beyond);
            number += lines.min(1);
        } else {
            number += lines;
        }
    }
    sending.finish()
}

/// What the columns are.
struct Columns {
    time: usize,
    device: Option<usize>,
    /// The device of all lines.
    of: String,
    /// By column; empty where it is none.
    metrics: Vec<String>,
}

impl Columns {
    fn of(head: &str, separator: char, arguments: &Import) -> Result<Columns> {
        let names = csv::fields_by(head.trim_start_matches('\u{feff}'), separator);
        let names = names.map_err(|flaw| anyhow!("the head: {flaw}"))?;
        let place = |known: &[&str]| names.iter().position(|name| known.contains(&&*name.trim().to_lowercase()));
        let time = place(&TIMES).context("the head names no column Timestamp: is it what a widget exported?")?;
        let device = place(&DEVICES);
        if device.is_none() && arguments.device.is_none() {
            bail!("the head names no column of devices: say with --device of which one the file is");
        }
        let mut metrics: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        metrics[time].clear();
        if let Some(device) = device {
            metrics[device].clear();
        }
        Ok(Columns { time, device, of: arguments.device.clone().unwrap_or_default(), metrics })
    }
}

struct Reading {
    columns: Columns,
    zone: TimeZone,
    separator: char,
    /// The names of what was met, by device and column.
    series: HashMap<(String, usize), String>,
}

impl Reading {
    /// Takes the values of a record, or says why it has none.
    fn record(&mut self, record: &str, number: u64, sending: &mut Sending<'_>) -> Result<Result<(), String>> {
        if record.trim().is_empty() {
            return Ok(Ok(()));
        }
        let fields = match csv::fields_by(record, self.separator) {
            Ok(fields) => fields,
            Err(flaw) => return Ok(Err(flaw.to_owned())),
        };
        let (has, wants) = (fields.len(), self.columns.metrics.len());
        if has != wants {
            return Ok(Err(format!("it has {has} fields, and the head names {wants}")));
        }
        let Some(time_ms) = unix_ms(fields[self.columns.time].trim(), &self.zone) else {
            let time = &fields[self.columns.time];
            return Ok(Err(format!("{time:?} is no time: have it written as 2024-01-08 14:24:05, or in Unix ms")));
        };
        let device = self.columns.device.map_or(&*self.columns.of, |place| fields[place].trim()).to_owned();
        for (place, metric) in self.columns.metrics.iter().enumerate().filter(|(_, metric)| !metric.is_empty()) {
            let text = fields[place].trim();
            if !text.is_empty() {
                let series =
                    self.series.entry((device.clone(), place)).or_insert_with(|| csv::series(&device, "", metric));
                sending.reading(series, number, time_ms, &value(text))?;
            }
        }
        Ok(Ok(()))
    }
}

/// A local time of the zone; the earlier one where the clock was set back, as of one that it skipped. Or Unix ms, or RFC 3339.
fn unix_ms(text: &str, zone: &TimeZone) -> Option<i64> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole);
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return i64::try_from(instant.as_nanosecond().div_euclid(1_000_000)).ok();
    }
    let local: DateTime = text.parse().ok().filter(|_| text.contains(':'))?;
    let instant = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    i64::try_from(instant.as_nanosecond().div_euclid(1_000_000)).ok()
}

fn value(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Number(number),
            _ => Value::Text(text.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_are_those_of_their_zone_also_where_clocks_are_set() -> Result<()> {
        let berlin = TimeZone::get("Europe/Berlin")?;
        for (text, utc_ms) in [
            ("2024-01-08 15:24:05", 1_704_723_845_000),
            ("2024-01-08 15:24:05.120", 1_704_723_845_120),
            ("2024-01-08T14:24:05Z", 1_704_723_845_000),
            ("1704723845000", 1_704_723_845_000),
            // Twice: the earlier one. Skipped: an hour later.
            ("2024-10-27 02:30:00", 1_729_989_000_000),
            ("2024-03-31 02:30:00", 1_711_848_600_000),
        ] {
            assert_eq!(unix_ms(text, &berlin), Some(utc_ms), "{text}");
        }
        assert!(["", "noon", "2024-01-08", "1.5"].iter().all(|text| unix_ms(text, &berlin).is_none()));
        Ok(())
    }
}
