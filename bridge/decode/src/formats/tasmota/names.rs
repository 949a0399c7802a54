//! What Tasmota calls things.

use crate::quantities::{Quantity, counted, measured, shown};

/// What answers to commands have of states.
pub(super) fn is_state(metric: &str) -> bool {
    const STATES: [&str; 12] = [
        "POWER",
        "Dimmer",
        "Color",
        "HSBColor",
        "CT",
        "White",
        "Channel",
        "FanSpeed",
        "Shutter",
        "Switch",
        "Button",
        "ZbReceived",
    ];
    STATES.iter().any(|state| metric.starts_with(state))
}

/// Texts that say what a number beside them says, or when something began.
pub(super) fn is_noise(metric: &str) -> bool {
    matches!(metric, "Uptime" | "Wifi.Downtime" | "SleepMode") || metric.ends_with("TotalStartTime")
}

/// The last part of a name that is no number of a place in a list: `Power` of `ENERGY.Power.0`, `Temperature` of
/// `ANALOG.Temperature1`.
pub(super) fn leaf(metric: &str) -> &str {
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let last = metric.rsplit('.').find(|part| !is_number(part)).unwrap_or(metric);
    last.trim_end_matches(|character: char| character.is_ascii_digit())
}

/// What Tasmota's sensors call their quantities (<https://tasmota.github.io/docs/JSON-Status-Responses/>).
pub(super) fn quantity(leaf: &str) -> Option<Quantity> {
    Some(match leaf {
        "Temperature" | "DewPoint" => shown("temperature", "°C", 1),
        "Humidity" => shown("humidity", "%", 1),
        "Pressure" | "SeaPressure" => shown("atmospheric_pressure", "hPa", 1),
        "Illuminance" => measured("illuminance", "lx"),
        "CarbonDioxide" | "eCO" => measured("carbon_dioxide", "ppm"),
        "TVOC" => measured("volatile_organic_compounds_parts", "ppb"),
        "Moisture" => measured("moisture", "%"),
        "Distance" => measured("distance", "cm"),
        "Weight" => measured("weight", "kg"),
        "Total" | "Today" | "ExportActive" | "ImportActive" | "TotalTariff" | "ExportTariff" => {
            counted("energy", "kWh")
        }
        "Yesterday" => Quantity { state_class: None, ..measured("energy", "kWh") },
        "Period" => Quantity { state_class: None, ..measured("energy", "Wh") },
        "Power" => measured("power", "W"),
        "ApparentPower" => measured("apparent_power", "VA"),
        "ReactivePower" => measured("reactive_power", "var"),
        "Factor" => measured("power_factor", ""),
        "Frequency" => measured("frequency", "Hz"),
        "Voltage" => measured("voltage", "V"),
        "Current" => measured("current", "A"),
        "RSSI" | "Dimmer" | "LinkQuality" => measured("", "%"),
        "Signal" => measured("signal_strength", "dBm"),
        "UptimeSec" => counted("duration", "s"),
        "Heap" => measured("data_size", "kB"),
        "BatteryPercentage" => measured("battery", "%"),
        "Speed" => measured("wind_speed", "km/h"),
        _ => return None,
    })
}
