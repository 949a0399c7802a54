//! What would come of a publication, tried beside everything: nothing is kept, and formats remember nothing of their sources.

use tidegate_telemetry::{Decoded, Position, Publication, Reading, Value};

use crate::config::DecodeConfig;
use crate::decoder::Decoder;
use crate::proposal::propose;

/// What would come of a publication, and why.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trial {
    /// The topic filter of the source that its topic matches first.
    pub source: Option<String>,
    /// The format that reads it; `None`: its source says where values stand, or it holds no telemetry.
    pub format: Option<&'static str>,
    /// What it means.
    pub decoded: Decoded,
    /// A `[[source]]` that would have more of it understood, ready to copy, where one can be thought of.
    pub proposal: Option<String>,
}

impl Trial {
    /// Tries a publication.
    #[must_use]
    pub fn of(config: &DecodeConfig, publication: &Publication) -> Trial {
        let mut decoder = Decoder::new(config.clone());
        let decoded = std::mem::take(decoder.decode(Position(1), publication));
        let read_by = decoder.read_by();
        let proposal = if is_understood(&decoded, publication) { None } else { propose(config, publication) };
        Trial {
            source: read_by.source.map(|place| config.sources[place].topic.clone()),
            format: read_by.format,
            decoded,
            proposal,
        }
    }
}

/// Whether there is nothing to wish for: devices are told apart, no part is a problem, and no text may hold several values.
fn is_understood(decoded: &Decoded, publication: &Publication) -> bool {
    let is_text = |(_, value): &(_, Value)| matches!(value, Value::Text(_));
    let is_whole = |reading: &Reading| *reading.device != *publication.topic && !reading.metrics.iter().all(is_text);
    decoded.rejection.is_none() && decoded.further.is_empty() && decoded.readings.iter().all(is_whole)
}
