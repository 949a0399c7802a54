use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::Arc;

use tidegate_telemetry::clients::ClientEnd;

/// Why connections ended or were refused: the newest for each client, of the `max` clients that ended last.
pub(super) struct Ends {
    newest: BTreeMap<Arc<str>, Box<(u64, Ended)>>,
    /// In the order they ended; one that ended again since has another number.
    order: VecDeque<(u64, Arc<str>)>,
    count: u64,
    max: usize,
}

/// The end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Unix ms.
    pub at_ms: i64,
    pub reason: &'static str,
    /// Cut to [`DETAIL_CHARS_MAX`].
    pub detail: Box<str>,
    pub address: Option<SocketAddr>,
    /// How the client had proved who it is; `None`: it was turned away before.
    pub proof: Option<&'static str>,
}

/// Longest detail that is remembered.
const DETAIL_CHARS_MAX: usize = 240;

impl Ends {
    pub(super) fn new(max: usize) -> Self {
        Ends { newest: BTreeMap::new(), order: VecDeque::new(), count: 0, max }
    }

    pub(super) fn put(&mut self, key: &str, mut ended: Ended) {
        ended.detail = cut(&ended.detail).into();
        self.count += 1;
        let key: Arc<str> = Arc::from(key);
        self.newest.insert(Arc::clone(&key), Box::new((self.count, ended)));
        self.order.push_back((self.count, key));
        // What ended again is in `order` twice: it grows to twice the limit at most.
        while self.newest.len() > self.max || self.order.len() > 2 * self.max {
            let Some((number, key)) = self.order.pop_front() else { break };
            if self.newest.get(&key).is_some_and(|last| last.0 == number) {
                self.newest.remove(&key);
            }
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Ended> {
        self.newest.get(key).map(|last| last.1.clone())
    }

    /// Up to `count` keys after `after`.
    pub(super) fn after(&self, after: Option<&str>, count: usize) -> Vec<Arc<str>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.newest.range::<str, _>((from, Bound::Unbounded)).take(count).map(|(key, _)| Arc::clone(key)).collect()
    }
}

/// The beginning of a text that a client may have made as long as it likes.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(DETAIL_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

impl Ended {
    pub(crate) fn told(self) -> ClientEnd {
        let address = self.address.map(|address| address.to_string());
        ClientEnd { time: self.at_ms, reason: self.reason, detail: self.detail.into(), address }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(at_ms: i64) -> Ended {
        Ended { at_ms, reason: "lost", detail: "é".repeat(300).into(), address: None, proof: None }
    }

    #[test]
    fn the_oldest_ends_are_forgotten_and_the_newest_of_a_client_stands() {
        let mut ends = Ends::new(2);
        for (at_ms, key) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
            ends.put(key, ended(at_ms));
        }
        assert_eq!(ends.after(None, 9).iter().map(|key| &**key).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(ends.get("a").map(|ended| (ended.at_ms, ended.detail.chars().count())), Some((3, 241)));
        assert_eq!(ends.after(Some("a"), 9).len(), 1);
        for at_ms in 0..100 {
            ends.put("a", ended(at_ms));
        }
        assert!(ends.order.len() <= 4 && ends.get("a").is_some_and(|ended| ended.at_ms == 99));
    }
}
