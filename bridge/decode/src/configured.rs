//! The tables `[[source]]`: which topics are read by which format. This is beside `config`, since it knows all formats, and
//! formats know their limits from there.

use jiff::tz::TimeZone;
use tidegate_settings::{Item, Reader, Section, chosen, number, text};

use crate::config::{DecodeConfig, FieldConfig, FormatChoice, MappingConfig, SameTime, SourceConfig};
use crate::formats::FORMATS;
use crate::mapping::Mapping;

const SOURCE_SAMPLE: &str = r#"
# How payloads are read, by topic; the first filter that fits decides. Everything but topic is optional.
# [[source]]
# topic = "factory/+line/+device/#"  # each + and # may have a name; what is called device and metric is that, the others are the group
# format = "plain"               # one of these:
{formats}
# timezone = "Europe/Berlin"     # where its clocks are, for times without an offset from UTC
# device_tags = "site,host"      # of line protocol: tags that name the device; without, "device" or all of them
# same_time = "last"             # of values with one time of the device the last counts; default "each" does
# device = "{line}/{device}"     # names of levels, or paths in the payload
# group = "Hall 1/{line}"
# metric = "{metric}"            # of a plain value, or of a payload with one value
# readings = "data.rows"         # an array: each element is a reading, and what is beside it is common to all
# time = "meta.at"               # where the time stands
# time_format = "%d.%m.%Y %H:%M:%S"
# decimal = ","                  # in texts that are numbers; default "."
# pattern = "T=(?<temperature>[-0-9.]+)"  # for texts: a regular expression, whose named groups are found as fields are
# fields.temperature = "values.t1"        # these metrics, at these paths (a.b.0, or /a/b/0), and no others
# fields.door = { path = "d", on = "OPEN", off = "SHUT" }
# fields.power = { path = "p", scale = 0.001, offset = 0, unit = "kW", decimals = 2, class = "power" }
"#;

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
        let mapping = MappingConfig::read(section);
        let device_tags = section.optional("device_tags", text);
        let (format, same_time) = (format.unwrap_or(FormatChoice::Auto), same_time.unwrap_or_default());
        let Some(topic) = topic else {
            section.wrong("needs a topic");
            return None;
        };
        let source = SourceConfig { topic, format, timezone, same_time, device_tags, mapping };
        if let Some((key, wrong)) = source.mistake() {
            section.wrong_key(key, &wrong);
            return None;
        }
        Some(source)
    }

    /// What is wrong with it: the key, and what to write instead.
    #[must_use]
    pub fn mistake(&self) -> Option<(&'static str, String)> {
        Mapping::new(self).err()
    }
}

impl MappingConfig {
    fn read(section: &mut Section<'_>) -> MappingConfig {
        let decimal = section.optional("decimal", |item| chosen(item, &[(".", false), (",", true)]));
        MappingConfig {
            device: section.optional("device", text),
            group: section.optional("group", text),
            metric: section.optional("metric", text),
            readings: section.optional("readings", text),
            time: section.optional("time", text),
            time_format: section.optional("time_format", text),
            decimal_comma: decimal.unwrap_or_default(),
            pattern: section.optional("pattern", text),
            fields: section.entries("fields", FieldConfig::read),
        }
    }
}

impl FieldConfig {
    fn read(metric: &str, item: &Item) -> Result<FieldConfig, String> {
        let mut field = FieldConfig { metric: metric.to_owned(), ..FieldConfig::default() };
        if let Some(path) = item.as_str() {
            field.path = path.to_owned();
            return Ok(field);
        }
        let table = item.as_table_like().ok_or(NO_FIELD)?;
        let mut has_path = false;
        for (key, value) in table.iter() {
            let words = || value.as_str().map(str::to_owned).ok_or_else(|| format!("{key} is a text in quotes"));
            let number = || number(value).ok_or_else(|| format!("{key} is a finite number"));
            match key {
                "path" => (field.path, has_path) = (words()?, true),
                "unit" => field.unit = Some(words()?),
                "class" => field.class = Some(words()?),
                "on" => field.on = Some(words()?),
                "off" => field.off = Some(words()?),
                "scale" => field.scale = Some(number()?),
                "offset" => field.offset = Some(number()?),
                "decimals" => {
                    let decimals = value.as_integer().and_then(|decimals| u8::try_from(decimals).ok());
                    field.decimals = Some(decimals.filter(|it| *it <= 9).ok_or("decimals is a whole number up to 9")?);
                }
                other => return Err(format!("does not know {other:?}: {NO_FIELD}")),
            }
        }
        if has_path { Ok(field) } else { Err(NO_FIELD.to_owned()) }
    }
}

const NO_FIELD: &str =
    "is a path, or a table of path, and of unit, scale, offset, decimals, class, on and off where they are wanted";

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
