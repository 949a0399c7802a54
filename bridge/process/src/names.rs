//! Which metrics have figures by group, where there are more names than figures.
//!
//! Every device has one vote and splits it among its metrics; the names with the most votes have figures. So a name that
//! many devices share has figures whatever a few devices with very many names do, and one name of a device with few
//! metrics outweighs hundreds of a device with hundreds. A name whose devices are all gone gives its figures back.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidegate_telemetry::Numbered;

/// Number of a name that some device has numbers of. It differs between runs, so a checkpoint does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NameIndex(u32);

/// A vote that is not split.
const VOTE: u64 = 1 << 16;

/// Names that lose their figures to others in one round at most: each costs a look at every group.
const CHANGES_MAX: usize = 64;

/// Where figures of a metric are kept, by place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Figures {
    Free,
    Of(Arc<str>),
    /// The metric has them no longer; groups are still to be told.
    Ending(Arc<str>),
}

/// All names, who votes for them, and which have figures.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: Numbered<Name>,
    by_text: HashMap<Arc<str>, NameIndex>,
    figures: Vec<Figures>,
    /// By votes; of equal ones the first by name counts more.
    with: BTreeSet<Rank>,
    without: BTreeSet<Rank>,
}

type Rank = (u64, Reverse<Arc<str>>, NameIndex);

#[derive(Debug)]
struct Name {
    text: Arc<str>,
    votes: u64,
    devices: u32,
    place: Option<u16>,
}

/// What each metric gets of the vote of a device with so many; halves as they double, so that one more metric rarely
/// changes it.
pub(crate) fn vote(metrics: usize) -> u64 {
    (VOTE >> metrics.next_power_of_two().trailing_zeros()).max(1)
}

impl Names {
    pub(crate) fn new(figures: Vec<Figures>) -> Self {
        Names { figures, ..Names::default() }
    }

    /// What a checkpoint holds of them; the rest follows from the devices.
    pub(crate) fn figures(&self) -> &[Figures] {
        &self.figures
    }

    /// After every device's names were counted anew: gives names their places as the checkpoint has them.
    pub(crate) fn find_places(&mut self) {
        for place in 0..self.figures.len() {
            let Figures::Of(text) = &self.figures[place] else { continue };
            match self.by_text.get(text).copied() {
                Some(name) => self.set_place(name, Some(place as u16)),
                None => self.figures[place] = Figures::Ending(text.clone()),
            }
        }
    }

    /// Counts a device that has numbers of a metric now.
    pub(crate) fn count(&mut self, text: &Arc<str>, vote: u64) -> NameIndex {
        let name = match self.by_text.get(text) {
            Some(&known) => known,
            None => {
                let new = Name { text: text.clone(), votes: 0, devices: 0, place: None };
                let name = NameIndex(self.names.insert(new));
                self.by_text.insert(text.clone(), name);
                name
            }
        };
        self.change(name, |name| {
            name.votes += vote;
            name.devices += 1;
        });
        name
    }

    /// As [`Names::count`]; a new name gets figures at once while there is room.
    pub(crate) fn join(&mut self, text: &Arc<str>, vote: u64, max: usize) -> NameIndex {
        let name = self.count(text, vote);
        if self.without.len() == 1 && self.place(name).is_none() {
            self.fill(max);
        }
        name
    }

    /// Whether a name of one device has no figures and will not win any in the next round.
    pub(crate) fn is_left_out(&self, name: NameIndex) -> bool {
        let Some(name) = self.names.get(name.0).filter(|name| name.devices == 1 && name.place.is_none()) else {
            return false;
        };
        self.with.first().is_none_or(|(votes, ..)| name.votes <= *votes)
    }

    /// A device gives a metric another part of its vote.
    pub(crate) fn revote(&mut self, name: NameIndex, before: u64, now: u64) {
        self.change(name, |name| name.votes = name.votes - before + now);
    }

    /// A device is gone.
    pub(crate) fn leave(&mut self, name: NameIndex, vote: u64) {
        self.change(name, |name| {
            name.votes -= vote;
            name.devices -= 1;
        });
        let Some(gone) = self.names.get(name.0).filter(|name| name.devices == 0) else { return };
        let (rank, place) = (gone.rank(name), gone.place);
        self.by_text.remove(&gone.text);
        self.end(place);
        self.with.remove(&rank);
        self.without.remove(&rank);
        self.names.remove(name.0);
    }

