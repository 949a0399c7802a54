//! Each text, and what is known of metrics, once in memory while a checkpoint is read.

use std::collections::HashSet;
use std::sync::Arc;

use tidegate_telemetry::MetricFacts;

/// Texts read from a checkpoint, each once.
#[derive(Debug, Default)]
pub(crate) struct Texts(HashSet<Arc<str>>, HashSet<Arc<MetricFacts>>);

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

    /// The same of what is known of a metric: devices of one type say the same of theirs.
    pub(crate) fn share_facts(&mut self, facts: &mut Arc<MetricFacts>) {
        match self.1.get(&**facts) {
            Some(known) => *facts = Arc::clone(known),
            None => {
                self.1.insert(Arc::clone(facts));
            }
        }
    }
}
