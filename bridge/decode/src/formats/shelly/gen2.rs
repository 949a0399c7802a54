//! Shelly of the second generation and later: `{id}/events/rpc` has what changed, `{id}/status/{component}` the whole of one
//! component, `{id}/online` whether it is there (<https://shelly-api-docs.shelly.cloud/gen2/General/Notifications>).

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_telemetry::{Availability, Decoded, MetricFacts, PowerSource, Reason, Rejection, Value};

use super::{News, Shelly};
use crate::flaws::Flaws;
use crate::format::Input;
use crate::formats::json::{self, Found};
use crate::quantities::{Quantity, counted, measured, shown, switched};
use crate::time;

const TIME_KEYS: &[&str] = &["ts"];

/// Components whose state is no telemetry.
const IDLE: [&str; 9] = ["ble", "cloud", "mqtt", "ws", "ht_ui", "eth", "knx", "plugs_ui", "bthome"];
/// Components of devices that the grid feeds.
const FED: [&str; 8] = ["switch", "pm1", "em", "em1", "cover", "light", "rgb", "cct"];

/// What a topic is about.
#[derive(Debug, PartialEq)]
pub(super) struct Subject<'t> {
    id: &'t str,
    kind: Kind<'t>,
}

#[derive(Debug, PartialEq)]
enum Kind<'t> {
    Notification,
    /// The status of this component.
    Status(&'t str),
    Online,
    Nothing,
}

impl<'t> Subject<'t> {
    /// Some topics look like those of anybody: they count where the device is known, or is called as Shelly calls them.
    pub(super) fn of(topic: &'t str, is_known: impl Fn(&str) -> bool) -> Option<Subject<'t>> {
        if let Some(id) = topic.strip_suffix("/events/rpc") {
            return Some(Subject { id, kind: Kind::Notification });
        }
        let is_ours = |id: &str| {
            let last = id.rsplit('/').next().unwrap_or(id);
            last.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("shelly")) || is_known(id)
        };
        if let Some((id, component)) = topic.rsplit_once("/status/") {
            let is_numbered = is_component(component) && component.contains(':');
            let is_ours = is_numbered || (is_ours(id) && is_component(component));
            return is_ours.then_some(Subject { id, kind: Kind::Status(component) });
        }
        let (id, last) = topic.rsplit_once('/')?;
        let kind = match last {
            "online" => Kind::Online,
            "rpc" | "command" => Kind::Nothing,
            _ if id.ends_with("/command") || id.ends_with("/debug") => {
                let id = id.rsplit_once('/')?.0;
                return is_ours(id).then_some(Subject { id, kind: Kind::Nothing });
            }
            _ => return None,
        };
        is_ours(id).then_some(Subject { id, kind })
    }
}

/// `switch:0`, `sys`.
fn is_component(text: &str) -> bool {
    let (name, number) = text.split_once(':').unwrap_or((text, "0"));
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_name) && !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit())
}

#[derive(Deserialize)]
struct Notification<'t> {
    #[serde(default)]
    src: String,
    #[serde(default)]
    method: String,
    #[serde(borrow)]
    params: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct Events {
    ts: Option<f64>,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    component: String,
    event: String,
    ts: Option<f64>,
}

impl Shelly {
    pub(super) fn gen2(
        &mut self,
        input: &mut Input<'_>,
        subject: &Subject<'_>,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let id = subject.id;
        match subject.kind {
            Kind::Nothing => Ok(()),
            Kind::Online => {
                let is_connected = match input.text()? {
                    "true" => true,
                    "false" => false,
                    _ => return Ok(()),
                };
                let device = input.name("topic", id)?;
                out.availability.push(Availability { device, is_connected });
                Ok(())
            }
            Kind::Status(component) => {
                let text = input.text()?;
                if !text.starts_with('{') {
                    return Ok(());
                }
                let within = format!("{{\"{component}\":{text}}}");
                self.status(input, id, "", &within, out, flaws)
            }
            Kind::Notification => self.notification(input, id, out, flaws),
        }
    }

    fn notification(
        &mut self,
        input: &mut Input<'_>,
        id: &str,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let notification: Notification<'_> = serde_json::from_str(input.text()?).map_err(broken)?;
        let Some(params) = notification.params else { return Ok(()) };
        match &*notification.method {
            "NotifyStatus" | "NotifyFullStatus" => self.status(input, id, &notification.src, params.get(), out, flaws),
            "NotifyEvent" => self.events(input, id, params.get(), out),
            _ => Ok(()),
        }
    }

    /// What changed, or all that is.
    fn status(
        &mut self,
        input: &mut Input<'_>,
        id: &str,
        src: &str,
        text: &str,
        out: &mut Decoded,
        flaws: &mut Flaws,
    ) -> Result<(), Rejection> {
        let mut found = json::found(input, text, TIME_KEYS, flaws)?;
        // A sleeper that has just woken does not know the time yet.
        flaws.forget(Reason::DeviceClockUnset);
        let news = news(input, id, src, &found);
        self.learn(id, input, &news);
        found.metrics.retain(|(metric, _)| is_telemetry(metric));
        found.without_value.retain(|metric| is_telemetry(metric));
        if self.devices.get(id).is_some_and(|known| known.is_powered) {
            without_battery(&mut found);
        }
        self.say(input, id, found, facts, out)
    }

