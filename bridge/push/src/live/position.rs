//! How clients are told positions.

use serde::{Serialize, Serializer};
use tidegate_views::StreamPosition;

/// How positions are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PositionForm {
    /// A number, which means something within the epoch that `hello` and `welcome` name.
    Number,
    /// Opaque text.
    Text,
}

/// A position in the form that a client knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ToldPosition<'a> {
    pub position: StreamPosition<'a>,
    pub form: PositionForm,
}

impl Serialize for ToldPosition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.form {
            PositionForm::Number => serializer.serialize_u64(self.position.version),
            PositionForm::Text => serializer.collect_str(&self.position),
        }
    }
}
