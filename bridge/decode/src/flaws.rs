use tidegate_telemetry::{Reason, Rejection};

/// What went wrong in one publication: of each reason the first flaw in words, the others as a number.
#[derive(Debug, Default)]
pub(crate) struct Flaws(Vec<(Rejection, usize)>);

impl Flaws {
    pub(crate) fn add(&mut self, rejection: Rejection) {
        self.add_several(rejection, 1);
    }

    /// Adds those of a part.
    pub(crate) fn extend(&mut self, part: Flaws) {
        part.0.into_iter().for_each(|(first, count)| self.add_several(first, count));
    }

    fn add_several(&mut self, first: Rejection, count: usize) {
        match self.0.iter_mut().find(|(known, _)| known.reason == first.reason) {
            Some((_, known)) => *known += count,
            None => self.0.push((first, count)),
        }
    }

    /// Takes back what is no flaw in this format.
    pub(crate) fn forget(&mut self, reason: Reason) {
        self.0.retain(|(known, _)| known.reason != reason);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first reason, and the others in `further`.
    pub(crate) fn into_result(self, further: &mut Vec<Rejection>) -> Result<(), Rejection> {
        let mut told = self.0.into_iter().map(|(mut first, count)| {
            if count > 1 {
                first.detail.push_str(&format!(" (and {} more in this publication)", count - 1));
            }
            first
        });
        let first = told.next();
        further.extend(told);
        first.map_or(Ok(()), Err)
    }
}
