//! The formats that people have at home, with payloads as the makers' documents print them.
#![allow(clippy::unwrap_used)]

mod cost;
mod erased;
mod esphome;
mod home_assistant;
mod homie;
mod limits;
mod noise;
mod openmqttgateway;
mod rtl_433;
mod shelly;
mod tasmota;
mod zigbee2mqtt;

use std::sync::Arc;

use tidegate_decode::{DecodeConfig, Decoder, FormatChoice, SameTime, SourceConfig};
use tidegate_telemetry::{Decoded, DeviceFacts, MetricFacts, Position, Publication, Reason, Value};
use tidegate_testing::publication;

/// Topics and payloads that the formats understand.
const SAMPLES: &[&[(&str, &str)]] = &[
    zigbee2mqtt::SAMPLES,
    home_assistant::SAMPLES,
    esphome::SAMPLES,
    tasmota::SAMPLES,
    shelly::SAMPLES,
    openmqttgateway::SAMPLES,
    rtl_433::SAMPLES,
];

/// A decoder that is told one publication after the other.
pub(crate) struct House {
    config: DecodeConfig,
    decoder: Decoder,
    position: u64,
}

impl House {
    pub(crate) fn new() -> House {
        House::with(DecodeConfig::default())
    }

    pub(crate) fn with(config: DecodeConfig) -> House {
        House { decoder: Decoder::new(config.clone()), config, position: 0 }
    }

    /// With one `[[source]]`.
    pub(crate) fn with_source(topic: &str, format: &str, timezone: Option<&str>) -> House {
        let source = SourceConfig {
            topic: topic.into(),
            format: FormatChoice::parse(format).unwrap(),
            timezone: timezone.map(|zone| jiff::tz::TimeZone::get(zone).unwrap()),
            same_time: SameTime::Each,
            ..SourceConfig::default()
        };
        House::with(DecodeConfig { sources: vec![source], ..DecodeConfig::default() })
    }

    pub(crate) fn say(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Said {
        self.position += 1;
        let publication = publication(topic, payload.as_ref());
        Said(std::mem::take(self.decoder.decode(Position(self.position), &publication)))
    }

    /// As [`House::say`], published by this principal.
    pub(crate) fn say_by(&mut self, principal: &str, topic: &str, payload: impl AsRef<[u8]>) -> Said {
        self.position += 1;
        let publication = Publication { principal: principal.into(), ..publication(topic, payload.as_ref()) };
        Said(std::mem::take(self.decoder.decode(Position(self.position), &publication)))
    }

    /// As [`House::say`], of what has no flaw.
    #[track_caller]
    pub(crate) fn hear(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Said {
        let said = self.say(topic, payload);
        assert_eq!((&said.0.rejection, &said.0.further[..]), (&None, &[][..]), "{topic}");
        said
    }

    /// Goes on from a checkpoint.
    pub(crate) fn restart(&mut self) {
        let frozen = self.decoder.freeze();
        self.decoder = Decoder::new(self.config.clone());
        for (format, state) in frozen {
            assert_eq!(self.decoder.restore(format, &state.to_bytes()), Ok(true));
        }
    }
}

/// What a publication meant.
pub(crate) struct Said(pub(crate) Decoded);

impl Said {
    /// The one device that it has a reading of, and its group.
    #[track_caller]
    pub(crate) fn of(&self) -> (&str, &str) {
        let [reading] = &self.0.readings[..] else { panic!("not one reading: {:?}", self.0) };
        (&reading.device, &reading.group)
    }

    /// Metrics and values of the one reading.
    #[track_caller]
    pub(crate) fn values(&self) -> Vec<(&str, Value)> {
        self.of();
        self.0.readings[0].metrics.iter().map(|(name, value)| (&**name, value.clone())).collect()
    }

    #[track_caller]
    pub(crate) fn value(&self, metric: &str) -> Value {
        let values = self.values();
        let found = values.iter().find(|(name, _)| *name == metric);
        found.unwrap_or_else(|| panic!("no {metric} in {values:?}")).1.clone()
    }

    #[track_caller]
    pub(crate) fn time_ms(&self) -> Option<i64> {
        self.of();
        self.0.readings[0].time_ms
    }

    #[track_caller]
    pub(crate) fn device(&self) -> &Arc<DeviceFacts> {
        &self.0.devices.first().unwrap_or_else(|| panic!("nothing about a device: {:?}", self.0)).facts
    }

    pub(crate) fn about(&self, metric: &str) -> Option<&Arc<MetricFacts>> {
        self.0.descriptions.iter().find(|said| &*said.metric == metric).map(|said| &said.facts)
    }

    #[track_caller]
    pub(crate) fn facts(&self, metric: &str) -> &Arc<MetricFacts> {
        self.about(metric).unwrap_or_else(|| panic!("nothing about {metric}: {:?}", self.0.descriptions))
    }

    /// Devices said to be there, or gone.
    pub(crate) fn availability(&self) -> Vec<(&str, bool)> {
        self.0.availability.iter().map(|said| (&*said.device, said.is_connected)).collect()
    }

    /// Why it, or a part of it, was not taken.
    pub(crate) fn reasons(&self) -> Vec<Reason> {
        self.0.rejection.iter().chain(&self.0.further).map(|it| it.reason).collect()
    }

    #[track_caller]
    pub(crate) fn is_nothing(&self) {
        assert_eq!(self.0, Decoded::default());
    }
}

pub(crate) fn number(number: f64) -> Value {
    Value::Number(number)
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Unit, class, words of a metric, as texts; empty where nothing is known.
pub(crate) fn shown(facts: &MetricFacts) -> (&str, &str, Option<[&str; 2]>) {
    let words = facts.words.as_ref().map(|[off, on]| [&**off, &**on]);
    (facts.unit.as_deref().unwrap_or_default(), facts.class.as_deref().unwrap_or_default(), words)
}
