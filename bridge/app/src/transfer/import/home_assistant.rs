//! The SQLite file of Home Assistant's recorder, as readings; the file is only read, also while Home Assistant writes it.
//!
//! Its tables (Home Assistant, `homeassistant/components/recorder/db_schema.py`, schema 41 and later): `states` with a row
//! for each change, `states_meta` with the names of entities, `state_attributes`; `statistics` by the hour and
//! `statistics_short_term` by five minutes, with `statistics_meta`. Times are seconds since 1970.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;
use tidegate_backup::{Access, Image};
use tidegate_lines::csv;
use tidegate_telemetry::Value;

use super::sending::Sending;
use crate::cli::{Import, Statistics};

/// The first bytes of a file of SQLite (SQLite, "Database File Format").
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The metric of an entity whose class nobody says.
const STATE: &str = "state";
/// What is no state (Home Assistant, `homeassistant/const.py`); empty: the entity was removed.
const NO_STATES: [&str; 3] = ["unknown", "unavailable", ""];
const OF_NO_STATE: &str = "('unknown', 'unavailable', '')";

/// How much time a row of statistics is about, ms.
const HOUR_MS: i64 = 3_600_000;
const FIVE_MINUTES_MS: i64 = 300_000;

/// Whether a file that begins so is one of SQLite.
pub fn is_sqlite(begins: &[u8]) -> bool {
    begins.starts_with(MAGIC)
}

/// Has the program take what the recorder kept.
///
/// # Errors
/// When it is no file of the recorder, is too old, or is not taken.
pub fn recorder(file: &Path, arguments: &Import) -> Result<()> {
    if file == Path::new("-") {
        bail!("a file of SQLite cannot come from stdin: name it");
    }
    let recorder = Recorder { image: opened(file)?, path: file.to_owned() };
    let mut sending = Sending::readings(arguments, "row");
    let mut left_out = LeftOut::default();
    for (entity, of) in recorder.entities()? {
        recorder.entity(&entity, &of, arguments.statistics, &mut sending, &mut left_out)?;
    }
    sending.finish()?;
    left_out.tell(&sending);
    Ok(())
}

/// A file that nobody may write to, and that has no write-ahead log, is read as it is.
fn opened(file: &Path) -> Result<Image> {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    match Image::open(file, Access::Foreign) {
        Err(_) if !PathBuf::from(log).exists() => Ok(Image::open(file, Access::Stored)?),
        opened => Ok(opened?),
    }
}

/// What an entity has in the file.
#[derive(Debug, Default)]
struct Entity {
    /// Its number among the states.
    states: Option<i64>,
    /// Its number among the statistics.
    statistics: Option<i64>,
    unit: Option<String>,
}

/// What is no reading, and what the readings do not say.
#[derive(Debug, Default)]
struct LeftOut {
    no_states: u64,
    without_time: u64,
    /// Units by metric.
    units: BTreeMap<String, Vec<String>>,
}

impl LeftOut {
    fn unit(&mut self, metric: &str, unit: &str) {
        let units = self.units.entry(metric.to_owned()).or_default();
        if !unit.is_empty() && !units.iter().any(|known| known == unit) {
            units.push(unit.to_owned());
        }
    }

    fn tell(&self, sending: &Sending<'_>) {
        if self.no_states > 0 {
            sending
                .say(&format!("{} states were unknown, unavailable or removed, and are no readings", self.no_states));
        }
        if self.without_time > 0 {
            sending.say(&format!("{} rows have no time, and are no readings", self.without_time));
        }
        for (metric, units) in self.units.iter().filter(|(_, units)| !units.is_empty()) {
            let [unit] = &units[..] else {
                let units = units.join(", ");
                sending.say(&format!("the metric {metric} comes in several units, and was not converted: {units}"));
                continue;
            };
            sending.say(&format!("the metric {metric} is in {unit}: [[metric]] of the configuration can say so"));
        }
    }
}

struct Recorder {
    image: Image,
    path: PathBuf,
}

