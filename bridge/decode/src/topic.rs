//! What a topic says about a device.

/// The levels above the last one, and the last one. `None` for a topic of one level.
pub(crate) fn split_last(topic: &str) -> Option<(&str, &str)> {
    topic.rsplit_once('/')
}

/// The group path of a device that is the last level of `path`: the levels above it.
pub(crate) fn group_above(path: &str) -> String {
    split_last(path).map(|(above, _)| join(above.split('/'))).unwrap_or_default()
}

/// The group path of a device that named itself in its payload: the levels above the level that equals the name,
/// else above the last one.
pub(crate) fn group_of_named(topic: &str, device: &str) -> String {
    match topic.split('/').position(|level| level == device) {
        Some(place) => join(topic.split('/').take(place)),
        None => group_above(topic),
    }
}

/// Joins the levels that are not empty.
pub(crate) fn join<'a>(levels: impl Iterator<Item = &'a str>) -> String {
    let mut path = String::new();
    for level in levels.filter(|level| !level.is_empty()) {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(level);
    }
    path
}

/// The levels of a topic filter before its first wildcard: `site/b` of `site/b/+/x`.
pub(crate) fn fixed_part(filter: &str) -> &str {
    let end = filter.find(['+', '#']).unwrap_or(filter.len());
    filter[..end].trim_end_matches('/')
}

/// Whether a text is an MQTT topic filter (MQTT 5.0 section 4.7.1): `+` fills a level, `#` the last one.
pub(crate) fn is_filter(text: &str) -> bool {
    let above = match text.rsplit_once('/') {
        Some((above, "#")) => above,
        _ if text == "#" => return true,
        _ => text,
    };
    !text.is_empty() && above.split('/').all(|level| level == "+" || !level.contains(['+', '#']))
}

/// Whether an MQTT topic filter matches a topic (MQTT 5.0 section 4.7).
pub(crate) fn filter_matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        match (part, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (part, Some(level)) if part == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_lies_above_the_device() {
        assert_eq!(group_above("site/b/floor1/dev7"), "site/b/floor1");
        assert_eq!(group_above("dev7"), "");
        assert_eq!(group_above("/site//dev7"), "site");
        assert_eq!(group_of_named("site/b/dev7/telemetry", "dev7"), "site/b");
        assert_eq!(group_of_named("factory/line1/telemetry", "dev7"), "factory/line1");
        assert_eq!(group_of_named("dev7", "dev7"), "");
    }

    #[test]
    fn a_wildcard_fills_a_level_and_the_one_for_all_ends_a_filter() {
        for filter in ["#", "+", "a", "a/#", "+/b/#", "a/+/c", "/#", "/", "$SYS/#"] {
            assert!(is_filter(filter), "{filter}");
        }
        for wrong in ["", "a/#/b", "#/a", "a#", "a/b#", "a+/b", "##", "a/++", "#/#"] {
            assert!(!is_filter(wrong), "{wrong}");
        }
    }

    #[test]
    fn filters_match_as_mqtt_says() {
        for (filter, topic, matches) in [
            ("#", "a/b", true),
            ("a/#", "a", true),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("+/b", "a/b", true),
            ("a/b", "a/b", true),
            ("a/b", "a/c", false),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
        ] {
            assert_eq!(filter_matches(filter, topic), matches, "{filter} on {topic}");
        }
    }
}
