use std::cmp::Ordering;
use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_telemetry::{Position, Publication};

use super::Subscriptions;
use super::rows::Rows;
use crate::engines::gate::outbox::Outbox;

/// The sessions of clients that are away. A session that is in use belongs to its connection: it is taken on CONNECT
/// and put back at the end.
#[derive(Debug)]
pub(crate) struct Parked {
    kept: Mutex<Kept>,
    sessions_max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    /// By client, so that operators can page through them. Whoever has these locked may lock an outbox, never the
    /// other way round.
    sleepers: Rows<Arc<Outbox>>,
    /// The client up to which the sweep for expired sessions has come.
    swept: Arc<str>,
    /// How many there were when the sweep began anew.
    to_sweep: usize,
}

/// A client that is away, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sleeper {
    /// Number of the session.
    pub session: u64,
    /// As [`crate::engines::gate::hub::Hub::waiting_ms`] counts.
    pub expires_ms: i64,
    /// How many.
    pub subscriptions: usize,
}

/// Sleepers looked at under one lock.
const SWEPT_AT_ONCE: usize = 1024;

impl Parked {
    /// Keeps up to `sessions_max` sessions.
    pub(crate) fn new(sessions_max: usize) -> Self {
        Parked { kept: Mutex::default(), sessions_max }
    }

    /// Takes the client's session out, if there is one; it may have expired.
    pub(crate) fn take(&self, client: &str) -> Option<Arc<Outbox>> {
        self.kept.lock().sleepers.remove(|sleeper| sleeper.cmp_client(client))
    }

    /// Keeps the client's session, which is asleep. Gives it back when full.
    pub(crate) fn put(&self, client: &str, session: Arc<Outbox>) -> Result<(), Arc<Outbox>> {
        let mut kept = self.kept.lock();
        if kept.sleepers.len() >= self.sessions_max {
            return Err(session);
        }
        kept.sleepers.insert(session, |sleeper| sleeper.cmp_client(client))
    }

    /// A QoS 2 publication of the client's stored session was found in the log; returns whether it has that session.
    pub(crate) fn receive(&self, client: &str, publication: &Publication) -> bool {
        let session = self.look(client, Arc::clone);
        let Some(session) = session.filter(|session| session.number() == publication.session) else { return false };
        session.receive_asleep(publication.packet_id, Position::START);
        true
    }

    /// Up to `count` sleepers whose key is after `after`, ascending.
    pub(crate) fn after(&self, after: Option<&str>, count: usize) -> Vec<(Arc<str>, Sleeper)> {
        let kept = self.kept.lock();
        let order = |sleeper: &Arc<Outbox>| after.map_or(Ordering::Greater, |after| sleeper.cmp_client(after));
        kept.sleepers.after(order).take(count).map(|sleeper| sleeper.sleeper()).collect()
    }

    /// The client's session, if it is away.
    pub(crate) fn sleeper(&self, client: &str) -> Option<Sleeper> {
        self.look(client, |sleeper| sleeper.sleeper().1)
    }

    /// What it subscribed to.
    pub(crate) fn subscriptions(&self, client: &str) -> Option<Subscriptions> {
        self.look(client, |sleeper| sleeper.subscriptions())
    }

    /// Whether it subscribed with a filter that is fit.
    pub(crate) fn has_filter(&self, client: &str, is_fit: impl Fn(&str) -> bool) -> bool {
        self.look(client, |sleeper| sleeper.any_filter(is_fit)).unwrap_or(false)
    }

    fn look<T>(&self, client: &str, look: impl FnOnce(&Arc<Outbox>) -> T) -> Option<T> {
        self.kept.lock().sleepers.get(|sleeper| sleeper.cmp_client(client)).map(look)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.lock().sleepers.len()
    }

    /// How many sweeps look at one of so many parts of the sleepers, also while those who expired become fewer.
    pub(crate) fn sweeps(&self, parts: usize) -> usize {
        let kept = self.kept.lock();
        1 + kept.sleepers.len().max(kept.to_sweep) / parts / SWEPT_AT_ONCE
    }

