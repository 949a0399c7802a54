use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tidegate_telemetry::{Import, ImportedSeries, Value};

use super::{Flaw, Imported};

/// Longest device identifier, group path or metric name.
const NAME_BYTES_MAX: usize = 1_024;
/// Tags that are named as left out.
const TAGS_MAX: usize = 100;

/// One reading, as a line has it.
pub struct Point<'a> {
    pub device: &'a str,
    pub group: &'a str,
    pub metric: &'a str,
    pub time_ms: i64,
    pub value: Value,
}

/// What points have to keep to.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// When they came, Unix ms.
    pub now_ms: i64,
    /// Those of before are not kept, Unix ms.
    pub kept_from_ms: i64,
    /// Those after it are not possible, Unix ms.
    pub ahead_ms: i64,
    pub entry_points: usize,
    pub text_bytes_max: usize,
    pub flaws_told_max: usize,
}

/// Gathers points into entries, hands these on, and counts what is none.
pub struct Batches {
    bounds: Bounds,
    take: Box<dyn FnMut(Import) -> bool + Send>,
    /// Nobody takes them any more.
    is_over: bool,
    series: Vec<ImportedSeries>,
    /// Where each series is.
    places: HashMap<(Arc<str>, Arc<str>), usize>,
    /// That of the last point: mostly the next one is of the same.
    last: usize,
    points: usize,
    imported: Imported,
    tags: BTreeSet<String>,
}

impl Batches {
    /// Whoever takes an entry says whether it wants more.
    pub fn new(bounds: Bounds, take: impl FnMut(Import) -> bool + Send + 'static) -> Batches {
        Batches {
            bounds,
            take: Box::new(take),
            is_over: false,
            series: Vec::new(),
            places: HashMap::new(),
            last: 0,
            points: 0,
            imported: Imported::default(),
            tags: BTreeSet::new(),
        }
    }

    /// Whether it is in vain to go on.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Something of a line is not taken.
    pub fn flaw(&mut self, line: u64, flaw: impl Into<String>) {
        match self.imported.flawed.len() < self.bounds.flaws_told_max {
            true => self.imported.flawed.push(Flaw { line, flaw: flaw.into() }),
            false => self.imported.flawed_more += 1,
        }
    }

    /// An integer was taken as the nearest number.
    pub fn is_not_exact(&mut self) {
        self.imported.not_exact += 1;
    }

    /// A tag is no part of a device's name.
    pub fn leaves_out(&mut self, tag: &str) {
        if self.tags.len() < TAGS_MAX && !self.tags.contains(tag) {
            self.tags.insert(tag.to_owned());
        }
    }

    /// Takes a point, if history can have it.
    pub fn add(&mut self, line: u64, point: Point<'_>) {
        if let Err(flaw) = self.check(&point) {
            return self.flaw(line, flaw);
        }
        if point.time_ms < self.bounds.kept_from_ms {
            self.imported.too_old += 1;
            return;
        }
        let is_last = |series: &&ImportedSeries| *series.device == *point.device && *series.metric == *point.metric;
        if self.series.get(self.last).filter(is_last).is_none() {
            let name: (Arc<str>, Arc<str>) = (point.device.into(), point.metric.into());
            self.last = *self.places.entry(name).or_insert_with_key(|(device, metric)| {
                let (device, metric) = (device.clone(), metric.clone());
                self.series.push(ImportedSeries { device, group: point.group.into(), metric, points: Vec::new() });
                self.series.len() - 1
            });
        }
        self.series[self.last].points.push((point.time_ms, point.value));
        self.points += 1;
        self.imported.points += 1;
        if self.points == self.bounds.entry_points {
            self.close();
        }
    }

    fn check(&self, point: &Point<'_>) -> Result<(), String> {
        for (what, name) in [("device", point.device), ("metric", point.metric), ("group", point.group)] {
            if name.is_empty() && what != "group" {
                return Err(format!("the {what} has no name: give it one"));
            }
            if name.len() > NAME_BYTES_MAX {
                let bytes = name.len();
                return Err(format!(
                    "the name of the {what} has {bytes} bytes, more than {NAME_BYTES_MAX}: shorten it"
                ));
            }
            if name.contains(char::is_control) {
                return Err(format!("the name of the {what} holds control characters: use printable ones"));
            }
        }
        if point.time_ms > self.bounds.ahead_ms {
            return Err("its time lies ahead of now: is it in another unit (precision)?".to_owned());
        }
        match &point.value {
            Value::Text(text) if text.len() > self.bounds.text_bytes_max => {
                let (bytes, most) = (text.len(), self.bounds.text_bytes_max);
                Err(format!("its text has {bytes} bytes, more than http.import_text_bytes_max ({most}): shorten it"))
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self) {
        if self.points > 0 {
            self.points = 0;
            self.places.clear();
            let series = std::mem::take(&mut self.series);
            self.is_over |= !(self.take)(Import { received_ms: self.bounds.now_ms, series });
        }
    }

    /// Hands on the last entry, and says what became of the lines.
    pub fn end(mut self) -> Imported {
        self.close();
        self.imported.tags_left_out = self.tags.into_iter().collect();
        self.imported
    }
}
