use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_telemetry::{Position, Publication};

use super::{Session, Subscriptions};

/// The sessions of clients that are away. A session that is in use belongs to its connection: it is taken on CONNECT
/// and put back at the end.
#[derive(Debug)]
pub(crate) struct Parked {
    kept: Mutex<Kept>,
    sessions_max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    /// In order, so that operators can page through them.
    by_client: BTreeMap<Arc<str>, (i64, Session)>,
    by_expiry: BTreeSet<(i64, Arc<str>)>,
}

/// A client that is away, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sleeper {
    /// Number of the session.
    pub session: u64,
    /// Unix ms.
    pub expires_ms: i64,
    /// How many.
    pub subscriptions: usize,
}

impl Sleeper {
    fn of((expires_ms, session): &(i64, Session)) -> Self {
        Sleeper { session: session.id, expires_ms: *expires_ms, subscriptions: session.subscriptions.len() }
    }
}

impl Parked {
    /// Keeps up to `sessions_max` sessions.
    pub(crate) fn new(sessions_max: usize) -> Self {
        Parked { kept: Mutex::default(), sessions_max }
    }

    /// Takes the client's session out, if there is one. Callers let [`Parked::expire`] run first.
    pub(crate) fn take(&self, client: &str) -> Option<Session> {
        let mut kept = self.kept.lock();
        let (client, (expires_ms, session)) = kept.by_client.remove_entry(client)?;
        kept.by_expiry.remove(&(expires_ms, client));
        Some(session)
    }

    /// Keeps the client's session until `expires_ms` (Unix ms). Gives it back when full.
    pub(crate) fn put(&self, client: &str, session: Session, expires_ms: i64) -> Result<(), Session> {
        let mut kept = self.kept.lock();
        if kept.by_client.len() >= self.sessions_max || kept.by_client.contains_key(client) {
            return Err(session);
        }
        let client: Arc<str> = Arc::from(client);
        kept.by_expiry.insert((expires_ms, Arc::clone(&client)));
        kept.by_client.insert(client, (expires_ms, session));
        Ok(())
    }

    /// A QoS 2 publication of the client's stored session was found in the log; returns whether it has that session.
    pub(crate) fn receive(&self, client: &str, publication: &Publication) -> bool {
        let mut kept = self.kept.lock();
        let session = kept.by_client.get_mut(client).map(|(_, session)| session);
        let Some(session) = session.filter(|session| session.id == publication.session) else { return false };
        let known = session.received.iter_mut().find(|(packet_id, _)| *packet_id == publication.packet_id);
        match known {
            Some((_, position)) => *position = Position::START,
            None => session.received.push((publication.packet_id, Position::START)),
        }
        true
    }

    /// Up to `count` sleepers whose key is after `after`, ascending.
    pub(crate) fn after(&self, after: Option<&str>, count: usize) -> Vec<(Arc<str>, Sleeper)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let kept = self.kept.lock();
        let sleepers = kept.by_client.range::<str, _>((from, Bound::Unbounded)).take(count);
        sleepers.map(|(key, session)| (Arc::clone(key), Sleeper::of(session))).collect()
    }

    /// The client's session, if it is away.
    pub(crate) fn sleeper(&self, client: &str) -> Option<Sleeper> {
        self.kept.lock().by_client.get(client).map(Sleeper::of)
    }

    /// What it subscribed to.
    pub(crate) fn subscriptions(&self, client: &str) -> Option<Subscriptions> {
        self.kept.lock().by_client.get(client).map(|(_, session)| session.subscriptions.clone())
    }

    /// Whether it subscribed with a filter that is fit.
    pub(crate) fn has_filter(&self, client: &str, is_fit: impl Fn(&str) -> bool) -> bool {
        let kept = self.kept.lock();
        kept.by_client
            .get(client)
            .is_some_and(|(_, session)| session.subscriptions.filters().any(|filter| is_fit(filter)))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.lock().by_client.len()
    }

    /// Takes out the sessions that have expired at `now_ms`.
    pub(crate) fn expire(&self, now_ms: i64) -> Vec<Session> {
        let mut kept = self.kept.lock();
        let mut expired = Vec::new();
        while let Some((expires_ms, _)) = kept.by_expiry.first()
            && *expires_ms <= now_ms
            && let Some((_, client)) = kept.by_expiry.pop_first()
        {
            expired.extend(kept.by_client.remove(&client).map(|(_, session)| session));
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: u64) -> Session {
        Session { id, ..Session::default() }
    }

    #[test]
    fn a_session_is_taken_once_and_until_it_expires() {
        let parked = Parked::new(2);
        assert!(parked.put("a", session(1), 100).is_ok());
        assert_eq!(parked.take("a").map(|s| s.id), Some(1));
        assert!(parked.take("a").is_none());
        assert!(parked.put("a", session(1), 100).is_ok());
        assert!(parked.expire(99).is_empty());
        assert_eq!(parked.expire(100).len(), 1);
        assert!(parked.take("a").is_none());
    }

    #[test]
    fn a_full_store_keeps_what_it_has() {
        let parked = Parked::new(1);
        assert!(parked.put("a", session(1), 100).is_ok());
        assert!(parked.put("b", session(2), 100).is_err());
        assert_eq!(parked.take("a").map(|s| s.id), Some(1));
    }
}
