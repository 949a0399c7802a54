//! Limits of decoding, and what the keys of a payload mean.

use jiff::tz::TimeZone;

use crate::formats::FORMATS;

/// How payloads are read, and how large they may be. Every limit that is met has a [`tidegate_telemetry::Reason`].
#[derive(Debug, Clone)]
pub struct DecodeConfig {
    /// Largest payload, bytes.
    pub payload_bytes_max: usize,
    /// Deepest nesting within one reading; 1 is a flat object.
    pub depth_max: usize,
    /// Most metrics of one reading.
    pub metrics_max: usize,
    /// Most readings of one publication.
    pub readings_max: usize,
    /// Longest text that counts as a value, bytes.
    pub text_bytes_max: usize,
    /// Longest device identifier, group path or metric name, bytes.
    pub name_bytes_max: usize,
    /// Names kept so that a repeated name costs no allocation; the cache starts anew when it is full.
    pub names_cached_max: usize,
    /// Keys of a JSON reading that name its device, the most trusted first.
    pub identifier_keys: Vec<String>,
    /// Keys of a JSON reading that hold its time, the most trusted first.
    pub time_keys: Vec<String>,
    /// Keys of a JSON reading that say where its device is (`Building A, Floor 3`), the most trusted first.
    pub location_keys: Vec<String>,
    /// Words in the name of a metric that make it a label: a text of digits stays a text there.
    pub label_words: Vec<String>,
    /// Most sources of which one format remembers something.
    pub sources_max: usize,
    /// Formats by topic; the first whose filter matches decides, [`FormatChoice::Auto`] when none does.
    pub sources: Vec<SourceConfig>,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        let keys = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        DecodeConfig {
            payload_bytes_max: 256 * 1024,
            depth_max: 8,
            metrics_max: 256,
            readings_max: 1_000,
            text_bytes_max: 256,
            name_bytes_max: 256,
            names_cached_max: 65_536,
            identifier_keys: keys(&["deviceId", "device_id", "deviceid"]),
            time_keys: keys(&["timestamp", "time", "ts", "Time"]),
            location_keys: keys(&["location"]),
            label_words: keys(&[
                "version",
                "firmware",
                "model",
                "serial",
                "identifier",
                "id",
                "uid",
                "uuid",
                "address",
                "ip",
                "mac",
                "ssid",
                "bssid",
                "imei",
                "imsi",
                "iccid",
                "name",
                "host",
                "hostname",
                "code",
                "mode",
                "effect",
            ]),
            sources_max: 10_000,
            sources: Vec::new(),
        }
    }
}

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
