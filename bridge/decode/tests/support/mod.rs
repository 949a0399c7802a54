//! What tests of single formats share.
#![allow(clippy::unwrap_used, dead_code, reason = "each test uses a part")]

use tidegate_decode::{DecodeConfig, Decoder, FormatChoice, SourceConfig};
use tidegate_telemetry::{Decoded, Entry, Intent, Position, Publication, PublishProperties, Reading, Value};
use tidegate_testing::publication;

/// One decoder, and where in the log it is.
pub struct Site {
    pub decoder: Decoder,
    at: u64,
    /// Unix ms of the next publication's receipt.
    pub now_ms: i64,
}

impl Site {
    pub fn new() -> Site {
        Site::with(DecodeConfig::default())
    }

    pub fn with(config: DecodeConfig) -> Site {
        Site { decoder: Decoder::new(config), at: 0, now_ms: publication("", "").received_ms }
    }

    /// One whose topics are of a format.
    pub fn of(topic: &str, format: &str) -> Site {
        Site::by_tags(topic, format, None)
    }

    /// As [`Site::of`], of a device that these tags name.
    pub fn by_tags(topic: &str, format: &str, device_tags: Option<&str>) -> Site {
        let source = SourceConfig {
            topic: topic.into(),
            format: FormatChoice::parse(format).unwrap(),
            device_tags: device_tags.map(str::to_owned),
            ..SourceConfig::default()
        };
        Site::with(DecodeConfig { sources: vec![source], ..DecodeConfig::default() })
    }

    pub fn say(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> Decoded {
        self.publish(publication(topic, payload))
    }

    /// As [`Site::say`], with a media type.
    pub fn say_as(&mut self, media_type: &str, topic: &str, payload: impl Into<Vec<u8>>) -> Decoded {
        let properties = PublishProperties { content_type: Some(media_type.into()), ..PublishProperties::default() };
        self.publish(Publication { properties: Some(Box::new(properties)), ..publication(topic, payload) })
    }

    pub fn publish(&mut self, publication: Publication) -> Decoded {
        self.at += 1;
        let publication = Publication { received_ms: self.now_ms, ..publication };
        std::mem::take(self.decoder.decode(Position(self.at), &publication))
    }

    /// The device is erased.
    pub fn erase(&mut self, device: &str) {
        self.at += 1;
        let erase = Intent::EraseDevice { received_ms: self.now_ms, device: device.into(), by: "test".into() };
        self.decoder.entry(Position(self.at), &Entry::Intent(erase));
    }

    /// Whether a device's name is in a checkpoint.
    pub fn has(&self, name: &str) -> bool {
        let frozen = self.decoder.freeze().into_iter().map(|(_, state)| state.to_bytes());
        frozen.into_iter().any(|bytes| bytes.windows(name.len()).any(|part| part == name.as_bytes()))
    }

    /// The program ends, and starts from its checkpoint.
    pub fn restart(&mut self, config: DecodeConfig) {
        let frozen = self.decoder.freeze();
        self.decoder = Decoder::new(config);
        for (name, state) in frozen {
            assert!(self.decoder.restore(name, &state.to_bytes()).unwrap(), "{name}");
        }
    }
}

/// Device, group, time and metrics, one after the other.
pub fn shown(reading: &Reading) -> String {
    let time = reading.time_ms.map_or("now".into(), |ms| ms.to_string());
    let value = |value: &Value| match value {
        Value::Text(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    let metrics: Vec<String> = reading.metrics.iter().map(|(name, of)| format!("{name}={}", value(of))).collect();
    let without: Vec<String> = reading.without_value.iter().map(|name| format!("{name}=-")).collect();
    format!("{} in {} at {time}: {}", reading.device, reading.group, [metrics, without].concat().join(" "))
}

/// All readings, as [`shown`] says them.
pub fn readings(decoded: &Decoded) -> Vec<String> {
    decoded.readings.iter().map(shown).collect()
}

/// Every problem in words.
pub fn problems(decoded: &Decoded) -> Vec<String> {
    decoded.rejection.iter().chain(&decoded.further).map(|it| format!("{:?}: {}", it.reason, it.detail)).collect()
}

/// Units by metric.
pub fn units(decoded: &Decoded) -> Vec<(String, String)> {
    let unit = |unit: &Option<std::sync::Arc<str>>| unit.as_deref().unwrap_or("?").to_owned();
    decoded.descriptions.iter().map(|it| (it.metric.to_string(), unit(&it.facts.unit))).collect()
}
