use std::collections::HashMap;
use std::sync::Arc;

use crate::config::MetricConfig;

/// Most decimals that are learnt from values.
pub(crate) const DECIMALS_LEARNT_MAX: u8 = 3;

/// Stands for the decimals of a metric that never had a number.
pub(crate) const DECIMALS_UNKNOWN: u8 = u8::MAX;

/// Well-known metrics: last part of the name in lower case, unit, decimals.
const WELL_KNOWN: &[(&[&str], &str, u8)] = &[
    (&["temperature", "temp", "dew_point", "dewpoint"], "°C", 1),
    (&["humidity", "relative_humidity"], "%", 1),
    (&["soil_moisture", "moisture"], "%", 1),
    (&["pressure", "barometer"], "hPa", 1),
    (&["battery", "battery_level", "battery_percent"], "%", 0),
    (&["voltage", "battery_voltage"], "V", 2),
    (&["current"], "A", 2),
    (&["power", "active_power"], "W", 1),
    (&["energy"], "kWh", 2),
    (&["frequency"], "Hz", 2),
    (&["co2"], "ppm", 0),
    (&["voc", "tvoc"], "ppb", 0),
    (&["pm1", "pm25", "pm2_5", "pm10"], "µg/m³", 0),
    (&["illuminance", "light", "lux"], "lx", 0),
    (&["noise", "sound_level"], "dB", 1),
    (&["signal", "rssi", "signal_strength"], "dBm", 0),
    (&["wind_speed"], "m/s", 1),
    (&["rain", "rainfall"], "mm", 1),
];

/// Units and decimals by metric name.
#[derive(Debug)]
pub(crate) struct Catalogue {
    configured: HashMap<String, Style>,
    /// By the last part of the name. Made once, so that all devices share the text of a unit.
    well_known: HashMap<&'static str, Style>,
}

/// How a metric is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Style {
    pub(crate) unit: Option<Arc<str>>,
    /// `None`: to be learnt from the values.
    pub(crate) decimals: Option<u8>,
}

impl Catalogue {
    pub(crate) fn new(configured: &[MetricConfig]) -> Self {
        let style =
            |metric: &MetricConfig| Style { unit: metric.unit.as_deref().map(Arc::from), decimals: metric.decimals };
        let mut well_known = HashMap::new();
        for (names, unit, decimals) in WELL_KNOWN {
            let style = Style { unit: Some((*unit).into()), decimals: Some(*decimals) };
            well_known.extend(names.iter().map(|name| (*name, style.clone())));
        }
        let configured = configured.iter().map(|metric| (metric.name.clone(), style(metric))).collect();
        Catalogue { configured, well_known }
    }

    /// The style of a metric: as configured, else by the last part of its name.
    pub(crate) fn style(&self, metric: &str) -> Style {
        if let Some(style) = self.configured.get(metric) {
            return style.clone();
        }
        let last = metric.rsplit('.').next().unwrap_or(metric).to_lowercase();
        self.well_known.get(&*last).cloned().unwrap_or_default()
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
