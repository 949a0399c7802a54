//! A topic filter whose levels have names.

use crate::topic;

/// One level, or all from one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    place: usize,
    is_rest: bool,
}

impl Level {
    /// What it is in a topic that the filter matches.
    pub(super) fn of(self, topic: &str) -> &str {
        if self.is_rest {
            topic.splitn(self.place + 1, '/').nth(self.place).unwrap_or_default()
        } else {
            topic.split('/').nth(self.place).unwrap_or_default()
        }
    }
}

/// The filter without names, and the names.
#[derive(Debug, Clone, Default)]
pub(super) struct Levels {
    pub(super) filter: String,
    named: Vec<(String, Level)>,
}

impl Levels {
    /// `plant/+line/+device/#rest`; `None` for what is no filter, also without its names, or names two levels alike.
    pub(super) fn parse(text: &str) -> Option<Levels> {
        let mut levels = Levels::default();
        for (place, level) in text.split('/').enumerate() {
            let (wildcard, name) = match level.chars().next() {
                Some(wildcard @ ('+' | '#')) => (Some(wildcard), &level[1..]),
                _ => (None, level),
            };
            if place > 0 {
                levels.filter.push('/');
            }
            match wildcard {
                None => levels.filter.push_str(level),
                Some(wildcard) => levels.filter.push(wildcard),
            }
            if wildcard.is_some() && !name.is_empty() {
                let is_name =
                    name.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '-'));
                if !is_name || levels.of(name).is_some() {
                    return None;
                }
                levels.named.push((name.to_owned(), Level { place, is_rest: wildcard == Some('#') }));
            }
        }
        topic::is_filter(&levels.filter).then_some(levels)
    }

    pub(super) fn of(&self, name: &str) -> Option<Level> {
        self.named.iter().find(|(known, _)| known == name).map(|(_, level)| *level)
    }

    /// Those with a name, in their order.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, Level)> + Clone {
        self.named.iter().map(|(name, level)| (&**name, *level))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn levels_have_names_behind_their_wildcards() {
        let levels = Levels::parse("plant/+line/x/+device/#rest").unwrap();
        assert_eq!(levels.filter, "plant/+/x/+/#");
        let topic = "plant/l1/x/d/a/b";
        let found: Vec<_> = levels.named().map(|(name, level)| (name, level.of(topic))).collect();
        assert_eq!(found, [("line", "l1"), ("device", "d"), ("rest", "a/b")]);
        assert_eq!(levels.of("rest").unwrap().of("plant/l1/x/d"), "");
        assert_eq!(Levels::parse("a/+/#").unwrap().named().count(), 0);
        for wrong in ["", "+a/+a", "#a/b", "a+b/c", "+a b", "+{a}", "a/+#"] {
            assert!(Levels::parse(wrong).is_none(), "{wrong}");
        }
    }
}
