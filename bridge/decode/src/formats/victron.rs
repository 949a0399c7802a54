//! Victron's Venus OS: `N/{portal}/{service}/{instance}/{path}` holds `{"value":13.2}`, one metric a message.
//!
//! Venus falls silent a minute after it was last asked to go on, so it is asked while it speaks
//! (<https://github.com/victronenergy/dbus-flashmq>, Keep-alive). A value that is `null` or an empty list is none.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smallvec::smallvec;
use tidegate_telemetry::{Decoded, Effect, Frozen, Qos, Reading, Reason, Rejection};

use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::gather::Place;
use crate::sources::Sources;

use super::json;
use super::parts::whole;

pub(super) const VICTRON: FormatEntry = FormatEntry {
    name: "victron",
    meaning: "Venus OS of Victron",
    new: |config| Box::new(Victron { portals: Sources::new(config.sources_max) }),
};

/// Time between two requests to go on, ms; it is silent after 60 s.
const ASK_AGAIN_MS: i64 = 25_000;
/// From here on it may have been silent, ms: it is asked for all values.
const WAS_SILENT_MS: i64 = 60_000;
/// A portal's identifier is its MAC address.
const PORTAL_DIGITS: usize = 12;

#[derive(Debug)]
struct Victron {
    portals: Sources<Portal>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Portal {
    /// Unix ms.
    asked_ms: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// The parts of a topic.
struct Topic<'t> {
    /// What a bridge put in front, with its slash: `boat/`, or nothing.
    before: &'t str,
    portal: &'t str,
    /// The portal, and what was put in front: two bridges may carry the same portal.
    source: &'t str,
    /// Service and instance, `battery/258`, and the path below.
    path: Option<(&'t str, &'t str)>,
}

impl Format for Victron {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        input.topic.starts_with("N/") && Topic::of(input.topic).is_some_and(|topic| topic.is_of_venus())
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let topic = Topic::of(input.topic).ok_or_else(unknown_topic)?;
        self.keep_alive(&topic, input, out);
        let Some((service, path)) = topic.path else { return Ok(()) };
        let said: Message<'_> = whole(input, "Venus")?;
        let place = Place {
            device: input.name("topic", &format!("{}/{service}", topic.portal))?,
            group: input.name("portal", topic.portal)?,
        };
        let mut flaws = Flaws::default();
        match said.value.map(RawValue::get) {
            None | Some("null" | "[]") => {
                let metric = input.name("path", path)?;
                let (device, group) = (place.device, place.group);
                let (metrics, without_value) = (smallvec![], vec![metric]);
                out.readings.push(Reading { device, group, time_ms: None, corrects: false, metrics, without_value });
            }
            Some(value) => {
                let object = format!("{{{}:{value}}}", serde_json::to_string(path).expect("a text is written as JSON"));
                out.readings.extend(json::object(input, &mut flaws, &object, &place, None));
            }
        }
        flaws.into_result(&mut out.further)
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.portals.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.portals.restore(state)
    }
}

impl Victron {
    fn keep_alive(&mut self, topic: &Topic<'_>, input: &Input<'_>, out: &mut Decoded) {
        let portal = self.portals.of(topic.source, input.position);
        let now_ms = input.received_ms();
        let since_ms = portal.asked_ms.and_then(|asked_ms| now_ms.checked_sub(asked_ms)).filter(|since| *since >= 0);
        if since_ms.is_some_and(|since_ms| since_ms < ASK_AGAIN_MS) {
            return;
        }
        portal.asked_ms = Some(now_ms);
        let payload = match since_ms {
            Some(since_ms) if since_ms < WAS_SILENT_MS => br#"{"keepalive-options":["suppress-republish"]}"#.as_slice(),
            _ => b"{}",
        };
        let topic = format!("{}R/{}/keepalive", topic.before, topic.portal);
        out.effects.push(Effect { topic, payload: Bytes::from_static(payload), qos: Qos::AtMostOnce });
    }
}

impl<'t> Topic<'t> {
    fn of(topic: &'t str) -> Option<Self> {
        let begin = if topic.starts_with("N/") { 0 } else { topic.find("/N/")? + 1 };
        let (before, rest) = topic.split_at(begin);
        let (portal, rest) = rest["N/".len()..].split_once('/')?;
        let source = if before.is_empty() { portal } else { &topic[..begin + "N/".len() + portal.len()] };
        let mut levels = rest.splitn(3, '/');
        let (service, instance, path) = (levels.next()?, levels.next(), levels.next());
        let path = instance.zip(path).map(|(instance, path)| (&rest[..service.len() + 1 + instance.len()], path));
        (!portal.is_empty()).then_some(Topic { before, portal, source, path })
    }

    fn is_of_venus(&self) -> bool {
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.portal.len() == PORTAL_DIGITS && is_hex(self.portal)
    }
}

fn unknown_topic() -> Rejection {
    Rejection::new(Reason::NotUnderstood, "no topic of Venus: it is N/{portal}/{service}/{instance}/{path}")
}