    /// Where the figures of a metric are kept, if it has any.
    pub(crate) fn place(&self, name: NameIndex) -> Option<u16> {
        self.names.get(name.0)?.place
    }

    /// The metric whose figures are at a place.
    pub(crate) fn text(&self, place: u16) -> &Arc<str> {
        match self.figures.get(usize::from(place)) {
            Some(Figures::Of(text) | Figures::Ending(text)) => text,
            Some(Figures::Free) | None => unreachable!("figures end before their place is free"),
        }
    }

    /// How many names have no figures.
    pub(crate) fn without(&self) -> usize {
        self.without.len()
    }

    /// Before a round: names with fewer votes than one without figures lose theirs. Returns which.
    pub(crate) fn contest(&mut self, max: usize) -> Vec<Arc<str>> {
        let mut lost = Vec::new();
        // As many of those without are to get the places of those that lose them.
        let claims: Vec<u64> = self.without.iter().rev().take(CHANGES_MAX).map(|(votes, ..)| *votes).collect();
        let mut claims = claims.into_iter();
        while lost.len() < CHANGES_MAX
            && let Some(&(votes, _, name)) = self.with.first()
            && (self.with.len() > max || claims.next().is_some_and(|claim| claim > votes))
        {
            let place = self.place(name);
            self.end(place);
            self.set_place(name, None);
            lost.extend(self.names.get(name.0).map(|name| name.text.clone()));
        }
        lost
    }

    /// Whether groups are to be told of figures that end.
    pub(crate) fn is_ending(&self, place: u16) -> bool {
        matches!(self.figures.get(usize::from(place)), Some(Figures::Ending(_)))
    }

    /// After a round, which has told of figures that end: their places are for those with the most votes. Returns who got
    /// one, in order.
    pub(crate) fn settle(&mut self, max: usize) -> Vec<NameIndex> {
        for figures in &mut self.figures {
            if matches!(figures, Figures::Ending(_)) {
                *figures = Figures::Free;
            }
        }
        while self.figures.pop_if(|last| *last == Figures::Free).is_some() {}
        let mut begun = self.fill(max);
        begun.sort_unstable();
        begun
    }

    /// Gives figures to those with the most votes, as long as there are places. Returns who got them.
    fn fill(&mut self, max: usize) -> Vec<NameIndex> {
        let (max, mut begun) = (max.min(usize::from(u16::MAX)), Vec::new());
        while let Some(&(.., name)) = self.without.last() {
            let free = self.figures.iter().position(|figures| *figures == Figures::Free);
            let place = free.unwrap_or(self.figures.len());
            if place >= max {
                break;
            }
            let Some(text) = self.names.get(name.0).map(|name| name.text.clone()) else { break };
            match self.figures.get_mut(place) {
                Some(figures) => *figures = Figures::Of(text),
                None => self.figures.push(Figures::Of(text)),
            }
            self.set_place(name, Some(place as u16));
            begun.push(name);
        }
        begun
    }

    fn end(&mut self, place: Option<u16>) {
        let figures = place.and_then(|place| self.figures.get_mut(usize::from(place)));
        if let Some(figures) = figures
            && let Figures::Of(text) = figures
        {
            *figures = Figures::Ending(text.clone());
        }
    }

    fn set_place(&mut self, name: NameIndex, place: Option<u16>) {
        self.change(name, |name| name.place = place);
    }

    fn change(&mut self, index: NameIndex, change: impl FnOnce(&mut Name)) {
        let Some(name) = self.names.get_mut(index.0) else { return };
        let ranked = |name: &Name| (name.place.is_some(), name.rank(index));
        let (had, before) = ranked(name);
        change(name);
        let (has, now) = ranked(name);
        if had {
            self.with.remove(&before)
        } else {
            self.without.remove(&before)
        };
        if has {
            self.with.insert(now)
        } else {
            self.without.insert(now)
        };
    }
}

impl Name {
    fn rank(&self, index: NameIndex) -> Rank {
        (self.votes, Reverse(self.text.clone()), index)
    }
}

impl Serialize for NameIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(0)
    }
}

impl<'de> Deserialize<'de> for NameIndex {
    /// To be counted anew.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u16::deserialize(deserializer).map(|_| NameIndex(u32::MAX))
    }
}
