use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tidegate_telemetry::{Reason, Rejection};

use crate::topic;

/// Texts longer than this are rarely repeated, and not kept.
const TEXT_KEPT_BYTES_MAX: usize = 32;

/// Metric names of one reading that are compared before they are looked up.
const ROW_MAX: usize = 512;

/// Names of a reading that are searched one by one; among more of them a hash finds one that comes again.
const SEARCHED_MAX: usize = 16;

/// Room that is kept for the hash from one reading to the next.
const GIVEN_KEPT_MAX: usize = 4 * ROW_MAX;

/// Names seen before, so that a known name costs one look-up and no allocation.
///
/// Only a cache: what it holds never shows in a reading. The keys come from strangers, hence the standard library's
/// seeded hash.
#[derive(Debug)]
pub(crate) struct Names {
    known: HashSet<Arc<str>>,
    groups_by_location: HashMap<Box<str>, Arc<str>>,
    /// Metric names of the reading at hand in order, and behind them those of the reading before: most devices of a
    /// fleet send the same ones.
    row: Vec<Arc<str>>,
    /// How many metric names the reading at hand had so far.
    row_place: usize,
    /// So many names at the start of the row are known to be all different.
    distinct: usize,
    /// So many names at the start of the row are known to be no two spellings of one.
    compared: usize,
    /// Names of the reading at hand, once it has many that are not known to be different.
    given: HashSet<Arc<str>>,
    cached_max: usize,
    name_bytes_max: usize,
}

/// The name of a metric, and whether it comes again in one reading.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: Arc<str>,
    pub(crate) comes_again: bool,
}

impl Names {
    pub(crate) fn new(cached_max: usize, name_bytes_max: usize) -> Self {
        Names {
            known: HashSet::new(),
            groups_by_location: HashMap::new(),
            row: Vec::new(),
            row_place: 0,
            distinct: 0,
            compared: 0,
            given: HashSet::new(),
            cached_max,
            name_bytes_max,
        }
    }

    /// A device identifier, group path or metric name, checked.
    pub(crate) fn name(&mut self, what: &str, name: &str) -> Result<Arc<str>, Rejection> {
        if let Some(known) = self.known.get(name)
            && !known.is_empty()
        {
            return Ok(known.clone());
        }
        self.check(what, name)?;
        Ok(self.keep(name))
    }

    /// A new reading begins.
    pub(crate) fn begin_reading(&mut self) {
        self.row_place = 0;
        self.given.clear();
        self.given.shrink_to(GIVEN_KEPT_MAX);
    }

    /// The next metric name of the reading at hand, checked, and whether it comes again in it. Where it is the one that
    /// the reading before had here, a comparison finds it.
    pub(crate) fn metric(&mut self, name: &str) -> Result<Metric, Rejection> {
        let place = self.row_place;
        if let Some(expected) = self.row.get(place).filter(|expected| ***expected == *name) {
            let name = expected.clone();
            self.row_place += 1;
            return Ok(Metric { name, comes_again: place >= self.distinct && self.comes_again(place) });
        }
        let name = self.name("metric name", name)?;
        self.row_place += 1;
        if place == ROW_MAX {
            self.row_place = ROW_MAX;
            return Ok(Metric { comes_again: self.comes_again_among_many(&name, ROW_MAX), name });
        }
        self.distinct = self.distinct.min(place);
        self.compared = self.compared.min(place);
        match self.row.get_mut(place) {
            Some(other) => *other = name.clone(),
            None => self.row.push(name.clone()),
        }
        Ok(Metric { name, comes_again: self.comes_again(place) })
    }

    /// Whether the metric names of the reading at hand were compared by their spelling in a reading before.
    pub(crate) fn are_compared(&self) -> bool {
        self.row_place <= self.compared.min(ROW_MAX - 1)
    }

    /// No two of the reading at hand, of which so many became metrics, are spellings of one.
    pub(crate) fn compared(&mut self, metrics: usize) {
        if metrics == self.row_place {
            self.compared = metrics;
        }
    }

    /// Whether the name at a place of the row stands before it too.
    fn comes_again(&mut self, place: usize) -> bool {
        let comes_again = if place < SEARCHED_MAX {
            self.row[..place].contains(&self.row[place])
        } else {
            let name = self.row[place].clone();
            self.comes_again_among_many(&name, place)
        };
        if !comes_again && self.distinct == place {
            self.distinct += 1;
        }
        comes_again
    }

    /// As [`Names::comes_again`], where the row holds `before` names before it.
    fn comes_again_among_many(&mut self, name: &Arc<str>, before: usize) -> bool {
        if self.given.is_empty() {
            self.given.extend(self.row[..before].iter().cloned());
        }
        !self.given.insert(name.clone())
    }

    /// A text value.
    pub(crate) fn text(&mut self, text: &str) -> Arc<str> {
        if text.len() > TEXT_KEPT_BYTES_MAX.min(self.name_bytes_max) || text.contains(char::is_control) {
            return text.into();
        }
        match self.known.get(text) {
            Some(known) => known.clone(),
            None => self.keep(text),
        }
    }

    /// The group path of a location: `Building A, Floor 3` is `Building A/Floor 3`.
    pub(crate) fn group_of_location(&mut self, location: &str) -> Result<Arc<str>, Rejection> {
        if let Some(known) = self.groups_by_location.get(location) {
            return Ok(known.clone());
        }
        let path = topic::join(location.split(['/', ',']).map(str::trim));
        let group: Arc<str> = if path.is_empty() { Arc::default() } else { self.name("location", &path)? };
        if self.groups_by_location.len() >= self.cached_max {
            self.groups_by_location.clear();
        }
        self.groups_by_location.insert(location.into(), group.clone());
        Ok(group)
    }

    /// The group path that a topic gives to a device, which may have named itself in the payload.
    pub(crate) fn group_of_topic(&mut self, topic: &str, named: Option<&str>) -> Result<Arc<str>, Rejection> {
        let path = match named {
            Some(device) => topic::group_of_named(topic, device),
            None => topic::group_above(topic),
        };
        if path.is_empty() { Ok(Arc::default()) } else { self.name("group's topic path", &path) }
    }

    fn check(&self, what: &str, name: &str) -> Result<(), Rejection> {
        let max = self.name_bytes_max;
        let flaw = if name.is_empty() {
            format!("the {what} is empty: give it a name")
        } else if name.len() > max {
            format!("the {what} has {} bytes, more than decode.name_bytes_max ({max}): shorten it", name.len())
        } else if name.contains(char::is_control) {
            format!("the {what} {name:?} holds control characters: use printable ones")
        } else {
            return Ok(());
        };
        Err(Rejection::new(Reason::InvalidName, flaw))
    }

    fn keep(&mut self, name: &str) -> Arc<str> {
        if self.known.len() >= self.cached_max {
            self.known.clear();
        }
        let name: Arc<str> = name.into();
        self.known.insert(name.clone());
        name
    }
}
