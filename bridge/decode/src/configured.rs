//! The tables `[[source]]`: which topics are read by which format. This is beside `config`, since it knows all formats, and
//! formats know their limits from there.

use jiff::tz::TimeZone;
use tidegate_settings::{Reader, Section, chosen, text};

use crate::config::{DecodeConfig, FormatChoice, SameTime, SourceConfig};
use crate::formats::FORMATS;
use crate::topic;

const SOURCE_SAMPLE: &str = r#"
# How payloads are read, by topic; the first filter that fits decides. Everything but topic is optional.
# [[source]]
# topic = "factory/+/raw/#"
# format = "plain"               # one of these:
{formats}
# timezone = "Europe/Berlin"     # where its clocks are, for times without an offset from UTC
# device_tags = "site,host"      # of line protocol: tags that name the device; without, "device" or all of them
# same_time = "last"             # of values with one time of the device the last counts; default "each" does
"#;

const NO_FILTER: &str = "uses a wildcard where none may stand, or is empty: + fills a level, # is the last level";

impl DecodeConfig {
    /// Reads `[[source]]`, which may name any format there is.
    pub(crate) fn read_on(&mut self, reader: &mut Reader) {
        let formats: Vec<_> =
            FormatChoice::all().map(|(name, meaning)| format!("#   {:22} {meaning}", format!("{name:?}"))).collect();
        let paths = reader.list("source", &SOURCE_SAMPLE.replace("{formats}", &formats.join("\n")));
        self.sources = paths.iter().filter_map(|path| SourceConfig::read(&mut reader.at(path))).collect();
    }
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
        let device_tags = section.optional("device_tags", text);
        match &topic {
            None => section.wrong("needs a topic"),
            Some(filter) if !topic::is_filter(filter) => section.wrong_key("topic", NO_FILTER),
            Some(_) => {}
        }
        let (format, same_time) = (format.unwrap_or(FormatChoice::Auto), same_time.unwrap_or_default());
        Some(SourceConfig { topic: topic?, format, timezone, same_time, device_tags })
    }
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
