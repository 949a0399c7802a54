/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The text is no question, or one of a kind that is not answered here. What is wrong, where, and what to do.
    #[error("{0}")]
    Question(String),
    /// The question is understood, and its answer is none: two series that would have one name, say.
    #[error("{0}")]
    Execution(String),
    /// It asks for more than one question may.
    #[error("{what}")]
    TooMuch {
        /// The key of the configuration that says so.
        limit: &'static str,
        /// What it asks for, and what to do.
        what: String,
    },
    /// The series cannot be read.
    #[error("{0}")]
    Source(String),
    /// Nobody waits for the answer any more.
    #[error("nobody waits for the answer any more")]
    Withdrawn,
}

impl QueryError {
    pub(crate) fn question(text: impl Into<String>) -> Self {
        QueryError::Question(text.into())
    }

    pub(crate) fn too_much(limit: &'static str, what: String) -> Self {
        QueryError::TooMuch { limit, what }
    }
}
