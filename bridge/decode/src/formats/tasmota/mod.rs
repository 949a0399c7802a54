//! Tasmota: `tele/{device}/SENSOR` and its like, and `tasmota/discovery/{mac}/config`, which says what a device is
//! (<https://tasmota.github.io/docs/MQTT/>). The prefix (`tele`, `stat`, `cmnd`) may stand before or behind the device.

mod names;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tidegate_telemetry::{
    Availability, Decoded, DeviceDescription, DeviceFacts, Frozen, MetricFacts, PowerSource, Reading, Reason,
    Rejection, Value,
};

use super::json::{self, Found};
use super::plain;
use crate::config::DecodeConfig;
use crate::described::{self, Kept};
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::quantities::switched;
use crate::sources::Sources;
use crate::topic;
use names::{is_noise, is_state, leaf, quantity};

pub(super) const TASMOTA: FormatEntry =
    FormatEntry { name: "tasmota", meaning: "Tasmota", new: |config| Box::new(Tasmota::new(config)) };

/// The group of devices whose topics say no place.
const GROUP: &str = "Tasmota";
const TIME_KEYS: &[&str] = &["Time"];
/// Words of a will where the device did not say others: gone and connected.
const WILL: [&str; 2] = ["Offline", "Online"];
/// Where devices describe themselves.
const DISCOVERY: &str = "tasmota/discovery/";

/// Whether a topic is of this format where nothing is configured.
pub(super) fn owns(topic: &str) -> bool {
    topic.starts_with(DISCOVERY) || Subject::of(topic).is_some()
}

/// What a topic is about.
#[derive(Debug, PartialEq)]
struct Subject {
    /// The topic of the device, with `tele` for whichever prefix it has; without one that stands behind.
    device: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// All that is in the object counts.
    Telemetry,
    /// Within one object of the message.
    Status,
    /// An answer to a command, of which only states count.
    Result,
    /// `POWER`, `POWER1`: the value alone.
    Power,
    Will,
    Info,
    Command,
    Log,
    Nothing,
}

impl Subject {
    fn of(topic: &str) -> Option<Subject> {
        let (above, last) = topic.rsplit_once('/')?;
        if above.starts_with("cmnd/") || above.ends_with("/cmnd") {
            return Some(Subject { device: String::new(), kind: Kind::Command });
        }
        let numbered = |name: &str| {
            last.strip_prefix(name)
                .is_some_and(|rest| rest.len() <= 2 && rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let kind = match last {
            "SENSOR" | "STATE" => Kind::Telemetry,
            "LWT" => Kind::Will,
            "RESULT" => Kind::Result,
            "INFO1" | "INFO2" | "INFO3" => Kind::Info,
            "STATUS8" | "STATUS10" | "STATUS11" => Kind::Status,
            "LOGGING" => Kind::Log,
            "UPTIME" | "MARGINS" | "HASS_STATE" | "HEARTBEAT" => Kind::Nothing,
            _ if numbered("POWER") => Kind::Power,
            _ if numbered("STATUS") => Kind::Nothing,
            _ => return None,
        };
        Some(Subject { device: device(above)?, kind })
    }
}

/// The device of a topic without its last level. `None` where no level is a prefix.
fn device(above: &str) -> Option<String> {
    let is_prefix = |level: &str| level == "tele" || level == "stat";
    if let Some((device, prefix)) = above.rsplit_once('/')
        && is_prefix(prefix)
    {
        return (!device.is_empty()).then(|| device.to_owned());
    }
    let place = above.split('/').position(is_prefix)?;
    let levels = above.split('/').enumerate().map(|(at, level)| if at == place { "tele" } else { level });
    let device = levels.collect::<Vec<_>>().join("/");
    (above.split('/').count() > 1).then_some(device)
}

/// What a device said of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Known {
    facts: Option<Arc<DeviceFacts>>,
    /// Its words for gone and connected, and for off and on.
    will: Option<[String; 2]>,
    switch: Option<[String; 2]>,
    /// Names of its switches.
    relays: Vec<Option<Arc<str>>>,
}

#[derive(Debug)]
struct Tasmota {
    devices: Sources<Arc<Known>>,
    kept: Kept,
}

/// Units that a message says at its end.
#[derive(Debug, Default)]
struct Units {
    temperature: Option<Arc<str>>,
    pressure: Option<Arc<str>>,
    speed: Option<Arc<str>>,
}

impl Tasmota {
    fn new(config: &DecodeConfig) -> Self {
        Tasmota { devices: Sources::new(config.sources_max), kept: Kept::default() }
    }

