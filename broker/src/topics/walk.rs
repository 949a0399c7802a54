use std::sync::Arc;

use super::ordered::Topic;

/// A look through what is in order by level for what a filter matches. It stands between two topics, so others may come
/// and go between its steps: what is there throughout is found, and nothing is found twice.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    filter: Arc<str>,
    /// The next topic is this one or the first after it; `None` at the end.
    from: Option<Topic>,
}

impl Walk {
    /// To all that the filter, which is valid and not shared, matches.
    pub(crate) fn new(filter: Arc<str>) -> Walk {
        let literal = filter.find(['+', '#']).map_or(&*filter, |wildcard| filter[..wildcard].trim_end_matches('/'));
        let from = Some(Topic(Arc::from(literal)));
        Walk { filter, from }
    }

    /// One that stood there.
    pub(crate) fn resumed(filter: Arc<str>, place: &str) -> Walk {
        Walk { filter, from: Some(Topic(Arc::from(place))) }
    }

    /// Where it stands; `None` at its end.
    pub(crate) fn place(&self) -> Option<&str> {
        self.from.as_ref().map(|topic| &*topic.0)
    }

    pub(crate) fn filter(&self) -> &Arc<str> {
        &self.filter
    }

    pub(crate) fn is_over(&self) -> bool {
        self.from.is_none()
    }

    pub(crate) fn from(&self) -> Option<&Topic> {
        self.from.as_ref()
    }

    pub(crate) fn end(&mut self) {
        self.from = None;
    }

    /// Meets the topic it came to. Returns whether the filter matches it, and stands before the next that may.
    pub(crate) fn meet(&mut self, topic: &str) -> bool {
        let (is_match, next) = meet(&self.filter, topic);
        self.from = next.map(|place| Topic(place.into()));
        is_match
    }
}

/// Whether the filter matches the topic, and the first place behind it at which it may match another.
fn meet(filter: &str, topic: &str) -> (bool, Option<String>) {
    // Wildcards in the first level do not match topics that begin with $ (MQTT-4.7.2-1); % is the character after it.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return (false, Some("%".to_owned()));
    }
    // What else matches differs in the last level that a + stands for, or before.
    let mut behind_wildcard = None;
    let mut left = Some(topic);
    for level in filter.split('/') {
        if level == "#" {
            return (true, Some(format!("{topic}/")));
        }
        let Some(rest) = left else {
            let name = if level == "+" { "" } else { level };
            return (false, Some(format!("{topic}/{name}")));
        };
        let (own, below) = rest.split_once('/').map_or((rest, None), |(own, below)| (own, Some(below)));
        let end = topic.len() - below.map_or(0, |below| below.len() + 1);
        match level {
            "+" => behind_wildcard = Some(end),
            level if own == level => {}
            level if own < level => return (false, Some(format!("{}{level}", &topic[..end - own.len()]))),
            _ => return (false, behind_wildcard.map(|end| behind_all_below(&topic[..end]))),
        }
        left = below;
    }
    (left.is_none(), behind_wildcard.map(|end| behind_all_below(&topic[..end])))
}

/// The first place behind the topic and everything below it. No topic has U+0000, so nothing is between.
fn behind_all_below(topic: &str) -> String {
    format!("{topic}\u{1}")
}