impl Recorder {
    fn entities(&self) -> Result<BTreeMap<String, Entity>> {
        let of_another_kind = || {
            let path = self.path.display();
            format!(
                "{path} is no file of Home Assistant's recorder of 2023.4 or later: start a current Home Assistant on it"
            )
        };
        let mut entities: BTreeMap<String, Entity> = BTreeMap::new();
        let connection = self.image.connection();
        let mut named = connection
            .prepare("SELECT metadata_id, entity_id FROM states_meta WHERE entity_id IS NOT NULL")
            .with_context(of_another_kind)?;
        let mut rows = named.query([])?;
        while let Some(row) = rows.next()? {
            entities.entry(row.get(1)?).or_default().states = Some(row.get(0)?);
        }
        let mut named = connection
            .prepare("SELECT id, statistic_id, unit_of_measurement FROM statistics_meta WHERE statistic_id IS NOT NULL")
            .with_context(of_another_kind)?;
        let mut rows = named.query([])?;
        while let Some(row) = rows.next()? {
            let entity = entities.entry(row.get(1)?).or_default();
            (entity.statistics, entity.unit) = (Some(row.get(0)?), row.get(2)?);
        }
        Ok(entities)
    }

    fn entity(
        &self,
        name: &str,
        entity: &Entity,
        statistics: Statistics,
        sending: &mut Sending<'_>,
        left_out: &mut LeftOut,
    ) -> Result<()> {
        let attributes = entity.states.map(|id| self.attributes(id)).transpose()?.flatten().unwrap_or_default();
        let metric = attributes["device_class"].as_str().unwrap_or(STATE);
        left_out
            .unit(metric, attributes["unit_of_measurement"].as_str().or(entity.unit.as_deref()).unwrap_or_default());
        // Statistics from elsewhere are named domain:name.
        let group = name.split(['.', ':']).next().unwrap_or_default();
        let series = Series { device: name, group, metric };
        let first_ms = entity.states.map(|id| self.first_state(id)).transpose()?.flatten();
        if let Some(id) = entity.statistics.filter(|_| statistics != Statistics::None) {
            let short = Table { name: "statistics_short_term", span_ms: FIVE_MINUTES_MS };
            let long = Table { name: "statistics", span_ms: HOUR_MS };
            let before = first_ms.unwrap_or(i64::MAX);
            let first_short = self.first_statistic(&short, id)?.unwrap_or(before).min(before);
            let wants_extremes = statistics == Statistics::Extremes;
            self.statistics(&long, id, first_short, wants_extremes, &series, sending)?;
            self.statistics(&short, id, before, wants_extremes, &series, sending)?;
        }
        if let Some(id) = entity.states {
            self.states(id, &series, sending, left_out)?;
        }
        Ok(())
    }

    /// Those of the newest state.
    fn attributes(&self, id: i64) -> Result<Option<Json>> {
        let question = format!(
            "SELECT shared_attrs FROM states JOIN state_attributes USING (attributes_id) WHERE metadata_id = ?1 \
             AND state NOT IN {OF_NO_STATE} ORDER BY last_updated_ts DESC LIMIT 1"
        );
        let mut newest = self.image.connection().prepare_cached(&question)?;
        let mut rows = newest.query([id])?;
        let text: Option<String> = rows.next()?.map(|row| row.get(0)).transpose()?.flatten();
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn first_state(&self, id: i64) -> Result<Option<i64>> {
        self.first(
            &format!(
                "SELECT last_updated_ts FROM states WHERE metadata_id = ?1 AND last_updated_ts IS NOT NULL \
                 AND state NOT IN {OF_NO_STATE} ORDER BY last_updated_ts LIMIT 1"
            ),
            id,
        )
    }

    fn first_statistic(&self, table: &Table, id: i64) -> Result<Option<i64>> {
        let name = table.name;
        self.first(
            &format!(
                "SELECT start_ts FROM {name} WHERE metadata_id = ?1 AND start_ts IS NOT NULL ORDER BY start_ts LIMIT 1"
            ),
            id,
        )
    }

    fn first(&self, question: &str, id: i64) -> Result<Option<i64>> {
        let mut first = self.image.connection().prepare_cached(question)?;
        let mut rows = first.query([id])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?.map(unix_ms))
    }

