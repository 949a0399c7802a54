use std::collections::HashMap;
use std::sync::Arc;

use tidegate_telemetry::Position;

use super::matches;
use crate::engines::gate::outbox::Message;

/// The newest retained message of each topic (MQTT 5.0 section 3.3.1.3), in memory, bounded in number and bytes.
#[derive(Debug)]
pub(crate) struct Retained {
    messages: HashMap<Arc<str>, (Position, Arc<Message>)>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
}

/// What became of a message that is to be retained.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is the topic's newest, or removed the one before.
    Kept,
    /// The topic has a newer one: this one is not to be stored either, or it would come back with a restart.
    Outdated,
    NoRoom,
}

impl Retained {
    pub(crate) fn new(count_max: usize, bytes_max: usize) -> Self {
        Retained { messages: HashMap::new(), bytes: 0, count_max, bytes_max }
    }

    /// Keeps the message in place of the one before; one with an empty payload removes it (MQTT-3.3.1-6). What the
    /// log has later wins, whichever connection comes first.
    pub(crate) fn put(&mut self, position: Position, message: &Arc<Message>) -> Put {
        let before = match self.messages.get(&message.topic) {
            Some((newer, _)) if *newer > position => return Put::Outdated,
            Some((_, before)) => before.bytes(),
            None => 0,
        };
        if message.payload.is_empty() {
            self.bytes -= before;
            self.messages.remove(&message.topic);
            return Put::Kept;
        }
        let too_many = before == 0 && self.messages.len() >= self.count_max;
        if too_many || self.bytes - before + message.bytes() > self.bytes_max {
            return Put::NoRoom;
        }
        self.bytes = self.bytes - before + message.bytes();
        self.messages.insert(Arc::clone(&message.topic), (position, Arc::clone(message)));
        Put::Kept
    }

    /// The messages a new subscription to `filter` gets. A filter with wildcards looks at every retained topic.
    pub(crate) fn matching(&self, filter: &str) -> Vec<(Position, Arc<Message>)> {
        if !filter.contains(['+', '#']) {
            return self.messages.get(filter).cloned().into_iter().collect();
        }
        self.messages.iter().filter(|(topic, _)| matches(filter, topic)).map(|(_, kept)| kept.clone()).collect()
    }

    /// Number and bytes of the messages kept.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.messages.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &'static [u8]) -> Arc<Message> {
        Arc::new(Message::for_tests(topic, payload))
    }

    #[test]
    fn an_empty_payload_removes_and_the_later_position_wins() {
        let mut retained = Retained::new(10, 10_000);
        assert_eq!(retained.put(Position(5), &message("a", b"new")), Put::Kept);
        assert_eq!(retained.put(Position(4), &message("a", b"old")), Put::Outdated);
        assert_eq!(&retained.matching("a")[0].1.payload[..], b"new");
        assert_eq!(retained.put(Position(6), &message("a", b"")), Put::Kept);
        assert_eq!((retained.matching("#").len(), retained.size()), (0, (0, 0)));
    }

    #[test]
    fn past_its_bounds_nothing_is_added_but_what_is_there_may_change() {
        let mut retained = Retained::new(1, 10_000);
        assert_eq!(retained.put(Position(1), &message("a", b"1")), Put::Kept);
        assert_eq!(retained.put(Position(2), &message("b", b"1")), Put::NoRoom);
        assert_eq!(retained.put(Position(3), &message("a", b"2")), Put::Kept);
        let mut small = Retained::new(10, 3);
        assert_eq!(small.put(Position(1), &message("a", b"1234")), Put::NoRoom);
    }
}
