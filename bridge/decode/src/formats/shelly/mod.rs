//! Shelly: devices of the second generation and later ([`gen2`]), and of the first ([`gen1`]).

mod gen1;
mod gen2;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{Availability, Decoded, DeviceFacts, Frozen, PowerSource, Reading, Rejection};

use super::json::Found;
use crate::config::DecodeConfig;
use crate::described::{self, Kept};
use crate::flaws::Flaws;
use crate::format::{Format, FormatEntry, Input, StateError};
use crate::sources::Sources;

pub(super) const SHELLY: FormatEntry =
    FormatEntry { name: "shelly", meaning: "Shelly of any generation", new: |config| Box::new(Shelly::new(config)) };

const GROUP: &str = "Shelly";

/// Whether a topic is of this format where nothing is configured and nothing was heard.
pub(super) fn owns(topic: &str) -> bool {
    gen1::below(topic).is_some() || gen2::Subject::of(topic, |_| false).is_some()
}

/// What is known of a device.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Known {
    facts: Option<Arc<DeviceFacts>>,
    /// Whether it was said last that it has power from outside: then its battery says nothing.
    is_powered: bool,
}

impl Known {
    /// Changes what is known of the device, and keeps the facts in memory where that is nothing new.
    fn learn(&mut self, change: impl FnOnce(&mut DeviceFacts)) {
        let mut facts = self.facts.as_deref().cloned().unwrap_or_default();
        change(&mut facts);
        if self.facts.as_deref() != Some(&facts) {
            self.facts = Some(Arc::new(facts));
        }
    }
}

#[derive(Debug)]
struct Shelly {
    devices: Sources<Known>,
    kept: Kept,
}

impl Shelly {
    fn new(config: &DecodeConfig) -> Self {
        Shelly { devices: Sources::new(config.sources_max), kept: Kept::default() }
    }

    /// What is known of a device, to be changed where the message says something else.
    fn learn(&mut self, id: &str, input: &Input<'_>, news: &News) {
        let is_known = self.devices.used(id, input.position()).is_some_and(|known| news.is_known(known));
        if !is_known {
            let known = self.devices.of(id, input.position());
            known.is_powered = news.is_powered.unwrap_or(known.is_powered);
            known.learn(|facts| news.tell(facts));
        }
    }

    /// Adds a reading of a device, or that it is there where it said nothing else.
    fn say(
        &mut self,
        input: &mut Input<'_>,
        id: &str,
        found: Found,
        quantity: fn(&str) -> Option<tidegate_telemetry::MetricFacts>,
        out: &mut Decoded,
    ) -> Result<(), Rejection> {
        let device = input.name("topic", id)?;
        if found.metrics.is_empty() && found.without_value.is_empty() {
            out.availability.push(Availability { device, is_connected: true });
            return Ok(());
        }
        let group = input.name("group", GROUP)?;
        let Found { time_ms, metrics, without_value } = found;
        let reading = Reading { device, group, time_ms, corrects: false, metrics, without_value };
        let facts = self.devices.get(id).and_then(|known| known.facts.as_ref());
        let kept = &mut self.kept;
        described::say(out, reading, facts, |metric| kept.of(metric, || quantity(metric)));
        Ok(())
    }
}

/// What a message says of the device itself.
#[derive(Debug, Default)]
struct News {
    model: Option<Arc<str>>,
    firmware: Option<Arc<str>>,
    power: Option<PowerSource>,
    report_ms: Option<i64>,
    is_powered: Option<bool>,
}

impl News {
    fn is_known(&self, known: &Known) -> bool {
        let Some(facts) = &known.facts else { return false };
        fn same<T: PartialEq>(news: &Option<T>, known: &Option<T>) -> bool {
            news.is_none() || news == known
        }
        same(&self.model, &facts.model)
            && same(&self.firmware, &facts.firmware)
            && same(&self.power, &facts.power)
            && same(&self.report_ms, &facts.report_ms)
            && self.is_powered.is_none_or(|is_powered| is_powered == known.is_powered)
    }

    fn tell(&self, facts: &mut DeviceFacts) {
        facts.maker = Some(GROUP.into());
        facts.model = self.model.clone().or(facts.model.take());
        facts.firmware = self.firmware.clone().or(facts.firmware.take());
        facts.power = self.power.or(facts.power);
        facts.report_ms = self.report_ms.or(facts.report_ms);
    }
}

impl Format for Shelly {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        let is_known = |id: &str| self.devices.get(id).is_some();
        gen1::below(input.topic()).is_some() || gen2::Subject::of(input.topic(), is_known).is_some()
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let topic = input.topic();
        let mut flaws = Flaws::default();
        match gen1::below(topic) {
            Some((id, below)) => self.gen1(input, id, below, out, &mut flaws)?,
            None => {
                if let Some(subject) = gen2::Subject::of(topic, |_| true) {
                    self.gen2(input, &subject, out, &mut flaws)?;
                }
            }
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
