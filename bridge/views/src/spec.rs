//! What a client asks to see (docs/protocol.md, "Subscribing").

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a client asks to see: the `view` of a `subscribe` message (docs/protocol.md, "Subscribing").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ViewSpec {
    /// One device.
    Device {
        /// Full identifier, or last level while it is unique.
        device: String,
        /// Only these metrics; `None` for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metrics: Option<Vec<String>>,
    },
    /// Devices of a list, or of a group, in full or a page of them.
    Devices {
        /// Names, as in `Device`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        devices: Option<Vec<String>>,
        /// Group path, with everything below it; `""` for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// Only these metrics; `None` for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metrics: Option<Vec<String>>,
        /// The page begins after this full identifier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Devices of the page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
        /// Whether devices of the group that people hid are among them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hidden: bool,
    },
    /// A compact cell for each device.
    Fleet {
        /// Group path; `""` for all.
        #[serde(default)]
        group: String,
        /// The metric whose value is shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metric: Option<String>,
        /// Whether each cell says when anything was last heard of its device.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        heard: bool,
        /// Whether devices that people hid are among them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hidden: bool,
    },
    /// Aggregates.
    Group {
        /// Group path; `""` for all.
        #[serde(default)]
        group: String,
        /// Levels below it.
        #[serde(default)]
        depth: usize,
        /// Only these metrics; `None` for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metrics: Option<Vec<String>>,
    },
    /// A chart.
    Series {
        /// Its lines.
        series: Vec<SeriesSpec>,
        /// Span of time and pixels.
        #[serde(flatten)]
        window: WindowSpec,
    },
    /// Alerts.
    Alerts {
        /// Group path; `""` for all.
        #[serde(default)]
        group: String,
        /// Only those of this device: full identifier, or last level while it is unique.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        /// So many lines of those that hold, and as many of those that cleared; `None` for 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
    },
    /// The newest commands.
    Commands {
        /// Full identifier, or last level while it is unique; `None` for all devices.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        /// So many at most; `None` for 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
    },
}

impl ViewSpec {
    /// Names of the list of devices that it asks for.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            ViewSpec::Device { device, .. } => std::slice::from_ref(device),
            ViewSpec::Devices { devices: Some(names), .. } => names,
            _ => &[],
        }
    }
}

/// One line of a chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesSpec {
    /// Full identifier, or last level while it is unique.
    pub device: String,
    /// Metric name.
    pub metric: String,
}

/// `from` and `to`, or `last`; in milliseconds. A number that is a time between 2001 and 2200 in s, µs or ns is that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct WindowSpec {
    /// Unix ms, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// Unix ms, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// The newest so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
}

/// A change of a subscription that keeps its place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpdateSpec {
    /// Devices to add to a list.
    pub add: Vec<String>,
    /// Devices to remove from a list.
    pub remove: Vec<String>,
    /// New window of a chart; fields that are `None` stay.
    pub window: Option<WindowSpec>,
    /// New metric of a `fleet` view.
    pub metric: Option<String>,
}

/// Why a view cannot be opened or changed so. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// A field is missing, wrong, or names what is not there.
    #[error("{0}")]
    Invalid(String),
    /// A name fits several devices.
    #[error("\"{name}\" is the name of several devices; ask for one of them in full: {}", candidates.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// Full identifiers.
        candidates: Vec<Arc<str>>,
    },
    /// More rows than one view may have.
    #[error("the view would have {rows} {what}, at most {max} are allowed: ask for a part of it")]
    TooLarge {
        /// What there are too many of.
        what: &'static str,
        /// How many it would have.
        rows: usize,
        /// The limit.
        max: usize,
    },
}
