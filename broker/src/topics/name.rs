/// Limits on topic names and filters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicLimits {
    pub bytes_max: usize,
    pub levels_max: usize,
}

/// Why a topic name or filter is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TopicError {
    #[error("the topic is empty")]
    Empty,
    #[error("the topic holds the character U+0000")]
    Nul,
    #[error("a topic name holds the wildcard {0:?}; wildcards belong in subscriptions")]
    Wildcard(char),
    #[error(
        "the filter uses a wildcard where none may stand: + fills a level by itself, # is the last level by itself"
    )]
    MisplacedWildcard,
    #[error("a shared subscription is $share/GROUP/FILTER, with a group that is not empty and has no wildcard")]
    Shared,
    #[error("the topic has {bytes} bytes, mqtt.topic_bytes_max is {max}")]
    TooLong { bytes: usize, max: usize },
    #[error("the topic has {levels} levels, mqtt.topic_levels_max is {max}")]
    TooDeep { levels: usize, max: usize },
}

impl TopicError {
    /// `true` where the standard allows the topic and only a limit of ours does not.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self, TopicError::TooLong { .. } | TopicError::TooDeep { .. })
    }
}

impl TopicLimits {
    /// Checks the topic name of a PUBLISH or a will (MQTT-3.3.2-2, MQTT-4.7.3-1, MQTT-4.7.3-2).
    pub(crate) fn check_name(&self, topic: &str) -> Result<(), TopicError> {
        match topic.bytes().find(|byte| matches!(byte, b'+' | b'#' | 0)) {
            Some(0) => return Err(TopicError::Nul),
            Some(wildcard) => return Err(TopicError::Wildcard(wildcard as char)),
            None => {}
        }
        self.check_size(topic)
    }

    /// Checks a subscription's filter (MQTT-4.7.1-1, MQTT-4.7.1-2).
    pub(crate) fn check_filter(&self, filter: &str) -> Result<(), TopicError> {
        if filter.contains('\0') {
            return Err(TopicError::Nul);
        }
        self.check_size(filter)?;
        // MQTT-4.8.2-1, MQTT-4.8.2-2
        let filter = match filter.strip_prefix("$share/").map(|shared| shared.split_once('/')) {
            Some(Some((group, filter))) if !group.is_empty() && !group.contains(['+', '#']) && !filter.is_empty() => {
                filter
            }
            Some(_) => return Err(TopicError::Shared),
            None => filter,
        };
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            let misplaced = match level {
                "+" => false,
                "#" => levels.peek().is_some(),
                _ => level.contains(['+', '#']),
            };
            if misplaced {
                return Err(TopicError::MisplacedWildcard);
            }
        }
        Ok(())
    }

    fn check_size(&self, topic: &str) -> Result<(), TopicError> {
        if topic.is_empty() {
            return Err(TopicError::Empty);
        }
        if topic.len() > self.bytes_max {
            return Err(TopicError::TooLong { bytes: topic.len(), max: self.bytes_max });
        }
        let levels = 1 + topic.bytes().filter(|byte| *byte == b'/').count();
        if levels > self.levels_max {
            return Err(TopicError::TooDeep { levels, max: self.levels_max });
        }
        Ok(())
    }
}

/// Whether a valid filter matches a valid topic name. Wildcards in the first level do not match topics that begin
/// with `$` (MQTT-4.7.2-1); `a/#` matches `a` as well (section 4.7.1.2).
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic_levels = topic.split('/');
    for level in filter.split('/') {
        match (level, topic_levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    topic_levels.next().is_none()
}

/// The filter of a shared subscription without `$share` and the group's name.
pub(crate) fn shared_filter(filter: &str) -> Option<&str> {
    filter.strip_prefix("$share/")?.split_once('/').map(|(_, filter)| filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TopicLimits = TopicLimits { bytes_max: 20, levels_max: 4 };

    #[test]
    fn a_topic_name_holds_no_wildcard_and_no_nul() {
        assert_eq!(LIMITS.check_name("a/b"), Ok(()));
        assert_eq!(LIMITS.check_name("/"), Ok(()));
        assert_eq!(LIMITS.check_name("a/+"), Err(TopicError::Wildcard('+')));
        assert_eq!(LIMITS.check_name("a#"), Err(TopicError::Wildcard('#')));
        assert_eq!(LIMITS.check_name("a\0"), Err(TopicError::Nul));
        assert_eq!(LIMITS.check_name(""), Err(TopicError::Empty));
        assert_eq!(LIMITS.check_name("a/b/c/d/e"), Err(TopicError::TooDeep { levels: 5, max: 4 }));
        assert_eq!(LIMITS.check_name(&"a".repeat(21)), Err(TopicError::TooLong { bytes: 21, max: 20 }));
    }

    #[test]
    fn wildcards_of_a_filter_fill_a_whole_level() {
        for good in ["#", "+", "a/+/b", "+/+", "a/#", "/#", "$SYS/#"] {
            assert_eq!(LIMITS.check_filter(good), Ok(()), "{good}");
        }
        for bad in ["a#", "#/a", "a+", "a/+b", "a/#/b"] {
            assert_eq!(LIMITS.check_filter(bad), Err(TopicError::MisplacedWildcard), "{bad}");
        }
        assert_eq!(LIMITS.check_filter("$share/g/a"), Ok(()));
        assert_eq!(LIMITS.check_filter("$share/g/a#"), Err(TopicError::MisplacedWildcard));
        for bad in ["$share/g", "$share//a", "$share/+/a", "$share/g/"] {
            assert_eq!(LIMITS.check_filter(bad), Err(TopicError::Shared), "{bad}");
        }
    }

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            ("#", "a/b"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("$SYS/#", "$SYS/a"),
            ("a", "a"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("sport/+", "sport"),
            ("sport/tennis/+", "sport/tennis/a/b"),
            ("+", "/finance"),
            ("#", "$SYS/a"),
            ("+/a", "$SYS/a"),
            ("a", "a/b"),
            ("a/b", "a"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
