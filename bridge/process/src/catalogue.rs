//! Units and decimals of metrics: as the configuration says them, else as the name suggests (`temperature` is in °C).

use std::collections::HashMap;
use std::sync::Arc;

use tidegate_telemetry::Value;
use tidegate_telemetry::scope::glob_matches;

use crate::config::MetricConfig;
use crate::conversion::Conversion;

/// Most decimals that are learnt from values.
pub(crate) const DECIMALS_LEARNT_MAX: u8 = 3;

/// Stands for the decimals of a metric that never had a number.
pub(crate) const DECIMALS_UNKNOWN: u8 = u8::MAX;

/// What a metric probably is, by the last part of its name in lower case.
struct WellKnown {
    names: &'static [&'static str],
    unit: &'static str,
    decimals: u8,
    /// Whether a number can be one in this unit. Where one cannot, the device means another: millivolts, pascals, hundredths.
    fits: fn(f64) -> bool,
}

macro_rules! well_known {
    ($($names:expr => $unit:literal, $decimals:literal, $fits:expr;)*) => {
        &[$(WellKnown { names: &$names, unit: $unit, decimals: $decimals, fits: $fits }),*]
    };
}

const WELL_KNOWN: &[WellKnown] = well_known! {
    ["temperature", "temp", "dew_point", "dewpoint"] => "°C", 1, |it| (-273.15..=2_000.0).contains(&it);
    ["humidity", "relative_humidity"] => "%", 1, |it| (0.0..=105.0).contains(&it) && !is_part(it, 1.0);
    ["soil_moisture", "moisture"] => "%", 1, |it| (0.0..=105.0).contains(&it) && !is_part(it, 1.0);
    ["pressure", "barometer"] => "hPa", 1, |it| (300.0..=1_200.0).contains(&it);
    // One that says 3.3 tells its voltage; one that is nearly empty says 3.
    ["battery", "battery_level", "battery_percent"] => "%", 0, |it| (0.0..=100.0).contains(&it) && !is_part(it, 5.0);
    ["voltage", "battery_voltage"] => "V", 2, |it| it.abs() <= 1_000.0;
    ["current"] => "A", 2, |it| it.abs() <= 1_000.0;
    ["power", "active_power"] => "W", 1, |_| true;
    ["energy"] => "kWh", 2, |_| true;
    ["frequency"] => "Hz", 2, |it| it >= 0.0;
    ["co2"] => "ppm", 0, |it| (0.0..=100_000.0).contains(&it) && !is_part(it, 10.0);
    ["voc", "tvoc"] => "ppb", 0, |it| it >= 0.0;
    ["pm1", "pm25", "pm2_5", "pm10"] => "µg/m³", 0, |it| it >= 0.0;
    ["illuminance", "light", "lux"] => "lx", 0, |it| it >= 0.0;
    ["noise", "sound_level"] => "dB", 1, |it| (-150.0..=250.0).contains(&it);
    ["signal", "rssi", "signal_strength"] => "dBm", 0, |it| (-200.0..=30.0).contains(&it);
    ["wind_speed"] => "m/s", 1, |it| (0.0..=150.0).contains(&it);
    ["rain", "rainfall"] => "mm", 1, |it| it >= 0.0;
};

/// Whether a number is none that a whole one below `below` rounds to.
fn is_part(number: f64, below: f64) -> bool {
    number > 0.0 && number < below && number.fract() != 0.0
}

/// Units and decimals by metric name.
#[derive(Debug)]
pub(crate) struct Catalogue {
    configured: HashMap<String, Configured>,
    /// By the last part of the name. Made once, so that all devices share the text of a unit.
    well_known: HashMap<&'static str, (Guess, Style)>,
    converts: bool,
}

#[derive(Debug)]
struct Configured {
    /// `None`: the configuration does not say it.
    unit: Option<Option<Arc<str>>>,
    decimals: Option<u8>,
    conversion: Option<Conversion>,
    by_device: Vec<(String, Conversion)>,
}

impl Configured {
    /// From what a device sends, by its full identifier.
    fn conversion_of(&self, device: &str) -> Option<Conversion> {
        let own = self.by_device.iter().find(|(pattern, _)| glob_matches(pattern, device));
        own.map(|(_, conversion)| *conversion).or(self.conversion)
    }
}

