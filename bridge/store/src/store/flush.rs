//! From memory to `head.db`: points, names, events, quarantine and the position, in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tidegate_telemetry::Position;

use crate::bundle::Packer;
use crate::catalogue::SeriesId;
use crate::error::StoreError;
use crate::head::{Head, HeadWriter, Part};
use crate::hour::Hour;
use crate::memory::Generation;
use crate::store::Store;

/// What [`Store::seal`] set apart, to be written.
#[must_use = "nothing is written before the flush runs"]
#[derive(Debug)]
pub struct Flush {
    pub(crate) store: Store,
    pub(crate) through: Position,
}

/// What a flush did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FlushReport {
    /// Last position whose data is in the files now.
    pub flushed: Position,
    /// Points written.
    pub points: u64,
    /// Bytes handed to the files, write-ahead log included.
    pub written_bytes: u64,
    /// How long it took.
    pub took: Duration,
}

impl Flush {
    /// Up to where the log must be durable before [`Flush::run`].
    #[must_use]
    pub fn through(&self) -> Position {
        self.through
    }

    /// Writes what was sealed, and what was sealed before it and is not written yet. Blocks for the disk. May run
    /// again after an error: nothing is written twice and nothing is lost.
    ///
    /// # Errors
    /// When the file cannot be written. Memory keeps the data.
    pub fn run(&self) -> Result<FlushReport, StoreError> {
        let begun = Instant::now();
        let inner = &self.store.inner;
        let _writing = inner.writing.lock();
        let bytes_before = inner.written_bytes.load(Ordering::Relaxed);
        let mut report = FlushReport::default();
        while let Some(generation) = self.next() {
            report.points += self.write(&generation)?;
        }
        report.flushed = self.store.flushed();
        report.written_bytes = inner.written_bytes.load(Ordering::Relaxed) - bytes_before;
        report.took = begun.elapsed();
        metrics::counter!("tidegate_store_flushed_points_total").increment(report.points);
        metrics::counter!("tidegate_store_written_bytes_total").increment(report.written_bytes);
        metrics::histogram!("tidegate_store_flush_seconds").record(report.took.as_secs_f64());
        Ok(report)
    }

    fn next(&self) -> Option<Arc<Generation>> {
        let memory = self.store.inner.memory.lock();
        memory.sealed.front().filter(|generation| generation.through <= self.through).cloned()
    }

    fn write(&self, generation: &Arc<Generation>) -> Result<u64, StoreError> {
        let inner = &self.store.inner;
        let (head, part_least) = {
            let files = inner.files.read();
            (files.head.clone(), files.part_least())
        };
        let connection = if generation.erased.is_empty() { head.database.writer()? } else { head.database.eraser()? };
        let writer = HeadWriter { connection: &connection };
        let quarantine = inner.quarantine.lock().changes();
        let fill = || -> rusqlite::Result<_> {
            writer.begin()?;
            writer.catalogue(&generation.rows)?;
            writer.events(&generation.events)?;
            writer.begin_to_erase(&generation.erased)?;
            writer.quarantine(&quarantine)?;
            writer.position(generation.through)?;
            writer.next_part(part_least)
        };
        let part = fill().map_err(|error| head.database.error(error))?;
        let points = write_points(generation, &head, &writer, part)?;
        {
            let mut files = inner.files.write();
            writer.commit().map_err(|error| head.database.error(error))?;
            files.add_part(part, &points);
            files.erasing.extend(generation.erased.iter().flat_map(|erased| &erased.series));
            inner.quarantine.lock().saved(&quarantine);
            // Freed after the locks are.
            inner.memory.lock().written();
        }
        head.database.checkpoint(&connection, &inner.written_bytes)?;
        head.database.empty_log(&connection)?;
        Ok(points.values().sum())
    }
}

/// Writes each series' points; returns how many by hour.
fn write_points(
    generation: &Generation,
    head: &Head,
    writer: &HeadWriter<'_>,
    part: u32,
) -> Result<BTreeMap<Hour, u64>, StoreError> {
    let mut hours: BTreeMap<Hour, (Packer, u64)> = BTreeMap::new();
    let written = |error| head.database.error(error);
    for (series, buffer) in (0..).map(SeriesId).zip(&generation.buffers).filter(|(_, buffer)| !buffer.is_empty()) {
        let run = buffer.compressed().run().expect("blocks in memory are what the store encoded");
        for points in run.points.chunk_by(|a, b| Hour::of(a.time_ms()) == Hour::of(b.time_ms())) {
            let hour = Hour::of(points[0].time_ms());
            let (packer, count) = hours.entry(hour).or_insert_with(|| (Packer::new(part, hour), 0));
            *count += points.len() as u64;
            packer.add(series, points, &run.texts, &mut |key, data| writer.bundle(key, data)).map_err(written)?;
        }
    }
    let finish = |(hour, (mut packer, points)): (Hour, (Packer, u64))| {
        packer.finish(&mut |key, data| writer.bundle(key, data))?;
        writer.part(hour, Part { part, points })?;
        Ok((hour, points))
    };
    hours.into_iter().map(finish).collect::<rusqlite::Result<_>>().map_err(written)
}
