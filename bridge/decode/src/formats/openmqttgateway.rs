//! OpenMQTTGateway and Theengs: `{base}/{gateway}/BTtoMQTT/{mac}` and its like. A device is called by itself and not by the
//! gateway that heard it; how each gateway hears it is a metric with the gateway's name
//! (<https://docs.openmqttgateway.com/use/ble.html>).

use std::sync::Arc;

use tidegate_telemetry::{Availability, Decoded, DeviceFacts, Frozen, PowerSource, Reading, Rejection, Value};

use super::json::{self, Found};
use super::receivers;
use super::rtl_433::Identity;
use crate::config::DecodeConfig;
use crate::described::{self, Kept};
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::sources::Sources;

pub(super) const OPENMQTTGATEWAY: FormatEntry = FormatEntry {
    name: "openmqttgateway",
    meaning: "OpenMQTTGateway and Theengs",
    new: |config| Box::new(Gateways::new(config)),
};

const GROUP: &str = "OpenMQTTGateway";

/// What receivers of a gateway publish below.
const RECEIVERS: [&str; 9] = [
    "BTtoMQTT",
    "LORAtoMQTT",
    "433toMQTT",
    "RTL_433toMQTT",
    "PilighttoMQTT",
    "IRtoMQTT",
    "SRFBtoMQTT",
    "GSMtoMQTT",
    "SYStoMQTT",
];

/// Fields that say who the device is, besides those of rtl_433.
const IDENTITY: [&str; 10] =
    ["id", "name", "brand", "model", "model_id", "type", "mac_type", "adv_type", "servicedatauuid", "track"];
/// Raw advertisements.
const RAW: [&str; 6] = ["servicedata", "manufacturerdata", "hex", "raw", "message", "originalMessage"];

/// What a topic is about.
struct Subject<'t> {
    /// Levels above the gateway.
    base: &'t str,
    gateway: &'t str,
    receiver: &'t str,
    /// The device, where the topic has one.
    device: &'t str,
}