/// A unit that a name suggests, by its place among the well-known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guess(u8);

/// How a metric is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Style {
    pub(crate) unit: Option<Arc<str>>,
    /// Whether the unit is guessed from the name.
    pub(crate) guessed: bool,
    /// `None`: to be learnt from the values.
    pub(crate) decimals: Option<u8>,
}

impl Guess {
    /// Whether the number can be one in the unit.
    pub(crate) fn fits(self, number: f64) -> bool {
        (WELL_KNOWN[usize::from(self.0)].fits)(number)
    }
}

impl Catalogue {
    pub(crate) fn new(configured: &[MetricConfig]) -> Self {
        let configured = configured.iter().map(|metric| {
            let unit = metric.unit.as_deref().map(|unit| Some(Arc::from(unit)).filter(|_| !unit.is_empty()));
            let MetricConfig { name, decimals, conversion, by_device, .. } = metric.clone();
            (name, Configured { unit, decimals, conversion, by_device })
        });
        let configured: HashMap<String, Configured> = configured.collect();
        let mut well_known = HashMap::new();
        for (place, WellKnown { names, unit, decimals, .. }) in (0u8..).zip(WELL_KNOWN) {
            let style = Style { unit: Some((*unit).into()), guessed: true, decimals: Some(*decimals) };
            well_known.extend(names.iter().map(|name| (*name, (Guess(place), style.clone()))));
        }
        let converts = configured.values().any(|metric| metric.conversion.is_some() || !metric.by_device.is_empty());
        Catalogue { configured, well_known, converts }
    }

    /// The style of a metric: as configured, else by the last part of its name.
    pub(crate) fn style(&self, metric: &str) -> Style {
        let guessed = || self.well_known(metric).map(|(_, style)| style.clone()).unwrap_or_default();
        match self.configured.get(metric) {
            Some(Configured { unit: Some(unit), decimals, .. }) => {
                Style { unit: unit.clone(), guessed: false, decimals: *decimals }
            }
            Some(Configured { decimals: decimals @ Some(_), .. }) => Style { decimals: *decimals, ..guessed() },
            _ => guessed(),
        }
    }

    /// As [`Catalogue::style`], of what is configured alone.
    pub(crate) fn said(&self, metric: &str) -> Style {
        let said = self.configured.get(metric);
        let unit = said.and_then(|metric| metric.unit.clone()).flatten();
        Style { unit, guessed: false, decimals: said.and_then(|metric| metric.decimals) }
    }

    /// Whether the configuration says the unit of a metric.
    pub(crate) fn says_unit(&self, metric: &str) -> bool {
        self.configured.get(metric).is_some_and(|metric| metric.unit.is_some())
    }

    /// What the unit of a metric would be guessed to be; `None` where it is configured, or nothing suggests one.
    pub(crate) fn guess(&self, metric: &str) -> Option<Guess> {
        let is_said = self.says_unit(metric);
        self.well_known(metric).filter(|_| !is_said).map(|(guess, _)| *guess)
    }

    /// A value that a device sent, in the unit that is kept.
    pub(crate) fn kept(&self, device: &str, metric: &str, value: Value) -> Value {
        match value {
            Value::Number(number) if self.converts => {
                let conversion = self.configured.get(metric).and_then(|metric| metric.conversion_of(device));
                Value::Number(conversion.map_or(number, |conversion| conversion.of(number)))
            }
            value => value,
        }
    }

    fn well_known(&self, metric: &str) -> Option<&(Guess, Style)> {
        self.well_known.get(&*metric.rsplit('.').next().unwrap_or(metric).to_lowercase())
    }
}

/// Decimals a number needs, at least `known` and at most [`DECIMALS_LEARNT_MAX`].
pub(crate) fn decimals_of(number: f64, known: u8) -> u8 {
    const POWERS: [f64; DECIMALS_LEARNT_MAX as usize] = [1.0, 10.0, 100.0];
    let needs_no_more = |decimals: &u8| {
        let scaled = number.abs() * POWERS[usize::from(*decimals)];
        (scaled - scaled.round()).abs() <= scaled * 1e-12
    };
    (known..DECIMALS_LEARNT_MAX).find(needs_no_more).unwrap_or(DECIMALS_LEARNT_MAX)
}