    /// Looks at the next [`SWEPT_AT_ONCE`] sleepers, beginning anew after the last, and takes out those that have
    /// expired at `now_ms`.
    pub(crate) fn sweep(&self, now_ms: i64) -> Vec<Arc<Outbox>> {
        let mut kept = self.kept.lock();
        if kept.swept.is_empty() {
            kept.to_sweep = kept.sleepers.len();
        }
        let (mut seen, mut last, mut expired) = (0, None, Vec::new());
        for sleeper in kept.sleepers.after(|sleeper| sleeper.cmp_client(&kept.swept)).take(SWEPT_AT_ONCE) {
            (seen, last) = (seen + 1, Some(sleeper));
            if sleeper.has_expired(now_ms) {
                expired.push(sleeper.sleeper().0);
            }
        }
        kept.swept = last.filter(|_| seen == SWEPT_AT_ONCE).map(|sleeper| sleeper.sleeper().0).unwrap_or_default();
        expired.iter().filter_map(|client| kept.sleepers.remove(|sleeper| sleeper.cmp_client(client))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::Asleep;

    fn session(client: &str, number: u64, expires_ms: i64) -> Arc<Outbox> {
        let asleep = Asleep::new(client, &Vec::new(), &[], &Subscriptions::default());
        Arc::new(Outbox::asleep(number, 1, asleep, expires_ms))
    }

    fn put(parked: &Parked, client: &str, number: u64) -> bool {
        parked.put(client, session(client, number, 100)).is_ok()
    }

    #[test]
    fn a_session_is_taken_once_and_until_it_expires() {
        let parked = Parked::new(2);
        assert!(put(&parked, "a", 1));
        assert_eq!(parked.take("a").map(|s| s.number()), Some(1));
        assert!(parked.take("a").is_none());
        assert!(put(&parked, "a", 1));
        assert!(parked.sweep(99).is_empty());
        assert_eq!(parked.sweep(100).len(), 1);
        assert!(parked.take("a").is_none());
    }

    #[test]
    fn a_full_store_keeps_what_it_has() {
        let parked = Parked::new(1);
        assert!(put(&parked, "a", 1));
        assert!(!put(&parked, "b", 2));
        assert_eq!(parked.take("a").map(|s| s.number()), Some(1));
    }

    #[test]
    fn sweeps_find_all_that_expired_in_as_many_parts_as_was_said_and_come_round_again() {
        const PARTS: usize = 8;
        let round = |parked: &Parked, now_ms| {
            let part = |_| (0..parked.sweeps(PARTS)).flat_map(|_| parked.sweep(now_ms)).collect::<Vec<_>>();
            (0..PARTS).flat_map(part).map(|session| session.number()).collect::<Vec<_>>()
        };
        for every in [1, 3] {
            let (parked, count) = (Parked::new(100_000), 8 * SWEPT_AT_ONCE as u64 * 3 - 1);
            for number in 0..count {
                let client = format!("c{number:06}");
                let expires_ms = if number % every == 0 { 100 } else { 1000 };
                assert!(parked.put(&client, session(&client, number, expires_ms)).is_ok());
            }
            assert!(round(&parked, 100).into_iter().eq((0..count).step_by(every as usize)));
            assert!(put(&parked, "a", count) && put(&parked, "d", count + 1));
            let mut late = [round(&parked, 100), round(&parked, 100)].concat();
            late.sort_unstable();
            assert_eq!(late, [count, count + 1], "those that came meanwhile");
        }
    }

    #[test]
    fn sleepers_are_listed_in_order_a_page_at_a_time() {
        let parked = Parked::new(10);
        assert!(["b", "d", "a", "c"].into_iter().zip(1..).all(|(client, number)| put(&parked, client, number)));
        let page = |after, count| {
            parked.after(after, count).into_iter().map(|(client, _)| client.to_string()).collect::<Vec<_>>()
        };
        assert_eq!((page(None, 3), page(Some("c"), 3)), (vec!["a".into(), "b".into(), "c".into()], vec!["d".into()]));
        assert_eq!(parked.sleeper("d"), Some(Sleeper { session: 2, expires_ms: 100, subscriptions: 0 }));
    }
}
