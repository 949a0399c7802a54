//! For which devices someone may speak.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The devices that one publication may name, as patterns: `*` stands for any text, `?` for one character.
///
/// The rights are asked when the publication comes in, and their answer stands in the log with it: whoever replays the
/// entry decides as was decided then, whatever the rights have become.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeviceScope(Arc<[Box<str>]>);

impl DeviceScope {
    /// A scope of these patterns; none: no device at all.
    pub fn new(patterns: impl IntoIterator<Item = String>) -> Self {
        DeviceScope(patterns.into_iter().map(String::into_boxed_str).collect())
    }

    /// Whether a publication to `topic` may hold a reading of the device with this full identifier. A device that the
    /// topic names by its path (`site/b/truck-7`) may be meant by its last level (`truck-7`) too: a pattern then says
    /// which of the topics that may be published to are whose.
    #[must_use]
    pub fn holds(&self, device: &str, topic: &str) -> bool {
        let last_level = device.rsplit('/').next().filter(|_| is_named_by(topic, device));
        self.0.iter().any(|pattern| {
            glob_matches(pattern, device) || last_level.is_some_and(|level| glob_matches(pattern, level))
        })
    }

    /// The patterns.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// Whether the topic itself names the device: then it is the topic's rights that say whose it is, not the payload.
#[must_use]
pub fn is_named_by(topic: &str, device: &str) -> bool {
    topic.strip_prefix(device).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a pattern matches a whole text: `*` stands for any text, `?` for one character. Takes time in proportion to
/// the product of their lengths at most.
#[must_use]
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Behind the last star, and what it has not taken yet.
    let mut star = None;
    loop {
        let before = text.clone();
        match (pattern.next(), text.next()) {
            (Some('*'), _) => {
                star = Some((pattern.clone(), before.clone()));
                text = before;
            }
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {}
            // No match from here: let the last star take one character more.
            _ => {
                let Some((behind, rest)) = &mut star else { return false };
                if rest.next().is_none() {
                    return false;
                }
                (pattern, text) = (behind.clone(), rest.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(patterns: &[&str]) -> DeviceScope {
        DeviceScope::new(patterns.iter().map(|pattern| (*pattern).to_owned()))
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("*", "Building A/Floor 3", true),
            ("Building A*", "Building A/Floor 3", true),
            ("Building A", "Building A/Floor 3", false),
            ("*/dev?", "site/b/dev7", true),
            ("*/dev?", "site/b/dev77", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("ab*ba", "aba", false),
            ("a?", "a", false),
            ("", "", true),
            ("", "a", false),
            ("a**", "a", true),
            ("°*", "°C", true),
            ("?C", "°C", true),
        ] {
            assert_eq!(glob_matches(pattern, text), matches, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn a_payload_names_devices_in_full_and_a_topic_also_by_its_last_level() {
        let truck = scope(&["truck-7", "gw1-*"]);
        assert!(truck.holds("truck-7", "fleet/up") && truck.holds("gw1-a", "fleet/up"));
        assert!(!truck.holds("truck-8", "fleet/up") && !truck.holds("truck-70", "fleet/up"));
        assert!(truck.holds("fleet/truck-7", "fleet/truck-7/temperature"));
        assert!(!truck.holds("fleet/truck-8", "fleet/truck-8/temperature"));
        assert!(!truck.holds("site/truck-7", "fleet/up"), "a payload cannot borrow a path that is not its topic's");
        assert!(!scope(&[]).holds("truck-7", "fleet/up"), "nothing is nobody's");
    }
}
