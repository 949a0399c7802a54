use crate::config::{Format, SourceConfig};
use crate::topic;

/// Chooses the format of a publication; never [`Format::Auto`].
pub(crate) fn choose(sources: &[SourceConfig], topic: &str, payload: &[u8]) -> Format {
    let configured = sources.iter().find(|source| topic::filter_matches(&source.topic, topic));
    match configured.map(|source| source.format) {
        Some(Format::Auto) => by_shape(payload),
        Some(format) => format,
        // Topics below `$` belong to brokers and clouds: telemetry only where the configuration says so.
        None if topic.starts_with('$') => Format::Ignore,
        None => by_shape(payload),
    }
}

fn by_shape(payload: &[u8]) -> Format {
    match payload.trim_ascii_start().first() {
        Some(b'{' | b'[') => Format::Reference,
        _ => Format::Plain,
    }
}
