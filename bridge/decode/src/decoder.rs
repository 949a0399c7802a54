use tidegate_telemetry::{Position, Publication, Reading, Reason};

use crate::chooser;
use crate::config::{DecodeConfig, Format, SameTime, SourceConfig};
use crate::input::Input;
use crate::names::Names;
use crate::plain;
use crate::reference;
use crate::rejection::Rejection;

/// Turns publications into readings.
///
/// The formats of today keep no state between publications, so the decoder holds but a cache of names: a fresh
/// one gives the same readings, and no checkpoint needs it.
#[derive(Debug)]
pub struct Decoder {
    config: DecodeConfig,
    names: Names,
}

impl Decoder {
    /// A decoder that has seen nothing.
    #[must_use]
    pub fn new(config: DecodeConfig) -> Self {
        let names = Names::new(config.names_cached_max, config.name_bytes_max);
        Decoder { config, names }
    }

    /// Appends the readings of a publication to `out`. An empty payload (which clears a retained message, MQTT 5.0
    /// section 3.3.1.3) and topics below `$` hold none, and that is no problem.
    ///
    /// `position` is where the publication stands in the log; state that a format learns from it is learnt as of then.
    ///
    /// # Errors
    /// What could not be taken. A flaw is contained: a bad value is left out of its reading, a bad reading out of its
    /// array, and the rest stands in `out` all the same. Only of text that is not JSON nothing is taken at all.
    pub fn decode(
        &mut self,
        _position: Position,
        publication: &Publication,
        out: &mut Vec<Reading>,
    ) -> Result<(), Rejection> {
        let payload = &publication.payload[..];
        if payload.is_empty() {
            return Ok(());
        }
        if payload.len() > self.config.payload_bytes_max {
            return Err(self.too_large(payload.len()));
        }
        let Decoder { config, names } = self;
        let source = chooser::source(&config.sources, &publication.topic);
        if chooser::is_ignored(source, &publication.topic) {
            return Ok(());
        }
        let zone = source.and_then(|source| source.timezone.as_ref());
        let before = out.len();
        let decoded = read(source, &mut Input { config, names, topic: &publication.topic, zone }, text(payload)?, out);
        if source.is_some_and(|source| source.same_time == SameTime::Last) {
            out[before..].iter_mut().for_each(|reading| reading.corrects = true);
        }
        decoded
    }

    fn too_large(&self, bytes: usize) -> Rejection {
        let max = self.config.payload_bytes_max;
        let detail = format!("{bytes} bytes are more than decode.payload_bytes_max ({max}): publish smaller messages");
        Rejection::new(Reason::PayloadTooLarge, detail)
    }
}

fn read(
    source: Option<&SourceConfig>,
    input: &mut Input<'_>,
    text: &str,
    out: &mut Vec<Reading>,
) -> Result<(), Rejection> {
    if chooser::is_json(source, text) {
        return reference::decode(input, text, out);
    }
    match json_within(text).filter(|_| source.is_none_or(|source| source.format == Format::Auto)) {
        Some(json) => reference::decode(input, &json, out),
        None => plain::decode(input, text, out),
    }
}

/// The payload as text, without what programs put around it: a byte order mark, white space, line ends, trailing NULs.
fn text(payload: &[u8]) -> Result<&str, Rejection> {
    let text = std::str::from_utf8(payload).map_err(|error| {
        let at = error.valid_up_to();
        let detail = format!("byte {at} is not UTF-8: publish JSON or plain text, or configure the topic's format");
        Rejection::new(Reason::NotUtf8, detail)
    })?;
    let around = |character: char| character.is_whitespace() || character == '\0';
    Ok(text.trim_start_matches('\u{feff}').trim_matches(around))
}

/// The JSON that a JSON text holds: `"{\"temperature\":23.5}"`.
fn json_within(text: &str) -> Option<String> {
    let within = serde_json::from_str::<String>(text.starts_with('"').then_some(text)?).ok()?;
    within.trim_start().starts_with(['{', '[']).then_some(within)
}
