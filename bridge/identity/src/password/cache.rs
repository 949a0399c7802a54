use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ring::hmac;
use ring::rand::SystemRandom;
use rustc_hash::FxHashMap;

/// Remembers which password was verified for a user, so that ten thousand devices that come back do not each take
/// tens of milliseconds of a core.
///
/// It holds no password and no hash that could be used elsewhere: only an HMAC under a key that is drawn at start and
/// never leaves the process, over the stored hash and the password. So a changed line of the file ends the entry.
pub(super) struct Verified {
    key: hmac::Key,
    kept: Duration,
    entries_max: usize,
    entries: Mutex<FxHashMap<Arc<str>, (hmac::Tag, Instant)>>,
}

impl Verified {
    pub(super) fn new(kept: Duration, entries_max: usize) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.expect("the system gives random numbers");
        Verified { key, kept, entries_max, entries: Mutex::default() }
    }

    /// Whether this password was verified against this stored hash a short while ago.
    pub(super) fn holds(&self, user: &str, stored: &str, password: &[u8], now: Instant) -> bool {
        let tag = match self.entries.lock().get(user) {
            Some((tag, until)) if *until > now => *tag,
            _ => return false,
        };
        hmac::verify(&self.key, &message(stored, password), tag.as_ref()).is_ok()
    }

    pub(super) fn remember(&self, user: &str, stored: &str, password: &[u8], now: Instant) {
        if self.kept.is_zero() || self.entries_max == 0 {
            return;
        }
        let tag = hmac::sign(&self.key, &message(stored, password));
        let mut entries = self.entries.lock();
        if entries.len() >= self.entries_max && !entries.contains_key(user) {
            entries.retain(|_, (_, until)| *until > now);
            // Whoever goes is verified once more, nothing worse.
            if entries.len() >= self.entries_max
                && let Some(any) = entries.keys().next().cloned()
            {
                entries.remove(&any);
            }
        }
        entries.insert(Arc::from(user), (tag, now + self.kept));
    }
}

/// A stored hash holds no zero byte, so two pairs never make the same message.
fn message(stored: &str, password: &[u8]) -> Vec<u8> {
    [stored.as_bytes(), &[0], password].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_verified_is_remembered_for_its_time_and_for_its_hash_alone() {
        let (verified, now) = (Verified::new(Duration::from_secs(60), 2), Instant::now());
        verified.remember("a", "h1", b"pw", now);
        assert!(verified.holds("a", "h1", b"pw", now));
        assert!(!verified.holds("a", "h1", b"pW", now));
        assert!(!verified.holds("a", "h2", b"pw", now), "the file's line has changed");
        assert!(!verified.holds("b", "h1", b"pw", now));
        assert!(!verified.holds("a", "h1", b"pw", now + Duration::from_secs(60)));
        for user in ["b", "c", "d"] {
            verified.remember(user, "h", b"pw", now);
        }
        assert_eq!(verified.entries.lock().len(), 2);
    }
}
