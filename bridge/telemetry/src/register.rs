//! What people say of devices: a name, a place, labels. It outweighs what devices say of themselves.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name and longest group path, characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Longest key and longest value of a label, characters.
pub const LABEL_CHARS_MAX: usize = 100;
/// Longest notes, characters.
pub const NOTES_CHARS_MAX: usize = 4_000;
/// Most labels of a device.
pub const LABELS_MAX: usize = 32;
/// Longest interval, ms: a year.
pub const INTERVAL_MS_MAX: i64 = 366 * 86_400_000;

/// What people say of a device. In checkpoints it is a [record](crate::record): a new field comes last, and has a default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceWord {
    /// What it is called.
    pub name: Option<Arc<str>>,
    /// Where it is: its group path, in the place of the one that its readings have.
    pub group: Option<Arc<str>>,
    /// Keys and values, in the order of the keys.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// What else there is to say, in lines.
    pub notes: Option<Arc<str>>,
    /// It is not among the devices that are shown, unless it is asked for.
    pub hidden: bool,
    /// How often it is expected to report, ms.
    pub report_ms: Option<i64>,
}

/// One thing that somebody says of a device; nothing takes back what was said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WordChange {
    /// What it is called.
    Name(Option<Arc<str>>),
    /// Where it is.
    Group(Option<Arc<str>>),
    /// The value of a label.
    Label(Arc<str>, Option<Arc<str>>),
    /// What else there is to say.
    Notes(Option<Arc<str>>),
    /// Whether it is hidden.
    Hidden(bool),
    /// How often it is expected to report, ms.
    ReportMs(Option<i64>),
}

/// What people said of a device, who changed it last and when; a record, as [`DeviceWord`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidOfDevice {
    /// What holds.
    pub word: DeviceWord,
    /// Who changed it last.
    pub by: Arc<str>,
    /// When, Unix ms.
    pub at_ms: i64,
    /// What takes the last change back.
    pub undo: Vec<WordChange>,
}

impl DeviceWord {
    /// Takes changes; answers with what takes them back, without those that change nothing.
    pub fn change(&mut self, changes: &[WordChange]) -> Vec<WordChange> {
        let mut undo = Vec::new();
        for change in changes {
            let before = match change {
                WordChange::Name(name) => WordChange::Name(std::mem::replace(&mut self.name, name.clone())),
                WordChange::Group(group) => WordChange::Group(std::mem::replace(&mut self.group, group.clone())),
                WordChange::Label(key, value) => WordChange::Label(Arc::clone(key), self.label(key, value.clone())),
                WordChange::Notes(notes) => WordChange::Notes(std::mem::replace(&mut self.notes, notes.clone())),
                WordChange::Hidden(hidden) => WordChange::Hidden(std::mem::replace(&mut self.hidden, *hidden)),
                WordChange::ReportMs(ms) => WordChange::ReportMs(std::mem::replace(&mut self.report_ms, *ms)),
            };
            if before != *change {
                undo.insert(0, before);
            }
        }
        undo
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == DeviceWord::default()
    }

    /// Whether a label has a value.
    #[must_use]
    pub fn has_label(&self, key: &str, value: &str) -> bool {
        self.labels.iter().any(|(known, is)| **known == *key && **is == *value)
    }

    /// Sets a label, or takes it away; its value before.
    fn label(&mut self, key: &Arc<str>, value: Option<Arc<str>>) -> Option<Arc<str>> {
        match (self.labels.binary_search_by(|(known, _)| known.cmp(key)), value) {
            (Ok(place), Some(value)) => Some(std::mem::replace(&mut self.labels[place].1, value)),
            (Ok(place), None) => Some(self.labels.remove(place).1),
            (Err(place), Some(value)) => {
                self.labels.insert(place, (Arc::clone(key), value));
                None
            }
            (Err(_), None) => None,
        }
    }

    fn bytes(&self) -> usize {
        let texts = [&self.name, &self.group, &self.notes].into_iter().flatten().map(|text| text.len());
        let labels = self.labels.iter().map(|(key, value)| LABEL_BYTES + key.len() + value.len());
        texts.chain(labels).sum()
    }
}

/// Bytes of one beside its texts, about.
const SAID_BYTES: usize = 256;
const LABEL_BYTES: usize = 64;
const CHANGE_BYTES: usize = 64;

impl SaidOfDevice {
    /// Bytes that it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let undo = self.undo.iter().map(|change| {
            CHANGE_BYTES
                + match change {
                    WordChange::Name(text) | WordChange::Group(text) | WordChange::Notes(text) => length(text),
                    WordChange::Label(key, value) => key.len() + length(value),
                    WordChange::Hidden(_) | WordChange::ReportMs(_) => 0,
                }
        });
        SAID_BYTES + self.by.len() + self.word.bytes() + undo.sum::<usize>()
    }
}

fn length(text: &Option<Arc<str>>) -> usize {
    text.as_ref().map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Option<Arc<str>>> {
        prop::option::of("[ab]{0,2}").prop_map(|text| text.map(Arc::from))
    }

    fn change() -> impl Strategy<Value = WordChange> {
        prop_oneof![
            text().prop_map(WordChange::Name),
            text().prop_map(WordChange::Group),
            text().prop_map(WordChange::Notes),
            ("[xyz]", text()).prop_map(|(key, value)| WordChange::Label(key.into(), value)),
            any::<bool>().prop_map(WordChange::Hidden),
            prop::option::of(0..3i64).prop_map(WordChange::ReportMs),
        ]
    }

    proptest! {
        #[test]
        fn what_is_undone_is_as_it_was_and_can_be_done_again(
            before in prop::collection::vec(change(), 0..6),
            changes in prop::collection::vec(change(), 0..6),
        ) {
            let mut word = DeviceWord::default();
            word.change(&before);
            let was = word.clone();
            let undo = word.change(&changes);
            let became = word.clone();
            let redo = word.change(&undo);
            prop_assert_eq!(&word, &was);
            word.change(&redo);
            prop_assert_eq!(&word, &became);
            prop_assert!(word.labels.is_sorted_by(|one, next| one.0 < next.0));
            prop_assert_eq!(undo.is_empty() && redo.is_empty(), undo.is_empty());
        }
    }
}
