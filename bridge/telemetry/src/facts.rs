//! What is known of devices and metrics besides their values: names, makers, units, meanings. A format finds it in what
//! devices or their gateways say of themselves.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::classes::words_of;

/// What is known of a device. Each is absent where nobody said it. It stands in checkpoints as a [record](crate::record): a
/// new field comes last, and has a default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// What people call it: `Kitchen window`.
    pub name: Option<Arc<str>>,
    /// Type or product: `TS0201`.
    pub model: Option<Arc<str>>,
    /// Who makes it: `Aqara`.
    pub maker: Option<Arc<str>>,
    /// Version of its software.
    pub firmware: Option<Arc<str>>,
    /// Where its power comes from.
    pub power: Option<PowerSource>,
    /// Time between two of its reports at most, ms, as it declares it: a wake-up period, an expiry.
    pub report_ms: Option<i64>,
}

/// Where the power of a device comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerSource {
    /// Batteries, of which it wants to be sparing.
    Battery,
    /// The grid, or a plug.
    Mains,
}

/// What is known of a metric. Each is absent where nobody said it. In checkpoints it is as [`DeviceFacts`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct MetricFacts {
    /// Unit for people: `°C`; empty: it has none.
    pub unit: Option<Arc<str>>,
    /// Decimals to show.
    pub decimals: Option<u8>,
    /// What it is about, by the device classes of Home Assistant: `temperature`, `door`, `energy`.
    pub class: Option<Arc<str>>,
    /// How its values follow each other.
    pub state_class: Option<StateClass>,
    /// Words for `false` and `true`: `closed`, `open`.
    pub words: Option<[Arc<str>; 2]>,
    /// What people call it: `Outdoor temperature`.
    pub name: Option<Arc<str>>,
}

impl MetricFacts {
    /// Words for `false` and `true`: those that were said, else those of its class.
    #[must_use]
    pub fn words(&self) -> Option<[&str; 2]> {
        let said = self.words.as_ref().map(|[off, on]| [&**off, &**on]);
        said.or_else(|| words_of(self.class.as_deref()?))
    }
}

/// How the values of a metric follow each other, by the state classes of Home Assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateClass {
    /// Each stands for itself: a temperature.
    Measurement,
    /// A sum, which may also fall: an account of energy both ways.
    Total,
    /// A counter: it rises, and begins anew at 0 now and then.
    TotalIncreasing,
}