    fn telemetry(
        &mut self,
        input: &mut Input<'_>,
        subject: &Subject,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let text = input.text()?;
        let mut found = match subject.kind {
            Kind::Power => {
                let (_, metric) = topic::split_last(input.topic()).unwrap_or_default();
                plain::found(input, metric, text, flaws)?
            }
            Kind::Status => inner(input, text, flaws)?,
            _ => json::found(input, text, TIME_KEYS, flaws)?,
        };
        if subject.kind == Kind::Result {
            found.metrics.retain(|(metric, _)| is_state(metric));
            found.without_value.retain(|metric| is_state(metric));
        }
        let units = Units::take(&mut found);
        found.metrics.retain(|(metric, _)| !is_noise(metric));
        if found.metrics.is_empty() && found.without_value.is_empty() {
            return Ok(());
        }
        let known = self.devices.used(&subject.device, input.position()).cloned().unwrap_or_default();
        found.metrics.iter_mut().for_each(|(metric, value)| known.correct(metric, value));
        let device = input.name("topic", &subject.device)?;
        let group = group(input, &subject.device)?;
        let Found { time_ms, metrics, without_value } = found;
        let reading = Reading { device, group, time_ms, corrects: false, metrics, without_value };
        described::say(out, reading, known.facts.as_ref(), |metric| self.facts(metric, &units, &known));
        Ok(())
    }

    fn facts(&mut self, metric: &str, units: &Units, known: &Known) -> Option<Arc<MetricFacts>> {
        if let Some(number) = metric.strip_prefix("POWER") {
            let place = number.parse::<usize>().map_or(0, |number| number.saturating_sub(1));
            let name = known.relays.get(place).cloned().flatten();
            let key = format!("POWER {}", name.as_deref().unwrap_or_default());
            return self.kept.of(&key, || Some(MetricFacts { name, ..switched("") }));
        }
        let leaf = leaf(metric);
        let unit = match quantity(leaf)?.class {
            "temperature" => units.temperature.as_deref(),
            "atmospheric_pressure" => units.pressure.as_deref(),
            "wind_speed" => units.speed.as_deref(),
            _ => None,
        };
        let mut key = String::from(leaf);
        write!(key, " {}", unit.unwrap_or_default()).expect("a text takes whatever is written");
        self.kept.of(&key, || {
            let quantity = quantity(leaf)?;
            Some(unit.map_or_else(|| quantity.facts(), |unit| quantity.facts_in(unit)))
        })
    }

    /// Words of its will: gone and connected.
    fn words(&self, subject: &Subject) -> [&str; 2] {
        let known = self.devices.get(&subject.device).and_then(|known| known.will.as_ref());
        known.map_or(WILL, |[gone, connected]| [gone, connected])
    }

    fn will(&self, input: &mut Input<'_>, subject: &Subject, out: &mut Decoded) -> Result<(), Rejection> {
        let text = input.text()?;
        let [gone, connected] = self.words(subject);
        let is_connected = match text {
            _ if text == connected => true,
            _ if text == gone => false,
            _ => {
                let detail = format!("{text:.40} is neither {connected:?} nor {gone:?}: publish one of these");
                return Err(Rejection::new(Reason::NotUnderstood, detail));
            }
        };
        let device = input.name("topic", &subject.device)?;
        out.availability.push(Availability { device, is_connected });
        Ok(())
    }

