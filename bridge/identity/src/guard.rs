//! Slows guessing down.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tidegate_settings::section;

section! {
    /// How guessing is slowed down.
    #[derive(Debug, Clone)]
    pub struct GuardConfig {}
    [identity] {
        /// Wrong credentials of an address, or for a user, that cost nothing.
        ///
        /// People mistype.
        pub failures_free: u32 = count(3),
        /// Then nothing is looked at for this time; each further one doubles it…
        pub failure_delay: Duration = duration(Duration::from_secs(1)),
        /// …up to this time.
        ///
        /// A failure is forgotten when ten times as long passed without another.
        pub failure_delay_max: Duration = duration(Duration::from_secs(60)),
        /// Addresses, and users, whose failures are remembered.
        ///
        /// Past it the one whose delay ends first is forgotten.
        pub failures_remembered_max: usize = count(10_000),
    }
}

impl GuardConfig {
    /// Users whose home is remembered: only those who came in have one, so there may be more of them.
    const fn homes_max(&self) -> usize {
        self.failures_remembered_max.saturating_mul(10)
    }
}

/// Remembers failures by address and by user.
///
/// Where a user came in last is its home. There neither its address's failures nor those made in its name elsewhere
/// hold it up, only its own: so nobody keeps a device out by guessing at its name, or from a machine beside it.
pub(crate) struct Guard {
    config: GuardConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    addresses: FxHashMap<IpAddr, Failures>,
    /// By user, at home or elsewhere.
    users: FxHashMap<(Arc<str>, bool), Failures>,
    homes: FxHashMap<Arc<str>, IpAddr>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    until: Instant,
    forget: Instant,
}

impl State {
    fn is_home(&self, address: Option<IpAddr>, user: &str) -> bool {
        address.is_some() && self.homes.get(user).copied() == address
    }
}

impl Guard {
    pub(crate) fn new(config: GuardConfig) -> Self {
        Guard { config, state: Mutex::default() }
    }

    /// How long nothing of this address or for this user is looked at; none when it may be.
    pub(crate) fn wait(&self, address: Option<IpAddr>, user: Option<&str>, now: Instant) -> Option<Duration> {
        let address = address.map(network);
        let state = self.state.lock();
        if state.addresses.is_empty() && state.users.is_empty() {
            return None;
        }
        let is_home = user.is_some_and(|user| state.is_home(address, user));
        let of_user = user.and_then(|user| state.users.get(&(Arc::from(user), is_home)));
        let of_address = address.filter(|_| !is_home).and_then(|address| state.addresses.get(&address));
        let until = of_user.into_iter().chain(of_address).map(|failures| failures.until).max()?;
        (until > now).then(|| until - now)
    }

    pub(crate) fn failed(&self, address: Option<IpAddr>, user: Option<&str>, now: Instant) {
        let address = address.map(network);
        let mut state = self.state.lock();
        if let Some(user) = user {
            let is_home = state.is_home(address, user);
            self.count(&mut state.users, (Arc::from(user), is_home), now);
        }
        if let Some(address) = address {
            self.count(&mut state.addresses, address, now);
        }
        metrics::gauge!("tidegate_identity_failures_remembered")
            .set((state.addresses.len() + state.users.len()) as f64);
    }

    /// A user came in: this is its home now, and its own mistakes here are forgotten. Those of the address stay, so
    /// that guessing does not become free to whoever has one account.
    pub(crate) fn succeeded(&self, address: Option<IpAddr>, user: Option<&str>) {
        let (Some(address), Some(user)) = (address.map(network), user) else { return };
        let mut state = self.state.lock();
        if !state.users.is_empty() {
            state.users.remove(&(Arc::from(user), true));
        }
        if state.homes.get(user) == Some(&address) {
            return;
        }
        if state.homes.len() >= self.config.homes_max()
            && !state.homes.contains_key(user)
            && let Some(any) = state.homes.keys().next().cloned()
        {
            state.homes.remove(&any);
        }
        state.homes.insert(Arc::from(user), address);
    }

