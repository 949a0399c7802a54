use std::cmp::Ordering;
use std::sync::Arc;

/// A topic name, or a place between two of them. In order by level: `a/b` comes before `a!`, which is no level of `a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic(pub(crate) Arc<str>);

impl Ord for Topic {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mine, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        match mine.iter().zip(theirs).find(|(mine, theirs)| mine != theirs) {
            Some((b'/', _)) => Ordering::Less,
            Some((_, b'/')) => Ordering::Greater,
            Some((mine, theirs)) => mine.cmp(theirs),
            None => mine.len().cmp(&theirs.len()),
        }
    }
}

impl PartialOrd for Topic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
