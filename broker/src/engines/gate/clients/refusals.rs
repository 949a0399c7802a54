use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use tidegate_telemetry::Owner;
use tidegate_telemetry::clients::{Refusal, RefusalsPage, RefusalsQuery};

use super::ends::cut;
use crate::listeners::Peer;
use crate::metrics::limit_met;

/// Connections that were refused, a line for each address and reason. When there are more than `max`, whoever has most
/// loses the one that was quiet for longest.
pub(super) struct Refusals {
    /// By the number of the newest refusal each stands for.
    lines: BTreeMap<u64, Line>,
    places: HashMap<Key, u64>,
    shares: HashMap<Owner, BTreeSet<u64>>,
    count: u64,
    forgotten: u64,
    max: usize,
}

type Key = (Option<IpAddr>, &'static str);

struct Line {
    key: Key,
    owner: Owner,
    told: Refusal,
}

/// Key of the limit in the configuration.
const MAX: &str = "mqtt.refusals_max";

/// Why a connection was refused, besides from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    /// Unix ms.
    pub at_ms: i64,
    pub reason: &'static str,
    pub detail: &'a str,
    /// Empty where it named none.
    pub client: &'a str,
}

impl Refusals {
    pub(super) fn new(max: usize) -> Self {
        limit_met(MAX, 0);
        Refusals { lines: BTreeMap::new(), places: HashMap::new(), shares: HashMap::new(), count: 0, forgotten: 0, max }
    }

    pub(super) fn put(&mut self, peer: &Peer, refused: Refused<'_>) {
        let key = (peer.ip(), refused.reason);
        let before = self.places.get(&key).copied().and_then(|number| self.take(number));
        let (first, count) = before.map_or((refused.at_ms, 0), |line| (line.told.first, line.told.count));
        let told = Refusal {
            first,
            time: refused.at_ms,
            count: count + 1,
            address: peer.address.map(|address| address.to_string()),
            transport: peer.transport.name(),
            reason: refused.reason,
            detail: cut(refused.detail),
            client: (!refused.client.is_empty()).then(|| cut(refused.client)),
        };
        self.count += 1;
        self.places.insert(key, self.count);
        self.shares.entry(peer.owner()).or_default().insert(self.count);
        self.lines.insert(self.count, Line { key, owner: peer.owner(), told });
        while self.lines.len() > self.max {
            self.forget_one();
        }
    }

    /// Newest first.
    pub(super) fn page(&self, query: &RefusalsQuery) -> RefusalsPage {
        let fits = self.lines.values().rev().map(|line| &line.told).filter(|told| contains(told, &query.q));
        RefusalsPage { refusals: fits.take(query.limit).cloned().collect(), forgotten: self.forgotten }
    }

    fn forget_one(&mut self) {
        let has_most = self.shares.values().max_by_key(|lines| (lines.len(), Reverse(lines.first().copied())));
        if let Some(oldest) = has_most.and_then(BTreeSet::first).copied() {
            self.take(oldest);
            self.forgotten += 1;
            limit_met(MAX, 1);
        }
    }

    fn take(&mut self, number: u64) -> Option<Line> {
        let line = self.lines.remove(&number)?;
        self.places.remove(&line.key);
        if let Some(share) = self.shares.get_mut(&line.owner) {
            share.remove(&number);
            if share.is_empty() {
                self.shares.remove(&line.owner);
            }
        }
        Some(line)
    }
}

fn contains(told: &Refusal, q: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(q);
    q.is_empty() || told.client.as_deref().is_some_and(has) || told.address.as_deref().is_some_and(has)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::listeners::Transport;

    fn put(refusals: &mut Refusals, address: &str, at_ms: i64, reason: &'static str) {
        let peer = Peer { transport: Transport::Tcp, address: Some(address.parse().unwrap()), certificate: None };
        refusals.put(&peer, Refused { at_ms, reason, detail: &"é".repeat(300), client: "" });
    }

    fn told(refusals: &Refusals) -> Vec<(String, &'static str, u64)> {
        let page = refusals.page(&RefusalsQuery { q: String::new(), limit: 9 });
        page.refusals.into_iter().map(|line| (line.address.unwrap(), line.reason, line.count)).collect()
    }

    #[test]
    fn one_address_and_reason_is_a_line_with_a_count_newest_first() {
        let mut refusals = Refusals::new(9);
        for (at_ms, address, reason) in
            [(1, "10.0.0.1:1", "tls"), (2, "10.0.0.2:1", "tls"), (3, "10.0.0.1:2", "tls"), (4, "10.0.0.2:2", "lost")]
        {
            put(&mut refusals, address, at_ms, reason);
        }
        let expected = [("10.0.0.2:2", "lost", 1), ("10.0.0.1:2", "tls", 2), ("10.0.0.2:1", "tls", 1)];
        assert_eq!(told(&refusals), expected.map(|(address, reason, count)| (address.to_owned(), reason, count)));
        let page = refusals.page(&RefusalsQuery { q: "10.0.0.1".into(), limit: 9 });
        let [line] = &page.refusals[..] else { panic!("{page:?}") };
        assert_eq!((line.first, line.time, line.detail.chars().count()), (1, 3, 241));
    }

    #[test]
    fn whoever_has_most_gives_way_and_one_address_pushes_nobody_out() {
        let mut refusals = Refusals::new(3);
        put(&mut refusals, "10.0.0.9:1", 0, "bad_credentials");
        for (at_ms, reason) in (1..).zip(["tls", "lost", "origin", "websocket", "timeout"]) {
            put(&mut refusals, &format!("[2001:db8::{at_ms}]:1"), at_ms, reason);
        }
        assert_eq!(told(&refusals).last().unwrap().0, "10.0.0.9:1", "a network of IPv6 is one who has most");
        assert_eq!(refusals.page(&RefusalsQuery::default()).forgotten, 3);
        assert_eq!((refusals.places.len(), refusals.shares.len(), refusals.lines.len()), (3, 2, 3));
    }
}
