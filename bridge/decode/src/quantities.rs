//! What quantities are called, in Home Assistant's device classes.

use tidegate_telemetry::{MetricFacts, StateClass};

use StateClass::{Measurement, TotalIncreasing};

/// A quantity: its class, unit, decimals, and how its values follow each other. An empty class is none.
pub(crate) struct Quantity {
    pub(crate) class: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) decimals: Option<u8>,
    pub(crate) state_class: Option<StateClass>,
}

impl Quantity {
    /// The facts of a metric that is this quantity.
    pub(crate) fn facts(&self) -> MetricFacts {
        self.facts_in(self.unit)
    }

    /// The facts of a metric that is this quantity in another unit.
    pub(crate) fn facts_in(&self, unit: &str) -> MetricFacts {
        MetricFacts {
            unit: Some(unit.into()),
            decimals: self.decimals,
            class: (!self.class.is_empty()).then(|| self.class.into()),
            state_class: self.state_class,
            ..MetricFacts::default()
        }
    }
}

/// A quantity that is measured.
pub(crate) const fn measured(class: &'static str, unit: &'static str) -> Quantity {
    Quantity { class, unit, decimals: None, state_class: Some(Measurement) }
}

/// As [`measured`], shown with so many decimals.
pub(crate) const fn shown(class: &'static str, unit: &'static str, decimals: u8) -> Quantity {
    Quantity { decimals: Some(decimals), ..measured(class, unit) }
}

/// A quantity that is counted up.
pub(crate) const fn counted(class: &'static str, unit: &'static str) -> Quantity {
    Quantity { class, unit, decimals: None, state_class: Some(TotalIncreasing) }
}

/// The facts of something that is on or off.
pub(crate) fn switched(class: &str) -> MetricFacts {
    MetricFacts { unit: Some("".into()), class: (!class.is_empty()).then(|| class.into()), ..MetricFacts::default() }
}
