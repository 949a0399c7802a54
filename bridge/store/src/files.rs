//! Which files there are and what they hold, known without reading points.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::catalogue::SeriesId;
use crate::error::StoreError;
use crate::head::{Head, Loaded, Part, Parts};
use crate::hour::Hour;
use crate::point::Run;

/// All files of the store.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) head: Arc<Head>,
    pub(crate) parts: Parts,
}

impl Files {
    pub(crate) fn open(directory: &Path) -> Result<(Self, Loaded), StoreError> {
        let head = Head::open(directory)?;
        let mut loaded = head.load()?;
        let parts = std::mem::take(&mut loaded.parts);
        Ok((Files { head: Arc::new(head), parts }, loaded))
    }

    pub(crate) fn add_part(&mut self, part: u32, points: &BTreeMap<Hour, u64>) {
        for (&hour, &points) in points {
            self.parts.entry(hour).or_default().push(Part { part, points });
        }
    }

    /// The hours from `first` to `last`, both included, that have points of some series.
    pub(crate) fn hours(&self, first: Hour, last: Hour) -> impl Iterator<Item = Hour> {
        self.parts.range(first..=last).map(|(&hour, _)| hour)
    }

    /// Appends the points of a series in an hour, in order of arrival.
    pub(crate) fn read(&self, hour: Hour, series: SeriesId, run: &mut Run) -> Result<(), StoreError> {
        match self.parts.get(&hour) {
            Some(parts) => self.head.read_series(hour, parts, series, run),
            None => Ok(()),
        }
    }

    pub(crate) fn points(&self) -> u64 {
        self.parts.values().flatten().map(|part| part.points).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.head.database.bytes()
    }

    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        self.parts.keys().next().map(|hour| hour.start_ms())
    }
}
