//! When a silent device becomes late, asleep or lost, and when it is forgotten.

use tidegate_settings::millis;
use tidegate_telemetry::DeviceState;

use crate::config::ProcessConfig;
use crate::expected::Expected;
use crate::time::Moment;

/// State deadlines fall on whole seconds, so that many devices share one tick.
const GRID_MS: i64 = 1_000;

/// What becomes of a device that stays silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It changes its state.
    State(DeviceState),
    /// It is forgotten.
    Forgotten,
}

/// What becomes of a device in `state` that is expected so and was last heard at `heard`, and when. `None`: it stays as it is
/// until it is heard again.
pub(crate) fn next(
    config: &ProcessConfig,
    state: DeviceState,
    Expected { interval_ms, late_ms, lost_ms }: Expected,
    heard: Moment,
) -> Option<(Moment, Next)> {
    let sleeps = interval_ms >= millis(config.sleeper_interval) && millis(config.asleep_after) < late_ms;
    let (after_ms, next) = match state {
        DeviceState::Fresh if sleeps => (millis(config.asleep_after), Next::State(DeviceState::Asleep)),
        DeviceState::Fresh | DeviceState::Asleep => (late_ms, Next::State(DeviceState::Late)),
        DeviceState::Late => (lost_ms, Next::State(DeviceState::Lost)),
        DeviceState::Lost => (millis(config.forget_after?).max(lost_ms), Next::Forgotten),
    };
    let Moment(due_ms) = heard.plus(after_ms);
    Some((Moment(due_ms.saturating_add(GRID_MS - 1).div_euclid(GRID_MS) * GRID_MS), next))
}