    fn states(&self, id: i64, series: &Series<'_>, sending: &mut Sending<'_>, left_out: &mut LeftOut) -> Result<()> {
        let series = series.of_metric(series.metric);
        let mut states = self.image.connection().prepare_cached(
            "SELECT state_id, state, last_updated_ts FROM states WHERE metadata_id = ?1 ORDER BY last_updated_ts, state_id",
        )?;
        let mut rows = states.query([id])?;
        while let Some(row) = rows.next()? {
            let (state, time): (Option<String>, Option<f64>) = (row.get(1)?, row.get(2)?);
            let state = state.unwrap_or_default();
            if NO_STATES.contains(&state.as_str()) {
                left_out.no_states += 1;
                continue;
            }
            match time {
                Some(time) => {
                    sending.reading(&series, row.get::<_, i64>(0)?.cast_unsigned(), unix_ms(time), &value(&state))?
                }
                None => left_out.without_time += 1,
            }
        }
        Ok(())
    }

    /// Rows of statistics as readings that are before a time. A mean stands at the beginning of what it is of: it holds until
    /// the next one. What a meter read at the end of a row stands there.
    fn statistics(
        &self,
        table: &Table,
        id: i64,
        before_ms: i64,
        wants_extremes: bool,
        series: &Series<'_>,
        sending: &mut Sending<'_>,
    ) -> Result<()> {
        let name = |suffix: &str| series.of_metric(&format!("{}{suffix}", series.metric));
        let (own, lowest, highest) = (name(""), name(".min"), name(".max"));
        let question = format!(
            "SELECT id, start_ts, mean, state, min, max FROM {} WHERE metadata_id = ?1 AND start_ts IS NOT NULL \
             ORDER BY start_ts",
            table.name
        );
        let mut statistics = self.image.connection().prepare_cached(&question)?;
        let mut rows = statistics.query([id])?;
        while let Some(row) = rows.next()? {
            let (number, start_ms) = (row.get::<_, i64>(0)?.cast_unsigned(), unix_ms(row.get(1)?));
            let (mean, meter): (Option<f64>, Option<f64>) = (row.get(2)?, row.get(3)?);
            let reading = mean.map(|mean| (start_ms, mean)).or(meter.map(|meter| (start_ms + table.span_ms, meter)));
            let mut take =
                |series: &str, time_ms: i64, number_of: f64| match time_ms < before_ms && number_of.is_finite() {
                    true => sending.reading(series, number, time_ms, &Value::Number(number_of)),
                    false => Ok(()),
                };
            if let Some((time_ms, number_of)) = reading {
                take(&own, time_ms, number_of)?;
            }
            let extremes: (Option<f64>, Option<f64>) = (row.get(4)?, row.get(5)?);
            if let (true, (Some(low), Some(high))) = (wants_extremes, extremes) {
                take(&lowest, start_ms, low)?;
                take(&highest, start_ms, high)?;
            }
        }
        Ok(())
    }
}

/// A table of statistics.
struct Table {
    name: &'static str,
    span_ms: i64,
}

/// What an entity is here.
struct Series<'a> {
    device: &'a str,
    group: &'a str,
    metric: &'a str,
}

impl Series<'_> {
    fn of_metric(&self, metric: &str) -> String {
        csv::series(self.device, self.group, metric)
    }
}

fn unix_ms(seconds: f64) -> i64 {
    (seconds * 1e3).round() as i64
}

/// Switches are on or off, sensors say numbers; what else is said is a text.
fn value(state: &str) -> Value {
    let number = || state.parse::<f64>().ok().filter(|number| number.is_finite());
    match state {
        "on" => Value::Bool(true),
        "off" => Value::Bool(false),
        _ => number().map_or_else(|| Value::Text(state.into()), Value::Number),
    }
}
