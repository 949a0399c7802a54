//! Points, names and events that no flush has written yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tidegate_telemetry::history::AlertEvent;
use tidegate_telemetry::{AppliedReading, Change, Position, TimeOrigin, Value};

use crate::aged::Aged;
use crate::buffer::SeriesBuffer;
use crate::catalogue::{Catalogue, Row, SeriesId};
use crate::counters;

/// Everything applied since the last seal, and what was sealed and is on its way to the files.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) catalogue: Catalogue,
    pub(crate) active: Generation,
    /// Oldest first; each leaves when the files have it.
    pub(crate) sealed: VecDeque<Arc<Generation>>,
    pub(crate) applied: Position,
    pub(crate) flushed: Position,
    retention_age_ms: i64,
    /// `None`: ages are measured to the receipt, as long as nobody says more.
    pub(crate) aged: Option<Aged>,
    /// Readings before are refused: the raw ones of their time were deleted for the bytes, and what is left of it are
    /// summaries, which a few late readings would take the place of. Unix ms.
    raw_from_ms: i64,
    /// What the last readings were measured by: those of before are refused. Unix ms.
    pub(crate) kept_from_ms: Arc<AtomicI64>,
    too_old: Vec<TooOld>,
}

/// Readings that one entry brought, and that are older than what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooOld {
    /// The entry.
    pub position: Position,
    /// Full identifier of the first one's device.
    pub device: Arc<str>,
    /// Time of the first of them, Unix ms.
    pub time_ms: i64,
    /// What is kept begins here, Unix ms.
    pub kept_from_ms: i64,
    /// Whether that is so for the bytes of history, not for the age of the readings.
    pub for_bytes: bool,
    /// How many values, of all of them.
    pub values: usize,
}

/// A device of which nothing is to stay.
#[derive(Debug, Clone)]
pub(crate) struct Erasure {
    pub(crate) device: Arc<str>,
    /// Of the entry that asked for it. What came after is another device's.
    pub(crate) position: Position,
    pub(crate) series: Vec<SeriesId>,
}

/// What was applied between two seals. Immutable once sealed, so that the flush and queries read it without a lock.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    /// By series identifier.
    pub(crate) buffers: Vec<SeriesBuffer>,
    pub(crate) events: Vec<AlertEvent>,
    pub(crate) rows: Vec<Row>,
    pub(crate) erased: Vec<Erasure>,
    pub(crate) through: Position,
    pub(crate) points: u64,
    /// Heap bytes of the buffers, about.
    pub(crate) bytes: usize,
}

impl Memory {
    pub(crate) fn new(catalogue: Catalogue, flushed: Position, retention_age_ms: i64, raw_from_ms: i64) -> Self {
        let kept_from_ms = Arc::new(AtomicI64::new(i64::MIN));
        let memory = Memory { catalogue, flushed, retention_age_ms, raw_from_ms, ..Memory::default() };
        Memory { applied: flushed, kept_from_ms, ..memory }
    }

    /// Raw readings before this time (Unix ms) were deleted.
    pub(crate) fn deleted_before(&mut self, time_ms: i64) {
        self.raw_from_ms = self.raw_from_ms.max(time_ms);
    }

    pub(crate) fn apply(&mut self, position: Position, changes: &[Change]) {
        let known = position <= self.flushed;
        if !known {
            self.catalogue.end_replay();
        }
        for change in changes {
            match change {
                // Names are taken again even when the files know them: after processing lost its state, the same
                // positions may give other numbers.
                Change::Device { device, id, group } => self.catalogue.device(*device, id, group),
                Change::Metric { device, metric, name, .. } => self.catalogue.metric(*device, *metric, name),
                Change::Removed { device } => self.catalogue.removed(*device),
                Change::Erased { device, .. } => self.erase(position, device, known),
                Change::Reading(reading) if !known => self.reading(position, reading),
                Change::Alert(alert) if !known => {
                    self.active.events.push(AlertEvent { position, at_ms: alert.changed_ms(), alert: alert.clone() });
                }
                Change::Reading(_) | Change::Alert(_) | Change::AlertPeak(_) => {}
                Change::Facts { .. } | Change::Said { .. } | Change::MetricFacts { .. } => {}
                Change::State { .. } | Change::Aggregate(_) | Change::States { .. } => {}
                // Processing remembers commands itself.
                Change::Command(_) | Change::CommandForgotten(_) => {}
            }
        }
        self.applied = self.applied.max(position);
    }

    /// Nothing of a device stays in memory that is not on its way to the files; what the files have, and will have, goes with
    /// the next flush.
    fn erase(&mut self, position: Position, device: &Arc<str>, known: bool) {
        let series = self.catalogue.erase(device, known);
        self.too_old.retain(|refused| refused.device != *device);
        if known {
            return;
        }
        series.iter().for_each(|series| self.active.erase(*series));
        self.active.events.retain(|event| event.alert.device_id != *device);
        self.active.erased.push(Erasure { device: device.clone(), position, series });
    }

    /// What is to be erased and is in the files, or will be before the erasure is.
    pub(crate) fn erased(&self) -> impl Iterator<Item = &Erasure> {
        self.sealed.iter().flat_map(|generation| &generation.erased).chain(&self.active.erased)
    }

