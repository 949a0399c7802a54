//! Whose question is read from history next: in rounds, each session or address once.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use metrics::{Gauge, gauge};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Who asks, and shares the turns with all others that do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asker {
    /// What open charts have to read again.
    ChartRefresh,
    /// A live session, by its number.
    Session(u64),
    /// A client of REST.
    Address(IpAddr),
}

impl Asker {
    /// The client at an address. A host has a whole /64 of IPv6 addresses (RFC 4291 section 2.5.4): they are one.
    pub fn at(peer: SocketAddr) -> Self {
        match peer.ip().to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Asker::Address(Ipv6Addr::from_bits(network).into())
            }
            address @ IpAddr::V4(_) => Asker::Address(address),
        }
    }
}

/// Turns at something that a bounded number may use at a time. Who waits is served in rounds: each asker once, however
/// much it asks for.
#[derive(Debug)]
pub(crate) struct Turns {
    /// What metrics call those who ask here.
    pub from: &'static str,
    /// Questions of one asker that may wait.
    waiting_max: usize,
    state: Mutex<State>,
    waiting: Gauge,
}

#[derive(Debug, Default)]
struct State {
    free: usize,
    /// The number of the next place or ticket; both only grow.
    next: u64,
    /// Askers with tickets, by their place in the round.
    round: BTreeMap<u64, Asker>,
    askers: BTreeMap<Asker, Waiting>,
}

/// What one asker waits for.
#[derive(Debug)]
struct Waiting {
    place: u64,
    tickets: BTreeMap<u64, oneshot::Sender<Turn>>,
}

/// Somebody's turn, until it is dropped: then it is the next one's.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Turns>);

/// A place in the queue, left when it is dropped.
struct Ticket {
    turns: Arc<Turns>,
    asker: Asker,
    number: u64,
    turn: oneshot::Receiver<Turn>,
}

impl Turns {
    /// `at_once` turns at the same time; each asker may have `waiting_max` questions waiting.
    pub fn new(from: &'static str, at_once: usize, waiting_max: usize) -> Arc<Self> {
        let state = State { free: at_once.max(1), ..State::default() };
        let waiting = gauge!("tidegate_history_waiting", "from" => from);
        Arc::new(Turns { from, waiting_max: waiting_max.max(1), state: Mutex::new(state), waiting })
    }

    /// Waits for a turn; `None` at once when too much of the asker waits already.
    pub async fn take(self: &Arc<Self>, asker: Asker) -> Option<Turn> {
        let mut ticket = {
            let mut state = self.state.lock();
            if state.free > 0 {
                state.free -= 1;
                return Some(Turn(Arc::clone(self)));
            }
            let (number, turn) = state.enqueue(asker, self.waiting_max)?;
            Ticket { turns: Arc::clone(self), asker, number, turn }
        };
        self.waiting.increment(1.0);
        Some((&mut ticket.turn).await.expect("a ticket stays until it is served or dropped"))
    }

    /// Questions of an asker that wait.
    #[cfg(test)]
    pub fn waiting_of(&self, asker: Asker) -> usize {
        self.state.lock().askers.get(&asker).map_or(0, |waiting| waiting.tickets.len())
    }
}

impl State {
    fn enqueue(&mut self, asker: Asker, waiting_max: usize) -> Option<(u64, oneshot::Receiver<Turn>)> {
        let (place, number) = (self.next, self.next + 1);
        let waiting = self.askers.entry(asker).or_insert_with(|| Waiting { place, tickets: BTreeMap::new() });
        if waiting.tickets.len() >= waiting_max {
            return None;
        }
        self.next += 2;
        self.round.insert(waiting.place, asker);
        let (sender, receiver) = oneshot::channel();
        waiting.tickets.insert(number, sender);
        Some((number, receiver))
    }

