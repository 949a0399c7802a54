//! One publication at a time, by the format that is meant.

use tidegate_telemetry::{Decoded, Entry, Frozen, Intent, Position, Publication, Reason, Rejection};

use crate::config::{DecodeConfig, FormatChoice, SameTime};
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::formats::{self, FORMATS};
use crate::mapping::Mapping;
use crate::names::Names;
use crate::surroundings::without_surroundings;
use crate::topic;

/// Turns publications into what they mean, in the order of the log.
///
/// What formats remember of their sources is the state here, and belongs to the checkpoint ([`Decoder::freeze`]). The
/// names that are kept are a cache: it never shows.
#[derive(Debug)]
pub struct Decoder {
    config: DecodeConfig,
    names: Names,
    formats: Vec<(&'static str, Box<dyn Format>)>,
    /// What was chosen for each of `config.sources`.
    chosen: Vec<Chosen>,
    /// What each of `config.sources` says of names and places.
    mappings: Vec<Mapping>,
    /// The topic filter of each of `config.sources`, without names of levels.
    filters: Vec<String>,
    decoded: Decoded,
    read_by: ReadBy,
}

/// What read a publication, for people who ask why it means what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadBy {
    /// Which of the configuration's sources its topic matched first.
    pub source: Option<usize>,
    /// The format; `None`: nothing was to be read, or the source says itself where values stand.
    pub format: Option<&'static str>,
}

/// What reads the publications of a topic.
#[derive(Debug, Clone, Copy)]
enum Chosen {
    /// The first that recognizes them.
    Auto,
    /// Nothing: they hold no telemetry.
    Nothing,
    /// The format of this number.
    Format(usize),
}

impl Decoder {
    /// A decoder that has seen nothing.
    #[must_use]
    pub fn new(config: DecodeConfig) -> Self {
        Decoder::with_formats(config, FORMATS)
    }

    /// As [`Decoder::new`], with other formats than [`FORMATS`].
    ///
    /// # Panics
    /// When the configuration names a format that is not among them, or has a source that [`SourceConfig::mistake`] finds wrong.
    ///
    /// [`SourceConfig::mistake`]: crate::SourceConfig::mistake
    #[must_use]
    pub fn with_formats(config: DecodeConfig, formats: &[FormatEntry]) -> Self {
        let choose = |choice: FormatChoice| match choice {
            FormatChoice::Auto => Chosen::Auto,
            FormatChoice::Ignore => Chosen::Nothing,
            FormatChoice::Named(name) => {
                let place = formats.iter().position(|format| format.name == name);
                Chosen::Format(place.expect("FormatChoice::parse gives names of formats alone"))
            }
        };
        let mapping = |source| Mapping::new(source).expect("it was checked when it was read");
        let mappings: Vec<Mapping> = config.sources.iter().map(mapping).collect();
        Decoder {
            names: Names::new(config.names_cached_max, config.name_bytes_max),
            formats: formats.iter().map(|format| (format.name, (format.new)(&config))).collect(),
            chosen: config.sources.iter().map(|source| choose(source.format)).collect(),
            filters: mappings.iter().map(|mapping| mapping.filter.clone()).collect(),
            mappings,
            decoded: Decoded::default(),
            read_by: ReadBy::default(),
            config,
        }
    }

    /// What the entry at `position` means; nothing, where it is no publication. A device that is erased is forgotten here too.
    pub fn entry(&mut self, position: Position, entry: &Entry) -> &mut Decoded {
        match entry {
            Entry::Publication(publication) => self.decode(position, publication),
            _ => {
                if let Entry::Intent(Intent::EraseDevice { device, .. }) = entry {
                    self.formats.iter_mut().for_each(|(_, format)| format.forget(device));
                }
                self.decoded.clear();
                &mut self.decoded
            }
        }
    }

    /// What the publication at `position` means. Nothing, and that is no problem, where the payload is empty (which clears
    /// a retained message, MQTT 5.0 section 3.3.1.3) and where the topic carries no telemetry.
    ///
    /// A flaw is contained: a bad value is left out of its reading, a bad reading out of its array, and the rest is there
    /// beside the rejection. Only of text that is not JSON nothing is taken at all.
    pub fn decode(&mut self, position: Position, publication: &Publication) -> &mut Decoded {
        self.decoded.clear();
        self.decoded.rejection = self.read(position, publication).err();
        &mut self.decoded
    }

