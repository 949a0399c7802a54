//! A bucket of a running InfluxDB 2, as readings: asked in Flux, a window of time after the other.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Error, Result, anyhow, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidegate_influx::Questions;
use tidegate_lines::{Naming, csv};
use tidegate_telemetry::Value;

use super::annotated::{Answer, Row};
use super::compare::{self, Counted};
use super::sending::Sending;
use crate::cli::{FromInfluxDb, Import};
use crate::transfer::kept::keep;
use crate::words::utc;

/// How long InfluxDB may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// The least time that InfluxDB can have, Unix ms (64 bits of nanoseconds).
const TIME_MIN_MS: i64 = -9_223_372_036_854;

/// Has the program take what a bucket holds, and compares.
///
/// # Errors
/// When InfluxDB does not give it, the program does not take it, or something of it is missing here at the end.
pub fn bucket(url: &str, arguments: &Import) -> Result<()> {
    let bucket = Bucket::open(url, arguments)?;
    let Some((mut place, to_ms)) = bucket.span()? else {
        println!("the bucket {:?} is empty", bucket.name);
        return Ok(());
    };
    if let Some(file) = &bucket.from.resume {
        place = place.kept_in(file)?;
    }
    let mut sending = Sending::readings(arguments, "point of InfluxDB's");
    let window_ms = i64::try_from(bucket.from.window.as_millis()).unwrap_or(i64::MAX).max(1);
    while place.next_ms < to_ms {
        let until_ms = place.next_ms.saturating_add(window_ms).min(to_ms);
        bucket.window(place.next_ms, until_ms, &mut sending).with_context(|| {
            let from = utc(place.next_ms);
            format!(
                "stopped at {from}, Unix ms {}: go on with --from or --resume; what is there stays once",
                place.next_ms
            )
        })?;
        sending.send()?;
        place.next_ms = until_ms;
        place.kept_from = sending.kept_from().or(place.kept_from);
        if let Some(file) = &bucket.from.resume {
            keep(file, &place)?;
        }
    }
    sending.finish()?;
    bucket.compare(arguments, place.first_ms.max(place.kept_from.unwrap_or(i64::MIN)), to_ms)?;
    if let Some(file) = &bucket.from.resume {
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    Ok(())
}

/// How far it is.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    /// What is brought.
    of: String,
    /// Where it began, Unix ms.
    first_ms: i64,
    /// Where it goes on.
    next_ms: i64,
    /// Where what history keeps begins (Unix ms), as far as the program has said it.
    #[serde(default)]
    kept_from: Option<i64>,
}

impl Place {
    /// What a file says, where there is one.
    fn kept_in(self, file: &Path) -> Result<Place> {
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        match serde_json::from_slice::<Place>(&text) {
            Ok(kept) if kept.of == self.of => Ok(kept),
            Ok(kept) => bail!("{} is of {}: name another file", file.display(), kept.of),
            Err(_) => bail!("{} does not say how far an import is: remove it", file.display()),
        }
    }
}

struct Bucket<'a> {
    from: &'a FromInfluxDb,
    of: String,
    name: &'a str,
    questions: Questions,
    naming: Naming,
}

impl<'a> Bucket<'a> {
    fn open(url: &str, arguments: &'a Import) -> Result<Bucket<'a>> {
        let from = &arguments.influxdb;
        let given = from.org.as_deref().zip(from.bucket.as_deref()).zip(from.token_file.as_deref());
        let ((org, name), token_file) = given.context("name --org, --bucket and --token-file")?;
        let questions = Questions::open(url, org, token_file, from.ca_file.as_deref(), SILENCE_MAX)?;
        let Import { device, device_tag, group_tag, .. } = arguments;
        let naming = Naming::of(device.as_deref(), device_tag.as_deref(), group_tag.as_deref());
        let mut of = format!("{url} org {org:?} bucket {name:?}");
        for (option, given) in [("device", device), ("device-tag", device_tag), ("group-tag", group_tag)] {
            of += &given.as_ref().map(|given| format!(" --{option} {given:?}")).unwrap_or_default();
        }
        Ok(Bucket { from, of, name, questions, naming })
    }

    /// From where up to when there is something; `None`: there is nothing.
    fn span(&self) -> Result<Option<(Place, i64)>> {
        let to_ms = match &self.from.to {
            Some(to) => unix_ms(to).context("--to is no time")?,
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64),
        };
        let first_ms = match &self.from.from {
            Some(from) => Some(unix_ms(from).context("--from is no time")?),
            None => self.first_ms(to_ms)?,
        };
        Ok(first_ms
            .map(|first_ms| (Place { of: self.of.clone(), first_ms, next_ms: first_ms, kept_from: None }, to_ms)))
    }

