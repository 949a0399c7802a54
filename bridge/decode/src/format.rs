//! What a format is, and what it gets to read.

use std::fmt::Debug;
use std::str::Utf8Error;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tidegate_telemetry::{Decoded, Frozen, Position, Publication, Reason, Rejection};

use crate::config::DecodeConfig;
use crate::names::Names;
use crate::topic;

/// A format in the list of formats.
#[derive(Debug, Clone, Copy)]
pub struct FormatEntry {
    /// Its name in `[[source]] format = "…"`. Checkpoints have the state of its sources under this name too.
    pub name: &'static str,
    /// What it is, for people, in a few words.
    pub meaning: &'static str,
    /// One that has seen nothing.
    pub new: fn(&DecodeConfig) -> Box<dyn Format>,
}

/// A way to write telemetry down.
///
/// What it makes of a publication may depend on that publication, the configuration and earlier publications alone: no
/// clock, no chance. So whoever reads the log again finds the same.
pub trait Format: Debug + Send {
    /// Whether a publication is in this format, where the configuration does not say which one it is in.
    fn recognizes(&self, input: &Input<'_>) -> bool;

    /// Adds what a publication means to `out`.
    ///
    /// # Errors
    /// What could not be taken. A flaw is contained: what could be taken of the publication is in `out` all the same.
    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection>;

    /// The retained message of a topic is cleared (MQTT 5.0 section 3.3.1.3): what it said does not hold any more.
    fn clear(&mut self, _input: &Input<'_>) {}

    /// Nothing of a device may stay in what is remembered: it is erased.
    fn forget(&mut self, _device: &str) {}

    /// Whether something of a device is in what is remembered.
    fn remembers(&self, _device: &str) -> bool {
        false
    }

    /// What it remembers of its sources, for a checkpoint; `None`: it remembers nothing.
    fn freeze(&self) -> Option<Frozen> {
        None
    }

    /// Goes on from what a checkpoint has.
    ///
    /// # Errors
    /// [`StateError`] when the bytes are not what [`Format::freeze`] gave.
    fn restore(&mut self, _state: &[u8]) -> Result<(), StateError> {
        Ok(())
    }
}

/// The state of a format could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the checkpoint has of the sources is not readable")]
pub struct StateError;

/// A publication, and what reading it takes besides.
#[derive(Debug)]
pub struct Input<'a> {
    pub(crate) config: &'a DecodeConfig,
    pub(crate) names: &'a mut Names,
    pub(crate) publication: &'a Publication,
    pub(crate) topic: &'a str,
    /// The topic filter of the source that is configured for it.
    pub(crate) filter: Option<&'a str>,
    /// Whether that source names the format, so that its filter says where this format's topics are.
    pub(crate) is_named: bool,
    /// The topic filter of each of `config.sources`, without names of levels.
    pub(crate) filters: &'a [String],
    /// Where the source's clocks are.
    pub(crate) zone: Option<&'a TimeZone>,
    /// Tags that name the device, as the configuration of the topic says.
    pub(crate) device_tags: Option<&'a str>,
    pub(crate) payload: &'a [u8],
    pub(crate) text: Result<&'a str, Utf8Error>,
    pub(crate) position: Position,
}

impl<'a> Input<'a> {
    /// Topic name.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The payload as it came; not empty.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The topic filter of the `[[source]]` that the publication's format was chosen by.
    #[must_use]
    pub fn filter(&self) -> Option<&'a str> {
        self.filter
    }

    /// What the filter of the `[[source]]` that names the format has before its first wildcard; `None` where nothing names it.
    pub(crate) fn named_prefix(&self) -> Option<&'a str> {
        let filter = self.filter.filter(|_| self.is_named)?;
        Some(topic::fixed_part(filter)).filter(|prefix| !prefix.is_empty())
    }

    /// Where the publication stands in the log.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Unix ms of the receipt.
    #[must_use]
    pub fn received_ms(&self) -> i64 {
        self.publication.received_ms
    }

    /// Media type that the publisher gave (MQTT 5.0 section 3.3.2.3.9), without parameters: `application/senml+json`.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a str> {
        let given = self.publication.properties.as_ref()?.content_type.as_deref()?;
        Some(given.split(';').next().unwrap_or(given).trim())
    }

    /// Whether the publisher gave this media type.
    pub(crate) fn is_of_type(&self, media_type: &str) -> bool {
        self.content_type().is_some_and(|given| given.eq_ignore_ascii_case(media_type))
    }

    /// MQTT client identifier of the publisher; empty where the engine does not know it.
    #[must_use]
    pub fn client(&self) -> &'a str {
        &self.publication.client
    }

    /// Whom the publisher proved to be.
    #[must_use]
    pub fn principal(&self) -> &'a str {
        &self.publication.principal
    }

    /// The payload as text, without what programs put around it: a byte order mark, white space, line ends, trailing NULs.
    ///
    /// # Errors
    /// [`Reason::NotUtf8`].
    pub fn text(&self) -> Result<&'a str, Rejection> {
        self.text.map_err(|error| {
            let at = error.valid_up_to();
            let detail = format!("byte {at} is not UTF-8: publish JSON or plain text, or configure the topic's format");
            Rejection::new(Reason::NotUtf8, detail)
        })
    }

    /// A device identifier, group path or metric name, checked; `what` names it for people. A name that came before costs no
    /// allocation.
    ///
    /// # Errors
    /// [`Reason::InvalidName`] when it is empty, too long or holds control characters.
    pub fn name(&mut self, what: &str, name: &str) -> Result<Arc<str>, Rejection> {
        self.names.name(what, name)
    }
}
