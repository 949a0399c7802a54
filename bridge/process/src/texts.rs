//! Each text once in memory while a checkpoint is read.

use std::collections::HashSet;
use std::sync::Arc;

/// Texts read from a checkpoint, each once.
#[derive(Debug, Default)]
pub(crate) struct Texts(HashSet<Arc<str>>);

impl Texts {
    /// Makes a text the one that was read before, if it is the same.
    pub(crate) fn share(&mut self, text: &mut Arc<str>) {
        match self.0.get(&**text) {
            Some(known) => *text = known.clone(),
            None => {
                self.0.insert(text.clone());
            }
        }
    }
}
