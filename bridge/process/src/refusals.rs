//! What was refused of one publication, and why, in words for people.

use tidegate_telemetry::{DeviceScope, Owner, Problem, Reading, Reason, Rejection, Sender, scope};

use crate::config::ProcessConfig;
use crate::device::Device;
use crate::fleet::Full;

/// What of one publication was decoded but not applied: for each reason the first case in words, the others as a
/// number, so that one publication cannot make thousands of problems.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_reason: Vec<(Reason, String, usize)>,
}

impl Refusals {
    pub(crate) fn add(&mut self, reason: Reason, detail: impl FnOnce() -> String) {
        match self.by_reason.iter_mut().find(|(known, ..)| *known == reason) {
            Some((_, _, more)) => *more += 1,
            None => self.by_reason.push((reason, detail(), 0)),
        }
    }

    pub(crate) fn into_rejections(self) -> impl Iterator<Item = Rejection> {
        self.by_reason.into_iter().map(|(reason, detail, more)| match more {
            0 => Rejection { reason, detail },
            more => Rejection::new(reason, format!("{detail} (and {more} more in this publication)")),
        })
    }
}

/// Whether the rights let the sender speak for a device at all.
pub(crate) fn may_speak_for(sender: Sender<'_>, device: &str, refusals: &mut Refusals) -> bool {
    let forbidding = sender.scope().filter(|scope| !scope.holds(device, sender.topic()));
    if let Some(scope) = forbidding {
        refusals.add(Reason::NotItsDevice, || not_its_device(sender, scope, device));
    }
    forbidding.is_none()
}

/// Whether a device that is known is the sender's.
pub(crate) fn is_its(sender: Sender<'_>, device: &Device, refusals: &mut Refusals) -> bool {
    let is_its = *device.principal == *sender.principal() || scope::is_named_by(sender.topic(), &device.id);
    if !is_its {
        refusals.add(Reason::IdentityConflict, || conflict(device, sender.principal()));
    }
    is_its
}

/// Patterns of a scope that a problem shows.
const PATTERNS_SHOWN: usize = 8;

fn conflict(device: &Device, principal: &str) -> String {
    format!(
        "device {:?} belongs to {:?}, but {principal:?} used its identifier: give each device an identifier of its own",
        device.id, device.principal
    )
}

pub(crate) fn too_many_devices(device: &str, (key, max): Full, owner: &Owner) -> String {
    format!("device {device:?} of {owner} is one more than {key} ({max}): raise the limit if it is real")
}

pub(crate) fn gave_way(device: &Device, received_ms: i64, config: &ProcessConfig) -> Problem {
    let (owner, client) = device.holder();
    let detail = format!(
        "device {:?} was forgotten to make room, its history stays: process.devices_max ({}) is met, and {owner} has most \
         of them; raise the limit, or set process.forget_after",
        device.id, config.devices_max
    );
    let (reason, topic, payload) = (Reason::DeviceLimit, "".into(), Default::default());
    Problem { reason, detail, topic, client, owner, received_ms, payload }
}

pub(crate) fn without_figures(metric: &str, config: &ProcessConfig) -> String {
    format!(
        "metric {metric:?} has no figures by group: process.aggregate_metrics_max ({}) metrics that more devices share \
         have them; raise the limit, or send fewer names",
        config.aggregate_metrics_max
    )
}

pub(crate) fn answered_by_another(sender: Sender<'_>, device: &str) -> String {
    let (client, principal) = (sender.client(), sender.principal());
    format!(
        "client {client:?} ({principal}) answered a command of device {device:?}, which did not go to it: not counted as \
         an answer; let the device itself answer, or keep others from its response topic by a [[right]]"
    )
}

/// A metric lost its figures to others.
pub(crate) fn outvoted(metric: &str, received_ms: i64, config: &ProcessConfig) -> Problem {
    Problem {
        reason: Reason::MetricLimit,
        detail: without_figures(metric, config),
        topic: "".into(),
        client: "".into(),
        owner: Owner::Unknown,
        received_ms,
        payload: Default::default(),
    }
}

fn not_its_device(sender: Sender<'_>, scope: &DeviceScope, device: &str) -> String {
    let allowed: Vec<&str> = scope.patterns().take(PATTERNS_SHOWN).collect();
    let (client, principal) = (sender.client(), sender.principal());
    format!(
        "client {client:?} ({principal}) may not speak for device {device:?}, only for {allowed:?}: mend the identifier \
         it sends, or add the device to `devices` of a [[right]]"
    )
}

pub(crate) fn time_ahead(reading: &Reading, now_ms: i64, config: &ProcessConfig) -> String {
    let ahead_s = reading.time_ms.map_or(0, |time_ms| time_ms.saturating_sub(now_ms) / 1_000);
    format!(
        "the time of device {:?} is {ahead_s} s ahead of its receipt, and process.future_max allows {} s: set its clock, or \
         raise the key; the values count as of their receipt",
        reading.device,
        config.future_max.as_secs()
    )
}

pub(crate) fn too_many_metrics(device: &Device, metric: &str, config: &ProcessConfig) -> String {
    format!(
        "metric {metric:?} of device {:?} is one more than process.metrics_per_device_max ({}): raise the limit if it is \
         real",
        device.id, config.metrics_per_device_max
    )
}