    fn count<K: Eq + Hash + Clone>(&self, table: &mut FxHashMap<K, Failures>, key: K, now: Instant) {
        if table.len() >= self.config.failures_remembered_max && !table.contains_key(&key) {
            table.retain(|_, failures| failures.forget > now);
            if table.len() >= self.config.failures_remembered_max {
                let first = table.iter().min_by_key(|(_, failures)| failures.until).map(|(key, _)| key.clone());
                if let Some(first) = first {
                    table.remove(&first);
                }
            }
        }
        let failures = table.entry(key).or_insert(Failures { count: 0, until: now, forget: now });
        if failures.forget <= now {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.until = now + self.delay(failures.count);
        failures.forget = now + 10 * self.config.failure_delay_max;
    }

    fn delay(&self, failures: u32) -> Duration {
        let Some(doubled) = failures.checked_sub(self.config.failures_free + 1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doubled).unwrap_or(u32::MAX);
        self.config.failure_delay.saturating_mul(factor).min(self.config.failure_delay_max)
    }
}

/// Whom an address counts as: IPv6 networks are given out by /64, so one machine has that many addresses.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    fn guard(failures_free: u32) -> (Guard, Instant) {
        (Guard::new(GuardConfig { failures_free, ..GuardConfig::default() }), Instant::now())
    }

    #[test]
    fn each_further_failure_doubles_the_delay_up_to_a_bound() {
        let (guard, now) = guard(2);
        let mut waits = Vec::new();
        for _ in 0..10 {
            guard.failed(HERE, None, now);
            waits.push(guard.wait(HERE, None, now).map_or(0, |wait| wait.as_secs()));
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(guard.wait(THERE, None, now), None, "nobody else waits");
        assert_eq!(guard.wait(HERE, None, now + Duration::from_secs(60)), None);
        guard.failed(HERE, None, now + Duration::from_secs(601));
        assert_eq!(guard.wait(HERE, None, now + Duration::from_secs(601)), None, "forgotten after ten minutes");
    }

    #[test]
    fn a_user_is_guarded_from_many_addresses_and_not_kept_out_of_its_home() {
        let (guard, now) = guard(0);
        guard.succeeded(HERE, Some("truck"));
        guard.failed(THERE, Some("truck"), now);
        assert!(guard.wait(Some([198, 51, 100, 7].into()), Some("truck"), now).is_some());
        assert_eq!(guard.wait(HERE, Some("truck"), now), None);
        guard.failed(HERE, Some("other"), now);
        assert_eq!(guard.wait(HERE, Some("truck"), now), None, "a machine beside it guesses at other names");
        guard.failed(HERE, Some("truck"), now);
        assert!(guard.wait(HERE, Some("truck"), now).is_some(), "guessed at from its own home");
        guard.succeeded(HERE, Some("truck"));
        assert_eq!(guard.wait(HERE, Some("truck"), now), None);
    }

    #[test]
    fn the_table_is_bounded_and_a_v6_network_is_one_address() {
        let guard = Guard::new(GuardConfig { failures_free: 0, failures_remembered_max: 8, ..GuardConfig::default() });
        let now = Instant::now();
        for n in 0..100_u8 {
            guard.failed(Some([10, 0, 0, n].into()), Some(&format!("u{n}")), now + Duration::from_millis(n.into()));
        }
        let state = guard.state.lock();
        assert_eq!((state.addresses.len(), state.users.len()), (8, 8));
        assert!(state.addresses.contains_key(&IpAddr::from([10, 0, 0, 99])), "the newest are kept");
        let [a, b, c] =
            ["2001:db8::1", "2001:db8::2:3", "2001:db8:0:1::1"].map(|text| network(text.parse().expect("v6")));
        assert!(a == b && b != c);
    }
}
