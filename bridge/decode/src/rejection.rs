use tidegate_telemetry::Reason;

/// Why a publication, or a part of it, gave no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Rejection {
    /// For counters.
    pub reason: Reason,
    /// For people: what exactly, and what to do about it.
    pub detail: String,
}

impl Rejection {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Rejection { reason, detail: detail.into() }
    }
}

/// What went wrong in one publication: the first flaw in words, the others as a number.
#[derive(Debug, Default)]
pub(crate) struct Flaws {
    first: Option<Rejection>,
    more: usize,
}

impl Flaws {
    pub(crate) fn add(&mut self, rejection: Rejection) {
        match self.first {
            None => self.first = Some(rejection),
            Some(_) => self.more += 1,
        }
    }

    /// Adds those of a part.
    pub(crate) fn extend(&mut self, part: Flaws) {
        if let Some(first) = part.first {
            self.add(first);
            self.more += part.more;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn into_result(self) -> Result<(), Rejection> {
        let Some(mut first) = self.first else { return Ok(()) };
        if self.more > 0 {
            first.detail.push_str(&format!(" (and {} more in this publication)", self.more));
        }
        Err(first)
    }
}