impl<'t> Subject<'t> {
    fn of(topic: &'t str) -> Option<Subject<'t>> {
        if !topic.contains("toMQTT") {
            return None;
        }
        let mut start = 0;
        let level = topic.split('/').find(|level| {
            let is_receiver = RECEIVERS.contains(level);
            start += if is_receiver { 0 } else { level.len() + 1 };
            is_receiver
        })?;
        let end = start + level.len();
        let above = topic[..start].strip_suffix('/')?;
        let (base, gateway) = above.rsplit_once('/').unwrap_or(("", above));
        let device = topic[end..].trim_start_matches('/');
        (!gateway.is_empty()).then_some(Subject { base, gateway, receiver: level, device })
    }

    /// The identifier of a device, without the gateway.
    fn id(&self, device: &str) -> String {
        let parts = [self.base, self.receiver, device];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    fn gateway_path(&self) -> String {
        if self.base.is_empty() { self.gateway.to_owned() } else { format!("{}/{}", self.base, self.gateway) }
    }
}

/// Whether a topic is of this format where nothing is configured.
pub(super) fn owns(topic: &str) -> bool {
    Subject::of(topic).is_some()
}

#[derive(Debug)]
struct Gateways {
    /// What is known of devices, and that a gateway is one.
    devices: Sources<Option<Arc<DeviceFacts>>>,
    kept: Kept,
}

impl Gateways {
    fn new(config: &DecodeConfig) -> Self {
        Gateways { devices: Sources::new(config.sources_max), kept: Kept::default() }
    }

    fn heard(
        &mut self,
        input: &mut Input<'_>,
        subject: &Subject<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let text = input.text()?;
        if !text.starts_with('{') {
            return Ok(());
        }
        let mut found = json::found(input, text, &["time"], flaws)?;
        let gateway = subject.gateway_path();
        self.devices.of(&gateway, input.position());
        if subject.receiver == "SYStoMQTT" {
            found.metrics.retain(|(_, value)| !matches!(value, Value::Text(_)));
            let facts = DeviceFacts { name: input.name("gateway", subject.gateway).ok(), ..DeviceFacts::default() };
            return self.say(input, &gateway, facts, found, out);
        }
        let (id, facts) = Gateways::identity(subject, &mut found);
        found
            .metrics
            .retain(|(name, _)| !RAW.contains(&&**name) && !IDENTITY.contains(&&**name) && !is_fahrenheit(name));
        // How it was heard is this gateway's.
        for (name, _) in found.metrics.iter_mut().filter(|(name, _)| receivers::is_signal(name)) {
            *name = input.name("metric", &format!("{name}.{}", subject.gateway))?;
        }
        self.say(input, &id, facts, found, out)
    }

    /// Who the device is: by the topic, else by its address, else by what rtl_433 goes by, else the receiver itself.
    fn identity(subject: &Subject<'_>, found: &mut Found) -> (String, DeviceFacts) {
        let text = |name: &str| match found.metrics.iter().find(|(known, _)| **known == *name) {
            Some((_, Value::Text(text))) => Some(Arc::clone(text)),
            _ => None,
        };
        let facts = DeviceFacts {
            name: text("name"),
            model: text("model_id").or_else(|| text("model")),
            maker: text("brand"),
            power: (subject.receiver == "BTtoMQTT" && found.metrics.iter().any(|(name, _)| &**name == "batt"))
                .then_some(PowerSource::Battery),
            ..DeviceFacts::default()
        };
        let address = text("id").filter(|id| is_address(id)).map(|id| id.replace(':', ""));
        let is_radio = subject.receiver == "RTL_433toMQTT";
        let by_rtl_433 = if is_radio { Identity::take(found) } else { None };
        let device = match (address, by_rtl_433, subject.device) {
            (Some(address), ..) => address,
            (None, Some(Identity { path, .. }), _) => path,
            (None, None, device) => device.to_owned(),
        };
        (subject.id(&device), facts)
    }

    fn say(
        &mut self,
        input: &mut Input<'_>,
        id: &str,
        facts: DeviceFacts,
        found: Found,
        out: &mut Decoded,
    ) -> Result<(), Rejection> {
        if found.metrics.is_empty() && found.without_value.is_empty() {
            return Ok(());
        }
        let (device, group) = (input.name("device", id)?, input.name("group", GROUP)?);
        let known = self.devices.used(id, input.position()).and_then(Option::as_ref).cloned();
        // Not each message of a device says all of it.
        let merged = match &known {
            Some(known) => DeviceFacts {
                name: facts.name.or_else(|| known.name.clone()),
                model: facts.model.or_else(|| known.model.clone()),
                maker: facts.maker.or_else(|| known.maker.clone()),
                power: facts.power.or(known.power),
                ..DeviceFacts::default()
            },
            None => facts,
        };
        let facts = match known {
            Some(known) if *known == merged => known,
            _ => {
                let facts = Arc::new(merged);
                *self.devices.of(id, input.position()) = Some(Arc::clone(&facts));
                facts
            }
        };
        let Found { time_ms, metrics, without_value } = found;
        let reading = Reading { device, group, time_ms, corrects: false, metrics, without_value };
        let kept = &mut self.kept;
        described::say(out, reading, Some(&facts), |field| {
            kept.of(field, || {
                receivers::facts(if receivers::is_signal(field) { receivers::signal(field) } else { field })
            })
        });
        Ok(())
    }
}

impl Format for Gateways {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        let topic = input.topic();
        let is_will = || topic.strip_suffix("/LWT").is_some_and(|gateway| self.devices.get(gateway).is_some());
        owns(topic) || is_will()
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let topic = input.topic();
        let mut flaws = Flaws::default();
        if let Some(subject) = Subject::of(topic) {
            self.heard(input, &subject, out, &mut flaws)?;
        } else if let Some(gateway) = topic.strip_suffix("/LWT") {
            let device = input.name("gateway", gateway)?;
            let is_connected = input.text()?.eq_ignore_ascii_case("online");
            out.availability.push(Availability { device, is_connected });
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

/// `A4:C1:38:00:00:01`, or without colons.
fn is_address(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
}

/// Each temperature is there in °C too.
fn is_fahrenheit(name: &str) -> bool {
    name.strip_prefix("tempf").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}
