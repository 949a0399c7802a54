use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::subscriber::Subscriber;

/// Shared subscriptions (MQTT 5.0 section 4.8.2): each message goes to one member of the group.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_filter: HashMap<Arc<str>, (u64, Arc<Group>)>,
    next: u64,
}

/// The members of one shared subscription. Messages go round; a member that is away, or behind, is passed over while
/// another is not.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    subscribers: Vec<(u64, Subscriber)>,
    next: usize,
}

/// Keys of groups in the trie begin here, far past the numbers of sessions.
const FIRST_KEY: u64 = 1 << 63;

impl Groups {
    /// Adds or replaces a member; `filter` begins with `$share/`. Returns the group and its key in the trie.
    pub(super) fn join(&mut self, filter: &str, session: u64, subscriber: Subscriber) -> (u64, Arc<Group>) {
        let next = &mut self.next;
        let (key, group) = self.by_filter.entry(Arc::from(filter)).or_insert_with(|| {
            *next += 1;
            (FIRST_KEY + *next, Arc::default())
        });
        let members = &mut group.members.lock().subscribers;
        match members.iter_mut().find(|(of, _)| *of == session) {
            Some(member) => member.1 = subscriber,
            None => members.push((session, subscriber)),
        }
        (*key, Arc::clone(group))
    }

    /// Removes a member. Returns the group's key when it has no member left.
    pub(super) fn leave(&mut self, filter: &str, session: u64) -> Option<u64> {
        let (key, group) = self.by_filter.get(filter)?;
        let key = *key;
        let is_empty = {
            let members = &mut group.members.lock().subscribers;
            members.retain(|(of, _)| *of != session);
            members.is_empty()
        };
        is_empty.then(|| {
            self.by_filter.remove(filter);
            key
        })
    }
}

impl Group {
    /// The member whose turn it is; else one whose mailbox waits for it.
    pub(super) fn pick(&self) -> Option<Subscriber> {
        let mut members = self.members.lock();
        let count = members.subscribers.len();
        let from = members.next;
        let in_turn = || (0..count).map(|step| (from + step) % count);
        let subscriber = |at: usize| &members.subscribers[at].1;
        let at = in_turn()
            .find(|at| subscriber(*at).session.keeps_up())
            .or_else(|| in_turn().find(|at| subscriber(*at).session.is_kept()))
            .or_else(|| in_turn().next())?;
        members.next = at + 1;
        Some(members.subscribers[at].1.clone())
    }
}
