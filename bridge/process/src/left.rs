//! Which devices were here and are not known any more: history may still have what they said.

use serde::{Deserialize, Serialize};

/// So many are told apart.
const NAMES_MAX: usize = 4_096;

/// Those that left, by hashes of their full identifiers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Left {
    /// These, ascending.
    These(Vec<u64>),
    /// They are too many, or not known.
    Anybody,
}

impl Default for Left {
    /// Nobody has left yet.
    fn default() -> Self {
        Left::These(Vec::new())
    }
}

impl Left {
    /// Whether a device of this name may have been here.
    pub(crate) fn may_have(&self, id: &str) -> bool {
        match self {
            Left::These(hashes) => hashes.binary_search(&hash(id)).is_ok(),
            Left::Anybody => true,
        }
    }

    /// The device is not known any more.
    pub(crate) fn add(&mut self, id: &str) {
        let Left::These(hashes) = self else { return };
        if let Err(place) = hashes.binary_search(&hash(id)) {
            hashes.insert(place, hash(id));
        }
        if hashes.len() > NAMES_MAX {
            *self = Left::Anybody;
        }
    }

    /// Nothing of the device stays, in history neither.
    pub(crate) fn erase(&mut self, id: &str) {
        let Left::These(hashes) = self else { return };
        if let Ok(place) = hashes.binary_search(&hash(id)) {
            hashes.remove(place);
        }
    }
}

/// FNV-1a of 64 bits: it stands in checkpoints, so it stays as it is.
fn hash(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left_may_have_been_here_until_it_is_erased_and_past_the_bound_anybody_may() {
        let mut left = Left::default();
        (0..NAMES_MAX).for_each(|number| left.add(&format!("dev{number}")));
        left.add("dev7");
        assert!(left.may_have("dev7") && !left.may_have("another"));
        left.erase("dev7");
        left.erase("another");
        assert!(!left.may_have("dev7"));
        left.add("dev7");
        assert!(!left.may_have("another"));
        left.add("one more");
        assert!(left.may_have("another"));
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c, "the published vector");
    }
}
