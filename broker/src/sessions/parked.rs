//! Sessions whose clients are away, and which of them gives way when there are too many.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_telemetry::{Owner, Position, Publication, Shares};

use super::rows::Rows;
use super::session::{Rank, Session, Sleeper};
use super::subscriptions::Subscriptions;

/// The sessions of clients that are away. A session that is in use belongs to its connection: it is taken on CONNECT
/// and put back at the end.
#[derive(Debug)]
pub(crate) struct Parked {
    kept: Mutex<Kept>,
    sessions_max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    /// By client, so that operators can page through them. Whoever has these locked may lock a session, never the
    /// other way round.
    sleepers: Rows<Arc<Session>>,
    /// The client up to which the sweep for expired sessions has come.
    swept: Arc<str>,
    /// How many there were when the sweep began anew.
    to_sweep: usize,
    /// While they are about as many as there may be.
    crowd: Option<Crowd>,
}

/// Whose turn it is to give way. It costs more than the sleepers do, so it is worked out when there is no room, in one
/// pass, and kept until [`CROWD_LEFT`] have gone.
#[derive(Debug, Default)]
struct Crowd {
    shares: Shares,
    by_rank: BTreeSet<Rank>,
}

/// One of so many sleepers.
const CROWD_LEFT: usize = 8;

/// Sleepers looked at under one lock.
const SWEPT_AT_ONCE: usize = 1024;

impl Parked {
    /// Keeps up to `sessions_max` sessions.
    pub(crate) fn new(sessions_max: usize) -> Self {
        Parked { kept: Mutex::default(), sessions_max }
    }

    /// Takes the client's session out, if there is one; it may have expired.
    pub(crate) fn take(&self, client: &str) -> Option<Arc<Session>> {
        self.kept.lock().remove(client, self.sessions_max)
    }

    /// Keeps the client's session, which is asleep. Returns the one that gives way to it when there is no room: of the
    /// owner that has most of them, which may be this client's own, the one whose [`Rank`] it is.
    pub(crate) fn put(&self, client: &str, session: Arc<Session>) -> Option<Arc<Session>> {
        let mut kept = self.kept.lock();
        let mut gone = None;
        if kept.sleepers.len() >= self.sessions_max {
            let Some(first) = kept.first_to_go(&session.rank().owner) else { return Some(session) };
            gone = kept.remove(&first, self.sessions_max);
        }
        kept.insert(client, session).or(gone)
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
        let order = |sleeper: &Arc<Session>| after.map_or(Ordering::Greater, |after| sleeper.cmp_client(after));
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

    fn look<T>(&self, client: &str, look: impl FnOnce(&Arc<Session>) -> T) -> Option<T> {
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
    pub(crate) fn sweep(&self, now_ms: i64) -> Vec<Arc<Session>> {
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
        expired.iter().filter_map(|client| kept.remove(client, self.sessions_max)).collect()
    }
}

impl Kept {
    /// Gives the session back where its client has one.
    fn insert(&mut self, client: &str, session: Arc<Session>) -> Option<Arc<Session>> {
        let rank = self.crowd.as_ref().map(|_| session.rank());
        let refused = self.sleepers.insert(session, |sleeper| sleeper.cmp_client(client)).err();
        if let (Some(crowd), Some(rank), None) = (&mut self.crowd, rank, &refused) {
            crowd.add(rank);
        }
        refused
    }

    fn remove(&mut self, client: &str, sessions_max: usize) -> Option<Arc<Session>> {
        let removed = self.sleepers.remove(|sleeper| sleeper.cmp_client(client))?;
        if let Some(crowd) = &mut self.crowd {
            crowd.remove(&removed.rank());
        }
        if self.sleepers.len() < sessions_max - sessions_max / CROWD_LEFT {
            self.crowd = None;
        }
        Some(removed)
    }

    /// Which client's session gives way to one more of an owner's.
    fn first_to_go(&mut self, newcomer: &Owner) -> Option<Arc<str>> {
        let crowd = self.crowd.get_or_insert_with(|| Crowd::of(&self.sleepers));
        let (largest, _) = crowd.shares.largest()?;
        let owner = if crowd.shares.of(newcomer) < crowd.shares.of(&largest) { &largest } else { newcomer };
        let begin = Rank { owner: owner.clone(), expires_ms: i64::MIN, ..Rank::default() };
        crowd.by_rank.range(begin..).next().map(|rank| Arc::clone(&rank.client))
    }
}

impl Crowd {
    fn of(sleepers: &Rows<Arc<Session>>) -> Self {
        let mut crowd = Crowd::default();
        sleepers.after(|_| Ordering::Greater).for_each(|sleeper| crowd.add(sleeper.rank()));
        crowd
    }

    fn add(&mut self, rank: Rank) {
        self.shares.add(&(rank.owner.clone(), Arc::default()), 1);
        self.by_rank.insert(rank);
    }

    fn remove(&mut self, rank: &Rank) {
        self.shares.remove(&(rank.owner.clone(), Arc::default()), 1);
        self.by_rank.remove(rank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::Asleep;

    fn session(client: &str, number: u64, expires_ms: i64) -> Arc<Session> {
        let asleep = Asleep::new(client, None, &Vec::new(), &[], &Subscriptions::default());
        Arc::new(Session::asleep(number, 1, asleep, expires_ms))
    }

    fn put(parked: &Parked, client: &str, number: u64) -> bool {
        parked.put(client, session(client, number, 100)).is_none()
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

    /// Puts a session, and says which client's gave way.
    fn crowds(parked: &Parked, key: &str, expires_ms: i64) -> Option<String> {
        parked.put(key, session(key, 1, expires_ms)).map(|gone| gone.rank().client.to_string())
    }

    #[test]
    fn when_there_is_no_room_the_first_to_expire_of_whoever_has_most_gives_way() {
        let parked = Parked::new(4);
        for (key, expires_ms) in [("r1\0rude", 30), ("r2\0rude", 20), ("r3\0rude", 90), ("h1\0honest", 10)] {
            assert_eq!(crowds(&parked, key, expires_ms), None);
        }
        assert_eq!(crowds(&parked, "h2\0honest", 50).as_deref(), Some("r2\0rude"));
        assert_eq!(crowds(&parked, "r4\0rude", 5).as_deref(), Some("r1\0rude"), "two of four: its own");
        assert_eq!(crowds(&parked, "n1\0new", 1).as_deref(), Some("r4\0rude"));
        assert!(parked.take("h1\0honest").is_some() && parked.take("h2\0honest").is_some());
        assert_eq!(crowds(&parked, "a", 1), None, "there is room again");
        assert_eq!(crowds(&Parked::new(0), "a", 1).as_deref(), Some("a"), "there is never any");
    }

    #[test]
    fn who_gives_way_is_the_same_however_long_that_has_been_kept_track_of() {
        let (tracked, mut next) = (Parked::new(64), 1_u64);
        for step in 0..4_000 {
            next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (owner, client) = (next >> 40 & 3, next >> 50 & 255);
            let key = format!("c{client}\0o{}", owner * owner);
            if next >> 60 < 4 || tracked.take(&key).is_some() {
                continue;
            }
            let anew = Parked::new(64);
            for (key, sleeper) in tracked.after(None, usize::MAX) {
                assert_eq!(crowds(&anew, &key, sleeper.expires_ms), None);
            }
            assert_eq!(crowds(&tracked, &key, step % 97), crowds(&anew, &key, step % 97), "step {step}");
        }
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
                assert!(parked.put(&client, session(&client, number, expires_ms)).is_none());
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
