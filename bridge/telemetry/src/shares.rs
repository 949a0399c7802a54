//! Who holds how much of something that is bounded, and who gives way when it is full.
//!
//! Identifiers of clients, topics and names are chosen by clients: whoever wants more of them invents more. So the
//! holder is who the client proved to be, or the address of one that proved nothing; within that, its identifier.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The principal of clients that proved nothing; nobody who proves something can have it.
pub const ANONYMOUS: &str = "anonymous";

/// Whose share something counts in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Owner {
    /// Neither a name nor an address is known: an engine that is not told who publishes, a Unix socket, an entry of a
    /// program that did not write it down.
    #[default]
    Unknown,
    /// Who proved nothing, by address; an IPv6 address stands for its /64.
    Address(IpAddr),
    /// Who proved to be somebody.
    Named(Arc<str>),
}

impl Owner {
    /// Of a principal as the log has it, and the address that goes with one that proved nothing.
    #[must_use]
    pub fn of(principal: &str, address: Option<IpAddr>) -> Owner {
        match (principal, address) {
            (ANONYMOUS | "", Some(address)) => Owner::Address(address),
            (ANONYMOUS | "", None) => Owner::Unknown,
            (name, _) => Owner::Named(name.into()),
        }
    }

    /// As files keep it; [`Owner::from_text`] reads it.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Owner::Unknown => None,
            Owner::Address(address) => Some(format!("@{address}")),
            Owner::Named(name) => Some(format!("={name}")),
        }
    }

    /// Reads what [`Owner::to_text`] made; of anything else it is not known who it was.
    #[must_use]
    pub fn from_text(text: Option<&str>) -> Owner {
        let Some(text) = text else { return Owner::Unknown };
        match text.split_at_checked(1) {
            Some(("=", name)) => Owner::Named(name.into()),
            Some(("@", address)) => address.parse().map_or(Owner::Unknown, Owner::Address),
            _ => Owner::Unknown,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Unknown => f.write_str("clients without name and address"),
            Owner::Address(address) => write!(f, "address {address}"),
            Owner::Named(name) => write!(f, "{name:?}"),
        }
    }
}

/// An owner, and which of its clients.
pub type Holder = (Owner, Arc<str>);

/// Amounts by owner and client. Each step looks at no more than the logarithm of their number.
#[derive(Debug, Default)]
pub struct Shares {
    owners: Ranked<Owner>,
    clients: BTreeMap<Owner, Ranked<Arc<str>>>,
}

impl Shares {
    /// A holder has more.
    pub fn add(&mut self, (owner, client): &Holder, amount: usize) {
        self.owners.add(owner, amount);
        self.clients.entry(owner.clone()).or_default().add(client, amount);
    }

    /// A holder has less.
    pub fn remove(&mut self, (owner, client): &Holder, amount: usize) {
        self.owners.remove(owner, amount);
        if let Some(clients) = self.clients.get_mut(owner) {
            clients.remove(client, amount);
            if clients.total == 0 {
                self.clients.remove(owner);
            }
        }
    }

    /// What an owner has.
    #[must_use]
    pub fn of(&self, owner: &Owner) -> usize {
        self.owners.of(owner)
    }

    /// What all have.
    #[must_use]
    pub fn total(&self) -> usize {
        self.owners.total
    }

    /// Of the owner that has most the client that has most.
    #[must_use]
    pub fn largest(&self) -> Option<Holder> {
        let owner = self.owners.largest()?;
        Some((owner.clone(), self.largest_of(owner)?))
    }

    /// Of an owner's clients the one that has most.
    #[must_use]
    pub fn largest_of(&self, owner: &Owner) -> Option<Arc<str>> {
        self.clients.get(owner)?.largest().map(Arc::clone)
    }

    /// Which owner gives way to a newcomer that wants 1 more of what is full: the one with most, to an owner that has less
    /// than its fair part, which is the whole divided by how many have of it; else the newcomer's own, where the client
    /// has less than its fair part of that.
    #[must_use]
    pub fn gives_way_to(&self, (owner, client): &Holder) -> Option<Owner> {
        let largest = self.owners.largest()?;
        if largest != owner && self.owners.has_less_than_its_part(owner) {
            return Some(largest.clone());
        }
        let clients = self.clients.get(owner)?;
        let gives_way = clients.largest()? != client && clients.has_less_than_its_part(client);
        gives_way.then(|| owner.clone())
    }
}

