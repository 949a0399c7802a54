//! Limits of decoding, and what the keys of a payload mean.

use jiff::tz::TimeZone;
use tidegate_settings::section;

section! {
    /// How payloads are read, and how large they may be. Every limit that is met has a [`tidegate_telemetry::Reason`].
    #[derive(Debug, Clone)]
    pub struct DecodeConfig {
        /// Most sources of which one format remembers something.
        pub sources_max: usize = 10_000,
        /// Most bytes of what one format remembers of its sources together.
        pub sources_bytes_max: usize = 64 << 20,
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

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// What is said of the publications on some topics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceConfig {
    /// MQTT topic filter (MQTT 5.0 section 4.7): `+` is one level, `#` at the end is any number. Each may have a name behind it:
    /// `plant/+line/+device/#rest`.
    pub topic: String,
    /// What reads payloads on it.
    pub format: FormatChoice,
    /// Where its clocks are, for times that come without an offset.
    pub timezone: Option<TimeZone>,
    /// What two values are to which the device gave the same time.
    pub same_time: SameTime,
    /// Tags whose values, joined by `/`, are the device, where the format has tags; with commas between them.
    pub device_tags: Option<String>,
    /// What devices, groups and metrics are called, and where values stand.
    pub mapping: MappingConfig,
}

/// What devices, groups and metrics are called, and where values stand. Names are templates: `{line}` is the level of that name, or
/// what stands at that path in the payload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MappingConfig {
    /// Device identifier.
    pub device: Option<String>,
    /// Group path.
    pub group: Option<String>,
    /// Metric of a plain value.
    pub metric: Option<String>,
    /// Path of an array in which each element is a reading; without it the payload is one.
    pub readings: Option<String>,
    /// Path of the time.
    pub time: Option<String>,
    /// How the time is written, in the conversions of `strftime`.
    pub time_format: Option<String>,
    /// What parts whole from fraction in texts that are numbers, `.` or `,`.
    pub decimal_comma: bool,
    /// A regular expression for payloads that are text; its named groups are what paths name.
    pub pattern: Option<String>,
    /// The metrics; what is not among them is left alone. None: whatever the format finds.
    pub fields: Vec<FieldConfig>,
}

/// Where a metric stands, and what it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldConfig {
    /// Name of the metric; a template.
    pub metric: String,
    /// Where it stands: names and places parted by dots, `data.values.0`, or a JSON pointer (RFC 6901), `/data/values/0`. Empty: the
    /// whole payload.
    pub path: String,
    /// Unit for people.
    pub unit: Option<String>,
    /// The value is that of the payload times this, plus `offset`.
    pub scale: Option<f64>,
    /// Is added to the value.
    pub offset: Option<f64>,
    /// Device class.
    pub class: Option<String>,
    /// Decimals to show.
    pub decimals: Option<u8>,
    /// The text that is `true`.
    pub on: Option<String>,
    /// The text that is `false`.
    pub off: Option<String>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FormatChoice {
    /// The first format that recognizes a payload.
    #[default]
    Auto,
    /// The format of this name in [`FORMATS`](crate::formats::FORMATS).
    Named(&'static str),
    /// Not telemetry: no reading, no problem.
    Ignore,
}
