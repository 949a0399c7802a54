use std::fmt;
use std::sync::Arc;

/// Whom a client or viewer proved to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

impl Principal {
    /// Someone who proved nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Principal(Arc::from("anonymous"))
    }

    /// The name, as it stands in the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
