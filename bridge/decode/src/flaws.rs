use tidegate_telemetry::Rejection;

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
