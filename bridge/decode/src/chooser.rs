use crate::config::{Format, SourceConfig};
use crate::topic;

/// The source that a topic belongs to: the first whose filter matches.
pub(crate) fn source<'c>(sources: &'c [SourceConfig], topic: &str) -> Option<&'c SourceConfig> {
    sources.iter().find(|source| topic::filter_matches(&source.topic, topic))
}

/// Whether the topic carries no telemetry. Those below `$` belong to brokers and clouds, unless the configuration says
/// otherwise.
pub(crate) fn is_ignored(source: Option<&SourceConfig>, topic: &str) -> bool {
    source.map_or(topic.starts_with('$'), |source| source.format == Format::Ignore)
}

/// Whether the text is JSON readings; a plain value if not.
pub(crate) fn is_json(source: Option<&SourceConfig>, text: &str) -> bool {
    match source.map_or(Format::Auto, |source| source.format) {
        Format::Reference => true,
        Format::Plain | Format::Ignore => false,
        Format::Auto => text.starts_with(['{', '[']),
    }
}