/// Amounts by key and the keys by amount.
#[derive(Debug)]
struct Ranked<K> {
    amounts: BTreeMap<K, usize>,
    by_amount: BTreeSet<(usize, K)>,
    total: usize,
}

impl<K> Default for Ranked<K> {
    fn default() -> Self {
        Ranked { amounts: BTreeMap::new(), by_amount: BTreeSet::new(), total: 0 }
    }
}

impl<K: Ord + Clone> Ranked<K> {
    fn add(&mut self, key: &K, amount: usize) {
        self.set(key, self.of(key) + amount);
    }

    fn remove(&mut self, key: &K, amount: usize) {
        self.set(key, self.of(key).saturating_sub(amount));
    }

    fn set(&mut self, key: &K, amount: usize) {
        let before = self.amounts.remove(key).unwrap_or(0);
        self.by_amount.remove(&(before, key.clone()));
        self.total = self.total - before + amount;
        if amount > 0 {
            self.amounts.insert(key.clone(), amount);
            self.by_amount.insert((amount, key.clone()));
        }
    }

    fn of(&self, key: &K) -> usize {
        self.amounts.get(key).copied().unwrap_or(0)
    }

    fn largest(&self) -> Option<&K> {
        self.by_amount.last().map(|(_, key)| key)
    }

    fn has_less_than_its_part(&self, key: &K) -> bool {
        let holders = self.amounts.len() + usize::from(!self.amounts.contains_key(key));
        self.of(key) < self.total / holders
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn named(name: &str, client: &str) -> Holder {
        (Owner::Named(name.into()), client.into())
    }

    #[test]
    fn the_largest_holder_gives_way_to_one_that_has_less_than_its_part() {
        let mut shares = Shares::default();
        shares.add(&named("a", "a1"), 2);
        shares.add(&named("a", "a2"), 4);
        shares.add(&named("b", "b1"), 3);
        assert_eq!(shares.largest(), Some(named("a", "a2")), "the owner first, then its client");
        assert_eq!(shares.gives_way_to(&named("c", "c1")), Some(Owner::Named("a".into())));
        assert_eq!(shares.gives_way_to(&named("b", "b2")), Some(Owner::Named("a".into())), "3 are less than half of 9");
        shares.add(&named("b", "b1"), 1);
        shares.add(&named("c", "c1"), 3);
        assert_eq!(shares.gives_way_to(&named("b", "b1")), None, "4 of 13 are a third");
        assert_eq!((shares.of(&Owner::Named("a".into())), shares.total()), (6, 13));
    }

    #[test]
    fn within_one_owner_clients_are_weighed_against_each_other() {
        let mut shares = Shares::default();
        shares.add(&named("a", "rude"), 9);
        shares.add(&named("a", "quiet"), 1);
        assert_eq!(shares.gives_way_to(&named("a", "quiet")), Some(Owner::Named("a".into())));
        assert_eq!(shares.gives_way_to(&named("a", "new")), Some(Owner::Named("a".into())));
        assert_eq!(shares.largest_of(&Owner::Named("a".into())).as_deref(), Some("rude"));
        assert_eq!(shares.gives_way_to(&named("a", "rude")), None);
    }

    #[test]
    fn what_is_given_back_leaves_nothing_behind() {
        let mut shares = Shares::default();
        shares.add(&named("a", "a1"), 2);
        shares.remove(&named("a", "a1"), 2);
        assert_eq!((shares.largest(), shares.total(), shares.clients.len()), (None, 0, 0));
        assert_eq!((shares.owners.amounts.len(), shares.owners.by_amount.len()), (0, 0));
        assert_eq!(shares.gives_way_to(&named("b", "b1")), None);
    }

    #[test]
    fn an_owner_comes_back_as_it_was_written() {
        let here: IpAddr = "2001:db8::".parse().unwrap();
        for owner in [Owner::Unknown, Owner::Address(here), Owner::Named("=@x".into())] {
            assert_eq!(Owner::from_text(owner.to_text().as_deref()), owner);
        }
        assert_eq!(Owner::from_text(Some("?")), Owner::Unknown);
        assert_eq!(Owner::of(ANONYMOUS, Some(here)), Owner::Address(here));
        assert_eq!(Owner::of("", None), Owner::Unknown);
        assert_eq!(Owner::of("ann", Some(here)), Owner::Named("ann".into()));
    }
}
