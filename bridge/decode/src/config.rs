//! Limits of decoding, and what the keys of a payload mean.

use jiff::tz::TimeZone;
use tidegate_settings::{Reader, Section, chosen, section, text};

use crate::formats::FORMATS;

section! {
    /// How payloads are read, and how large they may be. Every limit that is met has a [`tidegate_telemetry::Reason`].
    #[derive(Debug, Clone)]
    pub struct DecodeConfig {
        /// Most sources of which one format remembers something.
        pub sources_max: usize = 10_000,
        /// Formats by topic; the first whose filter matches decides, [`FormatChoice::Auto`] when none does.
        pub sources: Vec<SourceConfig> = Vec::new(),
    }
    /// How payloads are read, and how large they may be.
    [decode] {
        /// Largest payload.
        pub payload_bytes_max: usize = bytes(256 * 1024),
        /// Deepest nesting within a reading; 1 is a flat object.
        pub depth_max: usize = count(8),
        /// Most metrics of one reading.
        pub metrics_max: usize = count(256),
        /// Most readings of one publication.
        pub readings_max: usize = count(1_000),
        /// Longest text that counts as a value.
        pub text_bytes_max: usize = bytes(256),
        /// Longest device identifier, group path or metric name.
        pub name_bytes_max: usize = bytes(256),
        /// Names kept so that a repeated one costs nothing.
        ///
        /// The cache starts anew when it is full.
        pub names_cached_max: usize = count(65_536),
        /// JSON keys that name the device, best first.
        pub identifier_keys: Vec<String> = texts(keys(&["deviceId", "device_id", "deviceid"])),
        /// JSON keys that hold the time, best first.
        pub time_keys: Vec<String> = texts(keys(&["timestamp", "time", "ts", "Time"])),
        /// JSON keys that say where the device is, best first.
        ///
        /// `Building A, Floor 3`.
        pub location_keys: Vec<String> = texts(keys(&["location"])),
        /// Words in the name of a metric that make it a label: its texts stay texts, even of digits.
        pub label_words: Vec<String> = texts(keys(&[
            "version", "firmware", "model", "serial", "identifier", "id", "uid", "uuid", "address", "ip", "mac", "ssid",
            "bssid", "imei", "imsi", "iccid", "name", "host", "hostname", "code", "mode", "effect",
        ])),
    }
    then DecodeConfig::read_on;
}

impl DecodeConfig {
    fn read_on(&mut self, reader: &mut Reader) {
        let formats: Vec<_> = FormatChoice::all().map(|(name, meaning)| format!("{name:?} ({meaning})")).collect();
        let paths = reader.list("source", &SOURCE_SAMPLE.replace("{formats}", &formats.join(", ")));
        self.sources = paths.iter().filter_map(|path| SourceConfig::read(&mut reader.at(path))).collect();
    }
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const SOURCE_SAMPLE: &str = r#"
# How payloads are read, by topic; the first filter that fits decides. Everything but topic is optional.
# [[source]]
# topic = "factory/+/raw/#"
# format = "plain"               # {formats}
# timezone = "Europe/Berlin"     # where its clocks are, for times without an offset from UTC
# same_time = "last"             # of values with one time of the device the last counts; default "each" does
"#;

/// The format of the publications on some topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// MQTT topic filter (MQTT 5.0 section 4.7): `+` is one level, `#` at the end is any number.
    pub topic: String,
    /// What reads payloads on it.
    pub format: FormatChoice,
    /// Where its clocks are, for times that come without an offset.
    pub timezone: Option<TimeZone>,
    /// What two values are to which the device gave the same time.
    pub same_time: SameTime,
}

impl SourceConfig {
    fn read(section: &mut Section<'_>) -> Option<SourceConfig> {
        let topic = section.optional("topic", text);
        let format = section.optional("format", |item| {
            item.as_str().and_then(FormatChoice::parse).ok_or_else(|| {
                let names: Vec<_> = FormatChoice::all().map(|(name, _)| format!("{name:?}")).collect();
                format!("is one of {}", names.join(", "))
            })
        });
        let timezone = section.optional("timezone", |item| {
            let zone = item.as_str().and_then(|name| TimeZone::get(name).ok());
            zone.ok_or_else(|| "is a time zone of the IANA database, such as \"Europe/Berlin\" or \"UTC\"".into())
        });
        let same_times = [("each", SameTime::Each), ("last", SameTime::Last)];
        let same_time = section.optional("same_time", |item| chosen(item, &same_times));
        if topic.is_none() {
            section.wrong("needs a topic");
        }
        let (format, same_time) = (format.unwrap_or(FormatChoice::Auto), same_time.unwrap_or_default());
        Some(SourceConfig { topic: topic?, format, timezone, same_time })
    }
}

/// What two different values are to which a device gave the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameTime {
    /// Each is a reading.
    #[default]
    Each,
    /// The last to arrive corrects those before it.
    Last,
}

/// What reads the payloads on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatChoice {
    /// The first format that recognizes a payload.
    Auto,
    /// The format of this name in [`FORMATS`].
    Named(&'static str),
    /// Not telemetry: no reading, no problem.
    Ignore,
}

impl FormatChoice {
    /// What the configuration may say, and what that means, for people.
    pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
        let formats = FORMATS.iter().map(|format| (format.name, format.meaning));
        [("auto", "default")].into_iter().chain(formats).chain([("ignore", "no telemetry")])
    }

    /// What the configuration says by one of the names of [`FormatChoice::all`]; `None` for any other.
    #[must_use]
    pub fn parse(name: &str) -> Option<FormatChoice> {
        match name {
            "auto" => Some(FormatChoice::Auto),
            "ignore" => Some(FormatChoice::Ignore),
            name => FORMATS.iter().find(|format| format.name == name).map(|format| FormatChoice::Named(format.name)),
        }
    }
}