    fn first_ms(&self, to_ms: i64) -> Result<Option<i64>> {
        let flux = format!("{} |> first() |> keep(columns: [\"_time\"])", self.range(TIME_MIN_MS, to_ms));
        let mut first: Option<i64> = None;
        self.rows(&flux, |row| {
            let time_ms = row.time_ms()?;
            first = Some(first.map_or(time_ms, |known| known.min(time_ms)));
            Ok(())
        })?;
        Ok(first)
    }

    fn range(&self, from_ms: i64, to_ms: i64) -> String {
        // Flux's strings have the escapes of Go's, and ${} (Flux language specification, "String literals").
        let name = self.name.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${");
        let ns = |ms: i64| ms.saturating_mul(1_000_000);
        format!("from(bucket: \"{name}\") |> range(start: time(v: {}), stop: time(v: {}))", ns(from_ms), ns(to_ms))
    }

    fn rows(&self, flux: &str, mut take: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut answer = Answer::default();
        self.questions.ask(flux, |piece| answer.take(piece, &mut take))?;
        answer.end(&mut take)
    }

    fn window(&self, from_ms: i64, to_ms: i64, sending: &mut Sending<'_>) -> Result<()> {
        let (mut table, mut series, mut number) = (None, None, 0);
        self.rows(&self.range(from_ms, to_ms), |row| {
            number += 1;
            if table != Some(row.table()) {
                table = Some(row.table());
                series = match self.series(row) {
                    Ok(Series { device, group, metric }) => Some(csv::series(&device, &group, &metric)),
                    Err(flaw) => {
                        sending.flaw(number, &flaw);
                        None
                    }
                };
            }
            match (&series, row.value()) {
                (None, _) => Ok(()),
                (Some(series), Ok(value)) => sending.reading(series, number, row.time_ms()?, &value),
                (Some(_), Err(flaw)) => {
                    sending.flaw(number, &flaw);
                    Ok(())
                }
            }
        })
    }

    /// Which series a row is of.
    fn series(&self, row: &Row<'_>) -> Result<Series, String> {
        let tags: Vec<(Cow<'_, str>, Cow<'_, str>)> = row.tags();
        let tag = |name: &str| tags.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
        let device = self.naming.device(&tags)?;
        let (measurement, field) = (row.named("_measurement"), row.named("_field"));
        let metric = Naming::metric(measurement, field, tag(tidegate_lines::naming::METRIC_TAG)).into_owned();
        let group = tag(&self.naming.group_tag).unwrap_or_default().to_owned();
        Ok(Series { device, group, metric })
    }

    /// What InfluxDB counts, beside what is here.
    fn compare(&self, arguments: &Import, from_ms: i64, to_ms: i64) -> Result<()> {
        let mut counted = Counted::default();
        let flux = format!("{} |> count()", self.range(from_ms, to_ms));
        self.rows(&flux, |row| {
            if let (Ok(Series { device, metric, .. }), Ok(Value::Number(points))) = (self.series(row), row.value()) {
                counted.add(device, metric, points as u64);
            }
            Ok(())
        })?;
        compare::with_here(arguments.http, &counted, from_ms, to_ms)
    }
}

struct Series {
    device: String,
    group: String,
    metric: String,
}

/// Unix ms, or RFC 3339.
fn unix_ms(text: &str) -> Result<i64> {
    if let Ok(whole) = text.parse() {
        return Ok(whole);
    }
    let instant: Timestamp = text.parse().map_err(|_| anyhow!("{text:?} is no time: Unix ms, or RFC 3339"))?;
    i64::try_from(instant.as_nanosecond().div_euclid(1_000_000)).map_err(Error::from)
}