    fn events(&mut self, input: &mut Input<'_>, id: &str, text: &str, out: &mut Decoded) -> Result<(), Rejection> {
        let events: Events = serde_json::from_str(text).map_err(broken)?;
        let of_things = |event: &&Event| event.component.contains(':') && is_component(&event.component);
        for event in events.events.iter().filter(of_things).take(input.config.readings_max) {
            let metric = input.name("component", &format!("{}.event", event.component))?;
            let time_ms = event.ts.or(events.ts).and_then(|ts| time::from_number(ts).ok());
            if event.event.len() > input.config.text_bytes_max {
                continue;
            }
            let value = Value::Text(input.names.text(&event.event));
            let found = Found { time_ms, metrics: [(metric, value)].into_iter().collect(), ..Found::default() };
            self.say(input, id, found, |_| None, out)?;
        }
        Ok(())
    }
}

/// What a status says of the device itself.
fn news(input: &mut Input<'_>, id: &str, src: &str, found: &Found) -> News {
    let number = |name: &str| match found.metrics.iter().find(|(metric, _)| **metric == *name) {
        Some((_, Value::Number(number))) => Some(*number),
        _ => None,
    };
    let external = found.metrics.iter().find(|(metric, _)| metric.ends_with(".external.present"));
    let is_powered = external.map(|(_, value)| *value == Value::Bool(true));
    let is_fed = || found.metrics.iter().any(|(metric, _)| FED.contains(&component(metric).0));
    let has_battery = || found.metrics.iter().any(|(metric, _)| metric.starts_with("devicepower:"));
    // `shellyplusht-08b61fce63c4` is a model and an address.
    let called = if src.is_empty() { id.rsplit('/').next().unwrap_or(id) } else { src };
    let model = called.rsplit_once('-').map(|(model, _)| model).filter(|model| model.starts_with("shelly"));
    News {
        model: model.and_then(|model| input.name("model", model).ok()),
        firmware: None,
        power: match is_powered {
            Some(true) => Some(PowerSource::Mains),
            _ if is_powered.is_some() || has_battery() => Some(PowerSource::Battery),
            _ if is_fed() => Some(PowerSource::Mains),
            _ => None,
        },
        report_ms: number("sys.wakeup_period").filter(|s| (1.0..1e9).contains(s)).map(|s| (s * 1e3) as i64),
        is_powered,
    }
}

/// With power from outside there may be no battery in it, and then its charge is 0 %.
fn without_battery(found: &mut Found) {
    let mut without = Vec::new();
    found.metrics.retain(|(metric, _)| {
        let is_battery = metric.contains(".battery.");
        if is_battery {
            without.push(metric.clone());
        }
        !is_battery
    });
    found.without_value.extend(without);
}

/// The component of a metric, without its number, and what is below it.
fn component(metric: &str) -> (&str, &str) {
    let (component, below) = metric.split_once('.').unwrap_or((metric, ""));
    (component.split(':').next().unwrap_or(component), below)
}

fn is_telemetry(metric: &str) -> bool {
    let (component, below) = component(metric);
    match component {
        "sys" => matches!(below, "uptime" | "ram_free" | "fs_free" | "restart_required"),
        "wifi" => matches!(below, "rssi" | "ssid"),
        _ if IDLE.contains(&component) => false,
        _ => {
            let last = below.rsplit('.').next().unwrap_or(below);
            !below.contains("by_minute")
                && !matches!(last, "id" | "source" | "tF" | "minute_ts" | "last_updated_ts" | "timer_started_at")
        }
    }
}

/// What the fields of components are (<https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Introduction>).
fn facts(metric: &str) -> Option<MetricFacts> {
    let (component, below) = component(metric);
    let is_switch = match (component, below) {
        (_, "output") | ("input", "state") => Some(""),
        ("smoke", "alarm") => Some("smoke"),
        ("flood", "alarm") => Some("moisture"),
        ("presence" | "presencezone", "state") => Some("occupancy"),
        (_, "external.present") => Some("plug"),
        _ => None,
    };
    if let Some(class) = is_switch {
        return Some(switched(class));
    }
    // Phases: a_voltage, b_voltage.
    let field = ["a_", "b_", "c_", "n_", "total_"].iter().find_map(|phase| below.strip_prefix(phase)).unwrap_or(below);
    quantity(component, below, field).map(|quantity| quantity.facts())
}

fn quantity(component: &str, below: &str, field: &str) -> Option<Quantity> {
    Some(match (component, below) {
        ("devicepower", "battery.percent") => measured("battery", "%"),
        ("devicepower", "battery.V") => measured("voltage", "V"),
        ("wifi", "rssi") => measured("signal_strength", "dBm"),
        ("sys", "uptime") => counted("duration", "s"),
        ("sys", _) => measured("data_size", "B"),
        ("humidity", "rh") => shown("humidity", "%", 1),
        ("illuminance", "lux") => measured("illuminance", "lx"),
        ("emdata", "total_act" | "total_act_ret") => counted("energy", "Wh"),
        (_, "brightness" | "current_pos" | "percent") => measured("", "%"),
        _ if below == "tC" || below.ends_with(".tC") => shown("temperature", "°C", 1),
        _ if below.ends_with("aenergy.total") => counted("energy", "Wh"),
        _ => match field {
            "apower" | "act_power" => measured("power", "W"),
            "aprt_power" | "aprtpower" => measured("apparent_power", "VA"),
            "voltage" => measured("voltage", "V"),
            "current" => measured("current", "A"),
            "pf" => measured("power_factor", ""),
            "freq" => measured("frequency", "Hz"),
            "act_energy" | "act_ret_energy" | "total_act_energy" | "total_act_ret_energy" => counted("energy", "Wh"),
            _ => return None,
        },
    })
}

fn broken(error: serde_json::Error) -> Rejection {
    Rejection::new(Reason::InvalidJson, format!("the notification is not as Shelly writes it ({error})"))
}
