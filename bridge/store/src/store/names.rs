//! Names leave the catalogue once processing does not know their device and no point of it is anywhere.
//!
//! That is looked for where the newest files are, and where something was found is remembered: as long as that file is there,
//! nobody looks again. What leaves is written by the next flush, in one transaction; a crash before it leaves the names.
//! The caller holds `writing`, so no points reach a file in between, and those in memory are looked at under its lock.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::catalogue::SeriesId;
use crate::error::StoreError;
use crate::files::Files;
use crate::hour::{Day, Hour, Month};
use crate::point::Run;
use crate::store::Inner;

/// Time for it at once: a flush may wait.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Where something of a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Part(Hour),
    Day(Day),
    Month(Month),
}

impl Place {
    fn is_there(self, files: &Files) -> bool {
        match self {
            Place::Part(hour) => files.parts.contains_key(&hour),
            Place::Day(day) => files.days.contains_key(&day),
            Place::Month(month) => files.months.contains_key(&month),
        }
    }
}

/// What is known of devices that processing does not know any more.
#[derive(Debug, Default)]
pub(super) struct Left {
    places: FxHashMap<u32, Place>,
    /// Neither a file nor who is known has changed since all of them were looked at.
    is_done: bool,
}

impl Left {
    /// Files were deleted.
    pub(super) fn look_again(&mut self) {
        self.is_done = false;
    }

    /// A file lost rows: what was found in it may have been among them.
    pub(super) fn look_again_in(&mut self, place: Place) {
        self.places.retain(|_, of| *of != place);
        self.is_done = false;
    }

    /// Forgets devices of which nothing is left, as many as there is time for; how many.
    pub(super) fn forget_names(&mut self, inner: &Inner) -> Result<usize, StoreError> {
        if inner.memory.lock().catalogue.take_has_left() {
            self.is_done = false;
        }
        if self.is_done {
            return Ok(0);
        }
        let (files, began) = (inner.files.read(), Instant::now());
        self.places.retain(|_, place| place.is_there(&files));
        let memory = inner.memory.lock();
        let unknown: Vec<_> = memory.catalogue.left().filter(|(device, _)| !self.places.contains_key(device)).collect();
        drop(memory);
        let mut forgotten = 0;
        for (device, series) in unknown {
            if began.elapsed() >= AT_ONCE {
                return Ok(forgotten);
            }
            match place_of(&files, &series)? {
                Some(place) => drop(self.places.insert(device, place)),
                None => forgotten += usize::from(forget(inner, device)),
            }
        }
        self.is_done = true;
        Ok(forgotten)
    }
}

/// Where there is something of some series, the newest first.
fn place_of(files: &Files, series: &[SeriesId]) -> Result<Option<Place>, StoreError> {
    for (&hour, parts) in files.parts.iter().rev() {
        for &series in series {
            let mut run = Run::default();
            files.head.read_series(hour, parts, series, &mut run)?;
            if !run.points.is_empty() {
                return Ok(Some(Place::Part(hour)));
            }
        }
    }
    for (&day, file) in files.days.iter().rev() {
        for &series in series {
            if file.has(series)? {
                return Ok(Some(Place::Day(day)));
            }
        }
    }
    for (&month, file) in files.months.iter().rev() {
        for &series in series {
            if file.has(series)? {
                return Ok(Some(Place::Month(month)));
            }
        }
    }
    Ok(None)
}

/// `false`: it is back, or has points that no file has yet.
fn forget(inner: &Inner, device: u32) -> bool {
    let mut memory = inner.memory.lock();
    let series = memory.catalogue.series_left(device);
    let is_left = series.is_some_and(|series| !series.into_iter().any(|series| memory.has_points(series)));
    if is_left {
        memory.catalogue.forget(device);
    }
    is_left
}
