/// From where to where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

impl Direction {
    /// The word for it in traces and labels.
    pub(super) fn name(self) -> &'static str {
        if self == Direction::In { "in" } else { "out" }
    }
}
