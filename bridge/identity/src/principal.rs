use std::fmt;
use std::sync::{Arc, LazyLock};

/// Whom a client or viewer proved to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

/// The name of those who proved nothing; nobody who proves something can have it.
const ANONYMOUS: &str = "anonymous";

/// Longest name of a principal.
const NAME_BYTES_MAX: usize = 256;

/// A name that cannot stand for a principal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} cannot be a user's name: it is empty, \"anonymous\", longer than {NAME_BYTES_MAX} bytes, or holds a control character"
)]
pub struct NameError(String);

impl Principal {
    /// Someone who proved nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        static ANYBODY: LazyLock<Principal> = LazyLock::new(|| Principal(Arc::from(ANONYMOUS)));
        ANYBODY.clone()
    }

    /// Someone who proved to be `name`.
    ///
    /// # Errors
    /// When the name is empty, too long, holds control characters, or is the one of those who proved nothing.
    pub fn named(name: &str) -> Result<Self, NameError> {
        let wrong = name.is_empty()
            || name == ANONYMOUS
            || name.len() > NAME_BYTES_MAX
            || name.contains(|character: char| character.is_control());
        if wrong { Err(NameError(name.chars().take(64).collect())) } else { Ok(Principal(Arc::from(name))) }
    }

    /// The name, as it stands in the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is someone who proved nothing.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        &*self.0 == ANONYMOUS
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A principal with what its credentials say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub principal: Principal,
    /// Groups it belongs to, for rights.
    pub groups: Arc<[Box<str>]>,
    /// When its credentials end, in Unix ms: what it holds open then is closed.
    pub expires_ms: Option<i64>,
    /// How it was proved: `anonymous`, `certificate`, `token`, `password`.
    pub proof: &'static str,
}

impl Identity {
    /// Someone who proved nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Identity::of(Principal::anonymous())
    }

    /// A principal in no group, whose credentials do not end.
    #[must_use]
    pub fn of(principal: Principal) -> Self {
        Identity { principal, groups: Arc::from([]), expires_ms: None, proof: ANONYMOUS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_be_named_like_those_who_proved_nothing() {
        for wrong in ["", "anonymous", "a\nb", &"x".repeat(257)] {
            assert!(Principal::named(wrong).is_err(), "{wrong:?}");
        }
        let named = Principal::named("truck-7").expect("a good name");
        assert!(!named.is_anonymous() && Principal::anonymous().is_anonymous());
    }
}
