//! Readings of many series at some times: what an hour's parts have of them is found by going through these once.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_telemetry::history::{TimesQuery, Wanted};
use tidegate_telemetry::{HistoryError, Value};

use crate::catalogue::SeriesId;
use crate::hour::Hour;
use crate::point::{Point, Run};
use crate::query::{View, check};
use crate::store::Store;

/// A series, and what was found of it.
struct Sought<'a> {
    times_ms: &'a [i64],
    /// What memory has of it.
    memory: Run,
    run: Run,
}

impl Sought<'_> {
    /// Takes of some points, which arrived after those that are here, what is asked for.
    fn take(&mut self, found: &Run) {
        let points = asked(found, self.times_ms);
        if !points.is_empty() {
            self.run.extend(&points, &found.texts);
        }
    }

    fn settled(mut self, limit: usize) -> Vec<(i64, Value)> {
        self.run.extend(&self.memory.points, &self.memory.texts);
        self.run.settle();
        let of_times = self.run.points.chunk_by(|one, other| one.time_ms() == other.time_ms());
        let of_limit = of_times.flat_map(|of_time| of_time.iter().take(limit));
        of_limit.map(|point| (point.time_ms(), self.run.value(point.sample))).collect()
    }
}

fn asked(found: &Run, times_ms: &[i64]) -> Vec<Point> {
    let is_asked = |point: &&Point| times_ms.binary_search(&point.time_ms()).is_ok();
    found.points.iter().filter(is_asked).copied().collect()
}

impl Store {
    /// See [`History::readings_at`](tidegate_telemetry::History::readings_at).
    pub(crate) fn at_times(
        &self,
        queries: &[TimesQuery],
        limit: usize,
        wanted: Wanted<'_>,
    ) -> Result<Vec<Vec<(i64, Value)>>, HistoryError> {
        let files = self.inner.files.read();
        let mut sought: BTreeMap<SeriesId, Sought<'_>> = BTreeMap::new();
        let mut hours: BTreeMap<Hour, BTreeSet<SeriesId>> = BTreeMap::new();
        let mut places = Vec::with_capacity(queries.len());
        for TimesQuery { device, metric, times_ms } in queries {
            let view = View::take(self, &files, device, metric)?.0;
            places.push(view.as_ref().map(|view| view.series));
            let Some(View { series, memory, .. }) = view else { continue };
            let memory = Run { points: asked(&memory, times_ms), texts: memory.texts };
            for hour in times_ms.chunk_by(|one, other| Hour::of(*one) == Hour::of(*other)) {
                hours.entry(Hour::of(hour[0])).or_default().insert(series);
            }
            sought.insert(series, Sought { times_ms, memory, run: Run::default() });
        }
        for (hour, series) in hours {
            check(wanted)?;
            let mut take =
                |series: SeriesId, run: Run| sought.get_mut(&series).into_iter().for_each(|it| it.take(&run));
            files.read_some(hour, &series, &mut take)?;
        }
        let mut answer = |series: Option<SeriesId>| series.and_then(|series| sought.remove(&series));
        Ok(places.into_iter().map(|of| answer(of).map_or_else(Vec::new, |sought| sought.settled(limit))).collect())
    }
}
