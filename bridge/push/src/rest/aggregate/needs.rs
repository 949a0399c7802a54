/// What has to be gathered of readings, besides their summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// How long values held.
    pub holding: bool,
    pub increases: bool,
    /// The values themselves.
    pub values: bool,
}

impl Needs {
    /// Whether summaries of points say it all.
    pub fn is_of_summaries(self) -> bool {
        self == Needs::default()
    }

    /// Whether what was before the span counts in it.
    pub fn looks_back(self) -> bool {
        self.holding || self.increases
    }
}
