use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tidegate_log::{Log, ReadError};
use tidegate_telemetry::{Entry, Position, Qos};

/// What the broker handed over and has no answer for yet. Pure but for [`Inbox::recover`].
///
/// An answer leaves when the log has the message on disk, in the order of arrival (MQTT-4.6.0-2). A message of QoS 2
/// that comes again before it was released (MQTT-4.3.3-10) is answered and not taken a second time.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: VecDeque<Waiting>,
    /// Of QoS 2, taken and not released: where in the log.
    taken: HashMap<u16, Position>,
    /// Of QoS 2, by packet identifier: the newest of the run before. A crash may have come before their answer.
    recalled: HashMap<u16, (String, Bytes)>,
}

/// An acknowledgement that is due when the log is durable through a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub packet_id: u16,
    pub qos: Qos,
    pub through: Position,
}

/// Entries looked at for what a crash may have left without an answer: all packet identifiers there are.
const RECALLED_ENTRIES: u64 = 65_535;

/// How long one read of the log waits; what is asked for is there.
const READ_WAIT: Duration = Duration::from_millis(100);

impl Inbox {
    /// Recalls from the log which messages of QoS 2 were taken last.
    pub(super) fn recover(log: &dyn Log) -> Result<Inbox, ReadError> {
        let end = log.appended();
        let mut at = Position(end.0.saturating_sub(RECALLED_ENTRIES));
        let mut reader = match log.reader(at) {
            Err(ReadError::Trimmed { first_kept, .. }) => {
                at = first_kept;
                log.reader(at)?
            }
            reader => reader?,
        };
        let (mut inbox, mut entries) = (Inbox::default(), Vec::new());
        while at < end && reader.read(READ_WAIT, &mut entries)? {
            for (position, entry) in entries.drain(..) {
                at = position;
                if let Entry::Publication(publication) = &entry.entry
                    && publication.qos == Qos::ExactlyOnce
                {
                    let message = (publication.topic.clone(), publication.payload.clone());
                    inbox.recalled.insert(publication.packet_id, message);
                }
            }
        }
        Ok(inbox)
    }

    /// Whether the message was taken before; then it is only to be answered again. A message that comes again says so
    /// (MQTT-3.3.1-1); one that does not is another, whose packet identifier was free.
    pub(super) fn is_known(&mut self, packet_id: u16, qos: Qos, dup: bool, topic: &str, payload: &[u8]) -> bool {
        let recalled = self.recalled.remove(&packet_id);
        if qos != Qos::ExactlyOnce || !dup {
            return false;
        }
        let known = match self.taken.get(&packet_id) {
            Some(through) => Some(*through),
            None if recalled.is_some_and(|(t, p)| t == topic && p == payload) => Some(Position::START),
            None => None,
        };
        if let Some(through) = known {
            self.taken.insert(packet_id, through);
            self.waiting.push_back(Waiting { packet_id, qos, through });
        }
        known.is_some()
    }

    /// A message is in the log up to `through`.
    pub(super) fn take(&mut self, packet_id: u16, qos: Qos, through: Position) {
        match qos {
            Qos::AtMostOnce => return,
            Qos::AtLeastOnce => {}
            Qos::ExactlyOnce => {
                self.taken.insert(packet_id, through);
            }
        }
        self.waiting.push_back(Waiting { packet_id, qos, through });
    }

    /// The next answer that may leave; [`Inbox::answered`] when it did.
    pub(super) fn due(&self, durable: Position) -> Option<Waiting> {
        self.waiting.front().copied().filter(|waiting| waiting.through <= durable)
    }

    pub(super) fn answered(&mut self) {
        self.waiting.pop_front();
    }

    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The broker will not send a QoS 2 message again.
    pub(super) fn released(&mut self, packet_id: u16) {
        self.taken.remove(&packet_id);
        self.recalled.remove(&packet_id);
    }

    /// The connection ended: what has no answer comes again.
    pub(super) fn disconnected(&mut self) {
        self.waiting.clear();
    }

    /// The broker knows nothing of what was before.
    pub(super) fn begin_anew(&mut self) {
        *self = Inbox::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QOS_2: Qos = Qos::ExactlyOnce;

    #[test]
    fn answers_leave_in_order_and_only_when_durable() {
        let mut inbox = Inbox::default();
        inbox.take(1, Qos::AtLeastOnce, Position(5));
        inbox.take(2, Qos::AtMostOnce, Position(6));
        inbox.take(3, QOS_2, Position(7));
        assert_eq!(inbox.due(Position(4)), None);
        assert_eq!(inbox.due(Position(6)).map(|due| due.packet_id), Some(1));
        inbox.answered();
        assert_eq!(inbox.due(Position(6)), None);
        assert_eq!(inbox.due(Position(7)).map(|due| due.packet_id), Some(3));
        inbox.answered();
        assert!(inbox.is_settled());
    }

    #[test]
    fn a_message_of_qos_2_is_taken_once_until_it_is_released() {
        let mut inbox = Inbox::default();
        assert!(!inbox.is_known(3, QOS_2, false, "t", b"a"));
        inbox.take(3, QOS_2, Position(7));
        inbox.disconnected();
        assert!(inbox.is_settled(), "the answer died with the connection");
        assert!(inbox.is_known(3, QOS_2, true, "t", b"a"), "and is given when the message comes again");
        assert_eq!(inbox.due(Position(7)).map(|due| due.packet_id), Some(3));
        assert!(!inbox.is_known(3, QOS_2, false, "t", b"a"), "one that is not marked as repeated is another");
        inbox.released(3);
        assert!(!inbox.is_known(3, QOS_2, true, "t", b"a"), "the identifier is free for another message");
        inbox.take(3, QOS_2, Position(8));
        inbox.begin_anew();
        assert!(!inbox.is_known(3, QOS_2, true, "t", b"a"));
    }

    #[test]
    fn after_a_crash_only_the_same_message_marked_as_repeated_is_known() {
        let recalled = || Inbox { recalled: HashMap::from([(3, ("t".into(), Bytes::from("a")))]), ..Inbox::default() };
        assert!(recalled().is_known(3, QOS_2, true, "t", b"a"));
        for (packet_id, dup, topic, payload) in [(4, true, "t", "a"), (3, false, "t", "a"), (3, true, "u", "a")] {
            assert!(
                !recalled().is_known(packet_id, QOS_2, dup, topic, payload.as_bytes()),
                "{packet_id} {dup} {topic}"
            );
        }
        assert!(!recalled().is_known(3, QOS_2, true, "t", b"b"), "another payload");
        assert!(!recalled().is_known(3, Qos::AtLeastOnce, true, "t", b"a"), "QoS 1 may come twice");
    }
}