    /// The oldest ticket of the asker whose place comes first; it goes to the end of the round if it has more.
    fn next_in_round(&mut self) -> Option<oneshot::Sender<Turn>> {
        let (_, asker) = self.round.pop_first()?;
        let waiting = self.askers.get_mut(&asker)?;
        let (_, ticket) = waiting.tickets.pop_first()?;
        if waiting.tickets.is_empty() {
            self.askers.remove(&asker);
        } else {
            waiting.place = self.next;
            self.round.insert(self.next, asker);
            self.next += 1;
        }
        Some(ticket)
    }

    fn withdraw(&mut self, asker: Asker, number: u64) {
        let Some(waiting) = self.askers.get_mut(&asker) else { return };
        waiting.tickets.remove(&number);
        if waiting.tickets.is_empty() {
            self.round.remove(&waiting.place);
            self.askers.remove(&asker);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        match state.next_in_round() {
            // Who leaves takes the lock first, so whoever has a ticket is there to take the turn.
            Some(ticket) => drop(ticket.send(Turn(Arc::clone(&self.0)))),
            None => state.free += 1,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.turns.state.lock().withdraw(self.asker, self.number);
        self.turns.waiting.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    const EAGER: Asker = Asker::Session(1);
    const MODEST: Asker = Asker::Session(2);

    /// A question that has asked for its turn.
    fn wait(turns: &Arc<Turns>, asker: Asker) -> BoxFuture<'static, Option<Turn>> {
        let turns = Arc::clone(turns);
        let mut waits = async move { turns.take(asker).await }.boxed();
        assert!((&mut waits).now_or_never().is_none(), "it is not its turn yet");
        waits
    }

    #[tokio::test]
    async fn who_asks_much_and_who_asks_once_are_served_in_turn() {
        let turns = Turns::new("test", 1, 10_000);
        let first = turns.take(EAGER).await;
        let eager: Vec<_> = (0..1_000).map(|_| wait(&turns, EAGER)).collect();
        let mut modest = wait(&turns, MODEST);
        drop(first);
        assert!((&mut modest).now_or_never().is_none(), "one of the other goes first");
        let mut eager = eager.into_iter();
        drop(eager.next().unwrap().await);
        assert!(modest.now_or_never().is_some());
        assert!(eager.next().unwrap().now_or_never().is_some(), "and then those that are left");
    }

    #[tokio::test]
    async fn a_question_that_is_withdrawn_leaves_nothing_behind_and_takes_no_turn() {
        let turns = Turns::new("test", 1, 10_000);
        let first = turns.take(EAGER).await;
        for _ in 0..1_000 {
            drop(wait(&turns, EAGER));
        }
        assert!(turns.state.lock().round.is_empty() && turns.state.lock().askers.is_empty());
        let (late, modest) = (wait(&turns, EAGER), wait(&turns, MODEST));
        drop(first);
        drop(late);
        assert!(modest.now_or_never().is_some(), "a turn that was handed over and not taken is the next one's");
        assert_eq!(turns.state.lock().free, 1);
    }

    #[tokio::test]
    async fn who_has_too_much_waiting_is_refused_and_the_others_are_not() {
        let turns = Turns::new("test", 1, 2);
        let first = turns.take(EAGER).await;
        let waiting = [wait(&turns, EAGER), wait(&turns, EAGER)];
        assert!(turns.take(EAGER).await.is_none());
        let modest = wait(&turns, MODEST);
        drop((first, waiting));
        assert!(modest.now_or_never().is_some());
    }

    #[test]
    fn addresses_of_one_host_are_one_asker() {
        let at = |address: &str| Asker::at(address.parse().unwrap());
        assert_eq!(at("[2001:db8::1]:1"), at("[2001:db8::2]:2"));
        assert_ne!(at("[2001:db8::1]:1"), at("[2001:db8:0:1::1]:1"));
        assert_eq!(at("[::ffff:192.0.2.1]:1"), at("192.0.2.1:2"));
        assert_ne!(at("192.0.2.1:1"), at("192.0.2.2:1"));
    }
}
