//! What ages are measured to.

/// What ages are measured to is written down when it is so much further.
const AGED_STEP_MS: i64 = 600_000;

/// What ages are measured to, for everything that is deleted or refused by its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aged {
    /// Unix ms. A clock that is not confirmed does not move it.
    pub to_ms: i64,
    /// The same, as it was when a confirmed clock moved it last: so much has surely passed. `None`: none did yet.
    pub surely_ms: Option<i64>,
}

impl Aged {
    /// Whether it is to be written down anew.
    pub(crate) fn is_far_from(self, newer: Aged) -> bool {
        let is_near = (0..AGED_STEP_MS).contains(&(newer.to_ms - self.to_ms));
        !is_near || self.surely_ms.is_some() != newer.surely_ms.is_some()
    }
}