    /// `INFO1` has the module and the version, in an object or not.
    fn info(&mut self, input: &mut Input<'_>, subject: &Subject, out: &mut Decoded) -> Result<(), Rejection> {
        #[derive(Deserialize, Default)]
        #[serde(default, rename_all = "PascalCase")]
        struct Info {
            module: Option<String>,
            version: Option<String>,
            info1: Option<Box<Info>>,
        }
        let text = input.text()?;
        let mut info: Info = serde_json::from_str(text).unwrap_or_default();
        if let Some(inner) = info.info1.take() {
            info = *inner;
        }
        if info.version.is_none() {
            return Ok(());
        }
        let before = self.devices.get(&subject.device).and_then(|known| known.facts.clone()).unwrap_or_default();
        let mut named = |text: Option<String>| text.and_then(|text| input.name("description", &text).ok());
        let facts = DeviceFacts {
            firmware: named(info.version),
            model: named(info.module).or_else(|| before.model.clone()),
            maker: Some(GROUP.into()),
            ..(*before).clone()
        };
        self.know(input, &subject.device, facts, |_| {}, out)
    }

    /// Notes what a device says of itself.
    fn know(
        &mut self,
        input: &mut Input<'_>,
        id: &str,
        facts: DeviceFacts,
        and: impl FnOnce(&mut Known),
        out: &mut Decoded,
    ) -> Result<(), Rejection> {
        let device = input.name("topic", id)?;
        let known = Arc::make_mut(self.devices.of(id, input.position()));
        and(known);
        let facts = match &known.facts {
            Some(before) if **before == facts => Arc::clone(before),
            _ => Arc::new(facts),
        };
        known.facts = Some(Arc::clone(&facts));
        out.devices.push(DeviceDescription { device, facts });
        Ok(())
    }

    /// `tasmota/discovery/{mac}/config`.
    fn discovery(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        #[derive(Deserialize)]
        struct Config {
            t: String,
            ft: String,
            #[serde(default)]
            dn: String,
            #[serde(default, rename = "fn")]
            names: Vec<Option<String>>,
            md: Option<String>,
            sw: Option<String>,
            ofln: Option<String>,
            onln: Option<String>,
            #[serde(default)]
            state: Vec<String>,
            #[serde(default)]
            bat: u8,
            #[serde(default)]
            dslp: i64,
        }
        if !input.topic().ends_with("/config") {
            return Ok(());
        }
        let config: Config = serde_json::from_str(input.text()?).map_err(|error| {
            Rejection::new(Reason::InvalidJson, format!("the description is not as Tasmota writes it ({error})"))
        })?;
        let path = config.ft.replace("%prefix%", "tele").replace("%topic%", &config.t);
        let Some(id) = device(path.trim_end_matches('/')) else { return Ok(()) };
        let mut named = |text: Option<&String>| {
            text.filter(|text| !text.is_empty()).and_then(|text| input.name("description", text).ok())
        };
        let relays: Vec<_> = config.names.iter().take(32).map(|name| named(name.as_ref())).collect();
        let is_usual = config.dn.is_empty() || config.dn == GROUP;
        let facts = DeviceFacts {
            name: if is_usual { relays.first().cloned().flatten() } else { named(Some(&config.dn)) },
            model: named(config.md.as_ref()),
            maker: Some(GROUP.into()),
            firmware: named(config.sw.as_ref()),
            power: (config.bat == 1).then_some(PowerSource::Battery),
            report_ms: Some(config.dslp).filter(|s| (1..1_000_000_000).contains(s)).map(|s| s * 1_000),
        };
        let will = config.ofln.zip(config.onln).map(|(gone, connected)| [gone, connected]);
        let switch = match &config.state[..] {
            [off, on, ..] => Some([off.clone(), on.clone()]),
            _ => None,
        };
        let several = relays.iter().flatten().count() > 1;
        self.know(
            input,
            &id,
            facts,
            |known| {
                (known.will, known.switch) = (will, switch);
                known.relays = if several { relays } else { Vec::new() };
            },
            out,
        )
    }
}

impl Format for Tasmota {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        if input.topic().starts_with(DISCOVERY) {
            return true;
        }
        let (Some(subject), Ok(text)) = (Subject::of(input.topic()), input.text()) else { return false };
        match subject.kind {
            Kind::Will => self.words(&subject).contains(&text) || WILL.contains(&text),
            Kind::Power => !text.starts_with(['{', '[']),
            Kind::Command => true,
            Kind::Log => text.starts_with('{') || is_log(text),
            _ => text.starts_with('{') && !names_a_device(input, text),
        }
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        if input.topic().starts_with(DISCOVERY) {
            return self.discovery(input, out);
        }
        let Some(subject) = Subject::of(input.topic()) else { return Ok(()) };
        let mut flaws = Flaws::default();
        match subject.kind {
            Kind::Telemetry | Kind::Status | Kind::Result | Kind::Power => {
                self.telemetry(input, &subject, out, &mut flaws)?;
            }
            Kind::Will => self.will(input, &subject, out)?,
            Kind::Info => self.info(input, &subject, out)?,
            Kind::Command | Kind::Log | Kind::Nothing => {}
        }
        flaws.into_result(&mut out.further)
    }

