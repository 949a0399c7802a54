//! What of a client outlives its connection (MQTT 5.0 section 4.1).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_telemetry::{Position, Qos};

/// How a client subscribed to a filter (MQTT 5.0 section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// Highest quality of service the client wants.
    pub qos: Qos,
    /// What the client published itself does not come back.
    pub no_local: bool,
    /// The retain flag is passed on as published.
    pub retain_as_published: bool,
}

/// State of a client that outlives a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// Number of the session, unique in the broker's life.
    pub id: u64,
    /// Filters and options.
    pub subscriptions: HashMap<Arc<str>, SubscriptionOptions>,
    /// QoS 2 packet identifiers that were received and not yet released, with the place of the entry in the log.
    pub received: HashMap<u16, Position>,
}

/// Keeps the sessions of clients that are away. A session that is in use belongs to its connection: it is taken on
/// CONNECT and put back at the end.
pub trait SessionStore: Send + Sync + 'static {
    /// Takes the client's session out, if there is one. Callers let [`SessionStore::expire`] run first.
    fn take(&self, client: &str) -> Option<Session>;

    /// Keeps the client's session until `expires_ms` (Unix ms). Returns `false`, with nothing kept, when full.
    fn put(&self, client: &str, session: Session, expires_ms: i64) -> bool;

    /// Takes out the sessions that have expired at `now_ms`.
    fn expire(&self, now_ms: i64) -> Vec<Session>;
}

/// Sessions in memory: gone with the program.
#[derive(Debug)]
pub struct MemorySessions {
    kept: Mutex<Kept>,
    sessions_max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    by_client: HashMap<Arc<str>, (i64, Session)>,
    by_expiry: BTreeSet<(i64, Arc<str>)>,
}

impl MemorySessions {
    /// Keeps up to `sessions_max` sessions.
    #[must_use]
    pub fn new(sessions_max: usize) -> Self {
        MemorySessions { kept: Mutex::default(), sessions_max }
    }
}

impl SessionStore for MemorySessions {
    fn take(&self, client: &str) -> Option<Session> {
        let mut kept = self.kept.lock();
        let (client, (expires_ms, session)) = kept.by_client.remove_entry(client)?;
        kept.by_expiry.remove(&(expires_ms, client));
        Some(session)
    }

    fn put(&self, client: &str, session: Session, expires_ms: i64) -> bool {
        let mut kept = self.kept.lock();
        if kept.by_client.len() >= self.sessions_max || kept.by_client.contains_key(client) {
            return false;
        }
        let client: Arc<str> = Arc::from(client);
        kept.by_expiry.insert((expires_ms, Arc::clone(&client)));
        kept.by_client.insert(client, (expires_ms, session));
        true
    }

    fn expire(&self, now_ms: i64) -> Vec<Session> {
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
        let store = MemorySessions::new(2);
        assert!(store.put("a", session(1), 100));
        assert_eq!(store.take("a"), Some(session(1)));
        assert_eq!(store.take("a"), None);
        assert!(store.put("a", session(1), 100));
        assert_eq!(store.expire(99), []);
        assert_eq!(store.expire(100), [session(1)]);
        assert_eq!(store.take("a"), None);
    }

    #[test]
    fn a_full_store_keeps_what_it_has() {
        let store = MemorySessions::new(1);
        assert!(store.put("a", session(1), 100));
        assert!(!store.put("b", session(2), 100));
        assert_eq!(store.take("a"), Some(session(1)));
    }
}