    /// Whether memory has a point of a series.
    pub(crate) fn has_points(&self, series: SeriesId) -> bool {
        let sealed = self.sealed.iter().map(|generation| &**generation);
        sealed.chain([&self.active]).any(|generation| generation.buffer(series).is_some())
    }

    /// What was refused for its age since the last call.
    pub(crate) fn take_too_old(&mut self) -> Vec<TooOld> {
        std::mem::take(&mut self.too_old)
    }

    fn reading(&mut self, position: Position, reading: &AppliedReading) {
        if reading.origin == TimeOrigin::Before {
            return;
        }
        let (kept_from_ms, _) = self.keeps_from_ms(reading.received_ms);
        self.kept_from_ms.store(kept_from_ms, Ordering::Relaxed);
        if reading.time_ms < kept_from_ms {
            self.refuse(position, reading, kept_from_ms);
            return;
        }
        for cell in &reading.cells {
            let Some(series) = self.catalogue.series_of(reading.device, cell.metric) else {
                counters::refused("unknown_series", 1);
                continue;
            };
            if self.is_too_old_by_rule(series, reading) {
                counters::refused("older_than_rule", 1);
                continue;
            }
            if matches!(cell.value, Value::Number(number) if !number.is_finite()) {
                counters::refused("not_finite", 1);
                continue;
            }
            self.active.push(series, (reading.time_ms, reading.origin), &cell.value);
        }
    }

    /// Where what is kept of readings that are received at this time begins (both Unix ms), and whether that is so for the bytes.
    pub(crate) fn keeps_from_ms(&self, received_ms: i64) -> (i64, bool) {
        let aged_ms = self.aged.map_or(i64::MAX, |aged| aged.to_ms).min(received_ms);
        let by_age_ms = aged_ms.saturating_sub(self.retention_age_ms);
        (by_age_ms.max(self.raw_from_ms), self.raw_from_ms > by_age_ms)
    }

    /// Whether a rule keeps less of a series than of others.
    fn is_too_old_by_rule(&self, series: SeriesId, reading: &AppliedReading) -> bool {
        let Some(days) = self.catalogue.ages(series).raw_days else { return false };
        let aged_ms = self.aged.map_or(i64::MAX, |aged| aged.to_ms).min(reading.received_ms);
        reading.time_ms < aged_ms.saturating_sub(i64::from(days) * 86_400_000)
    }

    fn refuse(&mut self, position: Position, reading: &AppliedReading, kept_from_ms: i64) {
        let values = reading.cells.len();
        counters::refused("older_than_retention", values);
        let Some(device) = self.catalogue.device_of(reading.device) else { return };
        match self.too_old.last_mut().filter(|last| last.position == position) {
            Some(last) => last.values += values,
            None => self.too_old.push(TooOld {
                position,
                device: device.clone(),
                time_ms: reading.time_ms,
                kept_from_ms,
                for_bytes: kept_from_ms == self.raw_from_ms,
                values,
            }),
        }
    }

    /// Takes what is to be written. The cost does not grow with the number of points.
    pub(crate) fn seal(&mut self, through: Position) -> Position {
        let empty = Generation { buffers: Vec::with_capacity(self.active.buffers.len()), ..Generation::default() };
        let mut sealed = std::mem::replace(&mut self.active, empty);
        let through = through.max(self.applied);
        sealed.through = through;
        sealed.rows = self.catalogue.take_unsaved();
        self.sealed.push_back(Arc::new(sealed));
        through
    }

    /// The files have the oldest sealed generation. Returns it, so that it is freed outside of the lock.
    pub(crate) fn written(&mut self) -> Option<Arc<Generation>> {
        let generation = self.sealed.pop_front()?;
        self.flushed = self.flushed.max(generation.through);
        self.applied = self.applied.max(self.flushed);
        Some(generation)
    }

    pub(crate) fn points(&self) -> u64 {
        self.active.points + self.sealed.iter().map(|generation| generation.points).sum::<u64>()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.active.bytes + self.sealed.iter().map(|generation| generation.bytes).sum::<usize>()
    }
}

impl Generation {
    fn push(&mut self, series: SeriesId, (time_ms, origin): (i64, TimeOrigin), value: &Value) {
        let index = series.0 as usize;
        if index >= self.buffers.len() {
            self.buffers.resize_with(index + 1, SeriesBuffer::default);
        }
        let buffer = &mut self.buffers[index];
        let before = buffer.bytes();
        buffer.push(time_ms, origin, value);
        self.points += 1;
        self.bytes = self.bytes + buffer.bytes() - before;
    }

    fn erase(&mut self, series: SeriesId) {
        let Some(buffer) = self.buffers.get_mut(series.0 as usize) else { return };
        let buffer = std::mem::take(buffer);
        self.points -= buffer.points();
        self.bytes -= buffer.bytes();
    }

    pub(crate) fn buffer(&self, series: SeriesId) -> Option<&SeriesBuffer> {
        self.buffers.get(series.0 as usize).filter(|buffer| !buffer.is_empty())
    }
}