    fn forget(&mut self, device: &str) {
        self.devices.remove(device);
    }

    fn remembers(&self, device: &str) -> bool {
        self.devices.get(device).is_some()
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.devices.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.devices.restore(state)
    }
}

impl Known {
    /// The device's own words for on and off.
    fn correct(&self, metric: &str, value: &mut Value) {
        if let (Some([off, on]), Value::Text(text)) = (&self.switch, &*value)
            && metric.starts_with("POWER")
            && (**text == **on || **text == **off)
        {
            *value = Value::Bool(**text == **on);
        }
    }
}

impl Units {
    /// Takes the units out of the metrics.
    fn take(found: &mut Found) -> Units {
        let mut units = Units::default();
        found.metrics.retain(|(metric, value)| {
            let (unit, Value::Text(text)) = (
                match &**metric {
                    "TempUnit" => &mut units.temperature,
                    "PressureUnit" => &mut units.pressure,
                    "SpeedUnit" => &mut units.speed,
                    _ => return true,
                },
                value,
            ) else {
                return false;
            };
            *unit = Some(match &**text {
                "C" => "°C".into(),
                "F" => "°F".into(),
                "K" => "K".into(),
                _ => Arc::clone(text),
            });
            false
        });
        units
    }
}

/// Whether a JSON object has one of the configured keys that name a device at its top: then it is whoever says so.
fn names_a_device(input: &Input<'_>, text: &str) -> bool {
    let keys = &input.config.identifier_keys;
    // Hardly any has the key anywhere, and is not parsed for it.
    keys.iter().any(|key| text.contains(&**key))
        && serde_json::from_str::<BTreeMap<Cow<'_, str>, IgnoredAny>>(text)
            .is_ok_and(|object| keys.iter().any(|key| object.contains_key(&**key)))
}

/// A line of the log: `22:20:38 MQT: …`, with thousandths of a second or without.
fn is_log(text: &str) -> bool {
    let is_clock = |at: usize, byte: u8| if matches!(at, 2 | 5) { byte == b':' } else { byte.is_ascii_digit() };
    text.len() > 8 && text.bytes().take(8).enumerate().all(|(at, byte)| is_clock(at, byte))
}

/// The object within `{"StatusSNS":{…}}`.
fn inner(input: &mut Input<'_>, text: &str, flaws: &mut Flaws) -> Result<Found, Rejection> {
    #[derive(Deserialize)]
    struct Status<'t> {
        #[serde(rename = "StatusSNS", alias = "StatusSTS", borrow)]
        inner: &'t serde_json::value::RawValue,
    }
    match serde_json::from_str::<Status<'_>>(text) {
        Ok(status) => json::found(input, status.inner.get(), TIME_KEYS, flaws),
        Err(_) => Ok(Found::default()),
    }
}

/// Groups are the levels between the prefix and the device.
fn group(input: &mut Input<'_>, device: &str) -> Result<Arc<str>, Rejection> {
    let path = device.strip_prefix("tele/").unwrap_or(device);
    match topic::group_above(path) {
        place if place.is_empty() => input.name("group", GROUP),
        place => input.name("group", &place),
    }
}