    /// What read the last publication.
    #[must_use]
    pub fn read_by(&self) -> ReadBy {
        self.read_by
    }

    fn read(&mut self, position: Position, publication: &Publication) -> Result<(), Rejection> {
        let payload = &publication.payload[..];
        if payload.len() > self.config.payload_bytes_max {
            return Err(self.too_large(payload.len()));
        }
        let Decoder { config, names, formats, chosen, mappings, filters, decoded, read_by } = self;
        let topic = publication.topic.as_str();
        let place = mappings.iter().position(|mapping| topic::filter_matches(&mapping.filter, topic));
        let (source, mapping) = place.map(|place| (&config.sources[place], &mappings[place])).unzip();
        *read_by = ReadBy { source: place, format: None };
        let chosen = place.map_or_else(|| unconfigured(topic), |place| chosen[place]);

        let text = std::str::from_utf8(payload).map(without_surroundings);
        let within = if matches!(chosen, Chosen::Auto) { text.ok().and_then(json_within) } else { None };
        let text = within.as_deref().map_or(text, Ok);
        let zone = source.and_then(|source| source.timezone.as_ref());
        let device_tags = source.and_then(|source| source.device_tags.as_deref());
        let filter = mapping.map(|mapping| mapping.filter.as_str());
        let is_named = matches!(chosen, Chosen::Format(_));
        let mut input = Input {
            config,
            names,
            publication,
            topic,
            filter,
            is_named,
            filters,
            zone,
            device_tags,
            payload,
            text,
            position,
        };
        let format = match chosen {
            Chosen::Nothing => None,
            Chosen::Format(number) => formats.get_mut(number),
            Chosen::Auto => formats.iter_mut().find(|(_, format)| format.recognizes(&input)),
        };
        let result = match (mapping.filter(|mapping| mapping.reads_fields()), format) {
            (_, None) => return Ok(()),
            (Some(mapping), Some(_)) if !payload.is_empty() => mapping.read(&mut input, decoded),
            (_, Some((_, format))) if payload.is_empty() => {
                format.clear(&input);
                return Ok(());
            }
            (_, Some((name, format))) => {
                read_by.format = Some(*name);
                let result = format.decode(&mut input, decoded);
                result.and(mapping.map_or(Ok(()), |mapping| mapping.place(&mut input, decoded)))
            }
        };
        if source.is_some_and(|source| source.same_time == SameTime::Last) {
            decoded.readings.iter_mut().for_each(|reading| reading.corrects = true);
        }
        result
    }

    /// Names of the formats that remember something of a device.
    #[must_use]
    pub fn mentions(&self, device: &str) -> Vec<&'static str> {
        self.formats.iter().filter(|(_, format)| format.remembers(device)).map(|(name, _)| *name).collect()
    }

    /// What the formats that have state remember, by the names of the formats.
    #[must_use]
    pub fn freeze(&self) -> Vec<(&'static str, Frozen)> {
        self.formats.iter().filter_map(|(name, format)| Some((*name, format.freeze()?))).collect()
    }

    /// Has the format of this name go on from what [`Decoder::freeze`] gave. Whether there is such a format.
    ///
    /// # Errors
    /// [`StateError`] when the bytes are something else.
    pub fn restore(&mut self, format: &str, state: &[u8]) -> Result<bool, StateError> {
        let Some((_, format)) = self.formats.iter_mut().find(|(name, _)| *name == format) else { return Ok(false) };
        format.restore(state)?;
        Ok(true)
    }

    fn too_large(&self, bytes: usize) -> Rejection {
        let max = self.config.payload_bytes_max;
        let detail = format!("{bytes} bytes are more than decode.payload_bytes_max ({max}): publish smaller messages");
        Rejection::new(Reason::PayloadTooLarge, detail)
    }
}

/// Topics below `$` belong to brokers and clouds, unless the configuration says otherwise, or a format has its own there.
fn unconfigured(topic: &str) -> Chosen {
    if topic.starts_with('$') && !formats::have_below_dollar(topic) { Chosen::Nothing } else { Chosen::Auto }
}

/// The JSON that a JSON text holds: `"{\"temperature\":23.5}"`.
fn json_within(text: &str) -> Option<String> {
    let within = serde_json::from_str::<String>(text.starts_with('"').then_some(text)?).ok()?;
    within.trim_start().starts_with(['{', '[']).then_some(within)
}
